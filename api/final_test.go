package api_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// data-rules.md, Final records: what is final loses nothing unless the caller says so.
func TestFinalRecords(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.storeAll(5, 5)
	run, simulation := runBody(5), simulationBody(5)
	buckets, trades := strings.Index(simulation, `"buckets": [`), strings.Index(simulation, `"trades": [`)
	for _, tc := range []struct{ path, body, old, new, lost string }{
		{"/api/runs", run, `"status": "COMPLETED"`, `"status": "RUNNING"`, "the status, which would become RUNNING"},
		{"/api/runs", run, `"status": "COMPLETED", `, ``, "the status, which would become PENDING"},
		{"/api/runs", run, `, "pf_long": 1.31`, ``, "summary_metrics.pf_long"},
		{"/api/runs", run, `"summary_metrics": {"folds": 5, "pf_long": 1.31},`, ``, "summary_metrics.folds, summary_metrics.pf_long"},
		{"/api/runs", run, `"learning_rate": 0.01, `, ``, "hyperparameters.learning_rate"},
		{"/api/runs", run, `"walk_config": {"train_size": 650},`, ``, "walk_config.train_size"},
		{"/api/runs", run, `"rsi_14", `, ``, `feature_columns "rsi_14"`},
		{"/api/runs", run, `"requested_by": "analyst", `, ``, "requested_by"},
		{"/api/runs", run, foldBody(4), strings.Replace(foldBody(4), `"fold_number": 4`, `"fold_number": 7`, 1), "1 of its folds"},
		{"/api/runs", run, "," + foldBody(3) + "," + foldBody(4), "", "2 of its folds"},
		{"/api/simulations", simulation, `"COMPLETED"`, `"QUEUED"`, "the status, which would become QUEUED"},
		{"/api/simulations", simulation, `"config": {"position_size": 1000}, `, ``, "config.position_size"},
		{"/api/simulations", simulation, `"total_return_pct": 8.2`, `"total": 8.2`, "summary_metrics.total_return_pct"},
		{"/api/simulations", simulation, simulation[trades:], `"trades": []}`, "5 of its trades"},
		{"/api/simulations", simulation, simulation[buckets:trades], `"buckets": [],`, "1 of its buckets"},
	} {
		body := strings.Replace(tc.body, tc.old, tc.new, 1)
		if body == tc.body {
			t.Fatalf("%s is not in the body", tc.old)
		}
		id := newRun
		if tc.path == "/api/simulations" {
			id = newSim
		}
		before := h.object(tc.path + "/" + id)
		for _, method := range []string{http.MethodPost, http.MethodPut} {
			path := tc.path
			if method == http.MethodPut {
				path += "/" + id
			}
			status, a := h.send(method, path, body)
			message, _ := a["message"].(string)
			if status != 409 || a["code"] != "final" || !strings.Contains(message, "COMPLETED, which is final, and would lose "+tc.lost) {
				t.Errorf("%s %s without %.40s: %d %v, want %q", method, path, tc.old, status, a, tc.lost)
			}
		}
		if after := h.object(tc.path + "/" + id); after["version"] != before["version"] {
			t.Errorf("a refused write made version %v of %v", after["version"], before["version"])
		}
		if status, a := h.send(http.MethodPost, tc.path+"?dry_run=true&replace=true", body); status != 200 {
			t.Errorf("with replace=true: %d %v", status, a)
		}
		etag := h.get(tc.path + "/" + id).Header.Get("ETag")
		if status, a := h.send(http.MethodPost, tc.path+"?dry_run=true", body, "If-Match", etag); status != 200 {
			t.Errorf("with If-Match: %d %v", status, a)
		}
	}
	nested := strings.Replace(runBody(5), `"pf_long": 1.31`, `"pf_long": 1.31, "long": {"pf": 1, "n": {"a": 1}}`, 1)
	h.store("/api/runs", nested, 200)
	if status, a := h.send(http.MethodPost, "/api/runs", strings.Replace(nested, `"n": {"a": 1}`, `"n": 1`, 1)); status != 409 || !strings.Contains(fmt.Sprint(a), "summary_metrics.long.n.a:") {
		t.Errorf("without a member of an object in an object: %d %v", status, a)
	}
	h.store("/api/runs?replace=true", run, 200)
	// The same again, more of it, and from one final state to another, is no loss.
	h.store("/api/runs", run, 200)
	h.store("/api/runs", runBody(6), 200)
	h.store("/api/simulations", simulation, 200)
	h.store("/api/runs", strings.Replace(strings.Replace(runBody(6), "COMPLETED", "FAILED", 1), `"pf_long": 1.31`, `"pf_long": 2, "x": null`, 1), 200)
}

