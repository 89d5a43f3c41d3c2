package api_test

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestFeaturesAndTargets(t *testing.T) {
	t.Parallel()
	h := newSeries(t)
	h.sql(`create table $_ind (timestamp timestamp, timestamp_ms long, "Date" double, "Time" double, date_i long, open double, volume double, rsi_14 double, hma float, n int, flag boolean, note symbol, "TGT_315" double, target_x double) timestamp(timestamp) partition by month wal`)
	id := h.dataset(h.prefix, h.table("ind"), nil).String()
	for _, base := range []string{"/api/datasets/", "/api/indicators/datasets/"} {
		head := `{"count":%d,"dataset_id":"` + id + `",`
		h.want(base+id+"/features", 200, fmt.Sprintf(head, 3)+`"features":[{"name":"rsi_14","type":"DOUBLE"},{"name":"hma","type":"FLOAT"},{"name":"n","type":"INT"}],"measurement":"`+h.table("ind")+`"}`)
		h.want(base+id+"/targets", 200, fmt.Sprintf(head, 2)+`"measurement":"`+h.table("ind")+`","targets":[{"name":"TGT_315","type":"DOUBLE"},{"name":"target_x","type":"DOUBLE"}]}`)
	}
	h.want("/api/datasets/"+id+"/indicators?columns=rsi_14", 200, `{"measurement":"`+h.table("ind")+
		`","columns":["timestamp_ms","rsi_14"],"rows":[],"count":0,"total":0,"truncated":false,"limit":200000,"offset":0,"next":null}`)
	h.want("/api/datasets/"+id+"/indicators?columns=rsi_14&format=csv", 200, "timestamp_ms,rsi_14")
	h.want("/api/datasets/"+id+"/series?columns=rsi_14&points=100", 200, `{"dataset_id":"`+id+`","measurement":"`+h.table("ind")+
		`","pixel_columns":25,"pixel_start_us":0,"pixel_width_us":1,"columns":["timestamp_ms","rsi_14"],"rows":[],"count":0,"total":0,"truncated":false,"limit":null,"offset":0,"next":null,"next_offset":null}`)
	h.want("/api/datasets/"+id+"/histogram?column=rsi_14", 200, `{"column":"rsi_14","count":0,"nulls":0,"min":null,"max":null,"mean":null,"stddev":null,"bins":[]}`)
}

func TestHistogram(t *testing.T) {
	t.Parallel()
	h := newSeries(t)
	h.sql(
		`create table $_ind (timestamp timestamp, dataset symbol, x double, n long, s symbol) timestamp(timestamp) partition by month wal`,
		`insert into $_ind values (0, '$', 20, 1, 'a'), (1000, '$', 40, 1, 'a'), (2000, '$', null, null, 'a'), (3000, '$', 39.5, 1, 'a'), (4000, '$', 60, 1, 'a'), (5000, 'other', 1000, 7, 'a')`,
	)
	base := "/api/datasets/" + h.dataset(h.prefix, h.table("ind"), nil).String()
	h.want(base+"/histogram?column=X&bins=2", 200, `{"column":"x","count":4,"nulls":1,"min":20,"max":60,"mean":39.875,"stddev":16.33184517030047,"bins":[{"lo":20,"hi":40,"count":2},{"lo":40,"hi":60,"count":2}]}`)
	h.want(base+"/histogram?column=x&bins=2&min=30&max=50&end_ts=1970-01-01T00:00:00.003Z", 200, `{"column":"x","count":2,"nulls":1,"min":39.5,"max":40,"mean":39.75,"stddev":0.3535533905932738,"bins":[{"lo":30,"hi":40,"count":1},{"lo":40,"hi":50,"count":1}]}`)
	h.want(base+"/histogram?column=n&bins=9", 200, `{"column":"n","count":4,"nulls":1,"min":1,"max":1,"mean":1,"stddev":0,"bins":[{"lo":1,"hi":1,"count":4}]}`)
	h.want(base+"/series?columns=n&bins=1&limit=2", 200, `{"dataset_id":"`+base[14:]+`","measurement":"`+h.table("ind")+`","columns":["timestamp_ms","n"],"rows":[[0,1],[1,1]],"count":2,"total":5,"truncated":true,"limit":2,"offset":0,"next":"`+
		h.next(base+"/series?columns=n&bins=1&limit=2")+`","next_offset":2,"histograms":{"n":{"column":"n","count":4,"nulls":1,"min":1,"max":1,"mean":1,"stddev":0,"bins":[{"lo":1,"hi":1,"count":4}]}}}`)
	for query, message := range map[string]string{
		"":                     "parameter column is missing",
		"column=y":             `parameter column names "y", which the table does not have`,
		"column=s":             `parameter column names "s", which is not numeric`,
		"column=x&bins=0":      "parameter bins is not from 1 to 1000",
		"column=x&bins=1001":   "parameter bins is not from 1 to 1000",
		"column=x&min=2&max=1": "parameter min is above max",
		"column=x&min=NaN":     "parameter min is not a finite number",
		"column=x&max=x":       "parameter max is not a number",
	} {
		h.refused(base+"/histogram?"+query, 400, "invalid_parameter", message)
	}
}

