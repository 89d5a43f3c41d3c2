package api

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"foldbook/api/spec"
	"foldbook/db"
	"foldbook/internal/paging"
)

// ListTrades serves GET /api/simulations/:simulation_id/trades: {"trades": […], "count": …, "total": …, "next": …}.
func (s *Server) ListTrades(c echo.Context, simulationID string, params spec.ListTradesParams) error {
	id, err := pathID("simulation_id", simulationID)
	if err != nil {
		return err
	}
	q, err := tradeLimits.Request(paging.Params{
		Limit: params.Limit, Offset: params.Offset, Cursor: params.Cursor,
		Count: (*string)(params.Count), Fields: params.Fields, Format: params.Format,
	}, paging.Scope("/api/simulations/"+id.String()+"/trades", c.QueryParams()), (*db.ListTradePageRow)(nil).Columns())
	if err != nil {
		return err
	}
	if done, err := s.tradesUnchanged(c, id, (*string)(params.Side), params.IfNoneMatch); done || err != nil {
		return err
	}
	ctx := c.Request().Context()
	rows, err := s.tradePage(ctx, id, (*string)(params.Side), q.After, paging.Page{Limit: q.Limit + 1, Offset: q.Offset})
	if err != nil {
		return err
	}
	list := paging.NewList("trades", rows, q, func(last *db.ListTradePageRow) paging.Cursor {
		return paging.Cursor{At: last.BarTimestamp, Value: float64(last.TradeIndex), ID: last.TradeID}
	})
	f := db.CountTradesParams{SimulationID: id, Side: (*string)(params.Side)}
	return writeEnvelope(c, list, func(ctx context.Context, _ int64) (int64, error) { return s.DB.CountTrades(ctx, f) })
}

// ListTradesimTrades serves GET /api/tradesim/runs/:simulation_id/trades: [trade, …].
func (s *Server) ListTradesimTrades(c echo.Context, simulationID string, params spec.ListTradesimTradesParams) error {
	id, err := pathID("simulation_id", simulationID)
	if err != nil {
		return err
	}
	p, err := tradeLimits.Page("", params.Limit, params.Offset)
	if err != nil {
		return err
	}
	if done, err := s.tradesUnchanged(c, id, (*string)(params.Side), params.IfNoneMatch); done || err != nil {
		return err
	}
	ctx := c.Request().Context()
	rows, err := s.tradePage(ctx, id, (*string)(params.Side), nil, p)
	if err != nil {
		return err
	}
	f := db.CountTradesParams{SimulationID: id, Side: (*string)(params.Side)}
	return writeList(c, rows, p, params.Fields, func() (int64, error) { return s.DB.CountTrades(ctx, f) })
}

// tradesUnchanged checks that there is such a simulation, and answers 304 when the caller has this list of its trades.
func (s *Server) tradesUnchanged(c echo.Context, id uuid.UUID, side, ifNoneMatch *string) (bool, error) {
	if side != nil && *side != "long" && *side != "short" {
		return false, spec.InvalidParameter("side", "is not long or short")
	}
	v, err := s.DB.GetSimulationVersion(c.Request().Context(), id)
	if err != nil {
		return false, notFound(err, "simulation", id)
	}
	return unchanged(c, ifNoneMatch, paging.ETag(v.Version, v.CreatedAt, c.Request().URL.RawQuery)), nil
}

func (s *Server) tradePage(
	ctx context.Context, id uuid.UUID, side *string, after *paging.Cursor, p paging.Page,
) ([]db.ListTradePageRow, error) {
	args := db.ListTradePageParams{SimulationID: id, Side: side, PageSize: p.Limit, PageOffset: p.Offset}
	if after != nil {
		args.AfterAt, args.AfterIndex, args.AfterID = after.At, int64(after.Value), after.ID
	}
	rows, err := s.DB.ListTradePage(ctx, args)
	if err != nil {
		return nil, fmt.Errorf("list the trades of simulation %s: %w", id, err)
	}
	return rows, nil
}
