package api

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"foldbook/api/spec"
	"foldbook/db"
)

// simulationUpload is a simulation as it was posted, checked and ready to be stored.
type simulationUpload struct {
	Simulation db.UpsertSimulationParams
	Buckets    *bucketList // nil: the stored buckets stay
	Trades     *tradeList  // nil: the stored trades stay
	Warnings   []string
}

type simulationFields struct {
	SimulationID        *string `json:"simulation_id"`
	RunID               *string `json:"run_id"`
	DatasetID           *string `json:"dataset_id"`
	InputRunMeasurement *string `json:"input_run_measurement"`
	QuestDBNamespace    *string `json:"questdb_namespace"`
	Mode                *string `json:"mode"`
	Config              part    `json:"config"`
	SummaryMetrics      part    `json:"summary_metrics"`
	Status              *string `json:"status"`
	StartedAt           *string `json:"started_at"`
	CompletedAt         *string `json:"completed_at"`
	SerializedConfig    *string `json:"serialized_config"`
	Unknown             unknown `json:",embed"`
}

// readSimulation reads {"simulation": {…}, "buckets": […], "trades": […]}, the same with "run" for "simulation", or the
// same with the simulation's fields at the top.
func readSimulation(w http.ResponseWriter, r *http.Request, limit int64) (*simulationUpload, error) {
	var body struct {
		Run        *simulationFields `json:"run"`
		Simulation *simulationFields `json:"simulation"`
		simulationFields
		Buckets *bucketList `json:"buckets"`
		Trades  *tradeList  `json:"trades"`
	}
	if err := decodeBody(w, r, limit, &body); err != nil {
		return nil, err
	}
	f, simulation := fields{}, &body.simulationFields
	warnings := simulation.Unknown.warnings("")
	name, nested := "simulation", body.Simulation
	if nested == nil {
		name, nested = "run", body.Run
	}
	if nested != nil {
		if simulation.SimulationID != nil || simulation.RunID != nil || (body.Run != nil && body.Simulation != nil) {
			f.fail(name, "is given beside the fields of a simulation")
		}
		f.path, simulation = name, nested
		warnings = append(warnings, nested.Unknown.warnings(name)...)
	}
	u := &simulationUpload{Simulation: simulation.row(&f), Warnings: warnings}
	wrong := f.fault
	if u.Buckets = body.Buckets; wrong == nil && u.Buckets != nil {
		wrong = u.Buckets.parents.check(u.Simulation.SimulationID, notOfSimulation)
	}
	if u.Trades = body.Trades; wrong == nil && u.Trades != nil {
		wrong = u.Trades.parents.check(u.Simulation.SimulationID, notOfSimulation)
	}
	if wrong != nil {
		return nil, wrong.answer()
	}
	if u.Buckets != nil {
		u.Warnings = append(u.Warnings, u.Buckets.more.warnings("buckets[]")...)
	}
	return u, nil
}

func (b *simulationFields) row(f *fields) db.UpsertSimulationParams {
	return db.UpsertSimulationParams{
		SimulationID:        f.needID("simulation_id", b.SimulationID),
		RunID:               f.needID("run_id", b.RunID),
		DatasetID:           f.needID("dataset_id", b.DatasetID),
		InputRunMeasurement: orElse(f.name("input_run_measurement", b.InputRunMeasurement), ""),
		QuestDBNamespace:    orElse(f.name("questdb_namespace", b.QuestDBNamespace), "trading_sim_traces"),
		Mode:                need(f, "mode", f.oneOf("mode", b.Mode, "long", "short", "dual")),
		Config:              orJSON(f.object("config", b.Config), "{}"),
		SummaryMetrics:      orJSON(f.object("summary_metrics", b.SummaryMetrics), "{}"),
		Status:              orElse(f.status(b.Status), string(spec.StatusPENDING)),
		StartedAt:           f.time("started_at", b.StartedAt),
		CompletedAt:         f.time("completed_at", b.CompletedAt),
		SerializedConfig:    b.SerializedConfig,
	}
}

