// Package seed fills a foldbook with data to look at and to measure with.
//
// Run stores the experiments of package experiment over the API, as a research program does: two on bitcoin prices and a synthetic
// one. Every stored figure is computed from their bars, whatever it says about the model.
//
// Scale stores random rows of realistic size for benchmarks, and series of a million rows.
//
// Ids are derived from names and times are fixed: seeding again changes nothing.
package seed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"foldbook/internal/seed/experiment"
)

// Run stores all experiments in the service at url and says to out what is there. When QuestDB is off or away, it leaves out the
// series and says so; seeding again adds them.
func Run(ctx context.Context, url string, out io.Writer) error {
	c, series := newClient(url), true
	c.pauses = []time.Duration{50 * time.Millisecond, 200 * time.Millisecond} // what is away when a service starts will not be back soon
	for _, compute := range []func() (*experiment.Experiment, error){experiment.BTC, experiment.BoostedBTC, experiment.ETH} {
		e, err := compute()
		if err != nil {
			return fmt.Errorf("compute the seed: %w", err)
		}
		text := ""
		keep := func(what string, count int) { text += fmt.Sprintf(", %d %s", count, what) }
		err = c.export(ctx, e, series, keep)
		refused := new(refusal)
		if errors.As(err, &refused) && refused.Code == "questdb_unavailable" {
			if _, err := fmt.Fprintf(out, "no series: %s; seed again when QuestDB is up\n", refused.Message); err != nil {
				return err
			}
			series, text = false, ""
			err = c.export(ctx, e, series, keep)
		}
		if err != nil {
			return fmt.Errorf("seed %s: %w", e.Run.PredictionMeasurement, err)
		}
		if _, err := fmt.Fprintf(out, "%s: %s\n", e.Run.PredictionMeasurement, text[len(", "):]); err != nil {
			return err
		}
	}
	return nil
}
