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

// ListWalkforwardRuns serves GET /api/walkforward/runs: [run, …].
func (s *Server) ListWalkforwardRuns(c echo.Context, params ListWalkforwardRunsParams) error {
	p, err := pageOf(params.Limit, params.Offset)
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
	count := func() (int64, error) {
		return s.DB.CountRuns(ctx, db.CountRunsParams{DatasetID: dataset, Status: status})
	}
	switch {
	case dataset != nil:
		rows, err := s.DB.ListRunsByDataset(ctx, db.ListRunsByDatasetParams{
			DatasetID: *dataset, Status: status, PageSize: p.limit, PageOffset: p.offset,
		})
		return listRuns(c, rows, err, p, count)
	case status != nil:
		rows, err := s.DB.ListRunsByStatus(ctx, db.ListRunsByStatusParams{Status: *status, PageSize: p.limit, PageOffset: p.offset})
		return listRuns(c, rows, err, p, count)
	}
	rows, err := s.DB.ListRuns(ctx, db.ListRunsParams{PageSize: p.limit, PageOffset: p.offset})
	return listRuns(c, rows, err, p, count)
}

func listRuns[T any, P interface {
	*T
	db.Appender
}](c echo.Context, rows []T, err error, p page, count func() (int64, error)) error {
	if err != nil {
		return fmt.Errorf("list runs: %w", err)
	}
	return writeList[T, P](c, rows, p, count)
}

// GetWalkforwardRun serves GET /api/walkforward/runs/:run_id: {"run": …, "folds": […]}.
func (s *Server) GetWalkforwardRun(c echo.Context, runID string) error {
	id, err := pathID("run_id", runID)
	if err != nil {
		return err
	}
	detail, err := s.runDetail(c.Request().Context(), id)
	if errors.Is(err, pgx.ErrNoRows) {
		return notFound("run", id)
	} else if err != nil {
		return fmt.Errorf("get run %s: %w", id, err)
	}
	return c.JSON(http.StatusOK, &detail)
}

// runDetail gives its connection back before the answer is written: a slow reader must not hold one.
func (s *Server) runDetail(ctx context.Context, id uuid.UUID) (d RunDetail, err error) {
	snap := s.DB.Snapshot()
	run, folds := snap.GetRun(ctx, []uuid.UUID{id}), snap.ListFolds(ctx, []uuid.UUID{id})
	snap.Send(ctx)
	defer snap.Close()
	if d.Run, err = db.First(run.QueryRow); err != nil {
		return d, err
	}
	d.Folds, err = db.First(folds.Query)
	return d, err
}
