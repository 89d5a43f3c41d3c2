package api

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/labstack/echo/v4"

	"foldbook/api/spec"
	"foldbook/questdb"
)

const (
	maxPixels      = 20_000
	pointsPerPixel = 4
)

// pixelsOf is how many pixel columns rows are thinned out for, 0 for not at all.
func pixelsOf(points, width *int64, at rowRange) (int64, error) {
	var pixels int64
	switch {
	case points == nil && width == nil:
		return 0, nil
	case points != nil && width != nil:
		return 0, spec.InvalidParameter("points", "does not go with width")
	case width != nil:
		if pixels = *width; pixels < 1 || pixels > maxPixels {
			return 0, spec.InvalidParameter("width", "is not from 1 to "+strconv.Itoa(maxPixels))
		}
	default:
		if pixels = *points / pointsPerPixel; pixels < 1 || pixels > maxPixels {
			return 0, spec.InvalidParameter("points", "is not from "+strconv.Itoa(pointsPerPixel)+" to "+strconv.Itoa(pointsPerPixel*maxPixels))
		}
	}
	if at.desc || at.numbered || at.limited || at.offset != 0 || at.at != nil {
		return 0, spec.InvalidParameter("points or width", "does not go with desc, limit, offset, cursor, start_index or end_index")
	}
	return pixels, nil
}

// grid is a range of time cut into pixel columns, in microseconds.
type grid struct{ start, step int64 }

// gridOf cuts a range, both ends included, into so many columns, or as many as it has microseconds.
func gridOf(first, last, pixels int64) grid {
	return grid{first, max(1, (last-first)/pixels+1)}
}

func (g grid) column(t int64) int64 { return (t - g.start) / g.step }

// thinning keeps of each pixel column and series the rows with the first, lowest, highest and last value (M4), each once.
// It reads rows by time and holds those of one pixel column at a time.
type thinning struct {
	name   string // of the table
	rows   batches
	grid   grid
	series []int // indices of the columns that are looked at
	total  int64 // rows read

	batch  *questdb.Batch // rows as they come
	held   *questdb.Batch // of the pixel column at hand, the rows from batches before that may be kept
	spare  *questdb.Batch
	column int64
	marks  []marks
	refs   []int

	ready *questdb.Batch // rows that are kept
	given int            // of these
}

// marks are the rows of a series that are to be kept. A row is its number in thinning.batch, or the complement of its
// number in thinning.held, so that rows held come first when they are sorted the right way.
type marks struct {
	first, low, high, last int
	lowest, highest        float64
	any                    bool // it has a value
}

// batches are rows that are read some at a time, as questdb.Rows can be.
type batches interface {
	Kinds() []questdb.Kind
	Read(b *questdb.Batch, n int) bool
	Err() error
	Close()
}

func newThinning(name string, rows batches, g grid) *thinning {
	t := &thinning{name: name, rows: rows, grid: g, column: -1}
	kinds := rows.Kinds()
	for i, kind := range kinds {
		if kind == questdb.Float || kind == questdb.Int {
			t.series = append(t.series, i)
		}
	}
	t.marks = make([]marks, len(t.series))
	for _, b := range []**questdb.Batch{&t.batch, &t.held, &t.spare, &t.ready} {
		*b = new(questdb.Batch)
		(*b).Reset(kinds)
	}
	return t
}

func (t *thinning) fill(b *questdb.Batch, n int) (bool, error) {
	for {
		for ; t.given < t.ready.N && b.N < n; t.given++ {
			b.Copy(t.ready, t.given)
		}
		if b.N == n {
			return true, nil
		}
		t.ready.Reset(t.rows.Kinds())
		t.given = 0
		t.batch.Reset(t.rows.Kinds())
		more := t.rows.Read(t.batch, max(64, textCells/len(t.batch.Columns)))
		if err := t.rows.Err(); err != nil {
			return false, fmt.Errorf("read %s: %w", t.name, err)
		}
		t.look()
		if !more {
			t.keep()
			t.column = -1
			if t.ready.N == 0 {
				return false, nil
			}
		}
	}
}

func (t *thinning) close() { t.rows.Close() }

// look goes through a batch.
func (t *thinning) look() {
	times := t.batch.Columns[0].Ints
	for from := 0; from < t.batch.N; {
		column := t.grid.column(times[from])
		if column != t.column {
			t.keep()
			t.column = column
			for i := range t.marks {
				t.marks[i] = marks{first: from, low: from, high: from, last: from}
			}
		}
		end := t.grid.start + (column+1)*t.grid.step
		to := from + 1
		for to < t.batch.N && times[to] < end {
			to++
		}
		for i := range t.series {
			t.mark(i, from, to)
		}
		from = to
	}
	t.total += int64(t.batch.N)
	t.hold()
}

