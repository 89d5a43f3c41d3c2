package main

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// described are the columns whose values have a schema of their own in the description, because the catalog does not tell what
// is in them: names of a list, and JSON.
var described = map[string]string{
	"indicator_datasets.column_schema": "ColumnSchema",
	"indicator_datasets.metadata":      "DatasetMetadata",
	"walkforward_runs.status":          "Status",
	"walkforward_runs.feature_columns": "FeatureColumns",
	"walkforward_runs.hyperparameters": "Hyperparameters",
	"walkforward_runs.walk_config":     "WalkConfig",
	"walkforward_runs.summary_metrics": "RunMetrics",
	"walkforward_runs.tags":            "Tags",
	"walkforward_runs.cost_model":      "CostModel",
	"walkforward_folds.thresholds":     "FoldThresholds",
	"walkforward_folds.metrics":        "FoldMetrics",
	"simulation_runs.status":           "Status",
	"simulation_runs.mode":             "Mode",
	"simulation_runs.config":           "SimulationConfig",
	"simulation_runs.summary_metrics":  "SimulationMetrics",
	"simulation_runs.tags":             "Tags",
	"simulation_runs.cost_model":       "CostModel",
	"simulation_trade_buckets.side":    "BucketSide",
	"simulation_trades.side":           "TradeSide",
	"simulation_trades.metadata":       "TradeMetadata",
	"comparisons.run_ids":              "RunIDList",
	"comparisons.settings":             "ComparisonSettings",
	"events.topic":                     "EventTopic",
	"events.data":                      "EventData",
	"job_details.status":               "JobStatus",
	"job_details.payload":              "ImportPayload",
	"job_details.result":               "ImportResult",
}

// property is one member of a schema that is made of a column.
type property struct {
	key, table string
	column     column
	nullable   bool
	natural    bool   // it is a number that is never below 0
	example    string // in YAML
}

// write appends the member at an indent.
func (p property) write(b *bytes.Buffer, indent string) error {
	typ, ok := jsonTypes[strings.TrimPrefix(p.column.Type.Name, "pg_catalog.")] // as the columns of views have them
	if !ok {
		return fmt.Errorf("%s has the type %s, for which internal/gen/rows.go knows no JSON type", p.column.Name, p.column.Type.Name)
	}
	fmt.Fprintf(b, "%s%s:\n", indent, p.key)
	indent += "  "
	schema, isDescribed := described[p.table+"."+p.column.name()]
	ref := "#/components/schemas/" + schema
	switch {
	case isDescribed && p.nullable:
		fmt.Fprintf(b, "%sanyOf: [{$ref: %q}, {type: \"null\"}]\n", indent, ref)
	case isDescribed:
		fmt.Fprintf(b, "%s$ref: %q\n", indent, ref)
	default:
		kind := typ[0]
		if p.nullable {
			kind += `, "null"`
		}
		if strings.Contains(kind, ",") {
			kind = "[" + kind + "]"
		}
		fmt.Fprintf(b, "%stype: %s\n", indent, kind)
		if typ[1] != "" {
			fmt.Fprintf(b, "%sformat: %s\n", indent, typ[1])
		}
		if p.natural {
			fmt.Fprintf(b, "%sminimum: 0\n", indent)
		}
		if p.example != "" && typ[1] == "int32" {
			fmt.Fprintf(b, "%smaximum: 2147483647\n", indent)
		}
	}
	if p.column.Comment != "" {
		fmt.Fprintf(b, "%sdescription: %s\n", indent, strconv.Quote(p.column.Comment))
	}
	if p.example != "" && p.example != "null" {
		fmt.Fprintf(b, "%sexamples: [%s]\n", indent, p.example)
	}
	return nil
}

// name is that of the column in its table.
func (c column) name() string {
	if c.OriginalName != "" {
		return c.OriginalName
	}
	return c.Name
}
