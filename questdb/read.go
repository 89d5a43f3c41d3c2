package questdb

import (
	"context"
	"time"
)

// Selection is rows of a table: those for which every Match holds, between From and To.
type Selection struct {
	Table    *Table
	Where    []Match
	From, To time.Time // both inclusive, in microseconds; zero is no bound
}

// Match holds for rows whose column has one of the values.
type Match struct {
	Column string
	Values []string
}

// Scan is what of a selection is read, in the order of the designated timestamp.
type Scan struct {
	Selection
	Columns []string // names in the table, at least one
	Desc    bool
	Offset  int64
	Limit   int64 // at most so many rows; below 0: all
}

// Scan reads rows. The rows have to be closed. A read that fails before its first row with ErrUnavailable is tried once more.
// Errors: ErrNoTable, ErrNoColumn, ErrUnavailable, ErrBusy, ErrTimeout, ErrBroken.
func (c *Client) Scan(ctx context.Context, s Scan) (*Rows, error) { panic("not built") }

// Bounds is how many rows a selection has, and the first and last time in them (zero when there is none).
type Bounds struct {
	Rows        int64
	First, Last time.Time
}

// Count counts a selection.
func (c *Client) Count(ctx context.Context, s Selection) (int64, error) { panic("not built") }

// Bounds counts a selection and finds its ends.
func (c *Client) Bounds(ctx context.Context, s Selection) (Bounds, error) { panic("not built") }

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

// Field is one column of a result.
type Field struct {
	Name string
	Kind Kind
	Type string // QuestDB's, as in Column
}

// Rows is a result that is read row by row. Cells belong to the row that the last Next moved to; ok is false for NULL,
// which in QuestDB NaN and the infinities are too.
type Rows struct {
	Fields []Field
}

// Next moves to the next row; false at the end and after an error.
func (r *Rows) Next() bool { panic("not built") }

// Float is the cell of a Float column, or of an Int one, widened.
func (r *Rows) Float(i int) (v float64, ok bool) { panic("not built") }

// Int is the cell of an Int or Bool (0, 1) column, or of a Time one in microseconds.
func (r *Rows) Int(i int) (v int64, ok bool) { panic("not built") }

// Text is the cell of a Text column; its bytes are good until the next Next.
func (r *Rows) Text(i int) (v []byte, ok bool) { panic("not built") }

// Err is what ended the rows early, nil after the last one. Only with nil was the result whole.
func (r *Rows) Err() error { panic("not built") }

// Close gives the connection back, and ends the query at the server when rows are left. It may be called twice.
func (r *Rows) Close() { panic("not built") }
