package main

import (
	"slices"
	"strings"
)

// shape is how the rows of some structs go out where that is not column by column: members in their order, each with the column
// that it has its value from where that has another name. A column of the table that is neither among them nor hidden follows
// at the end, so that a new one is in the answer by itself.
type shape struct {
	goTypes []string
	members string // name, or name=column
	hidden  string // columns that go out under another name, or as a number
}

var shapes = []shape{
	{ // a dataset in the current API
		goTypes: []string{"GetDatasetSummaryRow", "ListDatasetSummariesRow"},
		members: `dataset_id dataset_slug symbol granularity source ohlcv_measurement indicator_measurement=questdb_measurement
			ohlcv_row_count indicator_row_count=row_count first_ohlcv_ts=ohlcv_first_ms first_indicator_ts=first_bar_ms
			ohlcv_first_ts=ohlcv_first_ms ohlcv_last_ts=ohlcv_last_ms indicator_first_ts=first_bar_ms indicator_last_ts=last_bar_ms
			bar_interval_ms lookback_rows run_count simulation_count metadata column_schema version created_at updated_at`,
		hidden: "questdb_tag first_bar_ts last_bar_ts ohlcv_first_ts ohlcv_last_ts",
	},
}

func shapeOf(goType string) int {
	return slices.IndexFunc(shapes, func(s shape) bool { return slices.Contains(s.goTypes, goType) })
}

func hasShape(goType string) bool { return shapeOf(goType) >= 0 }

// arrange brings the fields of a struct into its shape, if it has one.
func arrange(goType string, fields []field) []field {
	i := shapeOf(goType)
	if i < 0 {
		return fields
	}
	var arranged []field
	used := strings.Fields(shapes[i].hidden)
	for _, member := range strings.Fields(shapes[i].members) {
		name, column, renamed := strings.Cut(member, "=")
		if !renamed {
			column = name
		}
		used = append(used, column)
		if j := slices.IndexFunc(fields, func(f field) bool { return f.column == column }); j >= 0 { // else it was dropped
			f := fields[j]
			f.key = name
			arranged = append(arranged, f)
		}
	}
	for _, f := range fields {
		if !slices.Contains(used, f.column) {
			arranged = append(arranged, f)
		}
	}
	return arranged
}