// next is the cursor of an answer.
func (h *seriesHarness) next(path string) string {
	h.t.Helper()
	var answer struct{ Next string }
	if err := json.Unmarshal([]byte(readBody(h.t, h.get(path))), &answer); err != nil {
		h.t.Fatal(err)
	}
	return answer.Next
}

// Pages by cursor are the whole series, each row once, also where several rows have one time.
func TestCursorPages(t *testing.T) {
	t.Parallel()
	h := newSeries(t)
	h.sql(
		`create table $_sim (timestamp timestamp, simulation_id symbol, trade_index long) timestamp(timestamp) partition by month wal`,
		`insert into $_sim select ((x / 7) * 1000000L)::timestamp, 's', x from long_sequence(50)`,
	)
	dataset := h.dataset(h.prefix, "nowhere", nil)
	path := "/api/simulations/" + h.simulation(dataset, h.run(dataset, "nowhere", ""), h.table("sim"), "", `{}`).String() + "/trace"
	type answer struct {
		Rows []struct {
			Index int64 `json:"trade_index"`
		}
		Count, Total int
		Truncated    bool
		Next         *string
	}
	for _, desc := range []string{"", "&desc=true"} {
		for _, size := range []int{1, 3, 7, 49, 50} {
			var got []int64
			query := fmt.Sprintf("?limit=%d%s", size, desc)
			for cursor := ""; ; {
				var a answer
				if err := json.Unmarshal([]byte(readBody(t, h.get(path+query+cursor))), &a); err != nil {
					t.Fatal(err)
				}
				if a.Total != 50 || a.Count != len(a.Rows) {
					t.Fatalf("a page of %d says %d of %d", len(a.Rows), a.Count, a.Total)
				}
				for _, row := range a.Rows {
					got = append(got, row.Index)
				}
				if a.Next == nil {
					break
				}
				cursor = "&cursor=" + *a.Next
			}
			if desc == "" && !slices.IsSorted(got) || len(slices.Compact(slices.Sorted(slices.Values(got)))) != 50 || len(got) != 50 {
				t.Errorf("pages of %d%s: %v", size, desc, got)
			}
		}
	}
}

