package db_test

import (
	"strings"
	"testing"
	"time"

	"foldbook/internal/series"
	"foldbook/internal/testdb"
)

// The service and the database read the same length from a granularity.
func TestGranularity(t *testing.T) {
	t.Parallel()
	pool := testdb.New(t)
	for text, want := range map[string]int64{
		"1ms": 1, "90s": 90_000, "15m": 900_000, "0240m": 14_400_000, "4h": 14_400_000, "1d": 86_400_000, "2w": 1_209_600_000, "65536m": 3_932_160_000,
		"0m": 0, "": 0, "m": 0, "15": 0, "15min": 0, "15M": 0, "\x2015m": 0, "-15m": 0, "+15m": 0, "1.5h": 0, "1234567890m": 0, "tick": 0, "15m\n": 0, "99999d": 8_639_913_600_000,
	} {
		var stored int64
		if err := pool.QueryRow(t.Context(), "SELECT granularity_ms($1)", text).Scan(&stored); err != nil {
			t.Fatal(err)
		}
		if got := series.BarLength(0, text); stored != want || got != time.Duration(want)*time.Millisecond {
			t.Errorf("%q: %d ms in SQL, %v in Go, want %d ms", text, stored, got, want)
		}
	}
}

// The service and the database agree about the table of bars of a dataset that names none.
func TestBarsTable(t *testing.T) {
	t.Parallel()
	pool := testdb.New(t)
	for slug, want := range map[string]string{
		"btc25_1": "btc25_1_ohlcv", "BTC-25": "btc-25_ohlcv", "BTC/USD": "btc_usd_ohlcv", "a b.c": "a_b_c_ohlcv", "--x": "x_ohlcv",
		"é\u212aÖ": "____ohlcv", strings.Repeat("ü", 130): strings.Repeat("_", 120) + "_ohlcv", "-": "_ohlcv",
	} {
		var stored string
		if err := pool.QueryRow(t.Context(), "SELECT default_bars_table($1)", slug).Scan(&stored); err != nil {
			t.Fatal(err)
		}
		if got := series.BarsName(slug); stored != want || got != want {
			t.Errorf("%q: %q in SQL, %q in Go, want %q", slug, stored, got, want)
		}
	}
}

// The number of folds of a run is right after every statement that adds or removes folds, also one that no route makes.
func TestFoldCount(t *testing.T) {
	t.Parallel()
	store := seeded(t)
	for _, sql := range []string{
		"SELECT", // the seed has copied folds
		"DELETE FROM walkforward_folds WHERE fold_number = 1",
		`INSERT INTO walkforward_folds (run_id, fold_number, train_start_idx, train_end_idx, test_start_idx, test_end_idx, samples_train, samples_test)
		SELECT r.run_id, 1000 + n, 0, 0, 0, 0, 0, 0 FROM walkforward_runs AS r, generate_series(1, 3) AS n`,
		"DELETE FROM walkforward_folds",
		"DELETE FROM indicator_datasets",
	} {
		exec(t, store, sql)
		var wrong int
		if err := store.Pool.QueryRow(t.Context(), `SELECT count(*) FROM walkforward_runs AS r
			WHERE r.fold_count <> (SELECT count(*) FROM walkforward_folds AS f WHERE f.run_id = r.run_id)`).Scan(&wrong); err != nil {
			t.Fatal(err)
		}
		if wrong > 0 {
			t.Errorf("after %s: %d runs have another number of folds than they say", sql, wrong)
		}
	}
}
