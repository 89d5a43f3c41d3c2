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

// target is a column of the file, and the type of that of the table.
type target struct {
	Column
	columnType string
}

func (t *Target) add(c Column, columnType string) {
	t.columns = append(t.columns, target{c, columnType})
	t.empty = t.empty || questdb.KindOf(columnType) == questdb.Float
}

// importable are the types of columns that an import writes.
var importable = []string{"SYMBOL", "DOUBLE", "FLOAT", "LONG", "INT", "VARCHAR", "STRING"}

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
	for _, c := range p.Columns {
		column, ok := table.Column(c.Name)
		if !ok || !slices.Contains(importable, column.Type) || column.Designated {
			return nil, fileErrorf("the column %s of the table %s is %s, which an import does not write", shown(c.Name), table.Name, column.Type)
		}
		t.add(c, column.Type)
	}
	slices.SortStableFunc(t.columns, func(a, b target) int { return symbolsFirst(a.columnType, b.columnType) })
	return t, nil
}

// Write stores all valid rows of some parts, or none, and waits until they can be read. It returns the number of rows of the parts,
// and adds the invalid ones to the outcome when it succeeds. Errors: those of questdb.Client.Write.
func (t *Target) Write(ctx context.Context, o *Outcome, parts ...Part) (int64, error) {
	var found Outcome
	rows := int64(0)
	values := make([]cell, len(t.columns))
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
					put(w, t.columns[i].Name, t.columns[i].columnType, v)
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

// read reads the cells of a row, or says what is wrong with it.
func (t *Target) read(r record, values []cell) (micros int64, problem string) {
	switch {
	case r.err != nil:
		return 0, "is not CSV: " + csvProblem(r.err)
	case len(r.cells) != t.plan.Cells:
		return 0, fmt.Sprintf("has %d cells, and the first line %d", len(r.cells), t.plan.Cells)
	}
	text := strings.TrimSpace(r.cells[t.plan.Time])
	if text == "" {
		return 0, "has no time"
	}
	at, err := t.clock.Text(text)
	if err == nil {
		micros, err = moment.Micros(at)
	}
	if err != nil {
		return 0, "the time " + err.Error()
	}
	found := t.empty
	for i, c := range t.columns {
		v, wrong := readCell(questdb.KindOf(c.columnType), r.cells[c.Cell])
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

// readCell reads a cell for a column of a kind, or says what is wrong with it.
func readCell(kind questdb.Kind, given string) (cell, string) {
	n, missing, err := rowread.ReadCell(strings.TrimSpace(given))
	switch {
	case missing:
		return cell{}, ""
	case kind == questdb.Float && err != nil:
		return cell{}, "is not a number"
	case kind == questdb.Float && !n.Exact:
		return cell{}, "has more digits than a DOUBLE keeps"
	case kind == questdb.Int && (err != nil || !n.Whole || n.Int == rowread.Null):
		return cell{}, "is not a whole number"
	case kind == questdb.Text && strings.ContainsRune(given, 0):
		return cell{}, "has a zero byte"
	}
	return cell{there: true, kind: kind, float: n.Float, int: n.Int, text: given}, ""
}
