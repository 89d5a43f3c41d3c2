package questdb

import "time"

// The tables that several datasets, runs or simulations share.
const (
	SharedIndicators  = "indicator_bars"
	SharedPredictions = "walkforward_predictions"
	SharedTraces      = "trading_sim_traces"
)

// The names that writers use for one column, for Table.First.
var (
	FoldColumns       = []string{"fold_number", "fold"}
	PredictionColumns = []string{"prediction", "prediction_value"}
	TargetColumns     = []string{"target_value", "target"}
	ScoreColumns      = []string{"fold_score", "score", "best_score"}
)

func columns(columnType string, names ...string) []Column {
	list := make([]Column, len(names))
	for i, name := range names {
		list[i] = Column{Name: name, Type: columnType}
	}
	return list
}

func keys(columnType string, names ...string) []Column {
	list := columns(columnType, names...)
	for i := range list {
		list[i].Key = true
	}
	return list
}

func concat(lists ...[]Column) (all []Column) {
	for _, list := range lists {
		all = append(all, list...)
	}
	return all
}

// partition keeps the number of partitions low, because each has a file per column. An interval of 0 is unknown.
func partition(interval time.Duration) string {
	if interval >= time.Hour {
		return "YEAR"
	}
	return "MONTH"
}

// BarsSpec is a dataset's own table of bars.
func BarsSpec(name string, interval time.Duration) Spec {
	return Spec{Name: name, PartitionBy: partition(interval), Dedup: true,
		Columns: concat(columns("LONG", "timestamp_ms"), columns("DOUBLE", "open", "high", "low", "close", "volume"))}
}

// IndicatorsSpec is a table of indicators and targets with those columns: a dataset's own, or SharedIndicators, whose key
// includes the dataset.
func IndicatorsSpec(name string, interval time.Duration, names ...string) Spec {
	if name == SharedIndicators {
		return Spec{Name: name, PartitionBy: "MONTH", Dedup: true, Columns: concat(
			keys("SYMBOL", "dataset"), columns("SYMBOL", "source", "granularity"),
			columns("LONG", "date_i", "time_i", "timestamp_unix"), columns("DOUBLE", names...))}
	}
	return Spec{Name: name, PartitionBy: partition(interval), Dedup: true,
		Columns: concat(columns("LONG", "timestamp_ms"), columns("DOUBLE", names...))}
}

// PredictionsSpec is a run's own table of predictions, or SharedPredictions. The fold is part of the key, because test
// windows may overlap.
func PredictionsSpec(name string) Spec {
	if name == SharedPredictions {
		return Spec{Name: name, PartitionBy: "MONTH", Dedup: true, Columns: concat(
			keys("SYMBOL", "run_id", "fold"), columns("SYMBOL", "dataset", "target"), columns("LONG", "bar_index"),
			columns("DOUBLE", "prediction", "target_value", "long_threshold", "short_threshold", "score"))}
	}
	return Spec{Name: name, PartitionBy: "MONTH", Dedup: true, Columns: concat(
		columns("LONG", "bar_index"), keys("LONG", "fold_number"),
		columns("DOUBLE", "prediction", "target_value", "long_threshold", "short_threshold", "roc_threshold",
			"short_entry_threshold", "fold_score", "fold_profit_factor"))}
}

// TracesSpec is a simulation's own table of trades, or SharedTraces, which has no key: two trades may start on one bar.
func TracesSpec(name string) Spec {
	if name == SharedTraces {
		return Spec{Name: name, PartitionBy: "MONTH", Columns: concat(
			columns("SYMBOL", "simulation_id", "run_id", "mode"),
			columns("DOUBLE", "entry_price", "exit_price", "position_size", "pnl", "return_pct", "cumul_return_pct", "entry_signal", "exit_signal"),
			columns("LONG", "exit_timestamp_unix"))}
	}
	return Spec{Name: name, PartitionBy: "MONTH", Dedup: true, Columns: concat(
		columns("SYMBOL", "dataset_id", "run_id", "simulation_id", "mode", "side_label"),
		keys("LONG", "trade_index"), columns("LONG", "fold_index"),
		columns("DOUBLE", "position_size", "entry_price", "exit_price", "pnl", "return_pct", "entry_signal", "exit_signal"),
		columns("LONG", "exit_timestamp_unix", "is_long"))}
}
