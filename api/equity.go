package api

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"foldbook/api/spec"
	"foldbook/db"
	"foldbook/internal/rowstream"
	"foldbook/internal/series"
	"foldbook/questdb"
)

// equityFields are the columns of an equity curve.
var equityFields = []rowstream.Field{
	{Name: "timestamp_ms", Kind: questdb.Time, Millis: true},
	{Name: "exit_timestamp_ms", Kind: questdb.Time, Millis: true},
	{Name: "side", Kind: questdb.Text},
	{Name: "return_pct", Kind: questdb.Float},
	{Name: "cumulative_return_pct", Kind: questdb.Float},
	{Name: "drawdown_pct", Kind: questdb.Float},
}

// earning is the result of one trade.
type earning struct {
	entry, exit int64 // microseconds since 1970; exit is 0 for none
	side        []byte
	percent     float64
	closed      bool // it has a return
}

// equity adds trades up, in the order of their entry.
type equity struct {
	source   spec.GetEquityParamsSource
	table    string // of a trace
	next     func() (earning, bool, error)
	stop     func()
	trade    earning // at hand
	err      error
	sum      float64
	peak     float64
	drawdown float64 // the lowest
	lowest   int64   // when the trade began that ended there
}

// Next adds the next trade.
func (e *equity) Next() bool {
	var ok bool
	if e.trade, ok, e.err = e.next(); !ok || e.err != nil {
		return false
	}
	if e.trade.closed {
		e.sum = finite(e.sum + e.trade.percent)
		e.peak = max(e.peak, e.sum)
	}
	if drawdown := finite(e.sum - e.peak); drawdown < e.drawdown {
		e.drawdown, e.lowest = drawdown, e.trade.entry
	}
	return true
}

// Err is what ended the trades early.
func (e *equity) Err() error { return e.err }

// Close ends the reading of trades.
func (e *equity) Close() { e.stop() }

// Int is the time when the trade began or ended.
func (e *equity) Int(i int) (int64, bool) {
	if i == 0 {
		return e.trade.entry, true
	}
	return e.trade.exit, e.trade.exit != 0
}

// Text is the side of the trade.
func (e *equity) Text(int) ([]byte, bool) { return e.trade.side, len(e.trade.side) > 0 }

// Float is the return of the trade, the sum of returns so far, or its distance from the highest sum.
func (e *equity) Float(i int) (float64, bool) {
	switch i {
	case 3:
		return e.trade.percent, e.trade.closed
	case 4:
		return e.sum, true
	}
	return finite(e.sum - e.peak), true
}

// finite keeps a sum within the numbers of JSON, which NaN and the infinities are not.
func finite(x float64) float64 { return max(-math.MaxFloat64, min(x, math.MaxFloat64)) }

// GetEquity serves GET /api/simulations/:simulation_id/equity: {"simulation_id": …, "source": …, "rows": [{…}], "total_return_pct": …, …}.
func (s *Server) GetEquity(c echo.Context, simulationID string, params spec.GetEquityParams) error {
	format, err := equityFormat(c, params)
	if err != nil {
		return err
	}
	id, err := pathID("simulation_id", simulationID)
	if err != nil {
		return err
	}
	clock := s.streamClock(c)
	defer clock.cancel()
	row, err := s.DB.GetSimulationSeries(c.Request().Context(), id)
	if err != nil {
		return notFound(err, "simulation", id)
	}
	curve, err := s.openEquity(c.Request().Context(), equityQuery{clock, id, &row, params.Source})
	if err != nil {
		return err
	}
	return s.send(c, clock, &rowstream.Answer{
		Fields: equityFields, Rows: curve, Format: format, File: "equity_" + id.String(), Key: "rows",
		Head: func(b []byte) []byte { return curve.head(b, id) },
		End: func(count int64) (rowstream.End, error) {
			return rowstream.End{Total: count, Tail: func(b []byte) []byte { return curve.tail(b, row.SummaryMetrics) }}, nil
		},
	})
}

// equityFormat checks the parameters.
func equityFormat(c echo.Context, params spec.GetEquityParams) (spec.Format, error) {
	format, err := rowstream.FormatOf(params.Format, c.Request(), spec.JSON)
	switch {
	case err != nil:
		return format, err
	case format == spec.Parquet:
		return format, spec.InvalidParameter("format", "parquet is not available for computed rows")
	case params.Source != nil && !params.Source.Valid():
		return format, spec.InvalidParameter("source", "is not trades or trace")
	}
	return format, nil
}

// equityQuery is which trades are asked for.
type equityQuery struct {
	clock  *streamClock
	id     uuid.UUID
	row    *db.GetSimulationSeriesRow
	source *spec.GetEquityParamsSource // nil: those that are stored, or if there are none, those of the trace
}

