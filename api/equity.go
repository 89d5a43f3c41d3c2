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
	"foldbook/internal/series"
	"foldbook/questdb"
)

// equityFields are the columns of an equity curve.
var equityFields = []rowField{
	{"timestamp_ms", questdb.Time, true},
	{"exit_timestamp_ms", questdb.Time, true},
	{"side", questdb.Text, false},
	{"return_pct", questdb.Float, false},
	{"cumulative_return_pct", questdb.Float, false},
	{"drawdown_pct", questdb.Float, false},
}

// earning is what one trade came to.
type earning struct {
	entry, exit int64 // microseconds since 1970; exit is 0 for none
	side        []byte
	percent     float64
	closed      bool // it has a return
}

// equity adds trades up, in the order of their entry.
type equity struct {
	next     func() (earning, bool, error)
	stop     func()
	sum      float64
	peak     float64
	drawdown float64 // the lowest
	lowest   int64   // when the trade began that ended there
}

func (e *equity) fill(b *questdb.Batch, n int) (bool, error) {
	for b.N < n {
		trade, ok, err := e.next()
		if err != nil || !ok {
			return false, err
		}
		if trade.closed {
			e.sum = finite(e.sum + trade.percent)
			e.peak = max(e.peak, e.sum)
		}
		drawdown := finite(e.sum - e.peak)
		if drawdown < e.drawdown {
			e.drawdown, e.lowest = drawdown, trade.entry
		}
		b.Columns[0].PutInt(trade.entry, true)
		b.Columns[1].PutInt(trade.exit, trade.exit != 0)
		b.Columns[2].PutText(trade.side, len(trade.side) > 0)
		b.Columns[3].PutFloat(trade.percent, trade.closed)
		b.Columns[4].PutFloat(e.sum, true)
		b.Columns[5].PutFloat(drawdown, true)
		b.N++
	}
	return true, nil
}

func (e *equity) close() { e.stop() }

// finite keeps a sum a number of JSON.
func finite(x float64) float64 { return max(-math.MaxFloat64, min(x, math.MaxFloat64)) }

// GetEquity serves GET /api/simulations/:simulation_id/equity: {"simulation_id": …, "source": …, "rows": [{…}], "total_return_pct": …, …}.
func (s *Server) GetEquity(c echo.Context, simulationID string, params spec.GetEquityParams) error {
	format, err := formatOf(params.Format, c.Request(), spec.JSON)
	switch {
	case err != nil:
		return err
	case format == spec.Parquet:
		return spec.InvalidParameter("format", "parquet is not made of what is computed")
	case params.Source != nil && !params.Source.Valid():
		return spec.InvalidParameter("source", "is not trades or trace")
	}
	id, err := pathID("simulation_id", simulationID)
	if err != nil {
		return err
	}
	clock := s.streamClock(c)
	defer clock.cancel()
	ctx := c.Request().Context()
	row, err := s.DB.GetSimulationSeries(ctx, id)
	if err != nil {
		return notFound(err, "simulation", id)
	}
	var trades []db.ListTradeReturnsRow
	source := spec.GetEquityParamsSourceTrades
	if params.Source != nil {
		source = *params.Source
	}
	if source == spec.GetEquityParamsSourceTrades {
		if trades, err = s.tradeReturns(ctx, id, nil); err != nil {
			return err
		}
		if len(trades) == 0 && params.Source == nil && s.QuestDB != nil {
			source = spec.GetEquityParamsSourceTrace
		}
	}
	curve, measurement, err := &equity{}, "", error(nil)
	if source == spec.GetEquityParamsSourceTrades {
		curve.next, curve.stop = s.eachTrade(clock, id, trades), func() {}
	} else {
		var r *seriesRows
		if r, err = s.open(ctx, series.Trace, row.QuestDBNamespace, id.String(), row.SimulationName); err == nil {
			measurement = r.table.Name
			curve.next, curve.stop, err = r.eachTrade(clock)
		}
	}
	if err != nil {
		return err
	}
	return s.writeRows(c, clock, &rowAnswer{
		fields: equityFields, source: curve, format: format, file: "equity_" + id.String(), key: "rows",
		head: func(b []byte) []byte {
			b = member(member(b, "simulation_id", id.String()), "source", string(source))
			if source == spec.GetEquityParamsSourceTrades {
				return append(b, `"measurement":null,`...)
			}
			return member(b, "measurement", measurement)
		},
		end: func(count int64) (rowEnd, error) {
			return rowEnd{total: count, tail: func(b []byte) []byte { return curve.tail(b, row.SummaryMetrics) }}, nil
		},
	})
}

// tail appends what the curve came to.
func (e *equity) tail(b []byte, summary json.RawMessage) []byte {
	b = appendFloat(append(b, `,"total_return_pct":`...), e.sum)
	b = appendFloat(append(b, `,"max_drawdown_pct":`...), e.drawdown)
	b = append(b, `,"max_drawdown_timestamp_ms":`...)
	if e.drawdown < 0 {
		b = strconv.AppendInt(b, millis(e.lowest), 10)
	} else {
		b = append(b, "null"...)
	}
	b = append(b, `,"warnings":[`...)
	for i, warning := range e.warnings(summary) {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendJSONText(b, []byte(warning))
	}
	return append(b, ']')
}

// warnings are what the exporter's own figures say otherwise.
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

// precision is by how much a number may differ from the text that it was rounded to.
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

// eachTrade gives the trades that are stored, beginning with the page that was read already.
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
			trade.percent, trade.closed = *t.ReturnPct, !math.IsNaN(*t.ReturnPct) && !math.IsInf(*t.ReturnPct, 0)
		}
		return trade, true, nil
	}
}

// eachTrade gives the trades of a trace.
func (r *seriesRows) eachTrade(ctx context.Context) (func() (earning, bool, error), func(), error) {
	percent, ok := r.table.First("return_pct")
	if !ok || questdb.KindOf(percent.Type) != questdb.Float && questdb.KindOf(percent.Type) != questdb.Int {
		return nil, nil, spec.InvalidParameter("source", "trace needs a table with a number return_pct")
	}
	columns := []seriesColumn{r.timeColumn(), {source: percent.Name}}
	exit, side := -1, -1
	if c, ok := r.table.First("exit_timestamp_unix"); ok && questdb.KindOf(c.Type) == questdb.Int {
		exit = len(columns)
		columns = append(columns, seriesColumn{source: c.Name})
	}
	if c, ok := r.table.First("side_label", "side"); ok && questdb.KindOf(c.Type) == questdb.Text {
		side = len(columns)
		columns = append(columns, seriesColumn{source: c.Name})
	}
	source, err := r.scan(ctx, columns, rowRange{limit: -1})
	if err != nil {
		return nil, nil, err
	}
	rows := source.rows
	return func() (earning, bool, error) {
		if !rows.Next() {
			if err := rows.Err(); err != nil {
				return earning{}, false, fmt.Errorf("read %s: %w", r.table.Name, err)
			}
			return earning{}, false, nil
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
