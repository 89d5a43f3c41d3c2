package api

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"foldbook/api/spec"
	"foldbook/internal/series"
	"foldbook/questdb"
)

// ListSeries serves GET /api/datasets/:dataset_id/series: {"dataset_id": …, "columns": […], "rows": [[…]], "count": …, …}.
func (s *Server) ListSeries(c echo.Context, datasetID string, params spec.ListSeriesParams) error {
	format, err := formatOf(params.Format, c.Request(), spec.JSON)
	if err != nil {
		return err
	}
	at, err := rangeOf(c, rowQuery{
		params.StartTS, params.EndTS, params.StartTimestamp, params.EndTimestamp, params.StartIndex, params.EndIndex,
		params.Columns, params.Desc, params.Limit, params.Offset, params.Cursor,
	}, tableLimits, format)
	if err != nil {
		return err
	}
	pixels, err := pixelsOf(params.Points, params.Width, at)
	if err != nil {
		return err
	}
	bins, err := binsOf(params.Bins, 0)
	if err != nil {
		return err
	}
	if bins > 0 && (format != spec.JSON || at.numbered) {
		return spec.InvalidParameter("bins", "goes with format=json, and not with start_index or end_index")
	}
	r, id, err := s.datasetSeries(c, datasetID, false)
	if err != nil {
		return err
	}
	columns, err := r.columns(params.Columns)
	if err != nil {
		return err
	}
	head := func(b []byte) []byte { return member(b, "dataset_id", id.String()) }
	if pixels > 0 {
		if bins > 0 {
			return spec.InvalidParameter("bins", "does not go with points or width")
		}
		return s.listPixels(c, r, at, columns, pixels, format, pixelShape{arrays: true, head: head, tail: func(b []byte) []byte { return append(b, `,"next_offset":null`...) }})
	}
	clock := s.streamClock(c)
	defer clock.cancel()
	if format == spec.Parquet {
		return s.sendParquet(c, clock, r, columns, at)
	}
	source, err := r.scan(clock, columns, at)
	if err != nil {
		return err
	}
	return s.writeRows(c, clock, &rowAnswer{
		fields: fieldsOf(columns), source: source, format: format, file: r.table.Name, key: "rows", arrays: true,
		head: func(b []byte) []byte { return member(head(b), "measurement", r.table.Name) },
		end: func(count int64) (rowEnd, error) {
			e, err := r.end(clock, at, source, count)
			if err != nil {
				return e, err
			}
			histograms, err := r.histograms(clock, at, columns, bins)
			e.tail = func(b []byte) []byte {
				b = append(at.tail(b, count, e), `,"next_offset":`...)
				if e.next == "" {
					b = append(b, "null"...)
				} else {
					b = strconv.AppendInt(b, at.offset+count, 10)
				}
				return append(b, histograms...)
			}
			return e, err
		},
	})
}

// histograms is the member "histograms" with that of each numeric column, nothing without bins.
func (r *seriesRows) histograms(ctx context.Context, at rowRange, columns []seriesColumn, bins int) ([]byte, error) {
	if bins == 0 {
		return nil, nil
	}
	b := []byte(`,"histograms":{`)
	for i, c := range columns {
		if i == 0 || (c.kind != questdb.Float && c.kind != questdb.Int) {
			continue
		}
		h, err := r.histogram(ctx, questdb.Between{Selection: r.selection(at), Column: c.source, Low: math.Inf(-1), High: math.Inf(1)}, bins)
		if err != nil {
			return nil, err
		}
		if b[len(b)-1] == '}' {
			b = append(b, ',')
		}
		b = append(appendJSONText(b, []byte(c.name)), ':')
		b = appendHistogram(b, h)
	}
	return append(b, '}'), nil
}

