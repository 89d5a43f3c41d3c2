package api

import (
	"github.com/labstack/echo/v4"

	"foldbook/api/spec"
	"foldbook/internal/rowstream"
	"foldbook/internal/series"
)

// ListIndicators serves GET /api/datasets/:dataset_id/indicators: {"measurement": …, "columns": […], "rows": [{…}], "count": …, …}.
func (s *Server) ListIndicators(c echo.Context, datasetID string, params spec.ListIndicatorsParams) error {
	format, err := rowstream.FormatOf(params.Format, c.Request(), spec.JSON)
	if err != nil {
		return err
	}
	at, err := rangeOf(c, rowQuery{
		params.StartTS, params.EndTS, params.StartTimestamp, params.EndTimestamp, params.StartIndex, params.EndIndex,
		params.Columns, params.Desc, params.Limit, params.Offset, params.Cursor,
	}, seriesLimits, format)
	if err != nil {
		return err
	}
	found, id, err := s.datasetSeries(c, datasetID, false)
	if err != nil {
		return err
	}
	a := &rowAnswer{series: found, at: at, format: format, key: "rows"}
	if a.columns, err = found.Columns(params.Columns); err != nil {
		return err
	}
	if isTrue(params.Aligned) {
		return s.listAligned(c, id, a)
	}
	return s.listRows(c, a)
}

// ListOhlcv serves GET /api/datasets/:dataset_id/ohlcv: {"measurement": …, "columns": […], "rows": [{…}], "count": …, …}.
func (s *Server) ListOhlcv(c echo.Context, datasetID string, params spec.ListOhlcvParams) error {
	format, err := rowstream.FormatOf(params.Format, c.Request(), spec.JSON)
	if err != nil {
		return err
	}
	at, err := rangeOf(c, rowQuery{
		params.StartTS, params.EndTS, params.StartTimestamp, params.EndTimestamp, params.StartIndex, params.EndIndex,
		params.Columns, params.Desc, params.Limit, params.Offset, params.Cursor,
	}, seriesLimits, format)
	if err != nil {
		return err
	}
	pixels, err := pixelsOf(params.Points, params.Width, at)
	if err != nil {
		return err
	}
	found, _, err := s.datasetSeries(c, datasetID, true)
	if err != nil {
		return err
	}
	a := &rowAnswer{series: found, at: at, format: format, key: "rows"}
	if a.columns, err = found.Columns(params.Columns); err != nil {
		return err
	}
	switch {
	case params.Interval != nil:
		return s.listCandles(c, a, *params.Interval, pixels)
	case pixels > 0:
		return s.listPoints(c, a, pixels)
	}
	return s.listRows(c, a)
}

// ListTrace serves GET /api/simulations/:simulation_id/trace: {"measurement": …, "columns": […], "rows": [{…}], "count": …, …}.
func (s *Server) ListTrace(c echo.Context, simulationID string, params spec.ListTraceParams) error {
	format, err := rowstream.FormatOf(params.Format, c.Request(), spec.JSON)
	if err != nil {
		return err
	}
	at, err := rangeOf(c, rowQuery{
		params.StartTS, params.EndTS, params.StartTimestamp, params.EndTimestamp, params.StartIndex, params.EndIndex,
		params.Columns, params.Desc, params.Limit, params.Offset, params.Cursor,
	}, seriesLimits, format)
	if err != nil {
		return err
	}
	pixels, err := pixelsOf(params.Points, params.Width, at)
	if err != nil {
		return err
	}
	id, err := pathID("simulation_id", simulationID)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	row, err := s.DB.GetSimulationSeries(ctx, id)
	if err != nil {
		return notFound(err, "simulation", id)
	}
	found, err := s.open(ctx, series.Trace, row.QuestDBNamespace, id.String(), row.SimulationName)
	if err != nil {
		return err
	}
	a := &rowAnswer{series: found, at: at, format: format, key: "rows"}
	if a.columns, err = found.Columns(params.Columns); err != nil {
		return err
	}
	if pixels > 0 {
		return s.listPoints(c, a, pixels)
	}
	return s.listRows(c, a)
}

// ListTradesimTrace serves GET /api/tradesim/runs/:simulation_id/trace: the same.
func (s *Server) ListTradesimTrace(c echo.Context, simulationID string, params spec.ListTradesimTraceParams) error {
	return s.ListTrace(c, simulationID, spec.ListTraceParams(params))
}
