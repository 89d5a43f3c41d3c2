-- The rows of dev seed --scale: datasets with 4 runs each, a simulation of each run, folds, buckets and trades. Each number is a
-- hash of the name of what it belongs to, so the first datasets are the same whatever their number is. Rows that exist stay.
-- $seed.datasets is the number of datasets.

-- A number from -1 to 1 with the digits of a 32-bit float, as most clients compute.
CREATE OR REPLACE FUNCTION pg_temp.noise(name text) RETURNS double precision LANGUAGE sql IMMUTABLE AS $$
    SELECT (hashtextextended(name, 0) / 9.3e18)::real::double precision
$$;

-- An object with such a number for each of the names.
CREATE OR REPLACE FUNCTION pg_temp.noises(name text, keys text) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT jsonb_object_agg(key, pg_temp.noise(name || key)) FROM regexp_split_to_table(keys, '\s+') AS key
$$;

CREATE OR REPLACE TEMP VIEW seed_datasets AS
SELECT i, slug, md5('dataset ' || slug)::uuid AS dataset_id, timestamptz '2025-01-01Z' + i * interval '1 day' AS day
FROM generate_series(1, current_setting('seed.datasets')::integer) AS i
CROSS JOIN LATERAL (SELECT 'bench_' || lpad(i::text, greatest(4, length(i::text)), '0') AS slug) AS s;

CREATE OR REPLACE TEMP VIEW seed_runs AS
SELECT
    d.*, k, slug || '_run' || k AS run, slug || '_sim' || k AS simulation,
    md5('run ' || slug || '_run' || k)::uuid AS run_id, md5('simulation ' || slug || '_sim' || k)::uuid AS simulation_id,
    CASE WHEN d.i = 1 AND k = 1 THEN 312 ELSE 5 + round(2.5 * pg_temp.noise(slug || k))::integer END AS folds
FROM seed_datasets AS d CROSS JOIN generate_series(1, 4) AS k;

INSERT INTO indicator_datasets (dataset_id, symbol, granularity, source, questdb_tag, questdb_measurement, column_schema, row_count,
    first_bar_ts, last_bar_ts, ohlcv_measurement, ohlcv_row_count, ohlcv_first_ts, ohlcv_last_ts, bar_interval_ms, lookback_rows, metadata)
SELECT
    dataset_id, symbol, '1h', 'benchmark', slug, slug || '_ind',
    (SELECT jsonb_agg(jsonb_build_object('name', 'feature_' || n, 'type', 'DOUBLE', 'role', 'feature') ORDER BY n)
     FROM generate_series(1, 31) AS n),
    11952, timestamptz '2024-01-03Z', timestamptz '2025-05-14 23:00Z',
    slug || '_ohlcv', 12000, timestamptz '2024-01-01Z', timestamptz '2025-05-14 23:00Z', 3600000, 48,
    jsonb_build_object(
        'version', 1, 'dataset_id', dataset_id, 'dataset_slug', slug, 'symbol', symbol, 'granularity', '1h', 'source', 'benchmark',
        'ohlcv_measurement', slug || '_ohlcv', 'indicator_measurement', slug || '_ind', 'bar_interval_ms', 3600000, 'lookback_rows', 48,
        'first_ohlcv_timestamp_ms', 1704067200000, 'last_ohlcv_timestamp_ms', 1747263600000, 'ohlcv_rows', 12000,
        'first_indicator_timestamp_ms', 1704240000000, 'last_indicator_timestamp_ms', 1747263600000, 'indicator_rows', 11952,
        'exported_at', day, 'synthetic', true, 'origin', 'random rows for benchmarks')
FROM seed_datasets
CROSS JOIN LATERAL (SELECT (ARRAY['BTCUSDT', 'ETHUSDT', 'SOLUSDT', 'XRPUSDT', 'ADAUSDT'])[1 + (i - 1) % 5] AS symbol) AS s
ON CONFLICT DO NOTHING;

INSERT INTO walkforward_runs (run_id, dataset_id, prediction_measurement, target_column, feature_columns, hyperparameters, walk_config,
    summary_metrics, status, requested_by, started_at, completed_at, duration_ms)
