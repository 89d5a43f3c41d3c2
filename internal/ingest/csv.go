// Package ingest stores rows in QuestDB: those of an import, whose CSV file a first pass cuts into parts, so that the workers
// of this package can be interrupted and go on.
package ingest

import (
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"

	"foldbook/internal/moment"
	"foldbook/internal/rowread"
	"foldbook/questdb"
)

// timeColumns may be the time of a row, the first of them that is there.
var timeColumns = []string{"timestamp_ms", "timestamp_unix", "timestamp"}

const (
	maxColumns = 4096
	partSize   = 1 << 20 // bytes of whole rows, which is some tenths of a second of work
	maxShown   = 40      // characters of a cell in a message
)

// Plan says what a file holds and where its rows go. It is kept as JSON between two parts of an import.
type Plan struct {
	Table   string   `json:"table"`
	Rows    int64    `json:"rows"` // with bad ones
	Cells   int      `json:"cells"`
	Time    int      `json:"time"` // cell with the time
	Unit    int64    `json:"unit"` // of the time in nanoseconds; 0: all are texts
	Columns []Column `json:"columns"`

	Repeats Repeats `json:"repeats"`
}

// Repeats are the rows that another row of the file replaces, because it has the same time and the same texts.
type Repeats struct {
	Rows  int64 `json:"rows"`
	First int64 `json:"first"` // number of the first of them, from 1
}

// Column is a column of the file other than the time.
type Column struct {
	Cell   int    `json:"cell"`
	Name   string `json:"name"`
	Symbol bool   `json:"symbol"` // more of its values are texts than numbers
	Long   bool   `json:"long"`   // all of its numbers are whole, and one has more digits than a DOUBLE keeps
}

// FileError says what is wrong with a file as a whole.
type FileError struct{ What string }

func (e *FileError) Error() string { return e.What }

func fileErrorf(format string, args ...any) error { return &FileError{fmt.Sprintf(format, args...)} }

// Part is some rows of a file.
type Part struct {
	First int64 // number of its first row, from 1
	Text  string
}

// ReadCSV makes the plan of a file for a table whose name is valid, and cuts it into parts. Errors: a *FileError.
func ReadCSV(table, text string) (*Plan, []Part, error) {
	text = strings.TrimPrefix(text, "\ufeff")
	header, body, err := readHeader(text)
	if err != nil {
		return nil, nil, err
	}
	p := &Plan{Table: table, Cells: len(header), Time: -1}
	if err := p.name(header); err != nil {
		return nil, nil, err
	}
	seen, clock := make([]content, len(p.Columns)), moment.Reader{}
	var parts []Part
	begin, first := int64(0), int64(1)
	for r := range records(body) {
		p.Rows++
		if r.end-begin >= partSize {
			parts = append(parts, Part{first, body[begin:r.end]})
			begin, first = r.end, p.Rows+1
		}
		if r.err != nil || len(r.cells) != p.Cells {
			continue
		}
		if clock.Unit == 0 {
			_, _ = clock.Text(r.cells[p.Time]) // the first number decides
		}
		for i := range seen {
			seen[i].note(r.cells[p.Columns[i].Cell])
		}
	}
	if first <= p.Rows {
		parts = append(parts, Part{first, body[begin:]})
	}
	p.Unit = int64(clock.Unit)
	for i, c := range seen {
		p.Columns[i].Symbol, p.Columns[i].Long = c.texts > c.numbers, !c.fractions && c.inexact
	}
	return p, parts, p.check(body)
}

// content is what the cells of a column are.
type content struct {
	texts, numbers     int
	fractions, inexact bool
}

func (c *content) note(cell string) {
	switch n, missing, err := rowread.ReadCell(strings.TrimSpace(cell)); {
	case missing:
	case errors.Is(err, strconv.ErrSyntax):
		c.texts++
	default:
		c.numbers++
		c.fractions, c.inexact = c.fractions || !n.Whole, c.inexact || !n.Exact
	}
}

