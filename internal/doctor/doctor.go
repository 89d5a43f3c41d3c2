// Package doctor finds and repairs what PostgreSQL and QuestDB do not agree about.
package doctor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"foldbook/db"
	"foldbook/internal/ingest"
	"foldbook/internal/rowread"
	"foldbook/internal/series"
	"foldbook/questdb"
)

// The problems that Check finds.
const (
	NoTable     = "no table"     // a record names a table that QuestDB does not have
	NoRows      = "no rows"      // a record's rows are in a shared table, which has none of them
	NoRecord    = "no record"    // no record names the table, or goes by the tag of rows in a shared one
	BadName     = "bad name"     // what a record names cannot be a table
	Differs     = "differs"      // the record says something else than what was counted
	Adopted     = "adopted"      // a writer put rows into QuestDB beside the service, which has not counted any
	Foreign     = "foreign"      // column_schema lists columns of a shared table in which the dataset has no value
	Pending     = "pending"      // rows of deleted records are still to be removed
	NoDedup     = "no dedup"     // rows that are sent again would be doubled
	NoFoldTimes = "no fold time" // folds lack the times of rows that are there
)

// Finding is something that the two stores do not agree about.
type Finding struct {
	Problem string    `json:"problem"`
	Of      string    `json:"of"` // bars, indicators, predictions, trace; empty for a table without a record
	ID      uuid.UUID `json:"id"` // of the dataset, run or simulation; zero for a table without a record
	Table   string    `json:"table"`
	Detail  string    `json:"detail"`
	Fixable bool      `json:"fixable"` // by Fix; a table without a record by dropping it
	Fixed   bool      `json:"fixed"`

	kind series.Kind
	keys questdb.Spec  // of NoDedup
	rows *series.Place // of NoRecord in a shared table
}

// Doctor compares the two stores.
type Doctor struct {
	DB      *db.DB
	QuestDB *questdb.Client
	Unowned []Unowned // what Check has seen of it

	named  map[string]bool          // tables that records name
	dedup  map[string]bool          // tables that were looked at for it
	shared map[string]*series.Place // shared tables
}

// How many records, and how many runs of one dataset, are read at a time.
const (
	pageOfRecords = 500
	pageOfRuns    = 100
)

// Check looks at every record and every table. Errors are those of the stores.
func (d *Doctor) Check(ctx context.Context) (findings []Finding, err error) {
	d.named, d.dedup, d.shared, d.Unowned = map[string]bool{}, map[string]bool{}, map[string]*series.Place{}, []Unowned{}
	for name, kind := range map[string]series.Kind{
		questdb.SharedIndicators: series.Indicators, questdb.SharedPredictions: series.Predictions, questdb.SharedTraces: series.Trace,
	} {
		d.named[name] = true
		if d.shared[name], err = series.Find(ctx, d.QuestDB, kind, name); err != nil {
			return nil, err
		}
	}
	removals, err := d.DB.CountRemovals(ctx)
	if err != nil {
		return nil, fmt.Errorf("count the removals: %w", err)
	}
	if removals.Jobs > 0 {
		findings = append(findings, Finding{Problem: Pending, Fixable: true,
			Detail: fmt.Sprintf("%d tables or groups of rows of deleted records, since %s", removals.Places, timeText(&removals.Since))})
	}
	tables, err := d.QuestDB.Measurements(ctx, "") // before the records, which are there before their tables are made
	if err != nil {
		return nil, fmt.Errorf("list the tables: %w", err)
	}
	for _, check := range []func(context.Context) ([]Finding, error){d.datasets, d.runs, d.simulations} {
		found, err := check(ctx)
		if err != nil {
			return findings, err
		}
		findings = append(findings, found...)
	}
	strays, err := d.owners(ctx)
	if err != nil {
		return findings, err
	}
	for _, t := range tables {
		if !d.named[strings.ToLower(t.Name)] {
			strays = append(strays, Finding{Problem: NoRecord, Table: t.Name, Detail: fmt.Sprintf("%d rows", t.Rows),
				Fixable: !strings.HasSuffix(t.Name, questdb.OldSuffix)}) // which may have all rows of a table that was being purged
		}
	}
	if removals.Jobs == 0 { // else they may be those
		findings = append(findings, strays...)
	}
	return findings, nil
}

// pages looks at every record, a page at a time.
func pages[T any](list func(after uuid.UUID) ([]T, error), look func(*T) (uuid.UUID, []Finding, error)) (findings []Finding, err error) {
	after := uuid.Nil
	for {
		page, err := list(after)
		if err != nil {
			return nil, fmt.Errorf("list the records: %w", err)
		}
		for i := range page {
			id, found, err := look(&page[i])
			if err != nil {
				return nil, err
			}
			findings, after = append(findings, found...), id
		}
		if len(page) < pageOfRecords {
			return findings, nil
		}
	}
}