func TestPredictions(t *testing.T) {
	t.Parallel()
	h := newSeries(t)
	h.sql(
		`create table $_wf (timestamp timestamp, bar_index long, fold_number long, prediction double, target_value double, long_threshold double, fold_score double, fold_profit_factor double) timestamp(timestamp) partition by month wal`,
		`insert into $_wf values ('2024-01-24T16:00:00Z', 654, 0, 0.65, 0.62, 0.41, 0.0009, 1.5), ('2024-01-24T17:00:00Z', 655, 1, 0.5, null, 0.41, 0.0008, 1.5)`,
		`create table $_all (timestamp timestamp, run_id symbol, fold symbol, dataset symbol, target symbol, bar_index long, prediction double, target_value double, score double) timestamp(timestamp) partition by month wal`,
	)
	dataset := h.dataset(h.prefix, "nowhere", nil)
	own := h.run(dataset, h.table("wf"), "").String()
	byID, byName := h.run(dataset, h.table("all"), "").String(), h.run(dataset, h.table("all"), "named").String()
	h.sql(`insert into $_all values (0, '` + byID + `', '0', 'd', 'TGT', 7, 0.1, 0.2, 3), (1000, 'named', '1', 'd', 'TGT', 8, 0.3, 0.4, 5), (2000, '` + byName + `', 'x', 'd', 'TGT', 9, 0.5, 0.6, 7)`)
	csv := "timestamp_ms,bar_index,fold_number,prediction,target,long_threshold,score\n1706112000000,654,0,0.65,0.62,0.41,0.0009\n"
	h.want("/api/runs/"+own+"/predictions", 200, csv+"1706115600000,655,1,0.5,,0.41,0.0008")
	h.want("/api/runs/"+own+"/predictions?fold=0", 200, csv[:len(csv)-1])
	h.want("/api/walkforward/runs/"+own+"/predictions?fold=1&columns=prediction,fold_profit_factor", 200, `{"run_id":"`+own+`","measurement":"`+h.table("wf")+
		`","columns":["timestamp_ms","prediction","fold_profit_factor"],"dataset":[[1706115600000,0.5,1.5]],"count":1,"total":1,"truncated":false,"limit":null,"offset":0,"next":null}`)
	folds := `"folds":[{"fold_number":0,"train_start_idx":0,"train_end_idx":5,"test_start_idx":5,"test_end_idx":7,"thresholds":{"long_optimal": 0.4}},` +
		`{"fold_number":1,"train_start_idx":2,"train_end_idx":7,"test_start_idx":7,"test_end_idx":9,"thresholds":{}}]}`
	h.want("/api/runs/"+own+"/predictions?with=folds&limit=0", 200, `{"run_id":"`+own+`","measurement":"`+h.table("wf")+
		`","columns":["timestamp_ms","bar_index","fold_number","prediction","target","long_threshold","score"],"dataset":[],"count":0,"total":2,"truncated":true,"limit":0,"offset":0,"next":null,`+folds)
	h.want("/api/runs/"+byID+"/predictions", 200, "timestamp_ms,bar_index,fold_number,prediction,target,score\n0,7,0,0.1,0.2,3")
	h.want("/api/runs/"+byName+"/predictions", 200, "timestamp_ms,bar_index,fold_number,prediction,target,score\n1,8,1,0.3,0.4,5\n2,9,,0.5,0.6,7")
	h.want("/api/runs/"+byName+"/predictions?fold=1&format=ndjson", 200, `{"timestamp_ms":1,"bar_index":8,"fold_number":1,"prediction":0.3,"target":0.4,"score":5}`)
	h.refused("/api/runs/"+own+"/predictions?fold=-1", 400, "invalid_parameter", "parameter fold is below 0")
	h.refused("/api/runs/"+own+"/predictions?with=trades", 400, "invalid_parameter", "parameter with is not folds, or cannot be combined with this format: only JSON can include them")
	h.refused("/api/runs/"+own+"/predictions?with=folds&format=csv", 400, "invalid_parameter", "parameter with is not folds, or cannot be combined with this format: only JSON can include them")
	h.refused("/api/runs/"+unknown.String()+"/predictions", 404, "not_found", "run "+unknown.String()+" does not exist")
	h.refused("/api/runs/"+h.run(dataset, "", "").String()+"/predictions", 404, "measurement_not_found", "QuestDB has no table ")
}

