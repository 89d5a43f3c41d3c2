package api

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/labstack/echo/v4"

	"foldbook/api/spec"
	"foldbook/db"
	"foldbook/internal/paging"
	"foldbook/internal/series"
)

// StoreDataset serves POST /api/datasets: {"success": true, "dataset_id": …, "created": …}.
func (s *Server) StoreDataset(c echo.Context, params spec.StoreDatasetParams) error {
	return s.storeDataset(c, nil, change{dryRun: isTrue(params.DryRun), ifMatch: params.IfMatch})
}

// PutDataset serves PUT /api/datasets/:dataset_id, with the effect of POST.
func (s *Server) PutDataset(c echo.Context, datasetID string, params spec.PutDatasetParams) error {
	id, err := s.datasetID(c, datasetID)
	if err != nil {
		return err
	}
	return s.storeDataset(c, &id, change{dryRun: isTrue(params.DryRun), ifMatch: params.IfMatch})
}

func (s *Server) storeDataset(c echo.Context, path *uuid.UUID, ch change) error {
	body := s.openBody(c, maxBody)
	defer body.Close()
	up, err := readDataset(body)
	if err != nil {
		return err
	}
	if err := sameID("dataset_id", path, up.DatasetID); err != nil {
		return err
	}
	answer := spec.DatasetStored{Success: true, DryRun: ch.dryRun, Warnings: orEmpty(up.Warnings)}
	store := func() error {
		return s.writeTagged(c, ch.dryRun, func(ctx context.Context, q *db.Queries) (string, error) {
			return mergeDataset(ctx, q, up, ch, &answer)
		})
	}
	err = store()
	for taken := new(tableTakenError); errors.As(err, taken) && s.isShared(c.Request().Context(), taken); {
		ch.shared = append(ch.shared, taken.table)
		err = store()
	}
	if err != nil {
		return err
	}
	if answer.Created && !ch.dryRun {
		answer.Warnings = append(answer.Warnings, s.adopted(c, answer.DatasetID)...)
	}
	answer.Message = "dataset updated"
	if answer.Created {
		answer.Message = "dataset created"
	}
	return c.JSON(createdStatus(answer.Created), answer)
}

// mergeDataset stores a dataset, found by its id or else by its slug, and completes the answer. It returns the ETag of the dataset.
func mergeDataset(ctx context.Context, q *db.Queries, up *datasetUpload, ch change, answer *spec.DatasetStored) (string, error) {
	answer.DatasetID, answer.MatchedBy = up.DatasetID, nil
	stored, err := q.LockDataset(ctx, db.LockDatasetParams{DatasetID: up.DatasetID, QuestDBTag: up.QuestDBTag})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		err = paging.CheckAbsent(ch.ifMatch, "dataset")
	case err == nil:
		if stored.DatasetID != up.DatasetID {
			answer.DatasetID, answer.MatchedBy = stored.DatasetID, new(spec.Slug)
		}
		if err = paging.CheckMatch(ch.ifMatch, "dataset", paging.ETag(stored.Version, stored.CreatedAt)); err == nil && stored.SlugTaken {
			err = conflict("dataset_slug: is another one's already", nil)
		}
	}
	if err != nil {
		return "", err
	}
	params := up.MergeDatasetParams
	params.DatasetID = answer.DatasetID
	row, err := q.MergeDataset(ctx, params)
	if err != nil {
		return "", fmt.Errorf("merge dataset %s: %w", answer.DatasetID, err)
	}
	answer.Created, answer.Version = row.Created, row.Version
	err = ch.claim(ctx, q, series.Indicators, answer.DatasetID,
		strings.ToLower(stored.QuestDBMeasurement), strings.ToLower(stored.OhlcvMeasurement))
	return paging.ETag(row.Version, row.CreatedAt), err
}

// isShared tells whether QuestDB has the table of another dataset, and the dataset of each row in it.
func (s *Server) isShared(ctx context.Context, t *tableTakenError) bool {
	if s.QuestDB == nil || t.by > int32(series.Indicators) {
		return false
	}
	place, err := series.Find(ctx, s.QuestDB, series.Indicators, t.table)
	return err == nil && place.Shared
}

func orEmpty(texts []string) []string {
	if texts == nil {
		return []string{}
	}
	return texts
}

// DeleteDataset serves DELETE /api/datasets/:dataset_id: {"success": true, "deleted": {…}}.
func (s *Server) DeleteDataset(c echo.Context, datasetID string, params spec.DeleteDatasetParams) error {
	found, err := s.datasetID(c, datasetID)
	if err != nil {
		return err
	}
	r := removal{"dataset", "dataset_id", found.String(), spec.DeleteRunParams(params)}
	return s.remove(c, r, func(ctx context.Context, q *db.Queries, id uuid.UUID) (gone removed, err error) {
		stored, err := q.LockDataset(ctx, db.LockDatasetParams{DatasetID: id}) // by the id alone: no slug is empty
		if err == nil {
			err = paging.CheckMatch(params.IfMatch, "dataset", paging.ETag(stored.Version, stored.CreatedAt))
		}
		if err != nil {
			return gone, err
		}
		if gone.places, err = q.ListPlaces(ctx, id); err != nil {
			return gone, fmt.Errorf("list its tables: %w", err)
		}
		n, err := q.CountDatasetChildren(ctx, id)
		if err != nil {
			return gone, fmt.Errorf("count what is below: %w", err)
		}
		gone.below = map[string]int64{"runs": n.Runs, "folds": n.Folds, "simulations": n.Simulations, "buckets": n.Buckets, "trades": n.Trades}
		if err := dependants("dataset", params.Cascade, gone.below); err != nil {
			return gone, err
		}
		gone.touched, err = q.DeleteSimulationsByDataset(ctx, id)
		if err != nil {
			return gone, fmt.Errorf("delete its simulations: %w", err)
		}
		gone.below["datasets"], err = q.DeleteDataset(ctx, id)
		return gone, err
	})
}
