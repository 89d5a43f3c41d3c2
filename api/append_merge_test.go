package api_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/google/go-cmp/cmp"

	"foldbook/questdb"
)

// csv sends rows as CSV.
func (h *harness) csv(path, body string) map[string]any {
	h.t.Helper()
	status, a := h.send(http.MethodPost, path, body, "Content-Type", "text/csv")
	if status != 200 {
		h.t.Fatalf("%s: %d %v", path, status, a)
	}
	return a
}

// cells is the rows of a table as texts, time first: 0:a=1,b=2 for the first hour.
func (h *harness) cells(table string, columns ...string) string {
	h.t.Helper()
	var all []string
	for _, row := range h.table(table) {
		var cells []string
		for _, c := range columns {
			if v, ok := row[c]; ok {
				cells = append(cells, fmt.Sprintf("%s=%v", c, v))
			}
		}
		all = append(all, fmt.Sprintf("%d:%s", (row["timestamp"].(int64)/1000-1704067200000)/hour, strings.Join(cells, ",")))
	}
	return strings.Join(all, " ")
}

// A row that is sent in parts stays whole, in every format, and whatever order its parts have. (data-rules.md, Appends)
func TestAppendMerges(t *testing.T) {
	t.Parallel()
	h := appendHarness(t)
	name := slug(t)
	h.newSet(name, ownTables(name))
	ms := func(hours int64) int64 { return 1704067200000 + hours*hour }
	h.csv(indicatorsPath(), fmt.Sprintf("timestamp,a,b\n%d,1,2\n%d,3,4\n%d,5,6\n", ms(0), ms(1), ms(2)))
	check := func(what, want string) {
		t.Helper()
		if got := h.cells(name+"_ind", "a", "b", "c"); got != want {
			t.Errorf("%s:\n got %s\nwant %s", what, got, want)
		}
	}
	// A new column, and a time that is new.
	if a := h.csv(indicatorsPath(), fmt.Sprintf("timestamp,c\n%d,8\n%d,9\n", ms(1), ms(3))); a["rows_written"] != 2.0 || a["row_count"] != 4.0 {
		t.Errorf("%v", a)
	}
	check("a new column", "0:a=1,b=2 1:a=3,b=4,c=8 2:a=5,b=6 3:c=9")
	// A null that is given replaces, a cell that is not there keeps.
	h.store(indicatorsPath(), fmt.Sprintf(`{"rows": [{"timestamp": %d, "a": null, "c": 7}, {"timestamp": %d, "b": 60}]}`, ms(0), ms(2)), 200)
	check("JSON", "0:b=2,c=7 1:a=3,b=4,c=8 2:a=5,b=60 3:c=9")
	if status, a := h.send(http.MethodPost, indicatorsPath(), fmt.Sprintf("{\"timestamp\": %d, \"b\": 90}\n{\"timestamp\": %d, \"c\": null}\n", ms(3), ms(1)), "Content-Type", "application/x-ndjson"); status != 200 {
		t.Errorf("%d %v", status, a)
	}
	check("NDJSON, backwards", "0:b=2,c=7 1:a=3,b=4 2:a=5,b=60 3:b=90,c=9")
	h.csv(indicatorsPath(), fmt.Sprintf("timestamp,a\n%d,\n", ms(2)))
	check("an empty cell of CSV", "0:b=2,c=7 1:a=3,b=4 2:b=60 3:b=90,c=9")
	// What a dry run says, and that it stores nothing.
	body := fmt.Sprintf("timestamp,b\n%d,2\n%d,5\n%d,1\n", ms(0), ms(1), ms(9))
	if a := h.csv(indicatorsPath()+"?dry_run=true", body); a["rows_unchanged"] != 1.0 || a["rows_changed"] != 1.0 || a["rows_added"] != 1.0 || a["rows_written"] != 3.0 {
		t.Errorf("dry run: %v", a)
	}
	if a := h.csv(indicatorsPath()+"?dry_run=true&replace=true", body); a["rows_unchanged"] != 0.0 || a["rows_changed"] != 2.0 || a["rows_added"] != 1.0 {
		t.Errorf("dry run that replaces: %v", a)
	}
	check("a dry run", "0:b=2,c=7 1:a=3,b=4 2:b=60 3:b=90,c=9")
	h.csv(indicatorsPath()+"?replace=true", fmt.Sprintf("timestamp,b\n%d,2\n", ms(0)))
	check("replace=true", "0:b=2 1:a=3,b=4 2:b=60 3:b=90,c=9")
}

