package api_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/uuid"

	"foldbook/db"
	"foldbook/internal/testdb"
)

type figure struct {
	Value *float64
	Why   *string
}

func (f figure) String() string {
	if f.Value != nil {
		return fmt.Sprint(*f.Value)
	}
	return "null: " + *f.Why
}

type sheet struct {
	Basis          string
	Why            *string
	Days           []string
	Returns        []float64
	Figures        map[string]figure
	Trades         struct{ Figures map[string]figure }
	PeriodsPerYear *float64 `json:"periods_per_year"`
}

func (h *harness) read(path string, into any) {
	h.t.Helper()
	res := h.get(path)
	if text := readBody(h.t, res); res.StatusCode != 200 || json.Unmarshal([]byte(text), into) != nil {
		h.t.Fatalf("%s: %d %s", path, res.StatusCode, text)
	}
}

// statistics.md, Daily returns: they are the days of the marked curve, and are never of an earlier state of trades or bars.
func TestTearsheetIsOfTheMarkedDays(t *testing.T) {
	t.Parallel()
	h := newSeries(t)
	hourBars(h, "2024-01-01T00:00:00Z", 96) // each closes at its number
	dataset := h.dataset("x"+h.prefix, "nowhere", new(h.table("ohlcv")))
	run := testdb.Run(t, h.db.Queries, dataset, nil)
	path := h.traded(dataset, run, strings.Join([]string{
		tradeOf(`"long"`, 40, 30, midnight+29*hourMS, midnight+60*hourMS, ""), tradeOf(`"short"`, -10, 70, midnight+69*hourMS, midnight+80*hourMS, ""),
	}, ","))
	for range 2 { // computed, and then stored
		var got sheet
		h.read(path+"/tearsheet", &got)
		curve := h.equity(path + "/equity?basis=mark&every=day&compounding=true")
		if got.Basis != "mark" || got.Why != nil || fmt.Sprint(got.Days) != "[2024-01-02 2024-01-03 2024-01-04]" {
			t.Fatalf("%+v", got)
		}
		growth := 1.0
		for i, row := range curve.Rows[len(curve.Rows)-3:] {
			growth *= 1 + got.Returns[i]
			if want := row["cumulative_return_pct"].(float64); !close6(100*(growth-1), want) {
				t.Errorf("day %d: %v %%, the curve has %v", i, 100*(growth-1), want)
			}
		}
		if f := got.Figures["total_return"]; f.Value == nil || !close6(*f.Value, 1.4*0.9-1) {
			t.Errorf("total return = %v", f)
		}
		if f := got.Trades.Figures["profit_factor"]; f.Value == nil || !close6(*f.Value, 4) {
			t.Errorf("profit factor = %v", f)
		}
	}
	h.sql("insert into $_ohlcv values ('2024-01-02T23:30:00Z', 1, 1, 1, 45, 1)")
	var got sheet
	if h.read(path+"/tearsheet", &got); !close6(got.Returns[0], 0.5) {
		t.Errorf("after another bar the first day returned %v, want 45/30 - 1", got.Returns[0])
	}
	h.exec("UPDATE simulation_trades SET entry_price = 40 WHERE side = 'long'; UPDATE simulation_runs SET version = version + 1")
	if h.read(path+"/tearsheet", &got); !close6(got.Returns[0], 0.125) {
		t.Errorf("after another price the first day returned %v, want 45/40 - 1", got.Returns[0])
	}
	var stored float64
	if err := h.db.Pool.QueryRow(t.Context(), "SELECT returns[1] FROM simulation_returns").Scan(&stored); err != nil || !close6(stored, 0.125) {
		t.Errorf("stored is %v, %v", stored, err)
	}
}

// statistics.md, Daily returns: without bars trades count on the day on which they end, and the answer says so.
func TestTearsheetWithoutBars(t *testing.T) {
	t.Parallel()
	h := newSeries(t)
	dataset := h.dataset(h.prefix, "nowhere", nil)
	run := testdb.Run(t, h.db.Queries, dataset, nil)
	var got sheet
	h.read(h.traded(dataset, run, tradeOf(`"long"`, 10, 100, midnight, midnight+50*hourMS, ""))+"/tearsheet", &got)
	if got.Basis != "realised" || *got.Why != "no_bars" || fmt.Sprint(got.Days) != "[2024-01-01 2024-01-02 2024-01-03]" || !close6(got.Returns[2], 0.1) || got.Returns[1] != 0 {
		t.Errorf("%+v", got)
	}
	var empty sheet
	h.read(h.traded(dataset, run, "")+"/tearsheet", &empty)
	if f := empty.Figures["sharpe_per_day"]; f.Value != nil || *f.Why != "too_few_periods" || len(empty.Days) != 0 {
		t.Errorf("no trades: %+v", empty)
	}
	h.refused("/api/simulations/"+uuid.Nil.String()+"/tearsheet", 404, "not_found", "simulation "+uuid.Nil.String()+" does not exist")
	h.refused("/api/simulations/"+uuid.Nil.String()+"/tearsheet?window=2", 400, "invalid_parameter", "parameter window is not from 10 to 1000")
}

