package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"foldbook/api"
	"foldbook/internal/devstack"
	"foldbook/internal/testdb"
)

var allTables = []string{
	"indicator_datasets", "walkforward_runs", "walkforward_folds", "walkforward_run_metrics", "simulation_runs", "simulation_run_metrics",
	"simulation_trade_buckets", "simulation_trades",
}

// counts says how many rows each table has.
func (h *harness) counts() map[string]int {
	h.t.Helper()
	n := map[string]int{}
	for _, table := range allTables {
		n[table] = h.count(table)
	}
	return n
}

// answer is what one request came to.
type answer struct {
	status int
	body   map[string]any
	header http.Header
}

// posted sends a body in the background.
func (h *harness) posted(path, body string) <-chan answer {
	got := make(chan answer, 1)
	go func() {
		req := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
		w := httptest.NewRecorder()
		h.http.ServeHTTP(w, req)
		a := answer{status: w.Code, header: w.Header()}
		_ = json.Unmarshal(w.Body.Bytes(), &a.body) // what is not JSON has no fields, which the test reports
		got <- a
	}()
	return got
}

// outage is a server of the test's own, and a connection beside the service's.
type outage struct {
	*harness
	server *devstack.Postgres
}

func newOutage(t *testing.T) *outage {
	t.Helper()
	server := testdb.Private(t)
	return &outage{harnessOn(t, server.URL("foldbook")), server}
}

// beside opens a connection that the service does not know of.
func (o *outage) beside() *pgx.Conn {
	o.t.Helper()
	conn, err := pgx.Connect(context.Background(), o.server.URL("foldbook"))
	if err != nil {
		o.t.Fatal(err)
	}
	o.t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func (o *outage) on(conn *pgx.Conn, sql string) {
	o.t.Helper()
	if _, err := conn.Exec(context.Background(), sql); err != nil {
		o.t.Fatalf("%s: %v", sql, err)
	}
}

// waitFor polls until the service has n connections that wait for what is named.
func (o *outage) waitFor(conn *pgx.Conn, n int, event string) {
	o.t.Helper()
	for began := time.Now(); time.Since(began) < testdb.Patience; {
		var got int
		o.on(conn, "SELECT pg_stat_clear_snapshot()") // what a transaction has seen of the activity, it sees until its end
		err := conn.QueryRow(context.Background(), `SELECT count(*) FROM pg_stat_activity WHERE application_name = 'foldbook' AND wait_event_type || ' ' || wait_event LIKE $1`, event).Scan(&got)
		if err != nil {
			o.t.Fatal(err)
		}
		if got == n {
			return
		}
	}
	o.t.Fatalf("no %d connections wait for %s", n, event)
}

func (o *outage) restart() {
	o.t.Helper()
	if err := o.server.Restart(context.Background()); err != nil {
		o.t.Fatal(err)
	}
	for began := time.Now(); ; {
		if o.db.Pool.Ping(context.Background()) == nil {
			return
		}
		if time.Since(began) > testdb.Patience {
			o.t.Fatal("the service does not get its connections back")
		}
	}
}

// written is one of the three writes, with what it needs to be there before.
type written struct {
	name, path, get string
	table           string
	last            string // the table that it comes to last but the dataset
	body            func(n int) string
	children        string // the field of an answer that counts what is below
	tables          string // of the children
}

var allWrites = []written{
	{"dataset", "/api/datasets", "/api/datasets/" + newDataset, "indicator_datasets", "indicator_datasets", func(int) string { return datasetBody(newDataset, "btc25_1") }, "", ""},
	{"run", "/api/runs", "/api/runs/" + newRun, "walkforward_runs", "walkforward_run_metrics", runBody, "total_folds", "walkforward_folds"},
	{"simulation", "/api/simulations", "/api/simulations/" + newSim, "simulation_runs", "simulation_run_metrics", simulationBody, "trade_count", "simulation_trades"},
}

// parents stores what a write needs.
func (w written) parents(h *harness) {
	h.t.Helper()
	if w.name != "dataset" {
		h.store("/api/datasets", datasetBody(newDataset, "btc25_1"), 201)
	}
	if w.name == "simulation" {
		h.store("/api/runs", runBody(1), 201)
	}
}

// whole checks that what a write stores is there once, with all of its children.
func (w written) whole(h *harness, children int, version float64) {
	h.t.Helper()
	got := h.object(w.get)
	if got["version"] != version || h.count(w.table) != 1 {
		h.t.Errorf("%s: version %v of %v, %d of them", w.name, got["version"], version, h.count(w.table))
	}
	if w.children != "" && (got[w.children] != float64(children) || h.count(w.tables) != children) {
		h.t.Errorf("%s: %v children of %d, %d in the table", w.name, got[w.children], children, h.count(w.tables))
	}
}

// A database that is killed while something is stored, before COMMIT: 503 to be repeated, and nothing of it is there.
func TestKilledBeforeCommit(t *testing.T) {
	t.Parallel()
	for _, w := range allWrites {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			o := newOutage(t)
			w.parents(o.harness)
			before := o.counts()
			// The children are copied when the write comes to the last table.
			other := o.beside()
			o.on(other, `BEGIN; LOCK TABLE `+w.last+` IN ACCESS EXCLUSIVE MODE`)
			got := o.posted(w.path, w.body(300))
			o.waitFor(o.beside(), 1, "Lock %")
			o.server.Kill()
			if a := <-got; a.status != 503 || a.body["code"] != "database_unavailable" || a.header.Get("Retry-After") == "" || strings.Contains(fmt.Sprint(a.body), "postgres") {
				t.Errorf("while the database is away: %d %v", a.status, a.body)
			}
			o.restart()
			if diff := cmp.Diff(before, o.counts()); diff != "" {
				t.Errorf("half of a write is stored (-before +after):\n%s", diff)
			}
			o.store(w.path, w.body(300), 201)
			w.whole(o.harness, 300, 1)
		})
	}
}

