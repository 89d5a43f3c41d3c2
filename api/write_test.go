package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

// send sends a body, checks the answer against openapi.yaml and decodes it.
func (h *harness) send(method, path, body string, header ...string) (int, map[string]any) {
	h.t.Helper()
	req := httptest.NewRequest(method, path, strings.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	if h.credential != "" {
		req.Header.Set("X-Api-Key", h.credential)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.http.ServeHTTP(w, req)
	res := w.Result()
	conform(h.t, req, res)
	plain := req.Header.Get("Content-Type") == "application/json" && req.Header.Get("Content-Encoding") == "" && !strings.Contains(path, "nonfinite")
	if err := fits(h.t, method, path, body); err != nil && res.StatusCode/100 == 2 && plain {
		h.t.Errorf("%s %s is stored, although openapi.yaml does not describe it: %v\n%.500s", method, path, err, body)
	}
	var answer map[string]any
	if err := json.Unmarshal([]byte(readBody(h.t, res)), &answer); err != nil {
		h.t.Fatalf("%s %s: %d, not an object: %v", method, path, res.StatusCode, err)
	}
	answer["ETag"] = res.Header.Get("ETag")
	return res.StatusCode, answer
}

// object reads a resource.
func (h *harness) object(path string) map[string]any {
	h.t.Helper()
	res := h.get(path)
	var v map[string]any
	if err := json.Unmarshal([]byte(readBody(h.t, res)), &v); err != nil || res.StatusCode != http.StatusOK {
		h.t.Fatalf("GET %s: %d %v %s", path, res.StatusCode, err, readBody(h.t, res))
	}
	return v
}

const (
	newDataset = "0a000000-0000-4000-8000-000000000001"
	newRun     = "0b000000-0000-4000-8000-000000000001"
	newSim     = "0c000000-0000-4000-8000-000000000001"
)

func datasetBody(id, slug string) string {
	return fmt.Sprintf(`{"dataset_id": %q, "dataset_slug": %q, "symbol": "btc25_1", "granularity": "240m", "bar_interval_ms": 14400000, "lookback_rows": 48,
		"first_ohlcv_ts": 1704067200000, "first_indicator_ts": 1704240000000, "metadata": {"version": 1, "source": "laptop_imgui", "ohlcv_rows": 12000, "indicator_rows": 11952,
		"ohlcv_measurement": "%[2]s_ohlcv", "indicator_measurement": "%[2]s_ind", "last_indicator_timestamp_ms": 1747263600000}}`, id, slug)
}

func foldBody(n int) string {
	return fmt.Sprintf(`{"run_id": %q, "fold_number": %d, "train_start_idx": %d, "train_end_idx": %d, "test_start_idx": %d, "test_end_idx": %d, "samples_train": 650, "samples_test": 24,
		"best_iteration": 412, "best_score": 0.0009110000100918114, "thresholds": {"long_optimal": 0.41}, "metrics": {"hit_rate": 0.5, "n_signals": 6, "big": 9007199254740993, "model_learned_nothing": false}}`,
		newRun, n, n*24, n*24+650, n*24+654, n*24+678)
}

func runBody(folds int) string {
	list := make([]string, folds)
	for i := range list {
		list[i] = foldBody(i)
	}
	return fmt.Sprintf(`{"run": {"run_id": %q, "dataset_id": %q, "prediction_measurement": "btc25_1_wf1767358800", "target_column": "TGT_315", "feature_columns": ["rsi_14", "hma_55"],
		"hyperparameters": {"learning_rate": 0.01, "max_depth": 4}, "walk_config": {"train_size": 650}, "summary_metrics": {"folds": %d, "pf_long": 1.31},
		"status": "COMPLETED", "requested_by": "analyst", "started_at": "2026-01-02T13:00:00Z", "completed_at": "2026-01-02T13:07:45Z", "duration_ms": 465321},
		"folds": [%s]}`, newRun, newDataset, folds, strings.Join(list, ","))
}

func simulationBody(trades int) string {
	list := make([]string, trades)
	for i := range list {
		list[i] = fmt.Sprintf(`{"trade_id": "%08d-0000-4000-8000-000000000000", "fold_index": 3, "side": "long", "size": 1.5, "entry_price": 64125.5, "exit_price": 64310.25, "pnl": 277.125,
			"return_pct": 0.29, "entry_signal": 0.68, "exit_signal": 0.44, "entry_timestamp": %d, "exit_timestamp": 1735898400000}`, i, 1735891200000+int64(i)*1000)
	}
	return fmt.Sprintf(`{"simulation_id": %q, "run_id": %q, "dataset_id": %q, "input_run_measurement": "btc25_1_wf1767358800", "questdb_namespace": "btc25_1_sim1", "mode": "dual",
		"status": "COMPLETED", "started_at": "2026-01-02T15:00:00Z", "completed_at": "2026-01-02T15:00:07Z", "config": {"position_size": 1000}, "summary_metrics": {"total_return_pct": 8.2},
		"buckets": [{"side": "dual", "trade_count": %d, "win_count": 1, "profit_factor": 1.31, "avg_return_pct": 0.008, "max_drawdown_pct": -0.031, "notes": "all trades"}],
		"trades": [%s]}`, newSim, newRun, newDataset, trades, strings.Join(list, ","))
}

// store sends what must succeed.
func (h *harness) store(path, body string, want int) map[string]any {
	h.t.Helper()
	status, answer := h.send(http.MethodPost, path, body)
	if status != want {
		h.t.Fatalf("POST %s: %d, want %d: %v", path, status, want, answer)
	}
	return answer
}

func (h *harness) storeAll(folds, trades int) {
	h.t.Helper()
	h.store("/api/datasets", datasetBody(newDataset, "btc25_1"), 201)
	h.store("/api/runs", runBody(folds), 201)
	h.store("/api/simulations", simulationBody(trades), 201)
}

// What the desktop client exports shows up, complete, in both generations of the interface.
func TestExportReadBack(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	for round, status := range []int{201, 200} {
		first := h.store("/api/datasets", datasetBody(newDataset, "btc25_1"), status)
		text := strings.Replace(datasetBody(newDataset, "btc25_1"), `"symbol": "btc25_1", `, "", 1)
		second := h.store("/api/datasets", text, 200)
		if first["created"] != (round == 0) || second["created"] != false || second["dataset_id"] != newDataset {
			t.Errorf("dataset: %v, then %v", first, second)
		}
		run := h.store("/api/runs", runBody(312), status)
		if run["folds_received"] != 312.0 || run["folds_stored"] != 312.0 || run["created"] != (round == 0) || len(run["warnings"].([]any)) != 0 {
			t.Errorf("run: %v", run)
		}
		sim := h.store("/api/simulations", simulationBody(128), status)
		if sim["buckets_stored"] != 1.0 || sim["trades_stored"] != 128.0 {
			t.Errorf("simulation: %v", sim)
		}
	}
	d := h.object("/api/datasets/" + newDataset)
	for key, want := range map[string]any{
		"dataset_slug": "btc25_1", "symbol": "btc25_1", "granularity": "4h", "source": "laptop_imgui", "ohlcv_measurement": "btc25_1_ohlcv",
		"indicator_measurement": "btc25_1_ind", "ohlcv_row_count": 12000.0, "indicator_row_count": 11952.0, "first_ohlcv_ts": 1704067200000.0,
		"indicator_first_ts": 1704240000000.0, "indicator_last_ts": 1747263600000.0, "ohlcv_last_ts": 0.0, "run_count": 1.0, "simulation_count": 1.0,
	} {
		if d[key] != want {
			t.Errorf("dataset: %s is %v, want %v", key, d[key], want)
		}
	}
	flat := h.object("/api/runs/" + newRun)
	older := h.object("/api/walkforward/runs/" + newRun)
	if diff := cmp.Diff(older["folds"], flat["folds"]); diff != "" || len(flat["folds"].([]any)) != 312 || flat["total_folds"] != 312.0 || flat["has_more_folds"] != false {
		t.Errorf("%v folds, %v in all, more: %v; older against current:\n%s", len(flat["folds"].([]any)), flat["total_folds"], flat["has_more_folds"], diff)
	}
	for key, value := range older["run"].(map[string]any) {
		if diff := cmp.Diff(value, flat[key]); diff != "" {
			t.Errorf("run: %s differs between the generations:\n%s", key, diff)
		}
	}
	body := readBody(t, h.get("/api/runs/"+newRun))
	for _, exact := range []string{`"best_score":0.0009110000100918114`, `"big": 9007199254740993`, `"best_iteration":412`} {
		if strings.Count(body, exact) != 312 {
			t.Errorf("%d folds have %s", strings.Count(body, exact), exact)
		}
	}
	trades := h.object("/api/simulations/" + newSim + "/trades?limit=2")
	trade := trades["trades"].([]any)[0].(map[string]any)
	if trades["total"] != 128.0 || trades["count"] != 2.0 || trades["next"] == nil || trade["bar_timestamp"] != "2025-01-03T08:00:00Z" || trade["bar_timestamp_ms"] != 1735891200000.0 {
		t.Errorf("trades: %v", trades)
	}
	if diff := cmp.Diff(map[string]any{"fold_index": 3.0, "entry_signal": 0.68, "exit_signal": 0.44, "exit_timestamp": 1735898400000.0}, trade["metadata"]); diff != "" {
		t.Errorf("metadata of a trade (-want +got):\n%s", diff)
	}
	if sim := h.object("/api/simulations/" + newSim); sim["trade_count"] != 128.0 || len(sim["buckets"].([]any)) != 1 {
		t.Errorf("simulation: %v", sim)
	}
	manifest := h.object("/api/datasets/" + newDataset + "/manifest")
	if manifest["bar_interval_ms"] != 14400000.0 || manifest["ohlcv_rows"] != 12000.0 || manifest["first_indicator_timestamp_ms"] != 1704240000000.0 {
		t.Errorf("manifest: %v", manifest)
	}
}

// A set is replaced as a whole when it is given, and kept when it is not.
func TestSetsAreReplaced(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.storeAll(5, 5)
	if a := h.store("/api/runs?replace=true", runBody(3), 200); a["folds_stored"] != 3.0 {
		t.Errorf("a smaller set: %v", a)
	}
	without, _, _ := strings.Cut(runBody(3), `,
		"folds"`)
	without += "}"
	if a := h.store("/api/runs", without, 200); a["folds_received"] != 0.0 || a["folds_stored"] != 3.0 {
		t.Errorf("no folds given: %v", a)
	}
	if a := h.store("/api/runs?replace=true", strings.Replace(runBody(0), `"folds": 0`, `"folds": 7`, 1), 200); a["folds_stored"] != 0.0 || len(a["warnings"].([]any)) != 1 {
		t.Errorf("an empty set: %v", a)
	}
	if a := h.store("/api/simulations?replace=true", simulationBody(2), 200); a["trades_stored"] != 2.0 {
		t.Errorf("fewer trades: %v", a)
	}
}

// A slug under another id, as another platform derives it, is the same dataset.
func TestSlugUnderAnotherID(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.store("/api/datasets", datasetBody(newDataset, "btc25_1"), 201)
	other := uuid.NewString()
	a := h.store("/api/datasets", datasetBody(other, "btc25_1"), 200)
	if a["dataset_id"] != newDataset || a["matched_by"] != "slug" || a["created"] != false {
		t.Errorf("the same slug: %v", a)
	}
	h.store("/api/datasets", datasetBody(other, "eth"), 201)
	status, refused := h.send(http.MethodPost, "/api/datasets", datasetBody(other, "btc25_1"))
	if status != 409 || refused["code"] != "conflict" || !strings.HasPrefix(refused["message"].(string), "dataset_slug") {
		t.Errorf("the slug of another dataset: %d %v", status, refused)
	}
}

func TestUnknownParents(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	for _, tc := range []struct{ path, body, code string }{
		{"/api/runs", runBody(2), "unknown_dataset"},
		{"/api/simulations", simulationBody(2), "unknown_run"},
	} {
		status, a := h.send(http.MethodPost, tc.path, tc.body)
		if status != 409 || a["code"] != tc.code {
			t.Errorf("POST %s: %d %v", tc.path, status, a)
		}
	}
	for _, table := range []string{"walkforward_runs", "walkforward_folds", "simulation_runs", "simulation_trades"} {
		if n := h.count(table); n != 0 {
			t.Errorf("%s has %d rows", table, n)
		}
	}
}

func (h *harness) count(table string) (n int) {
	h.t.Helper()
	if err := h.db.Pool.QueryRow(h.t.Context(), "SELECT count(*) FROM "+table).Scan(&n); err != nil {
		h.t.Fatal(err)
	}
	return n
}

// A dry run says what would happen and leaves nothing.
func TestDryRun(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.store("/api/datasets", datasetBody(newDataset, "btc25_1"), 201)
	status, a := h.send(http.MethodPost, "/api/runs?dry_run=true", runBody(3))
	if status != 201 || a["dry_run"] != true || a["folds_stored"] != 3.0 || h.count("walkforward_runs") != 0 || h.count("walkforward_folds") != 0 {
		t.Errorf("%d %v, %d runs", status, a, h.count("walkforward_runs"))
	}
	if status, a := h.send(http.MethodDelete, "/api/datasets/"+newDataset+"?dry_run=true", ""); status != 200 || a["dry_run"] != true || h.count("indicator_datasets") != 1 {
		t.Errorf("%d %v", status, a)
	}
}

func TestPatch(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.storeAll(1, 1)
	for _, path := range []string{"/api/runs/" + newRun, "/api/simulations/" + newSim} {
		for _, tc := range []struct {
			query, body string
			status      int
			code        any
		}{
			{"", `{"status": "RUNNING"}`, 409, "conflict"},
			{"?force=true", `{"status": "RUNNING"}`, 200, nil},
			{"", `{"status": "QUEUED"}`, 409, "conflict"},
			{"", `{"summary_metrics": {"extra": 1.5}, "completed_at": "2026-02-01T00:00:00Z"}`, 200, nil},
			{"", `{"status": "FAILED"}`, 200, nil},
			{"", `{"status": "FAILED"}`, 200, nil},
			{"", `{"status": "COMPLETED"}`, 409, "conflict"},
			{"", `{"status": "DONE"}`, 400, "invalid_body"},
			{"", `{"unknown": 1}`, 400, "invalid_body"},
			{"?force=maybe", `{}`, 400, "invalid_parameter"},
		} {
			if status, a := h.send(http.MethodPatch, path+tc.query, tc.body); status != tc.status || a["code"] != tc.code {
				t.Errorf("PATCH %s%s %s: %d %v, want %d %v", path, tc.query, tc.body, status, a, tc.status, tc.code)
			}
		}
		got := h.object(path)
		if got["status"] != "FAILED" || got["summary_metrics"].(map[string]any)["extra"] != 1.5 || got["completed_at"] != "2026-02-01T00:00:00Z" {
			t.Errorf("%s: %v", path, got)
		}
		if status, a := h.send(http.MethodPatch, path[:len(path)-1]+"9", `{"status": "FAILED"}`); status != 404 {
			t.Errorf("PATCH of nothing: %d %v", status, a)
		}
	}
}

// Folds are added while a run goes on, and no more when it has ended.
func TestAppendFolds(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.store("/api/datasets", datasetBody(newDataset, "btc25_1"), 201)
	h.store("/api/runs", strings.Replace(runBody(2), "COMPLETED", "RUNNING", 1), 201)
	path := "/api/runs/" + newRun + "/folds"
	if a := h.store(path, "["+foldBody(1)+","+foldBody(2)+"]", 200); a["folds_received"] != 2.0 || a["folds_stored"] != 3.0 {
		t.Errorf("appended: %v", a)
	}
	if a := h.store(path, `{"folds": [`+foldBody(3)+"]}", 200); a["folds_stored"] != 4.0 {
		t.Errorf("appended: %v", a)
	}
	h.send(http.MethodPatch, "/api/runs/"+newRun, `{"status": "COMPLETED"}`)
	if status, a := h.send(http.MethodPost, path, "["+foldBody(4)+"]"); status != 409 || a["code"] != "conflict" {
		t.Errorf("to a run that has ended: %d %v", status, a)
	}
	for query, want := range map[string]string{"": "0123", "?limit=2": "01", "?limit=2&offset=3": "3", "?offset=9": ""} {
		res := h.get("/api/walkforward/runs/" + newRun + "/folds" + query)
		var folds []struct {
			N int `json:"fold_number"`
		}
		if err := json.Unmarshal([]byte(readBody(t, res)), &folds); err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, f := range folds {
			got += fmt.Sprint(f.N)
		}
		if got != want || res.Header.Get("X-Total-Count") != "4" {
			t.Errorf("folds%s: %s of %s", query, got, res.Header.Get("X-Total-Count"))
		}
	}
	for query, want := range map[string]string{"?fold_limit=3": "3 0 true", "?fold_limit=3&fold_offset=3": "1 3 false", "?folds=none": "0 0 true", "": "4 0 false"} {
		run := h.object("/api/runs/" + newRun + query)
		if got := fmt.Sprint(len(run["folds"].([]any)), run["fold_offset"], run["has_more_folds"]); got != want || run["total_folds"] != 4.0 {
			t.Errorf("run%s: %s, want %s", query, got, want)
		}
	}
}

// What has something below it is removed with cascade=true only, and the answer says what went.
func TestDelete(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.storeAll(3, 4)
	for _, tc := range []struct {
		path  string
		below map[string]any
	}{
		{"/api/simulations/" + newSim, map[string]any{"buckets": 1.0, "trades": 4.0}},
		{"/api/runs/" + newRun, map[string]any{"folds": 3.0, "simulations": 1.0, "buckets": 1.0, "trades": 4.0}},
		{"/api/datasets/" + newDataset, map[string]any{"runs": 1.0, "folds": 3.0, "simulations": 1.0, "buckets": 1.0, "trades": 4.0}},
	} {
		status, a := h.send(http.MethodDelete, tc.path, "")
		if diff := cmp.Diff(tc.below, a["details"]); status != 409 || a["code"] != "conflict" || diff != "" {
			t.Errorf("DELETE %s: %d %v (-want +got):\n%s", tc.path, status, a, diff)
		}
	}
	status, a := h.send(http.MethodDelete, "/api/runs/"+newRun+"?cascade=true", "")
	want := map[string]any{"runs": 1.0, "folds": 3.0, "simulations": 1.0, "buckets": 1.0, "trades": 4.0}
	if diff := cmp.Diff(want, a["deleted"]); status != 200 || diff != "" {
		t.Errorf("DELETE run: %d (-want +got):\n%s", status, diff)
	}
	if status, _ := h.send(http.MethodDelete, "/api/runs/"+newRun, ""); status != 404 {
		t.Errorf("DELETE again: %d", status)
	}
	if status, a := h.send(http.MethodDelete, "/api/datasets/"+newDataset, ""); status != 200 {
		t.Errorf("DELETE of a dataset with nothing below it: %d %v", status, a)
	}
	for _, table := range []string{"walkforward_folds", "walkforward_run_metrics", "simulation_run_metrics", "simulation_trades", "indicator_datasets"} {
		if n := h.count(table); n != 0 {
			t.Errorf("%s has %d rows", table, n)
		}
	}
}

// PUT is POST for the id in the path.
func TestPut(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	for _, tc := range []struct{ path, id, body string }{
		{"/api/datasets/", newDataset, datasetBody(newDataset, "btc25_1")},
		{"/api/runs/", newRun, runBody(2)},
		{"/api/simulations/", newSim, simulationBody(2)},
	} {
		if status, a := h.send(http.MethodPut, tc.path+tc.id, tc.body); status != 201 || a["created"] != true {
			t.Errorf("PUT %s: %d %v", tc.path, status, a)
		}
		if status, a := h.send(http.MethodPut, tc.path+uuid.NewString(), tc.body); status != 400 || a["code"] != "invalid_body" {
			t.Errorf("PUT %s of another id: %d %v", tc.path, status, a)
		}
	}
}
