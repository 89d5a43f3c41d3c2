package api

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"foldbook/api/spec"
	"foldbook/db"
)

// ListTrades serves GET /api/simulations/:simulation_id/trades: {"trades": […], "count": …, "total": …, "next": …}.
func (s *Server) ListTrades(c echo.Context, simulationID string, params spec.ListTradesParams) error {
	id, err := pathID("simulation_id", simulationID)
	if err != nil {
		return err
	}
	scope := scopeOf("/api/simulations/"+id.String()+"/trades", c.QueryParams())
	p, mode, after, err := pagingOf(tradeLimits, params.Limit, params.Offset, params.Cursor, (*string)(params.Count), scope)
	if err != nil {
		return err
	}
	if done, err := s.tradesUnchanged(c, id, (*string)(params.Side), params.IfNoneMatch); done || err != nil {
		return err
	}
	ctx := c.Request().Context()
	rows, more, err := s.tradePage(ctx, id, (*string)(params.Side), after, p)
	if err != nil {
		return err
	}
	list := &listing[db.ListTradePageRow, *db.ListTradePageRow]{key: "trades", rows: rows, page: p}
	if more && p.limit > 0 {
		last := rows[p.limit-1]
		list.next = cursor{At: last.BarTimestamp, ID: last.TradeID}.encode(scope)
	}
	list.total, list.estimate, err = mode.total(func(int64) (int64, error) { return s.countTrades(ctx, id, (*string)(params.Side)) })
	if err != nil {
		return err
	}
	return list.write(c)
}

// ListTradesimTrades serves GET /api/tradesim/runs/:simulation_id/trades: [trade, …].
func (s *Server) ListTradesimTrades(c echo.Context, simulationID string, params spec.ListTradesimTradesParams) error {
	id, err := pathID("simulation_id", simulationID)
	if err != nil {
		return err
	}
	p, err := pageOf(tradeLimits, params.Limit, params.Offset)
	if err != nil {
		return err
	}
	if done, err := s.tradesUnchanged(c, id, (*string)(params.Side), params.IfNoneMatch); done || err != nil {
		return err
	}
	ctx := c.Request().Context()
	rows, _, err := s.tradePage(ctx, id, (*string)(params.Side), nil, p)
	if err != nil {
		return err
	}
	return writeList(c, rows, p, func() (int64, error) { return s.countTrades(ctx, id, (*string)(params.Side)) })
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
	return unchanged(c, ifNoneMatch, etag(v.Version, v.CreatedAt, c.Request().URL.RawQuery)), nil
}

func (s *Server) tradePage(ctx context.Context, id uuid.UUID, side *string, after *cursor, p page) ([]db.ListTradePageRow, bool, error) {
	args := db.ListTradePageParams{SimulationID: id, Side: side, PageSize: p.limit + 1, PageOffset: p.offset}
	if after != nil {
		args.AfterAt, args.AfterID = after.At, after.ID
	}
	rows, err := s.DB.ListTradePage(ctx, args)
	if err != nil {
		return nil, false, fmt.Errorf("list the trades of simulation %s: %w", id, err)
	}
	rows, more := cut(rows, p)
	return rows, more, nil
}

func (s *Server) countTrades(ctx context.Context, id uuid.UUID, side *string) (int64, error) {
	n, err := s.DB.CountTrades(ctx, db.CountTradesParams{SimulationID: id, Side: side})
	if err != nil {
		return 0, fmt.Errorf("count the trades of simulation %s: %w", id, err)
	}
	return n, nil
}
