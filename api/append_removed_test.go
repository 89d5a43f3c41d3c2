package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"foldbook/questdb"
)

// data-rules.md, Deletes

// meanwhile is the body of a request that runs something before its first byte, when the handler has looked the record up.
type meanwhile struct {
	run func()
	io.Reader
}

func (m *meanwhile) Read(p []byte) (int, error) {
	if m.run != nil {
		m.run()
		m.run = nil
	}
	return m.Reader.Read(p)
}

// sendWhile sends rows, and runs something between the handler's look at the record and the first of them.
func (h *harness) sendWhile(path, rows string, run func()) (int, map[string]any) {
	h.t.Helper()
	req := httptest.NewRequest(http.MethodPost, path, &meanwhile{run, strings.NewReader(rows)})
	w := httptest.NewRecorder()
	h.http.ServeHTTP(w, req)
	var answer map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		h.t.Fatalf("%d, %v: %s", w.Code, err, w.Body)
	}
	return w.Code, answer
}

// shareTables stores a dataset, a run and a simulation in the shared tables, which their rows so outlive those of others.
func (h *harness) shareTables(name string) {
	h.t.Helper()
	other := strings.NewReplacer(newDataset, otherDataset, newRun, otherRun, newSim, otherSim,
		"btc25_1_wf1767358800", "walkforward_predictions", `"btc25_1_sim1"`, `"trading_sim_traces"`)
	h.store("/api/datasets", fmt.Sprintf(`{"dataset_id": %q, "dataset_slug": %q, "indicator_measurement": "indicator_bars"}`, otherDataset, name), 201)
	h.store("/api/runs", other.Replace(runBody(0)), 201)
	h.store("/api/simulations", other.Replace(simulationBody(1)), 201)
}

const (
	otherRun = "0b000000-0000-4000-8000-0000000000ff"
	otherSim = "0c000000-0000-4000-8000-0000000000ff"
	// Other tests have rows of newRun and newSim in the shared tables.
	goneRun = "0b000000-0000-4000-8000-0000000000fe"
	goneSim = "0c000000-0000-4000-8000-0000000000fe"
)

// Rows that arrive when their record is deleted and its rows are removed, though the handler has seen the record, are not stored: neither
// a table of their own nor a row in a shared one comes back.
func TestAppendToDeletedRecord(t *testing.T) {
	t.Parallel()
	h := appendHarness(t)
	h.shareTables(slug(t))
	work(t, h, h.opts.QuestDB)
	name := slug(t)
	predictions := `{"rows": [{"timestamp": 1704067200000, "fold_number": 0, "prediction": 0.5}]}`
	trace := `{"rows": [{"timestamp": 1704067200000, "trade_index": 1, "pnl": 1}]}`
	for _, shared := range []bool{false, true} {
		tables := map[string]string{"ind": name + "_ind", "wf": name + "_wf", "sim": name + "_sim"}
		if shared {
			tables = map[string]string{"ind": "indicator_bars", "wf": "walkforward_predictions", "sim": "trading_sim_traces"}
			trace = strings.Replace(trace, `"trade_index": 1, `, "", 1)
		}
		gone := strings.NewReplacer(newRun, goneRun, newSim, goneSim, "btc25_1_wf1767358800", tables["wf"], "btc25_1_sim1", tables["sim"])
		for path, rows := range map[string]string{barsPath(): `{"rows": [{"timestamp": 1704067200000, "close": 1}]}`, indicatorsPath(): indicatorRows(0, 3), "/api/runs/" + goneRun + "/predictions": predictions, "/api/simulations/" + goneSim + "/trace": trace} {
			h.newSet(name, fmt.Sprintf(`"indicator_measurement": %q`, tables["ind"]))
			h.store("/api/runs", gone.Replace(runBody(0)), 201)
			h.store("/api/simulations", gone.Replace(simulationBody(1)), 201)
			h.store(path, rows, 200)
			status, a := h.sendWhile(path, rows, func() {
				h.remove("/api/datasets/" + newDataset + "?cascade=true")
				h.noTasks()
			})
			if status != http.StatusNotFound || a["code"] != "not_found" {
				t.Errorf("%s: %d %v", path, status, a)
			}
			for _, kind := range []string{"_ohlcv", "_ind", "_wf", "_sim"} {
				if h.hasTable(name + kind) {
					t.Errorf("%s: table %s%s is there", path, name, kind)
				}
			}
			if shared {
				for table, owner := range map[string]questdb.Match{tables["ind"]: {Column: "dataset", Values: []string{name}}, tables["wf"]: {Column: "run_id", Values: []string{goneRun}}, tables["sim"]: {Column: "simulation_id", Values: []string{goneSim}}} {
					if found, err := h.opts.QuestDB.Table(t.Context(), table); err != nil {
						continue // nobody has written to it
					} else if n, err := h.opts.QuestDB.Count(t.Context(), questdb.Selection{Table: found, Where: []questdb.Match{owner}}); n > 0 || err != nil {
						t.Errorf("%s: %d rows in %s, %v", path, n, table, err)
					}
				}
			}
		}
	}
}

