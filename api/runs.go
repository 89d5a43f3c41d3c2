package api

import (
	"context"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"foldbook/api/spec"
	"foldbook/db"
	"foldbook/internal/paging"
)

// GetWalkforwardRun serves GET /api/walkforward/runs/:run_id: {"run": …, "folds": […]}.
func (s *Server) GetWalkforwardRun(c echo.Context, runID string, params spec.GetWalkforwardRunParams) error {
	id, err := pathID("run_id", runID)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	return s.serveCached(c, params.IfNoneMatch, s.runState(ctx, id), func() (cacheable, error) {
		detail, err := s.runDetail(ctx, id, func(q *db.Queries) folds { return q.ListFolds(ctx, []uuid.UUID{id}) })
		return cacheable{runTag(&detail.Run), isFinal(detail.Run.Status), &detail}, err
	})
}

// GetRun serves GET /api/runs/:run_id: the run flat, with "folds", "total_folds", "fold_offset" and "has_more_folds".
func (s *Server) GetRun(c echo.Context, runID string, params spec.GetRunParams) error {
	id, err := pathID("run_id", runID)
	if err != nil {
		return err
	}
	p, err := foldLimits.Page("fold_", params.FoldLimit, params.FoldOffset)
	if err != nil {
		return err
	}
	if params.Folds != nil && !params.Folds.Valid() {
		return spec.InvalidParameter("folds", "is not all or none")
	}
	if params.Folds != nil && *params.Folds == spec.GetRunParamsFoldsNone {
		p = paging.Page{}
	}
	ctx := c.Request().Context()
	return s.serveCached(c, params.IfNoneMatch, s.runState(ctx, id), func() (cacheable, error) {
		detail, err := s.runDetail(ctx, id, foldPage(ctx, id, p))
		return cacheable{runTag(&detail.Run), isFinal(detail.Run.Status), &runFlat{detail, p.Offset}}, err
	})
}

// ListRunFolds serves GET /api/walkforward/runs/:run_id/folds: [fold, …].
func (s *Server) ListRunFolds(c echo.Context, runID string, params spec.ListRunFoldsParams) error {
	id, err := pathID("run_id", runID)
	if err != nil {
		return err
	}
	p, err := foldLimits.Page("", params.Limit, params.Offset)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	if params.IfNoneMatch != nil { // the cache keeps bodies alone, and this list has its total in a header
		tag, err := s.runState(ctx, id)()
		if err != nil {
			return err
		}
		if unchanged(c, params.IfNoneMatch, tag) {
			return nil
		}
	}
	detail, err := s.runDetail(ctx, id, foldPage(ctx, id, p))
	if err != nil {
		return err
	}
	c.Response().Header().Set("ETag", runTag(&detail.Run))
	return writeList(c, detail.Folds, p, func() (int64, error) { return detail.Run.FoldCount, nil })
}

// runTag is the ETag of a run. It includes the slug of the dataset, which answers show and the run's version does not cover.
func runTag(r *db.GetRunRow) string { return paging.ETag(r.Version, r.CreatedAt, r.DatasetSlug) }

// runState reads the ETag of a run from one row, without the folds.
func (s *Server) runState(ctx context.Context, id uuid.UUID) func() (string, error) {
	return func() (string, error) {
		v, err := s.DB.GetRunVersion(ctx, id)
		return paging.ETag(v.Version, v.CreatedAt, v.DatasetSlug), notFound(err, "run", id)
	}
}

// folds is a batch of either query for folds.
type folds interface {
	Query(f func(int, []db.WalkforwardFold, error))
}

func foldPage(ctx context.Context, run uuid.UUID, p paging.Page) func(*db.Queries) folds {
	return func(q *db.Queries) folds {
		return q.ListFoldPage(ctx, []db.ListFoldPageParams{{RunID: run, After: -1, PageSize: p.Limit, PageOffset: p.Offset}})
	}
}

// runDetail releases its connection before the answer is written, so that a slow reader does not hold one.
func (s *Server) runDetail(ctx context.Context, id uuid.UUID, list func(*db.Queries) folds) (d RunDetail, err error) {
	snap := s.DB.Snapshot()
	run, folds := snap.GetRun(ctx, []uuid.UUID{id}), list(snap.Queries)
	snap.Send(ctx)
	defer snap.Close()
	if d.Run, err = db.First(run.QueryRow); err != nil {
		return d, notFound(err, "run", id)
	}
	d.Folds, err = db.First(folds.Query)
	return d, err
}
