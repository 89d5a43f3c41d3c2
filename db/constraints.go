package db

// DatasetSlugKey is the constraint that makes slugs unique.
const DatasetSlugKey = "indicator_datasets_questdb_tag_key"

// FieldOf names the field of the API that a constraint is about; a constraint of which no request can be the cause is
// not in it.
var FieldOf = map[string]string{
	DatasetSlugKey:                               "dataset_slug",
	"indicator_datasets_column_schema_check":     "column_schema",
	"indicator_datasets_row_count_check":         "indicator_row_count",
	"indicator_datasets_bar_ts_check":            "indicator_last_ts",
	"indicator_datasets_ohlcv_row_count_check":   "ohlcv_row_count",
	"indicator_datasets_ohlcv_ts_check":          "ohlcv_last_ts",
	"indicator_datasets_bar_interval_ms_check":   "bar_interval_ms",
	"indicator_datasets_lookback_rows_check":     "lookback_rows",
	"indicator_datasets_metadata_check":          "metadata",
	"walkforward_runs_dataset_id_fkey":           "dataset_id",
	"walkforward_runs_feature_columns_check":     "feature_columns",
	"walkforward_runs_hyperparameters_check":     "hyperparameters",
	"walkforward_runs_walk_config_check":         "walk_config",
	"walkforward_runs_summary_metrics_check":     "summary_metrics",
	"walkforward_runs_status_check":              "status",
	"walkforward_runs_duration_ms_check":         "duration_ms",
	"walkforward_folds_pkey":                     "folds",
	"walkforward_folds_run_id_fkey":              "run_id",
	"walkforward_folds_fold_number_check":        "folds",
	"walkforward_folds_train_idx_check":          "folds",
	"walkforward_folds_test_idx_check":           "folds",
	"walkforward_folds_samples_train_check":      "folds",
	"walkforward_folds_samples_test_check":       "folds",
	"walkforward_folds_thresholds_check":         "folds",
	"walkforward_folds_metrics_check":            "folds",
	"simulation_runs_run_id_fkey":                "run_id",
	"simulation_runs_dataset_id_fkey":            "dataset_id",
	"simulation_runs_mode_check":                 "mode",
	"simulation_runs_config_check":               "config",
	"simulation_runs_summary_metrics_check":      "summary_metrics",
	"simulation_runs_status_check":               "status",
	"simulation_trade_buckets_pkey":              "buckets",
	"simulation_trade_buckets_side_check":        "buckets",
	"simulation_trade_buckets_trade_count_check": "buckets",
	"simulation_trade_buckets_win_count_check":   "buckets",
	"simulation_trades_pkey":                     "trades",
	"simulation_trades_side_check":               "trades",
	"simulation_trades_metadata_check":           "trades",
}