// A removal waits for each writer that has begun before: for one that is about to make the table, and for those of every owner of
// rows in a shared table.
func TestRemovalWaitsForWriters(t *testing.T) {
	t.Parallel()
	h := appendHarness(t)
	h.shareTables(slug(t))
	name := slug(t)
	h.newSet(name)
	runs := []string{strings.Replace(goneRun, "fe", "fc", 1), strings.Replace(goneRun, "fe", "fd", 1)}
	for _, id := range runs {
		h.store("/api/runs", strings.NewReplacer(newRun, id, "btc25_1_wf1767358800", "walkforward_predictions").Replace(runBody(0)), 201)
		h.store("/api/runs/"+id+"/predictions", `{"rows": [{"timestamp": 1704067200000, "fold_number": 0, "prediction": 0.5}]}`, 200)
	}
	write := func(spec questdb.Spec, fill func(*questdb.Writer)) {
		t.Helper()
		table, err := h.opts.QuestDB.Ensure(t.Context(), spec)
		if err == nil {
			_, err = h.opts.QuestDB.Write(context.Background(), table, func(w *questdb.Writer) error { fill(w); w.Row(1704070800000000); return nil })
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	writers := map[string]func(){
		name + "_ohlcv": func() {
			write(questdb.BarsSpec(name+"_ohlcv", time.Hour), func(w *questdb.Writer) { w.Float("close", 1) })
		},
	}
	for _, id := range runs {
		writers["walkforward_predictions/"+id] = func() {
			spec := questdb.PredictionsSpec("walkforward_predictions")
			write(spec, func(w *questdb.Writer) { w.Symbol("run_id", id); w.Symbol("fold", "0"); w.Float("prediction", 1) })
		}
	}
	for place := range writers {
		h.exec("INSERT INTO row_leases VALUES ($1, gen_random_uuid(), now() + interval '1 hour')", place)
	}
	h.remove("/api/datasets/" + newDataset + "?cascade=true")
	work(t, h, h.opts.QuestDB)
	for _, place := range []string{name + "_ohlcv", "walkforward_predictions/" + runs[0], "walkforward_predictions/" + runs[1]} {
		h.waitTake(place)
		writers[place]()
		h.exec("DELETE FROM row_leases WHERE place = $1", place)
	}
	h.noTasks()
	if h.hasTable(name + "_ohlcv") {
		t.Error("a table that was made meanwhile is left")
	}
	if rows := h.table("walkforward_predictions", questdb.Match{Column: "run_id", Values: runs}); len(rows) > 0 {
		t.Errorf("rows that were written meanwhile are left: %v", rows)
	}
	if n := h.count("row_leases"); n != 0 {
		t.Errorf("%d leases are left", n)
	}
}

// A table that was dropped, or made anew, behind the back of the service is noticed before a cell is lost. (data-rules.md, Appends)
func TestAppendToChangedTable(t *testing.T) {
	t.Parallel()
	h := newSeries(t)
	name := h.table("x")
	h.newSet(name)
	for _, made := range []string{"", "create table %s_ind (timestamp timestamp, other double) timestamp(timestamp) partition by year wal"} {
		h.store(indicatorsPath(), `{"rows": [{"timestamp": 1704067200000, "a": 1, "b": 2}]}`, 200)
		status, a := h.sendWhile(indicatorsPath(), `{"rows": [{"timestamp": 1704070800000, "a": 3, "b": 4}]}`, func() {
			h.sql(fmt.Sprintf("drop table %s_ind", name))
			if made != "" {
				h.sql(fmt.Sprintf(made, name))
			}
		})
		if status != http.StatusConflict || a["code"] != "conflict" {
			t.Errorf("%q: %d %v", made, status, a)
		}
		if made == "" && h.hasTable(name+"_ind") {
			t.Error("a refused request has made a table")
		}
		h.store(indicatorsPath(), `{"rows": [{"timestamp": 1704070800000, "a": 3, "b": 4}]}`, 200)
		if got := h.cells(name+"_ind", "a", "b"); got != "1:a=3,b=4" {
			t.Errorf("%q: %s", made, got)
		}
	}
}
