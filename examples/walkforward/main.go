// Command walkforward computes a walk-forward experiment on real bitcoin prices and stores it in a foldbook over HTTP, as a research
// program does that has nothing but the address of the service: see README.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"foldbook/internal/seed"
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
	url := flags.String("url", "http://127.0.0.1:33931", "address of the service")
	if err := flags.Parse(args); err != nil {
		return err
	}
	began := time.Now()
	e, err := experiment.BTC()
	if err != nil {
		return err
	}
	p := printer{out}
	p.figures(e, time.Since(began))
	p.line("exporting", "to %s", *url)
	return seed.Export(ctx, *url, e, func(what string, count int) {
		p.line("", "%d %s: there, read back and compared", count, what)
	})
}

// printer prints lines below headings.
type printer struct{ out io.Writer }

func (p printer) line(heading, format string, args ...any) {
	_, _ = fmt.Fprintf(p.out, "%-12s "+format+"\n", append([]any{heading}, args...)...)
}

// figures prints what the experiment found.
func (p printer) figures(e *experiment.Experiment, took time.Duration) {
	m := e.Dataset.Metadata
	p.line("computed", "%s in %s", m.Slug, took.Round(time.Millisecond))
	p.line("data", "%s", m.Origin)
	p.line("bars", "%d of %s, %s to %s", m.OHLCVRows, m.Granularity, day(m.FirstOHLCVTimestamp), day(m.LastOHLCVTimestamp))
	p.line("indicators", "%d rows of %s; target %s", m.IndicatorRows, strings.Join(e.Run.FeatureColumns, ", "), e.Run.TargetColumn)
	for _, fd := range e.Folds {
		m := fd.Metrics
		p.line(fmt.Sprintf("fold %d", fd.Number), "trained %s to %s, tested %s to %s: off by %.2f %%; "+
			"%d long signals, targets add up to %+.1f %%; %d short, %+.1f %%",
			day(fd.TrainStartMS), day(fd.TrainEndMS), day(fd.TestStartMS), day(fd.TestEndMS), fd.Score,
			m.NSignals, m.SignalSum, m.NShortSignals, m.ShortSignalSum)
	}
	for _, side := range []string{"long", "short", "dual"} {
		t, factor := experiment.TallyOf(e.Simulation.Trades, side), "none"
		if t.ProfitFactor != nil {
			factor = fmt.Sprintf("%.2f", *t.ProfitFactor)
		}
		p.line(side, "%d trades, %d won, profit factor %s, %+.1f %% of a position after fees, at worst %.1f %% below their peak",
			t.Count, t.Wins, factor, t.ReturnPct, -t.MaxDrawdownPct)
	}
	s := e.Simulation.SummaryMetrics
	p.line("fees", "%.0f USD of %.0f USD that trading made before them", s.FeesPaid, s.TotalPnl+s.FeesPaid)
	p.line("buy and hold", "%+.1f %% in the same time", s.BuyAndHoldPct)
}

func day(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.DateOnly) }
