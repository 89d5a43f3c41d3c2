package api

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"foldbook/api/spec"
	"foldbook/db"
	"foldbook/internal/httpbody"
)

// simulationUpload is a posted simulation, checked and ready to be stored.
type simulationUpload struct {
	Simulation db.UpsertSimulationParams
	Dataset    string      // its id or slug, as it is given
	Buckets    *bucketList // nil: the stored buckets stay
	Trades     *tradeList  // nil: the stored trades stay
	Warnings   []string
}

type simulationFields struct {
	SimulationID        *string      `json:"simulation_id"`
	RunID               *string      `json:"run_id"`
	DatasetID           *string      `json:"dataset_id"`
	InputRunMeasurement *string      `json:"input_run_measurement"`
	QuestDBNamespace    *string      `json:"questdb_namespace"`
	Mode                *string      `json:"mode"`
	Config              httpbody.Raw `json:"config"`
	SummaryMetrics      httpbody.Raw `json:"summary_metrics"`
	Status              *string      `json:"status"`
	CreatedAt           *string      `json:"created_at"`
	StartedAt           *string      `json:"started_at"`
	CompletedAt         *string      `json:"completed_at"`
	SerializedConfig    *string      `json:"serialized_config"`
	identity
	Unknown httpbody.Unknown `json:",embed"`
}

// readSimulation reads {"simulation": {…}, "buckets": […], "trades": […]}, the same with "run" for "simulation", or the
// same with the simulation's fields at the top.
func readSimulation(body *httpbody.Body) (*simulationUpload, error) {
	var b struct {
		Run        *simulationFields `json:"run"`
		Simulation *simulationFields `json:"simulation"`
		simulationFields
		Buckets *bucketList `json:"buckets"`
		Trades  *tradeList  `json:"trades"`
	}
	if err := body.Decode(&b); err != nil {
		return nil, err
	}
	f, simulation := httpbody.Fields{}, &b.simulationFields
	warnings := append(body.Warnings(), simulation.Unknown.Warnings("")...)
	name, nested := "simulation", b.Simulation
	if nested == nil {
		name, nested = "run", b.Run
	}
	if nested != nil {
		if simulation.SimulationID != nil || simulation.RunID != nil || (b.Run != nil && b.Simulation != nil) {
			f.Fail(name, "is given beside the fields of a simulation")
		}
		f.Path, simulation = name, nested
		warnings = append(warnings, nested.Unknown.Warnings(name)...)
	}
	u := &simulationUpload{Simulation: simulation.row(&f), Dataset: orElse(simulation.DatasetID, ""), Warnings: warnings}
	wrong := f.Err()
	if u.Buckets = b.Buckets; wrong == nil && u.Buckets != nil {
		wrong = u.Buckets.parents.Check(u.Simulation.SimulationID, notOfSimulation)
	}
	if u.Trades = b.Trades; wrong == nil && u.Trades != nil {
		wrong = u.Trades.parents.Check(u.Simulation.SimulationID, notOfSimulation)
	}
	if wrong != nil {
		return nil, wrong
	}
	if u.Buckets != nil {
		u.Warnings = append(u.Warnings, u.Buckets.Warnings("buckets[]")...)
	}
	return u, nil
}

func (b *simulationFields) row(f *httpbody.Fields) db.UpsertSimulationParams {
	tags := b.readTags(f)
	return db.UpsertSimulationParams{
		Name: b.Name, Tags: tags, Notes: b.Notes, InitialCapital: b.InitialCapital, CostModel: []byte(b.CostModel),
		SimulationID:        f.RequiredID("simulation_id", b.SimulationID),
		RunID:               f.RequiredID("run_id", b.RunID),
		DatasetID:           f.Reference("dataset_id", b.DatasetID),
		InputRunMeasurement: orElse(f.Name("input_run_measurement", b.InputRunMeasurement), ""),
		QuestDBNamespace:    orElse(f.Name("questdb_namespace", b.QuestDBNamespace), "trading_sim_traces"),
		Mode:                httpbody.Required(f, "mode", f.OneOf("mode", b.Mode, "long", "short", "dual")),
		Config:              orJSON(f.Object("config", b.Config), "{}"),
		SummaryMetrics:      orJSON(f.Object("summary_metrics", b.SummaryMetrics), "{}"),
		Status:              orElse(statusOf(f, b.Status), string(spec.StatusPENDING)),
		CreatedAt:           f.Time("created_at", b.CreatedAt),
		StartedAt:           f.Time("started_at", b.StartedAt),
		CompletedAt:         f.Time("completed_at", b.CompletedAt),
		SerializedConfig:    b.SerializedConfig,
	}
}

const notOfSimulation = "is not the simulation_id of the simulation"