func TestEquity(t *testing.T) {
	t.Parallel()
	h := newSeries(t)
	h.sql(
		`create table $_sim (timestamp timestamp, simulation_id symbol, side_label symbol, trade_index long, return_pct double, exit_timestamp_unix long) timestamp(timestamp) partition by month wal`,
		`insert into $_sim values (1000000L, 's', 'long', 0, 2, 2), (2000000L, 's', 'short', 1, -3.5, 3), (3000000L, 's', 'long', 2, 0.5, 4)`,
	)
	dataset := h.dataset(h.prefix, "nowhere", nil)
	run := h.run(dataset, "nowhere", "")
	good := h.simulation(dataset, run, h.table("sim"), "", `{"total_return_pct": -1.0, "max_drawdown_pct": -3.5}`)
	bad := h.simulation(dataset, run, h.table("sim"), "", `{"total_return_pct": -1.06, "max_drawdown_pct": "n/a"}`)
	for _, sim := range []string{good.String(), bad.String()} {
		for i, trade := range []string{`2, '{"exit_timestamp": 2000}'`, `-3.5, '{"exit_timestamp": 3000.0}'`, `0.5, '{"exit_timestamp": "soon"}'`} {
			h.exec(fmt.Sprintf(`INSERT INTO simulation_trades (simulation_id, bar_timestamp, side, size, entry_price, return_pct, metadata) VALUES ($1, to_timestamp(%d), 'long', 1, 1, %s)`, i+1, trade), sim)
		}
	}
	want := func(id, source, measurement, sides, exit, warnings string) string {
		side := strings.Split(sides, " ")
		return `{"simulation_id":"` + id + `","source":"` + source + `","measurement":` + measurement + `,"columns":["timestamp_ms","exit_timestamp_ms","side","return_pct","cumulative_return_pct","drawdown_pct"],"rows":[` +
			`{"timestamp_ms":1000,"exit_timestamp_ms":2000,"side":"` + side[0] + `","return_pct":2,"cumulative_return_pct":2,"drawdown_pct":0},` +
			`{"timestamp_ms":2000,"exit_timestamp_ms":3000,"side":"` + side[1] + `","return_pct":-3.5,"cumulative_return_pct":-1.5,"drawdown_pct":-3.5},` +
			`{"timestamp_ms":3000,"exit_timestamp_ms":` + exit + `,"side":"` + side[2] + `","return_pct":0.5,"cumulative_return_pct":-1,"drawdown_pct":-3}],` +
			`"count":3,"total":3,"total_return_pct":-1,"max_drawdown_pct":-3.5,"max_drawdown_timestamp_ms":3000,"warnings":[` + warnings + `]}`
	}
	base := "/api/simulations/"
	h.want(base+good.String()+"/equity", 200, want(good.String(), "trades", "null", "long long long", "null", ""))
	h.want(base+good.String()+"/equity?source=trace", 200, want(good.String(), "trace", `"`+h.table("sim")+`"`, "long short long", "4000", ""))
	warning := `"summary_metrics has total_return_pct -1.06, the trades come to -1"`
	h.want(base+bad.String()+"/equity?source=trades", 200, want(bad.String(), "trades", "null", "long long long", "null", warning))
	h.exec(`UPDATE simulation_trades SET return_pct = 1.5e308 WHERE simulation_id = $1`, bad)
	var sums struct {
		Total float64 `json:"total_return_pct"`
	}
	if text, err := io.ReadAll(h.get(base + bad.String() + "/equity?source=trades").Body); err != nil || json.Unmarshal(text, &sums) != nil || sums.Total != math.MaxFloat64 {
		t.Errorf("returns that add up to more than a number can be: %v, %s", err, text)
	}
	h.exec(`DELETE FROM simulation_trades WHERE simulation_id = $1`, good)
	h.want(base+good.String()+"/equity", 200, want(good.String(), "trace", `"`+h.table("sim")+`"`, "long short long", "4000", ""))
	h.want(base+good.String()+"/equity?source=trades&format=csv", 200, "timestamp_ms,exit_timestamp_ms,side,return_pct,cumulative_return_pct,drawdown_pct")
	h.refused(base+good.String()+"/equity?source=both", 400, "invalid_parameter", "parameter source is not trades or trace")
	h.refused(base+unknown.String()+"/equity", 404, "not_found", "simulation "+unknown.String()+" does not exist")
}

// Candles are those that are put together from the bars by hand, and begin at multiples of their length in UTC.
func TestCandles(t *testing.T) {
	t.Parallel()
	h := newSeries(t)
	h.sql(
		`create table $_ohlcv (timestamp timestamp, open double, high double, low double, close double, volume double) timestamp(timestamp) partition by month wal`,
		`insert into $_ohlcv select timestamp_sequence('2024-02-26T22:00:00Z', 3600000000L), 100 + x % 7, 110 + x % 11, 90 - x % 13, 100 + (x + 1) % 7, x from long_sequence(200)`,
	)
	id := h.dataset(h.prefix, "nowhere", nil).String()
	start := time.Date(2024, 2, 26, 22, 0, 0, 0, time.UTC)
	for interval, floor := range map[string]func(time.Time) time.Time{
		"1h": func(t time.Time) time.Time { return t },
		"4h": func(t time.Time) time.Time { return t.Truncate(4 * time.Hour) },
		"1d": func(t time.Time) time.Time { return t.Truncate(24 * time.Hour) },
		"1w": func(t time.Time) time.Time { return t.Truncate(24*time.Hour).AddDate(0, 0, -(int(t.Weekday())+6)%7) },
		"1M": func(t time.Time) time.Time { return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC) },
	} {
		var want [][6]float64
		for x := 1; x <= 200; x++ {
			begin := float64(floor(start.Add(time.Duration(x-1) * time.Hour)).UnixMilli())
			open, high, low, last, volume := float64(100+x%7), float64(110+x%11), float64(90-x%13), float64(100+(x+1)%7), float64(x)
			if n := len(want); n > 0 && want[n-1][0] == begin {
				c := &want[n-1]
				c[2], c[3], c[4], c[5] = max(c[2], high), min(c[3], low), last, c[5]+volume
				continue
			}
			want = append(want, [6]float64{begin, open, high, low, last, volume})
		}
		var answer struct {
			Rows         []map[string]any
			Total, Count int
		}
		if err := json.Unmarshal([]byte(readBody(t, h.get("/api/datasets/"+id+"/ohlcv?partial=true&interval="+interval))), &answer); err != nil {
			t.Fatal(err)
		}
		var got [][6]float64
		for _, r := range answer.Rows {
			n := func(name string) float64 { return r[name].(float64) }
			got = append(got, [6]float64{n("timestamp_ms"), n("open"), n("high"), n("low"), n("close"), n("volume")})
		}
		if diff := cmp.Diff(want, got); diff != "" || answer.Total != len(want) || answer.Count != len(want) {
			t.Errorf("interval %s: %d of %d (-want +got):\n%s", interval, answer.Count, answer.Total, diff)
		}
	}
	h.want("/api/datasets/"+id+"/ohlcv?interval=1d&desc=true&limit=1&offset=1&columns=close&format=csv&partial=true", 200, "timestamp_ms,close,partial\n1709596800000,106,false")
	if res := h.get("/api/datasets/" + id + "/ohlcv?interval=1d&desc=true&limit=1&offset=1&format=csv"); res.Header.Get("X-Total-Count") != "8" {
		t.Errorf("total %s, want 8", res.Header.Get("X-Total-Count"))
	}
}

