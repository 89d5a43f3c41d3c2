package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"foldbook/api/spec"
	"foldbook/db"
	"foldbook/internal/chart"
	"foldbook/internal/rowstream"
	"foldbook/internal/series"
	"foldbook/questdb"
)

// equityFields are the columns of an equity curve of closed trades.
var equityFields = []rowstream.Field{
	{Name: "timestamp_ms", Kind: questdb.Time, Millis: true},
	{Name: "exit_timestamp_ms", Kind: questdb.Time, Millis: true},
	{Name: "side", Kind: questdb.Text},
	{Name: "return_pct", Kind: questdb.Float},
	{Name: "cumulative_return_pct", Kind: questdb.Float},
	{Name: "drawdown_pct", Kind: questdb.Float},
}

// maxTrades bounds the memory of a curve: 48 bytes a trade.
const maxTrades = 1_000_000

// earning is the result of one trade.
type earning struct {
	entry, exit int64 // microseconds since 1970; exit is 0 for none
	side        string
	price       float64 // at entry
	percent     float64 // NaN: it has no return
}

// counts is when the return counts: at the exit, or at the entry when there is no exit.
func (t *earning) counts() int64 {
	if t.exit > 0 {
		return t.exit
	}
	return t.entry
}

// gains adds up returns in percent, and keeps the lowest distance from the highest sum.
type gains struct {
	compounding      bool
	sum, peak        float64
	fall, lowestFall float64
	lowest           int64 // when that was
}

func (g *gains) add(percent float64, at int64) {
	if percent == finite(percent) {
		g.see(g.plus(percent), at)
	} else { // a trade without a return
		g.see(g.sum, at)
	}
}

// plus is the sum and one more return.
func (g *gains) plus(percent float64) float64 {
	if g.compounding { // what is lost whole cannot be lost again
		return finite((1+g.sum/100)*max(0, 1+percent/100)*100 - 100)
	}
	return finite(g.sum + percent)
}

// see moves to a sum.
func (g *gains) see(sum float64, at int64) {
	g.sum = sum
	g.peak = max(g.peak, sum)
	if g.fall = finite(sum - g.peak); g.compounding {
		g.fall = 100 * ((1+sum/100)/(1+g.peak/100) - 1)
	}
	if g.fall < g.lowestFall {
		g.lowestFall, g.lowest = g.fall, at
	}
}

// appendFall appends the members of the lowest fall.
func (g *gains) appendFall(b []byte, name string) []byte {
	b = rowstream.AppendFloat(append(b, `,"`+name+`_pct":`...), g.lowestFall)
	b = append(b, `,"`+name+`_timestamp_ms":`...)
	if g.lowestFall < 0 {
		return strconv.AppendInt(b, rowstream.Millis(g.lowest), 10)
	}
	return append(b, "null"...)
}

// finite keeps a sum within the numbers of JSON, which NaN and the infinities are not.
func finite(x float64) float64 { return max(-math.MaxFloat64, min(x, math.MaxFloat64)) }

// closedCurve adds trades up one by one.
type closedCurve struct {
	gains
	trades []earning // in the order in which they count
	next   int
}

// Next adds the next trade.
func (e *closedCurve) Next() bool {
	if e.next == len(e.trades) {
		return false
	}
	t := &e.trades[e.next]
	e.next++
	e.add(t.percent, t.counts())
	return true
}

// Err returns nil, for the trades have been read.
func (e *closedCurve) Err() error { return nil }

// Close does nothing.
func (e *closedCurve) Close() {}

// Int is the time when the trade began or ended.
func (e *closedCurve) Int(i int) (int64, bool) {
	t := &e.trades[e.next-1]
	if i == 0 {
		return t.entry, true
	}
	return t.exit, t.exit > 0
}

// Text is the side of the trade.
func (e *closedCurve) Text(int) ([]byte, bool) {
	side := e.trades[e.next-1].side
	return []byte(side), side != ""
}

// Float is the return of the trade, the sum of returns so far, or its distance from the highest sum.
func (e *closedCurve) Float(i int) (float64, bool) {
	switch i {
	case 3:
		percent := e.trades[e.next-1].percent
		return percent, percent == finite(percent)
	case 4:
		return e.sum, true
	}
	return e.fall, true
}

// equity is a curve as it is asked for.
type equity struct {
	spec.GetEquityParams
	id     uuid.UUID
	row    db.GetSimulationSeriesRow
	format spec.Format
	layout rowstream.Layout
	pixels int64    // to downsample the curve for; 0: all rows
	span   [2]int64 // of the curve, in microseconds, if it is downsampled
	source spec.GetEquityParamsSource
	table  string // of a trace
	trades []earning
}

