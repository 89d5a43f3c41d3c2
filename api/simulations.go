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

// ListTradesimRuns serves GET /api/tradesim/runs: [simulation, …].
func (s *Server) ListTradesimRuns(c echo.Context, params spec.ListTradesimRunsParams) error {
	p, err := olderLimits.Page("", params.Limit, params.Offset)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	q, err := s.simulationSearchOf(ctx, spec.ListSimulationsParams{
		RunID: params.RunID, DatasetID: params.DatasetID, DatasetSlug: params.DatasetSlug, Symbol: params.Symbol, Status: params.Status,
		Mode: params.Mode, Measurement: params.Measurement, Namespace: params.Namespace,
		Search: params.Search, Metric: params.Metric, Sort: params.Sort,
	})
	if err != nil {
		return err
	}
	var rows []db.SimulationRun
	count := func() (int64, error) { return s.DB.CountSimulations(ctx) }
	if q.all() {
		rows, err = s.DB.ListSimulations(ctx, db.ListSimulationsParams{PageSize: p.Limit, PageOffset: p.Offset})
	} else {
		rows, count, err = simulationFinder(ctx, s, q).byOffset(p)
	}
	if err != nil {
		return fmt.Errorf("list simulations: %w", err)
	}
	return writeList(c, rows, p, params.Fields, count)
}

// GetTradesimRun serves GET /api/tradesim/runs/:simulation_id: {"run": …, "buckets": […]}.
func (s *Server) GetTradesimRun(c echo.Context, simulationID string, params spec.GetTradesimRunParams) error {
	id, err := pathID("simulation_id", simulationID)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	return s.serveCached(c, params.IfNoneMatch, s.simulationState(ctx, id), func() (cacheable, error) {
		detail, err := s.simulationDetail(ctx, id)
		return cacheable{paging.ETag(detail.Run.Version, detail.Run.CreatedAt), isFinal(detail.Run.Status), &detail}, err
	})
}

// simulationState reads the ETag of a simulation from one row.
func (s *Server) simulationState(ctx context.Context, id uuid.UUID) func() (string, error) {
	return func() (string, error) {
		v, err := s.DB.GetSimulationVersion(ctx, id)
		return paging.ETag(v.Version, v.CreatedAt), notFound(err, "simulation", id)
	}
}

// simulationDetail releases its connection before the answer is written, so that a slow reader does not hold one.
func (s *Server) simulationDetail(ctx context.Context, id uuid.UUID) (d SimulationDetail, err error) {
	snap := s.DB.Snapshot()
	run, buckets := snap.GetSimulation(ctx, []uuid.UUID{id}), snap.ListBuckets(ctx, []uuid.UUID{id})
	snap.Send(ctx)
	defer snap.Close()
	if d.Run, err = db.First(run.QueryRow); err != nil {
		return d, notFound(err, "simulation", id)
	}
	d.Buckets, err = db.First(buckets.Query)
	return d, err
}

// GetSimulation serves GET /api/simulations/:simulation_id: the simulation flat, with "trade_count" and "buckets".
func (s *Server) GetSimulation(c echo.Context, simulationID string, params spec.GetSimulationParams) error {
	id, err := pathID("simulation_id", simulationID)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	return s.serveCached(c, params.IfNoneMatch, s.simulationState(ctx, id), func() (cacheable, error) {
		detail, err := s.simulationSummary(ctx, id)
		return cacheable{paging.ETag(detail.run.Version, detail.run.CreatedAt), isFinal(detail.run.Status), &detail}, err
	})
}

func (s *Server) simulationSummary(ctx context.Context, id uuid.UUID) (d simulationFlat, err error) {
	snap := s.DB.Snapshot()
	run, buckets := snap.GetSimulationSummary(ctx, []uuid.UUID{id}), snap.ListBuckets(ctx, []uuid.UUID{id})
	snap.Send(ctx)
	defer snap.Close()
	if d.run, err = db.First(run.QueryRow); err != nil {
		return d, notFound(err, "simulation", id)
	}
	d.buckets, err = db.First(buckets.Query)
	return d, err
}
