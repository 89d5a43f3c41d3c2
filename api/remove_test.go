package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"foldbook/internal/ingest"
	"foldbook/internal/testdb"
	"foldbook/questdb"
)

// data-rules.md, Deletes

const otherDataset = "0a000000-0000-4000-8000-0000000000ff"

// remove deletes something and returns the answer.
func (h *harness) remove(path string) map[string]any {
	h.t.Helper()
	status, answer := h.send(http.MethodDelete, path, "")
	if status != http.StatusOK {
		h.t.Fatalf("DELETE %s: %d %v", path, status, answer)
	}
	return answer
}

func (h *harness) hasTable(name string) bool {
	h.t.Helper()
	tables, err := h.opts.QuestDB.Measurements(h.t.Context(), name) // which are not cached
	if err != nil {
		h.t.Fatal(err)
	}
	return len(tables) > 0
}

// A deleted dataset takes its tables with it, and its rows in shared ones. One that is made again under its name has none of them.
func TestDeleteRemovesRows(t *testing.T) {
	t.Parallel()
	h := appendHarness(t)
	name := slug(t)
	shared := `"indicator_measurement": "indicator_bars"`
	h.newSet(name, shared)
	h.shareTables(name + "_other")
	h.store("/api/runs", strings.ReplaceAll(runBody(0), "btc25_1_wf1767358800", name+"_wf1"), 201)
	sim := strings.Replace(newSim, "0001", "0002", 1) // others have rows of newSim in the shared table
	h.store("/api/simulations", strings.NewReplacer(newSim, sim, `"btc25_1_sim1"`, `"trading_sim_traces"`).Replace(simulationBody(1)), 201)
	h.store(indicatorsPath(), indicatorRows(0, 10), 200)
	h.store("/api/datasets/"+otherDataset+"/indicators/append", indicatorRows(0, 4), 200)
	h.store(barsPath(), `{"rows": [{"timestamp": 1704067200000, "low": 0.5}, {"timestamp": 1704070800000, "low": 2}]}`, 200)
	h.store("/api/runs/"+newRun+"/predictions", `{"rows": [{"timestamp": 1704067200000, "fold_number": 0, "prediction": 0.5}]}`, 200)
	h.store("/api/simulations/"+sim+"/trace", `{"rows": [{"timestamp": 1704067200000, "pnl": 1}]}`, 200)
	path := "/api/datasets/" + newDataset + "?cascade=true"
	want := map[string]any{"datasets": 1.0, "runs": 1.0, "folds": 0.0, "simulations": 1.0, "buckets": 1.0, "trades": 1.0, "rows": 14.0, "tables": 2.0}
	for _, dry := range []string{"&dry_run=true", ""} {
		answer := h.remove(path + dry)
		if diff := cmp.Diff(want, answer["deleted"]); diff != "" || len(answer["warnings"].([]any)) != 0 {
			t.Errorf("%s: %v (-want +got):\n%s", dry, answer["warnings"], diff)
		}
		if pending := h.object("/api/health")["removals"].(map[string]any); (pending["pending"] != 0.0) != (dry == "") {
			t.Errorf("%s: pending %v", dry, pending)
		}
	}
	// Nobody works, so that the name is not free yet. Another name is.
	again := fmt.Sprintf(`{"dataset_id": %q, "dataset_slug": %q, %s}`, newDataset, name, shared)
	began := time.Now()
	status, answer := h.send(http.MethodPost, "/api/datasets", again)
	if took := time.Since(began); status != http.StatusConflict || answer["code"] != "removal_pending" || took < time.Second {
		t.Errorf("%d %v after %v", status, answer, took)
	}
	h.store("/api/datasets", strings.ReplaceAll(strings.Replace(again, newDataset, "0a000000-0000-4000-8000-0000000000fe", 1), name, name+"_2"), 201)
	work(t, h, h.opts.QuestDB)
	for deadline := time.Now().Add(time.Minute); ; { // what its client does
		status, answer = h.send(http.MethodPost, "/api/datasets", again)
		if status != http.StatusConflict || time.Now().After(deadline) {
			break
		}
	}
	if status != http.StatusCreated || len(answer["warnings"].([]any)) != 0 {
		t.Errorf("made again: %d %v", status, answer)
	}
	for _, table := range []string{name + "_ohlcv", name + "_wf1"} {
		if h.hasTable(table) {
			t.Errorf("table %s is left", table)
		}
	}
	if n := len(h.table("indicator_bars", questdb.Match{Column: "dataset", Values: []string{name + "_other"}})); n != 4 {
		t.Errorf("%d rows of the other dataset, want 4", n)
	}
	h.store(barsPath(), `{"rows": [{"timestamp": 1704070800000, "low": 7}]}`, 200)
	if a := h.object("/api/datasets/" + newDataset + "/ohlcv"); a["count"] != 1.0 {
		t.Errorf("bars: %v", a)
	}
	if a := h.object("/api/datasets/" + newDataset + "/indicators"); a["count"] != 0.0 {
		t.Errorf("indicators: %v", a)
	}
	if pending := h.object("/api/health")["removals"].(map[string]any); pending["pending"] != 0.0 || pending["since"] != nil {
		t.Errorf("pending: %v", pending)
	}
}