// bucketList is the buckets of a body.
type bucketList struct {
	httpbody.List[bucketFields, db.CopyBucketsParams]
	sides   map[string]int32
	parents httpbody.Parents
}

type bucketFields struct {
	SimulationID   *string          `json:"simulation_id"`
	Side           *string          `json:"side"`
	TradeCount     *int64           `json:"trade_count"`
	WinCount       *int64           `json:"win_count"`
	ProfitFactor   *float64         `json:"profit_factor"`
	AvgReturnPct   *float64         `json:"avg_return_pct"`
	MaxDrawdownPct *float64         `json:"max_drawdown_pct"`
	Notes          *string          `json:"notes"`
	Unknown        httpbody.Unknown `json:",embed"`
}

// UnmarshalJSONFrom reads the buckets; a validation error names its bucket.
func (l *bucketList) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	l.sides, l.parents = map[string]int32{}, nil
	return l.Read(dec, bucketRow, func(f *httpbody.Fields, i int, row *db.CopyBucketsParams) {
		l.parents.Note(f, "simulation_id", row.SimulationID)
		httpbody.Unique(f, "side", l.sides, row.Side, i)
	})
}

func bucketRow(f *httpbody.Fields, b *bucketFields) db.CopyBucketsParams {
	row := db.CopyBucketsParams{
		SimulationID:   f.ID("simulation_id", b.SimulationID),
		Side:           httpbody.Required(f, "side", f.OneOf("side", b.Side, "long", "short", "all", "dual")),
		TradeCount:     orElse(f.Count("trade_count", b.TradeCount), 0),
		WinCount:       orElse(f.Count("win_count", b.WinCount), 0),
		ProfitFactor:   b.ProfitFactor,
		AvgReturnPct:   b.AvgReturnPct,
		MaxDrawdownPct: b.MaxDrawdownPct,
		Notes:          b.Notes,
	}
	f.Ignore(b.Unknown)
	if row.WinCount > row.TradeCount {
		f.Fail("win_count", "must not be above trade_count")
	}
	*b = bucketFields{}
	return row
}

// store hands the buckets out as rows of the simulation.
func (l *bucketList) store(id uuid.UUID, store func([]db.CopyBucketsParams) error) error {
	return l.Each(func(_ int, row *db.CopyBucketsParams) { row.SimulationID = id }, store)
}

// tradeList is the trades of a body.
type tradeList struct {
	httpbody.List[tradeFields, db.CopyTradesParams]
	ids     map[uuid.UUID]int32 // of those that have one
	parents httpbody.Parents
}

type tradeFields struct {
	SimulationID   *string        `json:"simulation_id"`
	TradeID        httpbody.Raw   `json:"trade_id"`
	TradeIndex     *int64         `json:"trade_index"`
	EntryTimestamp httpbody.Raw   `json:"entry_timestamp"`
	BarTimestamp   httpbody.Raw   `json:"bar_timestamp"`
	BarTimestampMS httpbody.Raw   `json:"bar_timestamp_ms"`
	ExitTimestamp  httpbody.Raw   `json:"exit_timestamp"`
	Side           httpbody.Raw   `json:"side"`
	Size           *float64       `json:"size"`
	EntryPrice     *float64       `json:"entry_price"`
	ExitPrice      *float64       `json:"exit_price"`
	Pnl            *float64       `json:"pnl"`
	ReturnPct      *float64       `json:"return_pct"`
	Metadata       httpbody.Raw   `json:"metadata"`
	Rest           jsontext.Value `json:",embed"` // everything else, as one object
}

// UnmarshalJSONFrom reads the trades; a validation error names its trade.
func (l *tradeList) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	l.ids, l.parents = map[uuid.UUID]int32{}, nil
	return l.Read(dec, tradeRow, func(f *httpbody.Fields, i int, row *db.CopyTradesParams) {
		l.parents.Note(f, "simulation_id", row.SimulationID)
		if row.TradeID != uuid.Nil {
			httpbody.Unique(f, "trade_id", l.ids, row.TradeID, i)
		}
	})
}

func tradeRow(f *httpbody.Fields, b *tradeFields) db.CopyTradesParams {
	entry := b.entry(f)
	id, side, originals := b.identity(f)
	row := db.CopyTradesParams{
		SimulationID: f.ID("simulation_id", b.SimulationID),
		TradeID:      id,
		TradeIndex:   orElse(f.Count("trade_index", b.TradeIndex), unnumbered),
		BarTimestamp: entry,
		Side:         side,
		Size:         httpbody.Required(f, "size", b.Size),
		EntryPrice:   httpbody.Required(f, "entry_price", b.EntryPrice),
		ExitPrice:    b.ExitPrice,
		Pnl:          b.Pnl,
		ReturnPct:    b.ReturnPct,
		Metadata:     mergeObjects(mergeObjects(f.Object("metadata", b.Metadata), b.Rest), originals),
	}
	if row.TradeIndex > maxTradeIndex {
		f.Fail("trade_index", "must not be above 9007199254740992")
	}
	row.Metadata = b.exit(f, row.BarTimestamp, row.Metadata)
	*b = tradeFields{Rest: b.Rest[:0]} // copied into the row, so its memory serves the next
	return row
}

