package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// result is what was measured of one route, round by round.
type result struct {
	route route
	limit []float64 // pgbench's rates; empty without pgbench
	http  []measured
}

// conditions prints what all tables have in common.
func (c cli) conditions(ctx context.Context, s *stack) error {
	server, err := serverVersion(ctx, s.url)
	if err != nil {
		return err
	}
	fmt.Printf("Machine: %d cores, %s, %s/%s, %s, PostgreSQL %s. %d rounds.\n",
		runtime.NumCPU(), cpuModel(), runtime.GOOS, runtime.GOARCH, runtime.Version(), server, c.Rounds)
	return nil
}

// routes measures the six routes against pgbench.
func (c cli) routes(ctx context.Context, s *stack) error {
	routes, err := s.routes(ctx)
	if err != nil {
		return err
	}
	bare, err := s.serve(ctx, s.url, "BODY_CACHE_MB=0")
	if err != nil {
		return err
	}
	for i := range routes {
		routes[i].on = s.main
		if len(routes[i].queries) > 1 { // a detail, which the service keeps when it is final
			again := routes[i]
			again.name, again.on = again.name+", not kept", bare
			routes = append(routes, again)
		}
	}
	pg, err := newPgbench(ctx, s, routes, c.Clients)
	if err != nil {
		return err
	}
	results := make([]result, len(routes))
	for i, r := range routes { // fills the caches and the pool; not counted
		results[i].route = r
		if _, err := load(ctx, r.on.address, request{path: r.path}, cmp.Or(r.callers, c.Connections), c.For/4); err != nil {
			return fmt.Errorf("load %s: %w", r.path, err)
		}
	}
	for round := range c.Rounds {
		for i, r := range routes {
			progress("round %d of %d: %s", round+1, c.Rounds, r.name)
			if pg != nil && len(r.queries) > 0 {
				rate, err := pg.run(ctx, r, c.For)
				if err != nil {
					return fmt.Errorf("pgbench %s: %w", r.name, err)
				}
				results[i].limit = append(results[i].limit, rate)
			}
			got, err := load(ctx, r.on.address, request{path: r.path}, cmp.Or(r.callers, c.Connections), c.For)
			if err != nil {
				return fmt.Errorf("load %s: %w", r.path, err)
			}
			results[i].http = append(results[i].http, got)
		}
	}
	logged, err := s.main.logged()
	if err != nil {
		return err
	}
	pgbenchVersion := "no pgbench on PATH or where distributions put it, so only HTTP was measured"
	if pg != nil {
		pgbenchVersion = fmt.Sprintf("pgbench %s with %d clients", pg.version, c.Clients)
	}
	fmt.Printf("\n### The six older routes\n\nMeasurements of %s, in turns: %s; %d HTTP connections, pool of %d. The service logged %d lines.\n\n",
		c.For, pgbenchVersion, c.Connections, c.Pool, logged)
	fmt.Println("| route | pgbench/s | HTTP req/s | ratio | median ratio | target | | p50 ms | p99 ms | bytes |")
	fmt.Println("|---|--:|--:|--:|--:|--:|---|--:|--:|--:|")
	for _, r := range results {
		fmt.Println(r.row())
	}
	return nil
}

// row is a line of the table: the best round of either side and their ratio, the median of the rounds' own ratios, and
// the latencies of all rounds.
func (r result) row() string {
	var took []time.Duration
	best := 0.0
	for _, m := range r.http {
		took = append(took, m.took...)
		best = max(best, m.rate)
	}
	slices.Sort(took)
	limit, ratio, median, target, verdict := "-", "-", "-", "-", ""
	if len(r.limit) > 0 {
		limit, ratio = fmt.Sprintf("%.0f", slices.Max(r.limit)), percent(best/slices.Max(r.limit))
		ratios := make([]float64, len(r.http))
		for i, m := range r.http {
			ratios[i] = m.rate / r.limit[i]
		}
		median = percent(middle(ratios))
		if r.route.target > 0 {
			target, verdict = percent(r.route.target), verdictOf(best/slices.Max(r.limit) >= r.route.target)
		}
	}
	return fmt.Sprintf("| %s | %s | %.0f | %s | %s | %s | %s | %.2f | %.2f | %d |", r.route.name, limit, best, ratio, median, target, verdict,
		milliseconds(took[len(took)/2]), milliseconds(took[len(took)*99/100]), r.http[0].bytes)
}

// verdictOf is the word for a target that is met, or not.
func verdictOf(met bool) string {
	if met {
		return "PASS"
	}
	return "MISSED"
}

// middle is the median.
func middle(values []float64) float64 {
	v := slices.Sorted(slices.Values(values))
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

func percent(share float64) string { return fmt.Sprintf("%.0f %%", 100*share) }

func times(factor float64) string { return fmt.Sprintf("%.2f ×", factor) }

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func serverVersion(ctx context.Context, dsn string) (version string, err error) {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return "", fmt.Errorf("ask the server for its version: %w", err)
	}
	defer conn.Close(ctx) //nolint:errcheck // nothing is lost
	version, _, _ = strings.Cut(conn.PgConn().ParameterStatus("server_version"), " ")
	return version, nil
}

// cpuModel returns the processor's name where Linux tells it.
func cpuModel() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if key, value, _ := strings.Cut(line, ":"); strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown processor"
}