// A connection that is lost before COMMIT, and a server that comes back at once, are nothing that the client sees.
func TestLostConnectionIsRetried(t *testing.T) {
	t.Parallel()
	o := newOutage(t)
	o.store("/api/datasets", datasetBody(newDataset, "btc25_1"), 201)
	for version := range 3 {
		other := o.beside()
		o.on(other, `BEGIN; LOCK TABLE walkforward_run_metrics IN ACCESS EXCLUSIVE MODE`)
		got := o.posted("/api/runs", runBody(100+version))
		o.waitFor(other, 1, "Lock %")
		o.on(other, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'foldbook' AND wait_event_type = 'Lock'`)
		o.on(other, `ROLLBACK`)
		if a := <-got; a.status/100 != 2 || a.body["folds_stored"] != float64(100+version) || a.body["created"] != (version == 0) {
			t.Fatalf("a lost connection: %d %v", a.status, a.body)
		}
		allWrites[1].whole(o.harness, 100+version, float64(version+1))
	}
}

// A server that freezes during COMMIT and is killed there: the client is told to repeat, and its repeat stores one run,
// whether the COMMIT had happened or not.
func TestKilledAtCommit(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		prepare, event string
		committed      bool
	}{
		// A constraint that is checked at COMMIT waits for a lock: nothing is durable yet.
		"before it is durable": {`CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_advisory_xact_lock(42); RETURN NULL; END';
			CREATE CONSTRAINT TRIGGER wait AFTER INSERT ON @ DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait();
			SELECT pg_advisory_lock(42)`, "Lock advisory", false},
		// A standby that is not there is waited for when the COMMIT is on disk, and before it is answered.
		"after it is durable": {`ALTER SYSTEM SET synchronous_standby_names = 'nobody'`, "IPC SyncRep", true},
	} {
		for _, w := range allWrites {
			t.Run(w.name+" "+name, func(t *testing.T) {
				t.Parallel()
				o := newOutage(t)
				w.parents(o.harness)
				before := o.counts()
				other := o.beside()
				for statement := range strings.SplitSeq(strings.ReplaceAll(tc.prepare, "@", w.table), ";\n") {
					o.on(other, statement)
				}
				if tc.committed {
					o.restart() // a reload would reach the processes at some time
					other = o.beside()
				}
				got := o.posted(w.path, w.body(200))
				o.waitFor(other, 1, tc.event)
				o.server.Kill()
				if a := <-got; a.status != 503 || !strings.Contains(fmt.Sprint(a.body["message"]), "repeat the request") || a.header.Get("Retry-After") == "" {
					t.Errorf("a lost COMMIT: %d %v", a.status, a.body)
				}
				o.restart()
				other = o.beside()
				o.on(other, `ALTER SYSTEM RESET synchronous_standby_names`)
				o.on(other, `SELECT pg_reload_conf()`)
				status, version := 201, 1.0
				if tc.committed {
					w.whole(o.harness, 200, 1)
					status, version = 200, 2
				} else if diff := cmp.Diff(before, o.counts()); diff != "" {
					t.Errorf("rows of a write that was not committed (-before +after):\n%s", diff)
				}
				if a := o.store(w.path, w.body(200), status); a["created"] != !tc.committed {
					t.Errorf("the repeat: %v", a)
				}
				w.whole(o.harness, 200, version)
			})
		}
	}
}

// A database that does not answer is not waited for without end, and what it was sent is not stored twice or in part.
func TestFrozenWhileStoring(t *testing.T) {
	t.Parallel()
	o := newOutage(t)
	o.store("/api/datasets", datasetBody(newDataset, "btc25_1"), 201) // may take longer than the limit that follows
	o.harness = harnessOn(t, o.server.URL("foldbook"), func(opts *api.Options) { opts.WriteTimeout = time.Second })
	o.server.Freeze()
	a := <-o.posted("/api/runs", runBody(50))
	o.server.Thaw()
	if a.status != 503 && a.status != 504 {
		t.Errorf("while the database is frozen: %d %v", a.status, a.body)
	}
	for began := time.Now(); ; {
		if status, got := o.send(http.MethodPost, "/api/runs", runBody(50)); status == 200 || status == 201 {
			break
		} else if time.Since(began) > testdb.Patience {
			t.Fatalf("the service does not come back: %d %v", status, got)
		}
	}
	if run := o.object("/api/runs/" + newRun); run["total_folds"] != 50.0 || o.count("walkforward_folds") != 50 {
		t.Errorf("%v folds, %d in the table", run["total_folds"], o.count("walkforward_folds"))
	}
}

// Restarts of the database under writers of one run and one simulation: each answer of success is true, and what stands
// at the end is one of the bodies, whole.
func TestRestartsUnderWriters(t *testing.T) {
	t.Parallel()
	o := newOutage(t)
	o.storeAll(1, 1)
	done := make(chan struct{})
	results := make(chan [2]int, 2)
	for _, tc := range []struct {
		path string
		body func(int) string
		get  string
		key  string
	}{
		{"/api/runs", runBody, "/api/runs/" + newRun, "total_folds"},
		{"/api/simulations", simulationBody, "/api/simulations/" + newSim, "trade_count"},
	} {
		go func() {
			stored, refused := 0, 0
			for n := 1; ; n++ {
				a := <-o.posted(tc.path, tc.body(1+n%60))
				switch a.status {
				case http.StatusOK:
					stored++
				case http.StatusServiceUnavailable, http.StatusGatewayTimeout:
					refused++
				default:
					t.Errorf("POST %s: %d %v", tc.path, a.status, a.body)
				}
				select {
				case <-done:
					results <- [2]int{stored, refused}
					return
				default:
				}
			}
		}()
	}
	for i := range 4 {
		for range 5 { // some writes between two restarts
			if a := <-o.posted("/api/datasets", datasetBody(newDataset, "btc25_1")); a.status != 200 {
				t.Errorf("between restarts: %d %v", a.status, a.body)
			}
		}
		if i%2 == 0 {
			o.server.Kill()
		}
		o.restart()
	}
	close(done)
	for range 2 {
		if n := <-results; n[0] == 0 {
			t.Errorf("%d stored, %d refused", n[0], n[1])
		}
	}
	run := o.object("/api/runs/" + newRun)
	if run["total_folds"] != run["summary_metrics"].(map[string]any)["folds"] {
		t.Errorf("the run has %v folds, its summary says %v", run["total_folds"], run["summary_metrics"])
	}
	sim := o.object("/api/simulations/" + newSim)
	if bucket := sim["buckets"].([]any)[0].(map[string]any); sim["trade_count"] != bucket["trade_count"] {
		t.Errorf("the simulation has %v trades, its bucket says %v", sim["trade_count"], bucket["trade_count"])
	}
}

// A server that freezes while a write is at it is noticed within 5 s, like one that freezes before: the write does not wait for its own,
// far longer limit.
func TestWriteMeetsFrozenPostgres(t *testing.T) {
	t.Parallel()
	o := newOutage(t)
	beside := o.beside()
	o.on(beside, "BEGIN")
	o.on(beside, "LOCK TABLE indicator_datasets IN EXCLUSIVE MODE")
	began := time.Now()
	got := o.posted("/api/datasets", datasetBody(newDataset, "btc25_1"))
	o.waitFor(beside, 1, "Lock %")
	o.server.Freeze()
	defer o.server.Thaw()
	a := <-got
	if took := time.Since(began); a.status != http.StatusServiceUnavailable || took > 8*time.Second { // the machine may be busy
		t.Errorf("after %v: %d %v", took, a.status, a.body)
	}
}
