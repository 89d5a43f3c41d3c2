package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/labstack/echo/v4"

	"foldbook/api/spec"
	"foldbook/db"
	"foldbook/internal/paging"
	"foldbook/internal/series"
)

// StoreSimulation serves POST /api/simulations: {"success": true, "simulation_id": …, "buckets_stored": …, "trades_stored":
// …, "created": …}.
func (s *Server) StoreSimulation(c echo.Context, params spec.StoreSimulationParams) error {
	return s.storeSimulation(c, nil, change{dryRun: isTrue(params.DryRun), ifMatch: params.IfMatch, replace: isTrue(params.Replace)})
}

// PutSimulation serves PUT /api/simulations/:simulation_id, with the effect of POST.
func (s *Server) PutSimulation(c echo.Context, simulationID string, params spec.PutSimulationParams) error {
	id, err := pathID("simulation_id", simulationID)
	if err != nil {
		return err
	}
	return s.storeSimulation(c, &id, change{dryRun: isTrue(params.DryRun), ifMatch: params.IfMatch, replace: isTrue(params.Replace)})
}

func (s *Server) storeSimulation(c echo.Context, path *uuid.UUID, ch change) error {
	body := s.openBody(c, maxBody)
	defer body.Close()
	up, err := readSimulation(body)
	if err != nil {
		return err
	}
	id := up.Simulation.SimulationID
	if err := sameID("simulation_id", path, id); err != nil {
		return err
	}
	if up.Simulation.DatasetID, err = s.datasetIn(c, up.Dataset); err != nil {
		return err
	}
	answer := spec.SimulationStored{Success: true, Message: "simulation stored", SimulationID: id, DryRun: ch.dryRun,
		Warnings: orEmpty(up.Warnings)}
	err = s.writeTagged(c, ch.dryRun, func(ctx context.Context, q *db.Queries) (string, error) {
		return upsertSimulation(ctx, q, up, ch, &answer)
	})
	if err != nil {
		return err
	}
	if answer.Created && !ch.dryRun {
		answer.Warnings = append(answer.Warnings, s.adopted(c, id)...)
	}
	return c.JSON(createdStatus(answer.Created), answer)
}

// upsertSimulation stores a simulation and completes the answer. It returns the ETag of the simulation.
func upsertSimulation(ctx context.Context, q *db.Queries, up *simulationUpload, ch change, answer *spec.SimulationStored) (string, error) {
	id := up.Simulation.SimulationID
	if ch.ifMatch != nil {
		if _, err := lockSimulation(ctx, q, id, ch.ifMatch); errors.Is(err, pgx.ErrNoRows) {
			return "", paging.CheckAbsent(ch.ifMatch, "simulation")
		} else if err != nil {
			return "", err
		}
	}
	row, err := q.UpsertSimulation(ctx, up.Simulation)
	if err != nil {
		return "", fmt.Errorf("store simulation %s: %w", id, err)
	}
	if !row.Created && row.FormerDatasetID == uuid.Nil {
		return "", errRaced
	}
	n, former, err := replaceChildren(ctx, q, up, row.Created)
	if err != nil {
		return "", err
	}
	err = ch.checkFinal("simulation", row.FormerStatus, up.Simulation.Status, row.Lost,
		rows(former.Buckets-n.Buckets, "of its buckets"), rows(former.Trades-n.Trades, "of its trades"))
	if err != nil {
		return "", err
	}
	answer.Created, answer.Version, answer.BucketsStored, answer.TradesStored = row.Created, row.Version, int(n.Buckets), int(n.Trades)
	if err := finishSimulation(ctx, q, id, up.Simulation.DatasetID, row.FormerDatasetID); err != nil {
		return "", err
	}
	return paging.ETag(row.Version, row.CreatedAt), ch.claim(ctx, q, series.Trace, id, row.FormerTable)
}

// lockSimulation locks an existing simulation and checks that it is in the state that the caller expects.
func lockSimulation(ctx context.Context, q *db.Queries, id uuid.UUID, ifMatch *string) (db.LockSimulationRow, error) {
	row, err := q.LockSimulation(ctx, id)
	if err != nil {
		return row, fmt.Errorf("lock simulation %s: %w", id, err)
	}
	return row, paging.CheckMatch(ifMatch, "simulation", paging.ETag(row.Version, row.CreatedAt))
}