// mark looks at the values of a series in some rows of the pixel column at hand.
func (t *thinning) mark(i, from, to int) {
	m, v := &t.marks[i], &t.batch.Columns[t.series[i]]
	for row := from; row < to; row++ {
		if v.Null(row) {
			continue
		}
		var x float64
		if v.Kind == questdb.Float {
			x = v.Floats[row]
		} else {
			x = float64(v.Ints[row])
		}
		if !m.any {
			*m = marks{row, row, row, row, x, x, true}
			continue
		}
		if x < m.lowest {
			m.low, m.lowest = row, x
		}
		if x > m.highest {
			m.high, m.highest = row, x
		}
		m.last = row
	}
}

// marked are the rows that are to be kept, by time, each once.
func (t *thinning) marked() []int {
	t.refs = t.refs[:0]
	for _, m := range t.marks {
		t.refs = append(t.refs, m.first, m.low, m.high, m.last)
	}
	slices.SortFunc(t.refs, func(a, b int) int {
		if a < 0 && b < 0 {
			return b - a // complements
		}
		return a - b
	})
	t.refs = slices.Compact(t.refs)
	return t.refs
}

// keep takes over the rows of the pixel column at hand, which is complete.
func (t *thinning) keep() {
	if t.column < 0 {
		return
	}
	for _, ref := range t.marked() {
		t.copyTo(t.ready, ref)
	}
	t.held.Reset(t.rows.Kinds())
}

// hold copies what may be kept out of a batch that is about to be filled anew.
func (t *thinning) hold() {
	if t.column < 0 {
		return
	}
	t.spare.Reset(t.rows.Kinds())
	now := map[int]int{}
	for i, ref := range t.marked() {
		t.copyTo(t.spare, ref)
		now[ref] = ^i
	}
	for i := range t.marks {
		m := &t.marks[i]
		m.first, m.low, m.high, m.last = now[m.first], now[m.low], now[m.high], now[m.last]
	}
	t.held, t.spare = t.spare, t.held
}

func (t *thinning) copyTo(b *questdb.Batch, ref int) {
	if ref < 0 {
		b.Copy(t.held, ^ref)
	} else {
		b.Copy(t.batch, ref)
	}
}

// pixelShape is what differs between the routes that thin out.
type pixelShape struct {
	arrays bool
	head   func(b []byte) []byte // JSON: members before the measurement
	tail   func(b []byte) []byte // JSON: members at the end
}

// listPixels answers rows thinned out for a chart.
func (s *Server) listPixels(c echo.Context, r *seriesRows, at rowRange, columns []seriesColumn, pixels int64, format spec.Format, shape pixelShape) error {
	clock := s.streamClock(c)
	defer clock.cancel()
	if format == spec.Parquet {
		return spec.InvalidParameter("format", "parquet does not go with points or width")
	}
	bounds, err := r.db.Bounds(clock, r.selection(at))
	if err != nil {
		return fmt.Errorf("find the bounds of %s: %w", r.table.Name, err)
	}
	first, last := bounds.First, bounds.Last
	if !at.from.IsZero() {
		first = at.from
	}
	if !at.to.IsZero() {
		last = at.to
	}
	g := gridOf(max(0, first.UnixMicro()), max(0, last.UnixMicro(), first.UnixMicro()), pixels)
	at.limit = -1
	source, err := r.scan(clock, columns, at)
	if err != nil {
		return err
	}
	thin := newThinning(r.table.Name, source.rows, g)
	return s.writeRows(c, clock, &rowAnswer{
		fields: fieldsOf(columns), source: thin, format: format, file: r.table.Name, key: "rows", arrays: shape.arrays,
		head: func(b []byte) []byte {
			b = member(shape.head(b), "measurement", r.table.Name)
			b = number(b, "pixel_columns", pixels)
			b = number(b, "pixel_start_us", g.start)
			return number(b, "pixel_width_us", g.step)
		},
		end: func(count int64) (rowEnd, error) {
			e := rowEnd{total: thin.total}
			e.tail = func(b []byte) []byte { return shape.tail(at.tail(b, count, e)) }
			return e, nil
		},
	})
}

// number appends "name":n, with a comma behind it.
func number(b []byte, name string, n int64) []byte {
	b = appendJSONText(b, []byte(name))
	b = append(b, ':')
	b = strconv.AppendInt(b, n, 10)
	return append(b, ',')
}

// nothing appends nothing.
func nothing(b []byte) []byte { return b }
