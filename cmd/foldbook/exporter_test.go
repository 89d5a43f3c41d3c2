package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"foldbook/internal/testdb"
)

// exporterURL in the environment names a server that TestExporter exports to instead of one of its own, such as that of
// make run.
const exporterURL = "EXPORTER_URL"

// exporter plays the desktop client: the requests that it sends when a person exports a dataset, saves a run and saves
// a simulation, in its order, with its headers, checks and pauses (these a tenth as long). What it sends depends on
// nothing but the seed.
type exporter struct {
	t        *testing.T
	url      string
	client   *http.Client
	fresh    bool // nothing of it is stored yet
	series   bool // the rows are exported too
	requests int
	checked  int // bodies
}

const (
	exportedDataset = "e0000000-0000-4000-8000-00000000da7a"
	exportedSlug    = "exporter25_1"
)

// call sends a request as the client does, and returns the answer of success; notFound is allowed when it asks for
// something that may not be there yet.
func (e *exporter) call(method, path string, body any, notFound bool) (status int, answer any) {
	e.t.Helper()
	e.requests++
	var in io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			e.t.Fatal(err)
		}
		in = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(e.t.Context(), method, e.url+path, in)
	if err != nil {
		e.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Stage1-Token", "exporter")
	if body != nil {
		req.Header.Set("Expect", "100-continue")
	}
	res, err := e.client.Do(req)
	if err != nil {
		e.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer func() { _ = res.Body.Close() }()
	d := json.NewDecoder(res.Body)
	d.UseNumber()
	if err := d.Decode(&answer); err != nil {
		e.t.Fatalf("%s %s: %d, %v", method, path, res.StatusCode, err)
	}
	e.described(method, path, body)
	if res.StatusCode/100 != 2 && (!notFound || res.StatusCode != http.StatusNotFound) {
		e.t.Fatalf("%s %s: %d %v", method, path, res.StatusCode, answer)
	}
	return res.StatusCode, answer
}

func (e *exporter) get(path string) map[string]any {
	e.t.Helper()
	_, answer := e.call(http.MethodGet, path, nil, false)
	return answer.(map[string]any)
}

// post sends what is new, or has been stored before, and requires the answer to say which.
func (e *exporter) post(path string, body any, created bool) map[string]any {
	e.t.Helper()
	want := http.StatusOK
	if created {
		want = http.StatusCreated
	}
	status, answer := e.call(http.MethodPost, path, body, false)
	got := answer.(map[string]any)
	if status != want || got["created"] != created || got["success"] != true {
		e.t.Errorf("POST %s: %d %v, want %d", path, status, got, want)
	}
	return got
}

type object = map[string]any

func manifest() object {
	return object{
		"version": 1, "dataset_id": exportedDataset, "dataset_slug": exportedSlug, "symbol": exportedSlug, "granularity": "1h", "source": "laptop_imgui", "bar_interval_ms": 3600000, "lookback_rows": 48,
		"ohlcv_measurement": exportedSlug + "_ohlcv", "indicator_measurement": exportedSlug + "_ind", "ohlcv_rows": 12000, "indicator_rows": 11952, "exported_at": "2026-01-02T12:15:00Z",
		"first_ohlcv_timestamp_ms": 1704067200000, "last_ohlcv_timestamp_ms": 1747263600000, "first_indicator_timestamp_ms": 1704240000000, "last_indicator_timestamp_ms": 1747263600000,
	}
}

// storeDataset sends the dataset: first with the manifest as an object, as the export does, or as a text, as each save
// of a run does before it.
func (e *exporter) storeDataset(asText, created bool) {
	e.t.Helper()
	body := object{"dataset_id": exportedDataset, "dataset_slug": exportedSlug, "symbol": exportedSlug, "granularity": "1h", "bar_interval_ms": 3600000, "lookback_rows": 48,
		"first_ohlcv_ts": 1704067200000, "first_indicator_ts": 1704240000000, "metadata": manifest()}
	if asText {
		text, err := json.Marshal(manifest())
		if err != nil {
			e.t.Fatal(err)
		}
		delete(body, "symbol")
		body["metadata"] = string(text)
	}
	if got := e.post("/api/datasets", body, created); got["dataset_id"] != exportedDataset {
		e.t.Errorf("the dataset is %v", got["dataset_id"])
	}
}

// exportDataset looks for the dataset by its slug and by its id, and sends it in both forms.
func (e *exporter) exportDataset() {
	e.t.Helper()
	known := false
	for offset := 0; ; offset += 200 {
		list := e.get(fmt.Sprintf("/api/datasets?limit=200&offset=%d", offset))
		for _, d := range list["datasets"].([]any) {
			known = known || d.(object)["dataset_slug"] == exportedSlug
		}
		if total, _ := list["total"].(json.Number).Int64(); total <= int64(offset+200) {
			break
		}
	}
	status, _ := e.call(http.MethodGet, "/api/datasets/"+exportedDataset, nil, true)
	if e.fresh == known || e.fresh != (status == http.StatusNotFound) {
		e.t.Errorf("a fresh export is %v; the slug is known: %v, the id is answered with %d", e.fresh, known, status)
	}
	e.storeDataset(false, e.fresh)
	e.storeDataset(true, false)
	got := e.get("/api/datasets/" + exportedDataset)
	for key, want := range map[string]any{
		"dataset_slug": exportedSlug, "symbol": exportedSlug, "granularity": "1h", "source": "laptop_imgui", "ohlcv_measurement": exportedSlug + "_ohlcv", "indicator_measurement": exportedSlug + "_ind",
		"ohlcv_row_count": json.Number("12000"), "indicator_row_count": json.Number("11952"), "bar_interval_ms": json.Number("3600000"), "lookback_rows": json.Number("48"),
		"first_ohlcv_ts": json.Number("1704067200000"), "first_indicator_ts": json.Number("1704240000000"), "indicator_last_ts": json.Number("1747263600000"),
	} {
		if got[key] != want {
			e.t.Errorf("the dataset: %s is %v, want %v", key, got[key], want)
		}
	}
	if diff := cmp.Diff(asRead(e.t, manifest()), got["metadata"]); diff != "" {
		e.t.Errorf("the manifest (-sent +read):\n%s", diff)
	}
}

var (
	thresholdNames = strings.Fields("long_optimal short_optimal prediction_scaled prediction_original dynamic_positive short_scaled short_original long_percentile short_percentile")
	metricNames    = strings.Fields(`hit_rate short_hit_rate profit_factor_test profit_factor_train profit_factor_short_train profit_factor_short_test signal_sum short_signal_sum signal_rate short_signal_rate
		avg_return_on_signals median_return_on_signals std_return_on_signals avg_return_on_short_signals avg_predicted_return_on_signals running_sum running_sum_short running_sum_dual sum_wins sum_losses sum_short_wins sum_short_losses`)
)

// float is a 32-bit number widened to a double, as all of the client's are.
func float(r *rand.Rand) float64 { return float64(float32(r.NormFloat64())) }

// exportedRun is what the client sends of a run, with every third fold without a model.
func exportedRun(id string, folds int) object {
	r := rand.New(rand.NewPCG(uint64(folds), 1))
	list := make([]any, folds)
	for i := range list {
		thresholds, metrics := object{}, object{"n_signals": r.IntN(20), "n_short_signals": r.IntN(20), "model_learned_nothing": i%3 == 0, "used_cached_model": false}
		for _, name := range thresholdNames {
			thresholds[name] = float(r)
		}
		for _, name := range metricNames {
			metrics[name] = float(r)
		}
		fold := object{"run_id": id, "fold_number": i, "train_start_idx": 24 * i, "train_end_idx": 24*i + 650, "test_start_idx": 24*i + 654, "test_end_idx": 24*i + 678, "samples_train": 650, "samples_test": 24,
			"thresholds": thresholds, "metrics": metrics}
		if i%3 != 0 {
			fold["best_iteration"], fold["best_score"] = r.IntN(500), math.Abs(float(r))
		}
		list[i] = fold
	}
	return object{"run": object{
		"run_id": id, "dataset_id": exportedDataset, "prediction_measurement": fmt.Sprintf("%s_wf%d", exportedSlug, folds), "target_column": "TGT_315", "feature_columns": []any{"rsi_14", "hma_55"},
		"hyperparameters": object{"learning_rate": 0.01, "max_depth": 4, "min_boost_rounds": 100, "objective": "reg:quantileerror", "threshold_method": "OptimalROC"},
		"walk_config":     object{"train_size": 650, "test_size": 24, "train_test_gap": 4, "fold_step": 24, "start_fold": 0, "end_fold": -1, "initial_offset": 0},
		"summary_metrics": object{"folds": folds, "pf_long": float(r), "total_signals": 2491, "running_sum_dual": float(r)}, "status": "COMPLETED", "requested_by": "analyst",
		"started_at": "2026-01-02T13:00:00Z", "completed_at": "2026-01-02T13:07:45Z", "duration_ms": 465321,
	}, "folds": list}
}

// saveRun sends the dataset, then the run, and reads the run until it has as many folds as were sent: five rounds, and
// in each a POST and a GET.
func (e *exporter) saveRun(id string, folds int) {
	e.t.Helper()
	e.storeDataset(true, false)
	sent := exportedRun(id, folds)
	saved := false
	for round := range 5 {
		answer := e.post("/api/runs", sent, e.fresh && round == 0)
		if answer["folds_received"] != answer["folds_stored"] || len(answer["warnings"].([]any)) != 0 {
			e.t.Errorf("run of %d folds: %v", folds, answer)
		}
		got := e.get("/api/runs/" + id)
		if saved = len(got["folds"].([]any)) == folds; saved {
			if round > 0 {
				e.t.Errorf("a run of %d folds was there in round %d only", folds, round+1)
			}
			break
		}
		time.Sleep(time.Duration(round+1) * 20 * time.Millisecond) // as the client waits
	}
	if !saved {
		e.t.Fatalf("a run of %d folds is not saved after five rounds", folds)
	}
	e.compareRun(id, sent)
}

// asRead is a body as the decoder of answers returns it.
func asRead(t *testing.T, v any) any {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var read any
	if err := d.Decode(&read); err != nil {
		t.Fatal(err)
	}
	return read
}

// sameNumber compares what the client sends in one spelling and reads in another, to the last bit of a double.
var sameNumber = cmp.Comparer(func(a, b json.Number) bool {
	x, errX := a.Float64()
	y, errY := b.Float64()
	return errX == nil && errY == nil && x == y
})

// compareRun reads a run through both generations and requires every field that was sent.
func (e *exporter) compareRun(id string, sent object) {
	e.t.Helper()
	want := asRead(e.t, sent).(object)
	for _, f := range want["folds"].([]any) {
		for _, name := range []string{"best_iteration", "best_score"} {
			if _, ok := f.(object)[name]; !ok {
				f.(object)[name] = nil
			}
		}
	}
	flat, older := e.get("/api/runs/"+id), e.get("/api/walkforward/runs/"+id)
	if e.series {
		e.checkFoldTimes(id, flat["folds"].([]any), older["folds"].([]any))
	}
	paged := []any{}
	for offset := 0; ; offset += 100 {
		page := e.get(fmt.Sprintf("/api/runs/%s?fold_limit=100&fold_offset=%d", id, offset))
		for _, f := range page["folds"].([]any) {
			for _, name := range foldTimes {
				delete(f.(object), name)
			}
			paged = append(paged, f)
		}
		if page["has_more_folds"] != true {
			break
		}
	}
	for name, got := range map[string]any{"/api/runs": flat["folds"], "/api/walkforward/runs": older["folds"], "pages": paged} {
		if diff := cmp.Diff(want["folds"], got, sameNumber); diff != "" {
			e.t.Errorf("folds of run %s in %s (-sent +read):\n%.3000s", id, name, diff)
		}
	}
	for name, value := range want["run"].(object) {
		for generation, got := range map[string]object{"current": flat, "older": older["run"].(object)} {
			if diff := cmp.Diff(value, got[name], sameNumber); diff != "" {
				e.t.Errorf("%s of run %s in the %s API (-sent +read):\n%s", name, id, generation, diff)
			}
		}
	}
	if flat["dataset_slug"] != exportedSlug || flat["has_more_folds"] != false {
		e.t.Errorf("run %s: dataset_slug %v, has_more_folds %v", id, flat["dataset_slug"], flat["has_more_folds"])
	}
}

// saveSimulation sends a simulation with its trades and reads it through both generations.
func (e *exporter) saveSimulation(id, run string, trades int) {
	e.t.Helper()
	r := rand.New(rand.NewPCG(7, uint64(trades)))
	list := make([]any, trades)
	for i := range list {
		entry := 1735891200000 + int64(i)*3600000
		list[i] = object{"trade_id": fmt.Sprintf("e2000000-0000-4000-8000-%012d", i), "fold_index": i % 312, "side": []string{"long", "short"}[i%2], "size": 1.5, "entry_price": 64000 + float(r), "exit_price": 64000 + float(r),
			"pnl": float(r), "return_pct": float(r), "entry_signal": float(r), "exit_signal": float(r), "entry_timestamp": entry, "exit_timestamp": entry + 7200000}
	}
	buckets := []any{}
	for _, side := range []string{"dual", "long", "short"} {
		buckets = append(buckets, object{"side": side, "trade_count": trades, "win_count": trades / 2, "profit_factor": float(r), "avg_return_pct": float(r), "max_drawdown_pct": float(r), "notes": side + " trades"})
	}
	body := object{"simulation_id": id, "run_id": run, "dataset_id": exportedDataset, "input_run_measurement": exportedSlug + "_wf312", "questdb_namespace": exportedSlug + "_sim1", "mode": "dual", "status": "COMPLETED",
		"started_at": "2026-01-02T15:00:00Z", "completed_at": "2026-01-02T15:00:07Z", "config": object{"position_size": 1000, "threshold_choice": 1},
		"summary_metrics": object{"total_return_pct": 8.2, "stress": object{"computed": false}}, "buckets": buckets, "trades": list}
	if a := e.post("/api/simulations", body, e.fresh); a["trades_stored"] != json.Number(fmt.Sprint(trades)) || a["buckets_stored"] != json.Number("3") {
		e.t.Errorf("simulation: %v", a)
	}
	want := asRead(e.t, body).(object)
	flat, older := e.get("/api/simulations/"+id), e.get("/api/tradesim/runs/"+id)
	for name, got := range map[string]any{"/api/simulations": flat["buckets"], "/api/tradesim/runs": older["buckets"]} {
		for i, b := range got.([]any) {
			delete(b.(object), "simulation_id")
			if diff := cmp.Diff(want["buckets"].([]any)[i], b, sameNumber); diff != "" {
				e.t.Errorf("bucket %d in %s (-sent +read):\n%s", i, name, diff)
			}
		}
	}
	delete(want, "buckets")
	for name, value := range want {
		for generation, got := range map[string]object{"current": flat, "older": older["run"].(object)} {
			if diff := cmp.Diff(value, got[name], sameNumber); name != "trades" && diff != "" {
				e.t.Errorf("%s of the simulation in the %s API (-sent +read):\n%s", name, generation, diff)
			}
		}
	}
	_, bare := e.call(http.MethodGet, "/api/tradesim/runs/"+id+"/trades", nil, false)
	envelope := e.get("/api/simulations/" + id + "/trades")
	for name, got := range map[string]any{"/api/tradesim/runs": bare, "/api/simulations": envelope["trades"]} {
		if n := len(got.([]any)); n != trades {
			e.t.Errorf("%d trades in %s, want %d", n, name, trades)
			continue
		}
		for i, row := range got.([]any) {
			sent, trade := want["trades"].([]any)[i].(object), row.(object)
			if trade["bar_timestamp_ms"] != sent["entry_timestamp"] || trade["bar_timestamp"] == nil {
				e.t.Errorf("trade %d in %s begins at %v, want %v", i, name, trade["bar_timestamp_ms"], sent["entry_timestamp"])
			}
			for key, value := range sent {
				at := trade
				if strings.HasPrefix(key, "fold_") || strings.HasSuffix(key, "_signal") || key == "exit_timestamp" {
					at = trade["metadata"].(object)
				}
				if key != "entry_timestamp" && cmp.Diff(value, at[key], sameNumber) != "" {
					e.t.Errorf("%s of trade %d in %s is %v, want %v", key, i, name, at[key], value)
				}
			}
		}
	}
}

// lists requires each thing once in the lists that the dashboard shows.
func (e *exporter) lists(runs map[string]int, simulation string) {
	e.t.Helper()
	got := map[string]int{}
	for _, r := range e.get("/api/datasets/" + exportedDataset + "/runs?limit=200")["runs"].([]any) {
		n, _ := r.(object)["fold_count"].(json.Number).Int64()
		got[r.(object)["run_id"].(string)] = int(n)
	}
	if diff := cmp.Diff(runs, got); diff != "" {
		e.t.Errorf("runs of the dataset and their folds (-saved +listed):\n%s", diff)
	}
	if sims := e.get("/api/simulations?dataset_id=" + exportedDataset)["simulations"].([]any); len(sims) != 1 || sims[0].(object)["simulation_id"] != simulation {
		e.t.Errorf("simulations of the dataset: %v", sims)
	}
	if d := e.get("/api/datasets/" + exportedDataset); d["run_count"] != json.Number(fmt.Sprint(len(runs))) || d["simulation_count"] != json.Number("1") {
		e.t.Errorf("the dataset has %v runs and %v simulations", d["run_count"], d["simulation_count"])
	}
	if m := e.get("/api/datasets/" + exportedDataset + "/manifest"); m["bar_interval_ms"] != json.Number("3600000") {
		e.t.Errorf("manifest: %v", m)
	}
}

// The desktop client exports a dataset, two runs and a simulation, and all of it is there in both generations; and again.
func TestExporter(t *testing.T) {
	t.Parallel()
	url := os.Getenv(exporterURL)
	if url == "" {
		s := startProcess(t, "POSTGRES_URL="+testdb.NewURL(t))
		s.waitFor(t, "/readyz", http.StatusOK)
		url = s.url
	}
	e := &exporter{t: t, url: url, client: &http.Client{Transport: &http.Transport{DisableCompression: true, ExpectContinueTimeout: time.Second}}}
	t.Cleanup(e.client.CloseIdleConnections)
	const small, large, simulation = "e1000000-0000-4000-8000-000000000312", "e1000000-0000-4000-8000-000000001000", "e3000000-0000-4000-8000-000000000001"
	status, _ := e.call(http.MethodGet, "/api/datasets/"+exportedDataset, nil, true)
	e.fresh = status == http.StatusNotFound
	for range 2 {
		e.exportDataset()
		e.saveRun(small, 312)
		e.saveRun(large, 1000)
		e.saveSimulation(simulation, small, 128)
		e.lists(map[string]int{small: 312, large: 1000}, simulation)
		e.fresh = false
	}
	if validates && e.checked < 10 {
		t.Errorf("only %d bodies were held to openapi.yaml", e.checked)
	}
}
