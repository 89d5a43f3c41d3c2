-- +goose Up
COMMENT ON TABLE indicator_datasets IS 'An indicator dataset: where its rows are in QuestDB, how many there are and what they span.';
COMMENT ON COLUMN indicator_datasets.questdb_tag IS 'Unique name of the dataset (its slug), and the tag of its rows in a shared QuestDB table.';
COMMENT ON COLUMN indicator_datasets.questdb_measurement IS 'QuestDB table of the indicator rows; many datasets may share one.';
COMMENT ON COLUMN indicator_datasets.ohlcv_measurement IS 'QuestDB table of the bars; null means the default: the tag in lower case, with _ for other signs, followed by _ohlcv.';
COMMENT ON COLUMN indicator_datasets.version IS 'Raised by every change of the dataset, its runs and its simulations.';
COMMENT ON TABLE walkforward_runs IS 'A walk-forward run: a model fitted and tested fold by fold along one dataset.';
COMMENT ON COLUMN walkforward_runs.target_column IS 'Column of the dataset that the model predicts.';
COMMENT ON COLUMN walkforward_folds.train_start_idx IS 'First row of the training window, counted from 0 in the dataset.';
COMMENT ON COLUMN walkforward_folds.test_start_idx IS 'First row of the test window, counted from 0 in the dataset.';

-- +goose Down
COMMENT ON COLUMN walkforward_folds.test_start_idx IS 'First row of the test window, counted from 0 in the data set.';
COMMENT ON COLUMN walkforward_folds.train_start_idx IS 'First row of the training window, counted from 0 in the data set.';
COMMENT ON COLUMN walkforward_runs.target_column IS 'Column of the data set that the model predicts.';
COMMENT ON TABLE walkforward_runs IS 'A walk-forward run: a model fitted and tested fold by fold along one data set.';
COMMENT ON COLUMN indicator_datasets.version IS 'Raised by every change of the data set, its runs and its simulations.';
COMMENT ON COLUMN indicator_datasets.ohlcv_measurement IS 'QuestDB table of the bars; null means the tag followed by _ohlcv.';
COMMENT ON COLUMN indicator_datasets.questdb_measurement IS 'QuestDB table of the indicator rows; many data sets may share one.';
COMMENT ON COLUMN indicator_datasets.questdb_tag IS 'Unique name of the data set (its slug), and the tag of its rows in a shared QuestDB table.';
COMMENT ON TABLE indicator_datasets IS 'An indicator data set: where its rows are in QuestDB, how many there are and what they span.';
