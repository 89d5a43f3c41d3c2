package rowread

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"foldbook/questdb"
)

// builder is the batch that is being read.
type builder struct {
	o       Options
	columns []*Column
	names   map[string]*Column // by each spelling that was met
	folded  map[string]*Column // by the name in lower case
	times   []int64
	before  int64 // rows of earlier batches
	cells   int
	timed   bool  // the row that is being read has a time
	time    int64 // of this row, in microseconds
	ended   bool

	timeName string // AnyUnit: the column that was found
	unit     int64  // AnyUnit: nanoseconds in its unit, 0: not known yet
}

func (b *builder) clear() {
	b.before += int64(len(b.times))
	b.times, b.cells = b.times[:0], 0
	for _, c := range b.names {
		c.floats, c.ints, c.texts, c.given = c.floats[:0], c.ints[:0], c.texts[:0], c.given[:0]
		c.dict, c.codes = nil, nil
	}
}

func (b *builder) full() bool { return len(b.times) >= b.o.Rows }

func (b *builder) invalid(column, what string) error {
	return &ValidationError{Row: b.before + int64(len(b.times)), Column: column, What: what}
}

func (b *builder) syntax(what string) error {
	return &ValidationError{Row: b.before + int64(len(b.times)), What: what, Syntax: true}
}

// column finds a column by its name, or adds it.
func (b *builder) column(name string) (*Column, error) {
	if c, ok := b.names[name]; ok {
		return c, nil
	}
	if name == "" {
		return nil, b.invalid("", "has a column without a name")
	}
	if !questdb.ValidColumn(name) {
		return nil, b.invalid(name, "is not a valid column name: letters, digits, _ and blanks between them, at most 127 bytes")
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
			return nil, b.invalid(name, err.Error())
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
			return nil, b.invalid(name, fmt.Sprintf("is one column too many: %d are taken", MaxColumns))
		}
		c = &Column{Name: kept, Kind: kind, label: label}
		b.columns, b.folded[strings.ToLower(kept)] = append(b.columns, c), c
	}
	if len(b.names) > 4*MaxColumns { // a name can be spelled in many ways
		return nil, b.invalid(name, "is one way too many to write the names of columns")
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
	return &ValidationError{Row: -1, What: "has no column of times: " + strings.Join(b.o.Time, ", ")}
}

// meet notes that the row has a cell in the column.
func (b *builder) meet(c *Column, name string) error {
	row := len(b.times)
	if c.Given(row) {
		return b.invalid(name, "is there twice")
	}
	for len(c.given) <= row/64 {
		c.given = append(c.given, 0)
	}
	c.given[row/64] |= 1 << (row % 64)
	return nil
}

// put appends the cell of this row to a column, and before it the cells that the column lacks.
func put[T any](b *builder, cells []T, missing, v T) ([]T, error) {
	n := len(b.times) - len(cells)
	if b.cells += n + 1; b.o.Cells > 0 && b.cells > b.o.Cells {
		return nil, ErrTooMany
	}
	for ; n > 0; n-- {
		cells = append(cells, missing)
	}
	return append(cells, v), nil
}

// ErrTooMany says that there are more cells than a batch takes.
var ErrTooMany = errors.New("more cells than are taken at once")

func (b *builder) setFloat(c *Column, v float64) (err error) {
	c.floats, err = put(b, c.floats, math.NaN(), v)
	return err
}

func (b *builder) setInt(c *Column, v int64) (err error) {
	c.ints, err = put(b, c.ints, Null, v)
	return err
}

func (b *builder) setText(c *Column, text []byte) (err error) {
	code, ok := c.codes[string(text)]
	if !ok {
		code = int32(len(c.dict)) //nolint:gosec // a batch has fewer rows
		if c.codes == nil {
			c.codes = map[string]int32{}
		}
		c.dict = append(c.dict, string(text))
		c.codes[c.dict[code]] = code
	}
	c.texts, err = put(b, c.texts, -1, code)
	return err
}

