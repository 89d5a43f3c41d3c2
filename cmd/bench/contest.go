package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// sample is one measurement.
type sample struct {
	rate  float64         // answers a second
	took  []time.Duration // of each answer, sorted; nil where only the rate is known
	bytes int64           // of one answer
}

// timed is the sample of something that took so long.
func timed(d time.Duration) sample { return sample{rate: 1 / d.Seconds()} }

// measure takes a sample.
type measure func(context.Context) (sample, error)

// contest is the service and what it is compared with, measured in turns.
type contest struct {
	name   string
	ours   measure
	theirs measure // nil: there is no peer
	asTime bool    // figures are shown as the time of one answer

	// The target, of which there is one or none.
	atLeast float64       // times the peer's rate
	atMost  float64       // times the peer's time
	within  time.Duration // for one answer of ours

	ourSamples, theirSamples []sample
}

// run measures all contests in turns, after a round that is not counted, and adds their rows to the theme's table.
func (r *report) run(ctx context.Context, t theme, contests []*contest) error {
	for round := range r.rounds + 1 {
		for _, c := range contests {
			progress("round %d of %d: %s", round, r.rounds, c.name)
			if err := c.measure(ctx, round); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
		}
	}
	rows := make([]row, len(contests))
	for i, c := range contests {
		rows[i] = c.row()
	}
	r.table(t, rows)
	return nil
}

// measure takes a sample of each side; who begins changes from round to round.
func (c *contest) measure(ctx context.Context, round int) error {
	sides := []struct {
		take measure
		to   *[]sample
	}{{c.ours, &c.ourSamples}, {c.theirs, &c.theirSamples}}
	if round%2 == 1 {
		slices.Reverse(sides)
	}
	for _, side := range sides {
		if side.take == nil {
			continue
		}
		got, err := side.take(ctx)
		if err != nil {
			return err
		}
		if round > 0 {
			*side.to = append(*side.to, got)
		}
	}
	return nil
}

// row is the medians of the rounds, and the median of the rounds' own ratios.
func (c *contest) row() row {
	r := row{what: c.name, ours: c.figure(c.ourSamples), bytes: c.ourSamples[0].bytes}
	var took []time.Duration
	for _, s := range c.ourSamples {
		took = append(took, s.took...)
	}
	if len(took) > 0 {
		slices.Sort(took)
		r.p50, r.p99 = fmt.Sprintf("%.2f", milliseconds(took[len(took)/2])), fmt.Sprintf("%.2f", milliseconds(took[len(took)*99/100]))
	}
	var ratio float64
	if c.theirs != nil {
		ratios := make([]float64, len(c.ourSamples))
		for i := range ratios {
			ratios[i] = c.ourSamples[i].rate / c.theirSamples[i].rate
		}
		if ratio = middle(ratios); c.atMost > 0 {
			ratio = 1 / ratio
		}
		r.theirs = c.figure(c.theirSamples)
	}
	if c.theirs != nil && c.within == 0 {
		r.ratio = times(ratio)
	}
	switch {
	case c.atLeast > 0:
		r.require("≥ "+times(c.atLeast), ratio >= c.atLeast)
	case c.atMost > 0:
		r.require("≤ "+times(c.atMost), ratio <= c.atMost)
	case c.within > 0:
		r.require("≤ "+c.within.String(), 1/middleRate(c.ourSamples) <= c.within.Seconds())
	}
	return r
}

func (c *contest) figure(samples []sample) string {
	rate := middleRate(samples)
	if !c.asTime {
		return fmt.Sprintf("%.0f/s", rate)
	}
	took := time.Duration(float64(time.Second) / rate)
	switch {
	case took < time.Millisecond:
		return fmt.Sprintf("%.1f µs", took.Seconds()*1e6)
	case took < time.Second/10:
		return fmt.Sprintf("%.2f ms", milliseconds(took))
	}
	return fmt.Sprintf("%.3f s", took.Seconds())
}

func middleRate(samples []sample) float64 {
	rates := make([]float64, len(samples))
	for i, s := range samples {
		rates[i] = s.rate
	}
	return middle(rates)
}

// middle is the median.
func middle(values []float64) float64 {
	v := slices.Sorted(slices.Values(values))
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

func median(d []time.Duration) time.Duration { return slices.Sorted(slices.Values(d))[len(d)/2] }

func times(factor float64) string { return fmt.Sprintf("%.2f×", factor) }

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
