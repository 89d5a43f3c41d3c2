package ingest

import (
	"cmp"
	"context"
	"fmt"
	"iter"
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

// Store creates the table or its missing columns and writes the rows as one transaction. A row keeps the cells that are stored for
// its key and that the request does not give, unless the request replaces rows. Into a shared table without a key go the rows that are
// not stored yet. The caller has the lease of the place.
func (d *Destination) Store(ctx context.Context, client *questdb.Client, wanted questdb.Spec, batch *rowread.Batch) (Stored, error) {
	table, err := client.Ensure(ctx, wanted)
	if err != nil {
		return Stored{}, fmt.Errorf("prepare table %s: %w", wanted.Name, err)
	}
	if err := appendable(table); err != nil {
		return Stored{}, err
	}
	for _, c := range batch.Columns {
		if _, ok := table.Column(c.Name); !ok && !c.Empty(len(batch.Times)) { // another process has made the table anew
			return Stored{}, fmt.Errorf("write to %s: %w: %q", table.Name, questdb.ErrNoColumn, c.Name)
		}
	}
	w := newTableWriter(client, table, d, batch)
	result := w.count()
	if w.dedup {
		err = w.merge(ctx)
	} else {
		result.Rows, err = w.add(ctx)
	}
	if err != nil {
		return Stored{}, fmt.Errorf("write to %s: %w", table.Name, err)
	}
	return result, nil
}

func appendable(table *questdb.Table) error {
	if table.Designated != "" {
		return nil
	}
	return &spec.Problem{Status: http.StatusConflict, Code: spec.ErrorCodeConflict,
		Message: "table " + table.Name + " has no designated timestamp, so no rows can be added to it"}
}

// tableWriter writes a batch to its table.
type tableWriter struct {
	*Destination
	client  *questdb.Client
	table   *questdb.Table
	batch   *rowread.Batch
	dedup   bool     // rows with the same key are one
	replace bool     // nothing is kept of stored rows
	fields  []*field // of the table, symbols first, as the line protocol has them
	keys    []*field // beside the time
}

// field is a column of the table and where its cells come from.
type field struct {
	questdb.Column
	column *rowread.Column          // of the request; may be nil
	tag    string                   // of rows without a value of their own
	always bool                     // all rows have the tag
	of     func(micros int64) int64 // a column that repeats the time of a row, for those without a value of their own
	stored int                      // the place of the column among those that are read; below 0: it is not read
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

func newTableWriter(client *questdb.Client, table *questdb.Table, d *Destination, batch *rowread.Batch) *tableWriter {
	w := &tableWriter{
		Destination: d, client: client, table: table, batch: batch, dedup: d.keyed(table), replace: d.Replace,
	}
	known := map[string]*rowread.Column{}
	for _, c := range batch.Columns {
		known[strings.ToLower(c.Name)] = c
	}
	for _, c := range table.Columns {
		if c.Designated {
			continue
		}
		f := &field{Column: c, column: known[strings.ToLower(c.Name)], stored: -1}
		if i := slices.IndexFunc(d.Tags, func(tag Tag) bool { return strings.EqualFold(tag.Column, c.Name) }); i >= 0 {
			f.tag, f.always = d.Tags[i].Value, d.Tags[i].Always
		}
		if c.Type == "LONG" && d.Kind <= series.Indicators {
			f.of = derived[strings.ToLower(c.Name)]
		}
		w.fields = append(w.fields, f)
		if c.Key && !f.always {
			w.keys = append(w.keys, f)
		}
	}
	slices.SortStableFunc(w.fields, func(f, g *field) int { return symbolsFirst(f.Type, g.Type) })
	return w
}

// symbolsFirst orders columns by their types as the line protocol wants them.
func symbolsFirst(a, b string) int { return cmp.Compare(b2i(a != "SYMBOL"), b2i(b != "SYMBOL")) }

// merge writes one row for each key of the request.
func (w *tableWriter) merge(ctx context.Context) error {
	kept := w.kept()
	_, err := w.client.Write(ctx, w.table, func(out *questdb.Writer) error {
		c, err := w.open(ctx, kept)
		if err != nil {
			return err
		}
		defer c.close()
		if err := c.writable(); err != nil {
			return err
		}
		fields := slices.DeleteFunc(slices.Clone(w.fields), func(f *field) bool {
			return f.column == nil && f.tag == "" && f.of == nil && f.stored < 0
		})
		return w.groups(func(g group) error {
			if w.replace {
				g = g[len(g)-1:]
			}
			stored, err := c.at(w, g[0])
			if err != nil {
				return err
			}
			w.row(out, fields, g, stored)
			return out.Err()
		})
	})
	return err
}

// add writes the rows that are not stored yet, and counts them.
func (w *tableWriter) add(ctx context.Context) (rows int64, err error) {
	missing, err := w.missing(ctx)
	if err != nil {
		return 0, err
	}
	return w.client.Write(ctx, w.table, func(out *questdb.Writer) error {
		for row := range missing {
			w.row(out, w.fields, group{row}, nil)
		}
		return nil
	})
}

// missing are the rows of the request that are not stored yet. A row that is there twice, and stored once, is missing once.
func (w *tableWriter) missing(ctx context.Context) (iter.Seq[int], error) {
	compared := slices.DeleteFunc(slices.Clone(w.fields), func(f *field) bool { return f.always || f.of != nil })
	c, err := w.open(ctx, compared)
	if err != nil {
		return nil, err
	}
	stored := map[string]int{}
	if c != nil {
		defer c.close()
		for c.rows.Next() {
			micros, _ := c.rows.Int(0)
			cells := c.cells()
			stored[keyOf(micros, compared, func(f *field) cell { return cells[f.stored] })]++
		}
		if err := c.rows.Err(); err != nil {
			return nil, fmt.Errorf("read %s: %w", w.table.Name, err)
		}
	}
	return func(yield func(int) bool) {
		there := maps.Clone(stored)
		for row, micros := range w.batch.Times {
			if key := keyOf(micros, compared, func(f *field) cell { return f.at(row) }); there[key] > 0 {
				there[key]--
			} else if !yield(row) {
				return
			}
		}
	}, nil
}

// keyOf is a row as a text, to be compared.
func keyOf(micros int64, fields []*field, at func(*field) cell) string {
	b := strconv.AppendInt(nil, micros, 10)
	for _, f := range fields {
		b = append(b, 0)
		switch c := at(f); {
		case !c.there:
		case questdb.KindOf(f.Type) == questdb.Text:
			b = append(b, c.text...)
		default:
			b = strconv.AppendFloat(b, c.number()+0, 'g', -1, 64) // QuestDB keeps the sign of zero, which says nothing
		}
	}
	return string(b)
}

// row writes one row of the table. Most rows are alone and new, with numbers.
func (w *tableWriter) row(out *questdb.Writer, fields []*field, g group, stored []cell) {
	at, alone := w.batch.Times[g[0]], len(g) == 1 && stored == nil
	for _, f := range fields {
		if c := f.column; alone && c != nil && c.Kind == rowread.Float {
			if v := c.Float(g[0]); v-v == 0 {
				out.Float(f.Name, v)
				continue
			}
		}
		if v := f.merged(g, stored); v.there || f.of == nil {
			put(out, f.Name, f.Type, v)
		} else {
			out.Int(f.Name, f.of(at))
		}
	}
	out.Row(at)
}

// put writes a cell, if there is one.
func put(out *questdb.Writer, name, columnType string, v cell) {
	switch {
	case !v.there:
	case columnType == "SYMBOL":
		out.Symbol(name, v.text)
	case v.kind == questdb.Float:
		out.Float(name, v.float)
	case v.kind == questdb.Int:
		out.Int(name, v.int)
	case v.kind == questdb.Bool:
		out.Bool(name, v.int != 0)
	case v.kind == questdb.Time:
		out.Time(name, v.int)
	default:
		out.Text(name, v.text)
	}
}
