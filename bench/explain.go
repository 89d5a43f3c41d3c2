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

// valueIndex is the index that a search by a metric is made for.
const valueIndex = "walkforward_run_metrics_value_idx"

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

// bySharpe are the arguments of the list by a metric.
func bySharpe() map[string]string {
	return with(map[string]string{
		"sort_key": "'summary_metrics.sharpe'", "sort_low": "'-Infinity'", "sort_high": "'Infinity'", "has_cursor": "false",
		"after_value": "0", "after_id": "'00000000-0000-0000-0000-000000000000'", "page_size": "51",
	})
}

// plans shows how the searches are answered with the index and without it.
func plans(ctx context.Context, dsn, root string) error {
	const metric, low = "'summary_metrics.pf_long'", "2.2"
	list := []explained{
		{"first page of one metric, by that metric", "SortRunsByMetricDesc", with(map[string]string{
			"sort_key": metric, "sort_low": low, "sort_high": "'Infinity'", "has_cursor": "false", "page_size": "51",
			"after_value": "0", "after_id": "'00000000-0000-0000-0000-000000000000'",
		})},
		{"its exact total", "CountRunsByMetrics", with(map[string]string{"key": metric, "low": low, "high": "'Infinity'", "max_count": "1000000000"})},
		{"whether few enough match to look at them one by one", "MatchRunsByMetric", map[string]string{
			"key": metric, "low": low, "high": "'Infinity'", "page_size": "5001",
		}},
	}
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return fmt.Errorf("connect to the benchmark's server: %w", err)
	}
	defer conn.Close(ctx) //nolint:errcheck // nothing is lost
	fmt.Printf("\n| at the server | with %s ms | without ms |\n|---|--:|--:|\n", valueIndex)
	var shown []string
	for _, e := range list {
		plan, took, err := e.explain(ctx, conn, root, false)
		if err != nil {
			return err
		}
		without, slow, err := e.explain(ctx, conn, root, true)
		if err != nil {
			return err
		}
		fmt.Printf("| %s (%s) | %.2f | %.0f |\n", e.name, e.query, took, slow)
		shown = append(shown, fmt.Sprintf("%s, with the index:\n\n%s", e.query, plan))
		if len(shown) == 1 {
			shown = append(shown, "The same without it:\n\n"+without)
		}
	}
	fmt.Println("\n" + strings.Join(shown, "\n"))
	return nil
}

// explainPages shows the plans of the first page by a metric and of the one behind a row.
func explainPages(ctx context.Context, dsn, root, id string, value float64) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return fmt.Errorf("connect to the benchmark's server: %w", err)
	}
	defer conn.Close(ctx) //nolint:errcheck // nothing is lost
	far := bySharpe()
	far["has_cursor"], far["after_id"], far["after_value"] = "true", "'"+id+"'", "'"+strconv.FormatFloat(value, 'g', -1, 64)+"'"
	for _, e := range []explained{
		{"page 1 by a metric", "SortRunsByMetricDesc", bySharpe()},
		{fmt.Sprintf("page %d by a metric", manyPages), "SortRunsByMetricDesc", far},
	} {
		plan, _, err := e.explain(ctx, conn, root, false)
		if err != nil {
			return err
		}
		fmt.Printf("\nThe plan of %s:\n\n%s", e.name, plan)
	}
	return nil
}

var executionTime = regexp.MustCompile(`Execution Time: ([0-9.]+) ms`)

// explain returns what EXPLAIN (ANALYZE) says of the query, the second time that it runs, and the time in milliseconds.
// Without the index means in a transaction that drops it and is rolled back.
func (e explained) explain(ctx context.Context, conn *pgx.Conn, root string, withoutIndex bool) (plan string, took float64, err error) {
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
	if withoutIndex {
		if _, err := tx.Exec(ctx, "DROP INDEX "+valueIndex); err != nil {
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
