package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"foldbook/internal/testdb"
	"foldbook/questdb"
)

// Two datasets in one table do not see each other's rows.
func TestAppendToSharedTables(t *testing.T) {
	t.Parallel()
	h := appendHarness(t)
	name := slug(t)
	h.newSet(name, `"source": "laptop", "indicator_measurement": "indicator_bars"`)
	other := "0a000000-0000-4000-8000-0000000000ff"
	h.store("/api/datasets", fmt.Sprintf(`{"dataset_id": %q, "dataset_slug": "%s_other", "indicator_measurement": "indicator_bars"}`, other, name), 201)
	h.store(indicatorsPath(), indicatorRows(0, 3), 200)
	h.store("/api/datasets/"+other+"/indicators/append", strings.ReplaceAll(indicatorRows(1, 5), "rsi_14", "hma_55"), 200)
	h.store(indicatorsPath(), indicatorRows(0, 3), 200)
	mine := questdb.Match{Column: "dataset", Values: []string{name}}
	got := h.table("indicator_bars", mine)
	if len(got) != 3 {
		t.Fatalf("%d rows, want 3", len(got))
	}
	for key, want := range map[string]any{
		"dataset": name, "source": "laptop", "granularity": "1h", "date_i": int64(20240101), "time_i": int64(10000), "timestamp_unix": int64(1704070800), "rsi_14": 1.25, "Time": 10000.0,
	} {
		if got[1][key] != want {
			t.Errorf("%s is %v, want %v", key, got[1][key], want)
		}
	}
	d := h.object("/api/datasets/" + newDataset)
	var names []string
	for _, c := range d["column_schema"].([]any) {
		names = append(names, c.(map[string]any)["name"].(string))
	}
	if d["indicator_row_count"] != 3.0 || strings.Contains(strings.Join(names, " "), "hma_55") || !strings.Contains(strings.Join(names, " "), "rsi_14") {
		t.Errorf("the record says %v rows of %v", d["indicator_row_count"], names)
	}
	// What is read has the columns of all, and can be stored again as it is: the others' stay theirs.
	h.store(indicatorsPath(), `{"rows": [{"timestamp": 1704067200000, "rsi_14": 1, "hma_55": null, "nobodys": null}]}`, 200)
	for _, c := range h.object("/api/datasets/" + newDataset)["column_schema"].([]any) {
		if column := c.(map[string]any)["name"].(string); column == "hma_55" || column == "nobodys" {
			t.Errorf("the record has column %s, in which it has no cell", column)
		}
	}
	if d := h.object("/api/datasets/" + other); d["indicator_row_count"] != 5.0 || d["indicator_first_ts"] != 1704070800000.0 {
		t.Errorf("the other says %v rows", d["indicator_row_count"])
	}
}