// sampled is an answer that was thinned out.
type sampled struct {
	Rows         [][]*float64
	Columns      []string
	Count, Total int
	Pixels       int64 `json:"pixel_columns"`
	Start        int64 `json:"pixel_start_us"`
	Width        int64 `json:"pixel_width_us"`
}

// envelope is what a chart shows of one series in one pixel column.
type envelope struct{ First, Low, High, Last float64 }

// envelopes are those of a column of rows, NaN where a pixel column has rows and no value. It fails on rows out of order.
func envelopes(t testing.TB, rows [][]*float64, column int, start, width int64) map[int64]envelope {
	t.Helper()
	found := map[int64]envelope{}
	last := math.Inf(-1)
	for _, row := range rows {
		if *row[0] < last {
			t.Fatalf("the row of %v comes behind %v", *row[0], last)
		}
		last = *row[0]
		pixel := (int64(last)*1000 - start) / width
		e, ok := found[pixel]
		if !ok {
			e = envelope{math.NaN(), math.NaN(), math.NaN(), math.NaN()}
		}
		if x := row[column]; x != nil {
			if math.IsNaN(e.First) {
				e = envelope{*x, *x, *x, *x}
			}
			e = envelope{e.First, min(e.Low, *x), max(e.High, *x), *x}
		}
		found[pixel] = e
	}
	return found
}

// Of each pixel column and series the chart is that of all rows: first, lowest, highest and last value; every row is a real
// one, at most four a series; where there are no rows, or no values, nothing is made up.
func TestThinnedOut(t *testing.T) {
	t.Parallel()
	h := newSeries(t)
	h.sql(
		`create table $_ind (timestamp timestamp, a double, b double, n long, s symbol) timestamp(timestamp) partition by month wal`,
		// Gaps in time, runs without values, several rows of one time, a walk, a spike and a constant.
		`insert into $_ind select ((x + case when x > 9000 then 30000 else 0 end) / 3 * 3 * 1000000L)::timestamp,
			case when x % 1000 > 600 then null else sin(x / 300.0) * 50 + rnd_double(1) end, case when x = 7777 then 1e9 when x < 4000 then null else 1 end, x % 17, 's' from long_sequence(25000)`,
	)
	base := "/api/datasets/" + h.dataset(h.prefix, h.table("ind"), nil).String() + "/series?columns=a,b,n"
	for _, window := range []string{"", "&start_ts=2000000&end_ts=41000000", "&start_ts=12000000", "&end_ts=3000"} {
		h.checkThin(base+window, "width=1", "width=7", "points=400", "width=1000", "width=20000")
	}
	var one sampled
	if err := json.Unmarshal([]byte(readBody(t, h.get(base[:len(base)-4]+"&points=400"))), &one); err != nil || one.Count > 400 {
		t.Errorf("400 points of one series are %d (%v)", one.Count, err)
	}
}

