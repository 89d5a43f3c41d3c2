package experiment

import "slices"

// Types of columns.
const (
	Double = "DOUBLE"
	Long   = "LONG"
	Symbol = "SYMBOL"
)

// Column is a column of a series; Role says what indicators are used for.
type Column struct {
	Name string `json:"name"`
	Type string `json:"type"`
	Role string `json:"role,omitempty"`
}

// timeColumns are those that the table of a dataset has for the time of a row.
func timeColumns() []Column {
	return []Column{{"timestamp", "TIMESTAMP", "time"}, {"timestamp_ms", Long, "time"}}
}

// Series is the rows of one measurement, in the order of time. Columns are all but the time.
type Series struct {
	Measurement string
	Columns     []Column
	Rows        []Row
}

// Row is one row: its time in milliseconds since the epoch and a cell for each column: float64 in a Double one, int64
// in a Long one, string in a Symbol one; nil for nothing.
type Row struct {
	TimestampMS int64
	Cells       []any
}

func columnsOf(kind string, names ...string) []Column {
	columns := make([]Column, len(names))
	for k, name := range names {
		columns[k] = Column{Name: name, Type: kind}
	}
	return columns
}

func barSeries(d Dataset, bars []candle) Series {
	rows := make([]Row, len(bars))
	for i, b := range bars {
		rows[i] = Row{b.startMS, []any{b.open, b.high, b.low, b.close, b.volume}}
	}
	return Series{d.OHLCVMeasurement, columnsOf(Double, "open", "high", "low", "close", "volume"), rows}
}

// indicatorColumns are the features and the target.
func indicatorColumns() []Column {
	var columns []Column
	for _, name := range featureNames() {
		columns = append(columns, Column{name, Double, "feature"})
	}
	return append(columns, Column{targetColumn, Double, "target"})
}

func indicatorSeries(d Dataset, f frame) Series {
	rows := make([]Row, len(f.rows))
	for r := range rows {
		cells := make([]any, 0, len(f.rows[r])+1)
		for _, value := range f.rows[r] {
			cells = append(cells, value)
		}
		rows[r] = Row{f.bar(r).startMS, append(cells, f.target[r])}
	}
	return Series{d.IndicatorMeasurement, indicatorColumns(), rows}
}

// predictionSeries is what the models said on their test windows: bar_index is the row of the frame, as in the folds.
func predictionSeries(run Run, f frame, folds []Fold) Series {
	columns := slices.Concat(columnsOf(Long, "bar_index", "fold_number"),
		columnsOf(Double, "prediction", "target_value", "long_threshold", "short_threshold", "fold_score", "fold_profit_factor"))
	var rows []Row
	for _, fd := range folds {
		for i, prediction := range fd.predictions {
			r := fd.TestStart + i
			rows = append(rows, Row{f.bar(r).startMS, []any{
				int64(r), int64(fd.Number), prediction, f.target[r], fd.Thresholds.LongOptimal, fd.Thresholds.ShortOptimal,
				fd.Score, orNil(fd.Metrics.ProfitFactorTest),
			}})
		}
	}
	return Series{run.PredictionMeasurement, columns, rows}
}

// traceSeries is the trades at their times of entry.
func traceSeries(s Simulation) Series {
	columns := slices.Concat(columnsOf(Symbol, "dataset_id", "run_id", "simulation_id", "mode", "side_label"),
		columnsOf(Long, "trade_index", "fold_index"),
		columnsOf(Double, "position_size", "entry_price", "exit_price", "pnl", "return_pct", "entry_signal", "exit_signal"),
		columnsOf(Long, "exit_timestamp_unix", "is_long"))
	rows := make([]Row, len(s.Trades))
	for i, t := range s.Trades {
		isLong := int64(0)
		if t.Side == sideLong {
			isLong = 1
		}
		rows[i] = Row{t.EntryMS, []any{
			s.DatasetID.String(), s.RunID.String(), s.ID.String(), s.Mode, t.Side, int64(i), int64(t.Fold),
			t.Size, t.Entry, t.Exit, t.Pnl, t.ReturnPct, t.EntrySignal, t.ExitSignal, t.ExitMS / 1000, isLong,
		}}
	}
	return Series{s.QuestDBNamespace, columns, rows}
}

func orNil(v *float64) any {
	if v == nil {
		return nil
	}
	return *v
}
