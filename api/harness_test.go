package api_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"foldbook/api"
	"foldbook/db"
	"foldbook/internal/events"
	"foldbook/internal/observe"
	"foldbook/internal/testdb"
)

func TestMain(m *testing.M) { testdb.Main(m) }

// harness is a server on a database of the test's own, whose every answer is checked against openapi.yaml.
type harness struct {
	t          testing.TB
	opts       api.Options
	db         *db.DB
	api        *api.Server
	http       http.Handler
	credential string // that do and send call with; empty: none
}

func newHarness(t testing.TB, change ...func(*api.Options)) *harness {
	t.Helper()
	url := testdb.NewURL(t)
	if testdb.ThroughPooler() {
		url = testdb.Pooler(t, url, "")
	}
	return harnessOn(t, url, change...)
}

func harnessOn(t testing.TB, url string, change ...func(*api.Options)) *harness {
	t.Helper()
	store, err := db.Open(db.Config{
		Pooler: testdb.ThroughPooler(),
		// The machine that runs the tests may be a busy one.
		URL: url, PoolSize: 4, ConnectTimeout: 5 * time.Second, AcquireTimeout: 30 * time.Second, StatementTimeout: 30 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	opts := api.Options{
		DB:             store,
		Log:            testdb.Log(t),
		Metrics:        observe.New("test"),
		Events:         events.New(&events.Hub{Store: store, Log: testdb.Log(t), Keep: time.Hour, Most: 2000, Pages: 8}),
		Version:        "test",
		Schema:         func(ctx context.Context) (int64, int64, error) { return 6, 6, store.Pool.Ping(ctx) },
		ReadTimeout:    10 * time.Second,
		RequestTimeout: 40 * time.Second,
		WriteTimeout:   2 * time.Minute,
		StreamTimeout:  time.Minute,

		StreamWriteTimeout: 10 * time.Second,

		BodyCache:      1 << 20,
		CORSOrigins:    []string{"*"},
		TraderPrefixes: []string{"/traders/*"},
	}
	for _, f := range change {
		f(&opts)
	}
	server := api.New(opts)
	opts.Metrics.Collect(server.Collector())
	return &harness{t: t, opts: opts, db: store, api: server, http: server.Handler()}
}

// exec runs SQL that the product has no query for.
func (h *harness) exec(sql string, args ...any) {
	h.t.Helper()
	if _, err := h.db.Pool.Exec(context.Background(), sql, args...); err != nil {
		h.t.Fatalf("%s: %v", sql, err)
	}
}

func (h *harness) get(path string, header ...string) *http.Response {
	h.t.Helper()
	return h.do(http.MethodGet, path, header...)
}

// do sends a request and checks the answer against openapi.yaml: the schema of the operation and status, or for what
// no operation describes (an unknown path, a wrong method, a preflight) the schema of errors.
func (h *harness) do(method, path string, header ...string) *http.Response {
	h.t.Helper()
	req := httptest.NewRequest(method, path, nil)
	if h.credential != "" {
		req.Header.Set("X-Api-Key", h.credential)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.http.ServeHTTP(w, req)
	res := w.Result()
	if method == http.MethodGet {
		conform(h.t, req, res)
	}
	return res
}

// readBody returns the body and leaves it to be read again.
func readBody(t testing.TB, res *http.Response) string {
	t.Helper()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	res.Body = io.NopCloser(strings.NewReader(string(text)))
	return string(text)
}

// lock takes the tables for itself until unlock, or the end of the test, so that whoever needs one of them waits.
func (h *harness) lock(tables ...string) (unlock func()) {
	h.t.Helper()
	tx, err := h.db.Pool.Begin(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	unlock = func() { _ = tx.Rollback(context.Background()) }
	h.t.Cleanup(unlock)
	if _, err := tx.Exec(h.t.Context(), "LOCK TABLE "+strings.Join(tables, ", ")+" IN ACCESS EXCLUSIVE MODE"); err != nil {
		h.t.Fatal(err)
	}
	return unlock
}
