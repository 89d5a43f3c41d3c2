package testdb

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/google/uuid"

	"foldbook/db"
)

var (
	object = json.RawMessage(`{}`)
	list   = json.RawMessage(`[]`)
)

// stored stores a row after change, unless nil, has altered it.
func stored[P, R any](t testing.TB, store func(context.Context, P) (R, error), row P, change func(*P)) P {
	t.Helper()
	if change != nil {
		change(&row)
	}
	if _, err := store(context.Background(), row); err != nil {
		t.Fatalf("store %+v: %v", row, err)
	}
	return row
}

// Dataset stores a dataset of valid values, which change may alter, and returns its id.
func Dataset(t testing.TB, q *db.Queries, change func(*db.UpsertDatasetParams)) uuid.UUID {
	t.Helper()
	id := uuid.New()
	return stored(t, q.UpsertDataset, db.UpsertDatasetParams{
		DatasetID: id, Symbol: "BTCUSDT", Granularity: "4h", Source: "test", QuestDBTag: id.String(), QuestDBMeasurement: "bars",
		ColumnSchema: list, Metadata: object,
	}, change).DatasetID
}

// Run stores a run of a dataset, as [Dataset] does.
func Run(t testing.TB, q *db.Queries, dataset uuid.UUID, change func(*db.UpsertRunParams)) uuid.UUID {
	t.Helper()
	return stored(t, q.UpsertRun, db.UpsertRunParams{
		RunID: uuid.New(), DatasetID: dataset, PredictionMeasurement: "predictions", FeatureColumns: list, Hyperparameters: object,
		WalkConfig: object, SummaryMetrics: object, Status: "COMPLETED",
	}, change).RunID
}

// Folds stores n folds of a run that follow each other, and lets change, unless nil, alter each.
func Folds(t testing.TB, q *db.Queries, run uuid.UUID, n int64, change func(*db.CopyFoldsParams)) {
	t.Helper()
	folds := make([]db.CopyFoldsParams, n)
	for i := range n {
		folds[i] = db.CopyFoldsParams{
			RunID: run, FoldNumber: int32(i),
			TrainStartIdx: 2 * i, TrainEndIdx: 2*i + 5, TestStartIdx: 2*i + 5, TestEndIdx: 2*i + 7,
			SamplesTrain: 5, SamplesTest: 2, Thresholds: object, Metrics: object,
		}
		if change != nil {
			change(&folds[i])
		}
	}
	stored(t, q.CopyFolds, folds, nil)
}

// Simulation stores a simulation of a run, as [Dataset] does.
func Simulation(t testing.TB, q *db.Queries, dataset, run uuid.UUID, change func(*db.UpsertSimulationParams)) uuid.UUID {
	t.Helper()
	return stored(t, q.UpsertSimulation, db.UpsertSimulationParams{
		SimulationID: uuid.New(), RunID: run, DatasetID: dataset, Mode: "dual", Config: object, SummaryMetrics: object, Status: "COMPLETED",
	}, change).SimulationID
}