func (d *Doctor) datasets(ctx context.Context) ([]Finding, error) {
	return pages(func(after uuid.UUID) ([]db.IndicatorDataset, error) {
		return d.DB.ListDatasetMeasurements(ctx, db.ListDatasetMeasurementsParams{AfterID: after, PageSize: pageOfRecords})
	}, func(row *db.IndicatorDataset) (uuid.UUID, []Finding, error) {
		found, err := d.dataset(ctx, row)
		return row.DatasetID, found, err
	})
}

func (d *Doctor) dataset(ctx context.Context, row *db.IndicatorDataset) (findings []Finding, err error) {
	interval := series.BarLength(row.BarIntervalMS, row.Granularity)
	for _, of := range []struct {
		kind series.Kind
		name string
		rows int64
	}{{series.Bars, row.OhlcvMeasurement, row.OhlcvRowCount}, {series.Indicators, row.QuestDBMeasurement, row.RowCount}} {
		place, finding, err := d.place(ctx, of.kind, row.DatasetID, of.name, row.QuestDBTag)
		if err != nil {
			return nil, err
		}
		if finding != nil {
			if of.rows == 0 && finding.Problem == NoTable { // it was only announced
				continue
			}
			finding.Detail = fmt.Sprintf("the record says %d rows", of.rows)
			finding.Fixable = finding.Problem == NoTable
			findings = append(findings, *finding)
			continue
		}
		findings = append(findings, d.checkDedup(place, of.kind, row.DatasetID, interval)...)
		differs, err := d.differs(ctx, of.kind, row.DatasetID)
		if err != nil {
			return nil, err
		}
		findings = append(findings, differs...)
	}
	gaps, err := d.DB.ListRunsWithFoldGaps(ctx, db.ListRunsWithFoldGapsParams{DatasetID: row.DatasetID, RowCount: row.RowCount,
		PageSize: pageOfRuns})
	if err != nil {
		return nil, fmt.Errorf("list the runs without times: %w", err)
	}
	if len(gaps) > 0 {
		findings = append(findings, Finding{Problem: NoFoldTimes, Of: series.Indicators.String(), ID: row.DatasetID,
			Table:  row.QuestDBMeasurement,
			Detail: fmt.Sprintf("%d runs, such as %s", len(gaps), gaps[0]), Fixable: true, kind: series.Indicators})
	}
	return findings, nil
}

// place looks for the table of a record.
func (d *Doctor) place(
	ctx context.Context, kind series.Kind, id uuid.UUID, measurement string, names ...string,
) (*series.Place, *Finding, error) {
	name := strings.ToLower(measurement)
	d.named[name] = true
	f := &Finding{Of: kind.String(), ID: id, Table: name, kind: kind}
	if _, err := d.QuestDB.Table(ctx, name); errors.Is(err, questdb.ErrInvalidName) {
		f.Problem = BadName
		return nil, f, nil
	}
	place, err := series.Find(ctx, d.QuestDB, kind, measurement, names...)
	if err != nil {
		return nil, nil, err
	}
	if place.Table == nil {
		f.Problem = NoTable
		return nil, f, nil
	}
	if place.Shared {
		d.shared[name] = place
	}
	return place, nil, nil
}

func (d *Doctor) checkDedup(place *series.Place, kind series.Kind, id uuid.UUID, interval time.Duration) []Finding {
	destination := ingest.Destination{Kind: kind, Place: place, Interval: interval}
	keys, _ := destination.Plan(&rowread.Batch{})
	if d.dedup[place.Name] || place.Table.Dedup || !keys.Dedup {
		return nil
	}
	d.dedup[place.Name] = true
	return []Finding{{Problem: NoDedup, Of: kind.String(), ID: id, Table: place.Name, Detail: "rows that are sent again would be doubled",
		Fixable: place.Table.WAL && place.Table.Designated != "", kind: kind, keys: keys}}
}

// differs compares what a dataset says of its rows with what is counted. Rows may come meanwhile, so it looks twice.
func (d *Doctor) differs(ctx context.Context, kind series.Kind, id uuid.UUID) ([]Finding, error) {
	var f Finding
	for range 2 {
		row, err := d.DB.GetDataset(ctx, id)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil, nil
		} else if err != nil {
			return nil, fmt.Errorf("read dataset %s: %w", id, err)
		}
		if f, err = d.compare(ctx, kind, &row); err != nil || f.Detail == "" {
			return nil, err
		}
	}
	f.Of, f.ID, f.Fixable, f.kind = kind.String(), id, true, kind
	return []Finding{f}, nil
}

