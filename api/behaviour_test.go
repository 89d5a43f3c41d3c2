package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"foldbook/api"
	"foldbook/api/spec"
	"foldbook/db"
	"foldbook/internal/testdb"
)

// A run of 312 folds comes back whole, in order, with every digit of every number.
func TestAllFoldsAllDigits(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	seedFixture(t, h)
	const n = 312
	folds := make([]db.CopyFoldsParams, n)
	for i := range folds {
		metrics := make([]string, 28)
		for m := range metrics {
			metrics[m] = fmt.Sprintf(`"m%02d": %v`, m, float64(float32(math.Sin(float64(i*28+m)))))
		}
		folds[i] = db.CopyFoldsParams{
			RunID: bareRun, FoldNumber: int32((i * 7) % n), TestEndIdx: math.MaxInt64, BestScore: ptr(float64(float32(math.Cos(float64(i))))),
			Thresholds: raw(`{"long_optimal": 0.1}`), Metrics: raw("{" + strings.Join(metrics, ", ") + "}"),
		}
	}
	if _, err := h.db.CopyFolds(context.Background(), folds); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Run struct {
			FoldCount int `json:"fold_count"`
		}
		Folds []struct {
			FoldNumber int32           `json:"fold_number"`
			TestEndIdx json.Number     `json:"test_end_idx"`
			BestScore  json.Number     `json:"best_score"`
			Metrics    json.RawMessage `json:"metrics"`
		}
	}
	if err := json.Unmarshal([]byte(readBody(t, h.get("/api/walkforward/runs/"+bareRun.String()))), &got); err != nil {
		t.Fatal(err)
	}
	if got.Run.FoldCount != n || len(got.Folds) != n {
		t.Fatalf("%d folds counted, %d answered, want %d", got.Run.FoldCount, len(got.Folds), n)
	}
	byNumber := map[int32]db.CopyFoldsParams{}
	for _, f := range folds {
		byNumber[f.FoldNumber] = f
	}
	for i, f := range got.Folds {
		want := byNumber[f.FoldNumber]
		if f.FoldNumber != int32(i) || f.TestEndIdx != "9223372036854775807" || f.BestScore.String() != fmt.Sprint(*want.BestScore) {
			t.Fatalf("fold at %d: %+v, want best_score %v", i, f, *want.BestScore)
		}
		var gotMetrics, wantMetrics map[string]float64
		if err := errors.Join(json.Unmarshal(f.Metrics, &gotMetrics), json.Unmarshal(want.Metrics, &wantMetrics)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(wantMetrics, gotMetrics); diff != "" {
			t.Fatalf("metrics of fold %d (-want +got):\n%s", i, diff)
		}
	}
}

// JSON has no NaN: one that a script stored is null.
func TestNotANumberIsNull(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	seedFixture(t, h)
	h.exec(`UPDATE walkforward_folds SET best_score = 'NaN' WHERE fold_number = 0`)
	h.exec(`UPDATE simulation_trade_buckets SET profit_factor = 'Infinity', avg_return_pct = '-Infinity'`)
	for path, want := range map[string]string{
		"/api/walkforward/runs/" + fullRun.String(): `"best_iteration":188,"best_score":null,`,
		"/api/tradesim/runs/" + fullSim.String():    `"profit_factor":null,"avg_return_pct":null,`,
	} {
		if body := readBody(t, h.get(path)); !strings.Contains(body, want) {
			t.Errorf("%s: no %s in %s", path, want, body)
		}
	}
}

