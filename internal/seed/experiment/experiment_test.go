package experiment

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// plans are the two experiments, and experiments what is computed from them.
func plans(t *testing.T) []plan {
	t.Helper()
	btc, err := btcPlan()
	if err != nil {
		t.Fatal(err)
	}
	return []plan{btc, ethPlan()}
}

func experiments(t *testing.T) ([]plan, []*Experiment) {
	t.Helper()
	var all []*Experiment
	for _, p := range plans(t) {
		e, err := p.compute()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	return plans(t), all
}

// Boosted trees find a step that no straight line fits.
func TestBoostedTreesFindAStep(t *testing.T) {
	t.Parallel()
	noise := rand.New(rand.NewPCG(1, 2))
	var rows [][]float64
	var step []float64
	for range 1000 {
		x := noise.Float64()*2 - 1
		rows = append(rows, []float64{noise.Float64(), x, noise.Float64()})
		step = append(step, map[bool]float64{true: 3, false: -1}[math.Abs(x) < 0.5])
	}
	model := fitBoosted(rows, step, boosting)
	if got := rootMeanSquareError(model.predict(rows), step); got > 0.8 { // a straight line leaves 2
		t.Errorf("a step of 4 is predicted with an error of %v", got)
	}
}

// The second run on the bars of BTC is one of boosted trees, with what dashboards show of those.
func TestBoostedRun(t *testing.T) {
	t.Parallel()
	e, err := BoostedBTC()
	if err != nil {
		t.Fatal(err)
	}
	if e.Dataset.ID != DatasetID("btc19_1") || e.Run.ID != RunID("btc19_1_run2") || e.Simulation.RunID != e.Run.ID || e.Run.WalkConfig.StepSize != 800 {
		t.Errorf("the run %+v of %s", e.Run, e.Dataset.Slug)
	}
	for _, fd := range e.Folds {
		m := fd.Metrics
		dual := (m.SumWins + m.SumShortWins) / (m.SumLosses + m.SumShortLosses)
		if fd.Trees == nil || *fd.Trees < 10 || m.ProfitFactorDual == nil || !near(*m.ProfitFactorDual, dual) {
			t.Errorf("fold %d: %v trees, profit factor %v, want %v", fd.Number, fd.Trees, m.ProfitFactorDual, dual)
		}
	}
}

// near allows for a sum made in another order.
func near(a, b float64) bool { return math.Abs(a-b) <= 1e-9*math.Max(1, math.Abs(b)) }

func TestResampleJoinsWholeBars(t *testing.T) {
	t.Parallel()
	hour := func(h int64, first, high, low, final, volume float64) candle {
		return candle{h * hourMS, first, high, low, final, volume}
	}
	got := resample([]candle{
		hour(3, 1, 1, 1, 1, 1), // its bar lacks hours 0 to 2: dropped
		hour(4, 10, 12, 9, 11, 1), hour(5, 11, 15, 11, 14, 2), hour(6, 14, 14, 8, 9, 3), hour(7, 9, 10, 9, 10, 4),
		// hours 8 to 11 are missing: no bar
		hour(12, 20, 21, 19, 20, 1), hour(14, 20, 25, 20, 24, 1), hour(15, 24, 24, 18, 19, 1),
		hour(16, 30, 30, 30, 30, 1), // its bar lacks hours 17 to 19: dropped
	}, hourMS, 4*hourMS)
	want := []candle{hour(4, 10, 15, 8, 10, 10), hour(12, 20, 25, 18, 19, 3)}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(candle{})); diff != "" {
		t.Errorf("bars (-want +got):\n%s", diff)
	}
}

// The first and last whole 4-hour bars of the file, worked out by hand from its lines.
func TestResampleOfTheShippedFile(t *testing.T) {
	t.Parallel()
	bars := plans(t)[0].bars
	want := []candle{
		{1498910400000, 2509.17, 2512.87, 2450, 2467.83, 157.36 + 280.28 + 289.42 + 276.82},
		{1571284800000, 7970.19, 7993.97, 7937.01, 7975.89, 579.19},
	}
	for i, got := range []candle{bars[0], last(bars)} {
		if math.Abs(got.volume-want[i].volume) > 1e-9 {
			t.Errorf("volume of bar at %d: got %v, want %v", got.startMS, got.volume, want[i].volume)
		}
		got.volume = want[i].volume
		if got != want[i] {
			t.Errorf("bar: got %+v, want %+v", got, want[i])
		}
	}
	if len(bars) != 5027 {
		t.Errorf("got %d bars, want 5027", len(bars))
	}
}

