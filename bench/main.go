// Command bench measures what the service adds to what PostgreSQL needs. It starts a durable PostgreSQL of its own and the
// real foldbook serve on data at scale, and prints a table for each theme: the older routes against the same SQL in pgbench,
// what is not read again, uploads against psql, and searches over a million runs. `make bench` calls it;
// docs/benchmarks.md explains the tables.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
)

type cli struct {
	Only        []string      `enum:"routes,known,uploads,search,series" help:"Themes to measure: routes, known, uploads, search, series. All unless given."`
	Binary      string        `default:".dev/bin/foldbook" help:"The service to measure."`
	Rounds      int           `default:"3" help:"Rounds; in each, everything is measured in turns."`
	For         time.Duration `default:"2s" help:"Length of one measurement of a rate, a whole number of seconds."`
	Connections int           `default:"8" help:"HTTP connections, each with one request at a time."`
	Clients     int           `default:"4" help:"Connections of pgbench."`
	Pool        int           `default:"16" help:"Connections of the service to PostgreSQL (POSTGRES_POOL_SIZE)."`
	Runs        int           `default:"1000000" help:"Runs that are searched."`
}

const about = `Measures the service over HTTP, in turns with pgbench, psql and itself under other conditions on the same server, and prints Markdown.

With POSTGRES_URL set, databases are made on that server and dropped at the end; otherwise a durable server is started for the run. The settings of the service are its defaults, request logging included. An answer with another status than the one expected fails the benchmark.`

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
	if c.Rounds < 1 || c.For < time.Second || c.Connections < 1 || c.Clients < 1 || c.Runs < minRuns {
		return fmt.Errorf("--rounds, --connections and --clients are at least 1, --for is at least 1s, --runs at least %d", minRuns)
	}
	s, err := openStack(ctx, c.Binary, c.Pool)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := c.conditions(ctx, s); err != nil {
		return err
	}
	for _, theme := range []struct { // uploads change what the themes before them read
		name    string
		measure func(context.Context, *stack) error
	}{{"routes", c.routes}, {"known", c.known}, {"uploads", c.uploads}, {"search", c.search}, {"series", c.series}} {
		if !c.wants(theme.name) {
			continue
		}
		if err := theme.measure(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", theme.name, err)
		}
	}
	return nil
}

func (c cli) wants(theme string) bool { return len(c.Only) == 0 || slices.Contains(c.Only, theme) }

// progress says on standard error what is going on, beside the tables.
func progress(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
