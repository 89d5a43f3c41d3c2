package api

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/labstack/echo/v4"

	"foldbook/api/spec"
	"foldbook/db"
	"foldbook/internal/paging"
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
	err = s.writeTagged(c, ch.dryRun, func(ctx context.Context, q *db.Queries) (string, error) {
		return mergeDataset(ctx, q, up, ch.ifMatch, &answer)
	})
	if err != nil {
		return err
	}
	answer.Message = "dataset updated"
	if answer.Created {
		answer.Message = "dataset created"
	}
	return c.JSON(createdStatus(answer.Created), answer)
}

// mergeDataset stores a dataset, found by its id or else by its slug, and completes the answer. It returns the ETag of the dataset.
func mergeDataset(ctx context.Context, q *db.Queries, up *datasetUpload, ifMatch *string, answer *spec.DatasetStored) (string, error) {
	answer.DatasetID, answer.MatchedBy = up.DatasetID, nil
	stored, err := q.LockDataset(ctx, db.LockDatasetParams{DatasetID: up.DatasetID, QuestDBTag: up.QuestDBTag})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		err = paging.CheckAbsent(ifMatch, "dataset")
	case err == nil:
		if stored.DatasetID != up.DatasetID {
			answer.DatasetID, answer.MatchedBy = stored.DatasetID, new(spec.Slug)
		}
		if err = paging.CheckMatch(ifMatch, "dataset", paging.ETag(stored.Version, stored.CreatedAt)); err == nil && stored.SlugTaken {
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
	return paging.ETag(row.Version, row.CreatedAt), nil
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
	return s.remove(c, r, func(ctx context.Context, q *db.Queries, id uuid.UUID) (map[string]int64, []uuid.UUID, error) {
		stored, err := q.LockDataset(ctx, db.LockDatasetParams{DatasetID: id}) // by the id alone: no slug is empty
		if err == nil {
			err = paging.CheckMatch(params.IfMatch, "dataset", paging.ETag(stored.Version, stored.CreatedAt))
		}
		if err != nil {
			return nil, nil, err
		}
		n, err := q.CountDatasetChildren(ctx, id)
		if err != nil {
			return nil, nil, fmt.Errorf("count what is below: %w", err)
		}
		below := map[string]int64{"runs": n.Runs, "folds": n.Folds, "simulations": n.Simulations, "buckets": n.Buckets, "trades": n.Trades}
		if err := dependants("dataset", params.Cascade, below); err != nil {
			return nil, nil, err
		}
		touched, err := q.DeleteSimulationsByDataset(ctx, id)
		if err != nil {
			return nil, nil, fmt.Errorf("delete its simulations: %w", err)
		}
		below["datasets"], err = q.DeleteDataset(ctx, id)
		return below, touched, err
	})
}
