package questdb

import (
	"context"
	"math"
	"slices"
	"strconv"
	"time"
)

// Candles says how bars are aggregated. Columns that are not wanted, or that the table lacks, are empty.
type Candles struct {
	Selection
	Open, High, Low, Close, Volume string
	Count                          int64 // how many units long
	Unit                           Unit
	Desc                           bool
	Offset                         int64
	Limit                          int64 // at most so many candles; below 0: all
}

// Unit is a unit of time. Units shorter than a day begin at midnight, weeks on Monday, all in UTC.
type Unit byte

// The units.
const (
	Second Unit = 's'
	Minute Unit = 'm'
	Hour   Unit = 'h'
	Day    Unit = 'd'
	Week   Unit = 'w'
	Month  Unit = 'M'
)

var units = map[Unit]constant{Second: "s ", Minute: "m ", Hour: "h ", Day: "d ", Week: "w ", Month: "M "}

// Candles reads candles by time: when each begins, and those of first Open, highest High, lowest Low, last Close and sum of
// Volume that are wanted, under these columns' names. Times without a bar have none. Errors as Scan.
func (c *Client) Candles(ctx context.Context, k Candles) (*Rows, error) {
	st := new(statement)
	st.stream = k.Limit < 0 || k.Limit > longRead
	st.add("select ").column(k.Table, k.Table.Designated)
	k.cells(st)
	st.add(" from ").table(k.Table).where(k.Selection)
	k.sampleBy(st)
	st.add(" order by ").column(k.Table, k.Table.Designated)
	if k.Desc {
		st.add(" desc")
	}
	end := int64(math.MaxInt64)
	if k.Limit >= 0 {
		end = k.Offset + min(k.Limit, math.MaxInt64-k.Offset)
	}
	st.add(" limit ").value(k.Offset).add(", ").value(end)
	return c.query(ctx, st)
}

func (k Candles) cells(st *statement) {
	for _, cell := range []struct {
		call   constant
		column string
	}{{"first_not_null(", k.Open}, {"max(", k.High}, {"min(", k.Low}, {"last_not_null(", k.Close}, {"sum(", k.Volume}} {
		if cell.column != "" {
			st.add(", ").add(cell.call).column(k.Table, cell.column).add(") ").name(cell.column)
		}
	}
}

func (k Candles) sampleBy(st *statement) {
	// QuestDB accepts only a literal number and unit here, no parameters.
	st.add(" sample by ").add(constant(strconv.FormatInt(k.Count, 10)))
	st.add(units[k.Unit]).add("align to calendar")
}

// CountCandles counts the candles. Errors as Scan.
func (c *Client) CountCandles(ctx context.Context, k Candles) (int64, error) {
	st := new(statement).add("select count() n from (select ").column(k.Table, k.Table.Designated).add(", count() n from ").table(k.Table).where(k.Selection)
	k.sampleBy(st)
	return c.number(ctx, st.add(")"))
}

// Summary describes the values of a column.
type Summary struct {
	Count, Nulls int64 // values that count, rows without any value
	Min, Max     float64
	Mean, Stddev float64 // Stddev: of a sample
	HasSpread    bool    // there are two values, so there is a Stddev
}

// Between is the values of a column from Low to High, both included; an infinite bound is none.
type Between struct {
	Selection
	Column    string
	Low, High float64
}

// value writes the column as a number, or as NULL where it is not between the bounds.
func (b Between) value(st *statement) *statement {
	if math.IsInf(b.Low, -1) && math.IsInf(b.High, 1) {
		return st.column(b.Table, b.Column).add("::double")
	}
	return st.add("case when ").column(b.Table, b.Column).add(" >= ").value(max(b.Low, -math.MaxFloat64)).
		add(" and ").column(b.Table, b.Column).add(" <= ").value(min(b.High, math.MaxFloat64)).
		add(" then ").column(b.Table, b.Column).add("::double else null end")
}

// Summary reads one. Errors as Scan.
func (c *Client) Summary(ctx context.Context, b Between) (s Summary, err error) {
	st := b.value(new(statement).add("select count() n, count(v) m, min(v) lo, max(v) hi, avg(v) mean, stddev_samp(v) dev, count(c) all_of from (select "))
	st.add(" v, ").column(b.Table, b.Column).add(" c from ").table(b.Table).where(b.Selection).add(")")
	rows, err := c.query(ctx, st)
	err = each(rows, err, func(r *Rows) {
		total, _ := r.Int(0)
		s.Count, _ = r.Int(1)
		s.Min, _ = r.Float(2)
		s.Max, _ = r.Float(3)
		s.Mean, _ = r.Float(4)
		s.Stddev, s.HasSpread = r.Float(5)
		all, _ := r.Int(6)
		s.Nulls = total - all
	})
	return s, err
}

// Bins counts values in n equally wide bins between the bounds, which have to be finite; the last one includes its end.
// Errors as Scan.
func (c *Client) Bins(ctx context.Context, b Between, n int) ([]int64, error) {
	width := b.High/float64(n) - b.Low/float64(n)
	st := new(statement)
	st.add("select bin, count() n from (select floor((").column(b.Table, b.Column).add(" - ").value(b.Low).
		add(") / ").value(width).add(")::long bin from ").table(b.Table).where(b.Selection, func() {
		st.column(b.Table, b.Column).add(" >= ").value(b.Low).add(" and ").column(b.Table, b.Column).add(" <= ").value(b.High)
	}).add(")")
	counts := make([]int64, n)
	rows, err := c.query(ctx, st)
	err = each(rows, err, func(r *Rows) {
		bin, _ := r.Int(0)
		count, _ := r.Int(1)
		counts[min(max(bin, 0), int64(n-1))] += count
	})
	return counts, err
}

// MedianStep is the median distance of the first rows of a selection, 0 when there are fewer than two. Errors as Scan.
func (c *Client) MedianStep(ctx context.Context, sel Selection, rows int64) (time.Duration, error) {
	found, err := c.Scan(ctx, Scan{Selection: sel, Columns: []string{sel.Table.Designated}, Limit: rows})
	var times []int64
	err = each(found, err, func(r *Rows) {
		at, _ := r.Int(0)
		times = append(times, at)
	})
	return medianStep(times), err
}

func medianStep(times []int64) time.Duration {
	steps := make([]int64, 0, len(times))
	for i := 1; i < len(times); i++ {
		steps = append(steps, times[i]-times[i-1])
	}
	if len(steps) == 0 {
		return 0
	}
	slices.Sort(steps)
	return time.Duration(steps[len(steps)/2]) * time.Microsecond
}
