package db_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"

	"foldbook/db"
	"foldbook/internal/seed"
	"foldbook/internal/testdb"
)

func TestMain(m *testing.M) { testdb.Main(m) }

// open returns a store on a migrated database of the test's own.
func open(t *testing.T, change ...func(*db.Config)) *db.DB {
	t.Helper()
	cfg := db.Config{URL: testdb.NewURL(t), PoolSize: 4, ConnectTimeout: 5 * time.Second, AcquireTimeout: 10 * time.Second, StatementTimeout: 30 * time.Second}
	for _, f := range change {
		f(&cfg)
	}
	store, err := db.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	return store
}

// seeded returns a store with one of the datasets for benchmarks and what belongs to it.
func seeded(t *testing.T, change ...func(*db.Config)) *db.DB {
	t.Helper()
	store := open(t, change...)
	if _, err := seed.Records(t.Context(), store.Pool, 1); err != nil {
		t.Fatal(err)
	}
	return store
}

// exec runs SQL that the product has no query for.
func exec(t *testing.T, store *db.DB, sql string, args ...any) {
	t.Helper()
	if _, err := store.Pool.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// noneAcquired waits until all connections are back in the pool.
func noneAcquired(t *testing.T, store *db.DB) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); store.Pool.Stat().AcquiredConns() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d connections did not come back to the pool", store.Pool.Stat().AcquiredConns())
		}
	}
}

func bareDataset(id uuid.UUID) db.UpsertDatasetParams {
	return db.UpsertDatasetParams{
		DatasetID: id, Symbol: "BTCUSDT", Granularity: "4h", Source: "test", QuestDBTag: id.String(), QuestDBMeasurement: "bars",
		ColumnSchema: []byte(`[]`), Metadata: []byte(`{}`),
	}
}

func TestOpenRefusesABadURL(t *testing.T) {
	t.Parallel()
	if store, err := db.Open(db.Config{URL: "postgres://host:notaport/x", PoolSize: 1}); err == nil {
		store.Close()
		t.Error("got a store, want an error")
	}
}

