package api_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"foldbook/api/spec"
)

// everyRoute calls f with each operation of openapi.yaml.
func everyRoute(t *testing.T, f func(method, path string)) {
	t.Helper()
	var doc struct {
		Paths map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal(spec.DocumentJSON, &doc); err != nil {
		t.Fatal(err)
	}
	for path, item := range doc.Paths {
		for method := range item {
			if method = strings.ToUpper(method); method != "SERVERS" && method != "PARAMETERS" {
				f(method, path)
			}
		}
	}
}

// data-rules.md, Parameters: on every route and verb, an unknown parameter is refused before anything is done.
func TestUnknownParameter(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	seedFixture(t, h)
	ids := strings.NewReplacer("{dataset_id}", fullDataset.String(), "{run_id}", fullRun.String(), "{simulation_id}", fullSim.String(), "{job_id}", fullRun.String(), "{name}", "t")
	n := 0
	everyRoute(t, func(method, path string) {
		n++
		path = ids.Replace(path)
		methods := []string{method}
		if method == http.MethodGet {
			methods = append(methods, http.MethodHead)
		}
		for _, method := range methods {
			for _, query := range []string{"surprise", "_=1&%73urprise="} {
				req := httptest.NewRequest(method, path+"?"+query, strings.NewReader("{"))
				w := httptest.NewRecorder()
				h.http.ServeHTTP(w, req)
				if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), `"code":"unknown_parameter"`) || !strings.Contains(w.Body.String(), "surprise") {
					t.Errorf("%s %s?%s: %d %s", method, path, query, w.Code, w.Body)
				}
				if method != http.MethodHead { // whose body a recorder has and a connection has not
					conform(t, req, w.Result())
				}
			}
		}
	})
	if n < 50 {
		t.Errorf("only %d routes were tried", n)
	}
	for _, path := range []string{"/traders/x/api/walkforward/runs?dataset=1", "/traders/x/api/indicators/datasets/" + fullDataset.String() + "?x=1"} {
		if res := h.get(path); res.StatusCode != 400 || !strings.Contains(readBody(t, res), "unknown_parameter") {
			t.Errorf("%s: %d", path, res.StatusCode)
		}
	}
	// It was a dry run that deleted.
	res := h.do(http.MethodDelete, "/api/simulations/"+fullSim.String()+"?dryrun=true")
	if body := readBody(t, res); res.StatusCode != 400 || !strings.Contains(body, "unknown query parameter dryrun: did you mean dry_run?") {
		t.Errorf("%d %s", res.StatusCode, body)
	}
	if res := h.get("/api/simulations/" + fullSim.String() + "?_=1700000000000"); res.StatusCode != 200 {
		t.Errorf("after the refused DELETE: %d", res.StatusCode)
	}
}

// The nearest parameter is named when one is spelt nearly so, and all of them otherwise.
func TestNearestParameter(t *testing.T) {
	t.Parallel()
	runs, row := spec.OperationOf(http.MethodGet, "/api/runs").Query, spec.OperationOf(http.MethodGet, "/api/datasets/{dataset_id}").Query
	for name, want := range map[string]string{
		"dataset": "did you mean dataset_id?", "datasetId": "did you mean dataset_id?", "Status": "did you mean status?", "limt": "did you mean limit?",
		"targetColumn": "did you mean target_column?", "metrics": "did you mean metric?", "foo": "this route takes dataset_id, ",
	} {
		if err := runs.Check(name + "=1"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
	if err := row.Check("x=1"); err == nil || !strings.Contains(err.Error(), "this route takes none") {
		t.Errorf("got %v", err)
	}
	if err := row.Check(strings.Repeat("ü", 5000)); err == nil || len(err.Error()) > 300 {
		t.Errorf("got %.400v", err)
	}
}

// What the dashboard and the desktop client send.
func TestParametersOfTheClients(t *testing.T) {
	t.Parallel()
	for path, queries := range map[string][]string{
		"/api/datasets":                        {"limit=100&offset=0", "limit=200"},
		"/api/datasets/{dataset_id}/runs":      {"limit=200&offset=0&status=COMPLETED&measurement=m&search=s"},
		"/api/datasets/{dataset_id}/index_map": {"start_idx=0&end_idx=10&type=indicator"},
		"/api/datasets/{dataset_id}/ohlcv": {
			"limit=5000&offset=0&desc=true&start_ts=1&end_ts=2&start_timestamp=1&end_timestamp=2&start_index=0&end_index=1&columns=a",
		},
		"/api/datasets/{dataset_id}/indicators": {
			"limit=5000&offset=0&desc=true&start_ts=1&end_ts=2&start_timestamp=1&end_timestamp=2&start_index=0&end_index=1&columns=a&aligned=true",
		},
		"/api/datasets/{dataset_id}/series":          {"columns=a&start_ts=1&end_ts=2&limit=1&offset=0&bins=5"},
		"/api/datasets/{dataset_id}/histogram":       {"column=a&bins=50&start_ts=1&end_ts=2&min=0&max=1"},
		"/api/runs":                                  {"dataset_id=d&status=s&measurement=m&search=s&limit=1&offset=0"},
		"/api/runs/{run_id}":                         {"fold_limit=1&fold_offset=0&folds=none"},
		"/api/runs/{run_id}/predictions":             {"format=csv&fold=0&start_ts=1&end_ts=2&limit=1&offset=0"},
		"/api/walkforward/runs/{run_id}/predictions": {"format=csv&fold=0&start_ts=1&end_ts=2&limit=1&offset=0"},
		"/api/simulations":                           {"run_id=r&dataset_id=d&limit=1&offset=0"},
		"/api/simulations/{simulation_id}/trades":    {"limit=1&offset=0&side=long"},
		"/api/indicators/datasets":                   {"symbol=s&granularity=g&source=c&_=1"},
		"/api/walkforward/runs":                      {"dataset_id=d&status=s&_=1"},
		"/api/tradesim/runs":                         {"run_id=r&dataset_id=d&status=s&_=1"},
		"/api/jobs":                                  {"job_type=t&status=s&limit=100&offset=0"},
		"/api/questdb/measurements":                  {"prefix=p"},
	} {
		for _, query := range queries {
			if err := spec.OperationOf(http.MethodGet, path).Query.Check(query); err != nil {
				t.Errorf("%s?%s: %v", path, query, err)
			}
		}
	}
}

// The check has to take less than 2 µs a request.
func BenchmarkParameterCheck(b *testing.B) {
	known := spec.OperationOf(http.MethodGet, "/api/runs").Query
	b.ReportAllocs()
	for b.Loop() {
		if err := known.Check("search=btc&metric=summary_metrics.pf_long%3E%3D1.2&sort=-summary_metrics.pf_long&status=COMPLETED&limit=50&count=none&_=1"); err != nil {
			b.Fatal(err)
		}
	}
}
