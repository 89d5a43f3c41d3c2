package db_test

import (
	"strings"
	"testing"
	"time"

	"foldbook/internal/series"
	"foldbook/internal/testdb"
	"foldbook/questdb"
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

// Slugs that are not alike have tables that are not alike, and each is a name that QuestDB takes.
func TestDefaultTable(t *testing.T) {
	t.Parallel()
	pool := testdb.New(t)
	seen := map[string]string{}
	for slug, want := range map[string]string{
		"btc25_1": "btc25_1_ind", "btc-25": "btc-25_ind", "0": "0_ind", "a_b": "a_b_ind",
		"a/b": "_a_b_a7e86136_ind", "A/B": "_a_b_e649fc2c_ind", "A_B": "", "a b": "", "BTC/USD": "", "btc_usd": "btc_usd_ind", "-x": "", "x": "x_ind",
		"ü": "", "Ü": "", "é\u212aÖ": "", "telemetry": "", "_query_trace_1": "", strings.Repeat("a", 110): "", strings.Repeat("a", 111): "", strings.Repeat("a", 200): "",
		strings.Repeat("ü", 130): "", strings.Repeat("ü", 131): "", "..": "", "\n": "", "'; drop": "",
	} {
		var name string
		if err := pool.QueryRow(t.Context(), "SELECT default_table($1, '_ind')", slug).Scan(&name); err != nil {
			t.Fatal(err)
		}
		if want != "" && name != want {
			t.Errorf("%q: %q, want %q", slug, name, want)
		}
		if !questdb.ValidTable(name) {
			t.Errorf("%q: QuestDB does not take %q", slug, name)
		}
		if other, ok := seen[name]; ok {
			t.Errorf("%q and %q: both %q", slug, other, name)
		}
		seen[name] = slug
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
