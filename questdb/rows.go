package questdb

import (
	"encoding/binary"
	"math"
	"slices"
	"strings"
)

// Kind is how a column's cells are read.
type Kind uint8

// The kinds of columns.
const (
	Text  Kind = iota // SYMBOL, STRING, VARCHAR, UUID, CHAR, IPv4, GEOHASH, LONG256, arrays as QuestDB writes them
	Float             // DOUBLE, FLOAT
	Int               // LONG, INT, SHORT, BYTE
	Bool              // BOOLEAN
	Time              // TIMESTAMP, DATE: microseconds since 1970, UTC
)

// KindOf is the kind of a column of one of QuestDB's types.
func KindOf(columnType string) Kind {
	switch columnType {
	case "DOUBLE", "FLOAT":
		return Float
	case "LONG", "INT", "SHORT", "BYTE":
		return Int
	case "BOOLEAN":
		return Bool
	case "TIMESTAMP", "TIMESTAMP_NS", "DATE":
		return Time
	}
	return Text
}

// Field is one column of a result.
type Field struct {
	Name string
	Kind Kind
	Type string // QuestDB's, as in Column
}

// Rows is a result that is read row by row. Cells belong to the row that the last Next moved to; ok is false for NULL,
// which in QuestDB NaN and the infinities are too. It is for one goroutine.
type Rows struct {
	Fields []Field

	source  source
	cells   [][]byte // of the row, nil for NULL
	json    bool     // cells are JSON, else as the PostgreSQL wire has them
	fetched bool     // the first row, which is read to see whether there is an answer, has not been moved to yet
	ended   bool
	err     error
	release func()
	scratch []byte // texts of this row that are not as they were sent
}

// source is a result as one of the paths reads it.
type source interface {
	next() ([][]byte, bool) // the cells are good until the next call; false at the end and after an error
	close(whole bool) error // the error that ended the rows; not whole: the query is to be ended
}

// Next moves to the next row; false at the end and after an error.
func (r *Rows) Next() bool {
	if r.ended {
		return false
	}
	if r.fetched {
		r.fetched = false
		return true
	}
	cells, ok := r.source.next()
	if !ok {
		r.end(true)
		return false
	}
	r.cells, r.scratch = cells, r.scratch[:0]
	return true
}

// Err is the error that ended the rows early, nil after the last one. Only then was the result complete.
func (r *Rows) Err() error { return r.err }

// Close releases the connection, and ends the query at the server when rows are left. It may be called twice.
func (r *Rows) Close() {
	if !r.ended {
		r.end(false)
	}
}

func (r *Rows) end(whole bool) {
	r.ended, r.cells = true, nil
	err := r.source.close(whole)
	if whole {
		r.err = err
	}
	if r.release != nil {
		r.release()
	}
}

// peek reads the first row, so that an error of the query shows before any row has been used.
func (r *Rows) peek() {
	if r.Next() {
		r.fetched = true
	}
}

// setTypes sets the types for which the catalogue is more precise than the wire.
func (r *Rows) setTypes(types []string) {
	for i, t := range types {
		if i < len(r.Fields) && t != "" && KindOf(t) == r.Fields[i].Kind {
			r.Fields[i].Type = t
		}
	}
}

// Float is the cell of a Float column, or of an Int one, widened.
func (r *Rows) Float(i int) (v float64, ok bool) {
	cell, field := r.cells[i], &r.Fields[i]
	switch {
	case cell == nil:
		return 0, false
	case field.Kind != Float:
		n, ok := r.Int(i)
		return float64(n), ok
	case r.json:
		return jsonFloat(cell, field.Type)
	case len(cell) == 8:
		v = math.Float64frombits(binary.BigEndian.Uint64(cell))
	case len(cell) == 4:
		v = float64(math.Float32frombits(binary.BigEndian.Uint32(cell)))
	}
	return v, v-v == 0
}

// Int is the cell of an Int or Bool (0, 1) column, or of a Time one in microseconds.
func (r *Rows) Int(i int) (v int64, ok bool) {
	cell := r.cells[i]
	if cell == nil {
		return 0, false
	}
	if r.json {
		return jsonInt(cell, r.Fields[i].Kind)
	}
	switch len(cell) {
	case 8:
		v = int64(binary.BigEndian.Uint64(cell)) //nolint:gosec // the bits are of a signed number
		if r.Fields[i].Kind == Time {
			v += sincePostgresEpoch
		}
	case 4:
		v = int64(int32(binary.BigEndian.Uint32(cell))) //nolint:gosec // as above
	case 2:
		v = int64(int16(binary.BigEndian.Uint16(cell))) //nolint:gosec // as above
	case 1:
		v = int64(cell[0])
	}
	return v, true
}

// sincePostgresEpoch is from 1970 to 2000, in microseconds.
const sincePostgresEpoch = 946684800000000

// Text is the cell of a Text column; its bytes are good until the next Next.
func (r *Rows) Text(i int) (v []byte, ok bool) {
	cell := r.cells[i]
	if cell == nil {
		return nil, false
	}
	columnType := r.Fields[i].Type
	if columnType == "BINARY" {
		return nil, false
	}
	if r.json {
		cell, r.scratch = jsonText(cell, r.scratch)
		// /exec has no NULL for these two.
		return cell, len(cell) > 0 || columnType != "CHAR" && columnType != "LONG256"
	}
	if strings.HasSuffix(columnType, "[]") {
		begin := len(r.scratch)
		r.scratch = appendArray(r.scratch, cell)
		return r.scratch[begin:], true
	}
	return cell, true
}

// appendArray converts an array from PostgreSQL's notation to QuestDB's: {1.0,NULL} becomes [1.0,null].
func appendArray(to, array []byte) []byte {
	for _, b := range array {
		if i := slices.Index([]byte("{}NUL"), b); i >= 0 {
			b = "[]nul"[i]
		}
		to = append(to, b)
	}
	return to
}