func (d *Doctor) compare(ctx context.Context, kind series.Kind, row *db.IndicatorDataset) (f Finding, err error) {
	measurement, rows, first, last, prefix := row.QuestDBMeasurement, row.RowCount, row.FirstBarTS, row.LastBarTS, "indicator"
	if kind == series.Bars {
		measurement, rows, first, last, prefix = row.OhlcvMeasurement, row.OhlcvRowCount, row.OhlcvFirstTS, row.OhlcvLastTS, "ohlcv"
	}
	place, err := series.Find(ctx, d.QuestDB, kind, measurement, row.QuestDBTag)
	if err != nil {
		return f, err
	}
	bounds, err := series.Count(ctx, d.QuestDB, place)
	if err != nil {
		return f, err
	}
	var parts []string
	say := func(what string, stored, counted any) {
		if stored != counted {
			parts = append(parts, fmt.Sprintf("%s: %v, counted %v", what, stored, counted))
		}
	}
	say("rows", rows, bounds.Rows)
	say("first", timeText(first), timeText(&bounds.First))
	say("last", timeText(last), timeText(&bounds.Last))
	var copies map[string]any
	dec := json.NewDecoder(bytes.NewReader(row.Metadata))
	dec.UseNumber()
	if err := dec.Decode(&copies); err != nil {
		return f, fmt.Errorf("read the metadata of dataset %s: %w", row.DatasetID, err)
	}
	for name, counted := range map[string]int64{
		prefix + "_rows": bounds.Rows, "first_" + prefix + "_timestamp_ms": milliseconds(bounds.First),
		"last_" + prefix + "_timestamp_ms": milliseconds(bounds.Last),
	} {
		if stored, ok := copies[name]; ok && fmt.Sprint(stored) != fmt.Sprint(counted) {
			say("metadata."+name, stored, counted)
		}
	}
	slices.Sort(parts)
	f.Problem, f.Table = Differs, place.Name
	if rows == 0 && bounds.Rows > 0 {
		f.Problem = Adopted
	}
	if kind == series.Indicators && bounds.Rows > 0 {
		schema, err := series.Schema(ctx, d.QuestDB, place, row.ColumnSchema)
		if err != nil {
			return f, err
		}
		if !sameJSON(schema, row.ColumnSchema) {
			if len(parts) == 0 && place.Shared {
				f.Problem = Foreign
			}
			parts = append(parts, "column_schema is not that of the rows")
		}
	}
	f.Detail = strings.Join(parts, "; ")
	return f, nil
}

func sameJSON(a, b []byte) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}

func timeText(t *time.Time) string {
	if t == nil || t.IsZero() {
		return "none"
	}
	return t.UTC().Format(time.RFC3339Nano)
}

func milliseconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func (d *Doctor) runs(ctx context.Context) ([]Finding, error) {
	return pages(func(after uuid.UUID) ([]db.ListRunMeasurementsRow, error) {
		return d.DB.ListRunMeasurements(ctx, db.ListRunMeasurementsParams{AfterID: after, PageSize: pageOfRecords})
	}, func(r *db.ListRunMeasurementsRow) (uuid.UUID, []Finding, error) {
		found, err := d.rows(ctx, series.Predictions, r.RunID, r.PredictionMeasurement, r.RunID.String(), r.RunName)
		return r.RunID, found, err
	})
}

func (d *Doctor) simulations(ctx context.Context) ([]Finding, error) {
	return pages(func(after uuid.UUID) ([]db.ListSimulationMeasurementsRow, error) {
		return d.DB.ListSimulationMeasurements(ctx, db.ListSimulationMeasurementsParams{AfterID: after, PageSize: pageOfRecords})
	}, func(r *db.ListSimulationMeasurementsRow) (uuid.UUID, []Finding, error) {
		found, err := d.rows(ctx, series.Trace, r.SimulationID, r.QuestDBNamespace, r.SimulationID.String(), r.SimulationName)
		return r.SimulationID, found, err
	})
}

// rows looks for the rows of a run or simulation, whose record does not count them.
func (d *Doctor) rows(ctx context.Context, kind series.Kind, id uuid.UUID, measurement string, names ...string) ([]Finding, error) {
	place, finding, err := d.place(ctx, kind, id, measurement, names...)
	if err != nil {
		return nil, err
	}
	if finding != nil {
		return []Finding{*finding}, nil
	}
	findings := d.checkDedup(place, kind, id, 0)
	if place.Shared {
		bounds, err := series.Count(ctx, d.QuestDB, place)
		if err != nil {
			return nil, err
		}
		if bounds.Rows == 0 {
			findings = append(findings, Finding{Problem: NoRows, Of: kind.String(), ID: id, Table: place.Name, kind: kind})
		}
	}
	return findings, nil
}
