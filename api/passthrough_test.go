package api_test

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"foldbook/api"
	"foldbook/internal/devstack"
	"foldbook/internal/testdb"
	"foldbook/questdb"
)

// passthroughOn is the setting, with the client of somebody who may only read where callers write statements.
func passthroughOn(t testing.TB, rows int64, timeout time.Duration) func(*api.Options) {
	t.Helper()
	server := testdb.QuestDB(t)
	cfg := patient(server)
	cfg.ReadOnlyUser, cfg.ReadOnlyPassword = devstack.QuestDBReader, devstack.QuestDBReaderPassword
	client, err := questdb.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return func(o *api.Options) {
		o.QuestDB, o.Passthrough = client, api.Passthrough{On: true, Rows: rows, Timeout: timeout}
	}
}

func statement(sql string) string {
	text, err := json.Marshal(map[string]string{"sql": sql})
	if err != nil {
		panic(err) // a text
	}
	return string(text)
}

func TestQuery(t *testing.T) {
	t.Parallel()
	h := newSeries(t, passthroughOn(t, 1000, 5*time.Second))
	h.sql("create table $_q (timestamp timestamp, d double, l long, s symbol, b boolean) timestamp(timestamp) partition by month wal",
		"insert into $_q values ('2024-01-03T00:00:00.250Z', 0.0009110000100918114, 9007199254740993, 'a\"b', true), ('2024-02-03', null, null, null, false)")
	for sql, want := range map[string]string{
		"select * from $_q;":                                           `{"columns": ["timestamp", "d", "l", "s", "b"], "dataset": [["2024-01-03T00:00:00.25Z", 0.0009110000100918114, 9007199254740993, "a\"b", true], ["2024-02-03T00:00:00Z", null, null, null, false]], "count": 2, "truncated": false}`,
		"SELECT d FROM $_q WHERE 1 = 0":                                `{"columns": ["d"], "dataset": [], "count": 0, "truncated": false}`,
		"with x as (select count() n from $_q) select n from x -- all": `{"columns": ["n"], "dataset": [[2]], "count": 1, "truncated": false}`,
		"SHOW COLUMNS FROM $_q":                                        ``,
		"EXPLAIN SELECT * FROM $_q":                                    ``,
		"select l from $_q union all select l from $_q":                ``,
	} {
		sql = strings.ReplaceAll(sql, "$", h.prefix)
		status, got := h.send(http.MethodPost, "/api/questdb/query", statement(sql))
		if status != http.StatusOK || got["query"] != sql || got["truncated"] != false {
			t.Errorf("%s: %d %v", sql, status, got)
		}
		if want == "" {
			if len(got["dataset"].([]any)) == 0 {
				t.Errorf("%s: no rows", sql)
			}
			continue
		}
		res := h.post("/api/questdb/query", statement(sql))
		query, _ := json.Marshal(sql)
		whole := `{"query": ` + string(query) + ", " + want[1:]
		if diff := cmp.Diff(numbers(t, whole), numbers(t, readBody(t, res))); diff != "" {
			t.Errorf("%s: -want +got:\n%s", sql, diff)
		}
	}
}

// numbers decodes JSON without making numbers of its numbers.
func numbers(t *testing.T, text string) (v any) {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v
}

// post sends a body and checks the answer, which need not be an object.
func (h *harness) post(path, body string) *http.Response {
	h.t.Helper()
	req := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.http.ServeHTTP(w, req)
	res := w.Result()
	conform(h.t, req, res)
	return res
}

func TestQueryIsCapped(t *testing.T) {
	t.Parallel()
	h := newSeries(t, passthroughOn(t, 7, 5*time.Second))
	h.sql("create table $_n as (select x from long_sequence(100000))")
	for n, truncated := range map[int]bool{0: false, 6: false, 7: false, 8: true, 100000: true} {
		_, got := h.send(http.MethodPost, "/api/questdb/query", statement(fmt.Sprintf("select x from %s limit %d", h.table("n"), n)))
		if want := float64(min(n, 7)); got["count"] != want || got["truncated"] != truncated || len(got["dataset"].([]any)) != int(want) {
			t.Errorf("%d rows: count %v, truncated %v", n, got["count"], got["truncated"])
		}
	}
}

func TestExportIsCSV(t *testing.T) {
	t.Parallel()
	h := newSeries(t, passthroughOn(t, 7, 5*time.Second))
	const rows = 30000
	h.sql(fmt.Sprintf("create table $_n as (select x from long_sequence(%d))", rows))
	res := h.post("/api/questdb/export", statement("select x, x * 0.5 half, 'a,\"b\"' s, null::double nothing from "+h.table("n")))
	if got := res.Header.Get("Content-Disposition"); got != `attachment; filename="export.csv"` {
		t.Errorf("Content-Disposition is %s", got)
	}
	records, err := csv.NewReader(strings.NewReader(readBody(t, res))).ReadAll()
	if err != nil || len(records) != rows+1 {
		t.Fatalf("%d records, %v", len(records), err)
	}
	if diff := cmp.Diff([][]string{{"x", "half", "s", "nothing"}, {"1", "0.5", `a,"b"`, ""}}, records[:2]); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := res.Trailer.Get("X-Row-Count"); got != fmt.Sprint(rows) {
		t.Errorf("the trailer counts %q rows", got)
	}
}