func TestOpenNeedsNoServer(t *testing.T) {
	t.Parallel()
	store, err := db.Open(db.Config{URL: "host=" + t.TempDir(), PoolSize: 1, ConnectTimeout: time.Second, AcquireTimeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	_, err = store.GetDataset(t.Context(), uuid.New())
	var connect *pgconn.ConnectError
	if !errors.As(err, &connect) {
		t.Errorf("got %v, want a connect error", err)
	}
}

func TestConnectionsHaveTheirLimits(t *testing.T) {
	t.Parallel()
	store := open(t, func(c *db.Config) { c.StatementTimeout = 1234 * time.Millisecond })
	got := map[string]string{}
	for _, name := range []string{"statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "application_name", "synchronous_commit"} {
		var value string
		if err := store.Pool.QueryRow(t.Context(), "SELECT current_setting($1)", name).Scan(&value); err != nil {
			t.Fatal(err)
		}
		got[name] = value
	}
	want := map[string]string{
		"statement_timeout": "1234ms", "lock_timeout": "1s", "idle_in_transaction_session_timeout": "10s", "application_name": "foldbook",
		"synchronous_commit": got["synchronous_commit"], // the server's: the pool must leave it alone
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("settings of a connection (-want +got):\n%s", diff)
	}
	var source string
	if err := store.Pool.QueryRow(t.Context(), "SELECT source FROM pg_settings WHERE name = 'synchronous_commit'").Scan(&source); err != nil || source == "client" {
		t.Errorf("synchronous_commit is set by %q (%v), want it left to the server", source, err)
	}
}

func TestAcquireTimeout(t *testing.T) {
	t.Parallel()
	const wait = 300 * time.Millisecond
	store := open(t, func(c *db.Config) { c.PoolSize, c.AcquireTimeout = 1, wait })
	id := []uuid.UUID{uuid.New()}
	calls := map[string]func(ctx context.Context) error{
		"query": func(ctx context.Context) error {
			_, err := store.ListRuns(ctx, db.ListRunsParams{PageSize: 1})
			return err
		},
		"query row": func(ctx context.Context) error { _, err := store.GetDataset(ctx, id[0]); return err },
		"exec": func(ctx context.Context) error {
			_, err := store.DeleteFolds(ctx, db.DeleteFoldsParams{RunID: id[0]})
			return err
		},
		"copy": func(ctx context.Context) error { _, err := store.CopyFolds(ctx, []db.CopyFoldsParams{{}}); return err },
		"batch": func(ctx context.Context) error {
			_, err := db.First(store.GetRun(ctx, id).QueryRow)
			return err
		},
		"batch of rows": func(ctx context.Context) error {
			_, err := db.First(store.ListFolds(ctx, id).Query)
			return err
		},
		"snapshot": func(ctx context.Context) error { _, _, err := readRun(ctx, store, id[0]); return err },
		"transaction": func(ctx context.Context) error {
			return store.InTx(ctx, false, func(*db.Queries) error { return nil })
		},
	}
	held, err := store.Pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, call := range calls {
		began := time.Now()
		err := call(t.Context())
		took := time.Since(began)
		if !errors.Is(err, db.ErrPoolBusy) {
			t.Errorf("%s: got %v, want ErrPoolBusy", name, err)
		}
		if took < wait || took > wait+2*time.Second {
			t.Errorf("%s: gave up after %s, want about %s", name, took, wait)
		}
		// The caller's own end is no sign of a busy pool.
		ctx, cancel := context.WithTimeout(t.Context(), wait/10)
		if err := call(ctx); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, db.ErrPoolBusy) {
			t.Errorf("%s: got %v, want the caller's deadline", name, err)
		}
		cancel()
	}
	held.Release()
	for name, call := range calls {
		if err := call(t.Context()); errors.Is(err, db.ErrPoolBusy) {
			t.Errorf("%s: the connection is back, and still %v", name, err)
		}
		noneAcquired(t, store)
	}
}

func TestFailuresGiveTheConnectionBack(t *testing.T) {
	t.Parallel()
	store := seeded(t, func(c *db.Config) { c.PoolSize = 1 })
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	exec(t, store, "ALTER TABLE simulation_runs RENAME TO renamed")
	twice := db.CopyFoldsParams{RunID: seed.BenchRunID, Thresholds: []byte(`{}`), Metrics: []byte(`{}`)}
	for name, call := range map[string]func() error{
		"ended context": func() error { _, err := store.ListRuns(ended, db.ListRunsParams{PageSize: 1}); return err },
		"refused value": func() error { _, err := store.ListRuns(t.Context(), db.ListRunsParams{PageSize: -1}); return err },
		"missing table": func() error { // refused while it is prepared
			_, err := store.ListSimulations(t.Context(), db.ListSimulationsParams{PageSize: 1})
			return err
		},
		"no row": func() error { _, err := store.GetDataset(t.Context(), uuid.New()); return err },
		"unknown parent": func() error {
			_, err := store.UpsertRun(t.Context(), db.UpsertRunParams{RunID: uuid.New()})
			return err
		},
		"duplicate copy":   func() error { _, err := store.CopyFolds(t.Context(), []db.CopyFoldsParams{twice, twice}); return err },
		"panicking caller": func() error { return panicking(t.Context(), store) },
		"no row in a snapshot": func() error {
			_, _, err := readRun(t.Context(), store, uuid.New())
			return err
		},
		"ended context in a snapshot": func() error { _, _, err := readRun(ended, store, seed.BenchRunID); return err },
	} {
		if err := call(); err == nil {
			t.Errorf("%s: no error", name)
		}
		noneAcquired(t, store)
		if _, err := store.GetDataset(t.Context(), seed.BenchDatasetID); err != nil {
			t.Errorf("after %s: %v", name, err)
		}
	}
}

func panicking(ctx context.Context, store *db.DB) (err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("it panicked")
		}
	}()
	return store.InTx(ctx, false, func(*db.Queries) error { panic("on purpose") })
}

func TestInTx(t *testing.T) {
	t.Parallel()
	store := open(t)
	kept, dropped := uuid.New(), uuid.New()
	if err := store.InTx(t.Context(), false, func(q *db.Queries) error {
		created, err := q.UpsertDataset(t.Context(), bareDataset(kept))
		if !created {
			t.Error("created is false for a new dataset")
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	reason := errors.New("changed my mind")
	err := store.InTx(t.Context(), false, func(q *db.Queries) error {
		if _, err := q.UpsertDataset(t.Context(), bareDataset(dropped)); err != nil {
			return err
		}
		if _, err := q.GetDataset(t.Context(), dropped); err != nil {
			t.Errorf("the transaction does not see its own row: %v", err)
		}
		return reason
	})
	if !errors.Is(err, reason) {
		t.Errorf("got %v, want the function's own error", err)
	}
	_ = store.InTx(t.Context(), false, func(q *db.Queries) error {
		if _, err := q.UpsertDataset(t.Context(), bareDataset(dropped)); err != nil {
			t.Error(err)
		}
		panicked := panicking(t.Context(), store) // of another connection: this one goes on
		return panicked
	})
	rows, err := store.ListDatasets(t.Context(), db.ListDatasetsParams{PageSize: 10})
	if err != nil || len(rows) != 1 || rows[0].DatasetID != kept {
		t.Errorf("got %d datasets (%v), want only the committed one", len(rows), err)
	}
	if created, err := store.UpsertDataset(t.Context(), bareDataset(kept)); err != nil || created {
		t.Errorf("a second upsert says created=%t, %v", created, err)
	}
	noneAcquired(t, store)
}
