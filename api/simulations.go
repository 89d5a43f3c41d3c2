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
	f, q, err := simulationSearchOf(spec.ListSimulationsParams{
		RunID: params.RunID, DatasetID: params.DatasetID, Status: params.Status, Mode: (*spec.ListSimulationsParamsMode)(params.Mode),
		Measurement: params.Measurement, Namespace: params.Namespace, Search: params.Search, Metric: params.Metric, Sort: params.Sort,
	})
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	count := func() (int64, error) {
		return s.DB.CountSimulations(ctx, db.CountSimulationsParams{RunID: f.run, DatasetID: f.dataset, Status: f.status})
	}
	var rows []db.SimulationRun
	if f == (simulationFilter{run: f.run, dataset: f.dataset, status: f.status}) && q.Empty() {
		rows, err = s.simulations(ctx, f, p)
	} else {
		rows, count, err = s.simulationFinder(ctx, f).all(q, p)
	}
	if err != nil {
		return fmt.Errorf("list simulations: %w", err)
	}
	return writeList(c, rows, p, count)
}

// simulations picks the query whose index serves the filters.
func (s *Server) simulations(ctx context.Context, f simulationFilter, p paging.Page) ([]db.SimulationRun, error) {
	switch {
	case f.run != nil:
		return s.DB.ListSimulationsByRun(ctx, db.ListSimulationsByRunParams{
			RunID: *f.run, DatasetID: f.dataset, Status: f.status, PageSize: p.Limit, PageOffset: p.Offset,
		})
	case f.dataset != nil:
		return s.DB.ListSimulationsByDataset(ctx, db.ListSimulationsByDatasetParams{
			DatasetID: *f.dataset, Status: f.status, PageSize: p.Limit, PageOffset: p.Offset,
		})
	case f.status != nil:
		return s.DB.ListSimulationsByStatus(ctx, db.ListSimulationsByStatusParams{Status: *f.status, PageSize: p.Limit, PageOffset: p.Offset})
	}
	return s.DB.ListSimulations(ctx, db.ListSimulationsParams{PageSize: p.Limit, PageOffset: p.Offset})
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