func TestStatementsAreRefused(t *testing.T) {
	t.Parallel()
	h := newSeries(t, passthroughOn(t, 1000, 5*time.Second))
	h.sql("create table $_keep (timestamp timestamp, d double) timestamp(timestamp) partition by month wal")
	for sql, want := range map[string]string{
		"drop table $_keep":                  "sql: only SELECT, WITH … SELECT, SHOW and EXPLAIN are run",
		"select 1; drop table $_keep":        "sql: one statement is run at a time",
		"/* select */ truncate table $_keep": "sql: only SELECT, WITH … SELECT, SHOW and EXPLAIN are run",
		"":                                   "sql: is empty",
		"select '":                           "sql: a quote is not closed",
		"select nope from $_keep":            "sql: Invalid column: nope (at position 7)",
		"select /* ä */ nope from $_keep":    "sql: Invalid column: nope (at position 15)",
		"select * from $_nowhere":            "sql: table does not exist [table=$_nowhere] (at position 14)",
		"select d from $_keep where timestamp = 'soon'": "",
	} {
		sql, want = strings.ReplaceAll(sql, "$", h.prefix), strings.ReplaceAll(want, "$", h.prefix)
		for _, path := range []string{"/api/questdb/query", "/api/questdb/export"} {
			status, got := h.send(http.MethodPost, path, statement(sql))
			if status != http.StatusBadRequest || got["code"] != "invalid_body" || want != "" && got["message"] != want {
				t.Errorf("%s %q: %d %v", path, sql, status, got)
			}
			if position, ok := got["details"].(map[string]any)["position"]; ok != strings.Contains(got["message"].(string), "position") || ok && !strings.Contains(got["message"].(string), fmt.Sprint(position)) {
				t.Errorf("%q: %v", sql, got)
			}
		}
	}
	for body, want := range map[string]string{
		`{}`: "sql: is missing", `{"sql": 1}`: "sql: must be a text", `[]`: "", `{"sql": "select`: "", `{"sql": "select 1\u0000"}`: "",
	} {
		if status, got := h.send(http.MethodPost, "/api/questdb/query", body); status != http.StatusBadRequest || want != "" && got["message"] != want {
			t.Errorf("%s: %d %v", body, status, got)
		}
	}
	if status, got := h.send(http.MethodPost, "/api/questdb/query", statement(strings.Repeat(" ", 1<<20)+"select 1")); status != http.StatusRequestEntityTooLarge {
		t.Errorf("a large body: %d %v", status, got)
	}
	if _, got := h.send(http.MethodPost, "/api/questdb/query", statement("select count() from "+h.table("keep"))); got["count"] != 1.0 {
		t.Errorf("the table is gone: %v", got)
	}
}

// docs/access.md, Statements of callers: what could hurt others is refused before QuestDB sees it.
func TestStatementsAreBounded(t *testing.T) {
	t.Parallel()
	h := newSeries(t, passthroughOn(t, 1000, 5*time.Second))
	for sql, want := range map[string]string{
		"show parameters":                  "users, settings",
		"select * from query_activity()":   "users, settings",
		"select * from pg_catalog.pg_user": "users, settings",
		"with recursive x as (select 1 union all select * from x) select * from x":     "RECURSIVE",
		strings.Repeat("select * from (", 14) + "select 1 x" + strings.Repeat(")", 14): "within one another",
		"select count() from tables() a" + strings.Repeat(" cross join tables()", 7):   "together",
		"select '" + strings.Repeat("x", 20<<10) + "'":                                 "longer than",
	} {
		for _, path := range []string{"/api/questdb/query", "/api/questdb/export"} {
			if status, got := h.send(http.MethodPost, path, statement(sql)); status != http.StatusBadRequest || !strings.Contains(got["message"].(string), want) {
				t.Errorf("%.60s: %d %v, want %q", sql, status, got, want)
			}
		}
	}
}