// A table that another record names stays, and so do rows that go by the name of another record.
func TestDeleteKeepsOthers(t *testing.T) {
	t.Parallel()
	h := appendHarness(t)
	name := slug(t)
	h.newSet(name)
	body := func(id, table, run string) string {
		return strings.NewReplacer(newRun, id, "btc25_1_wf1767358800", table, `"train_size": 650`, fmt.Sprintf(`"prediction_measurement": %q`, run)).Replace(runBody(0))
	}
	ids := []string{newRun, strings.Replace(newRun, "0001", "0002", 1), strings.Replace(newRun, "0001", "0003", 1), strings.Replace(newRun, "0001", "0004", 1)}
	for i, table := range []string{name + "_wf", strings.ToUpper(name) + "_WF", "walkforward_predictions", "walkforward_predictions"} {
		h.store("/api/runs", body(ids[i], table, name+"_run"), 201)
		h.store("/api/runs/"+ids[i]+"/predictions", `{"rows": [{"timestamp": 1704067200000, "fold_number": 0, "prediction": 0.5}]}`, []int{200, 409, 200, 200}[i])
	}
	answer := h.remove("/api/runs/" + ids[0])
	if diff := cmp.Diff([]any{"table " + name + "_wf is kept: another record names it"}, answer["warnings"]); diff != "" || answer["deleted"].(map[string]any)["tables"] != 0.0 {
		t.Errorf("%v\n%s", answer, diff)
	}
	answer = h.remove("/api/runs/" + ids[2])
	if w := fmt.Sprint(answer["warnings"]); !strings.Contains(w, "are kept: another record goes by their name") || answer["deleted"].(map[string]any)["rows"] != nil {
		t.Errorf("%v", answer)
	}
	h.store("/api/runs", body(ids[1], name+"_wf", name+"_run"), 200) // its table is not removed, so that it waits for nothing
	work(t, h, h.opts.QuestDB)
	h.noTasks()
	for i, want := range []int{404, 200, 404, 200} {
		if res := h.get("/api/runs/" + ids[i] + "/predictions?format=json"); res.StatusCode != want {
			t.Errorf("run %d: %d", i, res.StatusCode)
		}
	}
	if n := len(h.table("walkforward_predictions", questdb.Match{Column: "run_id", Values: ids[2:]})); n != 1 { // others have rows of newRun there
		t.Errorf("%d rows, want 1", n)
	}
	h.remove("/api/runs/" + ids[1])
	h.noTasks()
	if h.hasTable(name + "_wf") {
		t.Error("the last record has left its table")
	}
}

// While a shared table is dropped, because its last record went, a record that names it waits; with that it is made anew.
func TestDeleteDropsUnusedTable(t *testing.T) {
	t.Parallel()
	h := appendHarnessOn(t, testdb.PrivateQuestDB(t))
	shared := `"indicator_measurement": "indicator_bars"`
	h.newSet("last", shared)
	h.store(indicatorsPath(), indicatorRows(0, 3), 200)
	h.remove("/api/datasets/" + newDataset)
	h.newSet("last_2", shared) // others do not wait for the removal of rows
	stop := work(t, h, h.opts.QuestDB)
	h.noTasks()
	if !h.hasTable("indicator_bars") {
		t.Error("a table that a record names is dropped")
	}
	h.store(indicatorsPath(), indicatorRows(0, 2), 200)
	h.remove("/api/datasets/" + newDataset)
	h.noTasks()
	stop()
	if h.hasTable("indicator_bars") {
		t.Error("the last record has left its shared table")
	}
	h.exec(`INSERT INTO river.river_job (state, max_attempts, args, kind)
		VALUES ('available', 50, '{"places": [{"kind": 1, "table": "indicator_bars", "owners": [], "kept": false}]}', 'questdb_removal')`)
	body := fmt.Sprintf(`{"dataset_id": %q, "dataset_slug": "last_3", %s}`, newDataset, shared)
	if status, a := h.send(http.MethodPost, "/api/datasets", body); status != http.StatusConflict || a["code"] != "removal_pending" {
		t.Errorf("while it is dropped: %d %v", status, a)
	}
	work(t, h, h.opts.QuestDB)
	h.store("/api/datasets", body, 201)
	h.store(indicatorsPath(), indicatorRows(0, 2), 200)
	if n := len(h.table("indicator_bars")); n != 2 {
		t.Errorf("%d rows, want 2", n)
	}
	// A row whose record is still to come keeps the table.
	table, err := h.opts.QuestDB.Table(t.Context(), "indicator_bars")
	if err == nil {
		_, err = h.opts.QuestDB.Write(t.Context(), table, func(w *questdb.Writer) error { w.Symbol("dataset", "early"); w.Row(1704067200000000); return nil })
	}
	if err != nil {
		t.Fatal(err)
	}
	h.remove("/api/datasets/" + newDataset)
	h.noTasks()
	if n := len(h.table("indicator_bars", questdb.Match{Column: "dataset", Values: []string{"early"}})); n != 1 {
		t.Errorf("%d rows of a record that is still to come, want 1", n)
	}
}

