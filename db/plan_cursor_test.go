package db_test

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"

	"foldbook/db"
)

// cursorPlans requires that a page behind a cursor is read as the first page is: the blocks that PostgreSQL touches
// for a page far inside a list are those of a page, not of all before it.
func cursorPlans(t *testing.T, store *db.DB) {
	t.Helper()
	quoted := func(text string) string { return "'" + text + "'" }
	simulation := quoted(lines(t, store, "SELECT simulation_id::text FROM simulation_runs ORDER BY created_at LIMIT 1")[0])
	first := map[string]string{
		"page_size": "2", "page_offset": "0", "after_id": quoted(uuid.Nil.String()), "after_at": "'-infinity'", "has_cursor": "false", "after_value": "0",
		"metric_keys": "'{}'", "metric_wanted": "'{}'", "metric_lows": "'{}'", "metric_highs": "'{}'", "sort_low": "'-Infinity'", "sort_high": "'Infinity'", "simulation_id": simulation,
	}
	queries := readQueries(t)
	for _, tc := range []struct{ name, key, position string }{ // in the middle, which is behind page 500
		{"ListDatasetSummaries", "", "created_at, dataset_id, 0 FROM indicator_datasets ORDER BY created_at DESC, dataset_id OFFSET 250"},
		{"SearchRuns", "", "created_at, run_id, 0 FROM walkforward_runs ORDER BY created_at DESC, run_id OFFSET 1000"},
		{"SearchSimulations", "", "created_at, simulation_id, 0 FROM simulation_runs ORDER BY created_at DESC, simulation_id OFFSET 1000"},
		{"SortRunsByMetric", "summary_metrics.sharpe", "now(), run_id, value FROM walkforward_run_metrics WHERE key = 'summary_metrics.sharpe' ORDER BY value, run_id OFFSET 1000"},
		{"SortRunsByMetricDesc", "summary_metrics.sharpe", "now(), run_id, value FROM walkforward_run_metrics WHERE key = 'summary_metrics.sharpe' ORDER BY value DESC, run_id DESC OFFSET 1000"},
		{"SortSimulationsByMetric", "summary_metrics.total_pnl", "now(), simulation_id, value FROM simulation_run_metrics WHERE key = 'summary_metrics.total_pnl' ORDER BY value, simulation_id OFFSET 1000"},
		{"SortSimulationsByMetricDesc", "summary_metrics.total_pnl", "now(), simulation_id, value FROM simulation_run_metrics WHERE key = 'summary_metrics.total_pnl' ORDER BY value DESC, simulation_id DESC OFFSET 1000"},
		{"ListTradePage", "", "bar_timestamp, trade_id, 0 FROM simulation_trades WHERE simulation_id = " + simulation + " ORDER BY bar_timestamp, trade_id OFFSET 1000"},
	} {
		q := queries[slices.IndexFunc(queries, func(q query) bool { return q.name == tc.name })]
		values := maps.Clone(first)
		values["first_key"], values["last_key"], values["after_key"] = quoted(tc.key), quoted(tc.key+"\x02"), quoted(tc.key)
		one := blocks(t, explain(t, store, q, values, "no filter"))
		at := strings.Split(lines(t, store, "SELECT concat_ws('|', a, b, c) FROM (SELECT "+tc.position+" LIMIT 1) AS p (a, b, c)")[0], "|")
		values["after_at"], values["after_id"], values["after_value"], values["has_cursor"] = quoted(at[0]), quoted(at[1]), quoted(at[2]), "true"
		plan := explain(t, store, q, values, "after_at")
		deep := blocks(t, plan)
		t.Logf("%s: %d blocks for the first page, %d for a deep one", tc.name, one, deep)
		if deep > one+one/2+8 {
			t.Errorf("%s touches %d blocks for its first page and %d for one behind a cursor:\n%s", tc.name, one, deep, plan)
		}
		if strings.Contains(plan, "Sort Key") {
			t.Errorf("%s sorts for a page behind a cursor:\n%s", tc.name, plan)
		}
	}
}

// idPlans requires that a page among known ids reads those, also where the list has them last.
func idPlans(t *testing.T, store *db.DB) {
	t.Helper()
	values := map[string]string{
		"page_size": "2", "page_offset": "0", "after_id": "'" + uuid.Nil.String() + "'", "has_cursor": "false", "after_key": "''", "after_value": "0", "metric_keys": "'{}'",
		"metric_wanted": "'{}'", "metric_lows": "'{}'", "metric_highs": "'{}'", "sort_low": "'-Infinity'", "sort_high": "'Infinity'",
		"first_key": "'summary_metrics.sharpe'", "last_key": "'summary_metrics.sharpe'",
	}
	for _, q := range readQueries(t) {
		id, found := map[string]string{
			"SearchRuns": "run_id", "SortRunsByMetric": "run_id", "SortRunsByMetricDesc": "run_id",
			"SearchSimulations": "simulation_id", "SortSimulationsByMetric": "simulation_id", "SortSimulationsByMetricDesc": "simulation_id",
		}[q.name]
		if !found {
			continue
		}
		table := map[string]string{"run_id": "walkforward_runs", "simulation_id": "simulation_runs"}[id]
		values["ids"] = "'" + lines(t, store, "SELECT array_agg("+id+")::text FROM (SELECT "+id+" FROM "+table+" ORDER BY created_at LIMIT 20) AS o")[0] + "'"
		if plan := explain(t, store, q, values, "ids"); !strings.Contains(plan, "Sort Key") || blocks(t, plan) > 400 {
			t.Errorf("%s looks for 20 ids along the list:\n%s", q.name, plan)
		}
	}
}

var bufferHits = regexp.MustCompile(`Buffers: shared(?: hit=(\d+))?(?: read=(\d+))?`)

// blocks are those that a plan touched in all, as its first line says.
func blocks(t *testing.T, plan string) (n int) {
	t.Helper()
	m := bufferHits.FindStringSubmatch(plan)
	if m == nil {
		t.Fatalf("no buffers in\n%s", plan)
	}
	for _, digits := range m[1:] {
		some, _ := strconv.Atoi(digits) // none is 0
		n += some
	}
	return n
}
