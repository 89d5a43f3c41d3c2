package questdb

import (
	"context"
	"slices"
)

// Extremes is the search for what of a selection a chart shows: the time is cut into buckets of Step microseconds, the
// first of which begins at Start, no later than the first row.
type Extremes struct {
	Selection
	Series      []string // names of columns of numbers, at least one
	Start, Step int64    // microseconds
}

// MostTimes is how many times a selection can have. As longTime, it keeps a query within the 32 KB that a URL can have.
const (
	MostTimes = 150
	longTime  = 32
)

// Extremes finds the times, in order, of rows that have the first, lowest, highest and last value of a series in a bucket;
// other rows may have the same times. It is for many rows in each bucket: QuestDB needs some 40 ms for a million rows of one
// series and 10 ms for each further one, half of what it takes to send them. ok is false, and nothing was found, when a series
// has a NULL, so that its first value need not be in the first row of a bucket, or when the table keeps time in nanoseconds or
// under a long name.
// Errors as Scan.
func (c *Client) Extremes(ctx context.Context, e Extremes) (times []int64, ok bool, err error) {
	designated, _ := e.Table.Column(e.Table.Designated)
	if designated.Type != "TIMESTAMP" || len(designated.Name) > longTime || len(e.Series) == 0 {
		return nil, false, nil
	}
	nulls := new(statement).add("select count() n from ").table(e.Table)
	nulls.stream = true // long, as what follows
	nulls.whereAnd(e.Selection, func() {
		nulls.add("(")
		for i, name := range e.Series {
			if i > 0 {
				nulls.add(" or ")
			}
			nulls.column(e.Table, name).add(" is null")
		}
		nulls.add(")")
	})
	if n, err := c.number(ctx, nulls); err != nil || n > 0 {
		return nil, false, err
	}
	st := new(statement).add("select (").column(e.Table, designated.Name).add("::long - ").int(e.Start).add(") / ").int(e.Step).add(" bucket, min(").
		column(e.Table, designated.Name).add(") t0, max(").column(e.Table, designated.Name).add(") t1")
	for _, name := range e.Series {
		for _, call := range []constant{", arg_min(", ", arg_max("} {
			st.add(call).column(e.Table, designated.Name).add(", ").column(e.Table, name).add(")")
		}
	}
	st.stream = true
	rows, err := c.query(ctx, st.add(" from ").table(e.Table).where(e.Selection))
	err = each(rows, err, func(r *Rows) {
		for i := 1; i < len(r.Fields); i++ {
			if t, ok := r.Int(i); ok {
				times = append(times, t)
			}
		}
	})
	slices.Sort(times)
	return slices.Compact(times), err == nil, err
}