func TestPreflightAndOrigins(t *testing.T) {
	t.Parallel()
	open := newHarness(t)
	listed := harnessOn(t, "host=/nowhere", func(o *api.Options) { o.CORSOrigins = []string{"https://a.example", "https://b.example"} })
	for _, path := range []string{"/api/walkforward/runs", "/nope", "/traders/x/api/tradesim/runs"} {
		res := open.do(http.MethodOptions, path, "Origin", "https://any.example", "Access-Control-Request-Method", "GET")
		if res.StatusCode != http.StatusNoContent || res.Header.Get("Access-Control-Allow-Origin") != "*" ||
			res.Header.Get("Access-Control-Allow-Methods") != "GET, POST, PUT, PATCH, DELETE, OPTIONS" ||
			res.Header.Get("Access-Control-Allow-Headers") != "Content-Type, X-Stage1-Token, Authorization, If-Match, If-None-Match, X-API-Key, Last-Event-ID" || res.Header.Get("Access-Control-Max-Age") == "" {
			t.Errorf("OPTIONS %s: %d %v", path, res.StatusCode, res.Header)
		}
	}
	if got := open.get("/healthz").Header.Get("Access-Control-Expose-Headers"); got != "X-Total-Count, X-Request-Id, Content-Disposition, Retry-After, ETag, Link, X-Row-Count, X-Next-Cursor, X-Event-Seq" {
		t.Errorf("exposed headers: %q", got)
	}
	for origin, want := range map[string]string{"https://b.example": "https://b.example", "https://c.example": "", "": ""} {
		res := listed.get("/healthz", "Origin", origin)
		if got := res.Header.Get("Access-Control-Allow-Origin"); got != want || res.Header.Get("Vary") != "Origin" {
			t.Errorf("origin %q: allowed %q, want %q; Vary %q", origin, got, want, res.Header.Get("Vary"))
		}
	}
}

func TestRequestID(t *testing.T) {
	t.Parallel()
	h := harnessOn(t, "host=/nowhere")
	if got := h.get("/healthz", "X-Request-Id", "build-7.a_B").Header.Get("X-Request-Id"); got != "build-7.a_B" {
		t.Errorf("the caller's id became %q", got)
	}
	seen := map[string]bool{}
	for _, bad := range []string{"", "a b", "a\"b", "é", strings.Repeat("a", 65)} {
		got := h.get("/healthz", "X-Request-Id", bad).Header.Get("X-Request-Id")
		if got == bad || len(got) != 16 || seen[got] {
			t.Errorf("id %q became %q", bad, got)
		}
		seen[got] = true
	}
}

// logged collects what the server logs.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logged) lines(t *testing.T) []map[string]any {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	var lines []map[string]any
	for line := range strings.Lines(l.buf.String()) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("log line %q: %v", line, err)
		}
		lines = append(lines, m)
	}
	return lines
}

func logTo(l *logged) func(*api.Options) {
	return func(o *api.Options) { o.Log = slog.New(slog.NewJSONHandler(l, nil)) }
}

func TestOneLogLineARequest(t *testing.T) {
	t.Parallel()
	var log logged
	h := newHarness(t, logTo(&log))
	seedFixture(t, h)
	path := "/api/tradesim/runs/" + bareSim.String()
	res := h.get(path)
	h.get("/api/elsewhere")
	lines := log.lines(t)
	if len(lines) != 2 {
		t.Fatalf("%d log lines for 2 requests: %v", len(lines), lines)
	}
	want := map[string]any{
		"level": "INFO", "msg": "request", "request_id": res.Header.Get("X-Request-Id"), "method": "GET", "route": "/api/tradesim/runs/:simulation_id",
		"path": path, "status": 200.0, "bytes": float64(len(readBody(t, res))),
	}
	for key, value := range want {
		if lines[0][key] != value {
			t.Errorf("log line: %s is %v, want %v", key, lines[0][key], value)
		}
	}
	if _, ok := lines[0]["duration_ms"].(float64); !ok {
		t.Errorf("log line: duration_ms is %v", lines[0]["duration_ms"])
	}
	if lines[1]["level"] != "INFO" || lines[1]["status"] != 404.0 {
		t.Errorf("an unknown route is logged as %v", lines[1])
	}
}

