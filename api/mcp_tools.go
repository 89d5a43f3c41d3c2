package api

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"foldbook/api/spec"
)

// tools are what agents can call.
var tools = []tool{
	{
		name:        "describe_schema",
		description: "What is stored: the datasets, and with record=run, fold, dataset, simulation or trade the members of such a record.",
		arguments:   map[string]string{"record": "run, fold, dataset, simulation or trade"},
		read:        describeSchema,
	},
	{
		name: "search_runs",
		description: "Runs that match all filters, newest first or sorted, as a table. Filters and sorts by a metric use paths such as " +
			"summary_metrics.pf_long or hyperparameters.max_depth, which get_run shows.",
		arguments: map[string]string{
			"dataset": "slug or id; several separated by commas", "target": "target column", "status": "such as COMPLETED",
			"search_id": "id of a search",
			"tags":      "list: all of them", "search": "text in slug, name, symbol, target",
			"metric": "list: filters such as summary_metrics.pf_long>=1.2",
			"sort":   "column or path, - in front: descending", "show": "list: more columns, as paths", "limit": "integer: 20 unless given",
			"cursor": "next of the page before",
		},
		read: searchRuns,
	},
	{
		name:        "get_run",
		description: "One run: configuration, metrics, lineage, and its simulations.",
		required:    []string{"run"},
		arguments:   map[string]string{"run": "id or name"},
		read:        getRun,
	},
	{
		name: "fold_table",
		description: "The folds of a run in order, as a table of windows and of the metrics that are named. Without metrics it names those " +
			"that there are.",
		required: []string{"run"},
		arguments: map[string]string{
			"run": "id or name", "metrics": "list: names such as hit_rate", "from": "integer: number of folds to skip",
			"limit": "integer: 100 unless given",
		},
		read: foldRows,
	},
	{
		name: "compare_runs",
		description: "Runs side by side: figures of their returns, metrics, differing configuration, differences of the Sharpe ratio to the " +
			"baseline with intervals, and warnings why they do not compare.",
		required: []string{"runs"},
		arguments: map[string]string{
			"runs": "list: ids or names, 2 to 100", "baseline": "id or name; the first unless given", "folds": "yes: with the folds, aligned",
			"points": "integer: days of equity, none unless given",
		},
		read: compareRuns,
	},
	{
		name: "leaderboard",
		description: "The runs of a search, ranked, with p-values and deflated Sharpe ratios that count every trial, and the probability " +
			"that the search is overfit. A run with a p_value above 0.05 has shown no skill, whatever its Sharpe ratio.",
		arguments: map[string]string{
			"dataset": "slug or id, with target", "target": "target column", "search_id": "id of a search",
			"metric": "figure to rank by; sharpe unless given",
			"limit":  "integer: 10 unless given",
		},
		read: rankedRuns,
	},
	{
		name: "series_summary",
		description: "A dataset: counts and bounds of its bars and indicators, and its columns; with column the distribution of that indicator " +
			"or target: count, nulls, min, max, mean, stddev, histogram.",
		required: []string{"dataset"},
		arguments: map[string]string{
			"dataset": "slug or id", "column": "an indicator or target", "start": "time", "end": "time", "bins": "integer: 10 unless given",
		},
		read: seriesSummary,
	},
	{
		name: "equity",
		description: "The curve of a simulation in percent of one position, thinned so that a line looks the same, with total return and worst " +
			"drawdown. get_run has the ids of simulations.",
		required: []string{"simulation"},
		arguments: map[string]string{
			"simulation": "id or name", "points": "integer: 60 unless given",
			"basis": "closed (by trade, the default) or mark (by bar, open trades valued)",
		},
		read: equityCurve,
	},
}

var runColumns = []string{"run_id", "name", "dataset_slug", "target_column", "status", "fold_count", "created_at"}

func searchRuns(a agentCall) (any, error) {
	q := a.query("dataset=dataset_id", "target=target_column", "status", "search_id", "tags", "search", "sort", "cursor")
	q["metric"] = a.list("metric")
	q.Set("limit", cmp.Or(a.text("limit"), "20"))
	found, err := a.get("/api/runs", q)
	if err != nil {
		return nil, err
	}
	paths := slices.Concat(runColumns, a.list("show"))
	if by := strings.TrimPrefix(a.text("sort"), "-"); strings.Contains(by, ".") && !slices.Contains(paths, by) {
		paths = append(paths, by)
	}
	table := columns(found["runs"], paths)
	table["total"], table["next"], table["warnings"] = found["total"], found["next"], found["warnings"]
	return table, nil
}

func getRun(a agentCall) (any, error) {
	id, err := a.id("runs", a.text("run"))
	if err != nil {
		return nil, err
	}
	run, err := a.get("/api/runs/"+id, url.Values{"folds": {"none"}})
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"folds", "total_folds", "fold_offset", "has_more_folds", "serialized_config"} {
		delete(run, name)
	}
	below, err := a.get("/api/runs/"+id+"/simulations", url.Values{"limit": {"10"}})
	if err != nil {
		return nil, err
	}
	run["simulations"] = columns(below["simulations"], []string{"simulation_id", "name", "mode", "status", "summary_metrics"})
	return run, nil
}