// replaceChildren stores the given buckets and trades in place of the old ones. It returns how many the simulation then has, and how
// many old ones it removed.
func replaceChildren(
	ctx context.Context, q *db.Queries, up *simulationUpload, created bool,
) (n, former db.CountSimulationChildrenRow, err error) {
	id := up.Simulation.SimulationID
	if !created && (up.Buckets == nil || up.Trades == nil) {
		if n, err = q.CountSimulationChildren(ctx, id); err != nil {
			return n, former, fmt.Errorf("count what is below simulation %s: %w", id, err)
		}
	}
	if up.Buckets != nil {
		n.Buckets = int64(up.Buckets.Len())
		if former.Buckets, err = replaceRows(ctx, id, created, q.DeleteBuckets, up.Buckets.store, q.CopyBuckets); err != nil {
			return n, former, fmt.Errorf("store the buckets of simulation %s: %w", id, err)
		}
	}
	if up.Trades != nil {
		n.Trades = int64(up.Trades.Len())
		if former.Trades, err = replaceRows(ctx, id, created, q.DeleteTrades, up.Trades.store, q.CopyTrades); err != nil {
			return n, former, fmt.Errorf("store the trades of simulation %s: %w", id, err)
		}
	}
	return n, former, nil
}

// finishSimulation ends a write of a simulation that is, or was, in these datasets.
func finishSimulation(ctx context.Context, q *db.Queries, id uuid.UUID, datasets ...uuid.UUID) error {
	if err := q.FinishSimulation(ctx, db.FinishSimulationParams{SimulationID: id, DatasetIds: datasets}); err != nil {
		return fmt.Errorf("finish the write of simulation %s: %w", id, err)
	}
	return nil
}

// PatchSimulation serves PATCH /api/simulations/:simulation_id: {"success": true, "id": …, "version": …}.
func (s *Server) PatchSimulation(c echo.Context, simulationID string, params spec.PatchSimulationParams) error {
	id, err := pathID("simulation_id", simulationID)
	if err != nil {
		return err
	}
	body := s.openBody(c, maxBody)
	defer body.Close()
	patch, err := readSimulationPatch(body)
	if err != nil {
		return err
	}
	patch.SimulationID = id
	answer := spec.Changed{Success: true, ID: id, DryRun: isTrue(params.DryRun), Warnings: orEmpty(body.Warnings())}
	err = s.writeTagged(c, answer.DryRun, func(ctx context.Context, q *db.Queries) (string, error) {
		return patchSimulation(ctx, q, patch, params, &answer)
	})
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, answer)
}

// patchSimulation changes a simulation and completes the answer. It returns the ETag of the simulation.
func patchSimulation(
	ctx context.Context, q *db.Queries, patch *db.PatchSimulationParams, params spec.PatchSimulationParams, answer *spec.Changed,
) (string, error) {
	stored, err := lockSimulation(ctx, q, answer.ID, params.IfMatch)
	if err != nil {
		return "", notFound(err, "simulation", answer.ID)
	}
	if err := checkTransition(stored.Status, patch.Status, isTrue(params.Force)); err != nil {
		return "", err
	}
	row, err := q.PatchSimulation(ctx, *patch)
	if err != nil {
		return "", fmt.Errorf("patch simulation %s: %w", answer.ID, err)
	}
	answer.Version = row.Version
	return paging.ETag(row.Version, row.CreatedAt), finishSimulation(ctx, q, answer.ID, stored.DatasetID)
}

// DeleteSimulation serves DELETE /api/simulations/:simulation_id: {"success": true, "deleted": {…}}.
func (s *Server) DeleteSimulation(c echo.Context, simulationID string, params spec.DeleteSimulationParams) error {
	r := removal{"simulation", "simulation_id", simulationID, spec.DeleteRunParams(params)}
	return s.remove(c, r, func(ctx context.Context, q *db.Queries, id uuid.UUID) (gone removed, err error) {
		stored, err := lockSimulation(ctx, q, id, params.IfMatch)
		if err != nil {
			return gone, err
		}
		if gone.places, err = q.ListPlaces(ctx, id); err != nil {
			return gone, fmt.Errorf("list its tables: %w", err)
		}
		n, err := q.CountSimulationChildren(ctx, id)
		if err != nil {
			return gone, fmt.Errorf("count what is below: %w", err)
		}
		gone.below = map[string]int64{"buckets": n.Buckets, "trades": n.Trades}
		if err := dependants("simulation", params.Cascade, gone.below); err != nil {
			return gone, err
		}
		gone.below["simulations"], err = q.DeleteSimulation(ctx, id)
		gone.touched = []uuid.UUID{stored.DatasetID}
		return gone, err
	})
}