// setTime sets the time of the row from a whole number.
func (b *builder) setTime(name string, v int64) error {
	if b.o.AnyUnit {
		if b.unit == 0 {
			b.unit = UnitOf(v)
		}
		return b.setMicros(name, scale(v, b.unit))
	}
	switch {
	case v < 1e11:
		return b.invalid(name, "is too small for milliseconds since the epoch")
	case v >= 1e13:
		return b.invalid(name, "is too large for milliseconds since the epoch")
	}
	return b.setMicros(name, v*1000)
}

func (b *builder) setMicros(name string, micros int64) error {
	switch {
	case micros <= 0 || micros >= 1e16:
		return b.invalid(name, "is out of range")
	case micros%1000 != 0:
		return b.invalid(name, "is not a whole number of milliseconds")
	}
	if b.timed && b.time != micros {
		return b.invalid(name, "is another time than the one that is given beside it")
	}
	b.time, b.timed = micros, true
	return nil
}

// setMoment sets the time of the row from a text.
func (b *builder) setMoment(name, text string) error {
	if b.o.AnyUnit {
		if micros, ok := Moment(text); ok {
			return b.setMicros(name, micros)
		}
		return b.invalid(name, "is neither a whole number nor a time such as 2025-11-10T01:30:00Z")
	}
	return b.invalid(name, "must be a whole number of milliseconds since the epoch")
}

// Moment reads a time as text, in microseconds since the epoch; one without a zone is UTC.
func Moment(text string) (micros int64, ok bool) {
	if len(text) > 10 && text[10] == ' ' {
		text = text[:10] + "T" + text[11:]
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02"} {
		if at, err := time.Parse(layout, text); err == nil {
			return at.UnixMicro(), true
		}
	}
	return 0, false
}

// UnitOf classifies a time since the epoch, whose unit nobody told, by its size and returns the nanoseconds in its unit.
func UnitOf[T int64 | float64](v T) int64 {
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
	if !b.timed {
		name := b.timeName
		if name == "" {
			name = b.o.Time[0]
		}
		return b.invalid(name, "is missing")
	}
	b.times = append(b.times, b.time)
	b.timed = false
	return nil
}

// wanted says what a cell of the column must be.
func wanted(c *Column) string {
	switch {
	case c.time:
		return "a whole number of milliseconds since the epoch"
	case c.Kind == Int:
		return "a whole number"
	case c.Kind == Text:
		return "a text"
	}
	return "a number"
}

// setTextCell sets a cell that is a text.
func (b *builder) setTextCell(c *Column, value []byte) error {
	switch {
	case c.skip:
		return nil
	case c.time:
		return b.setMoment(c.Name, string(value))
	case c.Kind == Text || (c.Kind == Any && b.o.Texts):
		if bytes.IndexByte(value, 0) >= 0 {
			return b.invalid(c.Name, "has the character U+0000, which cannot be stored")
		}
		c.Kind = Text
		return b.setText(c, value)
	}
	return b.invalid(c.Name, "must be "+wanted(c))
}

func (c *Column) wantsInt() bool { return c.time || c.Kind == Int }

func (b *builder) setWhole(c *Column, v int64) error {
	if c.time {
		return b.setTime(c.Name, v)
	}
	return b.setInt(c, v)
}

// setNumberText sets a cell that is a number in a text.
func (b *builder) setNumberText(c *Column, text string) error {
	if c.wantsInt() {
		if v, err := strconv.ParseInt(text, 10, 64); err == nil {
			if v == Null {
				return b.invalid(c.Name, "is out of range")
			}
			return b.setWhole(c, v)
		}
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return b.invalid(c.Name, "is out of range")
	}
	return b.setNumber(c, v)
}

// setNumber sets a cell that is a number.
func (b *builder) setNumber(c *Column, v float64) error {
	switch {
	case c.skip:
		return nil
	case c.wantsInt():
		if v != math.Trunc(v) || math.Abs(v) > 1<<53 {
			return b.invalid(c.Name, "must be "+wanted(c))
		}
		return b.setWhole(c, int64(v))
	case c.label && v == math.Trunc(v) && math.Abs(v) <= 1<<53:
		return b.setText(c, strconv.AppendInt(nil, int64(v), 10))
	case c.Kind == Text:
		return b.invalid(c.Name, "must be a text")
	}
	c.Kind = Float
	return b.setFloat(c, v)
}
