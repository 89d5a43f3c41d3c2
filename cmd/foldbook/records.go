package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"foldbook/internal/transfer"
)

// recordFlags are of the commands that show what a server has.
type recordFlags struct {
	serverFlags
	JSON  bool `name:"json" xor:"form" help:"Print what the server answers; the default where the output is no terminal."`
	Table bool `name:"table" xor:"form" help:"Print a table in any case."`
}

// print prints an answer as it is, or by show for people.
func (f recordFlags) print(a *app, answer []byte, show func(w *tables)) error {
	if f.JSON || !f.Table && !isTerminal(a.out) {
		_, err := fmt.Fprintf(a.out, "%s\n", strings.TrimSpace(string(answer)))
		return err
	}
	w := &tables{out: a.out}
	show(w)
	return w.err
}

// find returns what has a name.
func find(a *app, client *transfer.Client, name string) (transfer.Ref, error) {
	found, err := client.Find(a.ctx, name)
	switch {
	case err != nil:
		return transfer.Ref{}, fmt.Errorf("find %q on %s: %w", name, client.Server(), err)
	case len(found) == 0:
		return transfer.Ref{}, fmt.Errorf("%s has no run, dataset or simulation %q", client.Server(), name)
	case len(found) > 1:
		names := make([]string, len(found))
		for i, ref := range found {
			names[i] = ref.String()
		}
		return transfer.Ref{}, fmt.Errorf("%q is the name of %d records, write the id: %s", name, len(found), strings.Join(names, ", "))
	}
	return found[0], nil
}

type lsCmd struct {
	recordFlags
	What    string   `arg:"" optional:"" enum:"runs,datasets,simulations" default:"runs" help:"runs, datasets or simulations."`
	Dataset []string `placeholder:"SLUG|ID" help:"Of these datasets."`
	Status  []string `placeholder:"STATUS" help:"With one of these states."`
	Target  string   `placeholder:"COLUMN" help:"Runs that predict this column."`
	Search  string   `placeholder:"TEXT" help:"With this text in slug, name, symbol, target and the like."`
	Tags    []string `placeholder:"TAG" help:"With these tags."`
	Metric  []string `sep:"none" placeholder:"PATH>=N" help:"By a number or text, such as summary_metrics.pf_long>=1.2; may be repeated."`
	Sort    string   `placeholder:"PATH" help:"By a column or metric, with - in front downwards; unless given, newest first."`
	Columns []string `short:"c" placeholder:"PATH" help:"Also show these, such as summary_metrics.pf_long."`
	Limit   int      `short:"n" default:"50" help:"How many at most."`
}

// Help is the text below the summary.
func (lsCmd) Help() string {
	return `The filters are those of the server's lists (docs/api.md, Search).

Examples:

	foldbook ls
	foldbook ls datasets --search btc
	foldbook ls --dataset btc25_1 --status COMPLETED --sort=-summary_metrics.pf_long -n 10
	foldbook ls simulations -c summary_metrics.total_return_pct
	foldbook ls --json | jq -r '.runs[].run_id'`
}

// listed are the columns of each list.
var listed = map[string][]string{
	"runs":        {"run_id", "name", "dataset_slug", "target_column", "status", "fold_count", "created_at"},
	"datasets":    {"dataset_id", "dataset_slug", "symbol", "granularity", "indicator_row_count", "run_count", "updated_at"},
	"simulations": {"simulation_id", "name", "run_id", "mode", "status", "created_at"},
}

// Run lists.
func (c lsCmd) Run(a *app) error {
	client, err := c.client(a)
	if err != nil {
		return err
	}
	query := url.Values{"limit": {strconv.Itoa(c.Limit)}, "metric": c.Metric}
	for name, value := range map[string]string{
		"dataset_id": strings.Join(c.Dataset, ","), "status": strings.Join(c.Status, ","), "tags": strings.Join(c.Tags, ","),
		"target_column": c.Target, "search": c.Search, "sort": c.Sort,
	} {
		if value != "" {
			query.Set(name, value)
		}
	}
	body, err := client.Call(a.ctx, http.MethodGet, "/api/"+c.What, query)
	if err != nil {
		return err
	}
	var answer map[string]any
	if err := decode(body, &answer); err != nil {
		return err
	}
	return c.print(a, body, func(w *tables) {
		rows := objects(answer[c.What])
		w.table(slices.Concat(listed[c.What], c.Columns), rows)
		if total := cell(answer["total"]); total != cell(json.Number(strconv.Itoa(len(rows)))) {
			_, _ = fmt.Fprintf(a.err, "%d of %s; -n N shows more\n", len(rows), total)
		}
		warn(a, answer)
	})
}

