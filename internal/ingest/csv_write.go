package ingest

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"foldbook/internal/moment"
	"foldbook/internal/rowread"
	"foldbook/questdb"
)

// MaxErrors is how many bad rows are described.
const MaxErrors = 10

// Outcome is the result of an import so far.
type Outcome struct {
	Rejected int64      `json:"rejected"`
	Errors   []RowError `json:"errors"` // of the first rows that were rejected
}

// RowError says what is wrong with a row.
type RowError struct {
	Row  int64  `json:"row"` // from 1
	What string `json:"error"`
}

func (o *Outcome) reject(row int64, what string) {
	o.Rejected++
	if len(o.Errors) < MaxErrors {
		o.Errors = append(o.Errors, RowError{row, what})
	}
}

// Result is the outcome of an import as callers see it.
type Result struct {
	Table    string     `json:"measurement"`
	Rows     int64      `json:"rows"`
	Imported int64      `json:"imported"`
	Rejected int64      `json:"rejected"`
	Errors   []RowError `json:"errors"`
	Columns  []string   `json:"columns"`
	Warnings []string   `json:"warnings"`
}

// Result sums up an import. Error: a *FileError when there were rows and all are invalid.
func (p *Plan) Result(o Outcome) (Result, error) {
	r := Result{Table: p.Table, Rows: p.Rows, Rejected: o.Rejected, Errors: o.Errors, Warnings: []string{}}
	r.Imported = p.Rows - o.Rejected - p.Repeats.Rows
	if p.Repeats.Rows > 0 {
		r.Warnings = append(r.Warnings, fmt.Sprintf(
			"%d rows have the time and the texts of a row before them, which they replace: the first is row %d", p.Repeats.Rows, p.Repeats.First))
	}
	for _, c := range p.Columns {
		r.Columns = append(r.Columns, c.Name)
	}
	if r.Errors == nil {
		r.Errors = []RowError{}
	}
	if r.Imported == 0 && r.Rows > 0 {
		return r, fileErrorf("no row can be imported: row %d: %s", r.Errors[0].Row, r.Errors[0].What)
	}
	return r, nil
}

// Target is a table that is ready for a plan.
type Target struct {
	plan    *Plan
	client  *questdb.Client
	table   *questdb.Table
	columns []target // symbols first, as the line protocol wants them
	clock   moment.Reader
	empty   bool // it takes rows with nothing beside their time
}

type target struct {
	Column
	kind kind
}

type kind uint8

const (
	symbol kind = iota
	float
	whole
	text
)

// kinds are the types of columns that can be written.
var kinds = map[string]kind{
	"SYMBOL": symbol, "DOUBLE": float, "FLOAT": float, "LONG": whole, "INT": whole, "VARCHAR": text, "STRING": text,
}

// Ready creates the table of a plan, or its missing columns. A table that is created here replaces rows with the same time and
// the same texts, because a text may be the only difference between two rows of one time: losing one of them would be
// worse than keeping both. Errors: a *FileError for a table that does not fit, and those of questdb.Client.Ensure.
func (p *Plan) Ready(ctx context.Context, client *questdb.Client) (*Target, error) {
	spec := questdb.Spec{Name: p.Table, PartitionBy: "MONTH", Dedup: true}
	for _, c := range p.Columns {
		spec.Columns = append(spec.Columns, questdb.Column{Name: c.Name, Type: c.columnType(), Key: c.Symbol})
	}
	table, err := client.Ensure(ctx, spec)
	if err != nil {
		return nil, fmt.Errorf("make the table %s: %w", p.Table, err)
	}
	if !table.Dedup {
		return nil, fileErrorf("the table %s keeps rows of the same time beside each other, so that an import cannot be repeated", table.Name)
	}
	t := &Target{plan: p, client: client, table: table, clock: moment.File(moment.Unit(p.Unit))}
	for _, symbols := range []bool{true, false} {
		for _, c := range p.Columns {
			column, ok := table.Column(c.Name)
			k, fits := kinds[column.Type]
			if !ok || !fits || column.Designated {
				return nil, fileErrorf("the column %s of the table %s is %s, which an import does not write", shown(c.Name), table.Name, column.Type)
			}
			if (k == symbol) == symbols {
				t.columns = append(t.columns, target{c, k})
				t.empty = t.empty || k == float
			}
		}
	}
	return t, nil
}

// Write stores all valid rows of some parts, or none, and waits until they can be read. It returns the number of rows of the parts,
// and adds the invalid ones to the outcome when it succeeds. Errors: those of questdb.Client.Write.
func (t *Target) Write(ctx context.Context, o *Outcome, parts ...Part) (int64, error) {
	var found Outcome
	rows := int64(0)
	values := make([]value, len(t.columns))
	_, err := t.client.Write(ctx, t.table, func(w *questdb.Writer) error {
		found, rows = Outcome{o.Rejected, slices.Clone(o.Errors)}, 0
		for _, part := range parts {
			n := int64(0)
			for r := range records(part.Text) {
				n++
				micros, problem := t.read(r, values)
				if problem != "" {
					found.reject(part.First+n-1, problem)
					continue
				}
				for i, v := range values {
					t.put(w, t.columns[i], v)
				}
				w.Row(micros)
			}
			rows += n
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	*o = found
	return rows, nil
}

// value is a cell that was read.
type value struct {
	there bool
	text  string
	float float64
	whole int64
}

func (t *Target) put(w *questdb.Writer, c target, v value) {
	switch {
	case !v.there:
	case c.kind == symbol:
		w.Symbol(c.Name, v.text)
	case c.kind == float:
		w.Float(c.Name, v.float)
	case c.kind == whole:
		w.Int(c.Name, v.whole)
	case c.kind == text:
		w.Text(c.Name, v.text)
	}
}

// read reads the cells of a row, or says what is wrong with it.
func (t *Target) read(r record, values []value) (micros int64, problem string) {
	switch {
	case r.err != nil:
		return 0, "is not CSV: " + csvProblem(r.err)
	case len(r.cells) != t.plan.Cells:
		return 0, fmt.Sprintf("has %d cells, and the first line %d", len(r.cells), t.plan.Cells)
	}
	cell := strings.TrimSpace(r.cells[t.plan.Time])
	if cell == "" {
		return 0, "has no time"
	}
	at, err := t.clock.Text(cell)
	if err == nil {
		micros, err = moment.Micros(at)
	}
	if err != nil {
		return 0, "the time " + err.Error()
	}
	found := t.empty
	for i, c := range t.columns {
		v, wrong := readCell(c.kind, r.cells[c.Cell])
		if wrong != "" {
			return 0, fmt.Sprintf("%s: %s %s", c.Name, shown(r.cells[c.Cell]), wrong)
		}
		values[i] = v
		found = found || v.there
	}
	if !found {
		return 0, "has no value beside its time"
	}
	return micros, ""
}

func readCell(k kind, cell string) (value, string) {
	text := strings.TrimSpace(cell)
	n, missing, err := rowread.ReadCell(text)
	switch {
	case missing:
		return value{}, ""
	case k == float && err != nil:
		return value{}, "is not a number"
	case k == float && !n.Exact:
		return value{}, "has more digits than a DOUBLE keeps"
	case k == float:
		return value{there: true, float: n.Float}, ""
	case k == whole && (err != nil || !n.Whole || n.Int == rowread.Null):
		return value{}, "is not a whole number"
	case k == whole:
		return value{there: true, whole: n.Int}, ""
	case strings.ContainsRune(cell, 0):
		return value{}, "has a zero byte"
	}
	return value{there: true, text: cell}, ""
}
