package api

import (
	"math"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"foldbook/api/spec"
	"foldbook/internal/chart"
	"foldbook/internal/series"
	"foldbook/questdb"
)

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
	found, _, err := s.datasetSeries(c, datasetID, false)
	if err != nil {
		return err
	}
	column, ok := found.Table.Column(*params.Column)
	if !ok {
		return series.UnknownColumn("column", *params.Column)
	}
	if !series.IsNumeric(questdb.KindOf(column.Type)) {
		return spec.InvalidParameter("column", "names "+strconv.Quote(column.Name)+", which is not numeric")
	}
	between.Selection, between.Column = found.Selection(series.Range{From: from, To: to}), column.Name
	h, err := chart.Histogram(c.Request().Context(), s.QuestDB, between, bins)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, (*histogramAnswer)(&h))
}

// histogramAnswer is a histogram as an answer of its own.
type histogramAnswer spec.Histogram

// AppendJSON appends the histogram.
func (h *histogramAnswer) AppendJSON(b []byte) []byte {
	return chart.AppendHistogram(b, (*spec.Histogram)(h))
}
