// Command bench measures how close the service comes to the limit that PostgreSQL sets. It starts a durable PostgreSQL
// of its own and the real foldbook serve on data at scale, and asks in turns for each of the six routes over HTTP and,
// with pgbench, for the same SQL. `make bench` calls it; docs/benchmarks.md explains the table it prints.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
)

type cli struct {
	Binary      string        `default:".dev/bin/foldbook" help:"The service to measure."`
	Rounds      int           `default:"3" help:"Rounds; in each, every route is measured both ways."`
	For         time.Duration `default:"2s" help:"Length of one measurement, a whole number of seconds."`
	Connections int           `default:"8" help:"HTTP connections, each with one request at a time."`
	Clients     int           `default:"4" help:"Connections of pgbench."`
	Series      bool          `help:"Measure the routes of series against QuestDB's own endpoints instead."`
	Pool        int           `default:"4" help:"Connections of the service to PostgreSQL (POSTGRES_POOL_SIZE)."`
}

const about = `Measures the six routes over HTTP against pgbench with the same SQL on the same server.

With POSTGRES_URL set, a database is made on that server and dropped at the end; otherwise a durable server is started for the run. The settings of the service are its defaults, request logging included. An answer other than 200 fails the benchmark.`

func main() {
	var c cli
	kong.Parse(&c, kong.Name("bench"), kong.Description(about), kong.UsageOnError())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := c.run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func (c cli) run(ctx context.Context) (err error) {
	if c.Rounds < 1 || c.For < time.Second || c.Connections < 1 || c.Clients < 1 {
		return errors.New("--rounds, --connections and --clients are at least 1, --for is at least 1s")
	}
	s, err := openStack(ctx, c.Binary, c.Pool, c.Series)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if c.Series {
		return c.runSeries(ctx, s)
	}
	routes, err := s.routes(ctx)
	if err != nil {
		return err
	}
	pg, err := newPgbench(ctx, s, routes, c.Clients)
	if err != nil {
		return err
	}
	results := make([]result, len(routes))
	for i := range routes { // fills the caches and the pool; not counted
		results[i].route = routes[i]
		if _, err := load(ctx, s.address, routes[i].path, c.Connections, c.For/4); err != nil {
			return fmt.Errorf("load %s: %w", routes[i].path, err)
		}
	}
	for round := range c.Rounds {
		for i := range routes {
			fmt.Fprintf(os.Stderr, "round %d of %d: %s\n", round+1, c.Rounds, routes[i].name)
			if pg != nil && len(routes[i].queries) > 0 {
				rate, err := pg.run(ctx, routes[i], c.For)
				if err != nil {
					return fmt.Errorf("pgbench %s: %w", routes[i].name, err)
				}
				results[i].limit = append(results[i].limit, rate)
			}
			got, err := load(ctx, s.address, routes[i].path, c.Connections, c.For)
			if err != nil {
				return fmt.Errorf("load %s: %w", routes[i].path, err)
			}
			results[i].http = append(results[i].http, got)
		}
	}
	logged, err := s.logged()
	if err != nil {
		return err
	}
	return c.report(ctx, s, pg, results, logged)
}
