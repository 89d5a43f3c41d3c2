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

// GetHistogram serves GET /api/datasets/:dataset_id/histogram: {"column": …, "count": …, "bins": [{"lo": …, "hi": …,
// "count": …}], …}.
func (s *Server) GetHistogram(c echo.Context, datasetID string, params spec.GetHistogramParams) error {
	bins, between, rows, err := histogramOf(params)
	if err != nil {
		return err
	}
	found, _, err := s.datasetSeries(c, datasetID, false)
	if err != nil {
		return err
	}
	column, ok := found.Table.Column(*params.Column)
	if !ok {
		return found.UnknownColumn("column", *params.Column)
	}
	if !series.IsNumeric(questdb.KindOf(column.Type)) {
		return spec.InvalidParameter("column", "names "+strconv.Quote(column.Name)+", which is not numeric")
	}
	between.Selection, between.Column = found.Selection(rows), column.Name
	all, err := chart.Histograms(c.Request().Context(), s.QuestDB, []questdb.Between{between}, bins)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, (*histogramAnswer)(&all[0]))
}

// histogramOf reads the parameters: how many bins there are, and which values of which rows go there.
func histogramOf(p spec.GetHistogramParams) (bins int, b questdb.Between, rows series.Range, err error) {
	if bins, err = binsOf(p.Bins, 50); err != nil {
		return bins, b, rows, err
	}
	b = questdb.Between{Low: orElse(p.Min, math.Inf(-1)), High: orElse(p.Max, math.Inf(1))}
	switch {
	case p.Min != nil && b.Low != finite(b.Low):
		return bins, b, rows, spec.InvalidParameter("min", "is not a finite number")
	case p.Max != nil && b.High != finite(b.High):
		return bins, b, rows, spec.InvalidParameter("max", "is not a finite number")
	case b.Low > b.High:
		return bins, b, rows, spec.InvalidParameter("min", "is above max")
	}
	rows.From, rows.To, err = timesOf(p.StartTS, p.EndTS, p.StartTimestamp, p.EndTimestamp)
	if err == nil && orElse(p.Column, "") == "" {
		err = spec.InvalidParameter("column", "is missing")
	}
	return bins, b, rows, err
}

// histogramAnswer is a histogram as an answer of its own.
type histogramAnswer spec.Histogram

// AppendJSON appends the histogram.
func (h *histogramAnswer) AppendJSON(b []byte) []byte {
	return chart.AppendHistogram(b, (*spec.Histogram)(h))
}
