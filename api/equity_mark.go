package api

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"foldbook/api/spec"
	"foldbook/internal/rowstream"
	"foldbook/internal/series"
	"foldbook/questdb"
)

// markedFields are the columns of a curve that values open trades at the end of each bar or day.
var markedFields = []rowstream.Field{
	{Name: "timestamp_ms", Kind: questdb.Time, Millis: true},
	{Name: "cumulative_return_pct", Kind: questdb.Float},
	{Name: "drawdown_pct", Kind: questdb.Float},
	{Name: "closed_return_pct", Kind: questdb.Float},
	{Name: "closed_drawdown_pct", Kind: questdb.Float},
	{Name: "open_trades", Kind: questdb.Int},
}

// markedCurve values trades at the close of bars.
type markedCurve struct {
	rowstream.Rows       // the bars: time and close
	length         int64 // of a bar, in microseconds
	closed, marked gains
	entries, exits []earning
	open           []earning
	at             int64
	close          float64
}

// Next moves to the end of the next bar.
func (m *markedCurve) Next() bool {
	if !m.Rows.Next() {
		m.settle(math.MaxInt64)
		return false
	}
	m.at, _ = m.Rows.Int(0)
	if x, ok := m.Rows.Float(1); ok {
		m.close = x
	}
	m.settle(m.at + m.length)
	value := m.closed
	for i := range m.open {
		if x := m.open[i].worth(m.close); x == finite(x) {
			value.sum = value.plus(x)
		}
	}
	m.marked.see(value.sum, m.at)
	return true
}

// settle opens and closes trades up to a time.
func (m *markedCurve) settle(end int64) {
	for ; len(m.entries) > 0 && m.entries[0].entry < end; m.entries = m.entries[1:] {
		m.open = append(m.open, m.entries[0])
	}
	for ; len(m.exits) > 0 && m.exits[0].counts() <= end; m.exits = m.exits[1:] {
		if m.exits[0].isClosed() {
			m.closed.add(m.exits[0].percent, m.exits[0].counts())
		}
	}
	m.open = slices.DeleteFunc(m.open, func(t earning) bool { return t.isClosed() && t.counts() <= end })
}

// isClosed tells that the trade has a result or an end.
func (t *earning) isClosed() bool { return t.exit > 0 || t.percent == t.percent }

// worth is the return of an open trade at a price, in percent and before fees.
func (t *earning) worth(price float64) float64 {
	if t.side == "short" {
		return 100 * (t.price - price) / t.price
	}
	return 100 * (price - t.price) / t.price
}

// Int is when the bar began, or how many trades are open at its end.
func (m *markedCurve) Int(i int) (int64, bool) {
	if i == 0 {
		return m.at, true
	}
	return int64(len(m.open)), true
}

// Float is the sum with open trades or that of closed ones, or its distance from its highest.
func (m *markedCurve) Float(i int) (float64, bool) {
	return [...]float64{1: m.marked.sum, 2: m.marked.fall, 3: m.closed.sum, 4: m.closed.fall}[i], true
}

// sendMarked answers the curve that values open trades.
func (s *Server) sendMarked(c echo.Context, clock *streamClock, e *equity) error {
	start := gains{compounding: isTrue(e.Compounding)}
	if len(e.trades) == 0 {
		return e.send(s, c, clock, markedFields, &closedCurve{}, 0, &start, &start)
	}
	bars, err := s.openDataset(clock, e.row.DatasetID, true)
	if err != nil {
		return err
	}
	price, ok := bars.Table.Column("close")
	if !ok || questdb.KindOf(price.Type) != questdb.Float {
		return spec.InvalidParameter("basis", "mark needs bars with a column close of real numbers")
	}
	m := &markedCurve{closed: start, marked: start, entries: e.trades, exits: byExit(slices.Clone(e.trades)), length: bars.Step.Microseconds()}
	if m.length == 0 {
		step, err := s.QuestDB.MedianStep(clock, bars.Selection(series.Range{}), stepRows)
		if err != nil {
			return fmt.Errorf("find the length of the bars of %s: %w", bars.Table.Name, err)
		}
		m.length = step.Microseconds()
	}
	if m.Rows, err = m.read(clock, bars, price.Name, e); err != nil {
		return fmt.Errorf("read the bars of %s: %w", bars.Table.Name, err)
	}
	return e.send(s, c, clock, markedFields, m, 0, &m.closed, &m.marked)
}

// read begins to read the bars or days from the first entry to the last exit or, with a trade that is open, to the end.
func (m *markedCurve) read(clock *streamClock, bars *series.Series, price string, e *equity) (rowstream.Rows, error) {
	const day = 86_400_000_000
	first, last := m.entries[0].entry-m.length+1, int64(0)
	daily := orElse(e.Every, spec.Bar) == spec.Day
	if daily {
		first, m.length = m.entries[0].entry/day*day, day
	}
	span := series.Range{From: time.UnixMicro(first)}
	for i := range m.exits {
		last = max(last, m.exits[i].counts()-1)
	}
	if !slices.ContainsFunc(m.exits, func(t earning) bool { return !t.isClosed() }) {
		span.To = time.UnixMicro(max(first, last))
	}
	selection := bars.Selection(span)
	if e.pixels > 0 {
		bounds, err := bars.Client.Bounds(clock, selection)
		if err != nil {
			return nil, err
		}
		e.span = [2]int64{max(0, bounds.First.UnixMicro()) / m.length * m.length, max(0, bounds.Last.UnixMicro())}
	}
	if daily {
		return bars.Client.Candles(clock, questdb.Candles{Selection: selection, Close: price, Step: 86400, Limit: -1})
	}
	return bars.Client.Scan(clock, questdb.Scan{Selection: selection, Columns: []string{bars.Table.Designated, price}, Limit: -1})
}
