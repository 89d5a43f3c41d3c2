package api_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// exactly tells two JSON texts apart by the value of each number, to its last digit, and by whether it is written as a
// whole number.
var exactly = cmp.Comparer(func(a, b json.Number) bool {
	x, okX := new(big.Rat).SetString(string(a))
	y, okY := new(big.Rat).SetString(string(b))
	return okX && okY && x.Cmp(y) == 0 && strings.ContainsAny(string(a), ".eE") == strings.ContainsAny(string(b), ".eE")
})

func decoded(t *testing.T, text string) any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v: %.300s", err, text)
	}
	return v
}

// inside returns the value at a path of keys and indices.
func inside(v any, path ...any) any {
	for _, step := range path {
		switch step := step.(type) {
		case string:
			v = v.(map[string]any)[step]
		case int:
			v = v.([]any)[step]
		}
	}
	return v
}

const hardValues = `{"digits": 0.0009110000100918114, "big": 9007199254740993, "bigger": 123456789012345678901234567890, "real": 24.0, "zeros": 1.10, "whole": 24, "negative": -0.5, "zero": 0, "tiny": 5e-324,
	"smaller": 0.000000000000000000000000000000000000000000000000000001234567890123456789, "most": 1.7976931348623157, "text": "9", "empty": "", "escapes": "\"\\\/\b\f\n\r\t\u0001\u2028é日本😀", "": 1, "a.b": 2, "ключ": 3,
	"null": null, "yes": true, "no": false, "list": [1, 1.0, "1", null, [], {}, [[2.50]]], "deep": {"a": {"b": {"c": -1.25}}}}`

const hardText = `"\"\\\/\b\f\n\r\t\u0001\u2028é日本😀"`

