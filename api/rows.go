package api

import "foldbook/db"

// The rows of openapi.yaml are sqlc's rows.
type (
	IndicatorDataset      = db.IndicatorDataset
	WalkforwardRun        = db.GetRunRow
	WalkforwardFold       = db.WalkforwardFold
	SimulationRun         = db.SimulationRun
	SimulationTradeBucket = db.SimulationTradeBucket
)
