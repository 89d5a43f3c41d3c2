package ingest

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"foldbook/api/spec"
	"foldbook/internal/rowread"
	"foldbook/internal/series"
	"foldbook/questdb"
)

// Store creates the table or its missing columns and writes the rows. When the table has no key, rows that are already stored
// are left out; exclusive, if given, then keeps others from writing the same rows at the same time.
func (d *Destination) Store(
	ctx context.Context, client *questdb.Client, wanted questdb.Spec, batch *rowread.Batch, exclusive Exclusive,
) error {
	table, err := client.Ensure(ctx, wanted)
	if err != nil {
		return fmt.Errorf("prepare table %s: %w", wanted.Name, err)
	}
	if table.Designated == "" {
		return &spec.Problem{Status: http.StatusConflict, Code: spec.ErrorCodeConflict,
			Message: "table " + wanted.Name + " has no designated timestamp, so no rows can be added to it"}
	}
	w := newTableWriter(client, table, d, batch)
	if exclusive == nil || table.Dedup {
		return w.write(ctx, nil)
	}
	return exclusive(ctx, func(ctx context.Context) error {
		stored, err := w.stored(ctx)
		if err != nil {
			return err
		}
		return w.write(ctx, stored)
	})
}

// Exclusive calls write while nobody else writes rows of the same record.
type Exclusive func(ctx context.Context, write func(context.Context) error) error

// tableWriter writes a batch to its table.
type tableWriter struct {
	*Destination
	client *questdb.Client
	table  *questdb.Table
	batch  *rowread.Batch

	symbols, cells []*rowread.Column // of the batch
	tags           []tagColumn
	derived        []derivedColumn
}

// tagColumn is a tag that the table has a column for.
type tagColumn struct {
	Tag
	given *rowread.Column // the rows' own values; may be nil
}

// derivedColumn is a column that repeats the time of a row.
type derivedColumn struct {
	name  string
	given *rowread.Column // the rows' own values; may be nil
	of    func(micros int64) int64
}

// derived are the columns of times that tables of bars and indicators have beside the designated one.
var derived = map[string]func(micros int64) int64{
	"timestamp_ms":   func(micros int64) int64 { return micros / 1000 },
	"timestamp_unix": func(micros int64) int64 { return micros / 1_000_000 },
	"date_i": func(micros int64) int64 {
		year, month, day := time.UnixMicro(micros).UTC().Date()
		return int64(year)*10_000 + int64(month)*100 + int64(day)
	},
	"time_i": func(micros int64) int64 {
		hour, minute, second := time.UnixMicro(micros).UTC().Clock()
		return int64(hour)*10_000 + int64(minute)*100 + int64(second)
	},
}

