package seed

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"foldbook/db"
)

// experiment describes a data set and what is computed from its bars: one run and one simulation of it.
type experiment struct {
	slug, symbol, granularity, source string
	about                             provenance
	bars                              []candle
	barMS                             int64
	walk                              walkConfig
	folds                             int
	lambda                            float64 // ridge penalty as a share of the rows
	sim                               simConfig
	sides                             []string // one bucket each, in the order of the alphabet
	at                                time.Time
}

// provenance is what the metadata of a data set says about its bars.
type provenance struct {
	Synthetic bool   `json:"synthetic"`
	Origin    string `json:"origin"`
}

// manifest is the metadata of a data set, as exporting clients write it.
type manifest struct {
	Version                 int       `json:"version"`
	DatasetID               uuid.UUID `json:"dataset_id"`
	DatasetSlug             string    `json:"dataset_slug"`
	Symbol                  string    `json:"symbol"`
	Granularity             string    `json:"granularity"`
	Source                  string    `json:"source"`
	OHLCVMeasurement        string    `json:"ohlcv_measurement"`
	IndicatorMeasurement    string    `json:"indicator_measurement"`
	BarIntervalMS           int64     `json:"bar_interval_ms"`
	LookbackRows            int       `json:"lookback_rows"`
	FirstOHLCVTimestamp     int64     `json:"first_ohlcv_timestamp_ms"`
	LastOHLCVTimestamp      int64     `json:"last_ohlcv_timestamp_ms"`
	FirstIndicatorTimestamp int64     `json:"first_indicator_timestamp_ms"`
	LastIndicatorTimestamp  int64     `json:"last_indicator_timestamp_ms"`
	OHLCVRows               int       `json:"ohlcv_rows"`
	IndicatorRows           int       `json:"indicator_rows"`
	ExportedAt              time.Time `json:"exported_at"`
	provenance
}

// column is one entry of a data set's column_schema.
type column struct {
	Name string `json:"name"`
	Type string `json:"type"`
	Role string `json:"role"`
}

// book computes the experiment: frame, folds, trades, and the rows that say so.
func (e experiment) book() (book, error) {
	f, err := newFrame(e.bars, e.barMS)
	if err != nil {
		return book{}, fmt.Errorf("data set %s: %w", e.slug, err)
	}
	folds, err := walkForward(f, e.walk, e.folds, e.lambda)
	if err != nil {
		return book{}, fmt.Errorf("data set %s: %w", e.slug, err)
	}
	trades := simulate(f, folds, e.sim)
	dataset := e.datasetRow(f)
	run := e.runRow(dataset, folds)
	simulation := e.simulationRow(run, f, folds, trades)
	b := book{dataset: dataset, runs: []db.UpsertRunParams{run}, simulations: []db.UpsertSimulationParams{simulation}}
	for _, fd := range folds {
		b.folds = append(b.folds, fd.row(run.RunID, f))
	}
	for _, side := range e.sides {
		b.buckets = append(b.buckets, bucketRow(simulation.SimulationID, trades, side))
	}
	for _, t := range trades {
		b.trades = append(b.trades, t.row(simulation.SimulationID))
	}
	b.sort()
	return b, nil
}

func (e experiment) datasetRow(f frame) db.UpsertDatasetParams {
	first, final := f.bar(0).startMS, f.bar(len(f.rows)-1).startMS
	m := manifest{
		Version: 1, DatasetID: datasetID(e.slug), DatasetSlug: e.slug, Symbol: e.symbol, Granularity: e.granularity, Source: e.source,
		OHLCVMeasurement: e.slug + "_ohlcv", IndicatorMeasurement: e.slug + "_ind", BarIntervalMS: e.barMS, LookbackRows: lookback,
		FirstOHLCVTimestamp: e.bars[0].startMS, LastOHLCVTimestamp: last(e.bars).startMS,
		FirstIndicatorTimestamp: first, LastIndicatorTimestamp: final,
		OHLCVRows: len(e.bars), IndicatorRows: len(f.rows), ExportedAt: e.at, provenance: e.about,
	}
	schema := []column{{"timestamp_ms", "LONG", "time"}}
	for _, name := range featureNames() {
		schema = append(schema, column{name, "DOUBLE", "feature"})
	}
	schema = append(schema, column{targetColumn, "DOUBLE", "target"})
	return db.UpsertDatasetParams{
		DatasetID: m.DatasetID, Symbol: m.Symbol, Granularity: m.Granularity, Source: m.Source,
		QuestDBTag: m.DatasetSlug, QuestDBMeasurement: m.IndicatorMeasurement, ColumnSchema: encode(schema),
		RowCount: int64(m.IndicatorRows), FirstBarTS: timeOf(first), LastBarTS: timeOf(final),
		OhlcvMeasurement: &m.OHLCVMeasurement, OhlcvRowCount: int64(m.OHLCVRows),
		OhlcvFirstTS: timeOf(m.FirstOHLCVTimestamp), OhlcvLastTS: timeOf(m.LastOHLCVTimestamp),
		BarIntervalMS: m.BarIntervalMS, LookbackRows: int64(m.LookbackRows), Metadata: encode(m),
	}
}

