package seed

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"foldbook/db"
	"foldbook/internal/seed/experiment"
)

// bookOf is experiments on one dataset as the rows of the tables.
func bookOf(all ...*experiment.Experiment) book {
	b := book{dataset: datasetRow(all[0].Dataset)}
	for _, e := range all {
		b.add(e)
	}
	b.sort()
	return b
}

func (b *book) add(e *experiment.Experiment) {
	run, simulation := e.Run, e.Simulation
	b.runs = append(b.runs, db.UpsertRunParams{
		RunID: run.ID, DatasetID: run.DatasetID, PredictionMeasurement: run.PredictionMeasurement, TargetColumn: run.TargetColumn,
		FeatureColumns: encode(run.FeatureColumns), Hyperparameters: encode(run.Hyperparameters),
		WalkConfig: encode(run.WalkConfig), SummaryMetrics: encode(run.SummaryMetrics),
		Status: run.Status, RequestedBy: &run.RequestedBy, StartedAt: &run.StartedAt, CompletedAt: &run.CompletedAt, DurationMS: &run.DurationMS,
	})
	b.simulations = append(b.simulations, db.UpsertSimulationParams{
		SimulationID: simulation.ID, RunID: simulation.RunID, DatasetID: simulation.DatasetID,
		InputRunMeasurement: simulation.InputRunMeasurement, QuestDBNamespace: simulation.QuestDBNamespace, Mode: simulation.Mode,
		Config: encode(simulation.Config), SummaryMetrics: encode(simulation.SummaryMetrics),
		Status: simulation.Status, StartedAt: &simulation.StartedAt, CompletedAt: &simulation.CompletedAt,
	})
	for _, fd := range e.Folds {
		b.folds = append(b.folds, foldRow(run.ID, fd))
	}
	for _, bucket := range simulation.Buckets {
		b.buckets = append(b.buckets, bucketRow(simulation.ID, bucket))
	}
	for i, t := range simulation.Trades {
		b.trades = append(b.trades, tradeRow(simulation.ID, t, int64(i)))
	}
}

func datasetRow(d experiment.Dataset) db.UpsertDatasetParams {
	m := d.Metadata
	return db.UpsertDatasetParams{
		DatasetID: d.ID, Symbol: d.Symbol, Granularity: d.Granularity, Source: d.Source,
		QuestDBTag: d.Slug, QuestDBMeasurement: d.IndicatorMeasurement, ColumnSchema: encode(d.ColumnSchema),
		RowCount: int64(m.IndicatorRows), FirstBarTS: timeOf(m.FirstIndicatorTimestamp), LastBarTS: timeOf(m.LastIndicatorTimestamp),
		OhlcvMeasurement: &d.OHLCVMeasurement, OhlcvRowCount: int64(m.OHLCVRows),
		OhlcvFirstTS: timeOf(m.FirstOHLCVTimestamp), OhlcvLastTS: timeOf(m.LastOHLCVTimestamp),
		BarIntervalMS: d.BarIntervalMS, LookbackRows: int64(d.LookbackRows), Metadata: encode(m),
	}
}

func foldRow(run uuid.UUID, fd experiment.Fold) db.CopyFoldsParams {
	return db.CopyFoldsParams{
		RunID: run, FoldNumber: int32(fd.Number),
		TrainStartIdx: int64(fd.TrainStart), TrainEndIdx: int64(fd.TrainEnd), TestStartIdx: int64(fd.TestStart), TestEndIdx: int64(fd.TestEnd),
		SamplesTrain: int64(fd.SamplesTrain), SamplesTest: int64(fd.SamplesTest),
		BestIteration: fd.Trees, BestScore: &fd.Score, Thresholds: encode(fd.Thresholds), Metrics: encode(fd.Metrics),
		TrainStartTSMS: &fd.TrainStartMS, TrainEndTSMS: &fd.TrainEndMS, TestStartTSMS: &fd.TestStartMS, TestEndTSMS: &fd.TestEndMS,
	}
}

func bucketRow(simulation uuid.UUID, b experiment.Bucket) db.CopyBucketsParams {
	return db.CopyBucketsParams{
		SimulationID: simulation, Side: b.Side, TradeCount: int64(b.Trades), WinCount: int64(b.Wins),
		ProfitFactor: b.ProfitFactor, AvgReturnPct: b.AvgReturnPct, MaxDrawdownPct: &b.MaxDrawdownPct, Notes: &b.Notes,
	}
}

func tradeRow(simulation uuid.UUID, t experiment.Trade, index int64) db.CopyTradesParams {
	return db.CopyTradesParams{
		SimulationID: simulation, TradeID: t.ID, BarTimestamp: *timeOf(t.EntryMS), Side: t.Side, Size: t.Size,
		EntryPrice: t.Entry, ExitPrice: &t.Exit, Pnl: &t.Pnl, ReturnPct: &t.ReturnPct,
		Metadata: encode(map[string]any{
			"fold_index": t.Fold, "entry_signal": t.EntrySignal, "exit_signal": t.ExitSignal, "exit_timestamp": t.ExitMS,
		}), TradeIndex: index,
	}
}

func timeOf(ms int64) *time.Time { return new(time.UnixMilli(ms).UTC()) }

// encode is v as JSON. It panics on what has no JSON, NaN and infinity among it: no value here may be one.
func encode(v any) json.RawMessage {
	text, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("encode seed data: %v", err))
	}
	return text
}