// Parts that come as Arrow are merged as those of other formats are: a null cell replaces, a column that is not there is kept.
// (data-rules.md, Appends)
func TestAppendMergesArrow(t *testing.T) {
	t.Parallel()
	h := appendHarness(t)
	name := slug(t)
	h.newSet(name, ownTables(name))
	null := math.NaN() // stands for it
	body := func(columns string, rows ...[]float64) string {
		fields := []arrow.Field{{Name: "timestamp", Type: arrow.FixedWidthTypes.Timestamp_ms}}
		for c := range strings.SplitSeq(columns, ",") {
			fields = append(fields, arrow.Field{Name: c, Type: arrow.PrimitiveTypes.Float64, Nullable: true})
		}
		b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema(fields, nil))
		defer b.Release()
		for _, row := range rows {
			b.Field(0).(*array.TimestampBuilder).Append(arrow.Timestamp(1704067200000 + int64(row[0])*hour))
			for i, v := range row[1:] {
				if cell := b.Field(i + 1).(*array.Float64Builder); v == v {
					cell.Append(v)
				} else {
					cell.AppendNull()
				}
			}
		}
		record := b.NewRecordBatch()
		defer record.Release()
		var out bytes.Buffer
		w := ipc.NewWriter(&out, ipc.WithSchema(record.Schema()))
		if err := errors.Join(w.Write(record), w.Close()); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	for _, step := range []struct {
		query, columns, want, answer string
		rows                         [][]float64
	}{
		{"", "a,b", "0:a=1,b=2 1:a=3,b=4 2:a=5,b=6", "3", [][]float64{{0, 1, 2}, {1, 3, 4}, {2, 5, 6}}},
		{"", "c", "0:a=1,b=2 1:a=3,b=4,c=8 2:a=5,b=6 3:c=9", "2", [][]float64{{1, 8}, {3, 9}}},
		{"", "c,a", "0:b=2,c=7 1:a=3,b=4,c=8 2:a=50,b=6 3:c=9", "2", [][]float64{{2, null, 50}, {0, 7, null}}},
		{"?dry_run=true", "b", "0:b=2,c=7 1:a=3,b=4,c=8 2:a=50,b=6 3:c=9", "3, added 1, changed 1, unchanged 1", [][]float64{{0, 2}, {1, null}, {9, 1}}},
		{"?dry_run=true&replace=true", "b", "0:b=2,c=7 1:a=3,b=4,c=8 2:a=50,b=6 3:c=9", "3, added 1, changed 2, unchanged 0", [][]float64{{0, 2}, {1, null}, {9, 1}}},
		{"?replace=true", "b", "0:b=20 1:a=3,b=4,c=8 2: 3:c=9", "2", [][]float64{{0, 20}, {2, null}}},
	} {
		status, a := h.send(http.MethodPost, indicatorsPath()+step.query, body(step.columns, step.rows...), "Content-Type", "application/vnd.apache.arrow.stream")
		said := fmt.Sprint(a["rows_written"])
		if a["dry_run"] == true {
			said += fmt.Sprintf(", added %v, changed %v, unchanged %v", a["rows_added"], a["rows_changed"], a["rows_unchanged"])
		}
		if got := h.cells(name+"_ind", "a", "b", "c"); status != 200 || got != step.want || said != step.answer {
			t.Errorf("%s of %s: %d %v\n got %s: %s\nwant %s: %s", step.columns, step.query, status, a, said, got, step.answer, step.want)
		}
	}
}

// Two who send other columns of the same rows at once: none is lost.
func TestAppendMergesAtOnce(t *testing.T) {
	t.Parallel()
	h := appendHarness(t)
	name := slug(t)
	h.newSet(name, ownTables(name))
	const writers, rows = 6, 50
	var senders sync.WaitGroup
	for w := range writers {
		senders.Go(func() {
			var b strings.Builder
			fmt.Fprintf(&b, "timestamp,w%d\n", w)
			for i := range rows {
				fmt.Fprintf(&b, "%d,%d\n", 1704067200000+int64(i)*hour, w*1000+i)
			}
			if status, a := h.send(http.MethodPost, indicatorsPath(), b.String(), "Content-Type", "text/csv"); status != 200 || a["rows_written"] != float64(rows) {
				t.Errorf("writer %d: %d %v", w, status, a)
			}
		})
	}
	senders.Wait()
	for i, row := range h.table(name + "_ind") {
		for w := range writers {
			if row[fmt.Sprintf("w%d", w)] != float64(w*1000+i) {
				t.Fatalf("row %d is %v", i, row)
			}
		}
	}
}

