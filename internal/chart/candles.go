package chart

import (
	"time"

	"foldbook/internal/rowstream"
	"foldbook/questdb"
)

// Span is what is known of the bars of a series: when the first and the last begin, and how long each is.
type Span struct {
	First, Last time.Time
	Step        time.Duration
}

// Cut is which candles are made of which bars: those from From to before To; zero is no bound.
type Cut struct {
	Calendar *Calendar
	Bars     Span
	From, To time.Time
	Left     int // partial candles of the range that are left out
}

// Whole narrows the range to candles that begin in it and end before the bars do.
func (c *Cut) Whole() {
	k, from, to := c.Calendar, c.From, c.To
	within := func(begin time.Time) bool { return !begin.Before(from) && (to.IsZero() || begin.Before(to)) }
	first, last := k.Begin(c.Bars.First), k.Begin(c.Bars.Last)
	low, high := first, k.End(last)
	if !c.Bars.First.Before(first.Add(c.Bars.Step)) && c.Bars.First.After(first) {
		low = k.End(first)
		c.count(within(first))
	}
	if c.Bars.Last.Add(c.Bars.Step).Before(high) {
		high = last
		c.count(within(last) && (last.After(first) || low.Equal(first)))
	}
	if begin := k.Begin(from); !from.IsZero() && begin.Before(from) {
		from = k.End(from)
	}
	if c.From = low; from.After(low) {
		c.From = from
	}
	if !to.IsZero() {
		to = k.End(to.Add(-time.Microsecond))
	}
	if c.To = high; !to.IsZero() && to.Before(high) {
		c.To = to
	}
}

func (c *Cut) count(left bool) {
	if left {
		c.Left++
	}
}

// IsPartial tells that the range or the bars begin or end within a candle.
func (c *Cut) IsPartial(begin, end time.Time) bool {
	last := end.Add(-c.Bars.Step) // when its last bar begins
	return begin.Before(c.From) || c.Bars.First.After(begin) && !c.Bars.First.Before(begin.Add(c.Bars.Step)) ||
		c.Bars.Last.Before(last) || !c.To.IsZero() && !last.Before(c.To) && end.After(c.To)
}

// Candles are made of samples, which are read by time.
type Candles struct {
	rowstream.Rows                   // the samples: a time, and a cell for each role
	Fields         []rowstream.Field // of the samples
	Roles          []string          // open, high, low, close, volume
	Cut            Cut
	Desc           bool
	Skip, Limit    int64     // candles to leave out, and most to give, below 0: all
	More           bool      // there is one behind the last
	Last           time.Time // when the last one begins

	begun, there bool // the samples are read; one is at hand
	begin, end   time.Time
	cells        []cell
	given        int64
}

// Next makes the next candle.
func (c *Candles) Next() bool {
	if !c.begun {
		c.begun, c.there, c.cells = true, c.Rows.Next(), make([]cell, len(c.Roles))
	}
	for ; c.Skip > 0 && c.build(); c.Skip-- {
	}
	if c.given == c.Limit {
		c.More = c.there
		c.Close() // its place is needed to count the candles
		return false
	}
	if !c.build() {
		return false
	}
	c.given++
	c.Last = c.begin
	return true
}

// build makes a candle of the samples at hand and behind.
func (c *Candles) build() bool {
	if !c.there {
		return false
	}
	at := c.time()
	c.begin, c.end = c.Cut.Calendar.Begin(at), c.Cut.Calendar.End(at)
	clear(c.cells)
	for c.there && !c.time().Before(c.begin) && c.time().Before(c.end) {
		for i := range c.Roles {
			c.join(i, c.cell(i+1))
		}
		c.there = c.Rows.Next()
	}
	return c.Err() == nil
}

func (c *Candles) time() time.Time {
	micros, _ := c.Rows.Int(0)
	return time.UnixMicro(micros).UTC()
}

// cell is one of the sample at hand.
func (c *Candles) cell(i int) (v cell) {
	if c.Fields[i].Kind == questdb.Float {
		v.x, v.ok = c.Rows.Float(i)
	} else {
		v.n, v.ok = c.Rows.Int(i)
	}
	return v
}

// join adds a cell of a sample to that of the candle; a number is in n or in x, and the other is 0.
func (c *Candles) join(i int, v cell) {
	have := &c.cells[i]
	switch role := c.Roles[i]; {
	case !v.ok:
	case !have.ok:
		*have = v
	case role == "open":
		if c.Desc {
			*have = v
		}
	case role == "close":
		if !c.Desc {
			*have = v
		}
	case role == "high":
		have.x, have.n = max(have.x, v.x), max(have.n, v.n)
	case role == "low":
		have.x, have.n = min(have.x, v.x), min(have.n, v.n)
	default:
		have.x, have.n = have.x+v.x, have.n+v.n
	}
}

// Int is when the candle begins, a price or volume of whole numbers, or whether it is partial.
func (c *Candles) Int(i int) (int64, bool) {
	switch {
	case i == 0:
		return c.begin.UnixMicro(), true
	case i <= len(c.Roles):
		return c.cells[i-1].n, c.cells[i-1].ok
	case c.Cut.IsPartial(c.begin, c.end):
		return 1, true
	}
	return 0, true
}

// Float is a price or the volume.
func (c *Candles) Float(i int) (float64, bool) { return c.cells[i-1].x, c.cells[i-1].ok }