// What a writer puts into QuestDB before it posts its record belongs to the record, and the answer says how many rows.
func TestAdoptedRows(t *testing.T) {
	t.Parallel()
	h := newSeries(t)
	name := h.table("x")
	h.sql(fmt.Sprintf("create table %s_ohlcv (timestamp timestamp, close double) timestamp(timestamp) partition by month wal", name),
		fmt.Sprintf("insert into %s_ohlcv values ('2024-01-01', 1), ('2024-01-02', 2)", name))
	a := h.store("/api/datasets", fmt.Sprintf(`{"dataset_id": %q, "dataset_slug": %q}`, newDataset, name), 201)
	if diff := cmp.Diff([]any{fmt.Sprintf("2 rows of bars that table %s_ohlcv had before belong to it now", name)}, a["warnings"]); diff != "" {
		t.Error(diff)
	}
	if a := h.object("/api/datasets/" + newDataset + "/ohlcv"); a["count"] != 2.0 {
		t.Errorf("bars: %v", a)
	}
}

// A dataset that names no tables has its own, and none takes those of another.
func TestOwnTables(t *testing.T) {
	t.Parallel()
	h := appendHarness(t)
	name := slug(t)
	id := func(i int) string { return fmt.Sprintf("0a000000-0000-4000-8000-%012d", i) }
	slugs := []string{name + "/b", strings.ToUpper(name) + "/B", name + "_b"}
	for i, slug := range slugs {
		h.store("/api/datasets", fmt.Sprintf(`{"dataset_id": %q, "dataset_slug": %q}`, id(i), slug), 201)
		h.store("/api/datasets/"+id(i)+"/ohlcv/append", fmt.Sprintf(`{"rows": [{"timestamp": 1704067200000, "close": %d}]}`, i), 200)
		h.store("/api/datasets/"+id(i)+"/indicators/append", fmt.Sprintf(`{"rows": [{"timestamp": 1704067200000, "rsi_14": %d}]}`, i), 200)
	}
	for i := range slugs {
		for kind, column := range map[string]string{"ohlcv": "close", "indicators": "rsi_14"} {
			rows := h.object("/api/datasets/" + id(i) + "/" + kind)["rows"].([]any)
			if len(rows) != 1 || rows[0].(map[string]any)[column] != float64(i) {
				t.Errorf("%s of %s: %v", kind, slugs[i], rows)
			}
		}
	}
	for _, body := range []string{
		fmt.Sprintf(`{"dataset_id": %q, "dataset_slug": "%s_c", "indicator_measurement": "%s_b_ind"}`, id(8), name, strings.ToUpper(name)),
		fmt.Sprintf(`{"dataset_id": %q, "dataset_slug": "%s_b", "ohlcv_measurement": "%s_b_ind"}`, id(9), name+"_c", name),
	} {
		status, answer := h.send(http.MethodPost, "/api/datasets", body)
		if message, _ := answer["message"].(string); status != http.StatusConflict || answer["code"] != "conflict" || !strings.Contains(message, "is that of dataset "+name+"_b: name another one") {
			t.Errorf("%s: %d %v", body, status, answer)
		}
	}
	// Its own tables again are no conflict, and neither is a table in which rows are told apart.
	h.store("/api/datasets", fmt.Sprintf(`{"dataset_id": %q, "dataset_slug": "%s_b", "indicator_measurement": "%s_b_ind"}`, id(2), name, name), 200)
	for i := range 2 {
		h.store("/api/datasets", fmt.Sprintf(`{"dataset_id": %q, "dataset_slug": "%s_s%d", "indicator_measurement": "indicator_bars"}`, id(10+i), name, i), 201)
	}
}