// newTableWriter sorts the columns: the line protocol has symbols first.
func newTableWriter(client *questdb.Client, table *questdb.Table, d *Destination, batch *rowread.Batch) *tableWriter {
	w := &tableWriter{Destination: d, client: client, table: table, batch: batch}
	for _, c := range batch.Columns {
		if column, _ := table.Column(c.Name); column.Type == "SYMBOL" {
			w.symbols = append(w.symbols, c)
		} else {
			w.cells = append(w.cells, c)
		}
	}
	for _, tag := range d.Tags {
		if _, ok := table.Column(tag.Column); ok && tag.Value != "" {
			w.tags = append(w.tags, tagColumn{tag, batch.Column(tag.Column)})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(derived)) {
		if c, ok := table.Column(name); ok && c.Type == "LONG" && d.Kind <= series.Indicators {
			w.derived = append(w.derived, derivedColumn{c.Name, batch.Column(name), derived[name]})
		}
	}
	return w
}

// cellsOfFlush is how many cells are sent at a time: some 50 MB. Fewer are one transaction.
const cellsOfFlush = 2 << 20

// write sends the rows that are not stored yet, and returns when they can be read.
func (w *tableWriter) write(ctx context.Context, there map[string]int) error {
	out, err := w.client.Writer(w.table)
	if err != nil {
		return fmt.Errorf("write to %s: %w", w.table.Name, err)
	}
	defer out.Close()
	each := max(1, cellsOfFlush/max(1, len(w.symbols)+len(w.cells)))
	for row := range w.batch.Times {
		if there != nil {
			if key := w.key(row); there[key] > 0 {
				there[key]--
				continue
			}
		}
		w.row(out, row)
		if out.Len() == each {
			if err := out.Flush(ctx); err != nil {
				return fmt.Errorf("write to %s: %w", w.table.Name, err)
			}
		}
	}
	if err := out.Flush(ctx); err != nil {
		return fmt.Errorf("write to %s: %w", w.table.Name, err)
	}
	return nil
}

func (w *tableWriter) row(out *questdb.Writer, row int) {
	for _, tag := range w.tags {
		if tag.given == nil || tag.given.Missing(row) {
			out.Symbol(tag.Column, tag.Value)
		}
	}
	for _, c := range w.symbols {
		if text, ok := c.Text(row); ok {
			out.Symbol(c.Name, text)
		}
	}
	for _, c := range w.cells {
		switch c.Kind {
		case rowread.Float:
			out.Float(c.Name, c.Float(row))
		case rowread.Int:
			if v := c.Int(row); v != rowread.Null {
				out.Int(c.Name, v)
			}
		case rowread.Text:
			if text, ok := c.Text(row); ok {
				out.Text(c.Name, text)
			}
		}
	}
	for _, c := range w.derived {
		if c.given == nil || c.given.Missing(row) {
			out.Int(c.name, c.of(w.batch.Times[row]))
		}
	}
	out.Row(w.batch.Times[row])
}

// key is all values of a row that its table does not derive.
func (w *tableWriter) key(row int) string {
	b := strconv.AppendInt(nil, w.batch.Times[row], 10)
	for _, column := range w.compared() {
		b = append(b, 0)
		c := w.batch.Column(column.Name)
		switch {
		case c == nil || c.Missing(row):
			if value, ok := w.tagOf(column.Name); ok {
				b = append(b, value...)
			}
		case c.Kind == rowread.Float:
			b = appendNumber(b, c.Float(row))
		case c.Kind == rowread.Int:
			b = strconv.AppendInt(b, c.Int(row), 10)
		default:
			text, _ := c.Text(row)
			b = append(b, text...)
		}
	}
	return string(b)
}

// tagOf is the value for a row without the column.
func (w *tableWriter) tagOf(column string) (string, bool) {
	for _, tag := range w.tags {
		if strings.EqualFold(tag.Column, column) {
			return tag.Value, true
		}
	}
	return "", false
}

func appendNumber(b []byte, v float64) []byte {
	if v == 0 {
		v = 0 // QuestDB keeps the sign, which says nothing
	}
	return strconv.AppendFloat(b, v, 'g', -1, 64)
}

// compared are the columns that decide whether two rows are equal: all but the designated one and those that are constant.
func (w *tableWriter) compared() []questdb.Column {
	return slices.DeleteFunc(slices.Clone(w.table.Columns), func(c questdb.Column) bool {
		tagged := func(tag tagColumn) bool { return tag.Always && strings.EqualFold(tag.Column, c.Name) }
		return c.Designated || slices.ContainsFunc(w.tags, tagged)
	})
}

// stored counts the rows that are in the table for the same times.
func (w *tableWriter) stored(ctx context.Context) (map[string]int, error) {
	scan := questdb.Scan{Selection: w.Place.Selection(), Columns: []string{w.table.Designated}, Limit: -1}
	scan.Table = w.table
	if scan.Where == nil {
		return nil, fmt.Errorf("table %s is not shared", w.table.Name)
	}
	scan.From, scan.To = time.UnixMicro(slices.Min(w.batch.Times)), time.UnixMicro(slices.Max(w.batch.Times))
	for _, c := range w.compared() {
		scan.Columns = append(scan.Columns, c.Name)
	}
	found, err := w.client.Scan(ctx, scan)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", w.table.Name, err)
	}
	defer found.Close()
	there := map[string]int{}
	for found.Next() {
		micros, _ := found.Int(0)
		b := strconv.AppendInt(nil, micros, 10)
		for i, f := range found.Fields[1:] {
			b = append(b, 0)
			switch f.Kind {
			case questdb.Float:
				if v, ok := found.Float(i + 1); ok {
					b = appendNumber(b, v)
				}
			case questdb.Text:
				v, _ := found.Text(i + 1)
				b = append(b, v...)
			default:
				if v, ok := found.Int(i + 1); ok {
					b = strconv.AppendInt(b, v, 10)
				}
			}
		}
		there[string(b)]++
	}
	if err := found.Err(); err != nil {
		return nil, fmt.Errorf("read %s: %w", w.table.Name, err)
	}
	return there, nil
}