func TestRidgeFindsALinearTarget(t *testing.T) {
	t.Parallel()
	bars := randomWalk(400, 0, 100)
	var rows [][]float64
	var target []float64
	for _, b := range bars {
		rows = append(rows, []float64{b.close, b.volume, 7})
		target = append(target, 3*b.close-0.5*b.volume+11)
	}
	model, err := fitRidge(rows, target, 1e-9)
	if err != nil {
		t.Fatal(err)
	}
	for r, got := range model.predict(rows) {
		if math.Abs(got-target[r]) > 1e-4 {
			t.Fatalf("row %d: predicted %v, want %v", r, got, target[r])
		}
	}
}

func TestIndicatorsOfKnownBars(t *testing.T) {
	t.Parallel()
	w := make([]candle, lookback+1) // the price rises by 1 a bar, from 100 to 184
	for i := range w {
		p := 100 + float64(i)
		w[i] = candle{int64(i) * hourMS, p - 1, p + 1, p - 1, p, 5}
	}
	want := map[string]float64{
		"rsi_14": 100, "rsi_42": 100, "mom_1": 100 * (184.0/183 - 1), "mom_84": 84, "atr_14": 100 * 2.0 / 184,
		"range_pos_42": 42.0 / 43, "close_sma_84": 100 * (184/142.5 - 1), "volume_z_42": 0, "body_1": 100 * (184.0/183 - 1),
		"bollinger_z_20": 9.5 / math.Sqrt((20*20-1)/12.0),
	}
	for _, indicator := range indicators {
		if expected, ok := want[indicator.name]; ok && !near(indicator.at(w), expected) {
			t.Errorf("%s: got %v, want %v", indicator.name, indicator.at(w), expected)
		}
	}
}

// Bars after a training window may change what is tested, not what was learned.
func TestThresholdsDoNotLookAhead(t *testing.T) {
	t.Parallel()
	e := plans(t)[0]
	before := foldsOf(t, e)
	e.bars = slices.Clone(e.bars)
	firstUnseen := lookback + before[0].TrainEnd + horizon // after the target of the last training row
	for i := firstUnseen; i < len(e.bars); i++ {
		e.bars[i].close *= 1 + 0.3*math.Sin(float64(i))
		e.bars[i].volume *= 2
	}
	after := foldsOf(t, e)
	if before[0].Thresholds != after[0].Thresholds {
		t.Errorf("thresholds of fold 0 moved with bars after its training window: %+v, then %+v", before[0].Thresholds, after[0].Thresholds)
	}
	if before[0].Metrics == after[0].Metrics || before[1].Thresholds == after[1].Thresholds {
		t.Error("the changed bars changed nothing where they should: the test proves nothing")
	}
}

func foldsOf(t *testing.T, p plan) []Fold {
	t.Helper()
	e, err := p.compute()
	if err != nil {
		t.Fatal(err)
	}
	return e.Folds
}

