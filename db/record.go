package db

import (
	"encoding/json"
	"math"
	"time"

	"github.com/google/uuid"
)

// Record is a row of which some members can be sent, or its members as the cells of a table; every pointer to a generated row is one.
type Record interface {
	Appender
	AppendFields(b []byte, wanted Fields) []byte
	Columns() []Column // in the order of the members
	Cell(i int) Cell
}

// Fields are members of a row: a bit for each.
type Fields uint64

// AllFields are all members that a row has.
const AllFields = ^Fields(0)

// Column is a member of a row in a table.
type Column struct {
	Name string
	Kind ColumnKind
}

// ColumnKind says in which of the values of a Cell a column is.
type ColumnKind int

// The kinds of columns. JSON is a text, an id too; a time is an integer, in microseconds since 1970, and so is a bool, of 0 and 1.
const (
	TextColumn ColumnKind = iota
	IntColumn
	FloatColumn
	BoolColumn
	TimeColumn
)

// Cell is one value of a row; without Valid it is null.
type Cell struct {
	Int   int64
	Float float64
	Text  []byte
	Valid bool
}

func textCell(s string) Cell { return Cell{Text: []byte(s), Valid: true} }

func jsonCell(raw json.RawMessage) Cell { return Cell{Text: raw, Valid: raw != nil} }

func uuidCell(id uuid.UUID) Cell { return textCell(id.String()) }

func intCell[T int32 | int64](n T) Cell { return Cell{Int: int64(n), Valid: true} }

func timeCell(t time.Time) Cell { return Cell{Int: t.UnixMicro(), Valid: true} }

// floatCell makes null of what JSON does not have either.
func floatCell(x float64) Cell { return Cell{Float: x, Valid: !math.IsNaN(x) && !math.IsInf(x, 0)} }

func boolCell(v bool) Cell {
	if v {
		return intCell[int64](1)
	}
	return intCell[int64](0)
}

func cellOf[T any](v *T, cell func(T) Cell) Cell {
	if v == nil {
		return Cell{}
	}
	return cell(*v)
}

// object ends an object whose members begin at start, each behind a comma.
func object(b []byte, start int) []byte {
	if len(b) == start {
		return append(b, "{}"...)
	}
	b[start] = '{'
	return append(b, '}')
}
