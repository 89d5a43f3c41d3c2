package main

import (
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

// report prints the machine, the conditions and the table, which is Markdown.
func (c cli) report(ctx context.Context, s *stack, pg *pgbench, results []result, logged int) error {
	server, err := serverVersion(ctx, s.url)
	if err != nil {
		return err
	}
	pgbenchVersion := "no pgbench on PATH or where distributions put it, so only HTTP was measured"
	if pg != nil {
		pgbenchVersion = fmt.Sprintf("pgbench %s with %d clients", pg.version, c.Clients)
	}
	fmt.Printf("\nMachine: %d cores, %s, %s/%s, %s, PostgreSQL %s.\n", runtime.NumCPU(), cpuModel(), runtime.GOOS, runtime.GOARCH, runtime.Version(), server)
	fmt.Printf("%d rounds of %s each, taking turns: %s; %d HTTP connections, pool of %d. The service logged %d lines.\n\n",
		c.Rounds, c.For, pgbenchVersion, c.Connections, c.Pool, logged)
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
		slices.Sort(ratios)
		median = percent((ratios[(len(ratios)-1)/2] + ratios[len(ratios)/2]) / 2)
		if r.route.target > 0 {
			target, verdict = percent(r.route.target), "below"
			if best/slices.Max(r.limit) >= r.route.target {
				verdict = "PASS"
			}
		}
	}
	return fmt.Sprintf("| %s | %s | %.0f | %s | %s | %s | %s | %.2f | %.2f | %d |", r.route.name, limit, best, ratio, median, target, verdict,
		milliseconds(took[len(took)/2]), milliseconds(took[len(took)*99/100]), r.http[0].bytes)
}

func percent(share float64) string { return fmt.Sprintf("%.0f %%", 100*share) }

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
