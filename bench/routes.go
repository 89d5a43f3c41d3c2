package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"foldbook/internal/seed"
)

// route is one of the six routes with what it asks PostgreSQL.
type route struct {
	name    string
	path    string
	queries []string          // names in sql/; all of them in one round trip; none: not for pgbench
	args    map[string]string // of the queries' parameters; those that are not here are NULL
	target  float64           // least share of pgbench's rate, 0: none
	rows    int               // in the answer, of an array or of the children of a detail
	callers int               // HTTP connections; 0: as many as is said for all
	on      *service          // nil: the one with default settings
}

// routes returns the six routes with ids of the data at scale, and one that asks nothing, after one answer of each was
// looked at.
func (s *stack) routes(ctx context.Context) ([]route, error) {
	run := seed.BigRunID.String()
	var simulations []struct {
		SimulationID string `json:"simulation_id"`
		DatasetID    string `json:"dataset_id"`
	}
	if err := s.main.get(ctx, "/api/tradesim/runs?run_id="+run, &simulations); err != nil {
		return nil, err
	}
	if len(simulations) == 0 {
		return nil, fmt.Errorf("run %s has no simulation", run)
	}
	dataset, simulation := simulations[0].DatasetID, simulations[0].SimulationID
	page := map[string]string{"page_size": "1000", "page_offset": "0"} // the API's default
	routes := []route{
		{"data set by id", "/api/indicators/datasets/" + dataset, []string{"GetDataset"}, map[string]string{"dataset_id": dataset}, 0.65, 0, 0, nil},
		{"50 data sets", "/api/indicators/datasets", []string{"ListDatasets"}, page, 0, 50, 0, nil},
		{"200 runs", "/api/walkforward/runs", []string{"ListRuns"}, page, 0.65, 200, 0, nil},
		{"run with 312 folds", "/api/walkforward/runs/" + run, []string{"GetRun", "ListFolds"}, map[string]string{"run_id": run}, 0.75, 312, 0, nil},
		{"200 simulations", "/api/tradesim/runs", []string{"ListSimulations"}, page, 0, 200, 0, nil},
		{"simulation with buckets", "/api/tradesim/runs/" + simulation, []string{"GetSimulation", "ListBuckets"}, map[string]string{"simulation_id": simulation}, 0, 3, 0, nil},
		{name: "liveness, without SQL", path: "/healthz"}, // what HTTP alone costs
	}
	many := routes[0]
	many.name, many.callers = many.name+", 64 connections", 64
	routes = append(routes, many)
	for _, r := range routes {
		if err := s.look(ctx, r); err != nil {
			return nil, fmt.Errorf("look at %s: %w", r.path, err)
		}
	}
	return routes, nil
}

// look checks that an answer holds the rows that it is measured with.
func (s *stack) look(ctx context.Context, r route) error {
	var body json.RawMessage
	if err := s.main.get(ctx, r.path, &body); err != nil {
		return err
	}
	var rows []json.RawMessage
	if err := json.Unmarshal(body, &rows); err != nil {
		var detail struct{ Folds, Buckets []json.RawMessage }
		if err := json.Unmarshal(body, &detail); err != nil {
			return err
		}
		rows = slices.Concat(detail.Folds, detail.Buckets)
	}
	if len(rows) != r.rows {
		return fmt.Errorf("%d rows, want %d", len(rows), r.rows)
	}
	return nil
}

var (
	queryHead = regexp.MustCompile(`(?m)^-- name: (\w+) :\w+\n`)
	comment   = regexp.MustCompile(`(?m)^--.*\n`)
	parameter = regexp.MustCompile(`@(\w+)|sqlc\.n?arg\('(\w+)'\)`)
)

// statements reads the queries below sql/ by name, so that what pgbench runs cannot drift from what the service runs.
func statements(root string) (map[string]string, error) {
	files, err := filepath.Glob(filepath.Join(root, "sql", "*.sql"))
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read the queries: %w", err)
		}
		heads := queryHead.FindAllStringSubmatchIndex(string(text), -1)
		for i, head := range heads {
			end := len(text)
			if i+1 < len(heads) {
				end = heads[i+1][0]
			}
			sql := comment.ReplaceAllString(string(text[head[1]:end]), "")
			found[string(text[head[2]:head[3]])] = strings.TrimSpace(sql)
		}
	}
	return found, nil
}

// script returns the route's queries for pgbench, with its variables for the parameters.
func (r route) script(statements map[string]string) (string, error) {
	var b strings.Builder
	for _, name := range r.queries {
		sql, ok := statements[name]
		if !ok {
			return "", fmt.Errorf("no query %s in sql/", name)
		}
		b.WriteString(substitute(sql, func(name string) string {
			if _, ok := r.args[name]; ok {
				return ":" + name
			}
			return "NULL"
		}))
		b.WriteByte('\n')
	}
	if len(r.queries) > 1 {
		return "\\startpipeline\n" + b.String() + "\\endpipeline\n", nil
	}
	return b.String(), nil
}

// substitute puts values in the place of a query's parameters.
func substitute(sql string, value func(name string) string) string {
	return parameter.ReplaceAllStringFunc(sql, func(p string) string {
		m := parameter.FindStringSubmatch(p)
		return value(m[1] + m[2])
	})
}
