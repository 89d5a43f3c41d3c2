package seed

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	"foldbook/internal/seed/experiment"
)

// The search that Search stores: SearchName is its search_id, and two of its trials are no noise.
const (
	SearchName  = "search-60"
	searchDays  = 400
	SearchSize  = 60
	TrueTrial   = 17 // earns a little on most days
	OverfitWins = 42 // is the luckiest of 20 settings, of which only it was stored
)

type object = map[string]any

// Search stores, by posting records, a search of 60 trials: mostly noise, one weak true effect, and one winner that was fitted to its
// returns. Each has a trade a day. Storing it again changes nothing.
func Search(ctx context.Context, post func(ctx context.Context, path string, record any) error) error {
	dataset := experiment.DatasetID(SearchName)
	err := post(ctx, "/api/datasets", object{
		"dataset_id": dataset, "dataset_slug": SearchName, "symbol": "NOISE", "granularity": "1d",
	})
	for i := 0; i < SearchSize && err == nil; i++ {
		name := fmt.Sprintf("trial-%02d", i)
		run, simulation := experiment.RunID(SearchName+name), experiment.SimulationID(SearchName+name)
		err = post(ctx, "/api/runs", object{
			"run_id": run, "dataset_id": dataset, "search_id": SearchName, "name": name, "prediction_measurement": "p_" + name,
			"target_column": "up", "feature_columns": []string{"close"}, "hyperparameters": object{"setting": i}, "status": "COMPLETED",
			"folds": []object{},
		})
		if err == nil {
			err = post(ctx, "/api/simulations", object{
				"simulation_id": simulation, "run_id": run, "dataset_id": dataset, "mode": "long", "status": "COMPLETED", "trades": trialTrades(i),
			})
		}
	}
	return err
}

// trialTrades are a trade on each day, from midnight to 23:00.
func trialTrades(trial int) []object {
	const start, day, hour = 1704067200000, 86_400_000, 3_600_000
	trades := make([]object, searchDays)
	for d, r := range trialReturns(trial) {
		at := start + int64(d)*day
		trades[d] = object{
			"side": "long", "size": 1, "entry_price": 100, "exit_price": 100 + r, "return_pct": r,
			"entry_timestamp": at, "exit_timestamp": at + 23*hour,
		}
	}
	return trades
}

// trialReturns are the daily returns of a trial in percent.
func trialReturns(trial int) []float64 {
	rng := rand.New(rand.NewPCG(60, uint64(trial))) // the same numbers each time
	if trial != OverfitWins {
		mean := 0.0
		if trial == TrueTrial {
			mean = 0.2
		}
		list := make([]float64, searchDays)
		for d := range list {
			list[d] = round(mean + rng.NormFloat64())
		}
		return list
	}
	var best []float64
	highest := math.Inf(-1)
	for range 20 { // gains and losses that go on for days
		list, now, sum := make([]float64, searchDays), 0.0, 0.0
		for d := range list {
			now = 0.7*now + 0.714*rng.NormFloat64()
			list[d], sum = round(now), sum+now
		}
		if sum > highest {
			best, highest = list, sum
		}
	}
	return best
}

func round(percent float64) float64 { return math.Round(percent*1e4) / 1e4 }
