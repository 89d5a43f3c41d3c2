package api

import "foldbook/db"

// The rows of openapi.yaml are sqlc's rows: server.gen.go means these by their names there.
type (
	// IndicatorDataset is a row of indicator_datasets.
	IndicatorDataset = db.IndicatorDataset
	// WalkforwardRun is a row of walkforward_runs with the slug of its data set and the number of its folds.
	WalkforwardRun = db.GetRunRow
	// WalkforwardFold is a row of walkforward_folds.
	WalkforwardFold = db.WalkforwardFold
	// SimulationRun is a row of simulation_runs.
	SimulationRun = db.SimulationRun
	// SimulationTradeBucket is a row of simulation_trade_buckets.
	SimulationTradeBucket = db.SimulationTradeBucket
	// Job is a row of jobs.
	Job = db.Job
)