// What is written comes back in both generations as it was: every digit, whole numbers as whole numbers, reals as reals.
func TestValuesSurvive(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	dataset := strings.Replace(datasetBody(newDataset, "btc25_1"), `"metadata": {`, `"column_schema": [`+hardValues+`], "metadata": {"hard": `+hardValues+`, `, 1)
	h.store("/api/datasets", dataset, 201)
	run := runBody(2)
	for _, column := range []string{"hyperparameters", "walk_config", "summary_metrics"} {
		run = strings.Replace(run, `"`+column+`": {`, `"`+column+`": {"hard": `+hardValues+`, `, 1)
	}
	run = strings.Replace(run, `["rsi_14", "hma_55"]`, `["rsi_14", `+hardText+`]`, 1)
	run = strings.Replace(run, `"metrics": {`, `"metrics": {"hard": `+hardValues+`, `, 1)
	run = strings.Replace(run, `"thresholds": {`, `"thresholds": {"hard": `+hardValues+`, `, 1)
	run = strings.Replace(run, `"duration_ms": 465321`, `"duration_ms": 9223372036854775807, "serialized_config": "a\tb\r\n\u0001 é"`, 1)
	h.store("/api/runs", run, 201)
	sim := simulationBody(2)
	for _, column := range []string{"config", "summary_metrics"} {
		sim = strings.Replace(sim, `"`+column+`": {`, `"`+column+`": {"hard": `+hardValues+`, `, 1)
	}
	sim = strings.Replace(sim, `"fold_index": 3`, `"hard": `+hardValues+`, "metadata": {"own": `+hardValues+`}, "fold_index": 3`, 1)
	h.store("/api/simulations", sim, 201)

	want := decoded(t, hardValues)
	for _, tc := range []struct {
		path string
		at   [][]any
	}{
		{"/api/datasets/" + newDataset, [][]any{{"metadata", "hard"}, {"column_schema", 0}}},
		{"/api/datasets", [][]any{{"datasets", 0, "metadata", "hard"}}},
		{"/api/datasets/" + newDataset + "/manifest", [][]any{{"hard"}}},
		{"/api/indicators/datasets/" + newDataset, [][]any{{"column_schema", 0}}},
		{"/api/runs/" + newRun, [][]any{{"hyperparameters", "hard"}, {"walk_config", "hard"}, {"summary_metrics", "hard"}, {"folds", 0, "metrics", "hard"}, {"folds", 0, "thresholds", "hard"}}},
		{"/api/runs", [][]any{{"runs", 0, "hyperparameters", "hard"}}},
		{"/api/walkforward/runs/" + newRun, [][]any{{"run", "hyperparameters", "hard"}, {"run", "summary_metrics", "hard"}, {"folds", 0, "metrics", "hard"}, {"folds", 0, "thresholds", "hard"}}},
		{"/api/walkforward/runs", [][]any{{0, "walk_config", "hard"}}},
		{"/api/walkforward/runs/" + newRun + "/folds", [][]any{{0, "metrics", "hard"}}},
		{"/api/simulations/" + newSim, [][]any{{"config", "hard"}, {"summary_metrics", "hard"}}},
		{"/api/tradesim/runs/" + newSim, [][]any{{"run", "config", "hard"}}},
		{"/api/simulations/" + newSim + "/trades", [][]any{{"trades", 0, "metadata", "hard"}, {"trades", 0, "metadata", "own"}}},
		{"/api/tradesim/runs/" + newSim + "/trades", [][]any{{0, "metadata", "hard"}}},
	} {
		got := decoded(t, readBody(t, h.get(tc.path)))
		for _, at := range tc.at {
			if diff := cmp.Diff(want, inside(got, at...), exactly); diff != "" {
				t.Errorf("%s at %v (-written +read):\n%s", tc.path, at, diff)
			}
		}
	}
	detail := decoded(t, readBody(t, h.get("/api/runs/"+newRun)))
	if got, want := inside(detail, "feature_columns", 1), decoded(t, hardText); got != want {
		t.Errorf("feature_columns has %q, want %q", got, want)
	}
	if inside(detail, "duration_ms") != json.Number("9223372036854775807") || inside(detail, "serialized_config") != "a\tb\r\n\u0001 é" {
		t.Errorf("duration_ms %v, serialized_config %q", inside(detail, "duration_ms"), inside(detail, "serialized_config"))
	}

	// A merge of summary_metrics keeps what it is not about.
	if status, a := h.send(http.MethodPatch, "/api/runs/"+newRun, `{"summary_metrics": {"pf_long": 1.5}}`); status != 200 {
		t.Fatal(status, a)
	}
	metrics := inside(decoded(t, readBody(t, h.get("/api/runs/"+newRun))), "summary_metrics")
	if diff := cmp.Diff(want, inside(metrics, "hard"), exactly); diff != "" || inside(metrics, "pf_long") != json.Number("1.5") {
		t.Errorf("after a PATCH pf_long is %v (-written +read):\n%s", inside(metrics, "pf_long"), diff)
	}
}