func TestFoldsFitTheFrameAndTheirTimes(t *testing.T) {
	t.Parallel()
	all, results := experiments(t)
	for i, e := range results {
		p, rows := all[i], e.Dataset.Metadata.IndicatorRows
		if want := len(p.bars) - 84 - 6; rows != want {
			t.Errorf("%s: %d indicator rows, want %d", p.slug, rows, want)
		}
		if got, want := e.Dataset.FirstIndicatorMS, p.bars[84].startMS; got != want {
			t.Errorf("%s: the first indicator row is at %d, want %d", p.slug, got, want)
		}
		if got, want := e.Dataset.Metadata.LastIndicatorTimestamp, p.bars[len(p.bars)-7].startMS; got != want {
			t.Errorf("%s: the last indicator row is at %d, want %d", p.slug, got, want)
		}
		var dual float64
		for n, fd := range e.Folds {
			if fd.Number != n || fd.TrainStart < 0 || fd.TrainEnd+6 > fd.TestStart || fd.TestEnd > rows {
				t.Errorf("%s fold %d: windows [%d,%d) and [%d,%d) of %d rows", p.slug, n, fd.TrainStart, fd.TrainEnd, fd.TestStart, fd.TestEnd, rows)
			}
			if fd.SamplesTrain != fd.TrainEnd-fd.TrainStart || fd.SamplesTest != fd.TestEnd-fd.TestStart || len(fd.predictions) != fd.SamplesTest {
				t.Errorf("%s fold %d: samples %d and %d, %d predictions do not fit the windows", p.slug, n, fd.SamplesTrain, fd.SamplesTest, len(fd.predictions))
			}
			got := []int64{fd.TrainStartMS, fd.TrainEndMS, fd.TestStartMS, fd.TestEndMS}
			want := []int64{
				p.bars[84+fd.TrainStart].startMS, p.bars[83+fd.TrainEnd].startMS + p.barMS,
				p.bars[84+fd.TestStart].startMS, p.bars[83+fd.TestEnd].startMS + p.barMS,
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s fold %d: times (-want +got):\n%s", p.slug, n, diff)
			}
			if fd.Score != float64(float32(fd.Score)) {
				t.Errorf("%s fold %d: the score %v is no 32-bit number", p.slug, n, fd.Score)
			}
			m := fd.Metrics
			long, short := m.SumWins-m.SumLosses, m.SumShortWins-m.SumShortLosses
			dual += long + short
			if !near(m.RunningSumDual, dual) {
				t.Errorf("%s fold %d: running_sum_dual %v, want %v", p.slug, n, m.RunningSumDual, dual)
			}
			if got := m.AvgReturnOnSignals * float64(m.NSignals); !near(got, long) {
				t.Errorf("%s fold %d: mean return times signals is %v, sum is %v", p.slug, n, got, long)
			}
		}
		if s := e.Run.SummaryMetrics; s.Folds != len(e.Folds) || !near(s.RunningSumDual, dual) {
			t.Errorf("%s: the summary says %d folds and a sum of %v; the folds say %d and %v", p.slug, s.Folds, s.RunningSumDual, len(e.Folds), dual)
		}
	}
}

// Each trade's prices and times are looked up again in the bars, its result worked out again.
func TestTradesAreThoseOfTheBars(t *testing.T) {
	t.Parallel()
	all, results := experiments(t)
	for i, e := range results {
		p := all[i]
		index := map[int64]int{}
		for k, bar := range p.bars {
			index[bar.startMS] = k
		}
		free := map[string]int64{}
		for _, tr := range e.Simulation.Trades {
			fd := e.Folds[tr.Fold]
			if tr.EntryMS < fd.TestStartMS || tr.ExitMS > fd.TestEndMS || tr.EntryMS < free[tr.Side] {
				t.Errorf("%s: %s trade from %d to %d outside its test window, or begun before %d", p.slug, tr.Side, tr.EntryMS, tr.ExitMS, free[tr.Side])
			}
			free[tr.Side] = tr.ExitMS
			entered, left := index[tr.EntryMS], index[tr.ExitMS-p.barMS]
			first, final := p.bars[entered].open, p.bars[left].close
			if tr.Entry != first || tr.Exit != final || left-entered != 5 {
				t.Errorf("%s: trade at %d: prices %v and %v, want %v and %v over 6 bars", p.slug, tr.EntryMS, tr.Entry, tr.Exit, first, final)
			}
			units := 1000 / first
			gain := map[string]float64{"long": final - first, "short": first - final}[tr.Side]
			pnl := units*gain - 0.001*units*(first+final)
			if !near(tr.Pnl, pnl) || !near(tr.ReturnPct, pnl/10) {
				t.Errorf("%s: trade at %d: pnl %v, return %v %%; want %v, %v", p.slug, tr.EntryMS, tr.Pnl, tr.ReturnPct, pnl, pnl/10)
			}
			if tr.Side == "long" && tr.EntrySignal < fd.Thresholds.LongOptimal || tr.Side == "short" && tr.EntrySignal > fd.Thresholds.ShortOptimal {
				t.Errorf("%s: %s trade at %d on signal %v, thresholds %+v", p.slug, tr.Side, tr.EntryMS, tr.EntrySignal, fd.Thresholds)
			}
		}
	}
}