func (e experiment) runRow(dataset db.UpsertDatasetParams, folds []fold) db.UpsertRunParams {
	name := e.slug + "_run1"
	walk := e.walk
	walk.EndFold, walk.PredictionMeasurement = e.folds, name
	started := e.at.Add(time.Hour)
	return db.UpsertRunParams{
		RunID: runID(name), DatasetID: dataset.DatasetID, PredictionMeasurement: name, TargetColumn: targetColumn,
		FeatureColumns: encode(featureNames()),
		Hyperparameters: encode(map[string]any{
			"model": "ridge", "lambda": e.lambda, "standardize": true, "objective": "squared_error",
			"score": "rmse_test_pct", "threshold_method": "train_t_statistic",
		}),
		WalkConfig: encode(walk), SummaryMetrics: encode(summarizeRun(folds)),
		Status: "COMPLETED", RequestedBy: new("seed"), StartedAt: &started, CompletedAt: new(started.Add(4 * time.Second)), DurationMS: new(int64(4000)),
	}
}

func (e experiment) simulationRow(run db.UpsertRunParams, f frame, folds []fold, trades []trade) db.UpsertSimulationParams {
	name := e.slug + "_sim1"
	started := e.at.Add(2 * time.Hour)
	return db.UpsertSimulationParams{
		SimulationID: simulationID(name), RunID: run.RunID, DatasetID: run.DatasetID,
		InputRunMeasurement: run.PredictionMeasurement, QuestDBNamespace: name, Mode: sideDual,
		Config: encode(e.sim), SummaryMetrics: encode(summarizeSimulation(f, folds, trades)),
		Status: "COMPLETED", StartedAt: &started, CompletedAt: new(started.Add(time.Second)),
	}
}

// row is the fold as it is stored. The time of a window's end is the end of its last bar.
func (fd fold) row(run uuid.UUID, f frame) db.CopyFoldsParams {
	start := func(r int) *int64 { return new(f.bar(r).startMS) }
	end := func(r int) *int64 { return new(f.bar(r-1).startMS + f.barMS) }
	return db.CopyFoldsParams{
		RunID: run, FoldNumber: int32(fd.number),
		TrainStartIdx: int64(fd.trainStart), TrainEndIdx: int64(fd.trainEnd), TestStartIdx: int64(fd.testStart), TestEndIdx: int64(fd.testEnd),
		SamplesTrain: int64(fd.trainEnd - fd.trainStart), SamplesTest: int64(fd.testEnd - fd.testStart),
		BestScore:  new(widened(fd.score)),
		Thresholds: encode(fd.thresholds), Metrics: encode(fd.metrics),
		TrainStartTSMS: start(fd.trainStart), TrainEndTSMS: end(fd.trainEnd), TestStartTSMS: start(fd.testStart), TestEndTSMS: end(fd.testEnd),
	}
}

// row is the trade as it is stored.
func (t trade) row(simulation uuid.UUID) db.CopyTradesParams {
	return db.CopyTradesParams{
		SimulationID: simulation, TradeID: uuid.NewSHA1(simulation, fmt.Appendf(nil, "%s/%d", t.side, t.entryMS)),
		BarTimestamp: *timeOf(t.entryMS), Side: t.side, Size: t.size,
		EntryPrice: t.entry, ExitPrice: &t.exit, Pnl: &t.pnl, ReturnPct: &t.returnPct,
		Metadata: encode(map[string]any{
			"fold_index": t.fold, "entry_signal": t.entrySignal, "exit_signal": t.exitSignal, "exit_timestamp": t.exitMS,
		}),
	}
}

// bucketRow sums up the trades of a side as they are stored.
func bucketRow(simulation uuid.UUID, trades []trade, side string) db.CopyBucketsParams {
	t := tallyOf(trades, side)
	which := map[string]string{sideLong: "long trades", sideShort: "short trades", sideDual: "long and short trades"}[side]
	return db.CopyBucketsParams{
		SimulationID: simulation, Side: side, TradeCount: int64(t.count), WinCount: int64(t.wins),
		ProfitFactor: t.profitFactor, AvgReturnPct: t.avgReturnPct, MaxDrawdownPct: &t.maxDrawdownPct,
		Notes: new(which + ", after fees"),
	}
}

// widened is x as a client holds it that computes in 32 bits and sends 64.
func widened(x float64) float64 { return float64(float32(x)) }

func timeOf(ms int64) *time.Time { return new(time.UnixMilli(ms).UTC()) }

// encode is v as JSON. It panics on what has no JSON, NaN and infinity among it: no value here may be one.
func encode(v any) json.RawMessage {
	text, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("encode seed data: %v", err))
	}
	return text
}