// GetEquity serves GET /api/simulations/:simulation_id/equity: {"simulation_id": …, "source": …, "rows": [{…}],
// "total_return_pct": …, …}.
func (s *Server) GetEquity(c echo.Context, simulationID string, params spec.GetEquityParams) error {
	e := equity{GetEquityParams: params}
	err := e.check(c)
	if err != nil {
		return err
	}
	if e.id, err = pathID("simulation_id", simulationID); err != nil {
		return err
	}
	clock := s.streamClock(c)
	defer clock.cancel()
	if e.row, err = s.DB.GetSimulationSeries(c.Request().Context(), e.id); err != nil {
		return notFound(err, "simulation", e.id)
	}
	if err := s.readTrades(clock, &e); err != nil {
		return err
	}
	if e.marked() {
		return s.sendMarked(c, clock, &e)
	}
	curve := &closedCurve{gains: gains{compounding: isTrue(e.Compounding)}, trades: e.trades}
	at, by := func(t *earning) int64 { return t.entry }, 0 // the time of a row, and its column
	if orElse(e.Order, spec.Exit) == spec.Exit {
		curve.trades = byExit(curve.trades)
		at, by = (*earning).counts, 1
	}
	if n := len(curve.trades); n > 0 {
		e.span = [2]int64{at(&curve.trades[0]), at(&curve.trades[n-1])}
	}
	return e.send(s, c, clock, equityFields, curve, by, &curve.gains, nil)
}

func byExit(trades []earning) []earning {
	slices.SortStableFunc(trades, func(a, b earning) int { return int(max(-1, min(1, a.counts()-b.counts()))) })
	return trades
}

// send answers a curve, whose rows are in the order of the times in the column by. closed are its gains of closed
// trades, and marked those with open ones, if it has them.
func (e *equity) send(
	s *Server, c echo.Context, clock *streamClock, fields []rowstream.Field, rows rowstream.Rows, by int, closed, marked *gains,
) error {
	answer := &rowstream.Answer{Fields: fields, Rows: rows, Format: e.format, File: "equity_" + e.id.String(), Layout: e.layout, Head: e.head}
	total := func(count int64) int64 { return count }
	if e.pixels > 0 {
		grid := chart.NewGrid(e.span[0], e.span[1], e.pixels)
		points := chart.NewM4(rows, fields, grid)
		points.By = by
		answer.Rows, total = points, func(int64) int64 { return points.Total() }
		answer.Head = func(b []byte) []byte { return appendGrid(e.head(b), e.pixels, grid) }
	}
	answer.End = func(count int64) (rowstream.End, error) {
		return rowstream.End{Total: total(count), Tail: func(b []byte) []byte { return e.tail(b, closed, marked) }}, nil
	}
	return s.send(c, clock, answer)
}

func (e *equity) marked() bool { return orElse(e.Basis, spec.Closed) == spec.Mark }

// check checks the parameters.
func (e *equity) check(c echo.Context) (err error) {
	e.format, err = rowstream.FormatOf(e.Format, c.Request(), spec.JSON)
	if err == nil {
		e.layout, err = rowstream.LayoutOf(e.Shape, e.format, objectRows)
	}
	if err == nil {
		e.pixels, err = pixelsOf(e.Points, e.Width, rowRange{})
	}
	e.source = orElse(e.Source, spec.GetEquityParamsSourceTrades)
	switch {
	case err != nil:
		return err
	case e.format == spec.Parquet:
		return spec.InvalidParameter("format", "parquet is not available for computed rows")
	case !e.source.Valid():
		return spec.InvalidParameter("source", "is not trades or trace")
	case e.Order != nil && !e.Order.Valid():
		return spec.InvalidParameter("order", "is not exit or entry")
	case e.Basis != nil && !e.Basis.Valid():
		return spec.InvalidParameter("basis", "is not closed or mark")
	case e.Every != nil && (!e.Every.Valid() || !e.marked()):
		return spec.InvalidParameter("every", "is not bar or day, or there is no basis=mark")
	case e.marked() && (e.source == spec.GetEquityParamsSourceTrace || e.Order != nil):
		return spec.InvalidParameter("basis", "mark cannot be combined with source=trace or with order: it goes by the bars")
	}
	return nil
}

