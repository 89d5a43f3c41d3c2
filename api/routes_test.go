package api_test

import (
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"foldbook/api/spec"
)

var update = flag.Bool("update", false, "write the golden answers in testdata")

// sixRoutes are the paths of the original interface on the fixture, with the file of each answer.
var sixRoutes = []struct{ path, golden string }{
	{"/api/indicators/datasets", "datasets.json"},
	{"/api/indicators/datasets/" + fullDataset.String(), "dataset.json"},
	{"/api/walkforward/runs", "runs.json"},
	{"/api/walkforward/runs/" + fullRun.String(), "run.json"},
	{"/api/walkforward/runs/" + bareRun.String(), "run_bare.json"},
	{"/api/tradesim/runs", "simulations.json"},
	{"/api/tradesim/runs/" + fullSim.String(), "simulation.json"},
	{"/api/tradesim/runs/" + bareSim.String(), "simulation_bare.json"},
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	seedFixture(t, h)
	for _, route := range sixRoutes {
		for _, prefix := range []string{"", "/traders/kraken", "/traders/any-other"} {
			res := h.get(prefix + route.path)
			body := readBody(t, res)
			if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "application/json" {
				t.Errorf("%s%s: %d %s", prefix, route.path, res.StatusCode, res.Header.Get("Content-Type"))
			}
			golden(t, route.golden, body)

			head := h.do(http.MethodHead, prefix+route.path)
			for _, name := range []string{"Content-Type", "Content-Length", "X-Total-Count", "Access-Control-Allow-Origin"} {
				if head.StatusCode != res.StatusCode || head.Header.Get(name) != res.Header.Get(name) {
					t.Errorf("HEAD %s%s: %d, %s %q; GET has %q", prefix, route.path, head.StatusCode, name, head.Header.Get(name), res.Header.Get(name))
				}
			}
		}
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func TestEmptyLists(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	for _, path := range []string{"/api/indicators/datasets", "/api/walkforward/runs", "/api/tradesim/runs"} {
		for _, query := range []string{"", "?limit=0", "?offset=10", "?limit=9223372036854775807"} {
			res := h.get(path + query)
			if body := readBody(t, res); res.StatusCode != http.StatusOK || body != "[]\n" || res.Header.Get("X-Total-Count") != "0" {
				t.Errorf("%s%s: %d %q, total %q", path, query, res.StatusCode, body, res.Header.Get("X-Total-Count"))
			}
		}
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	seedFixture(t, h)
	id := unknown.String()
	for _, tc := range []struct {
		path    string
		status  int
		code    spec.ErrorCode
		message string
	}{
		{"/api/indicators/datasets/x", 404, "not_found", "dataset x does not exist"},
		{"/api/walkforward/runs/1", 400, "invalid_id", "run_id is not a UUID"},
		{"/api/walkforward/runs/" + strings.ReplaceAll(id, "-", ""), 400, "invalid_id", "run_id is not a UUID"},
		{"/api/walkforward/runs/%7B" + id + "%7D", 400, "invalid_id", "run_id is not a UUID"},
		{"/api/walkforward/runs/" + id[:35] + "%00", 400, "invalid_id", "run_id is not a UUID"},
		{"/api/tradesim/runs/'; DROP TABLE simulation_runs; --", 400, "invalid_id", "simulation_id is not a UUID"},
		{"/api/indicators/datasets/" + id, 404, "not_found", "dataset " + id + " does not exist"},
		{"/api/walkforward/runs/" + id, 404, "not_found", "run " + id + " does not exist"},
		{"/api/tradesim/runs/" + id, 404, "not_found", "simulation " + id + " does not exist"},
		{"/traders/kraken/api/tradesim/runs/" + id, 404, "not_found", "simulation " + id + " does not exist"},
		{"/api/walkforward/runs?limit=-1", 400, "invalid_parameter", "parameter limit is below 0"},
		{"/api/runs/" + id + "?fold_limit=-1", 400, "invalid_parameter", "parameter fold_limit is below 0"},
		{"/api/walkforward/runs?limit=1.5", 400, "invalid_parameter", "parameter limit is not a whole number"},
		{"/api/walkforward/runs?limit=99999999999999999999", 400, "invalid_parameter", "parameter limit is not a whole number"},
		{"/api/walkforward/runs?limit=", 400, "invalid_parameter", "parameter limit is not a whole number"},
		{"/api/walkforward/runs?limit=1&limit=2", 400, "invalid_parameter", "parameter limit is given more than once"},
		{"/api/tradesim/runs?offset=-1", 400, "invalid_parameter", "parameter offset is below 0"},
		{"/api/tradesim/runs?offset=NaN", 400, "invalid_parameter", "parameter offset is not a whole number"},
		{"/api/indicators/datasets?offset=x", 400, "invalid_parameter", "parameter offset is not a whole number"},
		{"/api/tradesim/runs?run_id=", 400, "invalid_parameter", "parameter run_id is not a UUID, or several separated by commas"},
		{"/api/tradesim/runs?status=completed", 400, "invalid_parameter", "parameter status is not a status: PENDING, QUEUED, RUNNING, COMPLETED, INCOMPLETE, FAILED or CANCELLED"},
		{"/api/indicators/datasets?symbol=a%00b", 400, "invalid_parameter", "a parameter has a value that cannot be stored or compared"},
		{"/api/indicators/datasets?source=%ff", 400, "invalid_parameter", "a parameter has a value that cannot be stored or compared"},
		{"/", 404, "not_found", "there is no such route"},
		{"/api/live/status", 404, "not_found", "this route belongs to the trading engine: foldbook stores results"},
		{"/api/indicators/validate", 404, "not_found", "this route belongs to the trading engine: foldbook stores results"},
		{"/api/walkforward/runs/", 404, "not_found", "there is no such route"},
		{"/traders/kraken/healthz", 404, "not_found", "there is no such route"},
		{"/traders/a/b/api/walkforward/runs", 404, "not_found", "there is no such route"},
	} {
		res := h.get(strings.ReplaceAll(tc.path, " ", "%20"))
		checkError(t, res, tc.path, tc.status, tc.code, tc.message)
	}
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		for _, route := range sixRoutes {
			res := h.do(method, route.path)
			checkError(t, res, method+" "+route.path, 405, "method_not_allowed", "the route does not take this method")
			if allow := res.Header.Get("Allow"); !strings.Contains(allow, "GET") {
				t.Errorf("%s %s: Allow is %q", method, route.path, allow)
			}
		}
	}
}

// checkError checks the one shape of every refusal and failure.
func checkError(t *testing.T, res *http.Response, where string, status int, code spec.ErrorCode, message string) {
	t.Helper()
	body := readBody(t, res)
	var got spec.Error
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Errorf("%s: %d, not JSON: %q", where, res.StatusCode, body)
		return
	}
	want := spec.Error{Error: message, Message: message, Code: code, RequestID: res.Header.Get("X-Request-Id"), Details: map[string]any{}}
	if diff := cmp.Diff(want, got); res.StatusCode != status || diff != "" {
		t.Errorf("%s: %d, want %d (-want +got):\n%s", where, res.StatusCode, status, diff)
	}
	if res.Header.Get("Access-Control-Allow-Origin") != "*" || res.Header.Get("Content-Type") != "application/json" || got.RequestID == "" {
		t.Errorf("%s: headers %v", where, res.Header)
	}
	if (status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout) != (res.Header.Get("Retry-After") != "") {
		t.Errorf("%s: %d with Retry-After %q", where, status, res.Header.Get("Retry-After"))
	}
}

func TestFiltersAndPages(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	seedFixture(t, h)
	full, bare := fullDataset.String(), bareDataset.String()
	for _, tc := range []struct{ path, key, want, total string }{
		{"/api/indicators/datasets", "dataset_id", bare + " " + full, "2"},
		{"/api/indicators/datasets?symbol=BTCUSDT", "dataset_id", full, "1"},
		{"/api/indicators/datasets?symbol=BTCUSDT&granularity=1h", "dataset_id", "", "0"},
		{"/api/indicators/datasets?granularity=1h", "dataset_id", bare, "1"},
		{"/api/indicators/datasets?granularity=60m", "dataset_id", bare, "1"},
		{"/api/indicators/datasets?source=chronosflow&granularity=4h", "dataset_id", full, "1"},
		{"/api/indicators/datasets?limit=1", "dataset_id", bare, "2"},
		{"/api/indicators/datasets?limit=1&offset=1", "dataset_id", full, "2"},
		{"/api/indicators/datasets?limit=1&offset=2", "dataset_id", "", "2"},
		{"/api/indicators/datasets?limit=0", "dataset_id", "", "2"},
		{"/api/indicators/datasets?symbol=BTCUSDT&limit=1", "dataset_id", full, "1"},
		{"/api/walkforward/runs?dataset_id=" + full, "run_id", fullRun.String(), "1"},
		{"/api/walkforward/runs?dataset_id=" + full + "&status=RUNNING", "run_id", "", "0"},
		{"/api/walkforward/runs?dataset_id=" + strings.ToUpper(bare), "run_id", bareRun.String(), "1"},
		{"/api/walkforward/runs?status=RUNNING", "run_id", bareRun.String(), "1"},
		{"/api/walkforward/runs?status=RUNNING&limit=0", "run_id", "", "1"},
		{"/api/walkforward/runs?limit=1", "run_id", bareRun.String(), "2"},
		{"/api/walkforward/runs?dataset_id=" + unknown.String(), "run_id", "", "0"},
		{"/api/tradesim/runs?run_id=" + fullRun.String(), "simulation_id", fullSim.String(), "1"},
		{"/api/tradesim/runs?run_id=" + fullRun.String() + "&dataset_id=" + bare, "simulation_id", "", "0"},
		{"/api/tradesim/runs?dataset_id=" + bare + "&status=PENDING", "simulation_id", bareSim.String(), "1"},
		{"/api/tradesim/runs?status=COMPLETED", "simulation_id", fullSim.String(), "1"},
		{"/api/tradesim/runs?offset=1", "simulation_id", fullSim.String(), "2"},
		{"/traders/kraken/api/tradesim/runs?offset=1", "simulation_id", fullSim.String(), "2"},
	} {
		res := h.get(tc.path)
		var rows []map[string]any
		if err := json.Unmarshal([]byte(readBody(t, res)), &rows); err != nil {
			t.Errorf("%s: %v", tc.path, err)
		}
		var ids []string
		for _, row := range rows {
			ids = append(ids, row[tc.key].(string))
		}
		if got := strings.Join(ids, " "); got != tc.want || res.Header.Get("X-Total-Count") != tc.total {
			t.Errorf("%s: %q of %s, want %q of %s", tc.path, got, res.Header.Get("X-Total-Count"), tc.want, tc.total)
		}
	}
}