// openEquity begins to read the trades.
func (s *Server) openEquity(ctx context.Context, q equityQuery) (*equity, error) {
	e := &equity{source: orElse(q.source, spec.GetEquityParamsSourceTrades), stop: func() {}}
	if e.source == spec.GetEquityParamsSourceTrades {
		page, err := s.tradeReturns(ctx, q.id, nil)
		if err != nil || len(page) > 0 || q.source != nil || s.QuestDB == nil {
			e.next = s.eachTrade(q.clock, q.id, page)
			return e, err
		}
		e.source = spec.GetEquityParamsSourceTrace
	}
	r, err := s.open(ctx, series.Trace, q.row.QuestDBNamespace, q.id.String(), q.row.SimulationName)
	if err != nil {
		return nil, err
	}
	e.table = r.Table.Name
	e.next, e.stop, err = eachTraced(q.clock, r)
	return e, err
}

// head appends what the curve is of.
func (e *equity) head(b []byte, id uuid.UUID) []byte {
	b = rowstream.AppendMember(rowstream.AppendMember(b, "simulation_id", id.String()), "source", string(e.source))
	if e.source == spec.GetEquityParamsSourceTrades {
		return append(b, `"measurement":null,`...)
	}
	return rowstream.AppendMember(b, "measurement", e.table)
}

// tail appends the totals of the curve.
func (e *equity) tail(b []byte, summary json.RawMessage) []byte {
	b = rowstream.AppendFloat(append(b, `,"total_return_pct":`...), e.sum)
	b = rowstream.AppendFloat(append(b, `,"max_drawdown_pct":`...), e.drawdown)
	b = append(b, `,"max_drawdown_timestamp_ms":`...)
	if e.drawdown < 0 {
		b = strconv.AppendInt(b, rowstream.Millis(e.lowest), 10)
	} else {
		b = append(b, "null"...)
	}
	b = append(b, `,"warnings":[`...)
	for i, warning := range e.warnings(summary) {
		if i > 0 {
			b = append(b, ',')
		}
		b = rowstream.AppendText(b, []byte(warning))
	}
	return append(b, ']')
}

// warnings name the exporter's figures that differ from the curve.
func (e *equity) warnings(summary json.RawMessage) (list []string) {
	var stored map[string]json.RawMessage
	if json.Unmarshal(summary, &stored) != nil {
		return nil
	}
	for _, figure := range []struct {
		name string
		got  float64
	}{{"total_return_pct", e.sum}, {"max_drawdown_pct", e.drawdown}} {
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

const tradesAtOnce = 2000

func (s *Server) tradeReturns(ctx context.Context, id uuid.UUID, after *db.ListTradeReturnsRow) ([]db.ListTradeReturnsRow, error) {
	args := db.ListTradeReturnsParams{SimulationID: id, PageSize: tradesAtOnce}
	if after != nil {
		args.AfterAt, args.AfterID = after.BarTimestamp, after.TradeID
	}
	trades, err := s.DB.ListTradeReturns(ctx, args)
	if err != nil {
		return nil, fmt.Errorf("list the trades of simulation %s: %w", id, err)
	}
	return trades, nil
}

// eachTrade yields the stored trades, beginning with the page that was already read.
func (s *Server) eachTrade(ctx context.Context, id uuid.UUID, page []db.ListTradeReturnsRow) func() (earning, bool, error) {
	at := 0
	return func() (earning, bool, error) {
		if at == len(page) {
			if at < tradesAtOnce {
				return earning{}, false, nil
			}
			next, err := s.tradeReturns(ctx, id, &page[at-1])
			if page, at = next, 0; err != nil || len(next) == 0 {
				return earning{}, false, err
			}
		}
		t := &page[at]
		at++
		trade := earning{entry: t.BarTimestamp.UnixMicro(), exit: t.ExitTimestampMS * 1000, side: []byte(t.Side)}
		if t.ReturnPct != nil {
			trade.percent, trade.closed = *t.ReturnPct, *t.ReturnPct == finite(*t.ReturnPct)
		}
		return trade, true, nil
	}
}

// eachTraced yields the trades of a trace.
func eachTraced(ctx context.Context, r *series.Series) (func() (earning, bool, error), func(), error) {
	percent, ok := r.Table.First("return_pct")
	if !ok || !series.IsNumeric(questdb.KindOf(percent.Type)) {
		return nil, nil, spec.InvalidParameter("source", "trace needs a table with a number return_pct")
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
	rows, err := r.Scan(ctx, columns, series.Range{Limit: -1})
	if err != nil {
		return nil, nil, err
	}
	return func() (earning, bool, error) {
		if !rows.Next() {
			return earning{}, false, rows.Err()
		}
		var trade earning
		trade.entry, _ = rows.Int(0)
		trade.percent, trade.closed = rows.Float(1)
		if exit >= 0 {
			seconds, _ := rows.Int(exit)
			trade.exit = time.Unix(seconds, 0).UnixMicro()
		}
		if side >= 0 {
			trade.side, _ = rows.Text(side)
		}
		return trade, true, nil
	}, rows.Close, nil
}