// trial stores a run of a search and its simulation, which earns so much in percent on each day, and returns the run's id.
func (h *harness) trial(dataset uuid.UUID, search string, depth int, percents []float64) string {
	h.t.Helper()
	run, simulation := uuid.New().String(), uuid.New().String()
	h.store("/api/runs", fmt.Sprintf(`{"run_id": %q, "dataset_id": %q, "search_id": %q, "name": "depth %d", "prediction_measurement": "p",
		"target_column": "up", "feature_columns": ["a", "b"], "hyperparameters": {"depth": %d, "nested": {"x": [1, 2]}}, "summary_metrics": {"pf": %d},
		"status": "COMPLETED", "folds": []}`, run, dataset, search, depth, depth, depth), 201)
	if percents == nil {
		return run
	}
	trades := make([]string, len(percents))
	for i, p := range percents {
		at := midnight + int64(i)*24*hourMS
		trades[i] = tradeOf(`"long"`, p, 100, at, at+hourMS, "")
	}
	h.store("/api/simulations", fmt.Sprintf(`{"simulation_id": %q, "run_id": %q, "dataset_id": %q, "mode": "dual", "status": "COMPLETED", "questdb_namespace": "none", "trades": [%s]}`,
		simulation, run, dataset, strings.Join(trades, ",")), 201)
	return run
}

type board struct {
	Trials struct {
		Recorded, Returns, Deleted int
	}
	Rows []struct {
		RunID   string `json:"run_id"`
		Rank    int
		Figures map[string]figure
	}
	Overfit        struct{ PBO figure }
	Incomparable   []struct{ Reasons []string }
	WithoutReturns []struct{ Status string } `json:"without_returns"`
	Warnings       []string
}

func noise(rng *rand.Rand, n int, mean float64) []float64 {
	list := make([]float64, n)
	for i := range list {
		list[i] = mean + rng.NormFloat64()
	}
	return list
}

// statistics.md, Trials: who deletes the losers does not make the winner better, and who repeats a run does not make it worse.
func TestDeletedTrialsCount(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	dataset := testdb.Dataset(t, h.db.Queries, nil)
	rng := rand.New(rand.NewPCG(1, 1))
	var losers []string
	winner := h.trial(dataset, "grid", 0, noise(rng, 120, 0.25))
	for i := range 11 {
		losers = append(losers, h.trial(dataset, "grid", i+1, noise(rng, 120, 0)))
	}
	h.trial(dataset, "grid", 100, nil) // failed before it traded
	h.trial(dataset, "another", 200, noise(rng, 120, 0))
	var before, after board
	h.read("/api/leaderboard?search_id=grid", &before)
	if before.Trials.Recorded != 13 || len(before.Rows) != 12 || len(before.WithoutReturns) != 1 || before.Rows[0].RunID != winner || before.Overfit.PBO.Value == nil {
		t.Fatalf("%+v", before)
	}
	var byEvidence board
	if h.read("/api/leaderboard?search_id=grid&metric=p_value", &byEvidence); byEvidence.Rows[0].RunID != winner {
		t.Errorf("the best p_value is %v", byEvidence.Rows[0].Figures["p_value"])
	}
	if len(before.Warnings) != 1 || !strings.HasPrefix(before.Warnings[0], "1 of 13 trials have no returns that are compared here") {
		t.Errorf("warnings: %q", before.Warnings)
	}
	for _, run := range losers {
		h.remove("/api/runs/" + run + "?cascade=true")
	}
	h.read("/api/leaderboard?search_id=grid", &after)
	if after.Trials.Recorded != 13 || len(after.Rows) != 1 {
		t.Fatalf("after the losers were deleted: %+v", after)
	}
	for _, name := range []string{"p_value", "dsr", "sharpe"} {
		if b, a := before.Rows[0].Figures[name], after.Rows[0].Figures[name]; b.String() != a.String() {
			t.Errorf("%s of the winner was %v, and is %v after the losers were deleted", name, b, a)
		}
	}
	h.trial(dataset, "grid", 0, noise(rng, 120, 0))
	var again board
	if h.read("/api/leaderboard?search_id=grid", &again); again.Trials.Recorded != 13 {
		t.Errorf("a repeated configuration makes %d trials of 13", again.Trials.Recorded)
	}
	h.refused("/api/leaderboard", 400, "invalid_parameter", "parameter search_id or dataset is needed: they say which runs are trials of one search")
	h.refused("/api/leaderboard?search_id=nothing&metric=size", 400, "invalid_parameter", "parameter metric is no figure of the rows, nor summary_metrics. and a name")
	var nothing board
	if h.read("/api/leaderboard?search_id=nothing", &nothing); fmt.Sprint(nothing.Warnings) != "[nothing was ever stored in this search]" {
		t.Errorf("an unknown search: %+v", nothing)
	}
	var bySummary board
	if h.read("/api/leaderboard?dataset="+dataset.String()+"&target=up&metric=summary_metrics.pf", &bySummary); bySummary.Rows[0].Figures["summary_metrics.pf"].String() != "200" {
		t.Errorf("by a metric of the summary: %+v", bySummary.Rows[0])
	}
}

