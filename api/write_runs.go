package api

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/labstack/echo/v4"

	"foldbook/api/spec"
	"foldbook/db"
	"foldbook/internal/paging"
	"foldbook/internal/series"
)

// StoreRun serves POST /api/runs: {"success": true, "run_id": …, "folds_received": …, "folds_stored": …, "created": …}.
func (s *Server) StoreRun(c echo.Context, params spec.StoreRunParams) error {
	return s.storeRun(c, nil, change{dryRun: isTrue(params.DryRun), ifMatch: params.IfMatch, replace: isTrue(params.Replace)})
}

// PutRun serves PUT /api/runs/:run_id, with the effect of POST.
func (s *Server) PutRun(c echo.Context, runID string, params spec.PutRunParams) error {
	id, err := pathID("run_id", runID)
	if err != nil {
		return err
	}
	return s.storeRun(c, &id, change{dryRun: isTrue(params.DryRun), ifMatch: params.IfMatch, replace: isTrue(params.Replace)})
}

func (s *Server) storeRun(c echo.Context, path *uuid.UUID, ch change) error {
	body := s.openBody(c, maxBody)
	defer body.Close()
	up, err := readRun(body)
	if err != nil {
		return err
	}
	if err := sameID("run_id", path, up.Run.RunID); err != nil {
		return err
	}
	if up.Run.DatasetID, err = s.datasetIn(c, up.Dataset); err != nil {
		return err
	}
	answer := spec.RunStored{
		Success: true, Message: "run stored", RunID: up.Run.RunID, PredictionMeasurement: up.Run.PredictionMeasurement,
		FoldsReceived: up.Folds.count(), DryRun: ch.dryRun, Warnings: orEmpty(up.Warnings),
	}
	if up.Folds != nil {
		s.timeFolds(c, up.Run.DatasetID, up.Folds.Kept())
	}
	err = s.writeTagged(c, ch.dryRun, func(ctx context.Context, q *db.Queries) (string, error) {
		return upsertRun(ctx, q, up, ch, &answer)
	})
	if err != nil {
		return err
	}
	if answer.Created && !ch.dryRun {
		answer.Warnings = append(answer.Warnings, s.adopted(c, answer.RunID)...)
	}
	return c.JSON(createdStatus(answer.Created), answer)
}

// upsertRun stores a run and completes the answer. It returns the ETag of the run.
func upsertRun(ctx context.Context, q *db.Queries, up *runUpload, ch change, answer *spec.RunStored) (string, error) {
	id := up.Run.RunID
	if ch.ifMatch != nil {
		if _, err := lockRun(ctx, q, id, ch.ifMatch); errors.Is(err, pgx.ErrNoRows) {
			return "", paging.CheckAbsent(ch.ifMatch, "run")
		} else if err != nil {
			return "", err
		}
	}
	row, err := q.UpsertRun(ctx, up.Run)
	if err != nil {
		return "", fmt.Errorf("store run %s: %w", id, err)
	}
	if !row.Created && row.FormerDatasetID == uuid.Nil {
		return "", errRaced
	}
	var lost int64
	if up.Folds != nil {
		remove := func(ctx context.Context, id uuid.UUID) (int64, error) {
			return q.DeleteFolds(ctx, db.DeleteFoldsParams{RunID: id, Kept: slices.Collect(maps.Keys(up.Folds.numbers))})
		}
		if lost, err = replaceRows(ctx, id, row.Created, remove, up.Folds.store, q.CopyFolds); err != nil {
			return "", fmt.Errorf("store the folds of run %s: %w", id, err)
		}
	}
	if err := ch.checkFinal("run", row.FormerStatus, up.Run.Status, row.Lost, rows(lost, "of its folds")); err != nil {
		return "", err
	}
	after, err := finishRun(ctx, q, id, up.Run.DatasetID, row.FormerDatasetID)
	if err == nil {
		err = ch.claim(ctx, q, series.Predictions, id, row.FormerTable)
	}
	answer.Created, answer.Version, answer.FoldsStored = row.Created, row.Version, int(after.Folds)
	return paging.ETag(row.Version, row.CreatedAt, after.DatasetSlug), err
}

// lockRun locks an existing run and checks that it is in the state that the caller expects.
func lockRun(ctx context.Context, q *db.Queries, id uuid.UUID, ifMatch *string) (db.LockRunRow, error) {
	row, err := q.LockRun(ctx, id)
	if err != nil {
		return row, fmt.Errorf("lock run %s: %w", id, err)
	}
	return row, paging.CheckMatch(ifMatch, "run", paging.ETag(row.Version, row.CreatedAt, row.DatasetSlug))
}

// finishRun ends a write of a run that is, or was, in these datasets.
func finishRun(ctx context.Context, q *db.Queries, id uuid.UUID, datasets ...uuid.UUID) (db.FinishRunRow, error) {
	row, err := q.FinishRun(ctx, db.FinishRunParams{RunID: id, DatasetIds: datasets})
	if err != nil {
		return row, fmt.Errorf("finish the write of run %s: %w", id, err)
	}
	return row, nil
}

// touchDatasets raises the versions of datasets.
func touchDatasets(ctx context.Context, q *db.Queries, ids ...uuid.UUID) error {
	if _, err := q.TouchDatasets(ctx, ids); err != nil {
		return fmt.Errorf("touch datasets: %w", err)
	}
	return nil
}

