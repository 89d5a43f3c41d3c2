// Package rowread reads rows of a series from JSON, NDJSON, CSV and Arrow into columns. It reads a stream and keeps numbers,
// not texts: a batch takes about eight bytes a cell.
package rowread

import (
	"io"
	"math"
	"strconv"
	"strings"

	"foldbook/internal/moment"
)

// Format is a way to write rows down.
type Format uint8

// The formats.
const (
	JSON   Format = iota // {"rows": [{"timestamp": 1704067200000, "close": 42010.5}, …]}
	NDJSON               // one such row a line
	CSV                  // a header, then one row a line
	Arrow                // an Arrow IPC stream
)

// Kind is what the cells of a column are.
type Kind uint8

// The kinds. A column of kind Any becomes one of the others by all its cells: texts are Text where Options allow them, and
// numbers are Float, unless all are whole and one has more digits than a float keeps. An Arrow column of integers is Int.
const (
	Any Kind = iota
	Float
	Int
	Text
	Label // a text that may be written as a whole number; the column is Text then
)

// Options say how rows are read.
type Options struct {
	Rows  int // most rows of one batch
	Cells int // most cells of one batch, counting those that are missing in the middle of a column; 0: as many as come

	Memory int // most bytes of one message of an Arrow stream; 0: maxMessage

	// Column returns the name that a column is kept under, so that two spellings are one column, and its kind. An empty name
	// leaves the column out; an error says why there cannot be one.
	Column func(name string) (string, Kind, error)
	Texts  bool // columns of kind Any may be texts

	Nonfinite bool // NaN and infinities in JSON are null; Batch.Warnings names them

	// Time lists the columns that may be the time of a row, in the order of preference. Bare numbers are milliseconds.
	Time []string
	// AnyUnit takes the first of Time that the first row has, and bare numbers in the unit that the first one shows.
	AnyUnit bool
	Clock   moment.Reader // how times are read, but for the unit
}

// MaxColumns is the most columns of a batch, beside the time; a header may name others that are left out, such as indices.
const (
	MaxColumns = 4096
	maxNames   = MaxColumns + 8
)

// maxMessage is more than a body of the service has.
const maxMessage = 128 << 20

// Null is the missing cell of an Int column, as it is in QuestDB; that of a Float column is NaN.
const Null = math.MinInt64

// content is what the cells that decide about a column are, in all batches.
type content struct{ texts, numbers, fractions, inexact bool }

// Column is the cells of one column. It ends with its last cell that is there.
type Column struct {
	Name string
	Kind Kind

	floats []float64
	ints   []int64
	texts  []int32 // in dict, -1: missing
	dict   []string

	codes map[string]int32
	given []uint64 // a bit for each row that has a cell, null or not
	whole bool     // every row has one: the column stands in a header
	time  bool
	skip  bool // a second time beside the one that was chosen, or what is not wanted
	label bool
	open  bool // the cells decide about its kind
	exact bool // a float gives back the digits of all its numbers
	all   content
	blank bool // it has no name, so no cells either
}

// Float is a cell of a Float column, NaN when it is missing.
func (c *Column) Float(row int) float64 {
	if row < len(c.floats) {
		return c.floats[row]
	}
	return math.NaN()
}

// Int is a cell of an Int column, Null when it is missing.
func (c *Column) Int(row int) int64 {
	if row < len(c.ints) {
		return c.ints[row]
	}
	return Null
}

// Text is a cell of a Text column.
func (c *Column) Text(row int) (text string, ok bool) {
	if row < len(c.texts) && c.texts[row] >= 0 {
		return c.dict[c.texts[row]], true
	}
	return "", false
}

// Missing tells whether a cell is not there.
func (c *Column) Missing(row int) bool {
	switch c.Kind {
	case Float:
		return math.IsNaN(c.Float(row))
	case Int:
		return c.Int(row) == Null
	case Text:
		_, ok := c.Text(row)
		return !ok
	}
	return true
}

// Given tells whether a row has a cell in the column. One that is given and Missing is a null; one that is not given says nothing
// of what is stored. A row of CSV or Arrow has a cell in every column, a JSON object in those that it names.
func (c *Column) Given(row int) bool {
	return c.whole || (row/64 < len(c.given) && c.given[row/64]&(1<<(row%64)) != 0)
}

