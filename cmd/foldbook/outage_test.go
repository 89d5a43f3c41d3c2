package main

import (
	"context"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"foldbook/db"
	"foldbook/internal/seed"
	"foldbook/internal/testdb"
)

// The six routes, and their forms with a filter.
var allRoutes = []string{
	"/api/indicators/datasets", "/api/indicators/datasets/" + seed.BenchDatasetID.String(), "/api/indicators/datasets?symbol=BTCUSDT",
	"/api/walkforward/runs", "/api/walkforward/runs/" + seed.BenchRunID.String(), "/api/walkforward/runs?status=COMPLETED&limit=1",
	"/api/tradesim/runs", "/api/tradesim/runs/" + seed.BenchSimulationID.String(), "/traders/kraken/api/tradesim/runs?limit=1",
}

// settled is how long a load goes on when the database is back: 2 s are for recovery, the rest has to be good.
const settled = 3 * time.Second

// seeded stores two datasets and what belongs to them, and returns what the seed printed.
func seeded(t *testing.T, url string) string {
	t.Helper()
	store, err := db.Open(db.Config{URL: url, PoolSize: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	text, err := seed.Records(t.Context(), store.Pool, 2)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestStartsWithoutPostgres(t *testing.T) {
	t.Parallel()
	server := testdb.Private(t)
	seeded(t, server.URL("foldbook"))
	server.Kill()
	s := startProcess(t, "POSTGRES_URL="+server.URL("foldbook"))
	s.waitFor(t, "/healthz", http.StatusOK)
	s.quick(t, "/readyz", http.StatusServiceUnavailable, 2*time.Second)
	s.quick(t, "/nowhere", http.StatusNotFound, time.Second)
	for _, path := range allRoutes {
		a := ask(http.DefaultClient, s.url, path)
		if err := a.standard(); err != nil || a.status != http.StatusServiceUnavailable || a.took > 5*time.Second {
			t.Errorf("%s: %d after %s, %v; want 503 within 5 s\n%s", path, a.status, a.took, err, a.body)
		}
	}
	l := s.load(4, allRoutes...)
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	back := time.Now()
	if _, took := s.waitFor(t, "/readyz", http.StatusOK); took > 2*time.Second {
		t.Errorf("ready %s after the database, want within 2 s", took)
	}
	<-time.After(settled)
	inOutage(t, l.stop(), back)
}

func TestPostgresKilledUnderLoad(t *testing.T) {
	t.Parallel()
	server := testdb.Private(t)
	url := server.URL("foldbook")
	seeded(t, url)
	s := startProcess(t, "POSTGRES_URL="+url)
	s.waitFor(t, "/readyz", http.StatusOK)
	reads, writes := s.load(8, allRoutes...), startWriters(t, url, 2)
	for round := range int64(2) {
		until(t, "there is load", func() bool { return reads.good.Load() > 50*(round+1) && writes.stored.Load() > 20*(round+1) })
		bad := reads.bad.Load()
		server.Kill()
		killed := time.Now()
		if _, took := s.waitFor(t, "/readyz", http.StatusServiceUnavailable); took > 2*time.Second {
			t.Errorf("not ready %s after the kill, want within 2 s", took)
		}
		until(t, "the outage is felt", func() bool { return reads.bad.Load() > bad })
		s.quick(t, "/healthz", http.StatusOK, time.Second)
		s.quick(t, "/nowhere", http.StatusNotFound, time.Second)
		if err := server.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		back := time.Now()
		<-time.After(settled)
		inOutage(t, reads.stop(), back)
		t.Logf("it was away for %s", back.Sub(killed))
		reads = s.load(8, allRoutes...)
	}
	reads.stop()
	acknowledged, unknown := writes.stop()
	conn := testdb.Connect(t, url)
	rows, err := conn.Query(t.Context(), "SELECT dataset_id FROM indicator_datasets WHERE source = $1", writerSource)
	if err != nil {
		t.Fatal(err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range acknowledged {
		if !slices.Contains(found, id) {
			t.Errorf("the write of %s was acknowledged and is lost", id)
		}
	}
	if len(found) > len(acknowledged)+unknown {
		t.Errorf("%d rows from %d writes", len(found), len(acknowledged)+unknown)
	}
	t.Logf("%d writes acknowledged, %d failed attempts repeated", len(acknowledged), writes.failed.Load())
}

// writers store one dataset after the other; a write that fails is repeated by its id until it is acknowledged.
type writers struct {
	all            sync.WaitGroup
	cancel         context.CancelFunc
	mu             sync.Mutex
	acknowledged   []uuid.UUID
	unknown        int // writes that the end found without an answer
	stored, failed atomic.Int64
}

const writerSource = "writer"

func startWriters(t *testing.T, url string, n int) *writers {
	t.Helper()
	store, err := db.Open(db.Config{URL: url, PoolSize: int32(n), ConnectTimeout: time.Second, AcquireTimeout: 2 * time.Second, StatementTimeout: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	ctx, cancel := context.WithCancel(context.Background())
	w := &writers{cancel: cancel}
	for range n {
		w.all.Go(func() {
			for ctx.Err() == nil {
				w.write(ctx, store)
			}
		})
	}
	return w
}

func (w *writers) write(ctx context.Context, store *db.DB) {
	id := uuid.New()
	row := db.UpsertDatasetParams{
		DatasetID: id, Symbol: "BTCUSD", Granularity: "4h", Source: writerSource, QuestDBTag: id.String(), QuestDBMeasurement: "bars",
		ColumnSchema: []byte(`[]`), Metadata: []byte(`{}`),
	}
	for ctx.Err() == nil {
		attempt, cancel := context.WithTimeout(ctx, 3*time.Second)
		_, err := store.UpsertDataset(attempt, row)
		cancel()
		if err == nil {
			w.stored.Add(1)
			w.mu.Lock()
			w.acknowledged = append(w.acknowledged, id)
			w.mu.Unlock()
			return
		}
		w.failed.Add(1)
		select { // a client that asks as fast as it can is refused some 10,000 times a second
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
	w.mu.Lock()
	w.unknown++
	w.mu.Unlock()
}

func (w *writers) stop() (acknowledged []uuid.UUID, unknown int) {
	w.cancel()
	w.all.Wait()
	return w.acknowledged, w.unknown
}

func TestPostgresFrozen(t *testing.T) {
	t.Parallel()
	server := testdb.Private(t)
	url := server.URL("foldbook")
	seeded(t, url)
	s := startProcess(t, "POSTGRES_URL="+url)
	s.waitFor(t, "/readyz", http.StatusOK)
	l := s.load(16, allRoutes...)
	until(t, "there is load", func() bool { return l.good.Load() > 50 })
	server.Freeze()
	defer server.Thaw()
	thaw := time.After(4 * time.Second)
	for frozen := true; frozen; {
		s.quick(t, "/healthz", http.StatusOK, time.Second)
		s.quick(t, "/nowhere", http.StatusNotFound, time.Second)
		s.quick(t, "/readyz", http.StatusServiceUnavailable, 2*time.Second)
		select {
		case <-thaw:
			frozen = false
		default:
		}
	}
	if l.bad.Load() == 0 {
		t.Error("it was frozen for 4 s and every answer was good")
	}
	server.Thaw()
	back := time.Now()
	<-time.After(settled)
	inOutage(t, l.stop(), back)
}

// slow lets every query that reads runs take long.
const slow = `
	ALTER TABLE walkforward_runs RENAME TO walkforward_runs_fast;
	CREATE VIEW walkforward_runs AS SELECT * FROM walkforward_runs_fast WHERE (SELECT pg_sleep(`

func TestSlowQueriesHoldThePool(t *testing.T) {
	t.Parallel()
	url := testdb.NewURL(t)
	seeded(t, url)
	// Fewer connections than callers. A wait for one that nothing but the request ended would be told from one of 2 s on a busy machine too.
	s := startProcess(t, "POSTGRES_URL="+url, "POSTGRES_POOL_SIZE=4", "REQUEST_TIMEOUT=15s")
	s.waitFor(t, "/readyz", http.StatusOK)
	conn := testdb.Connect(t, url)
	if _, err := conn.Exec(t.Context(), slow+`60)) IS NOT NULL`); err != nil {
		t.Fatal(err)
	}
	l := s.load(16, "/api/walkforward/runs", "/api/indicators/datasets")
	enough := time.After(6 * time.Second)
	for looking := true; looking; {
		s.quick(t, "/healthz", http.StatusOK, time.Second)
		s.quick(t, "/nowhere", http.StatusNotFound, time.Second)
		select {
		case <-enough:
			looking = false
		default:
		}
	}
	if _, err := conn.Exec(t.Context(), `DROP VIEW walkforward_runs; ALTER TABLE walkforward_runs_fast RENAME TO walkforward_runs`); err != nil {
		t.Fatal(err)
	}
	back := time.Now()
	<-time.After(settled)
	answers := l.stop()
	inOutage(t, answers, back)
	busy, slow := 0, 0
	for _, a := range answers {
		switch a.status {
		case http.StatusServiceUnavailable:
			busy++
		case http.StatusGatewayTimeout:
			slow++
		}
	}
	// The service's own times count: what its clients measure holds their waits for a processor too, of which they leave
	// each other little.
	lines := regexp.MustCompile(`path=(\S+) status=503 duration_ms=([0-9.]+)`).FindAllStringSubmatch(s.log.String(), -1)
	if len(lines) < busy {
		t.Errorf("the log has %d lines of %d answers 503", len(lines), busy)
	}
	for _, line := range lines {
		if ms, err := strconv.ParseFloat(line[2], 64); err != nil || ms > 5000 {
			t.Errorf("%s: 503 after %s ms, want after 2 s of waiting for a connection", line[1], line[2])
		}
	}
	if busy == 0 || slow == 0 {
		t.Errorf("%d answers say that the database is busy and %d that it is too slow, want some of each", busy, slow)
	}
}

func TestSIGTERMUnderLoad(t *testing.T) {
	t.Parallel()
	url := testdb.NewURL(t)
	seeded(t, url)
	// A busy machine must not make a failure of the slow query, which is to end after the second of notice.
	s := startProcess(t, "POSTGRES_URL="+url, "POSTGRES_STATEMENT_TIMEOUT=6s", "REQUEST_TIMEOUT=7s")
	s.waitFor(t, "/readyz", http.StatusOK)
	conn := testdb.Connect(t, url)
	if _, err := conn.Exec(t.Context(), slow+`2)) IS NOT NULL`); err != nil { // longer than the second of notice
		t.Fatal(err)
	}
	slowly := make(chan answer, 1)
	go func() { slowly <- ask(&http.Client{Transport: &http.Transport{}}, s.url, "/api/walkforward/runs") }()
	l := s.load(8, "/api/indicators/datasets", "/api/tradesim/runs", "/healthz")
	until(t, "there is load and a slow query runs", func() bool {
		var running int
		const sleeping = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
		if err := conn.QueryRow(t.Context(), sleeping).Scan(&running); err != nil {
			t.Fatal(err)
		}
		return l.good.Load() > 50 && running > 0
	})
	signalled := time.Now()
	s.stop()
	if _, took := s.waitFor(t, "/readyz", http.StatusServiceUnavailable); took > 500*time.Millisecond {
		t.Errorf("readyz failed %s after the signal, want at once", took)
	}
	if code, took := s.exit(), time.Since(signalled); code != 0 || took > 10*time.Second {
		t.Errorf("exit code %d after %s, want 0 within 10 s\n%s", code, took, s.log)
	}
	l.clients.Wait() // each client ends when it is refused
	after := 0
	for _, a := range append(l.stop(), <-slowly) {
		// In the second after the signal connections are still taken.
		if a.err != nil && a.begun.Sub(signalled) < 900*time.Millisecond || a.err == nil && a.status != http.StatusOK {
			t.Errorf("%s, begun %s after the signal: %d, %v", a.path, a.begun.Sub(signalled), a.status, a.err)
		}
		if a.err == nil && a.begun.After(signalled) {
			after++
		}
	}
	if after == 0 {
		t.Error("nothing was answered after the signal")
	}
	if !strings.Contains(s.log.String(), "stopped") {
		t.Errorf("the last line is missing\n%s", s.log)
	}
}

// TestColumnAddedUnderLoad migrates under the running service.
func TestColumnAddedUnderLoad(t *testing.T) {
	t.Parallel()
	url := testdb.NewURL(t)
	seeded(t, url)
	s := startProcess(t, "POSTGRES_URL="+url)
	s.waitFor(t, "/readyz", http.StatusOK)
	l := s.load(8, allRoutes...)
	conn := testdb.Connect(t, url)
	for i, sql := range []string{
		"ALTER TABLE indicator_datasets ADD COLUMN note text",
		"ALTER TABLE walkforward_runs ADD COLUMN note text NOT NULL DEFAULT 'none'",
		"ALTER TABLE walkforward_folds ADD COLUMN note double precision",
		"ALTER TABLE simulation_runs ADD COLUMN note jsonb NOT NULL DEFAULT '{}'",
		"ALTER TABLE simulation_trade_buckets ADD COLUMN note bigint",
		"ALTER TABLE walkforward_runs DROP COLUMN note",
	} {
		until(t, "there is load", func() bool { return l.good.Load() > int64(50*(i+1)) || l.bad.Load() > 0 })
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	until(t, "there is load", func() bool { return l.good.Load() > 400 || l.bad.Load() > 0 })
	for _, a := range l.stop() {
		if a.err != nil || a.status != http.StatusOK {
			t.Errorf("%s: %d, %v\n%s", a.path, a.status, a.err, a.body)
		}
	}
}