type showCmd struct {
	recordFlags
	Name string `arg:"" name:"name|slug|id" help:"The name or id of a run or simulation, the slug or id of a dataset."`
}

// Help is the text below the summary.
func (showCmd) Help() string {
	return `A run comes with its folds, a simulation with its buckets.

Examples:

	foldbook show btc25_1
	foldbook show "ridge, 14 days"
	foldbook show 2f6bd1c2-8c7e-4f0e-9a53-6a1d1b2c3d4e --json | jq .summary_metrics`
}

// Run shows.
func (c showCmd) Run(a *app) error {
	client, err := c.client(a)
	if err != nil {
		return err
	}
	ref, err := find(a, client, c.Name)
	if err != nil {
		return err
	}
	body, err := client.Call(a.ctx, http.MethodGet, ref.Path(), nil)
	if err != nil {
		return err
	}
	var record map[string]any
	if err := decode(body, &record); err != nil {
		return err
	}
	return c.print(a, body, func(w *tables) { w.record(record) })
}

type rmCmd struct {
	recordFlags
	Name    string `arg:"" name:"name|slug|id" help:"The name or id of a run or simulation, the slug or id of a dataset."`
	Yes     bool   `help:"Do not ask."`
	DryRun  bool   `help:"Say what would be removed, and remove nothing."`
	Cascade bool   `help:"Also remove what is below it: the runs of a dataset, the simulations of a run, the trades of a simulation."`
}

// Help is the text below the summary.
func (rmCmd) Help() string {
	return `On a terminal it asks for the name; elsewhere it needs --yes. The rows in QuestDB go too. What has others below it stays
unless --cascade is given.

Examples:

	foldbook rm --dry-run --cascade btc25_1
	foldbook rm --yes 2f6bd1c2-8c7e-4f0e-9a53-6a1d1b2c3d4e`
}

// Run removes.
func (c rmCmd) Run(a *app) error {
	asks := !c.Yes && !c.DryRun
	if asks && !isTerminal(a.in) {
		return usageError("rm asks on a terminal; elsewhere it needs --yes")
	}
	client, err := c.client(a)
	if err != nil {
		return err
	}
	ref, err := find(a, client, c.Name)
	if err != nil {
		return err
	}
	query := url.Values{"cascade": {strconv.FormatBool(c.Cascade)}, "dry_run": {"true"}}
	if asks {
		body, err := client.Call(a.ctx, http.MethodDelete, ref.Path(), query)
		if err != nil {
			return err
		}
		if err := c.removed(a, ref, "would remove", body); err != nil {
			return err
		}
		if err := confirm(a.in, a.err, c.Name); err != nil {
			return err
		}
	}
	verb := "would remove"
	if !c.DryRun {
		verb = "removed"
		query.Del("dry_run")
	}
	body, err := client.Call(a.ctx, http.MethodDelete, ref.Path(), query)
	if err != nil {
		return err
	}
	return c.removed(a, ref, verb, body)
}

// removed prints what an answer to DELETE says.
func (c rmCmd) removed(a *app, ref transfer.Ref, verb string, body []byte) error {
	var answer struct {
		Deleted  map[string]int64
		Warnings []string
	}
	if err := decode(body, &answer); err != nil {
		return err
	}
	return c.print(a, body, func(w *tables) {
		var parts []string
		for name, n := range answer.Deleted {
			if n > 0 {
				parts = append(parts, fmt.Sprintf("%s %d", name, n))
			}
		}
		slices.Sort(parts)
		w.printf("%s %s: %s\n", verb, ref, strings.Join(parts, ", "))
		for _, warning := range answer.Warnings {
			_, _ = fmt.Fprintln(a.err, "warning:", plainText(warning))
		}
	})
}

// confirm fails unless the name is typed.
func confirm(in io.Reader, out io.Writer, name string) error {
	_, _ = fmt.Fprintf(out, "type %s to remove it: ", plainText(name))
	line, err := bufio.NewReader(in).ReadString('\n')
	if err != nil && err != io.EOF {
		return fmt.Errorf("read the answer: %w", err)
	}
	if strings.TrimSpace(line) != name {
		return fmt.Errorf("that is not %s: nothing is removed", plainText(name))
	}
	return nil
}