// data-rules.md, Tables and names: no record takes the table of one of another kind, and no rows go where nothing tells those of two
// records apart.
func TestTablesOfOthers(t *testing.T) {
	t.Parallel()
	h := appendHarness(t)
	name := slug(t)
	h.newSet(name)
	inTable := func(body, table string) string {
		return strings.NewReplacer("btc25_1_wf1767358800", table, "btc25_1_sim1", table).Replace(body)
	}
	second := strings.NewReplacer(newRun, strings.Replace(newRun, "0001", "0002", 1), newSim, strings.Replace(newSim, "0001", "0002", 1))
	for _, table := range []string{name + "_ohlcv", strings.ToUpper(name) + "_IND"} {
		if status, a := h.send(http.MethodPost, "/api/runs", inTable(runBody(0), table)); status != 409 || a["code"] != "conflict" ||
			!strings.Contains(fmt.Sprint(a["message"]), "is that of dataset "+name+": name another one as prediction_measurement. Several runs share walkforward_predictions") {
			t.Errorf("a run in %s: %d %v", table, status, a)
		}
	}
	h.store("/api/runs", inTable(runBody(0), name+"_wf"), 201)
	h.store("/api/runs", inTable(runBody(0), name+"_wf"), 200)
	simulation := strings.NewReplacer("btc25_1_sim1", name+"_sim").Replace(simulationBody(1))
	if status, a := h.send(http.MethodPost, "/api/simulations", inTable(simulationBody(1), name+"_wf")); status != 409 || !strings.Contains(fmt.Sprint(a["message"]), "is that of run "+newRun) {
		t.Errorf("a simulation in the table of a run: %d %v", status, a)
	}
	h.store("/api/simulations", simulation, 201)
	if status, a := h.send(http.MethodPut, "/api/datasets/"+newDataset, fmt.Sprintf(`{"dataset_id": %q, "dataset_slug": %q, "ohlcv_measurement": "%s_sim"}`, newDataset, name, name)); status != 409 ||
		!strings.Contains(fmt.Sprint(a["message"]), "is that of simulation "+newSim) {
		t.Errorf("a dataset in the table of a simulation: %d %v", status, a)
	}
	predictions, trace := "/api/runs/"+newRun+"/predictions", "/api/simulations/"+newSim+"/trace"
	row := `{"rows": [{"timestamp": 1704067200000, "fold_number": 0, "prediction": %d}]}`
	h.store(predictions, fmt.Sprintf(row, 1), 200)
	h.store("/api/runs", second.Replace(inTable(runBody(0), name+"_wf")), 201)
	h.store("/api/simulations", second.Replace(simulation), 201)
	for _, path := range []string{predictions, second.Replace(predictions), trace, second.Replace(trace)} {
		body := fmt.Sprintf(row, 2)
		if strings.HasSuffix(path, "trace") {
			body = `{"rows": [{"timestamp": 1704067200000, "trade_index": 0, "pnl": 1}]}`
		}
		for _, dry := range []string{"", "?dry_run=true"} {
			if status, a := h.send(http.MethodPost, path+dry, body); status != 409 || a["code"] != "conflict" || !strings.Contains(fmt.Sprint(a["message"]), ": name another one as ") {
				t.Errorf("%s%s: %d %v", path, dry, status, a)
			}
		}
	}
	if rows := h.table(name + "_wf"); len(rows) != 1 || rows[0]["prediction"] != 1.0 {
		t.Errorf("predictions: %v", rows)
	}
}

// An import does not go into a table that is still to be removed.
func TestImportWaitsForRemoval(t *testing.T) {
	t.Parallel()
	h := newSeries(t, importOn)
	name := h.table("x")
	h.newSet(name)
	h.store(barsPath(), `{"rows": [{"timestamp": 1704067200000, "low": 0.5}]}`, 200)
	h.remove("/api/datasets/" + newDataset)
	for _, path := range []string{"/api/questdb/import", "/api/questdb/import/async"} {
		if status, a := h.send(http.MethodPost, path, importBody(name+"_ohlcv", "timestamp_ms,close\n1704067200000,1\n")); status != 409 || a["code"] != "removal_pending" {
			t.Errorf("%s: %d %v", path, status, a)
		}
	}
	work(t, h.harness, h.opts.QuestDB)
	h.store("/api/questdb/import", importBody(name+"_ohlcv", "timestamp_ms,close\n1704067200000,1\n"), 200)
	if n := h.count("river.river_job WHERE kind = '" + ingest.TypeRemoval + "'"); n != 1 {
		t.Errorf("%d removals, want 1", n)
	}
}