// readTrades reads the stored trades or, when there are none and they are not asked for, those of the trace.
func (s *Server) readTrades(clock *streamClock, e *equity) error {
	if e.source == spec.GetEquityParamsSourceTrades {
		rows, err := s.DB.ListTradeReturns(clock, db.ListTradeReturnsParams{SimulationID: e.id, PageSize: maxTrades + 1})
		if err != nil {
			return fmt.Errorf("list the trades of simulation %s: %w", e.id, err)
		}
		e.trades = make([]earning, len(rows))
		for i, t := range rows {
			e.trades[i] = earning{t.Entered, t.Exited, "short", t.EntryPrice, t.Percent}
			if t.IsLong {
				e.trades[i].side = "long"
			}
		}
		if len(rows) > 0 || e.Source != nil || s.QuestDB == nil {
			return e.bound()
		}
	}
	found, err := s.open(clock, series.Trace, e.row.QuestDBNamespace, nil, e.id.String(), e.row.SimulationName)
	if problem := new(spec.Problem); e.Source == nil && errors.As(err, &problem) && problem.Code == spec.ErrorCodeMeasurementNotFound {
		return nil // there are no trades at all
	} else if err != nil {
		return err
	}
	trades, err := traced(clock, found)
	if len(trades) > 0 || e.Source != nil {
		e.source, e.table, e.trades = spec.GetEquityParamsSourceTrace, found.Table.Name, trades
	}
	if err == nil && e.marked() && len(trades) > 0 {
		err = spec.InvalidParameter("basis", "mark needs stored trades, and this simulation has a trace only")
	}
	if err != nil {
		return err
	}
	return e.bound()
}

func (e *equity) bound() error {
	if len(e.trades) > maxTrades {
		return spec.InvalidParameter("simulation_id", fmt.Sprintf("names a simulation with more than %d trades", maxTrades))
	}
	return nil
}

// traced reads the trades of a trace.
func traced(ctx context.Context, r *series.Series) ([]earning, error) {
	percent, ok := r.Table.First("return_pct")
	if !ok || !series.IsNumeric(questdb.KindOf(percent.Type)) {
		return nil, spec.InvalidParameter("source", "trace needs a table with a number return_pct")
	}
	columns := []series.Column{r.TimeColumn(), {Source: percent.Name}}
	exit, side := -1, -1
	if c, ok := r.Table.First("exit_timestamp_unix"); ok && questdb.KindOf(c.Type) == questdb.Int {
		exit = len(columns)
		columns = append(columns, series.Column{Source: c.Name})
	}
	if c, ok := r.Table.First("side_label", "side"); ok && questdb.KindOf(c.Type) == questdb.Text {
		side = len(columns)
		columns = append(columns, series.Column{Source: c.Name})
	}
	rows, err := r.Scan(ctx, columns, series.Range{Limit: maxTrades + 1})
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var trades []earning
	for rows.Next() {
		trade := earning{percent: math.NaN()}
		trade.entry, _ = rows.Int(0)
		if x, ok := rows.Float(1); ok {
			trade.percent = x
		}
		if exit >= 0 {
			seconds, _ := rows.Int(exit)
			trade.exit = time.Unix(seconds, 0).UnixMicro()
		}
		if side >= 0 {
			text, _ := rows.Text(side)
			trade.side = string(text)
		}
		trades = append(trades, trade)
	}
	return trades, rows.Err()
}

// head appends what the curve is of.
func (e *equity) head(b []byte) []byte {
	b = rowstream.AppendMember(rowstream.AppendMember(b, "simulation_id", e.id.String()), "source", string(e.source))
	if e.source == spec.GetEquityParamsSourceTrades {
		return append(b, `"measurement":null,`...)
	}
	return rowstream.AppendMember(b, "measurement", e.table)
}

// tail appends the totals of the curve.
func (e *equity) tail(b []byte, closed, marked *gains) []byte {
	b = rowstream.AppendFloat(append(b, `,"total_return_pct":`...), closed.sum)
	b = closed.appendFall(b, "max_drawdown")
	if marked != nil {
		b = marked.appendFall(b, "max_marked_drawdown")
	}
	b = append(b, `,"warnings":[`...)
	for i, warning := range closed.warnings(e.row.SummaryMetrics) {
		if i > 0 {
			b = append(b, ',')
		}
		b = rowstream.AppendText(b, []byte(warning))
	}
	return append(b, ']')
}

// warnings name the exporter's figures that differ from the curve.
func (g *gains) warnings(summary json.RawMessage) (list []string) {
	var stored map[string]json.RawMessage
	if json.Unmarshal(summary, &stored) != nil {
		return nil
	}
	for _, figure := range []struct {
		name string
		got  float64
	}{{"total_return_pct", g.sum}, {"max_drawdown_pct", g.lowestFall}} {
		text := string(stored[figure.name])
		want, err := strconv.ParseFloat(text, 64)
		if err == nil && math.Abs(figure.got-want) > precision(text)+1e-9*math.Abs(want)+1e-9 {
			list = append(list, fmt.Sprintf("summary_metrics has %s %s, the trades come to %v", figure.name, text, figure.got))
		}
	}
	return list
}

// precision is the most that a number may differ from the text that it was rounded to.
func precision(text string) float64 {
	mantissa, exponent, _ := strings.Cut(strings.ToLower(text), "e")
	_, decimals, _ := strings.Cut(mantissa, ".")
	e, _ := strconv.Atoi(exponent)
	return 0.5 * math.Pow10(e-len(decimals))
}