// Trades that are not numbered by their writer are numbered by their place in the request. Cursors have the number as a double.
const unnumbered, maxTradeIndex = -1, 1 << 53

// sides are the words of other programs for the side of a trade.
var sides = map[string]string{"long": "long", "buy": "long", "1": "long", "short": "short", "sell": "short", "-1": "short"}

// foreignTrades is the namespace of ids that are made of those of other programs.
var foreignTrades = uuid.MustParse("5b1c1f0e-6d0c-4f5e-9d43-2f7a1f2f6a10")

// identity reads the id and the side of a trade. What is spelled otherwise here is kept in originals, an object.
func (b *tradeFields) identity(f *httpbody.Fields) (id uuid.UUID, side string, originals []byte) {
	if text, raw := f.Word("trade_id", b.TradeID); text != "" {
		var err error
		if id, err = spec.ParseUUID(text); err != nil {
			id = uuid.NewSHA1(foreignTrades, []byte(text))
			originals = append(append([]byte(`{"original_trade_id":`), raw...), '}')
		}
	}
	text, raw := f.Word("side", b.Side)
	side, known := sides[strings.ToLower(text)]
	switch {
	case text == "":
		f.Fail("side", "is missing")
	case !known:
		f.Fail("side", "must be one of long, short, buy, sell, 1, -1")
	case text != side:
		originals = mergeObjects(originals, append(append([]byte(`{"original_side":`), raw...), '}'))
	}
	return id, side, originals
}

// store hands the trades out in pieces, as rows of the simulation. Those without an id get one that is the same at each
// repeat.
func (l *tradeList) store(id uuid.UUID, store func([]db.CopyTradesParams) error) error {
	return l.Each(func(i int, row *db.CopyTradesParams) {
		if row.TradeIndex == unnumbered {
			row.TradeIndex = int64(i)
		}
		if row.SimulationID = id; row.TradeID == uuid.Nil {
			row.TradeID = uuid.NewSHA1(id, []byte("trade "+strconv.Itoa(i)))
		}
	}, store)
}

// entry is the time of entry, in any of its three forms; those that are given have to agree, to the millisecond.
func (b *tradeFields) entry(f *httpbody.Fields) (entry time.Time) {
	first := ""
	for _, form := range []struct {
		name string
		v    httpbody.Raw
	}{{"entry_timestamp", b.EntryTimestamp}, {"bar_timestamp", b.BarTimestamp}, {"bar_timestamp_ms", b.BarTimestampMS}} {
		switch t := f.Moment(form.name, form.v, true); {
		case t == nil:
		case first == "":
			first, entry = form.name, *t
		case t.UnixMilli() != entry.UnixMilli():
			f.Fail(form.name, fmt.Sprintf("%s is another time than %s, %s: give one of them", rfc3339(*t), first, rfc3339(entry)))
		}
	}
	if first == "" {
		f.Fail("entry_timestamp", "is missing")
	}
	return entry
}

func rfc3339(t time.Time) string { return t.Format(time.RFC3339Nano) }

// exit checks the time of exit, which is kept in the metadata as a number of milliseconds. It may be given there too.
func (b *tradeFields) exit(f *httpbody.Fields, entry time.Time, metadata []byte) []byte {
	const name = "exit_timestamp"
	path, v := name, b.ExitTimestamp
	if v == nil && bytes.Contains(metadata, []byte(`"`+name+`"`)) {
		var inside struct {
			Exit httpbody.Raw `json:"exit_timestamp"`
		}
		if jsonv2.Unmarshal(metadata, &inside, jsontext.AllowDuplicateNames(true)) == nil {
			path, v = "metadata."+name, inside.Exit
		}
	}
	exit := f.Moment(path, v, true)
	switch {
	case exit == nil && b.ExitTimestamp == nil:
		return metadata
	case exit == nil:
		return mergeObjects(metadata, []byte(`{"`+name+`":null}`))
	case exit.UnixMilli() < entry.UnixMilli():
		f.Fail(path, fmt.Sprintf("%s is before the entry, %s", rfc3339(*exit), rfc3339(entry)))
	}
	return mergeObjects(metadata, fmt.Appendf(nil, `{"%s":%d}`, name, exit.UnixMilli()))
}

// mergeObjects joins the members of two objects. If both have a name, jsonb keeps the value of b.
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