// Predictions go by any of their names, and into either style of table.
func TestAppendPredictions(t *testing.T) {
	t.Parallel()
	h := appendHarness(t)
	name := slug(t)
	h.newSet(name, ownTables(name))
	h.store(indicatorsPath(), indicatorRows(0, 700), 200)
	run := strings.Replace(runBody(2), "btc25_1_wf1767358800", name+"_wf1", 1)
	h.store("/api/runs", run, 201)
	path := "/api/runs/" + newRun + "/predictions"
	rows := func(names ...string) string {
		return fmt.Sprintf(`{"rows": [{"timestamp_ms": 1704067200000, "bar_index": 654, %q: 0, %q: 0.65, %q: 0.62, "long_threshold": 0.41, %q: 0.0009110000100918114},
			{"timestamp_ms": 1704067200000, "bar_index": 654, %q: 1, %q: 0.5, %q: null, "long_threshold": 0.41, %q: 7}]}`, names[0], names[1], names[2], names[3], names[0], names[1], names[2], names[3])
	}
	current, older := []string{"fold_number", "prediction", "target_value", "fold_score"}, []string{"fold", "prediction_value", "target", "score"}
	for _, names := range [][]string{current, older} {
		if a := h.store(path, rows(names...), 200); a["row_count"] != 2.0 || a["measurement"] != name+"_wf1" {
			t.Errorf("%v: %v", names, a)
		}
	}
	at := int64(1704067200000000)
	want := []map[string]any{
		{"timestamp": at, "bar_index": int64(654), "fold_number": int64(0), "prediction": 0.65, "target_value": 0.62, "long_threshold": 0.41, "fold_score": 0.0009110000100918114},
		{"timestamp": at, "bar_index": int64(654), "fold_number": int64(1), "prediction": 0.5, "long_threshold": 0.41, "fold_score": 7.0},
	}
	if diff := cmp.Diff(want, h.table(name+"_wf1")); diff != "" {
		t.Errorf("its own table (-want +got):\n%s", diff)
	}
	for _, c := range []struct{ row, message string }{
		{`{"timestamp": 1704067200000, "fold": 1, "fold_number": 1}`, "rows[0].fold_number: is there twice"},
		{`{"timestamp": 1704067200000, "fold": 1.5}`, "rows[0].fold_number: must be a whole number, and is 1.5"},
		{`{"timestamp": 1704067200000, "fold": "a"}`, `rows[0].fold_number: must be a whole number, and is "a"`},
	} {
		if status, a := h.send(http.MethodPost, path, `{"rows": [`+c.row+`]}`); status != 400 || a["message"] != c.message {
			t.Errorf("%s: %d %v", c.row, status, a["message"])
		}
	}
	// The folds have got their times with the run: 24 rows on each.
	folds := h.object("/api/runs/" + newRun)["folds"].([]any)
	for i, f := range folds {
		start := 1704067200000 + int64(24*i)*hour
		for key, want := range map[string]int64{"train_start_ts_ms": start, "train_end_ts_ms": start + 650*hour, "test_start_ts_ms": start + 654*hour, "test_end_ts_ms": start + 678*hour} {
			if want > 1704067200000+700*hour {
				if _, ok := f.(map[string]any)[key]; ok {
					t.Errorf("fold %d has %s, whose row is not there", i, key)
				}
			} else if i == 0 && f.(map[string]any)[key] != float64(want) {
				t.Errorf("fold %d: %s is %v, want %d", i, key, f.(map[string]any)[key], want)
			}
		}
	}
	// The last fold ends where the rows end: its times come with them.
	h.store(indicatorsPath(), indicatorRows(700, 2), 200)
	last := h.object("/api/runs/" + newRun)["folds"].([]any)[1].(map[string]any)
	if last["test_end_ts_ms"] != float64(1704067200000+702*hour) || last["train_start_ts_ms"] != float64(1704067200000+24*hour) {
		t.Errorf("the last fold is %v", last)
	}

	h.exec("UPDATE walkforward_runs SET prediction_measurement = 'walkforward_predictions'")
	for _, names := range [][]string{older, current} {
		if a := h.store(path, rows(names...), 200); a["row_count"] != 2.0 {
			t.Errorf("%v: %v", names, a)
		}
	}
	want = []map[string]any{
		{"timestamp": at, "run_id": newRun, "fold": "0", "dataset": name, "target": "TGT_315", "bar_index": int64(654), "prediction": 0.65, "target_value": 0.62, "long_threshold": 0.41, "score": 0.0009110000100918114},
		{"timestamp": at, "run_id": newRun, "fold": "1", "dataset": name, "target": "TGT_315", "bar_index": int64(654), "prediction": 0.5, "long_threshold": 0.41, "score": 7.0},
	}
	if diff := cmp.Diff(want, h.table("walkforward_predictions", questdb.Match{Column: "run_id", Values: []string{newRun}})); diff != "" {
		t.Errorf("the shared table (-want +got):\n%s", diff)
	}
}