// PatchRun serves PATCH /api/runs/:run_id: {"success": true, "id": …, "version": …}.
func (s *Server) PatchRun(c echo.Context, runID string, params spec.PatchRunParams) error {
	id, err := pathID("run_id", runID)
	if err != nil {
		return err
	}
	body := s.openBody(c, maxBody)
	defer body.Close()
	patch, err := readRunPatch(body)
	if err != nil {
		return err
	}
	patch.RunID = id
	answer := spec.Changed{Success: true, ID: id, DryRun: isTrue(params.DryRun), Warnings: orEmpty(body.Warnings())}
	err = s.writeTagged(c, answer.DryRun, func(ctx context.Context, q *db.Queries) (string, error) {
		return patchRun(ctx, q, patch, params, &answer)
	})
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, answer)
}

// patchRun changes a run and completes the answer. It returns the ETag of the run.
func patchRun(
	ctx context.Context, q *db.Queries, patch *db.PatchRunParams, params spec.PatchRunParams, answer *spec.Changed,
) (string, error) {
	stored, err := lockRun(ctx, q, answer.ID, params.IfMatch)
	if err != nil {
		return "", notFound(err, "run", answer.ID)
	}
	if err := checkTransition(stored.Status, patch.Status, isTrue(params.Force)); err != nil {
		return "", err
	}
	row, err := q.PatchRun(ctx, *patch)
	if err != nil {
		return "", fmt.Errorf("patch run %s: %w", answer.ID, err)
	}
	answer.Version = row.Version
	_, err = finishRun(ctx, q, answer.ID, stored.DatasetID)
	return paging.ETag(row.Version, row.CreatedAt, stored.DatasetSlug), err
}

// mostToldFolds is how many folds an event names.
const mostToldFolds = 1000

// AppendFolds serves POST /api/runs/:run_id/folds: {"success": true, "folds_received": …, "folds_stored": …}.
func (s *Server) AppendFolds(c echo.Context, runID string, params spec.AppendFoldsParams) error {
	id, err := pathID("run_id", runID)
	if err != nil {
		return err
	}
	body := s.openBody(c, maxBody)
	defer body.Close()
	folds, warnings, err := readFolds(body, id)
	if err != nil {
		return err
	}
	if run, err := s.DB.GetRunDestination(c.Request().Context(), id); err == nil { // what is wrong with it, the write says
		s.timeFolds(c, run.DatasetID, folds.Kept())
	}
	answer := spec.FoldsStored{Success: true, RunID: id, FoldsReceived: folds.Len(), DryRun: isTrue(params.DryRun),
		Warnings: orEmpty(warnings)}
	err = s.writeTagged(c, answer.DryRun, func(ctx context.Context, q *db.Queries) (string, error) {
		return appendFolds(ctx, q, folds, params, &answer)
	})
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, answer)
}

// appendFolds adds folds to a run, or replaces those of the same number, and completes the answer. It returns the ETag of the run.
func appendFolds(
	ctx context.Context, q *db.Queries, folds *foldList, params spec.AppendFoldsParams, answer *spec.FoldsStored,
) (string, error) {
	id := answer.RunID
	stored, err := lockRun(ctx, q, id, params.IfMatch)
	if err != nil {
		return "", notFound(err, "run", id)
	}
	if isFinal(stored.Status) && !isTrue(params.Force) {
		return "", conflict("the run is "+stored.Status+", which is final: folds are added with force=true", nil)
	}
	replaced := func(ctx context.Context, id uuid.UUID) (int64, error) {
		return q.DeleteFoldsByNumber(ctx, db.DeleteFoldsByNumberParams{RunID: id, FoldNumbers: slices.Collect(maps.Keys(folds.numbers))})
	}
	if _, err := replaceRows(ctx, id, false, replaced, folds.store, q.CopyFolds); err != nil {
		return "", fmt.Errorf("store folds of run %s: %w", id, err)
	}
	row, err := q.PatchRun(ctx, db.PatchRunParams{RunID: id})
	if err != nil {
		return "", fmt.Errorf("raise the version of run %s: %w", id, err)
	}
	numbers := slices.Sorted(maps.Keys(folds.numbers))
	after, err := q.FinishRun(ctx, db.FinishRunParams{
		RunID: id, DatasetIds: []uuid.UUID{stored.DatasetID}, FoldNumbers: numbers[:min(len(numbers), mostToldFolds)],
	})
	answer.Version, answer.FoldsStored = row.Version, int(after.Folds)
	return paging.ETag(row.Version, row.CreatedAt, stored.DatasetSlug), err
}

// DeleteRun serves DELETE /api/runs/:run_id: {"success": true, "deleted": {…}}.
func (s *Server) DeleteRun(c echo.Context, runID string, params spec.DeleteRunParams) error {
	r := removal{"run", "run_id", runID, params}
	return s.remove(c, r, func(ctx context.Context, q *db.Queries, id uuid.UUID) (gone removed, err error) {
		stored, err := lockRun(ctx, q, id, params.IfMatch)
		if err != nil {
			return gone, err
		}
		if gone.places, err = q.ListPlaces(ctx, id); err != nil {
			return gone, fmt.Errorf("list its tables: %w", err)
		}
		n, err := q.CountRunChildren(ctx, id)
		if err != nil {
			return gone, fmt.Errorf("count what is below: %w", err)
		}
		gone.below = map[string]int64{"folds": n.Folds, "simulations": n.Simulations, "buckets": n.Buckets, "trades": n.Trades}
		for kind, count := range map[string]int64{"annotations": n.Annotations, "artifacts": n.Artifacts} {
			if count > 0 {
				gone.below[kind] = count
			}
		}
		if err := dependants("run", params.Cascade, gone.below); err != nil {
			return gone, err
		}
		gone.touched, err = q.DeleteSimulationsByRun(ctx, id)
		if err != nil {
			return gone, fmt.Errorf("delete its simulations: %w", err)
		}
		gone.below["runs"], err = q.DeleteRun(ctx, id)
		gone.touched = append(gone.touched, stored.DatasetID)
		return gone, err
	})
}
