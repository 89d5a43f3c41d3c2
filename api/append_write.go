package api

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"foldbook/internal/rowread"
	"foldbook/internal/series"
	"foldbook/questdb"
)

// tableWriter writes a batch to its table.
type tableWriter struct {
	client *questdb.Client
	table  *questdb.Table
	*destination
	batch *rowread.Batch

	symbols, cells []*rowread.Column // of the batch
	marks          []mark            // that the table has columns for
	clocks         []clock
}

// clock is a column that says the time once more.
type clock struct {
	column string
	given  *rowread.Column // by the rows themselves; may be nil
	of     func(micros int64) int64
}

// clocks are the columns of times that tables of bars and indicators have beside the designated one.
var clocks = map[string]func(micros int64) int64{
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

// prepare sorts the columns: the line protocol has symbols first.
func (w *tableWriter) prepare() {
	w.symbols, w.cells, w.marks, w.clocks = nil, nil, nil, nil
	for _, c := range w.batch.Columns {
		if column, _ := w.table.Column(c.Name); column.Type == "SYMBOL" {
			w.symbols = append(w.symbols, c)
		} else {
			w.cells = append(w.cells, c)
		}
	}
	for _, m := range w.destination.marks {
		if _, ok := w.table.Column(m.column); ok && m.value != "" {
			m.given = w.batch.Column(m.column)
			w.marks = append(w.marks, m)
		}
	}
	for name, of := range clocks {
		if c, ok := w.table.Column(name); ok && c.Type == "LONG" && w.kind <= series.Indicators {
			w.clocks = append(w.clocks, clock{c.Name, w.batch.Column(name), of})
		}
	}
	slices.SortFunc(w.clocks, func(a, b clock) int { return strings.Compare(a.column, b.column) })
}

// cellsOfFlush is how many cells are sent at a time: some 50 MB. Fewer are one transaction.
const cellsOfFlush = 2 << 20

// write sends the rows but those that are there, and returns when they can be read.
func (w *tableWriter) write(ctx context.Context, there map[string]int) error {
	w.prepare()
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
	for _, m := range w.marks {
		if m.given == nil || m.given.Missing(row) {
			out.Symbol(m.column, m.value)
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
	for _, c := range w.clocks {
		if c.given == nil || c.given.Missing(row) {
			out.Int(c.column, c.of(w.batch.Times[row]))
		}
	}
	out.Row(w.batch.Times[row])
}

// key is all of a row that its table does not get from elsewhere.
func (w *tableWriter) key(row int) string {
	b := strconv.AppendInt(nil, w.batch.Times[row], 10)
	for _, column := range w.compared() {
		b = append(b, 0)
		c := w.batch.Column(column.Name)
		switch {
		case c == nil || c.Missing(row):
			if value, ok := w.markOf(column.Name); ok {
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

// markOf is what a row without the column gets.
func (w *tableWriter) markOf(column string) (string, bool) {
	for _, m := range w.marks {
		if strings.EqualFold(m.column, column) {
			return m.value, true
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

// compared are the columns that decide whether two rows are the same: not the designated one, nor what is always the same.
func (w *tableWriter) compared() []questdb.Column {
	return slices.DeleteFunc(slices.Clone(w.table.Columns), func(c questdb.Column) bool {
		return c.Designated || slices.ContainsFunc(w.marks, func(m mark) bool { return m.always && strings.EqualFold(m.column, c.Name) })
	})
}

// stored counts the rows that are in the table for the same times.
func (w *tableWriter) stored(ctx context.Context) (map[string]int, error) {
	w.prepare()
	scan := questdb.Scan{Selection: w.place.Selection(), Columns: []string{w.table.Designated}, Limit: -1}
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