// Traces are safe to repeat in their own table by trade_index, and in the shared one although nothing tells rows apart.
func TestAppendTrace(t *testing.T) {
	t.Parallel()
	h := appendHarness(t)
	name := slug(t)
	h.newSet(name)
	h.store("/api/runs", runBody(1), 201)
	sim := uuid.NewString() // the shared table is that of other tests, too
	h.store("/api/simulations", strings.NewReplacer("btc25_1_sim1", name+"_sim1", newSim, sim).Replace(simulationBody(1)), 201)
	path := "/api/simulations/" + sim + "/trace"
	row := func(index string, pnl float64) string {
		return fmt.Sprintf(`{"timestamp": 1735891200000%s, "entry_price": 64125.5, "exit_price": 64310.25, "pnl": %v, "exit_timestamp_unix": 1735898400, "mode": "long"}`, index, pnl)
	}
	body := func(rows ...string) string { return `{"rows": [` + strings.Join(rows, ",") + `]}` }
	if status, a := h.send(http.MethodPost, path, body(row("", 1))); status != 400 || a["message"] != "rows[0].trade_index: is missing: it tells rows of one time apart" {
		t.Errorf("without a trade_index: %d %v", status, a)
	}
	own := body(row(`, "trade_index": 0, "side_label": "LONG", "is_long": 1`, 1), row(`, "trade_index": 1`, 2))
	for range 2 {
		if a := h.store(path, own, 200); a["row_count"] != 2.0 || a["measurement"] != name+"_sim1" {
			t.Errorf("own table: %v", a)
		}
	}
	got := h.table(name + "_sim1")
	want := map[string]any{
		"timestamp": int64(1735891200000000), "simulation_id": sim, "run_id": newRun, "dataset_id": newDataset, "mode": "long", "side_label": "LONG", "trade_index": int64(0), "is_long": int64(1),
		"entry_price": 64125.5, "exit_price": 64310.25, "pnl": 1.0, "exit_timestamp_unix": int64(1735898400),
	}
	if diff := cmp.Diff(want, got[0]); diff != "" || len(got) != 2 {
		t.Errorf("own table, %d rows (-want +got):\n%s", len(got), diff)
	}
	h.exec("UPDATE simulation_runs SET questdb_namespace = 'trading_sim_traces'")
	for i, c := range []struct {
		body string
		rows float64
	}{
		{body(row("", 1), row("", 1), row("", 2)), 3}, {body(row("", 1), row("", 1), row("", 2)), 3}, {body(row("", 2), row("", 3)), 4}, {body(row("", 1)), 4},
		{body(row(`, "extra": 5`, 1)), 5}, {body(row(`, "extra": 5`, 1), row("", 3)), 5},
	} {
		dry := h.store(path+"?dry_run=true", c.body, 200)
		a := h.store(path, c.body, 200)
		if a["row_count"] != c.rows || dry["rows_added"] != a["rows_written"] || dry["rows_written"] != a["rows_written"] ||
			dry["rows_unchanged"] != float64(strings.Count(c.body, "timestamp\""))-dry["rows_added"].(float64) {
			t.Errorf("shared table, request %d: %v, want %v rows, and beforehand %v", i, a, c.rows, dry)
		}
	}
	if status, a := h.send(http.MethodPost, path+"?replace=true", body(row("", 1))); status != 400 || !strings.Contains(fmt.Sprint(a["message"]), "table trading_sim_traces has none: rows are only added to it") {
		t.Errorf("replace=true without a key: %d %v", status, a)
	}
	var senders sync.WaitGroup
	for range 4 {
		senders.Go(func() {
			if status, a := h.send(http.MethodPost, path, body(row("", 10), row("", 11))); status != 200 {
				t.Errorf("at once: %d %v", status, a)
			}
		})
	}
	senders.Wait()
	if n := len(h.table("trading_sim_traces", questdb.Match{Column: "simulation_id", Values: []string{sim}})); n != 7 {
		t.Errorf("%d rows after four at once, want 7", n)
	}
}

// A table that a line-protocol writer made gets deduplication with the first append, and keeps its rows.
func TestAppendToForeignTable(t *testing.T) {
	t.Parallel()
	h := appendHarness(t)
	name := slug(t)
	h.newSet(name, ownTables(name))
	res, err := http.Post(testdb.QuestDB(t).HTTPURL()+"/write", "text/plain", strings.NewReader(name+"_ind rsi_14=1.5,bar=7i,flag=t 1704067200000000000\n"+name+"_ind rsi_14=2.5,bar=8i 1704070800000000000\n"))
	if err != nil || res.StatusCode != 204 {
		t.Fatal(res, err)
	}
	_ = res.Body.Close()
	deadline := time.Now().Add(testdb.Patience)
	for table, err := h.opts.QuestDB.Table(t.Context(), name+"_ind"); time.Now().Before(deadline); table, err = h.opts.QuestDB.Table(t.Context(), name+"_ind") {
		if err == nil {
			if n, err := h.opts.QuestDB.Count(t.Context(), questdb.Selection{Table: table}); err == nil && n == 2 {
				break
			}
		}
	}
	for range 2 {
		if a := h.store(indicatorsPath(), `{"rows": [{"timestamp": 1704067200000, "rsi_14": 9, "bar": 7.0, "new": 1}, {"timestamp": 1704074400000, "bar": 3}]}`, 200); a["row_count"] != 3.0 {
			t.Errorf("answer %v", a)
		}
	}
	if status, a := h.send(http.MethodPost, indicatorsPath(), `{"rows": [{"timestamp": 1704067200000, "flag": 1}]}`); status != 400 || a["message"] != "rows[0].flag: is a BOOLEAN in the table, to which nothing can be added" {
		t.Errorf("%d %v", status, a)
	}
	if status, a := h.send(http.MethodPost, indicatorsPath(), `{"rows": [{"timestamp": 1704067200000, "bar": 1.5}]}`); status != 400 || a["message"] != "rows[0].bar: must be a whole number, and is 1.5" {
		t.Errorf("%d %v", status, a)
	}
	got := h.table(name + "_ind")
	if len(got) != 3 || got[0]["rsi_14"] != 9.0 || got[0]["bar"] != int64(7) || got[1]["rsi_14"] != 2.5 || got[2]["bar"] != int64(3) {
		t.Errorf("rows %v", got)
	}
	text, _ := json.Marshal(h.object("/api/datasets/" + newDataset)["column_schema"])
	if !strings.Contains(string(text), `"new"`) {
		t.Errorf("column_schema %s", text)
	}
}
