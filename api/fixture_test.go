package api_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/uuid"

	"foldbook/db"
)

// The fixture: a dataset, a run with three folds and a simulation with two buckets in full, and one of each with
// everything that may be null or empty so. The bare ones are newer.
var (
	fullDataset = uuid.MustParse("6f0e0c3a-52a7-4c1c-9d58-3f1f0e6f9a01")
	bareDataset = uuid.MustParse("6f0e0c3a-52a7-4c1c-9d58-3f1f0e6f9a02")
	fullRun     = uuid.MustParse("2f6bd1c2-8c7e-4f0e-9a53-6a1d1b2c3d01")
	bareRun     = uuid.MustParse("2f6bd1c2-8c7e-4f0e-9a53-6a1d1b2c3d02")
	fullSim     = uuid.MustParse("c1d2e3f4-0a1b-4c2d-8e3f-405162738401")
	bareSim     = uuid.MustParse("c1d2e3f4-0a1b-4c2d-8e3f-405162738402")
	unknown     = uuid.MustParse("00000000-0000-4000-8000-000000000000")
)

func ptr[T any](v T) *T { return &v }

func raw(text string) json.RawMessage { return json.RawMessage(text) }

func seedFixture(t testing.TB, h *harness) {
	t.Helper()
	err := h.db.InTx(context.Background(), false, func(q *db.Queries) error {
		for _, store := range []func(context.Context, *db.Queries) error{seedDatasets, seedRuns, seedSimulations} {
			if err := store(context.Background(), q); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	// Times are the database's to set; the golden answers need them fixed.
	h.exec(`ALTER TABLE indicator_datasets DISABLE TRIGGER indicator_datasets_updated_at`)
	h.exec(`UPDATE indicator_datasets SET created_at = '2026-01-02T12:15:00Z', updated_at = '2026-01-02T12:16:10.25Z'`)
	h.exec(`UPDATE walkforward_runs SET created_at = '2026-01-02T13:00:00.000001Z'`)
	h.exec(`UPDATE simulation_runs SET created_at = '2026-01-02T15:00:00Z'`)
	h.exec(`UPDATE indicator_datasets SET created_at = created_at + interval '1 s' WHERE dataset_id = $1`, bareDataset)
	h.exec(`UPDATE walkforward_runs SET created_at = created_at + interval '1 s' WHERE run_id = $1`, bareRun)
	h.exec(`UPDATE simulation_runs SET created_at = created_at + interval '1 s' WHERE simulation_id = $1`, bareSim)
	for _, id := range []uuid.UUID{fullRun, bareRun} {
		if _, err := h.db.FinishRun(context.Background(), db.FinishRunParams{RunID: id}); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range []uuid.UUID{fullSim, bareSim} {
		if err := h.db.FinishSimulation(context.Background(), db.FinishSimulationParams{SimulationID: id}); err != nil {
			t.Fatal(err)
		}
	}
}

func at(text string) *time.Time {
	ts, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		panic(err)
	}
	return &ts
}

func seedDatasets(ctx context.Context, q *db.Queries) error {
	if _, err := q.UpsertDataset(ctx, db.UpsertDatasetParams{
		DatasetID: fullDataset, Symbol: "BTCUSDT", Granularity: "4h", Source: "chronosflow", QuestDBTag: "btc25_1", QuestDBMeasurement: "indicator_bars",
		ColumnSchema: raw(`[{"name": "rsi_14", "type": "DOUBLE", "role": "feature"}]`), RowCount: 4320,
		FirstBarTS: at("2024-01-01T00:00:00Z"), LastBarTS: at("2025-12-20T20:00:00Z"), OhlcvMeasurement: ptr("btc25_1_ohlcv"), OhlcvRowCount: 4368,
		OhlcvFirstTS: at("2023-12-24T00:00:00Z"), OhlcvLastTS: at("2025-12-20T20:00:00Z"), BarIntervalMS: 14400000, LookbackRows: 48,
		Metadata: raw(`{"version": 1, "note": "quotes \" and \u2028 and 日本"}`),
	}); err != nil {
		return err
	}
	_, err := q.UpsertDataset(ctx, db.UpsertDatasetParams{
		DatasetID: bareDataset, Symbol: "ETH\"\\\n\u0001\u2028😀", Granularity: "1h", Source: "laptop", QuestDBTag: "eth", QuestDBMeasurement: "eth_ind",
		ColumnSchema: raw(`[]`), Metadata: raw(`{}`),
	})
	return err
}

func seedRuns(ctx context.Context, q *db.Queries) error {
	if _, err := q.UpsertRun(ctx, db.UpsertRunParams{
		RunID: fullRun, DatasetID: fullDataset, PredictionMeasurement: "btc25_run1", TargetColumn: "TGT_315", FeatureColumns: raw(`["rsi_14", "hma_55"]`),
		Hyperparameters: raw(`{"learning_rate": 0.05, "max_depth": 6, "seed": 9007199254740993}`), WalkConfig: raw(`{"train_size": 5000, "test_size": 500}`),
		SummaryMetrics: raw(`{"folds": 3, "pf_dual": 1.12, "tiny": 1e-300}`), Status: "COMPLETED", RequestedBy: ptr("analyst"),
		StartedAt: at("2026-01-02T13:00:00Z"), CompletedAt: at("2026-01-02T13:07:45.5Z"), DurationMS: ptr(int64(465000)), SerializedConfig: ptr("a\tb"),
	}); err != nil {
		return err
	}
	if _, err := q.UpsertRun(ctx, db.UpsertRunParams{
		RunID: bareRun, DatasetID: bareDataset, PredictionMeasurement: "", FeatureColumns: raw(`[]`), Hyperparameters: raw(`{}`), WalkConfig: raw(`{}`),
		SummaryMetrics: raw(`{}`), Status: "RUNNING",
	}); err != nil {
		return err
	}
	folds := []db.CopyFoldsParams{{
		RunID: fullRun, FoldNumber: 2, TrainEndIdx: 10, TestStartIdx: 12, TestEndIdx: 14, SamplesTrain: 10, SamplesTest: 2, Thresholds: raw(`{}`), Metrics: raw(`{}`),
	}, {
		RunID: fullRun, FoldNumber: 0, TrainEndIdx: 5000, TestStartIdx: 5004, TestEndIdx: 5504, SamplesTrain: 5000, SamplesTest: 500,
		BestIteration: ptr(int32(188)), BestScore: ptr(float64(float32(0.000911))), Thresholds: raw(`{"long_optimal": 0.63, "short_optimal": 0.37}`),
		Metrics: raw(`{"hit_rate": 0.53, "n_signals": 41, "running_sum": 12.5, "model_learned_nothing": false}`), TrainStartTSMS: ptr(int64(1704067200000)),
		TrainEndTSMS: ptr(int64(1776067200000)), TestStartTSMS: ptr(int64(1776124800000)), TestEndTSMS: ptr(int64(1783324800000)),
	}, {
		RunID: fullRun, FoldNumber: 1, TrainStartIdx: 500, TrainEndIdx: 5500, TestStartIdx: 5504, TestEndIdx: 6004, SamplesTrain: 5000, SamplesTest: 500,
		BestIteration: ptr(int32(0)), BestScore: ptr(1.7976931348623157e308), Thresholds: raw(`{"long_optimal": 24.0}`), Metrics: raw(`{"n_signals": 0}`),
	}}
	_, err := q.CopyFolds(ctx, folds)
	return err
}

func seedSimulations(ctx context.Context, q *db.Queries) error {
	if _, err := q.UpsertSimulation(ctx, db.UpsertSimulationParams{
		SimulationID: fullSim, RunID: fullRun, DatasetID: fullDataset, InputRunMeasurement: "btc25_run1", QuestDBNamespace: "btc25_sim1", Mode: "dual",
		Config: raw(`{"position_size": 1000, "use_stop_loss": true}`), SummaryMetrics: raw(`{"total_return_pct": 8.2}`), Status: "COMPLETED",
		StartedAt: at("2026-01-02T15:00:00Z"), CompletedAt: at("2026-01-02T15:00:07Z"), SerializedConfig: ptr(""),
	}); err != nil {
		return err
	}
	if _, err := q.UpsertSimulation(ctx, db.UpsertSimulationParams{
		SimulationID: bareSim, RunID: bareRun, DatasetID: bareDataset, QuestDBNamespace: "trading_sim_traces", Mode: "long", Config: raw(`{}`), SummaryMetrics: raw(`{}`),
		Status: "PENDING",
	}); err != nil {
		return err
	}
	_, err := q.CopyBuckets(ctx, []db.CopyBucketsParams{
		{SimulationID: fullSim, Side: "short"},
		{SimulationID: fullSim, Side: "dual", TradeCount: 128, WinCount: 73, ProfitFactor: ptr(1.31), AvgReturnPct: ptr(0.008), MaxDrawdownPct: ptr(-0.031), Notes: ptr("all trades")},
	})
	return err
}
