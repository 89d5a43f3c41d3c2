// Package rows reads rows of a series from JSON, NDJSON, CSV and Arrow into columns. It reads a stream and keeps numbers,
// not texts: a batch takes about eight bytes a cell.
package rows

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"foldbook/questdb"
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

// The kinds. A column of kind Any becomes one of the others with its first cell: numbers are Float, save those of an
// Arrow column of integers, and texts are Text where Options allow them.
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

	// Column returns the name that a column is kept under, so that two spellings are one column, and its kind. An empty name
	// leaves the column out; an error says why there cannot be one.
	Column func(name string) (string, Kind, error)
	Texts  bool // columns of kind Any may be texts

	// Time lists the columns that may be the time of a row, in the order of preference: milliseconds since the epoch.
	Time []string
	// AnyUnit takes the first of Time that the first row has, in the unit that the size of the first time tells, or as
	// RFC 3339.
	AnyUnit bool
}

// MaxColumns is the most columns of a batch.
const MaxColumns = 4096

// Null is the missing cell of an Int column, as it is in QuestDB; that of a Float column is NaN.
const Null = math.MinInt64

// Column is the cells of one column. It ends with its last cell that is there.
type Column struct {
	Name string
	Kind Kind

	floats []float64
	ints   []int64
	texts  []int32 // in dict, -1: missing
	dict   []string

	codes map[string]int32
	seen  int // the attempt that last met it
	time  bool
	skip  bool // a second time beside the one that was chosen, or what is not wanted
	label bool
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

// Batch is some rows. It is good until the next one is read.
type Batch struct {
	Times   []int64   // microseconds since the epoch
	Columns []*Column // without the time, in the order in which they were met; of kind Any if no cell was there
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

// Fault is what is wrong with what is read, and where.
type Fault struct {
	Row    int64  // counted from 0 through all batches; -1: it is about no single row
	Column string // empty: all of the row
	What   string
	Syntax bool // it is not the format that it should be
}

func (f *Fault) Error() string {
	where := ""
	if f.Row >= 0 {
		where = "rows[" + strconv.FormatInt(f.Row, 10) + "]"
	}
	if f.Column != "" {
		if where != "" {
			where += "."
		}
		where += quoted(f.Column)
	}
	switch {
	case where == "":
		return "the body " + f.What
	case f.Row < 0 && f.Column != "":
		return "column " + where + ": " + f.What
	}
	return where + ": " + f.What
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

// New makes a reader. Errors of in come back as they are; everything else is a *Fault.
func New(format Format, in io.Reader, o Options) *Reader {
	b := &builder{o: o, attempt: 1, names: map[string]*Column{}, folded: map[string]*Column{}}
	r := &Reader{b: b}
	switch format {
	case JSON, NDJSON:
		r.from = &jsonReader{builder: b, in: in, lines: format == NDJSON}
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
	return &Batch{Times: r.b.times, Columns: r.b.columns}, nil
}

// builder is the batch that is being read.
type builder struct {
	o       Options
	columns []*Column
	names   map[string]*Column // by each spelling that was met
	folded  map[string]*Column // by the name in lower case
	times   []int64
	before  int64 // rows of earlier batches
	cells   int
	attempt int   // counts rows, and tries to read one that was not all there
	timeAt  int   // the attempt that has a time
	time    int64 // of this row, in microseconds
	ended   bool

	timeName string // AnyUnit: the column that was found
	unit     int64  // AnyUnit: nanoseconds in its unit, 0: not known yet
}

func (b *builder) clear() {
	b.before += int64(len(b.times))
	b.times, b.cells = b.times[:0], 0
	for _, c := range b.columns {
		c.floats, c.ints, c.texts = c.floats[:0], c.ints[:0], c.texts[:0]
		c.dict, c.codes = nil, nil
	}
}

func (b *builder) full() bool { return len(b.times) >= b.o.Rows }

func (b *builder) fault(column, what string) error {
	return &Fault{Row: b.before + int64(len(b.times)), Column: column, What: what}
}

func (b *builder) syntax(what string) error {
	return &Fault{Row: b.before + int64(len(b.times)), What: what, Syntax: true}
}

// column finds a column by its name, or adds it.
func (b *builder) column(name string) (*Column, error) {
	if c, ok := b.names[name]; ok {
		return c, nil
	}
	if name == "" {
		return nil, b.fault("", "has a column without a name")
	}
	if !questdb.ValidColumn(name) {
		return nil, b.fault(name, "is no name of a column: letters, digits, _ and blanks between them, at most 127 bytes")
	}
	if time, chosen := b.isTime(name); time {
		c := &Column{Name: strings.Clone(name), time: chosen, skip: !chosen}
		b.names[c.Name] = c
		return c, nil
	}
	kept, kind, label := strings.Clone(name), Any, false
	if b.o.Column != nil {
		var err error
		if kept, kind, err = b.o.Column(kept); err != nil {
			return nil, b.fault(name, err.Error())
		}
		if kept == "" {
			c := &Column{Name: strings.Clone(name), skip: true}
			b.names[c.Name] = c
			return c, nil
		}
	}
	if kind == Label {
		kind, label = Text, true
	}
	c, ok := b.folded[strings.ToLower(kept)]
	if !ok {
		if len(b.columns) == MaxColumns {
			return nil, b.fault(name, fmt.Sprintf("is one column too many: %d are taken", MaxColumns))
		}
		c = &Column{Name: kept, Kind: kind, label: label}
		b.columns, b.folded[strings.ToLower(kept)] = append(b.columns, c), c
	}
	if len(b.names) > 4*MaxColumns { // a name can be spelled in many ways
		return nil, b.fault(name, "is one way too many to write the names of columns")
	}
	b.names[strings.Clone(name)] = c
	return c, nil
}

// isTime tells whether a column is a time of the rows, and whether it is the one that counts.
func (b *builder) isTime(name string) (time, chosen bool) {
	if b.o.AnyUnit && name == b.timeName {
		return true, true
	}
	for _, t := range b.o.Time {
		if strings.EqualFold(t, name) {
			return !b.o.AnyUnit || t != "timestamp_unix", !b.o.AnyUnit
		}
	}
	return false, false
}

// chooseTime finds the column of the time among the names of the first row.
func (b *builder) chooseTime(has func(name string) bool) error {
	if !b.o.AnyUnit || b.timeName != "" {
		return nil
	}
	for _, name := range b.o.Time {
		if has(name) {
			b.timeName = name
			return nil
		}
	}
	return &Fault{Row: -1, What: "has no column of times: " + strings.Join(b.o.Time, ", ")}
}

// meet notes that the row has the column.
func (b *builder) meet(c *Column, name string) error {
	if c.seen == b.attempt {
		return b.fault(name, "is there twice")
	}
	c.seen = b.attempt
	return nil
}

// missing is the n cells that a column lacks before this row.
func (b *builder) missing(length int) (n int, err error) {
	n = len(b.times) - length
	if n >= 0 {
		if b.cells += n + 1; b.o.Cells > 0 && b.cells > b.o.Cells {
			return 0, ErrTooMany
		}
	}
	return n, nil
}

// ErrTooMany says that there are more cells than a batch takes.
var ErrTooMany = fmt.Errorf("more cells than are taken at once")

func (b *builder) setFloat(c *Column, v float64) error {
	n, err := b.missing(len(c.floats))
	switch {
	case err != nil:
		return err
	case n < 0:
		c.floats[len(b.times)] = v
		return nil
	}
	for ; n > 0; n-- {
		c.floats = append(c.floats, math.NaN())
	}
	c.floats = append(c.floats, v)
	return nil
}

func (b *builder) setInt(c *Column, v int64) error {
	n, err := b.missing(len(c.ints))
	switch {
	case err != nil:
		return err
	case n < 0:
		c.ints[len(b.times)] = v
		return nil
	}
	for ; n > 0; n-- {
		c.ints = append(c.ints, Null)
	}
	c.ints = append(c.ints, v)
	return nil
}

func (b *builder) setText(c *Column, text []byte) error {
	code, ok := c.codes[string(text)]
	if !ok {
		code = int32(len(c.dict)) //nolint:gosec // a batch has fewer rows
		if c.codes == nil {
			c.codes = map[string]int32{}
		}
		c.dict = append(c.dict, string(text))
		c.codes[c.dict[code]] = code
	}
	n, err := b.missing(len(c.texts))
	switch {
	case err != nil:
		return err
	case n < 0:
		c.texts[len(b.times)] = code
		return nil
	}
	for ; n > 0; n-- {
		c.texts = append(c.texts, -1)
	}
	c.texts = append(c.texts, code)
	return nil
}

// setTime sets the time of the row from a whole number.
func (b *builder) setTime(name string, v int64) error {
	if b.o.AnyUnit {
		if b.unit == 0 {
			b.unit = unitOf(v)
		}
		return b.setMicros(name, scale(v, b.unit))
	}
	switch {
	case v < 1e11:
		return b.fault(name, "is too small for milliseconds since the epoch")
	case v >= 1e13:
		return b.fault(name, "is too large for milliseconds since the epoch")
	}
	return b.setMicros(name, v*1000)
}

func (b *builder) setMicros(name string, micros int64) error {
	switch {
	case micros <= 0 || micros >= 1e16:
		return b.fault(name, "is out of range")
	case micros%1000 != 0:
		return b.fault(name, "is no whole number of milliseconds")
	}
	if b.timeAt == b.attempt && b.time != micros {
		return b.fault(name, "is another time than the one that is given beside it")
	}
	b.time, b.timeAt = micros, b.attempt
	return nil
}

// setMoment sets the time of the row from a text.
func (b *builder) setMoment(name, text string) error {
	if b.o.AnyUnit {
		if len(text) > 10 && text[10] == ' ' {
			text = text[:10] + "T" + text[11:]
		}
		for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02"} {
			if t, err := time.Parse(layout, text); err == nil {
				return b.setMicros(name, t.UnixMicro())
			}
		}
		return b.fault(name, "is neither a whole number nor a time such as 2025-11-10T01:30:00Z")
	}
	return b.fault(name, "must be a whole number of milliseconds since the epoch")
}

// unitOf classifies a time by its size and returns the nanoseconds in its unit.
func unitOf(v int64) int64 {
	switch {
	case v < 1e11:
		return 1e9
	case v < 1e14:
		return 1e6
	case v < 1e17:
		return 1e3
	}
	return 1
}

// scale makes microseconds of a time. What is below them is rounded so that it is no whole millisecond.
func scale(v, unit int64) int64 {
	if unit == 1 {
		if v%1000 != 0 {
			return v/1000 | 1
		}
		return v / 1000
	}
	if v > math.MaxInt64/unit*1000 || v < 0 {
		return -1
	}
	return v * (unit / 1000)
}

// endRow closes the row.
func (b *builder) endRow() error {
	if b.timeAt != b.attempt {
		name := b.timeName
		if name == "" {
			name = b.o.Time[0]
		}
		return b.fault(name, "is missing")
	}
	b.times = append(b.times, b.time)
	b.attempt++
	return nil
}
