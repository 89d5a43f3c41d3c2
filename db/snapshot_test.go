package db_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"foldbook/db"
	"foldbook/internal/seed"
)

// readRun reads a run and its folds as the API does.
func readRun(ctx context.Context, store *db.DB, id uuid.UUID) (db.GetRunRow, []db.WalkforwardFold, error) {
	snap := store.Snapshot()
	run, folds := snap.GetRun(ctx, []uuid.UUID{id}), snap.ListFolds(ctx, []uuid.UUID{id})
	snap.Send(ctx)
	defer snap.Close()
	r, err := db.First(run.QueryRow)
	if err != nil {
		return r, nil, err
	}
	fs, err := db.First(folds.Query)
	return r, fs, err
}

// TestSnapshotAgrees reads a run and its folds while another connection replaces them by more and fewer.
func TestSnapshotAgrees(t *testing.T) {
	t.Parallel()
	store := seeded(t)
	row, _, err := readRun(t.Context(), store, seed.BenchRunID)
	if err != nil {
		t.Fatal(err)
	}
	if err := replaceFolds(t.Context(), store, row, 1); err != nil { // so that the duration says the number
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var replaced atomic.Int64
	var all sync.WaitGroup
	all.Go(func() {
		for size := 1; ctx.Err() == nil; size = size%9 + 1 {
			if err := replaceFolds(ctx, store, row, size); err != nil && ctx.Err() == nil {
				t.Errorf("replace the folds: %v", err)
				return
			}
			replaced.Add(1)
		}
	})
	var reads atomic.Int64
	sizes := [10]atomic.Int64{}
	for range 3 {
		all.Go(func() {
			for ctx.Err() == nil {
				run, folds, err := readRun(ctx, store, seed.BenchRunID)
				if err != nil {
					if ctx.Err() == nil {
						t.Errorf("read the run: %v", err)
					}
					return
				}
				// duration_ms is written in the same transaction as the folds.
				if int(run.FoldCount) != len(folds) || int(*run.DurationMS) != len(folds) {
					t.Errorf("the run says %d folds (and %d), but there are %d", run.FoldCount, *run.DurationMS, len(folds))
					return
				}
				sizes[len(folds)].Add(1)
				reads.Add(1)
			}
		})
	}
	for deadline := time.Now().Add(time.Minute); (replaced.Load() < 200 || reads.Load() < 200) && !t.Failed() && time.Now().Before(deadline); {
		time.Sleep(5 * time.Millisecond)
	}
	stop()
	all.Wait()
	seen := 0
	for i := range sizes {
		if sizes[i].Load() > 0 {
			seen++
		}
	}
	if replaced.Load() < 200 || reads.Load() < 200 || seen < 5 {
		t.Errorf("%d replacements and %d reads that saw %d sizes prove nothing", replaced.Load(), reads.Load(), seen)
	}
	noneAcquired(t, store)
}

// replaceFolds gives a run as many folds as size says, and says so in its duration.
func replaceFolds(ctx context.Context, store *db.DB, r db.GetRunRow, size int) error {
	return store.InTx(ctx, false, func(q *db.Queries) error {
		if _, err := q.DeleteFolds(ctx, db.DeleteFoldsParams{RunID: r.RunID}); err != nil {
			return err
		}
		var folds []db.CopyFoldsParams
		for i := range size {
			folds = append(folds, db.CopyFoldsParams{RunID: r.RunID, FoldNumber: int32(i), Thresholds: []byte(`{}`), Metrics: []byte(`{}`)})
		}
		if _, err := q.CopyFolds(ctx, folds); err != nil {
			return err
		}
		said := int64(size)
		_, err := q.UpsertRun(ctx, db.UpsertRunParams{
			RunID: r.RunID, DatasetID: r.DatasetID, PredictionMeasurement: r.PredictionMeasurement, FeatureColumns: r.FeatureColumns,
			Hyperparameters: r.Hyperparameters, WalkConfig: r.WalkConfig, SummaryMetrics: r.SummaryMetrics, Status: r.Status, DurationMS: &said,
		})
		return err
	})
}

func TestSnapshotTakesBatchesOnly(t *testing.T) {
	t.Parallel()
	store := seeded(t)
	snap := store.Snapshot()
	if _, err := snap.GetDataset(t.Context(), seed.BenchDatasetID); err == nil {
		t.Error("GetDataset: no error")
	}
	if _, err := snap.ListRuns(t.Context(), db.ListRunsParams{PageSize: 1}); err == nil {
		t.Error("ListRuns: no error")
	}
	if _, err := snap.DeleteFolds(t.Context(), db.DeleteFoldsParams{RunID: seed.BenchRunID}); err == nil {
		t.Error("DeleteFolds: no error")
	}
	if _, err := snap.CopyFolds(t.Context(), []db.CopyFoldsParams{{}}); err == nil {
		t.Error("CopyFolds: no error")
	}
	folds := snap.ListFolds(t.Context(), []uuid.UUID{seed.BenchRunID})
	snap.Send(t.Context())
	defer snap.Close()
	if got, err := db.First(folds.Query); err != nil || len(got) == 0 {
		t.Errorf("got %d folds, %v; want 3", len(got), err)
	}
}

func TestSnapshotOfNothing(t *testing.T) {
	t.Parallel()
	store := seeded(t)
	snap := store.Snapshot()
	id := []uuid.UUID{uuid.New()}
	run, folds := snap.GetRun(t.Context(), id), snap.ListFolds(t.Context(), id)
	snap.Send(t.Context())
	if _, err := db.First(run.QueryRow); !errors.Is(err, pgx.ErrNoRows) {
		t.Errorf("got %v, want ErrNoRows", err)
	}
	if got, err := db.First(folds.Query); err != nil || got == nil || len(got) != 0 {
		t.Errorf("got %#v, %v; want an empty list", got, err)
	}
	snap.Close()
	snap.Close() // a second time does no harm
	noneAcquired(t, store)
}

// TestSnapshotCancelled ends the context while the snapshot waits for a lock.
func TestSnapshotCancelled(t *testing.T) {
	t.Parallel()
	store := seeded(t, func(c *db.Config) { c.PoolSize = 2 })
	lock, err := pgx.ConnectConfig(t.Context(), store.Pool.Config().ConnConfig)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = lock.Close(context.Background()) })
	tx, err := lock.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "LOCK TABLE walkforward_folds"); err != nil {
		t.Fatal(err)
	}
	for range 3 { // more often than there are connections
		ctx, cancel := context.WithCancel(t.Context())
		failed := make(chan error, 1)
		go func() {
			_, _, err := readRun(ctx, store, seed.BenchRunID)
			failed <- err
		}()
		waitForLock(t, tx)
		cancel()
		if err := <-failed; err == nil {
			t.Error("got a run, want the context's end")
		}
		noneAcquired(t, store)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, folds, err := readRun(t.Context(), store, seed.BenchRunID); err != nil || len(folds) == 0 {
		t.Errorf("afterwards: %d folds, %v; want them all", len(folds), err)
	}
}

// waitForLock returns when a connection waits for the folds.
func waitForLock(t *testing.T, tx pgx.Tx) {
	t.Helper()
	const waiting = `SELECT count(*) FROM pg_locks WHERE relation = 'walkforward_folds'::regclass AND NOT granted`
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		var n int
		if err := tx.QueryRow(t.Context(), waiting).Scan(&n); err != nil {
			t.Fatal(err)
		}
		if n > 0 {
			return
		}
	}
	t.Fatal("nothing waits for the lock")
}
