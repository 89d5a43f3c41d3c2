package seed

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"foldbook/db"
	"foldbook/internal/testdb"
)

func TestMain(m *testing.M) { testdb.Main(m) }

// theBooks are the experiments as rows.
func theBooks(t *testing.T) []book {
	t.Helper()
	all, err := experiments()
	if err != nil {
		t.Fatal(err)
	}
	return []book{bookOf(all[0]...), bookOf(all[1]...)}
}

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

// everything is all rows of all tables as text, with the times of their writing.
func everything(t *testing.T, pool *pgxpool.Pool) string {
	t.Helper()
	var all string
	for _, table := range []string{
		"indicator_datasets", "walkforward_runs", "walkforward_folds", "simulation_runs", "simulation_trade_buckets", "simulation_trades",
	} {
		var rows string
		if err := pool.QueryRow(t.Context(), "SELECT coalesce(string_agg(t::text, E'\n' ORDER BY t::text), '') FROM "+table+" AS t").Scan(&rows); err != nil {
			t.Fatal(err)
		}
		all += table + "\n" + rows + "\n"
	}
	return all
}

func rowCounts(t *testing.T, pool *pgxpool.Pool) []int {
	t.Helper()
	var n [6]int
	err := pool.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM indicator_datasets), (SELECT count(*) FROM walkforward_runs), (SELECT count(*) FROM walkforward_folds),
		(SELECT count(*) FROM simulation_runs), (SELECT count(*) FROM simulation_trade_buckets), (SELECT count(*) FROM simulation_trades)`).Scan(&n[0], &n[1], &n[2], &n[3], &n[4], &n[5])
	if err != nil {
		t.Fatal(err)
	}
	return n[:]
}

func TestRunTwiceChangesNothing(t *testing.T) {
	t.Parallel()
	pool := testdb.New(t)
	var first, second bytes.Buffer
	if err := Run(t.Context(), pool, nil, &first); err != nil {
		t.Fatal(err)
	}
	rows := everything(t, pool)
	if err := Run(t.Context(), pool, nil, &second); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(rows, everything(t, pool)); diff != "" {
		t.Errorf("rows after the second run (-first +second):\n%s", diff)
	}
	if diff := cmp.Diff(first.String(), second.String()); diff != "" {
		t.Errorf("output (-first +second):\n%s", diff)
	}
	books := theBooks(t)
	if diff := cmp.Diff([]int{2, 3, 8, 3, 5, len(books[0].trades) + len(books[1].trades)}, rowCounts(t, pool)); diff != "" {
		t.Errorf("rows in the tables (-want +got):\n%s", diff)
	}
	if !strings.Contains(first.String(), "\nall        2         3     8      3            5  ") {
		t.Errorf("printed:\n%s", &first)
	}
	t.Logf("printed:\n%s", &first)
}

// A row that somebody changed or removed comes back; rows that are not the seed's stay.
func TestRunRepairsItsRowsAndKeepsOthers(t *testing.T) {
	t.Parallel()
	pool := testdb.New(t)
	var out bytes.Buffer
	if err := Run(t.Context(), pool, nil, &out); err != nil {
		t.Fatal(err)
	}
	own := uuid.New()
	for _, statement := range []string{
		`INSERT INTO walkforward_runs (run_id, dataset_id, prediction_measurement) VALUES ('` + own.String() + `', '` + BTCDatasetID.String() + `', 'mine')`,
		`UPDATE walkforward_folds SET metrics = '{}' WHERE run_id = '` + BTCRunID.String() + `' AND fold_number = 1`,
		`DELETE FROM simulation_trades WHERE simulation_id = '` + BTCSimulationID.String() + `' AND side = 'long'`,
		`UPDATE indicator_datasets SET symbol = 'changed'`,
	} {
		if _, err := pool.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	if err := Run(t.Context(), pool, nil, &out); err != nil {
		t.Fatal(err)
	}
	q := db.New(pool)
	dataset, err := q.GetDataset(t.Context(), BTCDatasetID)
	if err != nil || dataset.Symbol != "BTCUSD" {
		t.Errorf("dataset after seeding again: symbol %q, error %v", dataset.Symbol, err)
	}
	books := theBooks(t)
	if got, want := rowCounts(t, pool), []int{2, 4, 8, 3, 5, len(books[0].trades) + len(books[1].trades)}; cmp.Diff(want, got) != "" {
		t.Errorf("rows after seeding again: got %v, want %v", got, want)
	}
	folds, err := db.First(q.ListFolds(t.Context(), []uuid.UUID{BTCRunID}).Query)
	if err != nil || len(folds) != 3 || field[int](t, folds[1].Metrics, "n_signals") == 0 {
		t.Errorf("folds after seeding again: %d, error %v", len(folds), err)
	}
	runs, err := q.CountSearchedRuns(t.Context(), db.CountSearchedRunsParams{DatasetIds: []uuid.UUID{BTCDatasetID}, MaxCount: 9})
	if err != nil || runs != 3 {
		t.Errorf("runs of the dataset: %d, error %v; want the seed's two and the other one", runs, err)
	}
}