// Columns of doubles give each double back bit by bit, and columns of integers each integer.
func TestColumnsSurvive(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.store("/api/datasets", datasetBody(newDataset, "btc25_1"), 201)
	r := rand.New(rand.NewPCG(4, 9))
	doubles := []float64{0, math.Copysign(0, -1), 5e-324, -5e-324, 2.2250738585072014e-308, math.MaxFloat64, -math.MaxFloat64, 1e21, 1e-7, 0.1, 24, float64(float32(0.000911)), 1 << 53, math.Nextafter(1, 2)}
	for len(doubles) < 400 {
		if x := math.Float64frombits(r.Uint64()); !math.IsNaN(x) && !math.IsInf(x, 0) {
			doubles = append(doubles, x, float64(float32(r.NormFloat64())))
		}
	}
	folds, trades := make([]string, len(doubles)), make([]string, len(doubles))
	for i, x := range doubles {
		text := strconv.FormatFloat(x, []byte{'g', 'e'}[i%2], -1, 64)
		start := r.Int64() - math.MaxInt64/2
		folds[i] = fmt.Sprintf(`{"fold_number": %d, "train_start_idx": %d, "train_end_idx": 9223372036854775807, "test_start_idx": -9223372036854775808, "test_end_idx": %d, "samples_train": 9007199254740993, "samples_test": 0, "best_iteration": -2147483648, "best_score": %s}`,
			i, start, start, text)
		trades[i] = fmt.Sprintf(`{"entry_timestamp": %d, "side": "short", "size": %s, "entry_price": %s, "exit_price": %s, "pnl": %s, "return_pct": null}`, 1735891200000+i, text, text, text, text)
	}
	h.store("/api/runs", strings.Replace(runBody(0), `"folds": []`, `"folds": [`+strings.Join(folds, ",")+`]`, 1), 201)
	h.store("/api/simulations", strings.NewReplacer(`"win_count": 1`, `"win_count": 0`, `"trades": []`, `"trades": [`+strings.Join(trades, ",")+`]`).Replace(simulationBody(0)), 201)
	for _, path := range []string{"/api/runs/" + newRun, "/api/walkforward/runs/" + newRun} {
		got := decoded(t, readBody(t, h.get(path)))
		for i, x := range doubles {
			fold := inside(got, "folds", i)
			score, err := inside(fold, "best_score").(json.Number).Float64()
			if err != nil || math.Float64bits(score) != math.Float64bits(x) {
				t.Errorf("%s: best_score of fold %d is %v, want %v", path, i, inside(fold, "best_score"), x)
			}
			sent := decoded(t, folds[i])
			for _, name := range []string{"train_start_idx", "train_end_idx", "test_start_idx", "test_end_idx", "samples_train", "best_iteration"} {
				if inside(fold, name) != inside(sent, name) {
					t.Errorf("%s: %s of fold %d is %v, want %v", path, name, i, inside(fold, name), inside(sent, name))
				}
			}
		}
	}
	got := decoded(t, readBody(t, h.get("/api/simulations/"+newSim+"/trades")))
	for i, x := range doubles {
		for _, name := range []string{"size", "entry_price", "exit_price", "pnl"} {
			value, err := inside(got, "trades", i, name).(json.Number).Float64()
			if err != nil || math.Float64bits(value) != math.Float64bits(x) {
				t.Errorf("%s of trade %d is %v, want %v", name, i, inside(got, "trades", i, name), x)
			}
		}
		if inside(got, "trades", i, "return_pct") != nil {
			t.Errorf("return_pct of trade %d is %v, want null", i, inside(got, "trades", i, "return_pct"))
		}
	}
}

// The largest and smallest numbers, and a name that is too long to be searched by, can be metrics.
func TestExtremeMetrics(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.storeAll(1, 1)
	for _, path := range []string{"/api/runs/" + newRun, "/api/simulations/" + newSim} {
		for _, member := range []string{`"x": 4e-324`, `"x": 0e-399`, `"x": 1.7976931348623157e308`, `"x": ` + strings.Repeat("9", 300), `"x": 0.` + strings.Repeat("0", 300) + "1", `"` + strings.Repeat("k", 5000) + `": 1`, `"": 1`} {
			if status, a := h.send(http.MethodPatch, path, `{"summary_metrics": {`+member+`}}`); status != 200 {
				t.Errorf("PATCH %s with %.40s: %d %v", path, member, status, a)
			}
		}
		for _, number := range []string{"1e-390", "-1e-390", "2e-324", "0." + strings.Repeat("0", 400) + "1"} {
			if status, a := h.send(http.MethodPatch, path, `{"summary_metrics": {"x": `+number+`}}`); status != 400 || a["message"] != "summary_metrics.x: is out of range" {
				t.Errorf("PATCH %s with %.40s: %d %v", path, number, status, a)
			}
		}
	}
}
