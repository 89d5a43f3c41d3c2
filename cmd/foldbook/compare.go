package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"foldbook/internal/transfer"
)

type compareCmd struct {
	recordFlags
	Names []string `arg:"" name:"name|id" help:"Names or ids of runs; the first is what the others are compared with."`
}

// Help is the text below the summary.
func (compareCmd) Help() string {
	return `Prints the figures of the returns, the metrics and what differs in the configuration; --json also has the folds, the equity
and the differences with their intervals.

Examples:

	foldbook compare ridge "ridge, 14 days"
	foldbook compare 2f6bd1c2-8c7e-4f0e-9a53-6a1d1b2c3d4e ridge --json | jq .differences`
}

// Run compares.
func (c compareCmd) Run(a *app) error {
	client, err := c.client(a)
	if err != nil {
		return err
	}
	ids := make([]string, len(c.Names))
	for i, name := range c.Names {
		ref, err := find(a, client, name)
		if err != nil {
			return err
		}
		if ref.Kind != transfer.Run {
			return fmt.Errorf("%q is a %s: runs are compared", name, ref.Kind)
		}
		ids[i] = ref.ID
	}
	body, err := client.Call(a.ctx, http.MethodGet, "/api/runs/compare", url.Values{"ids": {strings.Join(ids, ",")}})
	if err != nil {
		return err
	}
	var answer map[string]any
	if err := decode(body, &answer); err != nil {
		return err
	}
	return c.print(a, body, func(w *tables) {
		w.comparison(answer)
		warn(a, answer)
	})
}

// comparison prints a column for each run.
func (t *tables) comparison(answer map[string]any) {
	runs := objects(answer["runs"])
	heads := []string{""}
	line := func(name string, values []any) []string {
		cells := []string{plainText(name)}
		for _, v := range values {
			cells = append(cells, cell(v))
		}
		return cells
	}
	lines := [][]string{}
	of := func(name string) {
		values := make([]any, len(runs))
		for i, run := range runs {
			values[i] = at(run, name)
		}
		lines = append(lines, line(name, values))
	}
	names := map[string]bool{}
	for _, run := range runs {
		heads = append(heads, cmp.Or(cell(run["name"]), cell(run["run_id"])))
		figures, _ := run["figures"].(map[string]any)
		for name := range figures {
			names["figures."+name] = true
		}
	}
	general := []string{"dataset_slug", "target_column", "basis", "first_day", "last_day"}
	for _, name := range append(general, slices.Sorted(maps.Keys(names))...) {
		of(name)
	}
	for _, part := range []struct{ list, name string }{{"metrics", "name"}, {"configuration", "path"}} {
		for _, row := range objects(answer[part.list]) {
			values, _ := row["values"].([]any)
			lines = append(lines, line(cell(row[part.name]), values))
		}
	}
	t.grid(heads, lines)
}

// warn prints the warnings of an answer where they are no part of what is printed.
func warn(a *app, answer map[string]any) {
	for _, warning := range texts(answer["warnings"]) {
		_, _ = fmt.Fprintln(a.err, "warning:", warning)
	}
}

type leaderboardCmd struct {
	recordFlags
	Dataset string `placeholder:"SLUG|ID" help:"The search is the runs of this dataset, with --target."`
	Target  string `placeholder:"COLUMN" help:"Those that predict this column."`
	Search  string `placeholder:"ID" help:"The search is the runs with this search_id."`
	Metric  string `placeholder:"NAME" help:"What they are ranked by; sharpe unless given."`
	Limit   int    `short:"n" default:"20" help:"How many a table has at most."`
}

// Help is the text below the summary.
func (leaderboardCmd) Help() string {
	return `P_VALUE is how often the best of as many trials without skill does as well. Every configuration that was ever stored counts
as a trial, deleted and failed ones too.

Examples:

	foldbook leaderboard --search grid-7
	foldbook leaderboard --dataset btc25_1 --target TGT_315 --json | jq .overfit`
}

// Run ranks.
func (c leaderboardCmd) Run(a *app) error {
	client, err := c.client(a)
	if err != nil {
		return err
	}
	query := url.Values{}
	for name, value := range map[string]string{"dataset": c.Dataset, "target": c.Target, "search_id": c.Search, "metric": c.Metric} {
		if value != "" {
			query.Set(name, value)
		}
	}
	body, err := client.Call(a.ctx, http.MethodGet, "/api/leaderboard", query)
	if err != nil {
		return err
	}
	var answer map[string]any
	if err := decode(body, &answer); err != nil {
		return err
	}
	return c.print(a, body, func(w *tables) {
		rows := objects(answer["rows"])
		defer warn(a, answer)
		if len(rows) == 0 {
			w.printf("no run of it has returns to rank; trials that are recorded: %s\n", cell(at(answer, "trials.recorded")))
			return
		}
		paths := []string{"rank", "name", "run_id"}
		for _, figure := range []string{"sharpe", "p_value", "dsr", "min_trl", "autocorrelation"} {
			paths = append(paths, "figures."+figure)
		}
		w.table(paths, rows[:min(len(rows), max(c.Limit, 0))])
		w.printf("\n%s trials are recorded; probability of overfitting %s; the best of them without skill would have a Sharpe ratio of %s a %s\n",
			cell(at(answer, "trials.recorded")), cell(at(answer, "overfit.pbo")), cell(answer["expected_max_sharpe"]), cell(answer["period"]))
		w.printf("skill was shown (p_value below 0.05) by %s\n", cmp.Or(strings.Join(skilled(rows), ", "), "none of them"))
		for _, run := range objects(answer["incomparable"]) {
			w.printf("not ranked: %s: %s\n", cmp.Or(cell(run["name"]), cell(run["run_id"])), strings.Join(texts(run["reasons"]), "; "))
		}
	})
}

// skilled are the names of the runs whose evidence is left after all trials.
func skilled(rows []map[string]any) (names []string) {
	for _, row := range rows {
		p, _ := at(row, "figures.p_value.value").(json.Number)
		if x, err := p.Float64(); err == nil && x < 0.05 {
			names = append(names, cmp.Or(cell(row["name"]), cell(row["run_id"])))
		}
	}
	return names
}
