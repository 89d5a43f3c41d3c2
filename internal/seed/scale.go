package seed

import (
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"foldbook/db"
	"foldbook/internal/seed/experiment"
	"foldbook/questdb"
)

// Volume of Scale.
const (
	scaleDatasets    = 50 // times n
	scaleRuns        = 4  // of each dataset, with one simulation each
	scaleFeatures    = 30
	scaleTrades      = 20 // of each simulation
	scaleBars        = 12000
	bigRunFolds      = 312
	scaleTrain       = 650 // rows
	scaleTest        = 24
	scaleGap         = 4
	scaleFirstBarMS  = int64(1704067200000) // 2024-01-01
	scaleBarMS       = int64(time.Hour / time.Millisecond)
	scaleLookback    = 48
	scalePositionUSD = 1000
)

// BigRunID is the run of Scale with 312 folds.
var BigRunID = experiment.RunID("bench_0001_run1")

// Names that exporting clients give to thresholds and to numeric metrics; with two flags they make 28 metrics.
var (
	scaleThresholdNames = []string{
		"long_optimal", "short_optimal", "prediction_scaled", "prediction_original", "dynamic_positive",
		"short_scaled", "short_original", "long_percentile", "short_percentile",
	}
	scaleMetricNames = []string{
		"hit_rate", "short_hit_rate", "profit_factor_test", "profit_factor_train", "profit_factor_short_train",
		"profit_factor_short_test", "signal_sum", "short_signal_sum", "signal_rate", "short_signal_rate",
		"avg_return_on_signals", "median_return_on_signals", "std_return_on_signals", "avg_return_on_short_signals",
		"median_return_on_short_signals", "std_return_on_short_signals", "avg_predicted_return_on_signals",
		"running_sum", "running_sum_short", "running_sum_dual", "sum_wins", "sum_losses", "sum_short_wins", "sum_short_losses",
	}
	scaleSummaryNames = []string{
		"pf_long", "pf_short", "pf_dual", "hit_rate", "short_hit_rate", "running_sum", "running_sum_short", "running_sum_dual",
		"avg_return_on_signals", "avg_return_on_short_signals", "std_return_on_signals", "signal_rate", "short_signal_rate",
		"sum_wins", "sum_losses", "sum_short_wins", "sum_short_losses", "mean_best_score", "max_drawdown", "max_drawdown_short",
		"sharpe", "sharpe_short", "profit_per_signal",
	}
)

