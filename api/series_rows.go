package api

import (
	"github.com/labstack/echo/v4"

	"foldbook/api/spec"
	"foldbook/internal/series"
)

// ListIndicators serves GET /api/datasets/:dataset_id/indicators: {"measurement": …, "columns": […], "rows": [{…}], "count":
// …, …}.
func (s *Server) ListIndicators(c echo.Context, datasetID string, params spec.ListIndicatorsParams) error {
	a, err := seriesRoute.read(c, rowQuery{
		StartTS: params.StartTS, EndTS: params.EndTS, StartTimestamp: params.StartTimestamp, EndTimestamp: params.EndTimestamp,
		StartIndex: params.StartIndex, EndIndex: params.EndIndex, Columns: params.Columns, Desc: params.Desc, Limit: params.Limit,
		Offset: params.Offset, Cursor: params.Cursor, Shape: params.Shape, Format: params.Format,
		Points: params.Points, Width: params.Width,
	})
	if err != nil {
		return err
	}
	id, err := s.openRows(c, a, datasetID, false)
	switch {
	case err != nil:
		return err
	case isTrue(params.Aligned):
		return s.listAligned(c, id, a)
	}
	return s.listRows(c, a)
}

// ListOhlcv serves GET /api/datasets/:dataset_id/ohlcv: {"measurement": …, "columns": […], "rows": [{…}], "count": …, …}.
func (s *Server) ListOhlcv(c echo.Context, datasetID string, params spec.ListOhlcvParams) error {
	offset, day, err := rowsOrDay(params.Offset)
	if err != nil {
		return err
	}
	a, err := seriesRoute.read(c, rowQuery{
		StartTS: params.StartTS, EndTS: params.EndTS, StartTimestamp: params.StartTimestamp, EndTimestamp: params.EndTimestamp,
		StartIndex: params.StartIndex, EndIndex: params.EndIndex, Columns: params.Columns, Desc: params.Desc, Limit: params.Limit,
		Offset: offset, Cursor: params.Cursor, Shape: params.Shape, Format: params.Format, Points: params.Points, Width: params.Width,
	})
	if err != nil {
		return err
	}
	if params.Interval == nil && (params.Tz != nil || day != nil || params.Partial != nil) {
		return spec.InvalidParameter("interval", "is missing: tz, partial and an offset such as 17:00 are for candles")
	}
	_, err = s.openRows(c, a, datasetID, true)
	switch {
	case err != nil:
		return err
	case params.Interval != nil:
		return s.listCandles(c, candleQuery{rowAnswer: a, interval: *params.Interval, zone: params.Tz, offset: day,
			partial: isTrue(params.Partial)})
	}
	return s.listRows(c, a)
}

// ListTrace serves GET /api/simulations/:simulation_id/trace: {"measurement": …, "columns": […], "rows": [{…}], "count": …, …}.
func (s *Server) ListTrace(c echo.Context, simulationID string, params spec.ListTraceParams) error {
	a, err := seriesRoute.read(c, params)
	if err != nil {
		return err
	}
	id, err := pathID("simulation_id", simulationID)
	if err != nil {
		return err
	}
	row, err := s.DB.GetSimulationSeries(c.Request().Context(), id)
	if err != nil {
		return notFound(err, "simulation", id)
	}
	found, err := s.open(c.Request().Context(), series.Trace, row.QuestDBNamespace, nil, id.String(), row.SimulationName)
	if err == nil {
		err = a.from(found)
	}
	if err != nil {
		return err
	}
	return s.listRows(c, a)
}

// ListTradesimTrace serves GET /api/tradesim/runs/:simulation_id/trace: the same.
func (s *Server) ListTradesimTrace(c echo.Context, simulationID string, params spec.ListTradesimTraceParams) error {
	return s.ListTrace(c, simulationID, spec.ListTraceParams(params))
}