// The rows of a shared table, of bars, predictions and traces are merged by their keys, and by nobody else's.
func TestAppendMergesByKey(t *testing.T) {
	t.Parallel()
	h := appendHarness(t)
	name := slug(t)
	h.newSet(name, `"ohlcv_measurement": "`+name+`_ohlcv", "indicator_measurement": "indicator_bars"`)
	rows := func(text string) string { return `{"rows": [` + strings.ReplaceAll(text, "T", "1704067200000") + `]}` }
	h.store(barsPath(), rows(`{"timestamp": T, "open": 1, "close": 2}`), 200)
	h.store(barsPath(), rows(`{"timestamp": T, "close": 3}`), 200)
	if got := h.cells(name+"_ohlcv", "open", "close"); got != "0:open=1,close=3" {
		t.Errorf("bars: %s", got)
	}
	h.store(indicatorsPath(), rows(`{"timestamp": T, "a": 1, "own": 5}`), 200)
	h.store(indicatorsPath(), rows(`{"timestamp": T, "a": 2}`), 200)
	got := h.table("indicator_bars", questdb.Match{Column: "dataset", Values: []string{name}})
	if len(got) != 1 || got[0]["a"] != 2.0 || got[0]["own"] != 5.0 || got[0]["granularity"] == nil {
		t.Errorf("shared: %v", got)
	}
	h.store("/api/runs", strings.Replace(runBody(2), "btc25_1_wf1767358800", name+"_wf1", 1), 201)
	path := "/api/runs/" + newRun + "/predictions"
	h.store(path, rows(`{"timestamp": T, "fold": 0, "prediction": 0.5}, {"timestamp": T, "fold": 1, "prediction": 0.75}`), 200)
	h.store(path, rows(`{"timestamp": T, "fold": 1, "target": 1}`), 200)
	if diff := cmp.Diff([]map[string]any{
		{"timestamp": int64(1704067200000000), "fold_number": int64(0), "prediction": 0.5},
		{"timestamp": int64(1704067200000000), "fold_number": int64(1), "prediction": 0.75, "target_value": 1.0},
	}, h.table(name+"_wf1")); diff != "" {
		t.Errorf("predictions (-want +got):\n%s", diff)
	}
	h.store("/api/simulations", strings.Replace(simulationBody(1), "btc25_1_sim1", name+"_sim1", 1), 201)
	path = "/api/simulations/" + newSim + "/trace"
	h.store(path, rows(`{"timestamp": T, "trade_index": 7, "pnl": 1, "mode": "mine"}`), 200)
	h.store(path, rows(`{"timestamp": T, "trade_index": 7, "entry_price": 10}, {"timestamp": T, "trade_index": 8, "pnl": 2}`), 200)
	if got := h.cells(name+"_sim1", "trade_index", "pnl", "entry_price", "mode"); got != "0:trade_index=7,pnl=1,entry_price=10,mode=mine 0:trade_index=8,pnl=2,mode=dual" {
		t.Errorf("trace: %s", got)
	}
}

// Rows of one time in one request are one row; the answer counts what is there and names the first such time. (data-rules.md, Appends)
func TestAppendDuplicates(t *testing.T) {
	t.Parallel()
	h := appendHarness(t)
	name := slug(t)
	h.newSet(name, ownTables(name))
	text, err := os.ReadFile("testdata/duplicate_times.csv")
	if err != nil {
		t.Fatal(err)
	}
	a := h.csv(barsPath(), string(text))
	want := "2 rows have the time of another row of the request, first at 2024-01-01T01:00:00Z: they are one row each, in which later cells replace earlier ones"
	if a["rows_written"] != 3.0 || a["row_count"] != 3.0 || fmt.Sprint(a["warnings"]) != "["+want+"]" {
		t.Errorf("answer %v", a)
	}
	if got := h.cells(name+"_ohlcv", "open", "close"); got != "0:open=1,close=1 1:open=5,close=5 2:open=3,close=3" {
		t.Errorf("rows %s", got)
	}
	h.store(barsPath(), fmt.Sprintf(`{"rows": [{"timestamp": %d, "open": 8}, {"timestamp": %d, "close": 9}]}`, 1704067200000+5*hour, 1704067200000+5*hour), 200)
	if got := h.cells(name+"_ohlcv", "open", "close"); !strings.HasSuffix(got, "5:open=8,close=9") {
		t.Errorf("parts in one request: %s", got)
	}
}

// A table has as many columns as are documented, in one request or in several, however long their names. (data-rules.md, Tables and names)
func TestAppendWideTables(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		columns, each int
		suffix        string
	}{{600, 600, strings.Repeat("x", 45)}, {1540, 1500, ""}} {
		h, name := appendHarness(t), slug(t)
		h.newSet(name, ownTables(name))
		for from := 0; from < c.columns; from += c.each {
			var names, cells strings.Builder
			for i := from; i < min(from+c.each, c.columns); i++ {
				fmt.Fprintf(&names, ",ind_%d%s", i, c.suffix)
				fmt.Fprintf(&cells, ",%d", i)
			}
			body := fmt.Sprintf("timestamp%s\n1704067200000%s\n", names.String(), cells.String())
			h.csv(indicatorsPath(), body)
			h.csv(indicatorsPath(), body)
		}
		row := h.table(name + "_ind")[0]
		for i := range c.columns {
			if row[fmt.Sprintf("ind_%d%s", i, c.suffix)] != float64(i) {
				t.Errorf("%d columns: number %d is %v", c.columns, i, row[fmt.Sprintf("ind_%d%s", i, c.suffix)])
				break
			}
		}
		if err := h.opts.QuestDB.Drop(t.Context(), name+"_ind"); err != nil { // it has some ten thousand files open
			t.Error(err)
		}
	}
}
