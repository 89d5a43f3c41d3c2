// Package seed fills the metadata store with data to look at and to measure with.
//
// Run stores two small experiments. The BTC one is real: 4-hour bars made from hourly candles (README.md names
// their source), indicators, a ridge regression walked forward over three folds, and a simulation that trades
// its test windows with fees. The ETH one goes the same way on a synthetic random walk, which its metadata says.
// Every stored figure is computed from those bars, whatever it says about the model.
//
// Scale stores random rows of realistic size for benchmarks.
//
// Ids are derived from names and times are fixed: seeding again changes nothing.
package seed

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"foldbook/db"
)

// namespace is the root of all seeded ids.
var namespace = uuid.MustParse("8d1f6a52-3c0e-4f5b-9a57-0b6c2f1e7d34")

func datasetID(slug string) uuid.UUID    { return uuid.NewSHA1(namespace, []byte("dataset/"+slug)) }
func runID(name string) uuid.UUID        { return uuid.NewSHA1(namespace, []byte("run/"+name)) }
func simulationID(name string) uuid.UUID { return uuid.NewSHA1(namespace, []byte("simulation/"+name)) }

// Ids of what Run stores for BTC, for examples and smoke tests.
var (
	BTCDatasetID    = datasetID("btc19_1")
	BTCRunID        = runID("btc19_1_run1")
	BTCSimulationID = simulationID("btc19_1_sim1")
)

// experiments are what Run stores.
func experiments() ([]experiment, error) {
	hourly, err := parseCandles(btcHourlyCSV)
	if err != nil {
		return nil, err
	}
	at := time.Date(2026, time.January, 2, 12, 0, 0, 0, time.UTC)
	sim := simConfig{
		PositionSize: 1000, FeeRate: 0.001, HoldBars: horizon,
		LongThreshold: "long_optimal", ShortThreshold: "short_optimal", EntryPrice: "next_open", ExitPrice: "close",
	}
	return []experiment{
		{
			slug: "btc19_1", symbol: "BTCUSD", granularity: "4h", source: "coinbase",
			about: provenance{Origin: "hourly BTC-USD candles of Coinbase as collected by CryptoDataDownload, resampled to 4h"},
			bars:  resample(hourly, hourMS, 4*hourMS), barMS: 4 * hourMS,
			walk:  walkConfig{TrainSize: 2400, TestSize: 800, TrainTestGap: horizon, FoldStep: 800},
			folds: 3, lambda: 0.1, sim: sim, sides: []string{sideLong, sideShort}, at: at,
		},
		{
			slug: "eth24_1", symbol: "ETHUSD", granularity: "1h", source: "synthetic",
			about: provenance{Synthetic: true, Origin: "random walk from a fixed seed, because no hourly ETH candles are at hand; nothing can be learned from it"},
			bars:  randomWalk(4800, time.Date(2024, time.January, 1, 0, 0, 0, 0, time.UTC).UnixMilli(), 2300), barMS: hourMS,
			walk:  walkConfig{TrainSize: 2000, TestSize: 600, TrainTestGap: horizon, FoldStep: 600},
			folds: 2, lambda: 0.1, sim: sim, sides: []string{sideDual}, at: at.AddDate(0, 0, 1),
		},
	}, nil
}

// Run stores the BTC and the ETH data set with a run and a simulation each, in one transaction, and writes the
// number of rows read back from the database, for each data set and in all, to out. It fails, and stores
// nothing, when what is read back is not what was written.
func Run(ctx context.Context, pool *pgxpool.Pool, out io.Writer) error {
	all, err := experiments()
	if err != nil {
		return err
	}
	books := make([]book, len(all))
	for i, e := range all {
		if books[i], err = e.book(); err != nil {
			return err
		}
	}
	var found []counts
	err = db.Wrap(pool, 0).InTx(ctx, false, func(q *db.Queries) error {
		for _, b := range books {
			stored, err := b.put(ctx, q)
			if err != nil {
				return err
			}
			found = append(found, stored.counts(b.dataset.QuestDBTag))
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("seed: %w", err)
	}
	return printCounts(out, append(found, sum(found)))
}

// counts are the rows stored for one data set, or for all.
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
	fmt.Fprintln(w, "read back\tdata sets\truns\tfolds\tsimulations\tbuckets\ttrades")
	for _, c := range lines {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%d\n", c.name, c.datasets, c.runs, c.folds, c.simulations, c.buckets, c.trades)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print counts: %w", err)
	}
	return nil
}