// docs/access.md, Statements of callers: they have connections of their own, so a chart answers while all of these are busy.
func TestStatementsTakeNoConnection(t *testing.T) {
	t.Parallel()
	h := newSeries(t, passthroughOn(t, 1000, 5*time.Second), func(o *api.Options) {
		cfg := patient(testdb.QuestDB(t))
		cfg.PoolSize, cfg.ReadOnlyUser, cfg.ReadOnlyPassword = 1, devstack.QuestDBReader, devstack.QuestDBReaderPassword
		client, err := questdb.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(client.Close)
		o.QuestDB = client
	})
	h.sql("create table $_wide as (select x, rnd_str(10, 200, 300, 0) s from long_sequence(200000))")
	own, _ := threeRows(h)
	for range 4 {
		rows, err := h.opts.QuestDB.Query(t.Context(), "select * from "+h.table("wide"))
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
	}
	if status, got := h.send(http.MethodPost, "/api/questdb/query", statement("select 1")); status != http.StatusServiceUnavailable {
		t.Errorf("a fifth statement: %d %v", status, got)
	}
	for _, path := range []string{own + "/ohlcv?columns=close&points=100", own + "/indicators"} {
		if res := h.get(path); res.StatusCode != http.StatusOK {
			t.Errorf("%s beside them: %d %s", path, res.StatusCode, readBody(t, res))
		}
	}
}

// docs/access.md, Statements of callers: one runs at a time.
func TestOneStatementAtATime(t *testing.T) { //nolint:paralleltest // it keeps QuestDB busy
	testdb.Slow(t)
	h := newSeries(t, passthroughOn(t, 1000, 3*time.Second))
	long := statement(h.crossed("sum(a.d * b.d) s"))
	first := make(chan int, 1)
	go func() {
		status := http.StatusTooManyRequests // while one of those below runs
		for status == http.StatusTooManyRequests {
			status, _ = h.send(http.MethodPost, "/api/questdb/query", long)
		}
		first <- status
	}()
	refused := 0
	for ended := false; !ended; {
		select {
		case <-first:
			ended = true
		default:
			if res := h.post("/api/questdb/query", statement("select 1")); res.StatusCode == http.StatusTooManyRequests && res.Header.Get("Retry-After") == "1" {
				refused++
			}
		}
	}
	if refused == 0 {
		t.Error("a second statement ran beside the first")
	}
	if status, got := h.send(http.MethodPost, "/api/questdb/query", statement("select 1")); status != http.StatusOK {
		t.Errorf("after it: %d %v", status, got)
	}
}

// crossed is a statement that would run for hours.
func (h *seriesHarness) crossed(columns string) string {
	h.sql("create table $_t as (select timestamp_sequence('2024-01-01', 1000000) timestamp, rnd_double() d from long_sequence(300000)) timestamp(timestamp) partition by month")
	return strings.ReplaceAll("select "+columns+" from $_t a cross join $_t b", "$", h.prefix)
}

// These two keep the one worker of QuestDB busy, so they do not run beside others.

func TestQueryHasATimeLimit(t *testing.T) { //nolint:paralleltest // as above
	h := newSeries(t, passthroughOn(t, 1000, 200*time.Millisecond))
	status, got := h.send(http.MethodPost, "/api/questdb/query", statement(h.crossed("sum(a.d * b.d) s")))
	if status != http.StatusGatewayTimeout || got["code"] != "timeout" {
		t.Errorf("%d %v", status, got)
	}
	h.nothingRuns("sum(a.d * b.d)")
}

func TestLeavingEndsTheStatement(t *testing.T) { //nolint:paralleltest // as above
	h := newSeries(t, passthroughOn(t, 1000, 30*time.Second))
	server := httptest.NewServer(h.http)
	defer server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL+"/api/questdb/export", strings.NewReader(statement(h.crossed("a.d, b.d leaving"))))
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := res.Body.Read(make([]byte, 1000)); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%d %v", res.StatusCode, err)
	}
	cancel()
	_ = res.Body.Close()
	h.nothingRuns("leaving")
}

// nothingRuns waits until QuestDB runs no statement with that text.
func (h *seriesHarness) nothingRuns(text string) {
	h.t.Helper()
	running := -1
	for began := time.Now(); running != 0 && time.Since(began) < testdb.Patience; time.Sleep(10 * time.Millisecond) {
		rows, err := h.opts.QuestDB.Query(context.Background(), "select query from query_activity()")
		if err != nil { // it is busy
			continue
		}
		running = 0
		for rows.Next() {
			if query, _ := rows.Text(0); strings.Contains(string(query), text) {
				running++
			}
		}
		if rows.Err() != nil {
			running = -1
		}
	}
	if running != 0 {
		h.t.Errorf("QuestDB still runs %s", text)
	}
}

