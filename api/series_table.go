package api

import (
	"math"
	"strconv"

	"github.com/labstack/echo/v4"

	"foldbook/api/spec"
	"foldbook/internal/chart"
	"foldbook/internal/rowstream"
	"foldbook/internal/series"
	"foldbook/questdb"
)

// ListSeries serves GET /api/datasets/:dataset_id/series: {"dataset_id": …, "columns": […], "rows": [[…]], "count": …, …}.
// It is long, because it hands on each of its many parameters by name.
func (s *Server) ListSeries(c echo.Context, datasetID string, params spec.ListSeriesParams) error {
	a, err := tableRoute.read(c, rowQuery{
		StartTS: params.StartTS, EndTS: params.EndTS, StartTimestamp: params.StartTimestamp, EndTimestamp: params.EndTimestamp,
		StartIndex: params.StartIndex, EndIndex: params.EndIndex, Columns: params.Columns, Desc: params.Desc, Limit: params.Limit,
		Offset: params.Offset, Cursor: params.Cursor, Format: params.Format, Points: params.Points, Width: params.Width,
	})
	if err != nil {
		return err
	}
	bins, err := binsOf(params.Bins, 0)
	switch {
	case err != nil:
		return err
	case bins > 0 && (a.format != spec.JSON || a.at.Numbered):
		return spec.InvalidParameter("bins", "goes with format=json, and not with start_index or end_index")
	}
	id, err := s.openRows(c, a, datasetID, false)
	switch {
	case err != nil:
		return err
	case bins > 0 && a.pixels > 0:
		return spec.InvalidParameter("bins", "cannot be combined with points or width")
	}
	a.head = func(b []byte) []byte { return rowstream.AppendMember(b, "dataset_id", id.String()) }
	a.tail = func(clock *streamClock, b []byte, count int64, e rowstream.End) ([]byte, error) {
		return a.appendHistograms(clock, a.appendNextOffset(b, count, e), bins)
	}
	return s.listRows(c, a)
}

// appendNextOffset appends the member "next_offset".
func (a *rowAnswer) appendNextOffset(b []byte, count int64, e rowstream.End) []byte {
	b = append(b, `,"next_offset":`...)
	if e.Next == "" {
		return append(b, "null"...)
	}
	return strconv.AppendInt(b, a.at.Offset+count, 10)
}

// appendHistograms appends the member "histograms" with that of each numeric column, nothing without bins.
func (a *rowAnswer) appendHistograms(clock *streamClock, b []byte, bins int) ([]byte, error) {
	if bins == 0 {
		return b, nil
	}
	b = append(b, `,"histograms":{`...)
	for i, c := range a.columns {
		if i == 0 || !series.IsNumeric(c.Kind) {
			continue
		}
		h, err := chart.Histogram(clock, a.series.Client, questdb.Between{Selection: a.series.Selection(a.at.Range), Column: c.Source, Low: math.Inf(-1), High: math.Inf(1)}, bins)
		if err != nil {
			return nil, err
		}
		if b[len(b)-1] == '}' {
			b = append(b, ',')
		}
		b = append(rowstream.AppendText(b, []byte(c.Name)), ':')
		b = chart.AppendHistogram(b, &h)
	}
	return append(b, '}'), nil
}
