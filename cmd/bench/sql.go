package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// againstSQL compares with pgbench, which runs the SQL of a route with nothing else around it.
func againstSQL(ctx context.Context, s *stack, r *report) error {
	program := s.findProgram("pgbench")
	if program == "" {
		progress("no pgbench on PATH or where distributions put it: the SQL alone is not measured")
		return nil
	}
	uncached, err := s.serve(ctx, s.binary, s.url, "BODY_CACHE_MB=0")
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
		{"dataset by id", s.main, datasetPath, 0, map[string]string{"dataset_id": datasetID}, []string{"GetDataset"}},
		{"run with 312 folds, not kept", uncached, olderRunPath, 0.7, map[string]string{"run_id": runID}, []string{"GetRun", "ListFolds"}},
		{
			"simulation with buckets, not kept", uncached, simulationPath, 0,
			map[string]string{"simulation_id": simulationID}, []string{"GetSimulation", "ListBuckets"},
		},
		{"50 datasets", s.main, "/api/indicators/datasets", 0, page, []string{"ListDatasets"}},
		{"200 runs", s.main, "/api/walkforward/runs", 0.75, page, []string{"ListRuns"}},
		{"200 simulations", s.main, "/api/tradesim/runs", 0, page, []string{"ListSimulations"}},
	} {
		script, err := s.script(n.args, n.queries...)
		if err != nil {
			return err
		}
		list = append(list, &contest{
			name: n.name, atLeast: n.atLeast,
			ours: s.rate(n.on.address, get(n.path), 8), theirs: s.pgbench(program, script, n.args),
		})
	}
	script, err := s.script(page, "ListRuns")
	if err != nil {
		return err
	}
	const plain = "SELECT * FROM walkforward_runs ORDER BY created_at DESC, run_id LIMIT :page_size;"
	return r.run(ctx, theme{
		title: "The SQL alone", peer: "pgbench",
		about: "8 connections to the service; `pgbench -M prepared -c 4` with the queries of the route, those of a detail in one pipeline.",
	}, append(list, &contest{
		name: "SQL of 200 runs, to the same columns without the slug", atLeast: 0.9,
		ours: s.pgbench(program, script, page), theirs: s.pgbench(program, plain, page),
	}))
}

var tps = regexp.MustCompile(`(?m)^tps = ([0-9.]+)`)

// pgbench measures how many times a second the statements are answered.
func (s *stack) pgbench(program, script string, variables map[string]string) measure {
	args := []string{"-n", "-M", "prepared", "-c", "4", "-j", "2", "-T", strconv.Itoa(int(s.opts.For.Seconds())), "-f", "-"}
	for name, value := range variables {
		args = append(args, "-D", name+"="+value)
	}
	return func(ctx context.Context) (sample, error) {
		cmd := exec.CommandContext(ctx, program, append(args, s.url)...)
		cmd.Stdin = strings.NewReader(script)
		out, err := cmd.CombinedOutput()
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
func (s *stack) findProgram(name string) string {
	candidates := []string{name}
	if s.postgres != nil {
		candidates = append(candidates, filepath.Join(s.postgres.BinDir(), name))
	}
	for _, dir := range []string{
		"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin", "/usr/local/opt/postgresql@*/bin",
	} {
		found, _ := filepath.Glob(filepath.Join(dir, name))
		slices.Reverse(found)
		candidates = append(candidates, found...)
	}
	for _, candidate := range candidates {
		if path, err := exec.LookPath(candidate); err == nil {
			return path
		}
	}
	return ""
}

var (
	comment   = regexp.MustCompile(`(?m)^--.*\n`)
	parameter = regexp.MustCompile(`@(\w+)|sqlc\.n?arg\('(\w+)'\)`)
)

// script returns queries below sql/ for pgbench, with its variables for the parameters, so that what is measured cannot drift from
// what the service runs. Parameters that are not among args become NULL.
func (s *stack) script(args map[string]string, queries ...string) (string, error) {
	files, err := filepath.Glob(filepath.Join(s.root, "sql", "*.sql"))
	if err != nil {
		return "", err
	}
	var all, script strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return "", fmt.Errorf("read the queries: %w", err)
		}
		all.Write(text)
	}
	for _, name := range queries {
		_, rest, found := strings.Cut(all.String(), "-- name: "+name+" ")
		_, rest, _ = strings.Cut(rest, "\n")
		sql, _, ended := strings.Cut(comment.ReplaceAllString(rest, ""), ";\n")
		if !found || !ended {
			return "", fmt.Errorf("no query %s in sql/", name)
		}
		script.WriteString(parameter.ReplaceAllStringFunc(sql, func(p string) string {
			m := parameter.FindStringSubmatch(p)
			if _, ok := args[m[1]+m[2]]; ok {
				return ":" + m[1] + m[2]
			}
			return "NULL"
		}) + ";\n")
	}
	if len(queries) > 1 {
		return "\\startpipeline\n" + script.String() + "\\endpipeline\n", nil
	}
	return script.String(), nil
}
