package ingest

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"foldbook/api/spec"
	"foldbook/internal/httpbody"
	"foldbook/internal/rowread"
	"foldbook/internal/series"
	"foldbook/questdb"
)

// MaxCells is the most cells of one request, of eight bytes each.
const MaxCells = 8 << 20

// Destination is the table for the rows of a request, with what it derives for them.
type Destination struct {
	Kind     series.Kind
	Place    *series.Place
	Interval time.Duration // between two rows, 0 for unknown
	Tags     []Tag
	Replace  bool // rows replace those that are stored; else they keep the cells that they do not give
}

// Tag is a value that rows get, in a tag column, from the record that they belong to.
type Tag struct {
	Column, Value string
	Always        bool // else only rows that have no value of their own
}

// base is the table as it is created, without the columns of the rows.
func (d *Destination) base(interval time.Duration) (table questdb.Spec) {
	name := d.Place.Name
	if d.Place.Shared { // whatever it is called
		name = [...]string{name, questdb.SharedIndicators, questdb.SharedPredictions, questdb.SharedTraces}[d.Kind]
	}
	switch d.Kind {
	case series.Bars:
		if table = questdb.BarsSpec(name, interval); d.Place.Shared {
			table.Columns = append([]questdb.Column{{Name: "dataset", Type: "SYMBOL", Key: true}}, table.Columns...)
		}
	case series.Indicators:
		table = questdb.IndicatorsSpec(name, interval)
	case series.Predictions:
		table = questdb.PredictionsSpec(name)
	case series.Trace:
		table = questdb.TracesSpec(name)
	}
	table.Name = d.Place.Name
	return table
}

// keyed tells whether rows with the same key are one in the table, or nil for one that is still to be made.
func (d *Destination) keyed(table *questdb.Table) bool {
	return d.base(0).Dedup && (table == nil || table.WAL) || table != nil && table.Dedup
}

// synonyms are the names that mean one column, of which this is one; nil for most.
func (d *Destination) synonyms(name string) []string {
	if d.Kind != series.Predictions {
		return nil
	}
	for _, group := range [][]string{questdb.FoldColumns, questdb.PredictionColumns, questdb.TargetColumns, questdb.ScoreColumns} {
		if slices.ContainsFunc(group, func(other string) bool { return strings.EqualFold(other, name) }) {
			return group
		}
	}
	return nil
}

// columns are those that the table has, or would be created with.
func (d *Destination) columns() *questdb.Table {
	all := &questdb.Table{}
	if d.Place.Table != nil {
		all.Columns = slices.Clone(d.Place.Table.Columns)
	}
	for _, c := range d.base(0).Columns {
		if _, ok := all.Column(c.Name); !ok {
			all.Columns = append(all.Columns, c)
		}
	}
	return all
}

// Read reads all rows of a request without storing them; nonfinite takes NaN and the like of JSON as null. Errors: io.EOF when there are
// no rows, those of rowread, and a *httpbody.ValidationError.
func (d *Destination) Read(format rowread.Format, in io.Reader, nonfinite bool) (*rowread.Batch, error) {
	batch, err := rowread.New(format, in, rowread.Options{
		Rows: 1 << 31, Cells: MaxCells, Time: []string{"timestamp", "timestamp_ms"}, Column: d.resolve(), Texts: true,
		Nonfinite: nonfinite,
	}).Next()
	if err != nil {
		return nil, err
	}
	if d.Place.Shared { // an export has the columns of all others too, without a cell
		table := d.columns()
		batch.Columns = slices.DeleteFunc(batch.Columns, func(c *rowread.Column) bool {
			_, there := table.Column(c.Name)
			return !there && c.Empty(len(batch.Times))
		})
	}
	if err := d.checkNumbers(batch); err != nil {
		return nil, err
	}
	return batch, d.complete(batch)
}

// resolve tells which column of the table a column of a request is, and what its cells have to be.
func (d *Destination) resolve() func(name string) (string, rowread.Kind, error) {
	table := d.columns()
	return func(name string) (string, rowread.Kind, error) {
		names := d.synonyms(name) // of a column of numbers, as target is one of target_value, beside the symbol target
		if names == nil {
			names = []string{name}
			if slices.ContainsFunc(d.Tags, func(tag Tag) bool { return tag.Always && strings.EqualFold(tag.Column, name) }) {
				return "", 0, nil
			}
		}
		c, ok := table.First(names...)
		if !ok {
			return name, rowread.Any, nil
		}
		switch c.Type {
		case "SYMBOL":
			if c.Key || slices.Equal(names, questdb.FoldColumns) {
				return c.Name, rowread.Label, nil
			}
			return c.Name, rowread.Text, nil
		case "VARCHAR", "STRING":
			return c.Name, rowread.Text, nil
		case "LONG", "INT", "SHORT", "BYTE":
			if d.mayWiden(c) {
				return c.Name, rowread.Any, nil
			}
			return c.Name, rowread.Int, nil
		case "DOUBLE", "FLOAT":
			return c.Name, rowread.Float, nil
		}
		return "", 0, errors.New("is a " + c.Type + " in the table, to which nothing can be added")
	}
}