// Empty reports whether none of so many rows has the column.
func (c *Column) Empty(rows int) bool {
	for row := range rows {
		if !c.Missing(row) {
			return false
		}
	}
	return true
}

// Batch is some rows. It is good until the next one is read.
type Batch struct {
	Times   []int64   // microseconds since the epoch
	Columns []*Column // without the time, in the order in which they were met; of kind Any if no cell was there

	Warnings []string // about this batch and those before it
}

// Column finds a column.
func (b *Batch) Column(name string) *Column {
	for _, c := range b.Columns {
		if strings.EqualFold(c.Name, name) {
			return c
		}
	}
	return nil
}

// ValidationError says what is wrong with what is read, and where.
type ValidationError struct {
	Row    int64  // counted from 0 through all batches; -1: it is about no single row
	Column string // empty: all of the row
	What   string
	Syntax bool // it is not the format that it should be
}

// place is where it is; empty: in the whole body.
func (e *ValidationError) place() (where string) {
	if e.Row >= 0 {
		where = "rows[" + strconv.FormatInt(e.Row, 10) + "]"
	}
	if e.Column != "" {
		if where != "" {
			where += "."
		}
		where += quoted(e.Column)
	}
	return where
}

func (e *ValidationError) Error() string {
	where := e.place()
	switch {
	case where == "":
		return "the body " + e.What
	case e.Row < 0 && e.Column != "":
		return "column " + where + ": " + e.What
	}
	return where + ": " + e.What
}

// quoted is a name as a message shows it.
func quoted(name string) string {
	const most = 100
	if len(name) > most {
		name = strings.ToValidUTF8(name[:most], "") + "…"
	}
	if name != "" && (name[0] < '0' || name[0] > '9') && nameOK(name) {
		return name
	}
	return strconv.Quote(name)
}

// nameOK tells identifiers from other names.
func nameOK(name string) bool {
	for i := range len(name) {
		if !nameByte[name[i]] {
			return false
		}
	}
	return name != ""
}

var nameByte = func() (ok [256]bool) {
	for _, c := range "_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" {
		ok[c] = true
	}
	return ok
}()

// Reader reads batches.
type Reader struct {
	b    *builder
	from source
}

// source reads rows into the builder until that is full, and returns io.EOF with the end of the input.
type source interface{ read() error }

// New makes a reader. Errors of in come back as they are; everything else is a *ValidationError.
func New(format Format, in io.Reader, o Options) *Reader {
	b := &builder{o: o, clock: o.Clock, names: map[string]*Column{}, folded: map[string]*Column{}}
	if !o.AnyUnit {
		b.clock.Unit = moment.Milliseconds
	}
	r := &Reader{b: b}
	switch format {
	case JSON, NDJSON:
		r.from = newJSONReader(b, in, format == NDJSON)
	case CSV:
		r.from = &csvReader{builder: b, in: in}
	case Arrow:
		r.from = &arrowReader{builder: b, in: in}
	}
	return r
}

// Next reads the next batch; io.EOF says that there is none.
func (r *Reader) Next() (*Batch, error) {
	if r.b.ended {
		return nil, io.EOF
	}
	r.b.clear()
	switch err := r.from.read(); {
	case err == io.EOF: //nolint:errorlint // a source's own
		r.b.ended = true
		if len(r.b.times) == 0 {
			return nil, io.EOF
		}
	case err != nil:
		return nil, err
	}
	b := r.b
	for _, c := range b.columns {
		if c.open && c.Kind == Int && c.exact {
			if err := b.toFloats(c); err != nil {
				return nil, err
			}
		}
	}
	return &Batch{Times: b.times, Columns: b.columns, Warnings: b.allWarnings()}, nil
}

// Kinds are the kinds of the columns by the cells of all batches so far. Each batch has those that its own cells show.
// Error: a *ValidationError for a column that cannot have one.
func (r *Reader) Kinds() (map[string]Kind, error) {
	kinds := map[string]Kind{}
	for _, c := range r.b.columns {
		switch all := c.all; {
		case all.inexact && all.fractions:
			return nil, &ValidationError{Row: -1, Column: c.Name,
				What: "has whole numbers of more digits than a DOUBLE keeps, and numbers that are not whole"}
		case all.texts:
			kinds[c.Name] = Text
		case all.inexact:
			kinds[c.Name] = Int
		case all.numbers:
			kinds[c.Name] = Float
		default:
			kinds[c.Name] = c.Kind
		}
	}
	return kinds, nil
}
