package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/labstack/echo/v4"

	"foldbook/db"
)

// ListTradesimRuns serves GET /api/tradesim/runs: [simulation, …].
func (s *Server) ListTradesimRuns(c echo.Context, params ListTradesimRunsParams) error {
	p, err := pageOf(params.Limit, params.Offset)
	if err != nil {
		return err
	}
	run, err := queryID("run_id", params.RunID)
	if err != nil {
		return err
	}
	dataset, err := queryID("dataset_id", params.DatasetID)
	if err != nil {
		return err
	}
	status, err := queryStatus(params.Status)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	rows, err := s.simulations(ctx, run, dataset, status, p)
	if err != nil {
		return fmt.Errorf("list simulations: %w", err)
	}
	return writeList(c, rows, p, func() (int64, error) {
		return s.DB.CountSimulations(ctx, db.CountSimulationsParams{RunID: run, DatasetID: dataset, Status: status})
	})
}

// simulations picks the query whose index serves the filters.
func (s *Server) simulations(ctx context.Context, run, dataset *uuid.UUID, status *string, p page) ([]db.SimulationRun, error) {
	switch {
	case run != nil:
		return s.DB.ListSimulationsByRun(ctx, db.ListSimulationsByRunParams{
			RunID: *run, DatasetID: dataset, Status: status, PageSize: p.limit, PageOffset: p.offset,
		})
	case dataset != nil:
		return s.DB.ListSimulationsByDataset(ctx, db.ListSimulationsByDatasetParams{
			DatasetID: *dataset, Status: status, PageSize: p.limit, PageOffset: p.offset,
		})
	case status != nil:
		return s.DB.ListSimulationsByStatus(ctx, db.ListSimulationsByStatusParams{Status: *status, PageSize: p.limit, PageOffset: p.offset})
	}
	return s.DB.ListSimulations(ctx, db.ListSimulationsParams{PageSize: p.limit, PageOffset: p.offset})
}

// GetTradesimRun serves GET /api/tradesim/runs/:simulation_id: {"run": …, "buckets": […]}.
func (s *Server) GetTradesimRun(c echo.Context, simulationID string) error {
	id, err := pathID("simulation_id", simulationID)
	if err != nil {
		return err
	}
	detail, err := s.simulationDetail(c.Request().Context(), id)
	if errors.Is(err, pgx.ErrNoRows) {
		return notFound("simulation", id)
	} else if err != nil {
		return fmt.Errorf("get simulation %s: %w", id, err)
	}
	return c.JSON(http.StatusOK, &detail)
}

// simulationDetail gives its connection back before the answer is written: a slow reader must not hold one.
func (s *Server) simulationDetail(ctx context.Context, id uuid.UUID) (d SimulationDetail, err error) {
	snap := s.DB.Snapshot()
	run, buckets := snap.GetSimulation(ctx, []uuid.UUID{id}), snap.ListBuckets(ctx, []uuid.UUID{id})
	snap.Send(ctx)
	defer snap.Close()
	if d.Run, err = db.First(run.QueryRow); err != nil {
		return d, err
	}
	d.Buckets, err = db.First(buckets.Query)
	return d, err
}