// data-rules.md, Numbers, texts and missing values: what Python writes for no finite number is named, and null on request.
func TestNonfinite(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.storeAll(1, 1)
	metrics := `"summary_metrics": {"folds": 1, "pf_long": NaN, "text": "NaN, -Infinity \" NaN", "deep": [1, {"x y": -Infinity}], "z":Infinity}`
	run := strings.Replace(runBody(1), `"summary_metrics": {"folds": 1, "pf_long": 1.31}`, metrics, 1)
	run = strings.Replace(run, `"best_score": 0.0009110000100918114`, `"best_score": NaN`, 1)
	for _, tc := range []struct{ method, path, body, first, path0 string }{
		{http.MethodPost, "/api/runs", run, "NaN", "run.summary_metrics.pf_long"},
		{http.MethodPut, "/api/runs/" + newRun, run, "NaN", "run.summary_metrics.pf_long"},
		{http.MethodPatch, "/api/runs/" + newRun, `{"summary_metrics": {"a": -Infinity}}`, "-Infinity", "summary_metrics.a"},
		{http.MethodPost, "/api/runs/" + newRun + "/folds?force=true", "[" + strings.Replace(foldBody(2), `"hit_rate": 0.5`, `"hit_rate": Infinity`, 1) + "]", "Infinity", "[0].metrics.hit_rate"},
		{http.MethodPost, "/api/simulations", strings.Replace(simulationBody(1), `"pnl": 277.125`, `"pnl":NaN`, 1), "NaN", "trades[0].pnl"},
		{http.MethodPatch, "/api/simulations/" + newSim, `{"summary_metrics": {"a": NaN}}`, "NaN", "summary_metrics.a"},
		{http.MethodPost, "/api/datasets", strings.Replace(datasetBody(newDataset, "btc25_1"), `"version": 1`, `"version": NaN`, 1), "NaN", "metadata.version"},
	} {
		status, a := h.send(tc.method, tc.path, tc.body)
		message, _ := a["message"].(string)
		if status != 400 || a["code"] != "invalid_json" || !strings.HasPrefix(message, tc.path0+": is "+tc.first+", which JSON does not have") ||
			!strings.Contains(message, "nonfinite=null") || !strings.Contains(message, "at byte ") {
			t.Errorf("%s %s: %d %v", tc.method, tc.path, status, a)
		}
		separator := "?"
		if strings.Contains(tc.path, "?") {
			separator = "&"
		}
		status, a = h.send(tc.method, tc.path+separator+"nonfinite=null", tc.body)
		warnings, _ := a["warnings"].([]any)
		if status != 200 || len(warnings) == 0 || warnings[0] != tc.path0+" is "+tc.first+": it is stored as null" {
			t.Errorf("%s %s with nonfinite=null: %d %v", tc.method, tc.path, status, a)
		}
		if status, a := h.send(tc.method, tc.path+separator+"nonfinite=0", tc.body); status != 400 || a["code"] != "invalid_parameter" {
			t.Errorf("nonfinite=0: %d %v", status, a)
		}
	}
	body := readBody(t, h.get("/api/runs/"+newRun))
	for _, want := range []string{`"pf_long": null`, `"text": "NaN, -Infinity \" NaN"`, `"deep": [1, {"x y": null}]`, `"z": null`, `"best_score":null`, `"hit_rate": null`} {
		if !strings.Contains(body, want) {
			t.Errorf("%s is not in %s", want, body)
		}
	}
}

// A slug that another dataset has is a conflict that waiting does not solve: it is said at once.
func TestSlugConflictIsNotRetried(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	const other = "0a000000-0000-4000-8000-000000000002"
	h.store("/api/datasets", datasetBody(newDataset, "btc25_1"), 201)
	h.store("/api/datasets", datasetBody(other, "eth"), 201)
	for range 3 { // a busy machine may take its time once
		began := time.Now()
		status, a := h.send(http.MethodPut, "/api/datasets/"+other, datasetBody(other, "btc25_1"))
		if status != 409 || a["code"] != "conflict" {
			t.Fatalf("%d %v", status, a)
		}
		if time.Since(began) < 450*time.Millisecond {
			return
		}
	}
	t.Error("the conflict was retried")
}

// What a build with another shape of answers sent is not taken for the current one.
func TestETagsKnowTheShape(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.storeAll(1, 1)
	for _, path := range []string{"/api/runs/" + newRun, "/api/datasets/" + newDataset, "/api/simulations/" + newSim, "/api/datasets/" + newDataset + "/runs"} {
		tag := h.get(path).Header.Get("ETag")
		parts := strings.Split(strings.Trim(tag, `"`), "-")
		if len(parts) != 3 {
			t.Fatalf("%s: %s", path, tag)
		}
		for _, former := range []string{`"` + parts[0] + "-" + parts[1] + `"`, `"` + parts[0] + "-" + parts[1] + `-0"`} {
			req := httptest.NewRequest(http.MethodGet, path, nil)
			req.Header.Set("If-None-Match", former)
			w := httptest.NewRecorder()
			if h.http.ServeHTTP(w, req); w.Code != http.StatusOK {
				t.Errorf("%s with %s: %d", path, former, w.Code)
			}
		}
	}
}
