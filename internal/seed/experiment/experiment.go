// Package experiment computes two walk-forward experiments from their bars: indicators, a ridge regression walked
// forward over folds, thresholds chosen on each training window alone, and trades with fees. It computes and nothing
// else: no clock, no network, no files but the candles that it embeds (examples/walkforward/README.md names their source).
//
// Results come in the form in which they are posted to the service. Ids are derived from names and times are fixed, so
// computing again gives the same.
package experiment

import (
	"fmt"
	"time"

	"github.com/google/uuid"
)

// namespace is the root of all ids.
var namespace = uuid.MustParse("8d1f6a52-3c0e-4f5b-9a57-0b6c2f1e7d34")

// DatasetID is the id of the dataset of that slug.
func DatasetID(slug string) uuid.UUID { return uuid.NewSHA1(namespace, []byte("dataset/"+slug)) }

// RunID is the id of the run of that name.
func RunID(name string) uuid.UUID { return uuid.NewSHA1(namespace, []byte("run/"+name)) }

// SimulationID is the id of the simulation of that name.
func SimulationID(name string) uuid.UUID {
	return uuid.NewSHA1(namespace, []byte("simulation/"+name))
}

// Experiment is a dataset with one run and one simulation of it, and their series.
type Experiment struct {
	Dataset    Dataset
	Run        Run
	Folds      []Fold
	Simulation Simulation

	Bars, Indicators, Predictions, Trace Series
}

// plan says what is computed from which bars.
type plan struct {
	slug, symbol, granularity, source string
	about                             Provenance
	bars                              []candle
	barMS                             int64
	walk                              WalkConfig
	folds                             int
	number                            string // of the run and its simulation
	model                             Hyperparameters
	sides                             []string // one bucket each, in the order of the alphabet
	at                                time.Time
}

// simConfig is how both experiments trade.
var simConfig = SimConfig{
	PositionSize: 1000, FeeRate: 0.001, HoldBars: horizon,
	LongThreshold: "long_optimal", ShortThreshold: "short_optimal", EntryPrice: "next_open", ExitPrice: "close",
}

// ridgeModel has a penalty as a share of the rows.
var ridgeModel = Hyperparameters{
	Model: "ridge", Lambda: 0.1, Standardize: true, Objective: "squared_error", Score: "rmse_test_pct", ThresholdMethod: "train_t_statistic",
}

// BTC is the experiment on real prices: 4-hour bars made from hourly candles, three folds.
func BTC() (*Experiment, error) {
	p, err := btcPlan()
	if err != nil {
		return nil, err
	}
	return p.compute()
}

// BoostedBTC is a second run on the dataset of BTC, with boosted trees.
func BoostedBTC() (*Experiment, error) {
	p, err := btcPlan()
	if err != nil {
		return nil, err
	}
	p.number, p.model = "2", boosting
	return p.compute()
}

// ETH is the experiment on a random walk, two folds of hourly bars: nothing can be learned there.
func ETH() (*Experiment, error) { return ethPlan().compute() }

func btcPlan() (plan, error) {
	hourly, err := parseCandles(btcHourlyCSV)
	return plan{
		slug: "btc19_1", symbol: "BTCUSD", granularity: "4h", source: "coinbase",
		about: Provenance{Origin: "hourly BTC-USD candles of Coinbase as collected by CryptoDataDownload, resampled to 4h"},
		bars:  resample(hourly, hourMS, 4*hourMS), barMS: 4 * hourMS,
		walk:  WalkConfig{TrainSize: 2400, TestSize: 800, TrainTestGap: horizon, FoldStep: 800},
		folds: 3, number: "1", model: ridgeModel, sides: []string{sideLong, sideShort},
		at: time.Date(2026, time.January, 2, 12, 0, 0, 0, time.UTC),
	}, err
}

func ethPlan() plan {
	return plan{
		slug: "eth24_1", symbol: "ETHUSD", granularity: "1h", source: "synthetic",
		about: Provenance{
			Synthetic: true,
			Origin:    "random walk from a fixed seed, because no hourly ETH candles are at hand; nothing can be learned from it",
		},
		bars: randomWalk(4800, time.Date(2024, time.January, 1, 0, 0, 0, 0, time.UTC).UnixMilli(), 2300), barMS: hourMS,
		walk:  WalkConfig{TrainSize: 2000, TestSize: 600, TrainTestGap: horizon, FoldStep: 600},
		folds: 2, number: "1", model: ridgeModel, sides: []string{sideDual},
		at: time.Date(2026, time.January, 3, 12, 0, 0, 0, time.UTC),
	}
}

// compute makes the frame, walks it forward, trades the test windows and sums up.
func (p plan) compute() (*Experiment, error) {
	f, err := newFrame(p.bars, p.barMS)
	if err != nil {
		return nil, fmt.Errorf("dataset %s: %w", p.slug, err)
	}
	folds, err := walkForward(f, p.walk, p.folds, p.model)
	if err != nil {
		return nil, fmt.Errorf("dataset %s: %w", p.slug, err)
	}
	e := &Experiment{Dataset: p.dataset(f), Folds: folds}
	e.Run = p.run(e.Dataset, folds)
	e.Simulation = p.simulation(e.Run, f, folds)
	e.Bars, e.Indicators = barSeries(e.Dataset, p.bars), indicatorSeries(e.Dataset, f)
	e.Predictions, e.Trace = predictionSeries(e.Run, f, folds), traceSeries(e.Simulation)
	return e, nil
}