// Scale stores deterministic random rows to measure with: n times 50 datasets, each with 4 runs and their 4
// simulations of 3 buckets. The run BigRunID has 312 folds, the others 3 to 8. The first datasets of a larger
// n are those of a smaller one. With a QuestDB there is one dataset more, bench_1m, with series of n million rows. It
// writes the number of rows read back to out.
func Scale(ctx context.Context, pool *pgxpool.Pool, series *questdb.Client, n int, out io.Writer) error {
	if n < 1 {
		return fmt.Errorf("seed at scale %d: the scale must be 1 or more", n)
	}
	var found []counts
	err := db.Wrap(pool).InTx(ctx, false, func(q *db.Queries) error {
		for i := range n * scaleDatasets {
			b := scaleBook(i)
			stored, err := b.put(ctx, q)
			if err != nil {
				return err
			}
			found = append(found, stored.counts(b.dataset.QuestDBTag))
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("seed at scale %d: %w", n, err)
	}
	if err := printCounts(out, []counts{sum(found)}); err != nil {
		return err
	}
	if ok, err := there(ctx, series, out); !ok || err != nil {
		return err
	}
	return scaleSeries(ctx, pool, series, n*scaleSeriesRows, out)
}

// scaleBook makes dataset i, from a generator of its own.
func scaleBook(i int) book {
	rng := rand.New(rand.NewPCG(0x7363616c, uint64(i)))
	slug := fmt.Sprintf("bench_%04d", i+1)
	symbol := []string{"BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT", "ADAUSDT"}[i%5]
	firstRow, lastBar := scaleFirstBarMS+scaleLookback*scaleBarMS, scaleFirstBarMS+(scaleBars-1)*scaleBarMS
	features := make([]string, scaleFeatures)
	schema := []experiment.Column{{Name: "timestamp_ms", Type: experiment.Long, Role: "time"}}
	for k := range features {
		features[k] = fmt.Sprintf("%s_%d", []string{"rsi", "hma", "atr", "roc", "vol", "zsc"}[k%6], 5+k*3)
		schema = append(schema, experiment.Column{Name: features[k], Type: experiment.Double, Role: "feature"})
	}
	m := experiment.Manifest{
		Version: 1, DatasetID: experiment.DatasetID(slug), DatasetSlug: slug, Symbol: symbol, Granularity: "1h", Source: "benchmark",
		OHLCVMeasurement: slug + "_ohlcv", IndicatorMeasurement: slug + "_ind", BarIntervalMS: scaleBarMS, LookbackRows: scaleLookback,
		FirstOHLCVTimestamp: scaleFirstBarMS, LastOHLCVTimestamp: lastBar, FirstIndicatorTimestamp: firstRow, LastIndicatorTimestamp: lastBar,
		OHLCVRows: scaleBars, IndicatorRows: scaleBars - scaleLookback, ExportedAt: scaleTime(i, 0),
		Provenance: experiment.Provenance{Synthetic: true, Origin: "random rows for benchmarks"},
	}
	b := book{dataset: db.UpsertDatasetParams{
		DatasetID: m.DatasetID, Symbol: m.Symbol, Granularity: m.Granularity, Source: m.Source,
		QuestDBTag: slug, QuestDBMeasurement: m.IndicatorMeasurement, ColumnSchema: encode(append(schema, experiment.Column{Name: "TGT_315",
			Type: experiment.Double, Role: "target"})),
		RowCount: int64(m.IndicatorRows), FirstBarTS: timeOf(firstRow), LastBarTS: timeOf(lastBar),
		OhlcvMeasurement: &m.OHLCVMeasurement, OhlcvRowCount: scaleBars, OhlcvFirstTS: timeOf(scaleFirstBarMS), OhlcvLastTS: timeOf(lastBar),
		BarIntervalMS: scaleBarMS, LookbackRows: scaleLookback, Metadata: encode(m),
	}}
	for k := range scaleRuns {
		folds := 3 + rng.IntN(6)
		if i == 0 && k == 0 {
			folds = bigRunFolds
		}
		run := scaleRun(rng, slug, features, i, k, folds)
		b.runs = append(b.runs, run)
		for number := range folds {
			b.folds = append(b.folds, scaleFold(rng, run.RunID, number))
		}
		b.addScaleSimulation(rng, slug, run, i, k, folds)
	}
	b.sort()
	return b
}

func scaleRun(rng *rand.Rand, slug string, features []string, i, k, folds int) db.UpsertRunParams {
	name := fmt.Sprintf("%s_run%d", slug, k+1)
	summary := map[string]any{"folds": folds, "total_signals": folds * 8}
	for _, metric := range scaleSummaryNames {
		summary[metric] = widened(rng.NormFloat64())
	}
	started, duration := scaleTime(i, 1+k), int64(folds)*1491
	return db.UpsertRunParams{
		RunID: experiment.RunID(name), DatasetID: experiment.DatasetID(slug), PredictionMeasurement: name, TargetColumn: "TGT_315",
		FeatureColumns: encode(features),
		Hyperparameters: encode(map[string]any{
			"learning_rate": 0.01, "max_depth": 4, "min_child_weight": 10, "subsample": 0.8, "colsample_bytree": 0.7, "lambda": 10,
			"num_rounds":       2000,
			"min_boost_rounds": 100, "early_stopping_rounds": 50, "objective": "reg:quantileerror", "quantile_alpha": 0.95,
			"threshold_method": "OptimalROC",
		}),
		WalkConfig: encode(experiment.WalkConfig{
			TrainSize: scaleTrain, TestSize: scaleTest, TrainTestGap: scaleGap, FoldStep: scaleTest, EndFold: -1, PredictionMeasurement: name,
		}),
		SummaryMetrics: encode(summary), Status: "COMPLETED", RequestedBy: new("benchmark"),
		StartedAt: &started, CompletedAt: new(started.Add(time.Duration(duration) * time.Millisecond)), DurationMS: &duration,
	}
}

func scaleFold(rng *rand.Rand, run uuid.UUID, number int) db.CopyFoldsParams {
	thresholds := map[string]any{}
	for _, name := range scaleThresholdNames {
		thresholds[name] = widened(rng.NormFloat64())
	}
	metrics := map[string]any{
		"n_signals": rng.IntN(scaleTest), "n_short_signals": rng.IntN(scaleTest), "model_learned_nothing": false, "used_cached_model": false,
	}
	for _, name := range scaleMetricNames {
		metrics[name] = widened(rng.NormFloat64())
	}
	start := int64(number * scaleTest)
	trainEnd, testStart := start+scaleTrain, start+scaleTrain+scaleGap
	testEnd := testStart + scaleTest
	at := func(row int64) *int64 { return new(scaleFirstBarMS + (scaleLookback+row)*scaleBarMS) }
	return db.CopyFoldsParams{
		RunID: run, FoldNumber: int32(number), TrainStartIdx: start, TrainEndIdx: trainEnd, TestStartIdx: testStart, TestEndIdx: testEnd,
		SamplesTrain: scaleTrain, SamplesTest: scaleTest,
		BestIteration: new(int32(100 + rng.IntN(900))), BestScore: new(widened(0.001 * rng.Float64())),
		Thresholds: encode(thresholds), Metrics: encode(metrics),
		TrainStartTSMS: at(start), TrainEndTSMS: at(trainEnd), TestStartTSMS: at(testStart), TestEndTSMS: at(testEnd),
	}
}

// addScaleSimulation trades a run at random prices; its buckets do sum up its trades.
func (b *book) addScaleSimulation(rng *rand.Rand, slug string, run db.UpsertRunParams, i, k, folds int) {
	name := fmt.Sprintf("%s_sim%d", slug, k+1)
	trades := make([]experiment.Trade, scaleTrades)
	for n := range trades {
		t := experiment.Trade{Fold: n * folds / scaleTrades, Side: "long", EntryMS: scaleFirstBarMS + int64(scaleTrain+n*12)*scaleBarMS}
		if rng.IntN(2) == 1 {
			t.Side = "short"
		}
		t.ID = uuid.NewSHA1(experiment.SimulationID(name), fmt.Appendf(nil, "%s/%d", t.Side, t.EntryMS))
		t.ExitMS = t.EntryMS + 6*scaleBarMS
		t.Entry = math.Round(4e6+2e6*rng.Float64()) / 100
		t.ReturnPct = rng.NormFloat64()
		t.Exit = t.Entry * (1 + t.ReturnPct/100)
		if t.Side == "short" {
			t.Exit = t.Entry * (1 - t.ReturnPct/100)
		}
		t.Size, t.Pnl = scalePositionUSD/t.Entry, scalePositionUSD*t.ReturnPct/100
		t.EntrySignal, t.ExitSignal = widened(rng.NormFloat64()), widened(rng.NormFloat64())
		trades[n] = t
	}
	all := experiment.TallyOf(trades, "dual")
	started := scaleTime(i, 6+k)
	row := db.UpsertSimulationParams{
		SimulationID: experiment.SimulationID(name), RunID: run.RunID, DatasetID: run.DatasetID, InputRunMeasurement: run.PredictionMeasurement,
		QuestDBNamespace: name, Mode: "dual", Status: "COMPLETED", StartedAt: &started, CompletedAt: new(started.Add(7 * time.Second)),
		Config: encode(map[string]any{"position_size": scalePositionUSD, "threshold_choice": 1, "use_stop_loss": false, "fee_rate": 0}),
		SummaryMetrics: encode(map[string]any{
			"total_trades": all.Count, "win_count": all.Wins, "profit_factor": all.ProfitFactor, "total_pnl": all.Pnl,
			"total_return_pct": all.ReturnPct,
			"avg_return_pct":   all.AvgReturnPct, "max_drawdown_pct": all.MaxDrawdownPct, "best_return_pct": all.BestReturnPct,
			"worst_return_pct": all.WorstReturnPct, "stress": map[string]any{"computed": false},
		}),
	}
	b.simulations = append(b.simulations, row)
	for _, side := range []string{"dual", "long", "short"} {
		b.buckets = append(b.buckets, bucketRow(row.SimulationID, experiment.BucketOf(trades, side)))
	}
	for i, t := range trades {
		b.trades = append(b.trades, tradeRow(row.SimulationID, t, int64(i)))
	}
}

// widened is x as a client holds it that computes in 32 bits and sends 64.
func widened(x float64) float64 { return float64(float32(x)) }

// scaleTime is a fixed time for dataset i, some hours into its day.
func scaleTime(i, hours int) time.Time {
	return time.Date(2025, time.January, 1, hours, 0, 0, 0, time.UTC).AddDate(0, 0, i)
}
