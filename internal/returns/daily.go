// Package returns makes the daily returns of simulations from their trades and the bars of their datasets, and keeps them.
package returns

import (
	"slices"

	"foldbook/internal/stats"
)

// The day and the bases of returns.
const (
	day      = 86_400_000_000 // in microseconds
	Mark     = "mark"
	Realised = "realised"
)

// Trade is what returns are made of. Times are in microseconds since 1970.
type Trade struct {
	Entered, Exited int64 // Exited is 0 for none
	Long            bool
	Price           float64 // at entry
	Percent         float64 // after fees; NaN for none
}

// ends is when the trade counts: at its exit, or at its entry when it has a return and no exit.
func (t *Trade) ends() int64 {
	if t.Exited > 0 {
		return t.Exited
	}
	return t.Entered
}

func (t *Trade) isClosed() bool { return t.Exited > 0 || t.Percent == t.Percent }

// worth is what an open trade has grown to at a price, before fees.
func (t *Trade) worth(price float64) float64 {
	if t.Price == 0 {
		return 1
	}
	if t.Long {
		return max(0, price/t.Price)
	}
	return max(0, 2-price/t.Price)
}

// Bar is the prices of a UTC day.
type Bar struct {
	Day         int32 // since 1970
	Open, Close float64
}

// Series is the returns of equal periods, UTC days.
type Series struct {
	Basis      string
	Why        string // why open trades are not valued; "" when they are
	Days       []int32
	Returns    []float64
	Exposure   float64
	Turnover   float64
	BuyAndHold *float64
}

// Window is a span of time in microseconds.
type Window struct{ From, To int64 }

// covering is the window, or without one the span of the trades; and always all of the trades.
func (w Window) covering(trades []Trade) Window {
	for i := range trades {
		if w.To == 0 {
			w = Window{trades[i].Entered, trades[i].ends()}
		}
		w.From, w.To = min(w.From, trades[i].Entered), max(w.To, trades[i].ends())
	}
	return w
}

// Of values trades, in the order of their entries, at the end of each UTC day of a window that has a bar: the whole equity is in each
// trade.
// Without bars, or where they do not reach from the first entry to the last exit, trades count on the day on which they end.
func Of(trades []Trade, bars []Bar, tested Window, why string) Series {
	w := tested.covering(trades)
	first, last := int32(w.From/day), int32(max(w.From, w.To-1)/day) //nolint:gosec // days of 1970 and later fit
	i, _ := slices.BinarySearchFunc(bars, first, func(b Bar, d int32) int { return int(b.Day) - int(d) })
	j, _ := slices.BinarySearchFunc(bars, last+1, func(b Bar, d int32) int { return int(b.Day) - int(d) })
	bars = bars[i:j]
	if why == "" {
		why = gap(trades, bars)
	}
	s := Series{Basis: Mark, Why: why, Days: []int32{}, Returns: []float64{}}
	if why != "" {
		s.Basis, bars = Realised, nil
		for d := first; d <= last && w.To > 0; d++ {
			bars = append(bars, Bar{Day: d})
		}
	} else if n := len(bars); n > 0 && bars[0].Open > 0 {
		s.BuyAndHold = new(bars[n-1].Close/bars[0].Open - 1)
	}
	s.value(trades, bars)
	if len(s.Days) > 0 {
		s.Exposure = exposed(trades, w)
		s.Turnover = changes(trades) / float64(len(s.Days))
	}
	return s
}

// gap tells why bars do not value trades.
func gap(trades []Trade, bars []Bar) string {
	if len(bars) == 0 {
		return string(stats.NoBars)
	}
	for i := range trades {
		last := max(trades[i].Entered, trades[i].ends()-1)
		if trades[i].Entered/day < int64(bars[0].Day) || last/day > int64(bars[len(bars)-1].Day) {
			return string(stats.BarsIncomplete)
		}
	}
	return ""
}

// value walks along the days.
func (s *Series) value(trades []Trade, bars []Bar) {
	entries, exits := slices.Clone(trades), slices.Clone(trades)
	slices.SortStableFunc(exits, func(a, b Trade) int { return int(max(-1, min(1, a.ends()-b.ends()))) })
	closed, before := 1.0, 1.0
	var open []Trade
	for _, b := range bars {
		end := (int64(b.Day) + 1) * day
		for ; len(entries) > 0 && entries[0].Entered < end; entries = entries[1:] {
			open = append(open, entries[0])
		}
		for ; len(exits) > 0 && exits[0].ends() <= end; exits = exits[1:] {
			if t := &exits[0]; t.isClosed() && t.Percent == t.Percent {
				closed *= max(0, 1+t.Percent/100)
			}
		}
		open = slices.DeleteFunc(open, func(t Trade) bool { return t.isClosed() && t.ends() <= end })
		now := closed
		for i := range open {
			if s.Basis == Mark {
				now *= open[i].worth(b.Close)
			}
		}
		r := 0.0
		if before > 0 {
			r = now/before - 1
		}
		s.Days, s.Returns, before = append(s.Days, b.Day), append(s.Returns, r), now
	}
}

// exposed is the share of a window in which a trade is open.
func exposed(trades []Trade, w Window) float64 {
	in, until := int64(0), w.From
	for i := range trades { // by entry
		end := trades[i].ends()
		if !trades[i].isClosed() {
			end = w.To
		}
		from := max(until, trades[i].Entered)
		in, until = in+max(0, end-from), max(until, end)
	}
	if w.To <= w.From {
		return 0
	}
	return float64(in) / float64(w.To-w.From)
}

// changes counts the changes of the position: two for a trade that has ended.
func changes(trades []Trade) (n float64) {
	for i := range trades {
		n++
		if trades[i].isClosed() {
			n++
		}
	}
	return n
}
