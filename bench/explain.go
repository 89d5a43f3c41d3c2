package main

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// metricIndexes are what searches by a metric are made for.
const metricIndexes = "walkforward_run_metrics_value_idx, walkforward_run_metrics_created_at_idx"

// explained is a query of sql/ with literals for its parameters. Those that are not here are NULL.
type explained struct {
	name, query string
	args        map[string]string
}

var noRanges = map[string]string{"metric_keys": "'{}'", "metric_wanted": "'{}'", "metric_lows": "'{}'", "metric_highs": "'{}'", "page_offset": "0"}

func with(args map[string]string) map[string]string {
	all := maps.Clone(noRanges)
	maps.Copy(all, args)
	return all
}

// byMetric are the arguments of the first page by a metric from low on.
func byMetric(key, low string) map[string]string {
	return with(map[string]string{
		"sort_key": key, "sort_low": low, "sort_high": "'Infinity'", "has_cursor": "false",
		"after_value": "0", "after_id": "'00000000-0000-0000-0000-000000000000'", "page_size": "51",
	})
}

// plans shows how the searches are answered with the indexes and without them.
func plans(ctx context.Context, dsn, root string) error {
	const metric, low = "'summary_metrics.pf_long'", "2.2"
	list := []explained{
		{"one metric, by that metric", "SortRunsByMetricDesc", byMetric(metric, low)},
		{"one metric, newest first", "SearchRunsByMetric", with(map[string]string{
			"lead_key": metric, "lead_low": low, "lead_high": "'Infinity'", "page_size": "51",
		})},
		{"whether few enough match to look at them one by one", "MatchRunsByMetric", map[string]string{
			"key": metric, "low": low, "high": "'Infinity'", "page_size": "5001",
		}},
		{"the exact total", "CountRunsByMetrics", with(map[string]string{"key": metric, "low": low, "high": "'Infinity'", "max_count": "1000000000"})},
	}
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return fmt.Errorf("connect to the benchmark's server: %w", err)
	}
	defer conn.Close(ctx) //nolint:errcheck // nothing is lost
	fmt.Println("\n| at the server, `metric=…pf_long>=2.2` | with the indexes ms | without ms |\n|---|--:|--:|")
	var shown []string
	for i, e := range list {
		plan, took, err := e.explain(ctx, conn, root, false)
		if err != nil {
			return err
		}
		without, slow, err := e.explain(ctx, conn, root, true)
		if err != nil {
			return err
		}
		fmt.Printf("| %s (%s) | %.2f | %.0f |\n", e.name, e.query, took, slow)
		if i < 2 {
			shown = append(shown, fmt.Sprintf("%s:\n\n%s", e.query, plan))
		}
		if i == 0 {
			shown = append(shown, "The same without "+metricIndexes+":\n\n"+without)
		}
	}
	fmt.Println("\n" + strings.Join(shown, "\n"))
	return nil
}

var buffers = regexp.MustCompile(`Buffers: (.*)`)

// explainPages compares the plans of the first page by a metric and of the one behind a row.
func explainPages(ctx context.Context, dsn, root, id string, value float64) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return fmt.Errorf("connect to the benchmark's server: %w", err)
	}
	defer conn.Close(ctx) //nolint:errcheck // nothing is lost
	args := byMetric("'summary_metrics.sharpe'", "'-Infinity'")
	e := explained{query: "SortRunsByMetricDesc", args: args}
	first, _, err := e.explain(ctx, conn, root, false)
	if err != nil {
		return err
	}
	args["has_cursor"], args["after_id"], args["after_value"] = "true", "'"+id+"'", "'"+strconv.FormatFloat(value, 'g', -1, 64)+"'"
	far, _, err := e.explain(ctx, conn, root, false)
	if err != nil {
		return err
	}
	fmt.Printf("\nBuffers that page 1 by a metric takes: %s. Page %d (%s):\n\n%s", buffers.FindStringSubmatch(first)[1], manyPages, e.query, far)
	return nil
}

var executionTime = regexp.MustCompile(`Execution Time: ([0-9.]+) ms`)

// explain returns what EXPLAIN (ANALYZE) says of the query, the second time that it runs, and the time in milliseconds.
// Without the indexes means in a transaction that drops them and is rolled back.
func (e explained) explain(ctx context.Context, conn *pgx.Conn, root string, without bool) (plan string, took float64, err error) {
	all, err := statements(root)
	if err != nil {
		return "", 0, err
	}
	sql, ok := all[e.query]
	if !ok {
		return "", 0, fmt.Errorf("no query %s in sql/", e.query)
	}
	sql = substitute(sql, func(name string) string {
		if value, ok := e.args[name]; ok {
			return value
		}
		return "NULL"
	})
	tx, err := conn.Begin(ctx)
	if err != nil {
		return "", 0, err
	}
	defer tx.Rollback(ctx) //nolint:errcheck // nothing is to be kept
	if without {
		if _, err := tx.Exec(ctx, "DROP INDEX "+metricIndexes); err != nil {
			return "", 0, err
		}
	}
	var lines []string
	for range 2 {
		rows, err := tx.Query(ctx, "EXPLAIN (ANALYZE, BUFFERS, COSTS OFF) "+sql, pgx.QueryExecModeSimpleProtocol)
		if err != nil {
			return "", 0, err
		}
		if lines, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
			return "", 0, fmt.Errorf("explain %s: %w", e.query, err)
		}
	}
	plan = strings.Join(lines, "\n")
	m := executionTime.FindStringSubmatch(plan)
	if m == nil {
		return "", 0, fmt.Errorf("no time in the plan of %s", e.query)
	}
	took, err = strconv.ParseFloat(m[1], 64)
	return "```\n" + plan + "\n```\n", took, err
}
