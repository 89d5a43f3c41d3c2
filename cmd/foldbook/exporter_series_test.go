package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"foldbook/internal/testdb"
)

const (
	exportedBars = 12000
	lookback     = 48
	firstBar     = int64(1704067200000)
	barLength    = int64(3600000)
)

var foldTimes = []string{"train_start_ts_ms", "train_end_ts_ms", "test_start_ts_ms", "test_end_ts_ms"}

// bars are what the client sends of a chart.
func exportedOhlcv() []object {
	r := rand.New(rand.NewPCG(3, 3))
	list := make([]object, exportedBars)
	for i := range list {
		open, end := 42000+float(r), 42000+float(r)
		list[i] = object{"timestamp": firstBar + int64(i)*barLength, "open": open, "high": max(open, end) + 1, "low": min(open, end) - 1, "close": end, "volume": float(r) * float(r)}
	}
	return list
}

// exportedIndicators are what it sends of a frame: values that are not finite are left out.
func exportedIndicators() []object {
	r := rand.New(rand.NewPCG(4, 4))
	list := make([]object, exportedBars-lookback)
	for i := range list {
		ms := firstBar + int64(i+lookback)*barLength
		at := time.UnixMilli(ms).UTC()
		row := object{"timestamp": ms, "Date": float64(at.Year()*10000 + int(at.Month())*100 + at.Day()), "Time": float64(at.Hour() * 10000), "PRICE_MI": float(r)}
		for c := range 20 {
			if (i+c)%17 > 0 {
				row[fmt.Sprintf("feature_%d", c)] = float(r)
			}
		}
		if i < len(list)-4 {
			row["TGT_315"] = float(r)
		}
		list[i] = row
	}
	return list
}

// append sends rows in batches of 10,000, one after the other.
func (e *exporter) append(path string, rows []object) {
	e.t.Helper()
	for i := 0; i < len(rows); i += 10_000 {
		batch := rows[i:min(i+10_000, len(rows))]
		_, answer := e.call(http.MethodPost, path, object{"rows": batch}, false)
		if a := answer.(object); a["success"] != true || a["rows_written"] != json.Number(fmt.Sprint(len(batch))) {
			e.t.Errorf("POST %s: %v", path, a)
		}
	}
}

// same requires that rows which were read are those that were sent, cell by cell; renamed has names that answers use.
func (e *exporter) same(what string, sent []object, got []any, columns []string, renamed map[string]string) {
	e.t.Helper()
	if len(got) != len(sent) {
		e.t.Errorf("%s: %d rows, sent were %d", what, len(got), len(sent))
		return
	}
	for i, row := range got {
		want := object{}
		for _, name := range columns {
			want[name] = nil
		}
		for name, v := range asRead(e.t, sent[i]).(object) {
			if other, ok := renamed[name]; ok {
				name = other
			}
			want[name] = v
		}
		if diff := cmp.Diff(want, row, sameNumber); diff != "" {
			e.t.Fatalf("%s: row %d (-sent +read):\n%s", what, i, diff)
		}
	}
}

// exportRows sends bars and indicators, and reads every value back, as the client's windows and the dashboard do.
func (e *exporter) exportRows() {
	e.t.Helper()
	bars, indicators := exportedOhlcv(), exportedIndicators()
	e.append("/api/datasets/"+exportedDataset+"/ohlcv/append", bars)
	e.append("/api/datasets/"+exportedDataset+"/indicators/append", indicators)
	for name, c := range map[string]struct {
		sent  []object
		table string
	}{"ohlcv": {bars, "_ohlcv"}, "indicators": {indicators, "_ind"}} {
		answer := e.get("/api/datasets/" + exportedDataset + "/" + name) // without parameters: all of it
		if answer["measurement"] != exportedSlug+c.table || answer["truncated"] != false {
			e.t.Errorf("%s: %v, truncated: %v", name, answer["measurement"], answer["truncated"])
		}
		var columns []string
		for _, column := range answer["columns"].([]any) {
			columns = append(columns, column.(string))
		}
		e.same(name, c.sent, answer["rows"].([]any), columns, map[string]string{"timestamp": "timestamp_ms"})
	}
	got := e.get("/api/datasets/" + exportedDataset)
	copies := got["metadata"].(object)
	for key, want := range map[string]int64{
		"ohlcv_row_count": exportedBars, "indicator_row_count": exportedBars - lookback, "ohlcv_first_ts": firstBar, "ohlcv_last_ts": firstBar + (exportedBars-1)*barLength,
		"first_indicator_ts": firstBar + lookback*barLength, "indicator_last_ts": firstBar + (exportedBars-1)*barLength,
	} {
		if got[key] != json.Number(fmt.Sprint(want)) {
			e.t.Errorf("the dataset: %s is %v, want %d", key, got[key], want)
		}
	}
	if diff := cmp.Diff(asRead(e.t, manifest()), any(copies)); diff != "" {
		e.t.Errorf("the manifest, whose counts are right (-sent +read):\n%s", diff)
	}
	if n := len(got["column_schema"].([]any)); n != 2+3+20+1 {
		e.t.Errorf("column_schema has %d columns", n)
	}
	rows := e.get("/api/datasets/" + exportedDataset + "/index_map?start_idx=0&end_idx=20000")["rows"].([]any)
	for i, row := range rows {
		if r := row.(object); r["index"] != json.Number(fmt.Sprint(i)) || r["timestamp_ms"] != json.Number(fmt.Sprint(indicators[i]["timestamp"])) {
			e.t.Fatalf("index_map: row %d is %v", i, r)
		}
	}
	if len(rows) != len(indicators) {
		e.t.Errorf("index_map has %d rows", len(rows))
	}
}

