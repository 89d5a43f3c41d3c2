// Package chart computes what a chart shows of a series: points for the width of a screen (M4), candles and histograms.
package chart

import (
	"slices"

	"foldbook/internal/rowstream"
	"foldbook/questdb"
)

// Grid is a time range divided into pixel columns, in microseconds.
type Grid struct{ Start, Step int64 }

// NewGrid divides a range, both ends included, into this many columns, or one per microsecond if it is shorter.
func NewGrid(first, last, pixels int64) Grid {
	return Grid{first, max(1, (last-first)/pixels+1)}
}

// M4 downsamples rows for a chart: of each pixel column and numeric series it keeps the rows with the first, lowest, highest and
// last value, each row once. A chart of them looks like a chart of all rows. The rows have to be ordered by time, which is
// their first column. It holds at most four rows of each series.
type M4 struct {
	// By is the column of the times that order the rows: the first, or one in whose place the first stands where it is null.
	By int

	rows   rowstream.Rows
	fields []rowstream.Field
	grid   Grid
	series []int // indices of the numeric columns
	marks  []marks
	total  int64 // rows read
	begun  bool
	ahead  *row   // the first row of the next pixel column
	kept   []*row // of the pixel column at hand, by time
	at     int    // of kept: the row that Next moved to
	free   []*row
}

// marks are the rows that are kept for a series.
type marks struct {
	first, low, high, last *row
	lowest, highest        float64
	any                    bool // it has a value
}

// row is a copy of a row.
type row struct {
	number int64
	marks  int // that name it
	cells  []cell
}

type cell struct {
	ok   bool
	n    int64
	x    float64 // of an Int column too
	text []byte
}

// NewM4 downsamples rows with these fields.
func NewM4(rows rowstream.Rows, fields []rowstream.Field, grid Grid) *M4 {
	m := &M4{rows: rows, fields: fields, grid: grid}
	for i, f := range fields {
		if f.Kind == questdb.Float || f.Kind == questdb.Int {
			m.series = append(m.series, i)
		}
	}
	m.marks = make([]marks, len(m.series))
	return m
}

// Total is the number of rows that were read.
func (m *M4) Total() int64 { return m.total }

// Next moves to the next row that is kept.
func (m *M4) Next() bool {
	for m.at++; m.at >= len(m.kept); m.at = 0 {
		if !m.readColumn() {
			return false
		}
	}
	return true
}

// readColumn reads the rows of the next pixel column.
func (m *M4) readColumn() bool {
	m.free = append(m.free, m.kept...)
	m.kept = m.kept[:0]
	if !m.begun {
		m.begun, m.ahead = true, m.read()
	}
	first := m.ahead
	if first == nil {
		return false
	}
	end := m.grid.Start + ((m.time(first)-m.grid.Start)/m.grid.Step+1)*m.grid.Step
	first.marks = 4 * len(m.marks)
	for i := range m.marks {
		m.marks[i] = marks{first: first, low: first, high: first, last: first}
	}
	m.look(first)
	for m.ahead = m.read(); m.ahead != nil && m.time(m.ahead) < end; m.ahead = m.read() {
		m.look(m.ahead)
	}
	if m.rows.Err() != nil {
		return false
	}
	for i := range m.marks {
		k := &m.marks[i]
		m.kept = append(m.kept, k.first, k.low, k.high, k.last)
	}
	slices.SortFunc(m.kept, func(a, b *row) int { return int(a.number - b.number) })
	m.kept = slices.Compact(m.kept)
	return true
}

// time is when a row is.
func (m *M4) time(r *row) int64 {
	if c := &r.cells[m.By]; c.ok {
		return c.n
	}
	return r.cells[0].n
}

// read copies the next row; nil after the last one.
func (m *M4) read() *row {
	if !m.rows.Next() {
		return nil
	}
	var r *row
	if n := len(m.free); n > 0 {
		r, m.free = m.free[n-1], m.free[:n-1]
	} else {
		r = &row{cells: make([]cell, len(m.fields))}
	}
	r.number, r.marks = m.total, 0
	m.total++
	for i := range m.fields {
		c := &r.cells[i]
		switch m.fields[i].Kind {
		case questdb.Float:
			c.x, c.ok = m.rows.Float(i)
		case questdb.Text:
			var text []byte
			text, c.ok = m.rows.Text(i)
			c.text = append(c.text[:0], text...)
		default:
			c.n, c.ok = m.rows.Int(i)
			c.x = float64(c.n)
		}
	}
	return r
}

// look notes the values of a row.
func (m *M4) look(r *row) {
	for i, column := range m.series {
		k, c := &m.marks[i], &r.cells[column]
		switch {
		case !c.ok:
			continue
		case !k.any:
			k.any, k.lowest, k.highest = true, c.x, c.x
			m.mark(&k.first, r)
			m.mark(&k.low, r)
			m.mark(&k.high, r)
		case c.x < k.lowest:
			k.lowest = c.x
			m.mark(&k.low, r)
		case c.x > k.highest:
			k.highest = c.x
			m.mark(&k.high, r)
		}
		m.mark(&k.last, r)
	}
	if r.marks == 0 {
		m.free = append(m.free, r)
	}
}

func (m *M4) mark(slot **row, r *row) {
	if *slot == r {
		return
	}
	if (*slot).marks--; (*slot).marks == 0 {
		m.free = append(m.free, *slot)
	}
	*slot = r
	r.marks++
}

// Err is the error that ended the rows early.
func (m *M4) Err() error { return m.rows.Err() }

// Close closes the rows.
func (m *M4) Close() { m.rows.Close() }

// Int is the cell of an Int, Bool or Time column.
func (m *M4) Int(i int) (int64, bool) { c := &m.kept[m.at].cells[i]; return c.n, c.ok }

// Float is the cell of a Float column.
func (m *M4) Float(i int) (float64, bool) { c := &m.kept[m.at].cells[i]; return c.x, c.ok }

// Text is the cell of a Text column.
func (m *M4) Text(i int) ([]byte, bool) { c := &m.kept[m.at].cells[i]; return c.text, c.ok }