// The same where there are so many rows that QuestDB finds the points: in a table of its own and in a shared one, with
// several rows of one time, gaps in time, and values that come again and again.
func TestThinnedOutByTheServer(t *testing.T) {
	t.Parallel()
	h := newSeries(t)
	h.sql(
		`create table $_ind (timestamp timestamp, a double, b float, n long, i int, sh short, dataset_id symbol) timestamp(timestamp) partition by month wal`,
		`insert into $_ind select ((x + case when x > 90000 then 300000 else 0 end) / 3 * 3 * 1000000L)::timestamp,
			sin(x / 300.0) * 50 + rnd_double(), case when x = 77777 then 1e9f else 1 end, x % 17, (x % 1000)::int, (x % 5)::short, case when x % 10 = 0 then 'other' else '`+h.prefix+`' end from long_sequence(140000)`,
	)
	base := "/api/datasets/" + h.dataset(h.prefix, h.table("ind"), nil).String() + "/series?columns="
	h.checkThin(base+"a,b,n,i,sh", "width=1", "width=7", "points=40")
	h.checkThin(base+"a&start_ts=3000000&end_ts=435000000", "points=80")
}

// checkThin compares what is thinned out to several sizes with all rows.
func (h *harness) checkThin(address string, sizes ...string) {
	t := h.t
	t.Helper()
	var full sampled
	if err := json.Unmarshal([]byte(readBody(t, h.get(address+"&limit=200000"))), &full); err != nil {
		t.Fatal(err)
	}
	series := len(full.Columns) - 1
	byTime := map[float64][][]*float64{}
	for _, row := range full.Rows {
		byTime[*row[0]] = append(byTime[*row[0]], row)
	}
	real := func(row []*float64) bool {
		return slices.ContainsFunc(byTime[*row[0]], func(other []*float64) bool {
			return slices.EqualFunc(row, other, func(a, b *float64) bool { return a == nil && b == nil || a != nil && b != nil && *a == *b })
		})
	}
	for _, size := range sizes {
		var got sampled
		if err := json.Unmarshal([]byte(readBody(t, h.get(address+"&"+size))), &got); err != nil {
			t.Fatal(err)
		}
		if got.Total != full.Total || got.Count != len(got.Rows) || got.Count > full.Count {
			t.Errorf("%s, %s: %d rows, said to be %d of %d; all are %d", address, size, len(got.Rows), got.Count, got.Total, full.Total)
		}
		perPixel := map[int64]int{}
		for _, row := range got.Rows {
			if !real(row) {
				text, _ := json.Marshal(row)
				t.Fatalf("%s, %s: %s is no row", address, size, text)
			}
			perPixel[(int64(*row[0])*1000-got.Start)/got.Width]++
		}
		for pixel, n := range perPixel {
			if n > 4*series || pixel < 0 || pixel >= got.Pixels {
				t.Errorf("%s, %s: %d rows in pixel column %d of %d", address, size, n, pixel, got.Pixels)
			}
		}
		for column := 1; column <= series; column++ {
			want := envelopes(t, full.Rows, column, got.Start, got.Width)
			if diff := cmp.Diff(want, envelopes(t, got.Rows, column, got.Start, got.Width), cmp.Comparer(func(a, b float64) bool { return a == b || a != a && b != b })); diff != "" {
				t.Errorf("%s, %s, column %s (-want +got):\n%.600s", address, size, full.Columns[column], diff)
			}
		}
	}
}

// A manifest has the interval of the bars even when nobody said it.
func TestManifestInterval(t *testing.T) {
	t.Parallel()
	h := newSeries(t)
	own, _ := threeRows(h)
	interval := func() (answer struct {
		Interval int64 `json:"bar_interval_ms"`
	}) {
		if err := json.Unmarshal([]byte(readBody(t, h.get(own+"/manifest"))), &answer); err != nil {
			t.Fatal(err)
		}
		return answer
	}
	if got := interval().Interval; got != 7200000 {
		t.Errorf("bars of one and two hours apart have the interval %d", got)
	}
	h.sql(`drop table $_ohlcv`)
	eventually(t, "the interval is that of the indicators", func() bool { return interval().Interval == 3600000 || interval().Interval == 3599999 })
	h.exec(`UPDATE indicator_datasets SET granularity = '4h' WHERE questdb_tag = $1`, h.prefix)
	if got := interval().Interval; got != 14400000 {
		t.Errorf("the interval of 4h is %d", got)
	}
}