// check reads all rows as a table that Ready makes would have them, and notes those that replace others. Error: a *FileError
// when no row can be stored, so that no table is made for them.
func (p *Plan) check(body string) error {
	t, seed := &Target{plan: p, clock: moment.File(moment.Unit(p.Unit))}, maphash.MakeSeed()
	for _, c := range p.Columns {
		t.add(c, c.columnType())
	}
	row, wrong, seen, values := int64(0), "", map[uint64]struct{}{}, make([]cell, len(t.columns))
	var key []byte
	for r := range records(body) {
		row++
		micros, problem := t.read(r, values)
		if problem != "" {
			wrong = cmp.Or(wrong, fmt.Sprintf("row %d: %s", row, problem))
			continue
		}
		key = strconv.AppendInt(key[:0], micros, 10)
		for i, v := range values {
			if t.columns[i].Symbol {
				key = append(append(key, 0), v.text...)
			}
		}
		hash := maphash.Bytes(seed, key)
		if _, again := seen[hash]; again {
			p.Repeats.Rows++
			p.Repeats.First = cmp.Or(p.Repeats.First, row)
		}
		seen[hash] = struct{}{}
	}
	if len(seen) == 0 && row > 0 {
		return fileErrorf("no row can be imported: %s", wrong)
	}
	return nil
}

// columnType is the type of the column in a new table.
func (c Column) columnType() string {
	switch {
	case c.Symbol:
		return "SYMBOL"
	case c.Long:
		return "LONG"
	}
	return "DOUBLE"
}

// readHeader returns the names of the columns and the rest.
func readHeader(text string) (names []string, body string, err error) {
	r := newReader(text)
	record, err := r.Read()
	if errors.Is(err, io.EOF) {
		return nil, "", fileErrorf("the file is empty: its first line has to name the columns")
	} else if err != nil {
		return nil, "", fileErrorf("the first line is not CSV: %s", csvProblem(err))
	}
	for _, name := range record {
		names = append(names, strings.TrimSpace(name))
	}
	return names, text[r.InputOffset():], nil
}

// name finds the time and the columns.
func (p *Plan) name(header []string) error {
	for _, name := range timeColumns {
		if p.Time = slices.IndexFunc(header, func(s string) bool { return strings.EqualFold(s, name) }); p.Time >= 0 {
			break
		}
	}
	if p.Time < 0 {
		return fileErrorf("the first line names no column of times: one of %s has to be there", strings.Join(timeColumns, ", "))
	}
	seen := map[string]bool{}
	for i, name := range header {
		lower := strings.ToLower(name)
		if seen[lower] {
			return fileErrorf("the first line names the column %s twice", shown(name))
		}
		seen[lower] = true
		if slices.Contains(timeColumns, lower) || rowread.IsIndex(name, i) {
			continue
		}
		if !questdb.ValidColumn(name) {
			return fileErrorf("the first line names a column %s: letters, digits, _ and blanks inside are taken", shown(name))
		}
		p.Columns = append(p.Columns, Column{Cell: i, Name: name})
	}
	if len(p.Columns) > maxColumns {
		return fileErrorf("the file has %d columns beside the time, more than %d", len(p.Columns), maxColumns)
	}
	if len(p.Columns) == 0 {
		return fileErrorf("the first line names no column beside the time")
	}
	return nil
}

// record is a row of a file.
type record struct {
	cells []string // good until the next one
	end   int64    // where it ends
	err   error
}

// records goes through the rows of a text without a header.
func records(text string) iter.Seq[record] {
	return func(yield func(record) bool) {
		r := newReader(text)
		for {
			cells, err := r.Read()
			if errors.Is(err, io.EOF) || !yield(record{cells, r.InputOffset(), err}) {
				return
			}
		}
	}
}

func newReader(text string) *csv.Reader {
	r := csv.NewReader(strings.NewReader(text))
	r.FieldsPerRecord, r.ReuseRecord = -1, true
	return r
}

func csvProblem(err error) string {
	parse := new(csv.ParseError)
	if errors.As(err, &parse) {
		return parse.Err.Error()
	}
	return err.Error()
}

// shown is text as a message shows it.
func shown(text string) string {
	if runes := []rune(text[:min(len(text), 4*maxShown)]); len(runes) > maxShown {
		text = string(runes[:maxShown]) + "…"
	}
	return strconv.Quote(text)
}
