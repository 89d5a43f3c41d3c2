package seed

import (
	"context"
	_ "embed"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"foldbook/db"
	"foldbook/questdb"
)

// Ids of some of the rows that Records stores: a dataset, its first run, which has 312 folds, its second one, which has a few, and
// a simulation.
var (
	BenchDatasetID    = uuid.MustParse("3a506ff3-7092-23fd-a9df-8d9b58244610")
	BigRunID          = uuid.MustParse("f19c1e41-83d4-010e-669a-1c7e466e898d")
	BenchRunID        = uuid.MustParse("9297ca9c-7735-c012-7d7d-fd6f6c0858ec")
	BenchSimulationID = uuid.MustParse("8231ee0f-dce5-f389-bbd1-c07505a73ef2")
)

//go:embed scale.sql
var scaleSQL string

// Scale stores random rows to measure with: n times 50 datasets with 200 runs and 200 simulations, and, if there is a QuestDB, the
// dataset bench_1m with series of n million rows. It writes what the databases have then to out.
func Scale(ctx context.Context, pool *pgxpool.Pool, series *questdb.Client, n int, out io.Writer) error {
	if n < 1 {
		return fmt.Errorf("seed at scale %d: the scale must be 1 or more", n)
	}
	text, err := Records(ctx, pool, 50*n)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(out, text); err != nil || series == nil {
		return err
	}
	return scaleSeries(ctx, pool, series, n*1_000_000, out)
}

// Records stores that many datasets with 4 runs and 4 simulations each, and says what there is. Storing them again changes nothing.
func Records(ctx context.Context, pool *pgxpool.Pool, datasets int) (text string, err error) {
	return store(ctx, pool, datasets, finish)
}

// Rows is Records without the numbers that searches use, for a schema that may be older than the queries.
func Rows(ctx context.Context, pool *pgxpool.Pool, datasets int) (text string, err error) {
	return store(ctx, pool, datasets, func(context.Context, pgx.Tx) error { return nil })
}

func store(ctx context.Context, pool *pgxpool.Pool, datasets int, finish func(context.Context, pgx.Tx) error) (text string, err error) {
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT set_config('seed.datasets', $1, true)", strconv.Itoa(datasets)); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, scaleSQL, pgx.QueryExecModeSimpleProtocol); err != nil {
			return err
		}
		if err := finish(ctx, tx); err != nil {
			return err
		}
		return tx.QueryRow(ctx, `SELECT format('%s datasets, %s runs, %s folds, %s simulations, %s buckets, %s trades',
			(SELECT count(*) FROM seed_datasets), count(*), sum((SELECT count(*) FROM walkforward_folds AS f WHERE f.run_id = r.run_id)), count(*),
			sum((SELECT count(*) FROM simulation_trade_buckets AS b WHERE b.simulation_id = r.simulation_id)),
			sum((SELECT count(*) FROM simulation_trades AS t WHERE t.simulation_id = r.simulation_id))) FROM seed_runs AS r`).Scan(&text)
	})
	if err != nil {
		return "", fmt.Errorf("store the rows of scale: %w", err)
	}
	return text, nil
}

// finish ends the writes of the new runs and simulations as the API does.
func finish(ctx context.Context, tx pgx.Tx) error {
	q := db.New(tx)
	var runs, simulations []uuid.UUID
	if err := tx.QueryRow(ctx, `SELECT
		ARRAY(SELECT run_id FROM seed_runs WHERE run_id NOT IN (SELECT run_id FROM walkforward_run_metrics)),
		ARRAY(SELECT simulation_id FROM seed_runs WHERE simulation_id NOT IN (SELECT simulation_id FROM simulation_run_metrics))`,
	).Scan(&runs, &simulations); err != nil {
		return err
	}
	for _, id := range runs {
		if _, err := q.FinishRun(ctx, db.FinishRunParams{RunID: id}); err != nil {
			return err
		}
	}
	for _, id := range simulations {
		if err := q.FinishSimulation(ctx, db.FinishSimulationParams{SimulationID: id}); err != nil {
			return err
		}
	}
	return nil
}

