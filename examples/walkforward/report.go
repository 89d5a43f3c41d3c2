package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"foldbook/internal/seed/experiment"
)

// report prints what was done and found.
type report struct {
	out io.Writer
	err error
}

func (r *report) line(who, format string, args ...any) {
	if r.err == nil {
		_, r.err = fmt.Fprintf(r.out, "%-12s "+format+"\n", append([]any{who}, args...)...)
	}
}

// figures prints the experiment.
func (r *report) figures(e *experiment.Experiment, took time.Duration) {
	m := e.Dataset.Metadata
	r.line("computed", "%s in %s", m.DatasetSlug, took.Round(time.Millisecond))
	r.line("data", "%s", m.Origin)
	r.line("bars", "%d of %s, %s to %s", m.OHLCVRows, m.Granularity, day(m.FirstOHLCVTimestamp), day(m.LastOHLCVTimestamp))
	r.line("indicators", "%d rows of %s; target %s", m.IndicatorRows, strings.Join(e.Run.FeatureColumns, ", "), e.Run.TargetColumn)
	for _, fd := range e.Folds {
		r.line(fmt.Sprintf("fold %d", fd.Number),
			"trained %s to %s, tested %s to %s: off by %.2f %%; %d long signals, targets add up to %+.1f %%; %d short, %+.1f %%",
			day(fd.TrainStartMS), day(fd.TrainEndMS), day(fd.TestStartMS), day(fd.TestEndMS), fd.Score,
			fd.Metrics.NSignals, fd.Metrics.SignalSum, fd.Metrics.NShortSignals, fd.Metrics.ShortSignalSum)
	}
	for _, side := range []string{"long", "short", "dual"} {
		t := experiment.TallyOf(e.Simulation.Trades, side)
		r.line(side, "%d trades, %d won, profit factor %s, %+.1f %% of a position after fees, at worst %.1f %% below their peak",
			t.Count, t.Wins, ratio(t.ProfitFactor), t.ReturnPct, -t.MaxDrawdownPct)
	}
	s := e.Simulation.SummaryMetrics
	r.line("fees", "%.0f USD of %.0f USD that trading made before them", s.FeesPaid, s.TotalPnl+s.FeesPaid)
	r.line("buy and hold", "%+.1f %% in the same time", s.BuyAndHoldPct)
}

func (r *report) begin(base string, known bool) {
	state := "which does not know the dataset"
	if known {
		state = "which knows the dataset: all of it is stored again, and nothing doubles"
	}
	r.line("exporting", "to %s, %s", base, state)
}

func (r *report) stored(what string, count int) {
	r.line("", "%d %s: stored, read back and compared", count, what)
}

func day(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.DateOnly) }

func ratio(v *float64) string {
	if v == nil {
		return "none"
	}
	return fmt.Sprintf("%.2f", *v)
}
