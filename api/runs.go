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
		detail, err := s.runDetail(ctx, id, foldPage(ctx, id, -1, p))
		return cacheable{runTag(&detail.Run), isFinal(detail.Run.Status), &runFlat{detail, p.Offset}}, err
	})
}

// ListFolds serves GET /api/runs/:run_id/folds: {"folds": […], "count": …, "total": …, "next": …}.
func (s *Server) ListFolds(c echo.Context, runID string, params spec.ListFoldsParams) error {
	id, err := pathID("run_id", runID)
	if err != nil {
		return err
	}
	q, err := foldPageLimits.Request(paging.Params{
		Limit: params.Limit, Offset: params.Offset, Cursor: params.Cursor,
		Count: (*string)(params.Count), Fields: params.Fields, Format: params.Format,
	}, paging.Scope("/api/runs/"+id.String()+"/folds", c.QueryParams()), (*db.WalkforwardFold)(nil).Columns())
	if err != nil {
		return err
	}
	if done, err := s.runUnchanged(c, id, params.IfNoneMatch); done || err != nil {
		return err
	}
	after := int32(-1)
	if q.After != nil {
		after = int32(q.After.Value)
	}
	ctx := c.Request().Context()
	detail, err := s.runDetail(ctx, id, foldPage(ctx, id, after, paging.Page{Limit: q.Limit + 1, Offset: q.Offset}))
	if err != nil {
		return err
	}
	c.Response().Header().Set("ETag", runTag(&detail.Run))
	list := paging.NewList("folds", detail.Folds, q, func(last *db.WalkforwardFold) paging.Cursor {
		return paging.Cursor{Value: float64(last.FoldNumber)}
	})
	return writeEnvelope(c, list, func(context.Context, int64) (int64, error) { return detail.Run.FoldCount, nil })
}

// runUnchanged answers 304 when the caller has the current state of a run. The cache is not for lists: they have headers of their own.
func (s *Server) runUnchanged(c echo.Context, id uuid.UUID, ifNoneMatch *string) (bool, error) {
	if ifNoneMatch == nil {
		return false, nil
	}
	tag, err := s.runState(c.Request().Context(), id)()
	return err == nil && unchanged(c, ifNoneMatch, tag), err
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
	if done, err := s.runUnchanged(c, id, params.IfNoneMatch); done || err != nil {
		return err
	}
	ctx := c.Request().Context()
	detail, err := s.runDetail(ctx, id, foldPage(ctx, id, -1, p))
	if err != nil {
		return err
	}
	c.Response().Header().Set("ETag", runTag(&detail.Run))
	return writeList(c, detail.Folds, p, params.Fields, func() (int64, error) { return detail.Run.FoldCount, nil })
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

func foldPage(ctx context.Context, run uuid.UUID, after int32, p paging.Page) func(*db.Queries) folds {
	return func(q *db.Queries) folds {
		return q.ListFoldPage(ctx, []db.ListFoldPageParams{{RunID: run, After: after, PageSize: p.Limit, PageOffset: p.Offset}})
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
