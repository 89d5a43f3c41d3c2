// Command walkforward computes a walk-forward experiment on real bitcoin prices and exports it to a foldbook over HTTP, as
// a research program does that has nothing but the address of the service: see README.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"foldbook/internal/seed/experiment"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "walkforward:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("walkforward", flag.ContinueOnError)
	url := flags.String("url", "http://127.0.0.1:33931", "where the service is")
	if err := flags.Parse(args); err != nil {
		return err
	}
	began := time.Now()
	e, err := experiment.BTC()
	if err != nil {
		return err
	}
	r := &report{out: out}
	r.figures(e, time.Since(began))
	return errors.Join(export(ctx, newClient(*url), e, r), r.err)
}
