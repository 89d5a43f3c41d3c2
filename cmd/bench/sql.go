package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"foldbook/internal/seed"
)

// againstSQL compares with pgbench, which runs the SQL of a route with nothing else around it.
func againstSQL(ctx context.Context, s *stack, r *report) error {
	program := findProgram("pgbench", s.binDir())
	if program == "" {
		progress("no pgbench on PATH or where distributions put it: the SQL alone is not measured")
		return nil
	}
	uncached, err := s.serve(ctx, s.binary, s.url, "BODY_CACHE_MB=0")
	if err != nil {
		return err
	}
	p, err := s.paths(ctx)
	if err != nil {
		return err
	}
	columns, err := s.runColumns(ctx)
	if err != nil {
		return err
	}
	page := map[string]string{"page_size": "1000", "page_offset": "0"} // the API's default
	var list []*contest
	for _, n := range []struct {
		name    string
		on      *service
		path    string
		atLeast float64
		args    map[string]string
		queries []string
	}{
		{"dataset by id", s.main, p.dataset, 0, map[string]string{"dataset_id": p.datasetID}, []string{"GetDataset"}},
		{
			"run with 312 folds, not kept", uncached, p.run, 0.7, map[string]string{"run_id": seed.BigRunID.String()},
			[]string{"GetRun", "ListFolds"},
		},
		{
			"simulation with buckets, not kept", uncached, p.simulation, 0, map[string]string{"simulation_id": p.simulationID},
			[]string{"GetSimulation", "ListBuckets"},
		},
		{"50 datasets", s.main, "/api/indicators/datasets", 0, page, []string{"ListDatasets"}},
		{"200 runs", s.main, "/api/walkforward/runs", 0.75, page, []string{"ListRuns"}},
		{"200 simulations", s.main, "/api/tradesim/runs", 0, page, []string{"ListSimulations"}},
	} {
		text, err := s.script(n.args, n.queries...)
		if err != nil {
			return err
		}
		list = append(list, &contest{
			name: n.name, atLeast: n.atLeast,
			ours: s.rate(n.on, request{path: n.path}, 8), theirs: s.pgbench(program, len(list), text, n.args),
		})
	}
	ofRuns, err := s.script(page, "ListRuns")
	if err != nil {
		return err
	}
	plain := "SELECT " + strings.Join(columns, ", ") + " FROM walkforward_runs ORDER BY created_at DESC, run_id LIMIT :page_size;"
	list = append(list, &contest{
		name: "SQL of 200 runs, to the same columns without fold count and slug", atLeast: 0.9,
		ours: s.pgbench(program, len(list), ofRuns, page), theirs: s.pgbench(program, len(list)+1, plain, page),
	})
	return r.run(ctx, theme{
		title: "The SQL alone", peer: "pgbench",
		about: "8 connections to the service; `pgbench -M prepared -c 4` with the queries of the route, those of a detail in one pipeline.",
	}, list)
}

// runColumns are the columns of walkforward_runs that are in the list of runs.
func (s *stack) runColumns(ctx context.Context) (columns []string, err error) {
	var runs []map[string]json.RawMessage
	if err := s.main.get(ctx, "/api/walkforward/runs?limit=1", &runs); err != nil {
		return nil, err
	}
	conn, err := pgx.Connect(ctx, s.url)
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx) //nolint:errcheck // nothing is lost
	all, err := tables(ctx, conn)
	if err != nil {
		return nil, err
	}
	for _, c := range all["walkforward_runs"] {
		if _, ok := runs[0][c]; ok {
			columns = append(columns, c)
		}
	}
	return columns, nil
}

var tps = regexp.MustCompile(`(?m)^tps = ([0-9.]+)`)

// pgbench returns how many times a second the statements were answered.
func (s *stack) pgbench(program string, number int, text string, variables map[string]string) measure {
	file := filepath.Join(s.scratch.Dir, fmt.Sprintf("%d.pgbench", number))
	args := []string{"-n", "-M", "prepared", "-c", "4", "-j", "2", "-T", strconv.Itoa(int(s.opts.For.Seconds())), "-f", file}
	for name, value := range variables {
		args = append(args, "-D", name+"="+value)
	}
	return func(ctx context.Context) (sample, error) {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			return sample{}, fmt.Errorf("write a script for pgbench: %w", err)
		}
		out, err := exec.CommandContext(ctx, program, append(args, s.url)...).CombinedOutput()
		if err != nil {
			return sample{}, fmt.Errorf("pgbench: %w: %.1000s", err, out)
		}
		m := tps.FindSubmatch(out)
		if m == nil || strings.Contains(string(out), "aborted") {
			return sample{}, fmt.Errorf("pgbench says no rate: %.1000s", out)
		}
		rate, err := strconv.ParseFloat(string(m[1]), 64)
		return sample{rate: rate}, err
	}
}

// findProgram looks on PATH, beside the server and where distributions put it, newest version first.
func findProgram(name, beside string) string {
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	dirs := []string{beside}
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin", "/usr/local/opt/postgresql@*/bin",
	} {
		found, _ := filepath.Glob(pattern)
		slices.Reverse(found)
		dirs = append(dirs, found...)
	}
	for _, dir := range dirs {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path
		}
	}
	return ""
}

var (
	queryHead = regexp.MustCompile(`(?m)^-- name: (\w+) :\w+\n`)
	comment   = regexp.MustCompile(`(?m)^--.*\n`)
	parameter = regexp.MustCompile(`@(\w+)|sqlc\.n?arg\('(\w+)'\)`)
)

// query reads a query below sql/, so that what is measured cannot drift from what the service runs. Parameters that are not
// among args become NULL.
func (s *stack) query(name string, args map[string]string) (string, error) {
	files, err := filepath.Glob(filepath.Join(s.root, "sql", "*.sql"))
	if err != nil {
		return "", err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return "", fmt.Errorf("read the queries: %w", err)
		}
		heads := queryHead.FindAllSubmatchIndex(text, -1)
		for i, head := range heads {
			if string(text[head[2]:head[3]]) != name {
				continue
			}
			end := len(text)
			if i+1 < len(heads) {
				end = heads[i+1][0]
			}
			sql := strings.TrimSpace(comment.ReplaceAllString(string(text[head[1]:end]), ""))
			return parameter.ReplaceAllStringFunc(sql, func(p string) string {
				m := parameter.FindStringSubmatch(p)
				if value, ok := args[m[1]+m[2]]; ok {
					return value
				}
				return "NULL"
			}), nil
		}
	}
	return "", fmt.Errorf("no query %s in sql/", name)
}

// script returns queries for pgbench, with its variables for the parameters.
func (s *stack) script(args map[string]string, queries ...string) (string, error) {
	variables := map[string]string{}
	for name := range args {
		variables[name] = ":" + name
	}
	var b strings.Builder
	for _, name := range queries {
		sql, err := s.query(name, variables)
		if err != nil {
			return "", err
		}
		b.WriteString(sql + "\n")
	}
	if len(queries) > 1 {
		return "\\startpipeline\n" + b.String() + "\\endpipeline\n", nil
	}
	return b.String(), nil
}