// statistics.md, Comparability: runs of another window are split off, with the reason.
func TestIncomparableRunsAreSplitOff(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	dataset := testdb.Dataset(t, h.db.Queries, nil)
	rng := rand.New(rand.NewPCG(2, 2))
	for i, n := range []int{30, 30, 20} {
		h.trial(dataset, "grid", i, noise(rng, n, 0))
	}
	var got board
	if h.read("/api/leaderboard?search_id=grid", &got); len(got.Rows) != 2 || len(got.Incomparable) != 1 ||
		fmt.Sprint(got.Incomparable[0].Reasons) != "[out-of-sample window is 2024-01-01 to 2024-01-20, not 2024-01-01 to 2024-01-30]" || *got.Overfit.PBO.Why != "too_few_trials" {
		t.Errorf("%+v", got)
	}
}

type compared struct {
	Runs []struct {
		RunID string `json:"run_id"`
	}
	Configuration []struct {
		Path   string
		Values []any
	}
	Metrics []struct {
		Name   string
		Values []*float64
	}
	Folds struct {
		AlignedBy string `json:"aligned_by"`
		Rows      []struct {
			Number *int64 `json:"fold_number"`
			Start  int64  `json:"test_start_ts_ms"`
			Values []*float64
		}
	}
	Differences []struct {
		Periods int
		Sharpe  struct{ Value, Low, High figure }
	}
	Equity struct {
		Days   []string
		Total  int
		Values [][]*float64
	}
	Warnings []string
}