func TestMeasurements(t *testing.T) {
	t.Parallel()
	h := newSeries(t, passthroughOn(t, 1000, 5*time.Second))
	h.sql("create table $_m1 (timestamp timestamp, d double, s symbol) timestamp(timestamp) partition by month wal dedup upsert keys(timestamp)",
		"insert into $_m1 (timestamp, d) values ('2024-01-03T00:00:00Z', 1), ('2025-05-14T23:00:00.5Z', 2)",
		"create table $_m2 (ts timestamp, d double) timestamp(ts) partition by year wal",
		"create table $_m3 (d double)")
	first := map[string]any{"name": h.table("m1"), "designatedTimestamp": "timestamp", "partitionBy": "MONTH", "row_count": 2.0, "first_ts": "2024-01-03T00:00:00Z", "last_ts": "2025-05-14T23:00:00.5Z"}
	want := map[string]any{"count": 3.0, "measurements": []any{
		first,
		map[string]any{"name": h.table("m2"), "designatedTimestamp": "ts", "partitionBy": "YEAR", "row_count": 0.0, "first_ts": nil, "last_ts": nil},
		map[string]any{"name": h.table("m3"), "designatedTimestamp": nil, "partitionBy": "NONE", "row_count": 0.0, "first_ts": nil, "last_ts": nil},
	}}
	if diff := cmp.Diff(want, h.object("/api/questdb/measurements?prefix="+strings.ToUpper(h.table("m")))); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := h.object("/api/questdb/measurements?prefix=%25nothing"); got["count"] != 0.0 || len(got["measurements"].([]any)) != 0 {
		t.Errorf("none: %v", got)
	}
	if got := h.object("/api/questdb/measurements"); got["count"].(float64) < 3 {
		t.Errorf("all: %v", got)
	}
	first["columns"] = []any{map[string]any{"name": "timestamp", "type": "TIMESTAMP"}, map[string]any{"name": "d", "type": "DOUBLE"}, map[string]any{"name": "s", "type": "SYMBOL"}}
	if diff := cmp.Diff(first, h.object("/api/questdb/measurement/"+strings.ToUpper(h.table("m1")))); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for _, name := range []string{"nowhere", "a%22b", "..", "x%27--", strings.Repeat("x", 300)} {
		if res := h.get("/api/questdb/measurement/" + name); res.StatusCode != http.StatusNotFound || !strings.Contains(readBody(t, res), `"measurement_not_found"`) {
			t.Errorf("%s: %d %s", name, res.StatusCode, readBody(t, res))
		}
	}
}

// Without the settings, each of the routes is not there, and says why.
func TestNotEnabled(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	for path, setting := range map[string]string{
		"POST /api/questdb/query": "QDB_PASSTHROUGH", "POST /api/questdb/export": "QDB_PASSTHROUGH", "GET /api/questdb/measurements": "QDB_PASSTHROUGH",
		"GET /api/questdb/measurement/x": "QDB_PASSTHROUGH", "POST /api/questdb/import": "QDB_IMPORT", "POST /api/questdb/import/async": "QDB_IMPORT",
		"GET /api/jobs": "QDB_IMPORT", "GET /api/jobs/9a4e7c10-5b2d-4e6f-8a91-b2c3d4e5f607": "QDB_IMPORT", "POST /api/jobs/9a4e7c10-5b2d-4e6f-8a91-b2c3d4e5f607/cancel": "QDB_IMPORT",
	} {
		method, path, _ := strings.Cut(path, " ")
		status, got := h.send(method, path, `{"sql": "select 1", "measurement": "m", "data": "timestamp_ms,a\n"}`)
		if message, _ := got["message"].(string); status != http.StatusNotFound || got["code"] != "not_found" || !strings.Contains(message, setting+"=true") {
			t.Errorf("%s: %d %v", path, status, got)
		}
	}
}

// Without a QuestDB, or while it is away, the routes that need it answer 503 at once.
func TestPassthroughWithoutQuestDB(t *testing.T) {
	t.Parallel()
	away, err := questdb.New(questdb.Config{HTTPURL: "http://127.0.0.1:1", PGURL: "postgres://u:p@127.0.0.1:1/qdb?sslmode=disable", ReadOnlyUser: "user"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(away.Close)
	for name, client := range map[string]*questdb.Client{"none": nil, "away": away} {
		h := newHarness(t, importOn, func(o *api.Options) {
			o.QuestDB, o.Passthrough = client, api.Passthrough{On: true, Rows: 10, Timeout: 5 * time.Second}
		})
		for _, path := range []string{"POST /api/questdb/query", "POST /api/questdb/export", "GET /api/questdb/measurements", "GET /api/questdb/measurement/x", "POST /api/questdb/import"} {
			method, path, _ := strings.Cut(path, " ")
			began := time.Now()
			status, got := h.send(method, path, `{"sql": "select 1", "measurement": "m", "data": "timestamp_ms,a\n1767225600000,1\n"}`)
			if took := time.Since(began); status != http.StatusServiceUnavailable || got["code"] != "questdb_unavailable" || took > 3*time.Second {
				t.Errorf("%s %s: %d %v after %s", name, path, status, got, took)
			}
		}
	}
}
