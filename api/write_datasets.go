package api

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/labstack/echo/v4"

	"foldbook/api/spec"
	"foldbook/db"
	"foldbook/internal/paging"
	"foldbook/internal/series"
	"foldbook/questdb"
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
			return mergeDataset(ctx, q, up, ch.ifMatch, &answer)
		})
	}
	err = store()
	for taken := new(tableTakenError); errors.As(err, taken) && s.isShared(c.Request().Context(), taken.TableName); {
		up.shared = append(up.shared, taken.TableName)
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
	if err := checkTables(ctx, q, up, answer.DatasetID, &stored, &row); err != nil {
		return "", err
	}
	return paging.ETag(row.Version, row.CreatedAt), claim(ctx, q, answer.DatasetID)
}

// tableTakenError is the error of a dataset whose table another dataset has.
type tableTakenError db.GetTableOwnerRow

func (t tableTakenError) Error() string {
	return "table " + t.TableName + " is that of dataset " + t.QuestDBTag + ": name another one as indicator_measurement or " +
		"ohlcv_measurement. " +
		"Several datasets share indicator_bars, or a table that has a SYMBOL column dataset"
}

// checkTables refuses tables that the dataset did not have before and that another dataset has, unless its rows are told apart there.
func checkTables(
	ctx context.Context, q *db.Queries, up *datasetUpload, id uuid.UUID, before *db.LockDatasetRow, now *db.MergeDatasetRow,
) error {
	tables := []string{strings.ToLower(now.QuestDBMeasurement), strings.ToLower(now.OhlcvMeasurement)}
	had := append([]string{questdb.SharedIndicators, strings.ToLower(before.QuestDBMeasurement), strings.ToLower(before.OhlcvMeasurement)},
		up.shared...)
	tables = slices.DeleteFunc(tables, func(table string) bool { return slices.Contains(had, table) })
	if len(tables) == 0 {
		return nil
	}
	taken, err := q.GetTableOwner(ctx, db.GetTableOwnerParams{DatasetID: id, Tables: tables})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil
	case err != nil:
		return fmt.Errorf("look for others with the tables of dataset %s: %w", id, err)
	}
	return tableTakenError(taken)
}

// isShared tells whether QuestDB has the table, and the dataset of each row in it.
func (s *Server) isShared(ctx context.Context, table string) bool {
	if s.QuestDB == nil {
		return false
	}
	place, err := series.Find(ctx, s.QuestDB, series.Indicators, table)
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
