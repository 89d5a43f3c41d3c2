package seed

import (
	"encoding/json"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"foldbook/db"
)

// theBooks are the experiments and what is stored of them.
func theBooks(t *testing.T) ([]experiment, []book) {
	t.Helper()
	all, err := experiments()
	if err != nil {
		t.Fatal(err)
	}
	books := make([]book, len(all))
	for i, e := range all {
		if books[i], err = e.book(); err != nil {
			t.Fatal(err)
		}
	}
	return all, books
}

// near allows for a sum made in another order.
func near(a, b float64) bool { return math.Abs(a-b) <= 1e-9*math.Max(1, math.Abs(b)) }

func field[T any](t *testing.T, object json.RawMessage, name string) T {
	t.Helper()
	var all map[string]json.RawMessage
	var value T
	if err := json.Unmarshal(object, &all); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(all[name], &value); err != nil {
		t.Fatalf("%s: %v in %s", name, err, object)
	}
	return value
}

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
	all, _ := theBooks(t)
	bars := all[0].bars
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
	for r, row := range rows {
		if got := model.predict(row); math.Abs(got-target[r]) > 1e-4 {
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
	all, _ := theBooks(t)
	e := all[0]
	before := foldsOf(t, e)
	e.bars = slices.Clone(e.bars)
	firstUnseen := lookback + before[0].trainEnd + horizon // after the target of the last training row
	for i := firstUnseen; i < len(e.bars); i++ {
		e.bars[i].close *= 1 + 0.3*math.Sin(float64(i))
		e.bars[i].volume *= 2
	}
	after := foldsOf(t, e)
	if before[0].thresholds != after[0].thresholds {
		t.Errorf("thresholds of fold 0 moved with bars after its training window: %+v, then %+v", before[0].thresholds, after[0].thresholds)
	}
	if before[0].metrics == after[0].metrics || before[1].thresholds == after[1].thresholds {
		t.Error("the changed bars changed nothing where they should: the test proves nothing")
	}
}

func foldsOf(t *testing.T, e experiment) []fold {
	t.Helper()
	f, err := newFrame(e.bars, e.barMS)
	if err != nil {
		t.Fatal(err)
	}
	folds, err := walkForward(f, e.walk, e.folds, e.lambda)
	if err != nil {
		t.Fatal(err)
	}
	return folds
}

func TestFoldsFitTheFrameAndTheirTimes(t *testing.T) {
	t.Parallel()
	all, books := theBooks(t)
	for i, b := range books {
		e := all[i]
		if got, want := b.dataset.RowCount, int64(len(e.bars)-84-6); got != want {
			t.Errorf("%s: row_count %d, want %d", e.slug, got, want)
		}
		if got, want := b.dataset.FirstBarTS.UnixMilli(), e.bars[84].startMS; got != want {
			t.Errorf("%s: first_bar_ts %d, want %d", e.slug, got, want)
		}
		if got, want := b.dataset.LastBarTS.UnixMilli(), e.bars[len(e.bars)-7].startMS; got != want {
			t.Errorf("%s: last_bar_ts %d, want %d", e.slug, got, want)
		}
		var dual float64
		for n, fd := range b.folds {
			if fd.TrainStartIdx < 0 || fd.TrainEndIdx+6 > fd.TestStartIdx || fd.TestEndIdx > b.dataset.RowCount {
				t.Errorf("%s fold %d: windows [%d,%d) and [%d,%d) of %d rows", e.slug, n, fd.TrainStartIdx, fd.TrainEndIdx, fd.TestStartIdx, fd.TestEndIdx, b.dataset.RowCount)
			}
			if fd.SamplesTrain != fd.TrainEndIdx-fd.TrainStartIdx || fd.SamplesTest != fd.TestEndIdx-fd.TestStartIdx {
				t.Errorf("%s fold %d: samples %d and %d do not fit the windows", e.slug, n, fd.SamplesTrain, fd.SamplesTest)
			}
			got := []int64{*fd.TrainStartTSMS, *fd.TrainEndTSMS, *fd.TestStartTSMS, *fd.TestEndTSMS}
			want := []int64{
				e.bars[84+fd.TrainStartIdx].startMS, e.bars[83+fd.TrainEndIdx].startMS + e.barMS,
				e.bars[84+fd.TestStartIdx].startMS, e.bars[83+fd.TestEndIdx].startMS + e.barMS,
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s fold %d: times (-want +got):\n%s", e.slug, n, diff)
			}
			if *fd.BestScore != float64(float32(*fd.BestScore)) || fd.BestIteration != nil {
				t.Errorf("%s fold %d: best score %v, iteration %v", e.slug, n, *fd.BestScore, fd.BestIteration)
			}
			long := field[float64](t, fd.Metrics, "sum_wins") - field[float64](t, fd.Metrics, "sum_losses")
			short := field[float64](t, fd.Metrics, "sum_short_wins") - field[float64](t, fd.Metrics, "sum_short_losses")
			dual += long + short
			if got := field[float64](t, fd.Metrics, "running_sum_dual"); !near(got, dual) {
				t.Errorf("%s fold %d: running_sum_dual %v, want %v", e.slug, n, got, dual)
			}
			if got := field[float64](t, fd.Metrics, "avg_return_on_signals") * field[float64](t, fd.Metrics, "n_signals"); !near(got, long) {
				t.Errorf("%s fold %d: mean return times signals is %v, sum is %v", e.slug, n, got, long)
			}
		}
		summary := b.runs[0].SummaryMetrics
		if got := field[int](t, summary, "folds"); got != len(b.folds) {
			t.Errorf("%s: summary says %d folds, there are %d", e.slug, got, len(b.folds))
		}
		if got := field[float64](t, summary, "running_sum_dual"); !near(got, dual) {
			t.Errorf("%s: summary's running_sum_dual %v, folds' %v", e.slug, got, dual)
		}
	}
}

// Each trade's prices and times are looked up again in the bars, its result worked out again.
func TestTradesAreThoseOfTheBars(t *testing.T) {
	t.Parallel()
	all, books := theBooks(t)
	for i, b := range books {
		e := all[i]
		index := map[int64]int{}
		for k, bar := range e.bars {
			index[bar.startMS] = k
		}
		free := map[string]int64{}
		for _, tr := range b.trades {
			entry := tr.BarTimestamp.UnixMilli()
			exit := field[int64](t, tr.Metadata, "exit_timestamp")
			fd := b.folds[field[int](t, tr.Metadata, "fold_index")]
			if entry < *fd.TestStartTSMS || exit > *fd.TestEndTSMS || entry < free[tr.Side] {
				t.Errorf("%s: %s trade from %d to %d outside its test window, or begun before %d", e.slug, tr.Side, entry, exit, free[tr.Side])
			}
			free[tr.Side] = exit
			first, final := e.bars[index[entry]].open, e.bars[index[exit-e.barMS]].close
			if tr.EntryPrice != first || *tr.ExitPrice != final || index[exit-e.barMS]-index[entry] != 5 {
				t.Errorf("%s: trade at %d: prices %v and %v, want %v and %v over 6 bars", e.slug, entry, tr.EntryPrice, *tr.ExitPrice, first, final)
			}
			units := 1000 / first
			gain := map[string]float64{"long": final - first, "short": first - final}[tr.Side]
			pnl := units*gain - 0.001*units*(first+final)
			if !near(*tr.Pnl, pnl) || !near(*tr.ReturnPct, pnl/10) {
				t.Errorf("%s: trade at %d: pnl %v, return %v %%; want %v, %v", e.slug, entry, *tr.Pnl, *tr.ReturnPct, pnl, pnl/10)
			}
			signal := field[float64](t, tr.Metadata, "entry_signal")
			if tr.Side == "long" && signal < field[float64](t, fd.Thresholds, "long_optimal") ||
				tr.Side == "short" && signal > field[float64](t, fd.Thresholds, "short_optimal") {
				t.Errorf("%s: %s trade at %d on signal %v, thresholds %s", e.slug, tr.Side, entry, signal, fd.Thresholds)
			}
		}
	}
}

func TestBucketsAddUpTheirTrades(t *testing.T) {
	t.Parallel()
	_, books := theBooks(t)
	books = append(books, scaleBook(0), scaleBook(7))
	for _, b := range books {
		for _, bucket := range b.buckets {
			var count, wins int64
			var gains, losses, cumulative, peak, drawdown float64
			for _, tr := range b.trades {
				if tr.SimulationID != bucket.SimulationID || bucket.Side != "dual" && bucket.Side != tr.Side {
					continue
				}
				count++
				if *tr.Pnl > 0 {
					wins++
				}
				gains += max(0, *tr.Pnl)
				losses += max(0, -*tr.Pnl)
				cumulative += *tr.ReturnPct
				peak = max(peak, cumulative)
				drawdown = min(drawdown, cumulative-peak)
			}
			if bucket.TradeCount != count || bucket.WinCount != wins || !near(*bucket.ProfitFactor, gains/losses) ||
				!near(*bucket.AvgReturnPct, cumulative/float64(count)) || !near(*bucket.MaxDrawdownPct, drawdown) {
				t.Errorf("%s %s: bucket %+v; trades say %d, %d, %v, %v, %v", b.dataset.QuestDBTag, bucket.Side, bucket,
					count, wins, gains/losses, cumulative/float64(count), drawdown)
			}
		}
	}
	for _, b := range books[:2] {
		var pnl float64
		for _, tr := range b.trades {
			pnl += *tr.Pnl
		}
		summary := b.simulations[0].SummaryMetrics
		if got := field[float64](t, summary, "total_pnl"); !near(got, pnl) {
			t.Errorf("%s: summary's total_pnl %v, trades' %v", b.dataset.QuestDBTag, got, pnl)
		}
		if got := field[int](t, summary, "total_trades"); got != len(b.trades) {
			t.Errorf("%s: summary says %d trades, there are %d", b.dataset.QuestDBTag, got, len(b.trades))
		}
	}
}

func TestMetadataSaysWhatIsSynthetic(t *testing.T) {
	t.Parallel()
	_, books := theBooks(t)
	got := map[string]bool{}
	for _, b := range append(books, scaleBook(0)) {
		got[b.dataset.QuestDBTag] = field[bool](t, b.dataset.Metadata, "synthetic")
		if rows := field[int64](t, b.dataset.Metadata, "indicator_rows"); rows != b.dataset.RowCount {
			t.Errorf("%s: metadata says %d indicator rows, row_count %d", b.dataset.QuestDBTag, rows, b.dataset.RowCount)
		}
	}
	want := map[string]bool{"btc19_1": false, "eth24_1": true, "bench_0001": true}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("synthetic (-want +got):\n%s", diff)
	}
}

func TestScaleRowsAreOfRealisticSize(t *testing.T) {
	t.Parallel()
	b := scaleBook(0)
	folds := slices.DeleteFunc(slices.Clone(b.folds), func(fd db.CopyFoldsParams) bool { return fd.RunID != BigRunID })
	if len(folds) != 312 {
		t.Errorf("the big run has %d folds, want 312", len(folds))
	}
	for _, fd := range folds {
		var metrics, thresholds map[string]any
		if json.Unmarshal(fd.Metrics, &metrics) != nil || json.Unmarshal(fd.Thresholds, &thresholds) != nil || len(metrics) != 28 || len(thresholds) != 9 {
			t.Fatalf("fold %d: %d metrics and %d thresholds, want 28 and 9", fd.FoldNumber, len(metrics), len(thresholds))
		}
	}
	if size := len(encode(b.runs[0])); size < 1500 || size > 2500 {
		t.Errorf("a run is %d bytes of JSON, want about 1.7 to 2 KB", size)
	}
}