// A failure answers in one shape, says nothing of its cause, and logs it.
func TestPanic(t *testing.T) {
	t.Parallel()
	var log logged
	h := harnessOn(t, "host=/nowhere", logTo(&log), func(o *api.Options) {
		o.Schema = func(context.Context) (int64, int64, error) { panic("the cause: SELECT secret") }
	})
	req := httptest.NewRequest(http.MethodGet, "/readyz", nil)
	w := httptest.NewRecorder()
	h.http.ServeHTTP(w, req)
	res := w.Result()
	checkError(t, res, "/readyz", 500, "internal", "the service failed; its log has the cause under this request_id")
	lines := log.lines(t)
	if len(lines) != 1 || lines[0]["level"] != "ERROR" || !strings.Contains(fmt.Sprint(lines[0]["cause"]), "SELECT secret") ||
		lines[0]["request_id"] != res.Header.Get("X-Request-Id") {
		t.Errorf("logged: %v", lines)
	}
}

func TestDatabaseAway(t *testing.T) {
	t.Parallel()
	var log logged
	h := harnessOn(t, "host=/nowhere dbname=secretname", logTo(&log))
	for _, route := range sixRoutes {
		res := h.get(route.path)
		checkError(t, res, route.path, 503, "database_unavailable", "the database cannot be reached")
	}
	for _, line := range log.lines(t) {
		if line["cause"] == nil {
			t.Errorf("no cause in %v", line)
		}
	}
	checkError(t, h.get("/api/walkforward/runs/x"), "a bad id", 400, "invalid_id", "run_id is not a UUID")
	for path, want := range map[string]string{
		"/healthz": `200 {"status":"ok"}`,
		"/readyz":  `503 {"postgres":"down","questdb":"off","status":"not ready"}`,
	} {
		res := h.get(path)
		if got := fmt.Sprintf("%d %s", res.StatusCode, strings.TrimSpace(readBody(t, res))); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	if res := h.get("/api/health"); res.StatusCode != 200 || !strings.Contains(readBody(t, res), `"status":"degraded"`) {
		t.Errorf("/api/health: %d %s", res.StatusCode, readBody(t, res))
	}
}

// Statements that wait for a lock longer than statement_timeout are given up, and so is a request past its deadline.
func TestTooSlow(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	seedFixture(t, h)
	for name, change := range map[string]func(*api.Options){
		"statement timeout": func(o *api.Options) {
			config := o.DB.Pool.Config()
			store, err := db.Open(db.Config{URL: config.ConnString(), PoolSize: 1, StatementTimeout: 100 * time.Millisecond, Pooler: testdb.ThroughPooler()})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(store.Close)
			o.DB = store
		},
		"request timeout": func(o *api.Options) { o.RequestTimeout = 100 * time.Millisecond },
	} {
		unlock := h.lock("walkforward_runs", "simulation_runs")
		opts := h.opts
		change(&opts)
		slow := &harness{t: t, opts: opts, db: opts.DB, http: api.New(opts).Handler()}
		for _, path := range []string{"/api/walkforward/runs", "/api/walkforward/runs/" + fullRun.String(), "/api/tradesim/runs"} {
			checkError(t, slow.get(path), name+" "+path, 504, "timeout", "the request took too long")
		}
		path := "/api/runs/" + fullRun.String() + "/predictions"
		checkError(t, slow.get(path), name+" "+path, 504, "timeout", "the request took too long: name fewer columns with columns=, or give a shorter range with start_ts= and end_ts=")
		unlock()
		began := time.Now() // a busy machine may not answer within 100 ms at once
		for status := 0; status != 200; {
			if status = slow.get("/api/walkforward/runs/" + fullRun.String()).StatusCode; status != 200 && time.Since(began) > testdb.Patience {
				t.Fatalf("%s: %d after the lock is gone", name, status)
			}
		}
	}
}

// A client that leaves gets no answer, is logged as gone, and gives the connection back.
func TestClientLeaves(t *testing.T) {
	t.Parallel()
	var log logged
	h := newHarness(t, logTo(&log))
	seedFixture(t, h)
	for _, route := range sixRoutes {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		w := httptest.NewRecorder()
		h.http.ServeHTTP(w, httptest.NewRequest(http.MethodGet, route.path, nil).WithContext(ctx))
		if w.Body.Len() != 0 || w.Code != 499 {
			t.Errorf("%s: answered %d %s, want 499 and nothing", route.path, w.Code, w.Body)
		}
	}
	for _, line := range log.lines(t) {
		if line["status"] != 499.0 || line["level"] != "INFO" {
			t.Errorf("logged: %v", line)
		}
	}
	if n := h.db.Pool.Stat().AcquiredConns(); n != 0 {
		t.Errorf("%d connections are still out", n)
	}
}

func TestSchemaOfAnotherVersion(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		have int64
		want string
	}{
		{5, "schema is at 5, this build needs 6: run foldbook migrate up"},
		{7, "schema is at 7, this build knows 6: it is older than the database"},
	} {
		h := harnessOn(t, "host=/nowhere", func(o *api.Options) {
			o.Schema = func(context.Context) (int64, int64, error) { return tc.have, 6, nil }
		})
		res := h.get("/readyz")
		var got spec.Readiness
		if err := json.Unmarshal([]byte(readBody(t, res)), &got); err != nil {
			t.Fatal(err)
		}
		if res.StatusCode != 503 || got.Postgres != tc.want || got.Status != spec.NotReady {
			t.Errorf("%d %+v", res.StatusCode, got)
		}
	}
}

