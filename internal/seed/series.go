package seed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"text/tabwriter"
	"time"

	"foldbook/internal/seed/experiment"
	"foldbook/questdb"
)

const (
	// writeTime is long for QuestDB to take the rows of a table and to apply them.
	writeTime = 2 * time.Minute
)

// table is a series and the table of its own that it is kept in.
type table struct {
	questdb.Spec
	series experiment.Series
}

// tablesOf are the tables of experiments on one dataset.
func tablesOf(all ...*experiment.Experiment) []table {
	e := all[0]
	interval := time.Duration(e.Dataset.BarIntervalMS) * time.Millisecond
	var indicators []string
	for _, c := range e.Indicators.Columns {
		indicators = append(indicators, c.Name)
	}
	tables := []table{
		{questdb.BarsSpec(e.Bars.Measurement, interval), e.Bars},
		{questdb.IndicatorsSpec(e.Indicators.Measurement, interval, indicators...), e.Indicators},
	}
	for _, e := range all {
		tables = append(tables, table{questdb.PredictionsSpec(e.Predictions.Measurement), e.Predictions},
			table{questdb.TracesSpec(e.Trace.Measurement), e.Trace})
	}
	return tables
}

// storedTable is what was read back of a table.
type storedTable struct {
	name        string
	rows, other int // the series' rows, and rows that are not the series'
	first, last int64
}

// there tells whether QuestDB is, and says to out when it is not: its rows are then left to the next seed. series is nil
// when there is to be none.
func there(ctx context.Context, series *questdb.Client, out io.Writer) (bool, error) {
	if series == nil {
		_, err := fmt.Fprintln(out, "series: none stored, because QuestDB is off")
		return false, err
	}
	if err := series.Ping(ctx); ctx.Err() == nil && err != nil {
		_, err = fmt.Fprintf(out, "series: none stored (%v); seed again when it is up\n", err)
		return false, err
	}
	return true, ctx.Err()
}

// putSeries makes QuestDB hold the tables and writes what it then reads back to out.
func putSeries(ctx context.Context, series *questdb.Client, tables []table, out io.Writer) error {
	var all []storedTable
	for _, t := range tables {
		stored, err := t.put(ctx, series)
		if err != nil {
			return fmt.Errorf("store series %s: %w", t.Name, err)
		}
		all = append(all, stored)
	}
	return printTables(out, all)
}

// put makes QuestDB hold the series and returns what it then reads back. Rows that are there already are not written
// again, and rows that are not the series' are left alone.
func (t table) put(ctx context.Context, c *questdb.Client) (storedTable, error) {
	found, err := c.Table(ctx, t.Name)
	if err == nil {
		stored, err := t.load(ctx, c, found)
		if err == nil && stored.rows == t.series.Len || err != nil && !errors.Is(err, questdb.ErrNoColumn) {
			return stored, err
		}
	} else if !errors.Is(err, questdb.ErrNoTable) {
		return storedTable{}, err
	}
	if found, err = c.Ensure(ctx, t.Spec); err != nil {
		return storedTable{}, err
	}
	if err := t.write(ctx, c, found); err != nil {
		return storedTable{}, err
	}
	stored, err := t.load(ctx, c, found)
	if err == nil && stored.rows != t.series.Len {
		err = fmt.Errorf("of %d rows %d read back as they were written", t.series.Len, stored.rows)
	}
	return stored, err
}

// ownTime is the column in which tables of bars and indicators keep the time once more, in milliseconds.
const ownTime = "timestamp_ms"

func (t table) hasOwnTime() bool {
	return slices.ContainsFunc(t.Columns, func(c questdb.Column) bool { return c.Name == ownTime })
}

// write sends all rows as one transaction.
func (t table) write(ctx context.Context, c *questdb.Client, to *questdb.Table) error {
	ctx, cancel := context.WithTimeout(ctx, writeTime)
	defer cancel()
	ownTimes := t.hasOwnTime()
	_, err := c.Write(ctx, to, func(w *questdb.Writer) error {
		for row := range t.series.Rows {
			for k, cell := range row.Cells { // symbols come first in the series too
				switch name := t.series.Columns[k].Name; v := cell.(type) {
				case string:
					w.Symbol(name, v)
				case float64:
					w.Float(name, v)
				case int64:
					w.Int(name, v)
				}
			}
			if ownTimes {
				w.Int(ownTime, row.TimestampMS)
			}
			w.Row(row.TimestampMS * 1000)
		}
		return nil
	})
	return err
}

// load reads the table and counts which of its rows are the series', cell by cell.
func (t table) load(ctx context.Context, c *questdb.Client, from *questdb.Table) (storedTable, error) {
	stored := storedTable{name: t.Name}
	names := []string{from.Designated}
	for _, column := range t.series.Columns {
		names = append(names, column.Name)
	}
	ownTimes := t.hasOwnTime()
	if ownTimes {
		names = append(names, ownTime)
	}
	found, err := c.Scan(ctx, questdb.Scan{Selection: questdb.Selection{Table: from}, Columns: names, Limit: -1})
	if err != nil {
		return stored, err
	}
	defer found.Close()
	next, stop := iter.Pull(t.series.Rows)
	defer stop()
	ahead, more := next()
	var now []experiment.Row // those of the series that have the time of the row that was read
	for found.Next() {
		micros, _ := found.Int(0)
		if len(now) == 0 || now[0].TimestampMS*1000 != micros {
			now = now[:0]
			for ; more && ahead.TimestampMS*1000 <= micros; ahead, more = next() {
				if ahead.TimestampMS*1000 == micros {
					now = append(now, experiment.Row{TimestampMS: ahead.TimestampMS, Cells: slices.Clone(ahead.Cells)})
				}
			}
		}
		at := slices.IndexFunc(now, func(row experiment.Row) bool {
			ms, _ := found.Int(len(names) - 1)
			return (!ownTimes || ms == row.TimestampMS) && sameCells(found, row.Cells)
		})
		if at < 0 {
			stored.other++
			continue
		}
		now = slices.Delete(now, at, at+1)
		if stored.rows++; stored.rows == 1 {
			stored.first = micros
		}
		stored.last = micros
	}
	return stored, found.Err()
}

// sameCells compares the cells after the time.
func sameCells(found *questdb.Rows, cells []any) bool {
	for k, cell := range cells {
		var same, ok bool
		switch v := cell.(type) {
		case string:
			var text []byte
			text, ok = found.Text(k + 1)
			same = ok && string(text) == v
		case float64:
			var number float64
			number, ok = found.Float(k + 1)
			same = ok && number == v
		case int64:
			var number int64
			number, ok = found.Int(k + 1)
			same = ok && number == v
		case nil:
			_, ok = found.Float(k + 1)
			same = !ok
		}
		if !same {
			return false
		}
	}
	return true
}

func printTables(out io.Writer, all []storedTable) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "read back\trows\tfirst\tlast")
	for _, s := range all {
		note := ""
		if s.other > 0 {
			note = fmt.Sprintf("\tand %d others, left alone", s.other)
		}
		fmt.Fprintf(w, "%s\t%d\t%s\t%s%s\n", s.name, s.rows, minute(s.first), minute(s.last), note)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print the series: %w", err)
	}
	return nil
}

func minute(micros int64) string { return time.UnixMicro(micros).UTC().Format("2006-01-02T15:04Z") }
