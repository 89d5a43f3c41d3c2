package main

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// minRuns is how many runs the searches need to find what they look for.
const minRuns = 100_000

// addRuns fills an empty database with n runs in 50 datasets, one a minute, each with four numbers in its summary_metrics,
// every 10,000th with a fifth, and the oldest 50th of them with a sixth. The numbers are also in the table that searches
// read, as each write puts them there. The indexes are made after the rows, which takes a third of the time.
func addRuns(ctx context.Context, dsn string, n int) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return fmt.Errorf("connect to the benchmark's server: %w", err)
	}
	defer conn.Close(ctx) //nolint:errcheck // nothing is lost
	tx, err := conn.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback(ctx) //nolint:errcheck // after COMMIT it does nothing
	restore, err := dropIndexes(ctx, tx)
	if err != nil {
		return err
	}
	for _, sql := range append([]string{
		"SELECT setseed(0.5)",
		`INSERT INTO indicator_datasets (dataset_id, symbol, granularity, questdb_tag, questdb_measurement)
			SELECT md5('dataset ' || n)::uuid, 'BTCUSDT', '1h', 'search_' || n, 'search_' || n || '_ind' FROM generate_series(0, 49) AS n`,
		fmt.Sprintf(`CREATE TEMP TABLE numbers ON COMMIT DROP AS SELECT n, md5('run ' || n)::uuid AS run_id,
			round((random() + random() + random())::numeric, 6) AS pf_long,
			round((2 * (random() + random() + random()) - 3)::numeric, 6) AS sharpe,
			round((3000 * random())::numeric) AS total_signals, round((50 + 10 * random())::numeric) AS folds,
			CASE WHEN n %% 10000 = 0 THEN n::numeric END AS stress, CASE WHEN n <= %d / 50 THEN n::numeric END AS retired
			FROM generate_series(1, %[1]d) AS n`, n),
		`INSERT INTO walkforward_runs (run_id, dataset_id, prediction_measurement, target_column, summary_metrics, status,
				requested_by, created_at)
			SELECT run_id, md5('dataset ' || n % 50)::uuid, 'search_wf' || n, 'TGT_' || n % 400,
				jsonb_strip_nulls(jsonb_build_object('pf_long', pf_long, 'sharpe', sharpe, 'total_signals', total_signals, 'folds', folds,
					'stress', stress, 'retired', retired)),
				CASE n % 10 WHEN 0 THEN 'FAILED' ELSE 'COMPLETED' END, 'user_' || n % 20, timestamptz '2024-01-01Z' + n * interval '1 minute'
			FROM numbers`,
		`INSERT INTO walkforward_run_metrics (run_id, key, value, created_at)
			SELECT n.run_id, 'summary_metrics.' || m.key, m.value, timestamptz '2024-01-01Z' + n * interval '1 minute'
			FROM numbers AS n CROSS JOIN LATERAL (VALUES
				('pf_long', n.pf_long), ('sharpe', n.sharpe), ('total_signals', n.total_signals), ('folds', n.folds),
				('stress', n.stress), ('retired', n.retired)
			) AS m (key, value) WHERE m.value IS NOT NULL`,
		"SET LOCAL maintenance_work_mem = '256MB'",
	}, restore...) {
		if _, err := tx.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%.100s: %w", sql, err)
		}
	}
	if err := tx.Commit(ctx); err != nil {
		return err
	}
	_, err = conn.Exec(ctx, "VACUUM ANALYZE") // as autovacuum does on a server in use
	return err
}

// dropIndexes drops what makes loading slow and returns the statements that put it back.
func dropIndexes(ctx context.Context, tx pgx.Tx) (restore []string, err error) {
	rows, err := tx.Query(ctx, `
		SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname) AS gone,
			format('ALTER TABLE %s ADD CONSTRAINT %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) AS again
		FROM pg_constraint WHERE conrelid = 'walkforward_run_metrics'::regclass AND contype IN ('p', 'f')
		UNION ALL
		SELECT format('DROP INDEX %s', indexrelid::regclass), pg_get_indexdef(indexrelid)
		FROM pg_index WHERE indrelid IN ('walkforward_runs'::regclass, 'walkforward_run_metrics'::regclass) AND NOT indisprimary
		ORDER BY 2`)
	if err != nil {
		return nil, err
	}
	type pair struct{ Gone, Again string }
	pairs, err := pgx.CollectRows(rows, pgx.RowToStructByPos[pair])
	if err != nil {
		return nil, fmt.Errorf("ask for the indexes: %w", err)
	}
	for _, p := range pairs {
		if _, err := tx.Exec(ctx, p.Gone); err != nil {
			return nil, fmt.Errorf("%s: %w", p.Gone, err)
		}
		restore = append(restore, p.Again)
	}
	return restore, nil
}