func foldRows(a agentCall) (any, error) {
	id, err := a.id("runs", a.text("run"))
	if err != nil {
		return nil, err
	}
	q := a.query("from=offset")
	q.Set("limit", cmp.Or(a.text("limit"), "100"))
	found, err := a.get("/api/runs/"+id+"/folds", q)
	if err != nil {
		return nil, err
	}
	paths := []string{"fold_number", "test_start_idx", "test_end_idx", "test_start_ts_ms", "best_score"}
	for _, name := range a.list("metrics") {
		paths = append(paths, "metrics."+name)
	}
	table := columns(found["folds"], paths)
	table["total"] = found["total"]
	if a.list("metrics") == nil {
		table["metrics"] = namesOf(found["folds"], "metrics")
	}
	return table, nil
}

func compareRuns(a agentCall) (any, error) {
	q := a.query("points")
	ids := []string{}
	for _, name := range a.list("runs") {
		id, err := a.id("runs", name)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	q.Set("ids", strings.Join(ids, ","))
	if name := a.text("baseline"); name != "" {
		id, err := a.id("runs", name)
		if err != nil {
			return nil, err
		}
		q.Set("baseline", id)
	}
	found, err := a.get("/api/runs/compare", q)
	if err != nil {
		return nil, err
	}
	if f := a.text("folds"); f != "yes" && f != "true" {
		delete(found, "folds")
	}
	if q.Get("points") == "" {
		delete(found, "equity")
	}
	return found, nil
}

func rankedRuns(a agentCall) (any, error) {
	found, err := a.get("/api/leaderboard", a.query("dataset", "target", "search_id", "metric"))
	if err != nil {
		return nil, err
	}
	paths := []string{"rank", "run_id", "name"}
	for _, name := range []string{"sharpe", "sharpe_per_year", "p_value", "dsr", "min_trl", "autocorrelation"} {
		paths = append(paths, "figures."+name)
	}
	rows, _ := found["rows"].([]any)
	limit, err := strconv.Atoi(cmp.Or(a.text("limit"), "10"))
	if err != nil {
		return nil, refusal{"invalid_parameter: limit is no whole number"}
	}
	found["rows"] = columns(rows[:min(max(limit, 0), len(rows))], paths)
	return found, nil
}

func seriesSummary(a agentCall) (any, error) {
	path := "/api/datasets/" + url.PathEscape(a.text("dataset"))
	if a.text("column") == "" {
		dataset, err := a.get(path, nil)
		if err == nil {
			delete(dataset, "metadata")
		}
		return dataset, err
	}
	q := a.query("column", "start=start_ts", "end=end_ts")
	q.Set("bins", cmp.Or(a.text("bins"), "10"))
	return a.get(path+"/histogram", q)
}

func equityCurve(a agentCall) (any, error) {
	q := a.query("basis")
	q.Set("points", cmp.Or(a.text("points"), "60"))
	q.Set("shape", "arrays")
	id, err := a.id("simulations", a.text("simulation"))
	if err != nil {
		return nil, err
	}
	return a.get("/api/simulations/"+id+"/equity", q)
}

// described are the schemas of openapi.yaml that describe_schema shows.
var described = map[string]string{
	"run": "WalkforwardRun", "fold": "WalkforwardFold", "dataset": "DatasetSummary", "simulation": "SimulationSummary",
	"trade": "SimulationTrade",
}

func describeSchema(a agentCall) (any, error) {
	record := a.text("record")
	if record == "" {
		found, err := a.get("/api/datasets", url.Values{"limit": {"50"}})
		if err != nil {
			return nil, err
		}
		paths := []string{"dataset_slug", "symbol", "granularity", "indicator_row_count", "run_count", "simulation_count"}
		table := columns(found["datasets"], paths)
		return map[string]any{
			"datasets": table, "total": found["total"],
			"about": "A dataset has bars and indicators, targets among them. A run predicts a target in folds, each with a training and a later " +
				"test window. A simulation trades the predictions of a run. record= shows the members of each.",
		}, nil
	}
	if described[record] == "" {
		return nil, refusal{fmt.Sprintf("invalid_parameter: %q is none of run, fold, dataset, simulation, trade", record)}
	}
	var d struct {
		Components struct {
			Schemas map[string]struct {
				Description string
				Properties  map[string]struct {
					Type        any
					Description string
					Ref         string `json:"$ref"`
				}
			}
		}
	}
	if err := json.Unmarshal(spec.DocumentJSON, &d); err != nil {
		return nil, fmt.Errorf("read the description: %w", err)
	}
	members := map[string]any{}
	for name, member := range d.Components.Schemas[described[record]].Properties {
		kind := strings.ReplaceAll(strings.Trim(fmt.Sprint(member.Type), "[]"), " null", ", or null")
		of := d.Components.Schemas[member.Ref[strings.LastIndexByte(member.Ref, '/')+1:]].Description
		members[name] = cmp.Or(member.Description, of, kind)
	}
	return map[string]any{"record": record, "members": members}, nil
}