// On a schema that is older than the build, routes say so, as /readyz does, and do not fail. On the build's own schema the same
// errors of PostgreSQL are a query's fault, of which /readyz knows nothing.
func TestOlderSchema(t *testing.T) {
	t.Parallel()
	var have atomic.Int64
	have.Store(5)
	h := newHarness(t, func(o *api.Options) {
		o.Schema = func(context.Context) (int64, int64, error) { return have.Load(), 6, nil }
	})
	h.storeAll(1, 1)
	h.exec(`ALTER TABLE walkforward_runs DROP COLUMN version; DROP TABLE simulation_run_metrics; DROP FUNCTION epoch_ms; ALTER TABLE simulation_runs RENAME TO gone`)
	for _, path := range []string{"/api/runs", "/api/runs/" + newRun, "/api/datasets", "/api/simulations?metric=config.a>=1", "/api/tradesim/runs", "/api/simulations/" + newSim + "/trades"} {
		res := h.get(strings.ReplaceAll(path, ">", "%3E"))
		if body := readBody(t, res); res.StatusCode != 503 || !strings.Contains(body, `"code":"database_unavailable"`) || res.Header.Get("Retry-After") == "" || strings.Contains(body, "relation") {
			t.Errorf("%s: %d %s", path, res.StatusCode, body)
		}
	}
	if status, a := h.send(http.MethodPost, "/api/runs", runBody(1)); status != 503 || a["code"] != "database_unavailable" {
		t.Errorf("POST: %d %v", status, a)
	}
	have.Store(6)
	res := h.get("/api/runs")
	if body := readBody(t, res); res.StatusCode != 500 || !strings.Contains(body, `"code":"internal"`) || strings.Contains(body, "relation") {
		t.Errorf("on the build's own schema: %d %s", res.StatusCode, body)
	}
}

// A query that does not parse is refused: without the part that is broken it would ask for something else.
func TestMalformedQuery(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	for _, query := range []string{"search=%", "search=%zz", "status=RUNNING;limit=1", "limit=1&%"} {
		if res := h.get("/api/runs?" + query); res.StatusCode != 400 || !strings.Contains(readBody(t, res), `"code":"invalid_parameter"`) {
			t.Errorf("%s: %d %s", query, res.StatusCode, readBody(t, res))
		}
	}
	if res := h.get("/api/runs?search=100%25%3B"); res.StatusCode != 200 {
		t.Errorf("a percent sign and a semicolon: %d %s", res.StatusCode, readBody(t, res))
	}
}

func TestDraining(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.api.Drain()
	res := h.get("/readyz")
	if res.StatusCode != 503 || !strings.Contains(readBody(t, res), `"status":"stopping"`) {
		t.Errorf("/readyz: %d %s", res.StatusCode, readBody(t, res))
	}
	if res := h.get("/api/walkforward/runs"); res.StatusCode != 200 || res.Header.Get("Connection") != "close" {
		t.Errorf("a request during the end: %d, Connection %q", res.StatusCode, res.Header.Get("Connection"))
	}
}
