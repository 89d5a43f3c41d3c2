package seed

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"foldbook/db"
	"foldbook/internal/testdb"
	"foldbook/questdb"
)

func TestMain(m *testing.M) { testdb.Main(m) }

// text is the one value of a query.
func text(t *testing.T, pool *pgxpool.Pool, sql string) (value string) {
	t.Helper()
	if err := pool.QueryRow(t.Context(), sql).Scan(&value); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return value
}

// everything is all rows of all tables as text, with the times of their writing.
func everything(t *testing.T, pool *pgxpool.Pool) (all string) {
	t.Helper()
	for _, table := range []string{
		"indicator_datasets", "walkforward_runs", "walkforward_folds", "walkforward_run_metrics", "simulation_runs",
		"simulation_trade_buckets", "simulation_trades", "simulation_run_metrics",
	} {
		all += text(t, pool, "SELECT coalesce(string_agg(t::text, E'\\n' ORDER BY t::text), '') FROM "+table+" AS t") + "\n"
	}
	return all
}

func TestScale(t *testing.T) {
	testdb.Slow(t)
	t.Parallel()
	pool := testdb.New(t)
	var out bytes.Buffer
	if err := Scale(t.Context(), pool, nil, 1, &out); err != nil {
		t.Fatal(err)
	}
	first := out.String()
	if !strings.HasPrefix(first, "50 datasets, 200 runs, ") || !strings.HasSuffix(first, " folds, 200 simulations, 600 buckets, 4000 trades\n") {
		t.Errorf("printed %q", first)
	}
	before := everything(t, pool)
	if err := Scale(t.Context(), pool, nil, 1, &out); err != nil {
		t.Fatal(err)
	}
	if everything(t, pool) != before || out.String() != first+first {
		t.Errorf("scaling twice changed rows, or what is printed:\n%s", &out)
	}
	few := testdb.New(t)
	if _, err := Records(t.Context(), few, 2); err != nil {
		t.Fatal(err)
	}
	const second = `SELECT string_agg(metrics::text, ',' ORDER BY f.run_id, fold_number) FROM walkforward_folds AS f
		JOIN walkforward_runs AS r USING (run_id) WHERE r.prediction_measurement LIKE 'bench_0002%'`
	if text(t, pool, second) != text(t, few, second) {
		t.Error("the first datasets of more are not those of fewer")
	}
	checkSizes(t, pool)
	checkBuckets(t, pool)
}

// checkSizes wants rows of realistic size.
func checkSizes(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	q := db.New(pool)
	folds, err := db.First(q.ListFolds(t.Context(), []uuid.UUID{BigRunID}).Query)
	if err != nil || len(folds) != 312 {
		t.Errorf("the big run has %d folds, %v; want 312", len(folds), err)
	}
	for _, fd := range folds {
		var metrics, thresholds map[string]any
		if json.Unmarshal(fd.Metrics, &metrics) != nil || json.Unmarshal(fd.Thresholds, &thresholds) != nil || len(metrics) != 28 || len(thresholds) != 9 {
			t.Fatalf("fold %d: %d metrics and %d thresholds, want 28 and 9", fd.FoldNumber, len(metrics), len(thresholds))
		}
	}
	run, err := db.First(q.GetRun(t.Context(), []uuid.UUID{BenchRunID}).QueryRow)
	if err != nil {
		t.Fatal(err)
	}
	if size := len(run.AppendJSON(nil)); size < 1500 || size > 2500 {
		t.Errorf("a run is %d bytes of JSON, want about 1.7 to 2 KB", size)
	}
	if n := text(t, pool, "SELECT count(*)::text FROM walkforward_run_metrics WHERE key ~ '^summary' AND run_id = '"+BigRunID.String()+"'"); n != "25" {
		t.Errorf("searches find %s numbers of the big run", n)
	}
}

func checkBuckets(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	q := db.New(pool)
	buckets, err := db.First(q.ListBuckets(t.Context(), []uuid.UUID{BenchSimulationID}).Query)
	if err != nil || len(buckets) != 3 {
		t.Fatalf("%d buckets, %v", len(buckets), err)
	}
	trades, err := q.ListTrades(t.Context(), db.ListTradesParams{SimulationID: BenchSimulationID, PageSize: 100})
	if err != nil {
		t.Fatal(err)
	}
	for _, bucket := range buckets {
		var count, wins int64
		var gains, losses, cumulative, peak, drawdown float64
		for _, tr := range trades {
			if bucket.Side != "dual" && bucket.Side != tr.Side {
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
		near := func(a, b float64) bool { return a-b < 1e-9 && b-a < 1e-9 }
		if bucket.TradeCount != count || bucket.WinCount != wins || !near(*bucket.ProfitFactor, gains/losses) ||
			!near(*bucket.AvgReturnPct, cumulative/float64(count)) || !near(*bucket.MaxDrawdownPct, drawdown) {
			t.Errorf("%s: bucket %+v; trades say %d, %d, %v, %v, %v", bucket.Side, bucket,
				count, wins, gains/losses, cumulative/float64(count), drawdown)
		}
	}
}

func TestScaleRefusesNothing(t *testing.T) {
	t.Parallel()
	if err := Scale(t.Context(), nil, nil, 0, nil); err == nil {
		t.Error("scale 0 was accepted")
	}
}

func TestScaleSeries(t *testing.T) {
	t.Parallel()
	pool, server := testdb.New(t), testdb.QuestDB(t)
	quest, err := questdb.New(questdb.Config{HTTPURL: server.HTTPURL(), PGURL: server.PGURL()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(quest.Close)
	const rows = 150_000 // more than a batch
	var out bytes.Buffer
	for range 2 {
		if err := scaleSeries(t.Context(), pool, quest, rows, &out); err != nil {
			t.Fatal(err)
		}
	}
	if want := strings.Repeat("bench_1m_ohlcv: 150000 rows\nbench_1m_ind: 150000 rows\n", 2); out.String() != want {
		t.Errorf("printed\n%s", &out)
	}
	for _, name := range []string{"bench_1m_ohlcv", "bench_1m_ind"} {
		table, err := quest.Table(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := quest.Count(t.Context(), questdb.Selection{Table: table}); err != nil || n != rows {
			t.Errorf("%s has %d rows, %v", name, n, err)
		}
	}
	const record = "SELECT row_count || ' ' || (extract(EPOCH FROM last_bar_ts)::bigint) FROM indicator_datasets WHERE questdb_tag = 'bench_1m'"
	if got := text(t, pool, record); got != "150000 1586836740" {
		t.Errorf("the record says %s", got)
	}
}