SELECT
    run_id, dataset_id, run, 'TGT_315', (SELECT jsonb_agg('feature_' || n ORDER BY n) FROM generate_series(1, 30) AS n),
    '{"learning_rate": 0.01, "max_depth": 4, "min_child_weight": 10, "subsample": 0.8, "colsample_bytree": 0.7, "lambda": 10,
      "num_rounds": 2000, "min_boost_rounds": 100, "early_stopping_rounds": 50, "objective": "reg:quantileerror", "quantile_alpha": 0.95,
      "threshold_method": "OptimalROC"}',
    jsonb_build_object('train_size', 650, 'test_size', 24, 'train_test_gap', 4, 'fold_step', 24, 'initial_offset', 0, 'start_fold', 0,
        'end_fold', -1, 'prediction_measurement', run),
    pg_temp.noises(run, 'pf_long pf_short pf_dual hit_rate short_hit_rate running_sum running_sum_short running_sum_dual
        avg_return_on_signals avg_return_on_short_signals std_return_on_signals signal_rate short_signal_rate sum_wins sum_losses
        sum_short_wins sum_short_losses mean_best_score max_drawdown max_drawdown_short sharpe sharpe_short profit_per_signal')
    || jsonb_build_object('folds', folds, 'total_signals', folds * 8),
    'COMPLETED', 'benchmark', day + k * interval '1 hour', day + k * interval '1 hour' + folds * interval '1491 ms', folds * 1491
FROM seed_runs
ON CONFLICT DO NOTHING;

-- 28 metrics and 9 thresholds, named as exporting clients name them.
INSERT INTO walkforward_folds (run_id, fold_number, train_start_idx, train_end_idx, test_start_idx, test_end_idx, samples_train,
    samples_test, best_iteration, best_score, thresholds, metrics, train_start_ts_ms, train_end_ts_ms, test_start_ts_ms, test_end_ts_ms)
SELECT
    run_id, n, first, first + 650, first + 654, first + 678, 650, 24, 550 + round(450 * pg_temp.noise(fold)),
    0.001 * abs(pg_temp.noise(fold)),
    pg_temp.noises(fold, 'long_optimal short_optimal prediction_scaled prediction_original dynamic_positive short_scaled short_original
        long_percentile short_percentile'),
    pg_temp.noises(fold, 'hit_rate short_hit_rate profit_factor_test profit_factor_train profit_factor_short_train
        profit_factor_short_test signal_sum short_signal_sum signal_rate short_signal_rate avg_return_on_signals median_return_on_signals
        std_return_on_signals avg_return_on_short_signals median_return_on_short_signals std_return_on_short_signals
        avg_predicted_return_on_signals running_sum running_sum_short running_sum_dual sum_wins sum_losses sum_short_wins
        sum_short_losses')
    || jsonb_build_object('n_signals', n % 24, 'n_short_signals', n % 7, 'model_learned_nothing', false, 'used_cached_model', false),
    start_ms, start_ms + 650 * hour, start_ms + 654 * hour, start_ms + 678 * hour
FROM seed_runs
CROSS JOIN LATERAL (
    SELECT n, n * 24 AS first, run || '/' || n AS fold, 1704240000000 + n * 24 * 3600000::bigint AS start_ms, 3600000::bigint AS hour
    FROM generate_series(0, folds - 1) AS n
) AS f
ON CONFLICT DO NOTHING;

INSERT INTO simulation_runs (simulation_id, run_id, dataset_id, input_run_measurement, questdb_namespace, mode, config, summary_metrics,
    status, started_at, completed_at)
SELECT
    simulation_id, run_id, dataset_id, run, simulation, 'dual',
    '{"position_size": 1000, "threshold_choice": 1, "use_stop_loss": false, "fee_rate": 0}',
    pg_temp.noises(simulation, 'profit_factor total_pnl total_return_pct avg_return_pct max_drawdown_pct best_return_pct worst_return_pct')
    || '{"total_trades": 20, "win_count": 10, "stress": {"computed": false}}',
    'COMPLETED', day + (6 + k) * interval '1 hour', day + (6 + k) * interval '1 hour' + interval '7 s'
FROM seed_runs
ON CONFLICT DO NOTHING;

INSERT INTO simulation_trades (simulation_id, trade_id, bar_timestamp, side, size, entry_price, exit_price, pnl, return_pct, metadata)
SELECT
    simulation_id, md5('trade ' || trade)::uuid, entered, side, 1000 / entry, entry,
    entry * (1 + CASE side WHEN 'long' THEN gain ELSE -gain END / 100), 10 * gain, gain,
    jsonb_build_object('fold_index', n * folds / 20, 'entry_signal', pg_temp.noise(trade || 'entry'),
        'exit_signal', pg_temp.noise(trade || 'exit'), 'exit_timestamp', extract(EPOCH FROM entered)::bigint * 1000 + 21600000)
FROM seed_runs
CROSS JOIN LATERAL (
    SELECT
        n, simulation || '/' || n AS trade, timestamptz '2024-01-28 02:00Z' + n * interval '12 hours' AS entered,
        round((50000 + 10000 * pg_temp.noise(simulation || n || 'price'))::numeric, 2)::double precision AS entry,
        2 * pg_temp.noise(simulation || n || 'gain') AS gain,
        CASE WHEN pg_temp.noise(simulation || n || 'side') < 0 THEN 'long' ELSE 'short' END AS side
    FROM generate_series(0, 19) AS n
) AS t
ON CONFLICT DO NOTHING;

-- The buckets sum up the trades.
INSERT INTO simulation_trade_buckets (simulation_id, side, trade_count, win_count, profit_factor, avg_return_pct, max_drawdown_pct, notes)
SELECT
    simulation_id, bucket, count(*), count(*) FILTER (WHERE pnl > 0), sum(pnl) FILTER (WHERE pnl > 0) / -sum(pnl) FILTER (WHERE pnl < 0),
    avg(return_pct), min(total - greatest(0, peak)), 'random'
FROM (
    SELECT *, max(total) OVER so_far AS peak
    FROM (
        SELECT t.*, bucket, sum(return_pct) OVER (PARTITION BY simulation_id, bucket ORDER BY bar_timestamp) AS total
        FROM seed_runs INNER JOIN simulation_trades AS t USING (simulation_id)
        INNER JOIN unnest(ARRAY['dual', 'long', 'short']) AS bucket ON bucket IN ('dual', t.side)
    ) AS running
    WINDOW so_far AS (PARTITION BY simulation_id, bucket ORDER BY bar_timestamp)
) AS fallen
GROUP BY simulation_id, bucket
ON CONFLICT DO NOTHING;
