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
	Step                           int64 // seconds that each is long, counted from 1970
	Desc                           bool
	Limit                          int64 // at most so many candles; below 0: all
}

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
	if k.Limit >= 0 {
		st.add(" limit ").value(k.Limit)
	}
	return c.query(ctx, st)
}

// columnsOfCount is how many columns are counted at a time: QuestDB compiles each statement to a method of limited size.
const columnsOfCount = 200

// Filled returns which of the columns have a value in some row of a selection. Errors as Scan.
func (c *Client) Filled(ctx context.Context, sel Selection, columns []string) (filled []string, err error) {
	for part := range slices.Chunk(columns, columnsOfCount) {
		st := new(statement).add("select ")
		for i, name := range part {
			if i > 0 {
				st.add(", ")
			}
			st.add("count(").column(sel.Table, name).add(") ").name("n" + strconv.Itoa(i))
		}
		rows, err := c.query(ctx, st.add(" from ").table(sel.Table).where(sel))
		err = each(rows, err, func(r *Rows) {
			for i, name := range part {
				if n, _ := r.Int(i); n > 0 {
					filled = append(filled, name)
				}
			}
		})
		if err != nil {
			return nil, err
		}
	}
	return filled, nil
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
	st.add(" sample by ").add(constant(strconv.FormatInt(k.Step, 10))).add("s align to calendar")
}

// CountCandles counts the candles. Errors as Scan.
func (c *Client) CountCandles(ctx context.Context, k Candles) (int64, error) {
	st := new(statement).add("select count() n from (select ").column(k.Table, k.Table.Designated).add(", count() n from ")
	st = st.table(k.Table).where(k.Selection)
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

func (b Between) isDouble() bool {
	c, _ := b.Table.Column(b.Column)
	return c.Type == "DOUBLE"
}

// value writes the column as a number, or as NULL where it is not between the bounds.
func (b Between) value(st *statement) *statement {
	if math.IsInf(b.Low, -1) && math.IsInf(b.High, 1) {
		if st.column(b.Table, b.Column); b.isDouble() {
			return st
		}
		return st.add("::double")
	}
	return st.add("case when ").column(b.Table, b.Column).add(" >= ").value(max(b.Low, -math.MaxFloat64)).
		add(" and ").column(b.Table, b.Column).add(" <= ").value(min(b.High, math.MaxFloat64)).
		add(" then ").column(b.Table, b.Column).add("::double else null end")
}

// summarized is how many columns one statement summarizes.
const summarized = 50

// Summaries reads one for each column of a selection, in one scan of its rows. Errors as Scan.
func (c *Client) Summaries(ctx context.Context, list []Between) (all []Summary, err error) {
	for part := range slices.Chunk(list, summarized) {
		rows, err := c.query(ctx, summary(part))
		err = each(rows, err, func(r *Rows) {
			total, _ := r.Int(0)
			for i := range part {
				at := 1 + 6*i
				var s Summary
				s.Count, _ = r.Int(at)
				s.Min, _ = r.Float(at + 1)
				s.Max, _ = r.Float(at + 2)
				s.Mean, _ = r.Float(at + 3)
				s.Stddev, s.HasSpread = r.Float(at + 4)
				there, _ := r.Int(at + 5)
				s.Nulls = total - there
				all = append(all, s)
			}
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// summary writes each value out in each function: QuestDB computes those of a subquery on one core, and several times as long.
func summary(list []Between) *statement {
	st := new(statement).add("select count() n")
	for i, b := range list {
		n := constant(strconv.Itoa(i))
		for _, call := range []constant{"count(", "min(", "max(", "avg(", "stddev_samp("} {
			b.value(st.add(", ").add(call)).add(") " + call[:2] + n)
		}
		st.add(", count(").column(b.Table, b.Column).add(") there" + n)
	}
	return st.add(" from ").table(list[0].Table).where(list[0].Selection)
}

// binned is how many columns one statement counts in bins: QuestDB takes half as long for ten at a time as for one after the other.
const binned = 10

// Bins counts the values of each column in n equally wide bins between its bounds, which have to be finite; the last one includes its
// end. Errors as Scan.
func (c *Client) Bins(ctx context.Context, list []Between, n int) (all [][]int64, err error) {
	for part := range slices.Chunk(list, binned) {
		counts := make([][]int64, len(part))
		for i := range counts {
			counts[i] = make([]int64, n)
		}
		rows, err := c.query(ctx, binsOf(part, n))
		err = each(rows, err, func(r *Rows) {
			i, _ := r.Int(0)
			bin, _ := r.Int(1)
			count, _ := r.Int(2)
			counts[i][min(max(bin, 0), int64(n-1))] += count
		})
		if err != nil {
			return nil, err
		}
		all = append(all, counts...)
	}
	return all, nil
}

func binsOf(list []Between, n int) *statement {
	st := new(statement)
	for i, b := range list {
		if i > 0 {
			st.add(" union all ")
		}
		width := b.High/float64(n) - b.Low/float64(n)
		st.add("select ").add(constant(strconv.Itoa(i))).add(" i, bin, n from (select floor((").column(b.Table, b.Column).add(" - ").value(b.Low).
			add(") / ").value(width).add(")::long bin, count() n from ").table(b.Table).where(b.Selection, func() {
			st.column(b.Table, b.Column).add(" >= ").value(b.Low).add(" and ").column(b.Table, b.Column).add(" <= ").value(b.High)
		}).add(" group by bin)")
	}
	return st
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
