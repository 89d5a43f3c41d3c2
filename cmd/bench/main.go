// Command bench measures the real foldbook serve on data at scale, in turns with what it is compared with: the version
// before, pgbench and psql on the same PostgreSQL, QuestDB's own endpoints and client. It prints a table for each theme with
// the targets and whether they are met. `make bench` calls it; docs/benchmarks.md has the last tables.
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

// options are what the command line says.
type options struct {
	Only   []string      `enum:"before,sql,known,uploads,search,series,mixed" help:"Themes: ${enum}. All unless given."`
	Binary string        `default:".dev/bin/foldbook" help:"The service to measure."`
	Before string        `default:"d123baeff8fb821a1e39d18489f20fbf2eefab12" help:"What came before: a binary, or a revision to build."`
	Rounds int           `default:"5" help:"Rounds; in each, everything is measured in turns."`
	For    time.Duration `default:"1s" help:"Length of one measurement of a rate, a whole number of seconds."`
	Runs   int           `default:"1000000" help:"Runs that are searched."`
	Mixed  time.Duration `default:"30s" help:"Length of the mixed load."`
}

const about = `Measures the service over HTTP, in turns with what it is compared with, and prints Markdown.

With POSTGRES_URL set, databases are made on that server, as a superuser, and dropped at the end; otherwise a durable server is started
for the run. QuestDB runs as it comes. The settings of the service are its defaults, request logging included. An answer with another
status than the one expected fails the benchmark; a missed target does not.`

func main() {
	var o options
	kong.Parse(&o, kong.Name("bench"), kong.Description(about), kong.UsageOnError())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) (err error) {
	if o.Rounds < 1 || o.For < time.Second || o.Runs < minRuns {
		return fmt.Errorf("--rounds is at least 1, --for at least 1s, --runs at least %d", minRuns)
	}
	s, err := openStack(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	r := &report{rounds: o.Rounds}
	if err := r.machine(ctx, s); err != nil {
		return err
	}
	for _, theme := range []struct { // uploads change what the themes before them read
		name    string
		measure func(context.Context, *stack, *report) error
	}{
		{"before", againstBefore}, {"sql", againstSQL}, {"known", known}, {"uploads", uploads}, {"search", search},
		{"series", series}, {"mixed", mixed},
	} {
		if len(o.Only) > 0 && !slices.Contains(o.Only, theme.name) {
			continue
		}
		if err := theme.measure(ctx, s, r); err != nil {
			return fmt.Errorf("%s: %w", theme.name, err)
		}
	}
	r.summary()
	return nil
}

// progress says on standard error what is going on, beside the tables.
func progress(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
