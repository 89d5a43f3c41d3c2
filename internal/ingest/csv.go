// Package ingest stores rows in QuestDB: those of an import, whose CSV file a first pass cuts into parts, so that the workers
// of this package can be interrupted and go on.
package ingest

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"

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
	Unit    int64    `json:"unit"` // of the time in nanoseconds; 0: it is a text
	Columns []Column `json:"columns"`
}

// Column is a column of the file other than the time.
type Column struct {
	Cell   int    `json:"cell"`
	Name   string `json:"name"`
	Symbol bool   `json:"symbol"` // its first value is not a number
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
	decided := make([]bool, len(p.Columns))
	open, timed := len(decided), false
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
		if !timed {
			timed = p.learnUnit(r.cells[p.Time])
		}
		for i := 0; open > 0 && i < len(decided); i++ {
			if cell := r.cells[p.Columns[i].Cell]; !decided[i] && !isMissing(cell) {
				_, number := parseNumber(cell)
				p.Columns[i].Symbol, decided[i] = !number, true
				open--
			}
		}
	}
	if first <= p.Rows {
		parts = append(parts, Part{first, body[begin:]})
	}
	return p, parts, nil
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
	if len(header) > maxColumns {
		return fileErrorf("the file has %d columns, more than %d", len(header), maxColumns)
	}
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
		if slices.Contains(timeColumns, lower) {
			continue
		}
		if !questdb.ValidColumn(name) {
			return fileErrorf("the first line names a column %s: letters, digits, _ and blanks inside are taken", shown(name))
		}
		p.Columns = append(p.Columns, Column{Cell: i, Name: name})
	}
	if len(p.Columns) == 0 {
		return fileErrorf("the first line names no column beside the time")
	}
	return nil
}

// learnUnit takes the unit of the times from the first time that can be read.
func (p *Plan) learnUnit(cell string) bool {
	if number, ok := parseNumber(cell); ok {
		p.Unit = rowread.UnitOf(number)
		return true
	}
	_, ok := rowread.Moment(strings.TrimSpace(cell))
	return ok
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
