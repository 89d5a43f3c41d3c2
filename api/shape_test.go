package api_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
)

// shaped is an answer in a shape that was named.
type shaped struct {
	Columns      []string
	Rows         json.RawMessage
	Count, Total int
	Pixels       int `json:"pixel_columns"`
}

// table brings the rows of an answer into one form, whatever their shape.
func (a shaped) table(t *testing.T, shape string) (rows [][]any) {
	t.Helper()
	switch shape {
	case "arrays":
		if err := json.Unmarshal(a.Rows, &rows); err != nil {
			t.Fatal(err)
		}
	case "objects":
		var list []map[string]any
		if err := json.Unmarshal(a.Rows, &list); err != nil {
			t.Fatal(err)
		}
		for _, object := range list {
			row := make([]any, len(a.Columns))
			for i, name := range a.Columns {
				row[i] = object[name]
			}
			rows = append(rows, row)
		}
	case "columns":
		var columns map[string][]any
		if err := json.Unmarshal(a.Rows, &columns); err != nil || len(columns) != len(a.Columns) {
			t.Fatal(err, string(a.Rows))
		}
		rows = make([][]any, a.Count)
		for i := range rows {
			for _, name := range a.Columns {
				rows[i] = append(rows[i], columns[name][i])
			}
		}
	}
	return rows
}

// shapeFixture stores a dataset with bars and indicators, a run with predictions, and a simulation with trades and a trace.
func shapeFixture(t *testing.T) (h *seriesHarness, dataset, run, simulation string) {
	t.Helper()
	h = newSeries(t)
	h.sql(
		`create table $_ohlcv (timestamp timestamp, open double, high double, low double, close double, volume double) timestamp(timestamp) partition by month wal`,
		`insert into $_ohlcv select (1704067200000000L + x * 3600000000L)::timestamp, x, x + 1, x - 1, x, 1 from long_sequence(300)`,
		`create table $_ind (timestamp timestamp, rsi_14 double, n long) timestamp(timestamp) partition by month wal`,
		`insert into $_ind select (1704067200000000L + x * 3600000000L)::timestamp, case when x % 7 = 0 then null else x % 13 end, x from long_sequence(300)`,
		`create table $_pred (timestamp timestamp, bar_index long, fold_number long, prediction double) timestamp(timestamp) partition by month wal`,
		`insert into $_pred select (1704067200000000L + x * 3600000000L)::timestamp, x, x / 100, x % 17 from long_sequence(300)`,
		`create table $_trace (timestamp timestamp, return_pct double, side_label symbol) timestamp(timestamp) partition by month wal`,
		`insert into $_trace select (1704067200000000L + x * 3600000000L)::timestamp, x % 5 - 2, 'long' from long_sequence(300)`,
	)
	d := h.dataset(h.prefix, h.table("ind"), ptr(h.table("ohlcv")))
	r := h.run(d, h.table("pred"), "")
	s := h.simulation(d, r, h.table("trace"), "", `{}`)
	return h, "/api/datasets/" + d.String(), "/api/runs/" + r.String(), "/api/simulations/" + s.String()
}

// docs/series.md: every route with rows has them in each shape under the same names, and with points or width downsampled.
func TestShapes(t *testing.T) {
	t.Parallel()
	h, dataset, run, simulation := shapeFixture(t)
	older := strings.NewReplacer("/api/runs/", "/api/walkforward/runs/", "/api/simulations/", "/api/tradesim/runs/")
	for _, path := range []string{
		dataset + "/ohlcv?", dataset + "/ohlcv?interval=1d&", dataset + "/indicators?", dataset + "/indicators?aligned=true&", dataset + "/series?",
		dataset + "/index_map?start_idx=2&end_idx=9&", run + "/predictions?", older.Replace(run) + "/predictions?", simulation + "/trace?",
		older.Replace(simulation) + "/trace?", simulation + "/equity?", simulation + "/equity?order=entry&",
	} {
		tables := map[string]string{}
		for _, shape := range []string{"objects", "arrays", "columns"} {
			res := h.get(path + "shape=" + shape)
			var answer shaped
			if err := json.Unmarshal([]byte(readBody(t, res)), &answer); err != nil || res.StatusCode != 200 || res.Header.Get("Content-Type") != "application/vnd.foldbook.rows+json" {
				t.Fatalf("%s in %s: %d %s %v %s", path, shape, res.StatusCode, res.Header.Get("Content-Type"), err, readBody(t, res))
			}
			rows := answer.table(t, shape)
			if tables[shape] = fmt.Sprint(rows); len(rows) != answer.Count || answer.Count == 0 || tables[shape] != tables["objects"] {
				t.Errorf("%s in %s: %d rows of %d, which are not those in objects", path, shape, len(rows), answer.Count)
			}
		}
		for query, message := range map[string]string{
			"shape=table": "parameter shape is not objects, arrays or columns", "shape=arrays&format=csv": "parameter shape goes with format=json",
		} {
			h.refused(path+query, 400, "invalid_parameter", message)
		}
	}
	for _, path := range []string{
		dataset + "/ohlcv?", dataset + "/indicators?", dataset + "/series?", run + "/predictions?", run + "/predictions?fold=1&", simulation + "/trace?",
		simulation + "/equity?", simulation + "/equity?order=entry&",
	} {
		var all, points shaped
		if err := json.Unmarshal([]byte(readBody(t, h.get(path+"shape=arrays"))), &all); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(readBody(t, h.get(path+"shape=arrays&width=10"))), &points); err != nil {
			t.Fatal(err)
		}
		if points.Pixels != 10 || points.Total != all.Count || points.Count >= all.Count || points.Count < 10 {
			t.Errorf("%s: %d of %d rows, and %d of %d points in %d pixel columns", path, all.Count, all.Total, points.Count, points.Total, points.Pixels)
		}
		known := map[string]bool{}
		for _, row := range all.table(t, "arrays") {
			known[fmt.Sprint(row)] = true
		}
		for _, row := range points.table(t, "arrays") {
			if !known[fmt.Sprint(row)] {
				t.Errorf("%s: the point %v is no row", path, row)
			}
		}
	}
}

// A curve by exits is downsampled by the exits, and one of bars by the bars.
func TestEquityPoints(t *testing.T) {
	t.Parallel()
	h, dataset, run, _ := shapeFixture(t)
	var trades []string
	for i := range 200 { // the earlier one enters, the later it exits
		at := int64(midnight + (i+1)*hourMS)
		trades = append(trades, tradeOf(`"long"`, float64(i%9-4), 100, at, midnight+int64(600-i)*hourMS, ""))
	}
	path := h.traded(uuid.MustParse(dataset[len("/api/datasets/"):]), uuid.MustParse(run[len("/api/runs/"):]), strings.Join(trades, ",")) + "/equity?shape=columns"
	for query, least := range map[string]int{"": 20, "&order=entry": 20, "&basis=mark": 20, "&basis=mark&every=day": 10} {
		all, points := h.object(path+query), h.object(path+query+"&width=10")
		if all["total_return_pct"] != points["total_return_pct"] || all["max_drawdown_pct"] != points["max_drawdown_pct"] || points["total"] != all["count"] {
			t.Errorf("%s: the curve is another one: %v of %v", query, points["total_return_pct"], all["total_return_pct"])
		}
		if n := int(points["count"].(float64)); n < least || n > 240 || n > int(all["count"].(float64)) {
			t.Errorf("%s: %d points of %v", query, n, all["count"])
		}
	}
}