func TestBucketsAddUpTheirTrades(t *testing.T) {
	t.Parallel()
	_, results := experiments(t)
	for _, e := range results {
		trades := e.Simulation.Trades
		for _, bucket := range e.Simulation.Buckets {
			var count, wins int
			var gains, losses, cumulative, peak, drawdown float64
			for _, tr := range trades {
				if bucket.Side != "dual" && bucket.Side != tr.Side {
					continue
				}
				count++
				if tr.Pnl > 0 {
					wins++
				}
				gains += max(0, tr.Pnl)
				losses += max(0, -tr.Pnl)
				cumulative += tr.ReturnPct
				peak = max(peak, cumulative)
				drawdown = min(drawdown, cumulative-peak)
			}
			if bucket.Trades != count || bucket.Wins != wins || !near(*bucket.ProfitFactor, gains/losses) ||
				!near(*bucket.AvgReturnPct, cumulative/float64(count)) || !near(bucket.MaxDrawdownPct, drawdown) {
				t.Errorf("%s %s: bucket %+v; trades say %d, %d, %v, %v, %v", e.Dataset.Slug, bucket.Side, bucket,
					count, wins, gains/losses, cumulative/float64(count), drawdown)
			}
		}
		var pnl float64
		for _, tr := range trades {
			pnl += tr.Pnl
		}
		if s := e.Simulation.SummaryMetrics; !near(s.TotalPnl, pnl) || s.TotalTrades != len(trades) {
			t.Errorf("%s: the summary says %d trades and %v; the trades say %d and %v", e.Dataset.Slug, s.TotalTrades, s.TotalPnl, len(trades), pnl)
		}
	}
}

// The figures that solving the same equations by hand-written elimination gave: an independent computation.
func TestFiguresStayWhatTheyWere(t *testing.T) {
	t.Parallel()
	_, results := experiments(t)
	want := [][]float64{
		{3.7490999698638916, 1.1537505757437017, -0.5403541073631292, 97, 287},
		{3.198495864868164, 0.7841894263306552, -0.7895884813444978, 55, 179},
		{4.400362491607666, 0.5333121357535137, -0.9800547947147482, 221, 13},
		{1.1045461893081665, 0.3257777260545557, -0.24987079902490883, 28, 157},
		{1.075846791267395, 0.21427134209574553, -0.07686779564919315, 158, 125},
	}
	var got [][]float64
	for _, e := range results {
		for _, fd := range e.Folds {
			m := fd.Metrics
			got = append(got, []float64{fd.Score, fd.Thresholds.LongOptimal, fd.Thresholds.ShortOptimal, float64(m.NSignals), float64(m.NShortSignals)})
		}
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(near)); diff != "" {
		t.Errorf("score, thresholds and signals of each fold (-want +got):\n%s", diff)
	}
	sums := [][]float64{{312.1379470076809, 321.77952492154674, 446.3118693111545, 223}, {59.25712848816483, 24.574555059995056, 224.127588639427, 112}}
	for i, e := range results {
		s := e.Simulation.SummaryMetrics
		got := []float64{e.Run.SummaryMetrics.RunningSumDual, s.TotalPnl, s.FeesPaid, float64(s.TotalTrades)}
		if diff := cmp.Diff(sums[i], got, cmp.Comparer(near)); diff != "" {
			t.Errorf("%s: sum of the targets, profit, fees and number of trades (-want +got):\n%s", e.Dataset.Slug, diff)
		}
	}
}

// What is exported twice must be the same twice.
func TestComputingAgainGivesTheSame(t *testing.T) {
	t.Parallel()
	_, first := experiments(t)
	_, second := experiments(t)
	series := func(e *Experiment) []Series { return []Series{e.Bars, e.Indicators, e.Predictions, e.Trace} }
	for i := range first {
		for k, a := range series(first[i]) {
			b := series(second[i])[k]
			if diff := cmp.Diff(a.Rows, b.Rows); diff != "" {
				t.Errorf("%s (-first +second):\n%s", a.Measurement, diff)
			}
		}
		if diff := cmp.Diff(first[i].Simulation, second[i].Simulation, cmp.AllowUnexported(Trade{})); diff != "" {
			t.Errorf("simulation (-first +second):\n%s", diff)
		}
	}
}
