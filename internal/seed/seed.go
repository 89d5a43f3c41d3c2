// Package seed fills the stores with data to look at and to measure with.
//
// Run stores the two experiments of package experiment: a real one on bitcoin prices and a synthetic one. Every stored
// figure is computed from their bars, whatever it says about the model.
//
// Scale stores random rows of realistic size for benchmarks, and series of a million rows.
//
// Ids are derived from names and times are fixed: seeding again changes nothing.
package seed

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/jackc/pgx/v5/pgxpool"

	"foldbook/db"
	"foldbook/internal/seed/experiment"
	"foldbook/questdb"
)

// Ids of what Run stores for BTC, for examples and smoke tests.
var (
	BTCDatasetID    = experiment.DatasetID("btc19_1")
	BTCRunID        = experiment.RunID("btc19_1_run1")
	BTCSimulationID = experiment.SimulationID("btc19_1_sim1")
)

// experiments are those of each dataset.
func experiments() ([][]*experiment.Experiment, error) {
	btc, err := experiment.BTC()
	if err != nil {
		return nil, fmt.Errorf("compute the seed: %w", err)
	}
	boosted, err := experiment.BoostedBTC()
	if err != nil {
		return nil, fmt.Errorf("compute the seed: %w", err)
	}
	eth, err := experiment.ETH()
	if err != nil {
		return nil, fmt.Errorf("compute the seed: %w", err)
	}
	return [][]*experiment.Experiment{{btc, boosted}, {eth}}, nil
}

// Run stores the BTC and the ETH dataset with their runs, each with a simulation, in one transaction, and then their series,
// and writes the number of rows read back from the databases to out. It fails when what is read back is not what was
// written. series is nil when there is to be no QuestDB; one that is away is said, and what it lacks is stored next time.
func Run(ctx context.Context, pool *pgxpool.Pool, series *questdb.Client, out io.Writer) error {
	all, err := experiments()
	if err != nil {
		return err
	}
	var found []counts
	var tables []table
	err = db.Wrap(pool).InTx(ctx, false, func(q *db.Queries) error {
		for _, e := range all {
			b := bookOf(e...)
			stored, err := b.put(ctx, q)
			if err != nil {
				return err
			}
			found = append(found, stored.counts(b.dataset.QuestDBTag))
			tables = append(tables, tablesOf(e...)...)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("seed: %w", err)
	}
	if err := printCounts(out, append(found, sum(found))); err != nil {
		return err
	}
	if ok, err := there(ctx, series, out); !ok || err != nil {
		return err
	}
	return putSeries(ctx, series, tables, out)
}

// counts are the rows stored for one dataset, or for all.
type counts struct {
	name                                                string
	datasets, runs, folds, simulations, buckets, trades int
}

func (s storedBook) counts(name string) counts {
	return counts{name, len(s.datasets), len(s.runs), len(s.folds), len(s.simulations), len(s.buckets), len(s.trades)}
}

func sum(all []counts) counts {
	total := counts{name: "all"}
	for _, c := range all {
		total.datasets += c.datasets
		total.runs += c.runs
		total.folds += c.folds
		total.simulations += c.simulations
		total.buckets += c.buckets
		total.trades += c.trades
	}
	return total
}

func printCounts(out io.Writer, lines []counts) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "read back\tdatasets\truns\tfolds\tsimulations\tbuckets\ttrades")
	for _, c := range lines {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%d\n", c.name, c.datasets, c.runs, c.folds, c.simulations, c.buckets, c.trades)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print counts: %w", err)
	}
	return nil
}