// mayWiden tells whether a column of whole numbers may become one of doubles: in a shared table another dataset has decided its type.
func (d *Destination) mayWiden(c questdb.Column) bool {
	_, isTime := derived[strings.ToLower(c.Name)]
	return d.Place.Shared && d.Kind <= series.Indicators && !c.Key && !isTime
}

// checkNumbers refuses texts in columns of numbers.
func (d *Destination) checkNumbers(batch *rowread.Batch) error {
	if d.Place.Table == nil {
		return nil
	}
	for _, c := range batch.Columns {
		column, ok := d.Place.Table.Column(c.Name)
		if kind := questdb.KindOf(column.Type); !ok || c.Kind != rowread.Text || (kind != questdb.Int && kind != questdb.Float) {
			continue
		}
		for i := range batch.Times {
			if text, there := c.Text(i); there {
				return httpbody.Invalid(fmt.Sprintf("rows[%d].%s", i, c.Name), "must be a number, and is "+strconv.Quote(httpbody.Shorten(text)))
			}
		}
	}
	return nil
}

// hasFraction tells whether a column has a number that is not whole.
func hasFraction(c *rowread.Column, rows int) bool {
	for i := range rows {
		if v := c.Float(i); v == v && (v != math.Trunc(v) || math.Abs(v) >= 1<<63) { // NaN is missing, and equals nothing
			return true
		}
	}
	return false
}

// complete checks that rows can be replaced where that is asked for, and that each row of a simulation's own table has its key.
func (d *Destination) complete(batch *rowread.Batch) error {
	const needed = "trade_index"
	if d.Replace && !d.keyed(d.Place.Table) {
		return spec.InvalidParameter("replace", "is for rows that have a key, and table "+d.Place.Name+" has none: rows are only added to it. "+
			"A simulation with a questdb_namespace of its own has one")
	}
	if d.Kind != series.Trace || d.Place.Shared {
		return nil
	}
	column := batch.Column(needed)
	for i := range batch.Times {
		if column == nil || column.Missing(i) {
			return httpbody.Invalid(fmt.Sprintf("rows[%d].%s", i, needed), "is missing: it tells rows of one time apart")
		}
	}
	return nil
}

// Plan is the table that the rows need, and the names of the columns that it lacks.
func (d *Destination) Plan(batch *rowread.Batch) (wanted questdb.Spec, added []string) {
	added = []string{}
	interval := d.Interval
	if interval == 0 {
		interval = smallestStep(batch.Times)
	}
	wanted = d.base(interval)
	made, table := d.Place.Table, d.columns()
	if made == nil {
		made = &questdb.Table{}
	} else { // then what it lacks beside its key is not needed
		wanted.Exists = true
		wanted.Columns = slices.DeleteFunc(wanted.Columns, func(c questdb.Column) bool { return !c.Key })
	}
	for i, c := range wanted.Columns {
		if group := d.synonyms(c.Name); c.Key && group != nil { // in this table by another name
			wanted.Columns[i], _ = table.First(group...)
			wanted.Columns[i].Key = true
		}
	}
	for _, c := range batch.Columns {
		stored, there := made.Column(c.Name)
		if there && questdb.KindOf(stored.Type) == questdb.Int && c.Kind == rowread.Float && hasFraction(c, len(batch.Times)) {
			wanted.Widen = append(wanted.Widen, stored.Name)
		}
		if _, ok := (&questdb.Table{Columns: wanted.Columns}).Column(c.Name); ok || there {
			continue
		}
		column, ok := table.Column(c.Name)
		if !ok {
			column = questdb.Column{Name: c.Name, Type: "DOUBLE"}
			switch c.Kind {
			case rowread.Int:
				column.Type = "LONG"
			case rowread.Text:
				column.Type = "SYMBOL"
			}
		}
		wanted.Columns = append(wanted.Columns, column)
	}
	for _, c := range wanted.Columns {
		if _, ok := made.Column(c.Name); !ok {
			added = append(added, c.Name)
		}
	}
	return wanted, added
}

// smallestStep is the smallest distance between two consecutive rows, 0 for none.
func smallestStep(micros []int64) time.Duration {
	step := int64(0)
	for i := 1; i < len(micros); i++ {
		if d := micros[i] - micros[i-1]; d > 0 && (step == 0 || d < step) {
			step = d
		}
	}
	return time.Duration(step) * time.Microsecond
}
