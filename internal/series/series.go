package series

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"foldbook/api/spec"
	"foldbook/internal/rowstream"
	"foldbook/questdb"
)

// Series is the rows of one dataset, run or simulation: a table of its own, or its rows in a shared table.
type Series struct {
	Client *questdb.Client
	Table  *questdb.Table
	Where  []questdb.Match
	Step   time.Duration    // length of a bar; 0: not known
	Own    []questdb.Column // the columns of the table that have values of these rows
}

// Open finds the rows of a measurement as Find does; nil when there is no table that can be read by time. schema is the columns that
// the record lists, nil for none.
func Open(
	ctx context.Context, client *questdb.Client, kind Kind, measurement string, schema json.RawMessage, names ...string,
) (*Series, error) {
	place, err := Find(ctx, client, kind, measurement, names...)
	if err != nil || place.Table == nil || place.Table.Designated == "" {
		return nil, err
	}
	own, err := place.own(ctx, client, kind, listed(schema))
	if err != nil {
		return nil, err
	}
	return &Series{Client: client, Table: place.Table, Where: place.Where, Own: own}, nil
}

// Range is which rows of a series are read.
type Range struct {
	From, To   time.Time // both included; zero for no bound
	Numbered   bool      // from row number First to before row number End
	First, End int64
	Desc       bool
	Limit      int64 // below 0: all
	Offset     int64
	After      *Position // where the page before ended
	With       *Series   // only rows at times where this series has one too; nil for all
}

// Position is a place after a number of rows of one time.
type Position struct {
	At   int64 // microseconds since 1970
	Sent int64 // rows of that time up to here
}

// behind is the position after one more row.
func (p Position) behind(t int64) Position {
	if p.At == t {
		return Position{t, p.Sent + 1}
	}
	return Position{t, 1}
}

// Selection is the rows of the series in a range of time.
func (s *Series) Selection(r Range) questdb.Selection {
	selection := questdb.Selection{Table: s.Table, Where: s.Where, From: r.From, To: r.To}
	if r.With != nil {
		selection.With = new(r.With.Selection(Range{From: r.From, To: r.To}))
	}
	return selection
}

// Column is a column of an answer, and its name in the table.
type Column struct {
	rowstream.Field
	Source string
}

// Fields are the columns as they are sent.
func Fields(columns []Column) []rowstream.Field {
	fields := make([]rowstream.Field, len(columns))
	for i, c := range columns {
		fields[i] = c.Field
	}
	return fields
}

// IsNumeric tells whether a kind of column has numbers.
func IsNumeric(kind questdb.Kind) bool { return kind == questdb.Float || kind == questdb.Int }

// TimeColumn begins every answer: the time in milliseconds, computed from the designated timestamp.
func (s *Series) TimeColumn() Column {
	return Column{rowstream.Field{Name: "timestamp_ms", Kind: questdb.Time, Millis: true}, s.Table.Designated}
}

// isTime tells the names that mean the time of the row.
func (s *Series) isTime(name string) bool {
	return strings.EqualFold(name, s.Table.Designated) || strings.EqualFold(name, "timestamp_ms")
}

// Columns are those named, in that order, or all. The error is a *spec.Problem.
func (s *Series) Columns(named *string) ([]Column, error) {
	columns := []Column{s.TimeColumn()}
	add := func(c questdb.Column) {
		columns = append(columns, Column{rowstream.Field{Name: c.Name, Kind: questdb.KindOf(c.Type)}, c.Name})
	}
	if named == nil || *named == "" {
		for _, c := range s.Own {
			if !s.isTime(c.Name) {
				add(c)
			}
		}
		return columns, nil
	}
	for name := range strings.SplitSeq(*named, ",") {
		name = strings.TrimSpace(name)
		if s.isTime(name) {
			continue
		}
		c, ok := s.Table.Column(name)
		if !ok {
			return nil, s.UnknownColumn("columns", name)
		}
		if !slices.ContainsFunc(columns, func(have Column) bool { return have.Source == c.Name }) {
			add(c)
		}
	}
	return columns, nil
}

// UnknownColumnError is an answer that may be due to a table that another process has just changed.
type UnknownColumnError struct {
	Problem error // *spec.Problem
	Table   string
}

// Error is what the caller is told.
func (e *UnknownColumnError) Error() string { return e.Problem.Error() }

// Unwrap returns the answer.
func (e *UnknownColumnError) Unwrap() error { return e.Problem }

// UnknownColumn says that a parameter names a column that the table does not have.
func (s *Series) UnknownColumn(parameter, name string) error {
	if len(name) > 130 {
		name = name[:130] + "…"
	}
	return &UnknownColumnError{spec.InvalidParameter(parameter, "names "+strconv.Quote(name)+", which the table does not have"), s.Table.Name}
}

// Total is the number of rows in a range; the answer has count of them, and more says whether there are others.
func (s *Series) Total(ctx context.Context, r Range, count int64, more bool) (int64, error) {
	if !more && r.After == nil && !r.Numbered && (count > 0 || r.Offset == 0) {
		return r.Offset + count, nil
	}
	total, err := s.Client.Count(questdb.Patient(ctx), s.Selection(r))
	if err != nil {
		return 0, fmt.Errorf("count the rows of %s: %w", s.Table.Name, err)
	}
	if r.Numbered {
		total = max(0, min(r.End, total)-r.First)
	}
	return total, nil
}
