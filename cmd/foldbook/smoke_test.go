package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"foldbook/internal/devstack"
	"foldbook/internal/testdb"
)

// smoke asks a running service for everything that openapi.yaml describes.
type smoke struct {
	t       *testing.T
	service *service
	ids     *strings.Replacer // of path parameters
	asked   map[string]bool   // method and path as openapi.yaml writes them
}

// ask sends one request to a path of openapi.yaml, requires success and returns the body.
func (s *smoke) ask(method, path, query, body string) string {
	s.t.Helper()
	s.asked[method+" "+path] = true
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.service.url+s.ids.Replace(path)+query, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if path == "/" {
		req.Header.Set("Accept", "text/html")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode >= http.StatusMultipleChoices {
		s.t.Errorf("%s %s%s answers %d, %v: %.300s", method, path, query, res.StatusCode, err, answer)
	}
	return string(answer)
}

// operations lists the methods and paths of openapi.yaml as the service gives it.
func (s *smoke) operations() []string {
	s.t.Helper()
	var document struct {
		Paths map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal([]byte(s.ask(http.MethodGet, "/openapi.json", "", "")), &document); err != nil {
		s.t.Fatal(err)
	}
	var all []string
	for path, methods := range document.Paths {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
			if _, ok := methods[strings.ToLower(method)]; ok {
				all = append(all, method+" "+path)
			}
		}
	}
	slices.Sort(all)
	return all
}

// smokeQueries are parameters that a path needs to answer, or that make it use more of the database.
var smokeQueries = map[string][]string{
	"/api/datasets":                           {"", "?search=btc&symbol=BTC&count=exact", "?granularity=4h&limit=1"},
	"/api/datasets/{dataset_id}/index_map":    {"?start_idx=0&end_idx=2"},
	"/api/datasets/{dataset_id}/histogram":    {"?column=rsi_14"},
	"/api/datasets/{dataset_id}/runs":         {"", "?search=wf&sort=-summary_metrics.pf_long&metric=summary_metrics.folds%3E%3D1"},
	"/api/runs":                               {"", "?search=wf1767", "?search=wf&metric=summary_metrics.folds%3E%3D1&sort=-summary_metrics.pf_long", "?status=COMPLETED&count=exact"},
	"/api/leaderboard":                        {"?search_id=x"},
	"/api/simulations":                        {"", "?search=wf1767", "?search=wf&metric=summary_metrics.total_return_pct%3E1&sort=summary_metrics.total_return_pct", "?mode=dual&count=exact"},
	"/api/simulations/{simulation_id}/equity": {"?source=trades", "?source=trace"},
}

// serviceRole makes a role with the rights that foldbook grants gives the service, and returns its way to the database.
func serviceRole(t *testing.T, database string) string {
	t.Helper()
	docs, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	grants := func(role string) string {
		code, out, stderr := command(t, nil, "grants", role)
		if code != exitOK {
			t.Fatalf("foldbook grants: exit code %d\n%s", code, stderr)
		}
		return out
	}
	if !strings.Contains(string(docs), "$ foldbook grants service\n"+grants("service")) {
		t.Error("docs/operations.md shows another output of foldbook grants")
	}
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	role, admin := "service_"+strings.TrimPrefix(u.Path, "/"), testdb.Connect(t, database)
	run := func(sql string) {
		if _, err := admin.Exec(context.Background(), sql); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
	run("CREATE ROLE " + role + " LOGIN PASSWORD 'x'")
	t.Cleanup(func() { run("DROP OWNED BY " + role + "; DROP ROLE " + role) })
	run(grants(role))
	u.User = url.UserPassword(role, "x")
	return u.String()
}

// TestSmoke migrates up, down and up again, writes a record of each kind and asks for every route, as a role that may not change
// the schema. make versions runs it on each major version of PostgreSQL that is supported.
func TestSmoke(t *testing.T) {
	t.Parallel()
	database := testdb.EmptyURL(t)
	for _, args := range []string{"migrate up", "migrate reset --yes", "migrate up"} {
		if code, out, stderr := command(t, []string{"POSTGRES_URL=" + database}, strings.Fields(args)...); code != exitOK {
			t.Fatalf("foldbook %s: exit code %d\n%s%s", args, code, out, stderr)
		}
	}
	quest := testdb.QuestDB(t)
	s := &smoke{t: t, asked: map[string]bool{}, ids: strings.NewReplacer("{dataset_id}", datasetID, "{run_id}", runID, "{simulation_id}", simulationID)}
	metrics := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	s.service = start(t, freePort(t), append(importing(serviceRole(t, database), quest), "QDB_PASSTHROUGH=true", "METRICS_ADDR="+metrics,
		"QDB_READONLY_USER="+devstack.QuestDBReader, "QDB_READONLY_PASSWORD="+devstack.QuestDBReaderPassword)...)
	s.service.waitFor(t, "/readyz", http.StatusOK)
	s.write()
	for _, operation := range s.operations() {
		path, isRead := strings.CutPrefix(operation, "GET ")
		queries, ok := smokeQueries[path]
		if !ok {
			queries = []string{""}
		}
		for _, query := range queries {
			if path == "/api/events" { // which has no end
				s.ask(http.MethodHead, path, query, "")
				s.asked[operation] = true
			} else if isRead {
				s.ask(http.MethodGet, path, query, "")
			}
		}
	}
	s.checkMetrics("http://" + metrics + "/metrics")
	for _, path := range []string{"/api/session", "/api/runs/{run_id}/artifacts/{name}", "/api/annotations/{annotation_id}", "/api/comparisons/{comparison_id}"} {
		s.ask(http.MethodDelete, path, "", "")
	}
	for _, path := range []string{"/api/simulations/{simulation_id}", "/api/runs/{run_id}", "/api/datasets/{dataset_id}"} {
		s.ask(http.MethodDelete, path, "?cascade=true", "")
	}
	for _, operation := range s.operations() {
		if !s.asked[operation] {
			t.Errorf("%s was not asked for", operation)
		}
	}
}

// write stores a dataset, a run and a simulation, changes each, and stores their rows.
func (s *smoke) write() {
	s.t.Helper()
	const folds, predictions = "/api/runs/{run_id}/folds", "/api/runs/{run_id}/predictions"
	dataset := strings.Replace(datasetFile(), "btc25_1", "smoke_1", 1) // whose tables no other test writes
	for _, w := range []struct{ method, path, body string }{
		{http.MethodPost, "/api/datasets", dataset},
		{http.MethodPut, "/api/datasets/{dataset_id}", dataset},
		{http.MethodPost, "/api/datasets/{dataset_id}/ohlcv/append", `{"rows":[
			{"timestamp_ms":1704067200000,"open":1,"high":4,"low":1,"close":2,"volume":7},{"timestamp_ms":1704081600000,"open":2,"high":3,"low":1,"close":3,"volume":5}]}`},
		{http.MethodPost, "/api/datasets/{dataset_id}/indicators/append", `{"rows":[
			{"timestamp_ms":1704067200000,"rsi_14":55.5,"TGT_315":0.1},{"timestamp_ms":1704081600000,"rsi_14":45,"TGT_315":-0.1}]}`},
		{http.MethodPost, "/api/session", ""},
		{http.MethodPost, "/api/runs", runFile()},
		{http.MethodPut, "/api/runs/{run_id}", runFile()},
		{http.MethodPatch, "/api/runs/{run_id}", `{"summary_metrics":{"folds":313,"pf_long":1.4}}`},
		{http.MethodPost, folds, `{"folds":[{"fold_number":312,"train_start_idx":0,"train_end_idx":10,"test_start_idx":10,"test_end_idx":12,"samples_train":10,"samples_test":2}]}`},
		{http.MethodPost, predictions, `{"rows":[{"timestamp_ms":1704067200000,"bar_index":0,"fold_number":0,"prediction":0.5}]}`},
		{http.MethodPost, "/api/simulations", simulationFile(20)},
		{http.MethodPut, "/api/simulations/{simulation_id}", simulationFile(20)},
		{http.MethodPatch, "/api/simulations/{simulation_id}", `{"summary_metrics":{"total_return_pct":8.3}}`},
		{http.MethodPost, "/api/simulations/{simulation_id}/trace", `{"rows":[{"timestamp":1704067200000,"trade_index":0,"pnl":1.5}]}`},
		{http.MethodPost, "/api/questdb/import", `{"measurement":"smoke","data":"timestamp_ms,p\n1704067200000,1.5\n"}`},
		{http.MethodPost, "/api/questdb/query", `{"sql":"select 1"}`},
		{http.MethodPost, "/api/questdb/export", `{"sql":"select 1"}`},
	} {
		query := ""
		if w.path == folds { // the run is completed
			query = "?force=true"
		}
		s.ask(w.method, w.path, query, w.body)
	}
	var accepted job
	if err := json.Unmarshal([]byte(s.ask(http.MethodPost, "/api/questdb/import/async", "", `{"measurement":"smoke","data":"timestamp_ms,p\n1704067201000,2\n"}`)), &accepted); err != nil {
		s.t.Fatal(err)
	}
	s.service.waitForJob(s.t, accepted.ID, "is completed", func(j job) bool { return j.is("COMPLETED") })
	var note struct {
		ID string `json:"annotation_id"`
	}
	if err := json.Unmarshal([]byte(s.ask(http.MethodPost, "/api/runs/{run_id}/annotations", "", `{"body":"x"}`)), &note); err != nil {
		s.t.Fatal(err)
	}
	var saved struct {
		ID string `json:"comparison_id"`
	}
	if err := json.Unmarshal([]byte(s.ask(http.MethodPost, "/api/comparisons", "", `{"name":"x"}`)), &saved); err != nil {
		s.t.Fatal(err)
	}
	s.ids = strings.NewReplacer("{annotation_id}", note.ID, "{comparison_id}", saved.ID, "{dataset_id}", datasetID, "{run_id}", runID, "{simulation_id}", simulationID, "{job_id}", accepted.ID, "{name}", "smoke",
		"/console/{file}", "/console/console.js", "{file}", "page.js")
	s.ask(http.MethodPost, "/api/runs/{run_id}/artifacts/{name}", "", "x")
	s.ask(http.MethodPatch, "/api/annotations/{annotation_id}", "", `{"body":"y"}`)
	s.ask(http.MethodPatch, "/api/comparisons/{comparison_id}", "", `{"name":"y"}`)
	s.asked["POST /api/jobs/{job_id}/cancel"] = true // of a completed job it is refused, below
	if res, err := http.Post(s.service.url+"/api/jobs/"+accepted.ID+"/cancel", "", nil); err != nil || res.StatusCode != http.StatusConflict {
		s.t.Errorf("cancelling a completed job answers %v, %v; want 409", res, err)
	} else {
		_ = res.Body.Close()
	}
}
