package api

import (
	"context"
	"fmt"
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
		Offset: params.Offset, Cursor: params.Cursor, Shape: params.Shape, Format: params.Format, Points: params.Points, Width: params.Width,
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
	histograms, err := a.histograms(c.Request().Context(), bins)
	if err != nil {
		return err
	}
	a.tail = func(_ *streamClock, b []byte, count int64, e rowstream.End) ([]byte, error) {
		return append(a.appendNextOffset(b, count, e), histograms...), nil
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

// maxHistograms bounds the scans that one request may cause.
const maxHistograms = 100

// histograms is the member "histograms" with that of each numeric column, nothing without bins. It is read before the rows, so that
// an answer that takes too long is an error and not a part of an answer.
func (a *rowAnswer) histograms(ctx context.Context, bins int) ([]byte, error) {
	if bins == 0 {
		return nil, nil
	}
	var list []questdb.Between
	var names []string
	for _, c := range a.columns[1:] {
		if series.IsNumeric(c.Kind) {
			names = append(names, c.Name)
			list = append(list, questdb.Between{Selection: a.series.Selection(a.at.Range), Column: c.Source, Low: math.Inf(-1), High: math.Inf(1)})
		}
	}
	if len(list) > maxHistograms {
		return nil, spec.InvalidParameter("bins", fmt.Sprintf("is for at most %d numeric columns, and these are %d: name some with columns",
			maxHistograms, len(list)))
	}
	all, err := chart.Histograms(ctx, a.series.Client, list, bins)
	if err != nil {
		return nil, err
	}
	b := []byte(`,"histograms":{`)
	for i := range all {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(rowstream.AppendText(b, []byte(names[i])), ':')
		b = chart.AppendHistogram(b, &all[i])
	}
	return append(b, '}'), nil
}
