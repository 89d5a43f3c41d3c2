package rowread

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"foldbook/internal/moment"
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

	nonfinite int // cells that are null for that
	warnings  []string

	timeName string        // AnyUnit: the column that was found
	clock    moment.Reader // of the times
}

func (b *builder) clear() {
	b.before += int64(len(b.times))
	b.times, b.cells = b.times[:0], 0
	for _, c := range b.names {
		c.floats, c.ints, c.texts, c.given = c.floats[:0], c.ints[:0], c.texts[:0], c.given[:0]
		if c.dict, c.codes = nil, nil; c.open {
			c.Kind, c.open = Any, false
		}
	}
}

func (b *builder) full() bool { return len(b.times) >= b.o.Rows }

func (b *builder) invalid(column, what string) *ValidationError {
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
	if pandasIndex.MatchString(name) {
		c := &Column{Name: strings.Clone(name), skip: true}
		b.names[c.Name] = c
		return c, nil
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

// pandasIndex are the names that pandas gives to an index that has none: it numbers rows, or repeats their time.
var pandasIndex = regexp.MustCompile(`^(__index_level_\d+__|Unnamed: \d+)$`)

// IsIndex tells whether a column is an index of pandas by its name and place: in CSV the first column then has no name.
func IsIndex(name string, at int) bool {
	return (name == "" && at == 0) || pandasIndex.MatchString(name)
}

// isTime tells whether a column is a time of the rows, and whether it is the one that counts.
func (b *builder) isTime(name string) (time, chosen bool) {
	if b.o.AnyUnit && name == b.timeName {
		return true, true
	}
	for _, t := range b.o.Time {
		if strings.EqualFold(t, name) {
			return !b.o.AnyUnit || strings.EqualFold(t, "timestamp_ms") || strings.EqualFold(t, "timestamp"), !b.o.AnyUnit
		}
	}
	return false, false
}

// chooseTime finds the column of the time among the names of the first row.
func (b *builder) chooseTime(names []string) error {
	if !b.o.AnyUnit || b.timeName != "" {
		return nil
	}
	for _, time := range b.o.Time {
		for _, name := range names {
			if strings.EqualFold(name, time) {
				b.timeName = name
				return nil
			}
		}
	}
	found := make([]string, min(len(names), 20))
	for i := range found {
		found[i] = quoted(names[i])
	}
	what := "has no column of times, which are " + strings.Join(b.o.Time, ", ") + ": it has " + strings.Join(found, ", ")
	return &ValidationError{Row: -1, What: what}
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

// setTime sets the time of the row, as far as it could be read. It is a whole number of milliseconds, as answers show it.
func (b *builder) setTime(name string, t time.Time, err error) error {
	var micros int64
	if err == nil {
		micros, err = moment.Micros(t)
	}
	switch {
	case err != nil:
		return b.invalid(name, err.Error())
	case t.Nanosecond()%int(time.Millisecond) != 0:
		return b.invalid(name, t.Format(time.RFC3339Nano)+" is not a whole number of milliseconds")
	case b.timed && b.time != micros:
		return b.invalid(name, "is another time than the one that is given beside it")
	}
	b.time, b.timed = micros, true
	return nil
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

// must says what a cell of the column has to be, beside what it is.
func (b *builder) must(c *Column, found string) error {
	const most = 40
	if len(found) > most {
		found = strings.ToValidUTF8(found[:most], "") + "…"
	}
	wanted := "a number"
	switch {
	case c.time:
		wanted = "a time: milliseconds since 1970 or a text such as 2025-11-10T01:30:00Z"
	case c.Kind == Int && !c.open:
		wanted = "a whole number"
	case c.Kind == Text && c.open, c.Kind == Any && c.all.texts:
		wanted = "a text, as the cells above it are"
	case c.Kind == Text:
		wanted = "a text"
	}
	return b.invalid(c.Name, "must be "+wanted+", and is "+found)
}

// setTextCell sets a cell that is a text.
func (b *builder) setTextCell(c *Column, value []byte) error {
	switch {
	case c.skip:
		return nil
	case c.time:
		t, err := b.clock.Text(string(value))
		return b.setTime(c.Name, t, err)
	case c.Kind == Any && b.o.Texts && !c.all.numbers: // of an earlier batch
		c.Kind, c.open, c.all.texts = Text, true, true
	case c.Kind != Text:
		return b.must(c, strconv.Quote(string(value)))
	}
	if bytes.IndexByte(value, 0) >= 0 {
		return b.invalid(c.Name, "has the character U+0000, which cannot be stored")
	}
	return b.setText(c, value)
}

// setNumber sets a cell that is a number.
func (b *builder) setNumber(c *Column, n Number) error {
	switch {
	case c.skip:
		return nil
	case c.time && n.Whole:
		t, err := b.clock.Number(n.Int)
		return b.setTime(c.Name, t, err)
	case c.time:
		t, err := b.clock.Float(n.Float)
		return b.setTime(c.Name, t, err)
	case c.Kind == Int && !c.open, c.label:
		if !n.Whole && n.Float == math.Trunc(n.Float) && math.Abs(n.Float) <= maxExact {
			n.Int, n.Whole = int64(n.Float), true
		}
		if !n.Whole || n.Int == Null {
			return b.must(c, n.String())
		}
		if c.label {
			return b.setText(c, strconv.AppendInt(nil, n.Int, 10))
		}
		return b.setInt(c, n.Int)
	case c.Kind == Text, c.Kind == Any && c.all.texts:
		return b.must(c, n.String())
	case c.Kind == Any:
		c.open, c.exact, c.all.numbers, c.Kind = true, true, true, Float
		if n.Whole {
			c.Kind = Int
		}
	}
	if c.open {
		c.exact = c.exact && n.Exact
		c.all.fractions, c.all.inexact = c.all.fractions || !n.Whole, c.all.inexact || !n.Exact
	}
	if c.Kind == Int && n.Whole && n.Int != Null {
		return b.setInt(c, n.Int)
	}
	if !n.Exact {
		return b.invalid(c.Name, n.String()+" has more digits than a DOUBLE keeps")
	}
	if c.Kind == Int {
		if err := b.toFloats(c); err != nil {
			return err
		}
	}
	return b.setFloat(c, n.Float)
}

// toFloats makes a column of floats of one that had whole numbers so far.
func (b *builder) toFloats(c *Column) error {
	for row, v := range c.ints {
		n := wholeNumber(v)
		switch {
		case v == Null:
			n.Float = math.NaN()
		case !n.Exact:
			return &ValidationError{Row: b.before + int64(row), Column: c.Name,
				What: n.String() + " has more digits than a DOUBLE keeps, and not all numbers of the column are whole"}
		}
		c.floats = append(c.floats, n.Float)
	}
	c.Kind, c.ints = Float, c.ints[:0]
	return nil
}
