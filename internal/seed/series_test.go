package seed

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"foldbook/internal/testdb"
	"foldbook/questdb"
)

// questDB is a client of the QuestDB that the tests of this package share.
func questDB(t *testing.T) *questdb.Client {
	t.Helper()
	server := testdb.QuestDB(t)
	c, err := questdb.New(questdb.Config{HTTPURL: server.HTTPURL(), PGURL: server.PGURL()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// number is what one value of a query of the metadata is.
func number(t *testing.T, pool *pgxpool.Pool, sql string, args ...any) (n float64) {
	t.Helper()
	if err := pool.QueryRow(t.Context(), sql, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// cells reads columns of a table, as numbers, in the order of time.
func cells(t *testing.T, c *questdb.Client, name string, columns ...string) [][]float64 {
	t.Helper()
	table, err := c.Table(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := c.Scan(t.Context(), questdb.Scan{Selection: questdb.Selection{Table: table}, Columns: columns, Limit: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var all [][]float64
	for rows.Next() {
		row := make([]float64, len(columns))
		for k, f := range rows.Fields {
			if f.Kind == questdb.Time {
				micros, _ := rows.Int(k)
				row[k] = float64(micros / 1000)
			} else if v, ok := rows.Float(k); ok {
				row[k] = v
			} else {
				row[k] = math.NaN()
			}
		}
		all = append(all, row)
	}
	if rows.Err() != nil {
		t.Fatal(rows.Err())
	}
	return all
}

// The one test that seeds the shared QuestDB, for the names of the tables are the seed's.
func TestSeriesAgreeWithTheRecords(t *testing.T) {
	t.Parallel()
	pool, quest := testdb.New(t), questDB(t)
	var first, second bytes.Buffer
	if err := Run(t.Context(), pool, quest, &first); err != nil {
		t.Fatal(err)
	}
	t.Logf("printed:\n%s", &first)
	for _, slug := range []string{"btc19_1", "eth24_1"} {
		checkSeries(t, pool, quest, slug)
	}

	// A lost table, a changed row and a foreign one: what is the seed's comes back, what is not stays.
	if err := quest.Drop(t.Context(), "eth24_1_ind"); err != nil {
		t.Fatal(err)
	}
	bars, err := quest.Table(t.Context(), "btc19_1_ohlcv")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := quest.Write(t.Context(), bars, func(w *questdb.Writer) error {
		for _, ms := range []int64{1498910400000, 1498910400001} {
			w.Float("close", 1)
			w.Row(ms * 1000)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := Run(t.Context(), pool, quest, &second); err != nil {
		t.Fatal(err)
	}
	if got := strings.Replace(second.String(), "  and 1 others, left alone", "", 1); got != first.String() {
		t.Errorf("the second time it printed\n%sand the first\n%s", got, &first)
	}
	if got := cells(t, quest, "btc19_1_ohlcv", "close")[:2]; got[0][0] != 2467.83 || got[1][0] != 1 {
		t.Errorf("the first rows after seeding again close at %v", got)
	}
}

// checkSeries compares the series of a dataset with its folds and trades in the database.
func checkSeries(t *testing.T, pool *pgxpool.Pool, quest *questdb.Client, slug string) {
	t.Helper()
	bars, frame := cells(t, quest, slug+"_ohlcv", "timestamp", "timestamp_ms", "open", "close"), cells(t, quest, slug+"_ind", "timestamp", "timestamp_ms", "tgt_6", "mom_1")
	for _, n := range []struct {
		what string
		sql  string
		got  float64
	}{
		{"bars", "SELECT ohlcv_row_count FROM indicator_datasets WHERE questdb_tag = $1", float64(len(bars))},
		{"rows", "SELECT row_count FROM indicator_datasets WHERE questdb_tag = $1", float64(len(frame))},
		{"first row", "SELECT extract(epoch FROM first_bar_ts) * 1000 FROM indicator_datasets WHERE questdb_tag = $1", frame[0][0]},
		{"last row", "SELECT extract(epoch FROM last_bar_ts) * 1000 FROM indicator_datasets WHERE questdb_tag = $1", frame[len(frame)-1][0]},
	} {
		if want := number(t, pool, n.sql, slug); n.got != want {
			t.Errorf("%s: %s: the series say %v, the record %v", slug, n.what, n.got, want)
		}
	}
	place := map[float64]int{}
	for i, bar := range bars {
		place[bar[0]] = i
		if bar[0] != bar[1] {
			t.Fatalf("%s: the bar at %v says that it is at %v", slug, bar[0], bar[1])
		}
	}
	for _, row := range frame {
		i := place[row[0]]
		if want := 100 * (bars[i+6][3]/bars[i][3] - 1); row[0] != row[1] || !near(row[2], want) || !near(row[3], 100*(bars[i][3]/bars[i-1][3]-1)) {
			t.Fatalf("%s: row %v; the bars say a target of %v", slug, row, want)
		}
	}
	checkPredictions(t, pool, quest, slug, frame)
	checkTrace(t, pool, quest, slug)
}

// checkPredictions counts signals and adds up targets again, by fold.
func checkPredictions(t *testing.T, pool *pgxpool.Pool, quest *questdb.Client, slug string, frame [][]float64) {
	t.Helper()
	type sums struct{ rows, long, short, longSum, shortSum, squares, score float64 }
	folds := map[float64]*sums{}
	for _, p := range cells(t, quest, slug+"_run1", "timestamp", "bar_index", "fold_number", "prediction", "target_value", "long_threshold", "short_threshold", "fold_score") {
		s := folds[p[2]]
		if s == nil {
			s = &sums{score: p[7]}
			folds[p[2]] = s
		}
		if row := frame[int(p[1])]; row[0] != p[0] || row[2] != p[4] {
			t.Fatalf("%s: prediction %v belongs to row %v", slug, p, row)
		}
		s.rows++
		s.squares += (p[3] - p[4]) * (p[3] - p[4])
		if p[3] >= p[5] {
			s.long++
			s.longSum += p[4]
		}
		if p[3] <= p[6] {
			s.short++
			s.shortSum -= p[4]
		}
	}
	of := " FROM walkforward_folds f JOIN walkforward_runs r USING (run_id) WHERE r.prediction_measurement = $1"
	if want := number(t, pool, "SELECT count(*)"+of, slug+"_run1"); float64(len(folds)) != want {
		t.Errorf("%s: predictions of %d folds, there are %v", slug, len(folds), want)
	}
	for fold, s := range folds {
		for _, n := range []struct {
			column string
			got    float64
		}{
			{"samples_test", s.rows}, {"test_end_idx - test_start_idx", s.rows}, {"best_score", s.score},
			{"(f.metrics->>'n_signals')::float8", s.long}, {"(f.metrics->>'n_short_signals')::float8", s.short},
			{"(f.metrics->>'signal_sum')::float8", s.longSum}, {"(f.metrics->>'short_signal_sum')::float8", s.shortSum},
		} {
			want := number(t, pool, "SELECT ("+n.column+")::float8"+of+" AND fold_number = $2", slug+"_run1", int(fold))
			if !near(n.got, want) {
				t.Errorf("%s fold %v: %s: the predictions say %v, the record %v", slug, fold, n.column, n.got, want)
			}
		}
		if got := math.Sqrt(s.squares / s.rows); math.Abs(got-s.score) > 1e-6 {
			t.Errorf("%s fold %v: the predictions are off by %v, the score is %v", slug, fold, got, s.score)
		}
	}
}

// checkTrace compares each row with the trade of its time and side.
func checkTrace(t *testing.T, pool *pgxpool.Pool, quest *questdb.Client, slug string) {
	t.Helper()
	of := " FROM simulation_trades t JOIN simulation_runs s USING (simulation_id) WHERE s.questdb_namespace = $1"
	trace := cells(t, quest, slug+"_sim1", "timestamp", "is_long", "position_size", "entry_price", "exit_price", "pnl", "return_pct", "entry_signal", "exit_signal", "exit_timestamp_unix", "fold_index")
	if want := number(t, pool, "SELECT count(*)"+of, slug+"_sim1"); float64(len(trace)) != want {
		t.Errorf("%s: a trace of %d trades, there are %v", slug, len(trace), want)
	}
	for _, row := range trace {
		side := map[float64]string{0: "short", 1: "long"}[row[1]]
		sql := `SELECT size, entry_price, exit_price, pnl, return_pct, (t.metadata->>'entry_signal')::float8, (t.metadata->>'exit_signal')::float8,
			(t.metadata->>'exit_timestamp')::float8 / 1000, (t.metadata->>'fold_index')::float8` + of + ` AND bar_timestamp = to_timestamp($2::float8 / 1000) AND side = $3`
		var trade [9]float64
		err := pool.QueryRow(t.Context(), sql, slug+"_sim1", row[0], side).Scan(&trade[0], &trade[1], &trade[2], &trade[3], &trade[4], &trade[5], &trade[6], &trade[7], &trade[8])
		if err != nil || fmt.Sprint(trade[:]) != fmt.Sprint(row[2:]) {
			t.Fatalf("%s: %s trade at %v: the trace says %v, the record %v, %v", slug, side, row[0], row[2:], trade, err)
		}
	}
}

func TestScaleSeries(t *testing.T) {
	t.Parallel()
	pool, quest := testdb.New(t), questDB(t)
	const rows = 60_000 // more than a batch of either table
	var first, second bytes.Buffer
	for _, out := range []*bytes.Buffer{&first, &second} {
		if err := scaleSeries(t.Context(), pool, quest, rows, out); err != nil {
			t.Fatal(err)
		}
	}
	if first.String() != second.String() || strings.Count(first.String(), "60000") != 2 {
		t.Errorf("printed\n%sand then\n%s", &first, &second)
	}
	if n := number(t, pool, "SELECT row_count FROM indicator_datasets WHERE questdb_tag = 'bench_1m'"); n != rows {
		t.Errorf("the record says %v rows", n)
	}
	t.Logf("printed:\n%s", &first)
}

// Without QuestDB the records are there, and the output says what is not.
func TestRunWithoutQuestDB(t *testing.T) {
	t.Parallel()
	pool := testdb.New(t)
	away, err := questdb.New(questdb.Config{HTTPURL: "http://127.0.0.1:1", PGURL: "postgres://127.0.0.1:1/qdb"})
	if err != nil {
		t.Fatal(err)
	}
	defer away.Close()
	var off, gone bytes.Buffer
	if err := Run(t.Context(), pool, nil, &off); err != nil || !strings.Contains(off.String(), "series: none stored, because QuestDB is off") {
		t.Errorf("off: %v, printed\n%s", err, &off)
	}
	if err := Run(t.Context(), pool, away, &gone); err != nil || !strings.Contains(gone.String(), "series: none stored (ping QuestDB: QuestDB cannot be reached") {
		t.Errorf("away: %v, printed\n%s", err, &gone)
	}
}