// appendHistogram appends the JSON of a histogram.
func appendHistogram(b []byte, h spec.Histogram) []byte {
	b = append(b, '{')
	b = member(b, "column", h.Column)
	b = number(b, "count", h.Count)
	b = number(b, "nulls", h.Nulls)
	for _, m := range []struct {
		name string
		x    *float64
	}{{"min", h.Min}, {"max", h.Max}, {"mean", h.Mean}, {"stddev", h.Stddev}} {
		b = append(appendJSONText(b, []byte(m.name)), ':')
		if m.x == nil {
			b = append(b, "null,"...)
		} else {
			b = append(appendFloat(b, *m.x), ',')
		}
	}
	b = append(b, `"bins":[`...)
	for i, bin := range h.Bins {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"lo":`...)
		b = append(appendFloat(b, bin.Lo), `,"hi":`...)
		b = append(appendFloat(b, bin.Hi), `,"count":`...)
		b = append(strconv.AppendInt(b, bin.Count, 10), '}')
	}
	return append(b, "]}"...)
}

// histogramAnswer is a histogram as an answer of its own.
type histogramAnswer spec.Histogram

// AppendJSON appends the histogram.
func (h *histogramAnswer) AppendJSON(b []byte) []byte { return appendHistogram(b, spec.Histogram(*h)) }

func binsOf(bins *int64, usual int) (int, error) {
	if bins == nil {
		return usual, nil
	}
	if *bins < 1 || *bins > 1000 {
		return 0, spec.InvalidParameter("bins", "is not from 1 to 1000")
	}
	return int(*bins), nil
}

// GetHistogram serves GET /api/datasets/:dataset_id/histogram: {"column": …, "count": …, "bins": [{"lo": …, "hi": …, "count": …}], …}.
func (s *Server) GetHistogram(c echo.Context, datasetID string, params spec.GetHistogramParams) error {
	bins, err := binsOf(params.Bins, 50)
	if err != nil {
		return err
	}
	between := questdb.Between{Low: math.Inf(-1), High: math.Inf(1)}
	for _, bound := range []struct {
		name  string
		value *float64
		into  *float64
	}{{"min", params.Min, &between.Low}, {"max", params.Max, &between.High}} {
		if bound.value == nil {
			continue
		}
		if math.IsNaN(*bound.value) || math.IsInf(*bound.value, 0) {
			return spec.InvalidParameter(bound.name, "is not a finite number")
		}
		*bound.into = *bound.value
	}
	if between.Low > between.High {
		return spec.InvalidParameter("min", "is above max")
	}
	from, to, err := timesOf(params.StartTS, params.EndTS, params.StartTimestamp, params.EndTimestamp)
	if err != nil {
		return err
	}
	if params.Column == nil || *params.Column == "" {
		return spec.InvalidParameter("column", "is missing")
	}
	r, _, err := s.datasetSeries(c, datasetID, false)
	if err != nil {
		return err
	}
	column, ok := r.table.Column(*params.Column)
	if !ok {
		return unknownColumn("column", *params.Column)
	}
	if kind := questdb.KindOf(column.Type); kind != questdb.Float && kind != questdb.Int {
		return spec.InvalidParameter("column", "names "+strconv.Quote(column.Name)+", which is not numeric")
	}
	between.Selection, between.Column = r.selection(rowRange{from: from, to: to}), column.Name
	h, err := r.histogram(c.Request().Context(), between, bins)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, (*histogramAnswer)(&h))
}

// histogram counts the values of a column in bins from its bounds, or from its lowest to its highest value.
func (r *seriesRows) histogram(ctx context.Context, between questdb.Between, bins int) (h spec.Histogram, err error) {
	summary, err := r.db.Summary(ctx, between)
	if err != nil {
		return h, fmt.Errorf("summarize %s of %s: %w", between.Column, r.table.Name, err)
	}
	h.Column, h.Count, h.Nulls = between.Column, summary.Count, summary.Nulls
	h.Bins = h.Bins[:0:0]
	if summary.Count == 0 {
		return h, nil
	}
	h.Min, h.Max, h.Mean = &summary.Min, &summary.Max, &summary.Mean
	if summary.HasSpread {
		h.Stddev = &summary.Stddev
	}
	if math.IsInf(between.Low, -1) {
		between.Low = summary.Min
	}
	if math.IsInf(between.High, 1) {
		between.High = summary.Max
	}
	if between.Low == between.High {
		bins = 1
	}
	counts, err := r.db.Bins(ctx, between, bins)
	if err != nil {
		return h, fmt.Errorf("count the bins of %s of %s: %w", between.Column, r.table.Name, err)
	}
	h.Count = 0 // that of the same moment as the bins
	for i, n := range counts {
		h.Bins = append(h.Bins, spec.HistogramBin{Lo: edge(between, i, bins), Hi: edge(between, i+1, bins), Count: n})
		h.Count += n
	}
	return h, nil
}

func edge(b questdb.Between, i, bins int) float64 {
	if i == bins {
		return b.High
	}
	return b.Low + (b.High/float64(bins)-b.Low/float64(bins))*float64(i)
}

// roles are the numeric columns of a series that are features, and those that are targets.
func (r *seriesRows) roles() (features, targets []spec.SeriesColumn) {
	features, targets = []spec.SeriesColumn{}, []spec.SeriesColumn{}
	for _, c := range r.table.Columns {
		if kind := questdb.KindOf(c.Type); kind != questdb.Float && kind != questdb.Int {
			continue
		}
		switch series.Role(c) {
		case series.Feature:
			features = append(features, spec.SeriesColumn{Name: c.Name, Type: c.Type})
		case series.Target:
			targets = append(targets, spec.SeriesColumn{Name: c.Name, Type: c.Type})
		}
	}
	return features, targets
}

// ListFeatures serves GET /api/datasets/:dataset_id/features: {"dataset_id": …, "measurement": …, "features": […], "count": …}.
func (s *Server) ListFeatures(c echo.Context, datasetID string) error {
	r, id, err := s.datasetSeries(c, datasetID, false)
	if err != nil {
		return err
	}
	features, _ := r.roles()
	return c.JSON(http.StatusOK, spec.Features{DatasetID: id, Measurement: r.table.Name, Features: features, Count: len(features)})
}

// ListIndicatorFeatures serves GET /api/indicators/datasets/:dataset_id/features: the same.
func (s *Server) ListIndicatorFeatures(c echo.Context, datasetID string) error {
	return s.ListFeatures(c, datasetID)
}

// ListTargets serves GET /api/datasets/:dataset_id/targets: {"dataset_id": …, "measurement": …, "targets": […], "count": …}.
func (s *Server) ListTargets(c echo.Context, datasetID string) error {
	r, id, err := s.datasetSeries(c, datasetID, false)
	if err != nil {
		return err
	}
	_, targets := r.roles()
	return c.JSON(http.StatusOK, spec.Targets{DatasetID: id, Measurement: r.table.Name, Targets: targets, Count: len(targets)})
}

// ListIndicatorTargets serves GET /api/indicators/datasets/:dataset_id/targets: the same.
func (s *Server) ListIndicatorTargets(c echo.Context, datasetID string) error {
	return s.ListTargets(c, datasetID)
}