// The series of bench_1m: bars and indicators of a minute. QuestDB makes them, always the same, batch by batch.
const (
	firstMS    = 1577836800000 // 2020-01-01
	batchRows  = 100_000
	barColumns = "open, high, low, close, volume"
	barValues  = `round(open, 2), round((open + close + abs(close - open)) / 2 + rnd_double(), 2),
		round((open + close - abs(close - open)) / 2 - rnd_double(), 2), round(close, 2), round(100 * rnd_double(), 2)`
	indicatorColumns = "rsi_14, hma_55, atr_14, roc_9, vol_30, zsc_60, ema_ratio_12, ema_ratio_26, volume_z_42, TGT_15"
)

// scaleSeries stores the dataset bench_1m with its series. It leaves a series alone that has as many rows already.
func scaleSeries(ctx context.Context, pool *pgxpool.Pool, series *questdb.Client, rows int, out io.Writer) error {
	indicators := strings.Split(indicatorColumns, ", ")
	if _, err := pool.Exec(ctx, `
		INSERT INTO indicator_datasets (dataset_id, symbol, granularity, source, questdb_tag, questdb_measurement, column_schema, row_count,
			first_bar_ts, last_bar_ts, ohlcv_measurement, ohlcv_row_count, ohlcv_first_ts, ohlcv_last_ts, bar_interval_ms, metadata)
		SELECT md5('dataset bench_1m')::uuid, 'BTCUSDT', '1m', 'benchmark', 'bench_1m', 'bench_1m_ind',
			(SELECT jsonb_agg(jsonb_build_object('name', c, 'type', 'DOUBLE', 'role', 'feature')) FROM unnest($2::text[]) AS c),
			$1, first, last, 'bench_1m_ohlcv', $1, first, last, 60000, '{"synthetic": true, "origin": "random rows for benchmarks"}'
		FROM (SELECT timestamptz '2020-01-01Z' AS first, timestamptz '2020-01-01Z' + ($1 - 1) * interval '1 minute' AS last) AS span
		ON CONFLICT (dataset_id) DO UPDATE SET row_count = excluded.row_count, last_bar_ts = excluded.last_bar_ts,
			ohlcv_row_count = excluded.ohlcv_row_count, ohlcv_last_ts = excluded.ohlcv_last_ts`, rows, indicators); err != nil {
		return fmt.Errorf("store the dataset bench_1m: %w", err)
	}
	for _, s := range []struct {
		spec            questdb.Spec
		columns, values string
	}{
		{questdb.BarsSpec("bench_1m_ohlcv", time.Minute), barColumns, barValues},
		{
			questdb.IndicatorsSpec("bench_1m_ind", time.Minute, indicators...), indicatorColumns,
			strings.TrimSuffix(strings.Repeat("2 * rnd_double() - 1, ", len(indicators)), ", "),
		},
	} {
		table, err := series.Ensure(ctx, s.spec)
		if err != nil {
			return fmt.Errorf("make the table %s: %w", s.spec.Name, err)
		}
		stored, err := series.Count(ctx, questdb.Selection{Table: table})
		for first := 0; err == nil && stored < int64(rows) && first < rows; first += batchRows {
			err = insert(ctx, series, fmt.Sprintf(`insert into %s (timestamp, timestamp_ms, %s) select cast(1000 * ms as timestamp), ms, %s from (
				select %d + x * 60000 ms, 7000 + 900 * sin(x / 9000.0) open, 7000 + 900 * sin((x + 1) / 9000.0) close
				from (select x + %d x from long_sequence(%d, %[5]d, 42)))`,
				s.spec.Name, s.columns, s.values, int64(firstMS-60000), first, min(batchRows, rows-first)))
		}
		if err == nil {
			err = insert(ctx, series, "select wait_wal_table('"+s.spec.Name+"')")
		}
		if err != nil {
			return fmt.Errorf("store the series %s: %w", s.spec.Name, err)
		}
		if _, err := fmt.Fprintf(out, "%s: %d rows\n", s.spec.Name, max(stored, int64(rows))); err != nil {
			return err
		}
	}
	return nil
}

// insert runs a statement of this package, whose names and values are constants.
func insert(ctx context.Context, series *questdb.Client, sql string) error {
	rows, err := series.Query(ctx, sql)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
	}
	return rows.Err()
}