// statistics.md, Comparison: on random runs it has what looking at each run by itself has.
func TestComparisonEqualsAnOracle(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	dataset := testdb.Dataset(t, h.db.Queries, nil)
	rng := rand.New(rand.NewPCG(3, 3))
	const runs = 8
	var ids []string
	want, gains := map[int64]map[int]float64{}, map[int64]map[int]float64{} // by the start of the window and the run
	for i := range runs {
		id := testdb.Run(t, h.db.Queries, dataset, func(r *db.UpsertRunParams) {
			r.Hyperparameters = raw(fmt.Sprintf(`{"same": 1.0, "a": {"depth": %d}, "list": [%d]}`, i%3, i%2))
			r.FeatureColumns = raw([]string{`["x", "y"]`, `["y", "x"]`, `["x", "y", "z"]`}[i%3])
			r.SummaryMetrics = raw(fmt.Sprintf(`{"pf": %d, "text": "no", "only": null}`, i))
		})
		ids = append(ids, id.String())
		first, sum := int64(rng.IntN(4)), 0.0 // fold 0 of each run begins elsewhere
		testdb.Folds(t, h.db.Queries, id, 6, func(f *db.CopyFoldsParams) {
			start := (first + int64(f.FoldNumber)) * 1000
			value := math.Round(rng.Float64()*1e6) / 1e6
			f.TestStartTSMS, f.TestEndTSMS, f.Metrics = &start, new(start+1000), raw(fmt.Sprintf(`{"hit": %v}`, value))
			if want[start] == nil {
				want[start], gains[start] = map[int]float64{}, map[int]float64{}
			}
			want[start][i] = value
			if f.FoldNumber != 3 { // which has no sum
				sum += value
				gains[start][i] = value / 100
				f.Metrics = raw(fmt.Sprintf(`{"hit": %v, "running_sum": %v}`, value, sum))
			}
		})
	}
	var got compared
	h.read("/api/runs/compare?fold_metric=hit&ids="+strings.Join(ids, ","), &got)
	if len(got.Runs) != runs || got.Folds.AlignedBy != "window" || len(got.Folds.Rows) != len(want) {
		t.Fatalf("%+v", got)
	}
	for _, row := range got.Folds.Rows {
		for i, v := range row.Values {
			if x, ok := want[row.Start][i]; ok != (v != nil) || ok && *v != x {
				t.Errorf("the fold at %d of run %d = %v, want %v", row.Start, i, v, x)
			}
		}
	}
	var byReturn compared
	h.read("/api/runs/compare?ids="+strings.Join(ids, ","), &byReturn)
	for _, row := range byReturn.Folds.Rows {
		for i, v := range row.Values {
			if x, ok := gains[row.Start][i]; ok != (v != nil) || ok && !close6(*v, x) {
				t.Errorf("the return of the fold at %d of run %d = %v, want %v", row.Start, i, v, x)
			}
		}
	}
	paths := map[string]string{}
	for _, c := range got.Configuration {
		paths[c.Path] = fmt.Sprint(c.Values)
	}
	if len(paths) != 3 || paths["hyperparameters.a.depth"] != "[0 1 2 0 1 2 0 1]" || paths["hyperparameters.list"] != "[[0] [1] [0] [1] [0] [1] [0] [1]]" ||
		paths["feature_columns"] != "[[] [] [z] [] [] [z] [] []]" {
		t.Errorf("configuration: %v", paths)
	}
	if len(got.Metrics) != 1 || got.Metrics[0].Name != "summary_metrics.pf" || *got.Metrics[0].Values[7] != 7 {
		t.Errorf("metrics: %+v", got.Metrics)
	}
	h.refused("/api/runs/compare?ids="+uuid.Nil.String(), 404, "not_found", "run "+uuid.Nil.String()+" does not exist")
	h.refused("/api/runs/compare?ids="+ids[0]+"&baseline=x", 400, "invalid_parameter", "parameter baseline is none of the runs")
}

// statistics.md, Comparison: the differences have an interval, and the curves the same days.
func TestComparisonOfReturns(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	dataset := testdb.Dataset(t, h.db.Queries, nil)
	rng := rand.New(rand.NewPCG(4, 4))
	percents := [][]float64{noise(rng, 200, 0), noise(rng, 200, 0.8)}
	a, b := h.trial(dataset, "grid", 1, percents[0]), h.trial(dataset, "grid", 2, percents[1])
	var got compared
	h.read("/api/runs/compare?points=20&ids="+a+","+b, &got)
	d := got.Differences[0]
	if len(got.Differences) != 1 || d.Periods != 200 || !(*d.Sharpe.Low.Value > 0 && *d.Sharpe.Value.Value > *d.Sharpe.Low.Value && *d.Sharpe.High.Value > *d.Sharpe.Value.Value) {
		t.Errorf("differences: %+v", got.Differences)
	}
	for i, curve := range got.Equity.Values {
		growth, lowest, highest := 1.0, math.Inf(1), math.Inf(-1)
		for _, percent := range percents[i] {
			growth *= 1 + percent/100
			lowest, highest = min(lowest, growth), max(highest, growth)
		}
		low, high := math.Inf(1), math.Inf(-1)
		for _, x := range curve {
			low, high = min(low, *x), max(high, *x)
		}
		if !close6(low, lowest) || !close6(high, highest) {
			t.Errorf("the thinned curve %d goes from %v to %v, the whole one from %v to %v", i, low, high, lowest, highest)
		}
	}
	if got.Equity.Total != 200 || len(got.Equity.Days) > 20 || got.Equity.Days[0] != "2024-01-01" || got.Equity.Days[len(got.Equity.Days)-1] != "2024-07-18" ||
		len(got.Equity.Values[1]) != len(got.Equity.Days) {
		t.Errorf("equity: %+v", got.Equity)
	}
	if len(got.Warnings) != 0 {
		t.Errorf("warnings: %v", got.Warnings)
	}
	for query, runs := range map[string]int{"target_column=up&limit=1&dataset_id=" + dataset.String(): 1, "search_id=grid&name=depth+2": 1, "search_id=grid": 2, "search_id=x": 0} {
		var filtered compared
		if h.read("/api/runs/compare?"+query, &filtered); len(filtered.Runs) != runs {
			t.Errorf("%s: %d runs, want %d", query, len(filtered.Runs), runs)
		}
	}
}