const notOfSimulation = "is not the simulation_id of the simulation"

// bucketList is the buckets of a body.
type bucketList struct {
	rowList[bucketFields, db.CopyBucketsParams]
	sides   map[string]int32
	parents parents
}

type bucketFields struct {
	SimulationID   *string  `json:"simulation_id"`
	Side           *string  `json:"side"`
	TradeCount     *int64   `json:"trade_count"`
	WinCount       *int64   `json:"win_count"`
	ProfitFactor   *float64 `json:"profit_factor"`
	AvgReturnPct   *float64 `json:"avg_return_pct"`
	MaxDrawdownPct *float64 `json:"max_drawdown_pct"`
	Notes          *string  `json:"notes"`
	Unknown        unknown  `json:",embed"`
}

// UnmarshalJSONFrom reads the buckets; a fault names its bucket.
func (l *bucketList) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	l.sides, l.parents = map[string]int32{}, nil
	return l.read(dec, bucketRow, func(f *fields, i int, row *db.CopyBucketsParams) {
		l.parents.note(f, "simulation_id", row.SimulationID)
		once(f, "side", l.sides, row.Side, i)
	})
}

func bucketRow(f *fields, b *bucketFields) db.CopyBucketsParams {
	row := db.CopyBucketsParams{
		SimulationID:   f.id("simulation_id", b.SimulationID),
		Side:           need(f, "side", f.oneOf("side", b.Side, "long", "short", "all", "dual")),
		TradeCount:     orElse(f.count("trade_count", b.TradeCount), 0),
		WinCount:       orElse(f.count("win_count", b.WinCount), 0),
		ProfitFactor:   b.ProfitFactor,
		AvgReturnPct:   b.AvgReturnPct,
		MaxDrawdownPct: b.MaxDrawdownPct,
		Notes:          b.Notes,
	}
	f.ignore(b.Unknown)
	if row.WinCount > row.TradeCount {
		f.fail("win_count", "must not be above trade_count")
	}
	*b = bucketFields{}
	return row
}

// store hands the buckets out as rows of the simulation.
func (l *bucketList) store(id uuid.UUID, store func([]db.CopyBucketsParams) error) error {
	return l.each(func(_ int, row *db.CopyBucketsParams) { row.SimulationID = id }, store)
}

// tradeList is the trades of a body.
type tradeList struct {
	rowList[tradeFields, db.CopyTradesParams]
	ids     map[uuid.UUID]int32 // of those that have one
	parents parents
}

type tradeFields struct {
	SimulationID   *string        `json:"simulation_id"`
	TradeID        *string        `json:"trade_id"`
	EntryTimestamp *int64         `json:"entry_timestamp"`
	BarTimestamp   *string        `json:"bar_timestamp"`
	BarTimestampMS *int64         `json:"bar_timestamp_ms"`
	Side           *string        `json:"side"`
	Size           *float64       `json:"size"`
	EntryPrice     *float64       `json:"entry_price"`
	ExitPrice      *float64       `json:"exit_price"`
	Pnl            *float64       `json:"pnl"`
	ReturnPct      *float64       `json:"return_pct"`
	Metadata       part           `json:"metadata"`
	Rest           jsontext.Value `json:",embed"` // everything else, as one object
}

// UnmarshalJSONFrom reads the trades; a fault names its trade.
func (l *tradeList) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	l.ids, l.parents = map[uuid.UUID]int32{}, nil
	return l.read(dec, tradeRow, func(f *fields, i int, row *db.CopyTradesParams) {
		l.parents.note(f, "simulation_id", row.SimulationID)
		if row.TradeID != uuid.Nil {
			once(f, "trade_id", l.ids, row.TradeID, i)
		}
	})
}

