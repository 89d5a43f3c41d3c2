package experiment

import (
	"time"

	"github.com/google/uuid"
)

// Dataset is a dataset as it is posted. What it does not say itself, its metadata does.
type Dataset struct {
	Identity
	FirstOHLCVMS     int64    `json:"first_ohlcv_ts"`
	FirstIndicatorMS int64    `json:"first_indicator_ts"`
	ColumnSchema     []Column `json:"column_schema"`
	Metadata         Manifest `json:"metadata"`
}

// Identity is what a dataset and its manifest both say.
type Identity struct {
	ID                   uuid.UUID `json:"dataset_id"`
	Slug                 string    `json:"dataset_slug"`
	Symbol               string    `json:"symbol"`
	Granularity          string    `json:"granularity"`
	Source               string    `json:"source"`
	OHLCVMeasurement     string    `json:"ohlcv_measurement"`
	IndicatorMeasurement string    `json:"indicator_measurement"`
	BarIntervalMS        int64     `json:"bar_interval_ms"`
	LookbackRows         int       `json:"lookback_rows"`
}

// Manifest is the metadata of a dataset, as exporting clients write it.
type Manifest struct {
	Version int `json:"version"`
	Identity
	FirstOHLCVTimestamp     int64     `json:"first_ohlcv_timestamp_ms"`
	LastOHLCVTimestamp      int64     `json:"last_ohlcv_timestamp_ms"`
	FirstIndicatorTimestamp int64     `json:"first_indicator_timestamp_ms"`
	LastIndicatorTimestamp  int64     `json:"last_indicator_timestamp_ms"`
	OHLCVRows               int       `json:"ohlcv_rows"`
	IndicatorRows           int       `json:"indicator_rows"`
	ExportedAt              time.Time `json:"exported_at"`
	Provenance
}

// Provenance is what the metadata of a dataset says about its bars.
type Provenance struct {
	Synthetic bool   `json:"synthetic"`
	Origin    string `json:"origin"`
}

// Run is a run as it is posted, beside its folds.
type Run struct {
	ID                    uuid.UUID       `json:"run_id"`
	DatasetID             uuid.UUID       `json:"dataset_id"`
	PredictionMeasurement string          `json:"prediction_measurement"`
	TargetColumn          string          `json:"target_column"`
	FeatureColumns        []string        `json:"feature_columns"`
	Hyperparameters       Hyperparameters `json:"hyperparameters"`
	WalkConfig            WalkConfig      `json:"walk_config"`
	SummaryMetrics        RunSummary      `json:"summary_metrics"`
	Status                string          `json:"status"`
	RequestedBy           string          `json:"requested_by"`
	StartedAt             time.Time       `json:"started_at"`
	CompletedAt           time.Time       `json:"completed_at"`
	DurationMS            int64           `json:"duration_ms"`
}

// Hyperparameters say how the models of a run were made.
type Hyperparameters struct {
	Model           string  `json:"model"`
	Lambda          float64 `json:"lambda,omitempty"`
	Standardize     bool    `json:"standardize,omitempty"`
	Objective       string  `json:"objective"`
	Score           string  `json:"score"`
	ThresholdMethod string  `json:"threshold_method"`

	LearningRate        float64 `json:"learning_rate,omitempty"`
	MaxDepth            int     `json:"max_depth,omitempty"`
	MaxRounds           int     `json:"max_rounds,omitempty"`
	MinRounds           int     `json:"min_rounds,omitempty"`
	MinBoostRounds      int     `json:"min_boost_rounds,omitempty"` // the same, as the desktop client reads it
	EarlyStoppingRounds int     `json:"early_stopping_rounds,omitempty"`
}

// Simulation is a simulation as it is posted.
type Simulation struct {
	ID                  uuid.UUID  `json:"simulation_id"`
	RunID               uuid.UUID  `json:"run_id"`
	DatasetID           uuid.UUID  `json:"dataset_id"`
	InputRunMeasurement string     `json:"input_run_measurement"`
	QuestDBNamespace    string     `json:"questdb_namespace"`
	Mode                string     `json:"mode"`
	Config              SimConfig  `json:"config"`
	SummaryMetrics      SimSummary `json:"summary_metrics"`
	Status              string     `json:"status"`
	StartedAt           time.Time  `json:"started_at"`
	CompletedAt         time.Time  `json:"completed_at"`
	Buckets             []Bucket   `json:"buckets"`
	Trades              []Trade    `json:"trades"`
}

func (p plan) dataset(f frame) Dataset {
	m := Manifest{
		Version: 1, Identity: Identity{
			ID: DatasetID(p.slug), Slug: p.slug, Symbol: p.symbol, Granularity: p.granularity, Source: p.source,
			OHLCVMeasurement: p.slug + "_ohlcv", IndicatorMeasurement: p.slug + "_ind", BarIntervalMS: p.barMS, LookbackRows: lookback,
		},
		FirstOHLCVTimestamp: p.bars[0].startMS, LastOHLCVTimestamp: last(p.bars).startMS,
		FirstIndicatorTimestamp: f.bar(0).startMS, LastIndicatorTimestamp: f.bar(len(f.rows) - 1).startMS,
		OHLCVRows: len(p.bars), IndicatorRows: len(f.rows), ExportedAt: p.at, Provenance: p.about,
	}
	return Dataset{
		Identity: m.Identity, FirstOHLCVMS: m.FirstOHLCVTimestamp, FirstIndicatorMS: m.FirstIndicatorTimestamp,
		ColumnSchema: append(timeColumns(), indicatorColumns()...), Metadata: m,
	}
}

func (p plan) run(d Dataset, folds []Fold) Run {
	name := p.slug + "_run" + p.number
	walk := p.walk
	walk.StepSize, walk.EndFold, walk.PredictionMeasurement = walk.FoldStep, p.folds, name
	started := p.at.Add(time.Hour)
	return Run{
		ID: RunID(name), DatasetID: d.ID, PredictionMeasurement: name, TargetColumn: targetColumn, FeatureColumns: featureNames(),
		Hyperparameters: p.model, WalkConfig: walk,
		SummaryMetrics: summarizeRun(folds), Status: "COMPLETED", RequestedBy: "seed",
		StartedAt: started, CompletedAt: started.Add(4 * time.Second), DurationMS: 4000,
	}
}

func (p plan) simulation(run Run, f frame, folds []Fold) Simulation {
	name := p.slug + "_sim" + p.number
	started := p.at.Add(2 * time.Hour)
	s := Simulation{
		ID: SimulationID(name), RunID: run.ID, DatasetID: run.DatasetID, InputRunMeasurement: run.PredictionMeasurement,
		QuestDBNamespace: name, Mode: sideDual, Config: simConfig, Status: "COMPLETED",
		StartedAt: started, CompletedAt: started.Add(time.Second),
	}
	s.Trades = simulate(f, folds, s.Config, s.ID)
	s.SummaryMetrics = summarizeSimulation(f, folds, s.Trades)
	for _, side := range p.sides {
		s.Buckets = append(s.Buckets, BucketOf(s.Trades, side))
	}
	return s
}