// checkFoldTimes requires the times of the rows that the folds begin and end with, as far as they are there, and takes
// them out.
func (e *exporter) checkFoldTimes(run string, generations ...[]any) {
	e.t.Helper()
	for _, folds := range generations {
		for i, f := range folds {
			fold := f.(object)
			last, _ := fold["test_end_idx"].(json.Number).Int64()
			for _, name := range foldTimes {
				index, _ := fold[strings.Replace(name, "_ts_ms", "_idx", 1)].(json.Number).Int64()
				want := any(json.Number(fmt.Sprint(firstBar + (index+lookback)*barLength)))
				if last > exportedBars-lookback {
					want = nil
				}
				if fold[name] != want {
					e.t.Errorf("run %s, fold %d: %s is %v, want %v", run, i, name, fold[name], want)
				}
				delete(fold, name)
			}
		}
	}
}

// predict sends the predictions of a run, with two folds on each of some bars, and reads them in every form.
func (e *exporter) predict(run string) {
	e.t.Helper()
	r := rand.New(rand.NewPCG(5, 5))
	var rows []object
	for i := range 12_000 {
		row := object{"timestamp_ms": firstBar + int64(i/2+lookback)*barLength, "bar_index": i / 2, "fold_number": i % 2, "prediction": float(r), "long_threshold": float(r), "short_threshold": float(r),
			"roc_threshold": float(r), "short_entry_threshold": float(r), "fold_score": float(r), "fold_profit_factor": float(r)}
		if i < 11_990 {
			row["target_value"] = float(r)
		}
		rows = append(rows, row)
	}
	e.append("/api/runs/"+run+"/predictions", rows)
	answer := e.get("/api/walkforward/runs/" + run + "/predictions")
	var columns []string
	for _, column := range answer["columns"].([]any) {
		columns = append(columns, column.(string))
	}
	var read []any
	for _, cells := range answer["dataset"].([]any) {
		row := object{}
		for i, cell := range cells.([]any) {
			row[columns[i]] = cell
		}
		read = append(read, row)
	}
	known := make([]object, len(rows)) // what the contract names
	for i, row := range rows {
		known[i] = object{}
		for name, v := range row {
			if name != "fold_profit_factor" {
				known[i][name] = v
			}
		}
	}
	e.same("predictions", known, read, columns, map[string]string{"target_value": "target", "fold_score": "score"})

	res, err := e.client.Get(e.url + "/api/runs/" + run + "/predictions")
	if err != nil {
		e.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	lines := csv.NewReader(res.Body)
	header, err := lines.Read()
	if err != nil {
		e.t.Fatal(err)
	}
	for i := 0; ; i++ {
		line, err := lines.Read()
		if err == io.EOF {
			if i != len(rows) {
				e.t.Errorf("%d lines of CSV, want %d", i, len(rows))
			}
			break
		} else if err != nil {
			e.t.Fatal(err)
		}
		at := map[string]string{}
		for c, name := range header {
			at[name] = line[c]
		}
		value, _ := strconv.ParseFloat(at["prediction"], 64)
		if at["timestamp_ms"] != fmt.Sprint(rows[i]["timestamp_ms"]) || value != rows[i]["prediction"] || (at["target"] == "") != (rows[i]["target_value"] == nil) {
			e.t.Fatalf("line %d of CSV is %v, sent was %v", i, line, rows[i])
		}
	}
}

// trace sends what a simulation did, and reads it back.
func (e *exporter) trace(simulation, run string) {
	e.t.Helper()
	r := rand.New(rand.NewPCG(6, 6))
	var rows []object
	for i := range 128 {
		entry := firstBar + int64(i/2+1000)*barLength
		rows = append(rows, object{"timestamp": entry, "trade_index": i, "fold_index": i % 7, "side_label": []string{"LONG", "SHORT"}[i%2], "is_long": 1 - i%2, "position_size": 1.5, "entry_price": 42000 + float(r),
			"exit_price": 42000 + float(r), "pnl": float(r), "return_pct": float(r), "entry_signal": float(r), "exit_signal": float(r), "exit_timestamp_unix": entry/1000 + 7200})
	}
	e.append("/api/simulations/"+simulation+"/trace", rows)
	for _, row := range rows { // from the simulation itself
		row["simulation_id"], row["run_id"], row["dataset_id"], row["mode"] = simulation, run, exportedDataset, "dual"
	}
	answer := e.get("/api/simulations/" + simulation + "/trace")
	e.same("trace", rows, answer["rows"].([]any), nil, map[string]string{"timestamp": "timestamp_ms"})
}

// The desktop client's whole sequence over both stores, twice: every value is read back, and the stores agree.
func TestExporterSeries(t *testing.T) {
	t.Parallel()
	environ, _ := seriesEnv(t)
	s := startProcess(t, append(environ, "POSTGRES_URL="+testdb.NewURL(t))...)
	s.waitFor(t, "/readyz", http.StatusOK)
	e := &exporter{t: t, url: s.url, fresh: true, series: true, client: &http.Client{Transport: &http.Transport{DisableCompression: true, ExpectContinueTimeout: time.Second}}}
	t.Cleanup(e.client.CloseIdleConnections)
	const small, large, simulation = "e1000000-0000-4000-8000-000000000312", "e1000000-0000-4000-8000-000000001000", "e3000000-0000-4000-8000-000000000001"
	for range 2 {
		e.exportDataset()
		e.exportRows()
		e.saveRun(small, 312)
		e.predict(small)
		e.saveRun(large, 1000)
		e.saveSimulation(simulation, small, 128)
		e.trace(simulation, small)
		e.lists(map[string]int{small: 312, large: 1000}, simulation)
		e.fresh = false
	}
	t.Logf("%d requests to %s", e.requests, s.url)
}