func tradeRow(f *fields, b *tradeFields) db.CopyTradesParams {
	row := db.CopyTradesParams{
		SimulationID: f.id("simulation_id", b.SimulationID),
		TradeID:      f.id("trade_id", b.TradeID),
		BarTimestamp: b.entry(f),
		Side:         need(f, "side", f.oneOf("side", b.Side, "long", "short")),
		Size:         need(f, "size", b.Size),
		EntryPrice:   need(f, "entry_price", b.EntryPrice),
		ExitPrice:    b.ExitPrice,
		Pnl:          b.Pnl,
		ReturnPct:    b.ReturnPct,
		Metadata:     mergeObjects(f.object("metadata", b.Metadata), b.Rest),
	}
	*b = tradeFields{Rest: b.Rest[:0]} // copied into the row, so its memory serves the next
	return row
}

// store hands the trades out in pieces, as rows of the simulation. Those without an id get one that is the same at each
// repeat.
func (l *tradeList) store(id uuid.UUID, store func([]db.CopyTradesParams) error) error {
	return l.each(func(i int, row *db.CopyTradesParams) {
		if row.SimulationID = id; row.TradeID == uuid.Nil {
			row.TradeID = uuid.NewSHA1(id, []byte("trade "+strconv.Itoa(i)))
		}
	}, store)
}

// entry is the time of entry in the first of its three forms that is there.
func (b *tradeFields) entry(f *fields) time.Time {
	for _, t := range []*time.Time{
		f.milliseconds("entry_timestamp", b.EntryTimestamp),
		f.time("bar_timestamp", b.BarTimestamp),
		f.milliseconds("bar_timestamp_ms", b.BarTimestampMS),
	} {
		if t != nil {
			return *t
		}
	}
	f.fail("entry_timestamp", "is missing")
	return time.Time{}
}

// mergeObjects joins the members of two objects. Of a name that is in both, the jsonb that it becomes keeps b's.
func mergeObjects(a, b []byte) []byte {
	hasA, hasB := !emptyObject(a), !emptyObject(b)
	switch {
	case hasA && hasB:
		merged := make([]byte, 0, len(a)+len(b)-1)
		merged = append(merged, a[:len(a)-1]...)
		merged = append(merged, ',')
		return append(merged, b[1:]...)
	case hasA:
		return a
	case hasB:
		return append(make([]byte, 0, len(b)), b...)
	}
	return []byte("{}")
}

func emptyObject(v []byte) bool {
	for _, c := range v[min(1, len(v)):] {
		if c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			return c == '}'
		}
	}
	return true
}

// simulationPatch is what a PATCH changes of a simulation; nil stays as it is.
type simulationPatch struct {
	Status         *string
	StartedAt      *time.Time
	CompletedAt    *time.Time
	SummaryMetrics json.RawMessage // merged by key at the top
}

// readSimulationPatch reads the change of a simulation; see readRunPatch.
func readSimulationPatch(w http.ResponseWriter, r *http.Request, limit int64) (*simulationPatch, error) {
	var body struct{ patchFields }
	if err := decodeBody(w, r, limit, &body, jsonv2.RejectUnknownMembers(true)); err != nil {
		return nil, err
	}
	var f fields
	p := simulationPatch{
		Status:         f.status(f.given("status", body.Status)),
		StartedAt:      f.time("started_at", f.given("started_at", body.StartedAt)),
		CompletedAt:    f.time("completed_at", f.given("completed_at", body.CompletedAt)),
		SummaryMetrics: f.object("summary_metrics", orElse(body.SummaryMetrics.v, nil)),
	}
	if p.Status == nil && p.StartedAt == nil && p.CompletedAt == nil && p.SummaryMetrics == nil && f.fault == nil {
		return nil, invalidBody("", "changes nothing: it takes status, started_at, completed_at and summary_metrics").answer()
	}
	if f.fault != nil {
		return nil, f.fault.answer()
	}
	return &p, nil
}
