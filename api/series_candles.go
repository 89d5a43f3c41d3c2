package api

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"foldbook/api/spec"
	"foldbook/internal/chart"
	"foldbook/internal/paging"
	"foldbook/internal/rowstream"
	"foldbook/internal/series"
	"foldbook/questdb"
)

// candleQuery is candles as they are asked for.
type candleQuery struct {
	*rowAnswer
	interval     string
	zone, offset *string // of the days
	partial      bool
	samples      questdb.Candles
	roles        []string
	cut          chart.Cut
}

// rowsOrDay splits the parameter offset of candles: it is a number of rows, or when days begin.
func rowsOrDay(text *string) (rows *int64, day *string, err error) {
	if text == nil || strings.Contains(*text, ":") {
		return nil, text, nil
	}
	n, err := strconv.ParseInt(*text, 10, 64)
	if err != nil {
		return nil, nil, spec.InvalidParameter("offset", "is not a number of rows, or a time from midnight such as 17:00 or -07:00")
	}
	return &n, nil, nil
}

// listCandles answers candles that are longer than the bars.
func (s *Server) listCandles(c echo.Context, q candleQuery) error {
	if q.pixels > 0 || q.at.Numbered || q.format == spec.Parquet {
		return spec.InvalidParameter("interval", "cannot be combined with points, width, start_index, end_index or format=parquet")
	}
	calendar, err := chart.NewCalendar(q.interval, q.zone, q.offset)
	if err != nil {
		return err
	}
	fields := q.find()
	if len(fields) == 1 {
		return spec.InvalidParameter("interval", "needs a column open, high, low, close or volume")
	}
	clock := s.streamClock(c)
	defer clock.cancel()
	if err := q.choose(clock, calendar); err != nil {
		return err
	}
	rows, err := q.open(clock, q.page(), q.at.Limit)
	if err != nil {
		return err
	}
	rows.Skip = q.at.Offset
	for i := range fields { // a sum of LONG stays one, the other kinds are those of the columns
		fields[i].Kind = rows.Fields[i].Kind
	}
	if q.partial {
		fields = append(fields, rowstream.Field{Name: "partial", Kind: questdb.Bool})
	}
	return s.send(c, clock, &rowstream.Answer{
		Fields: fields, Rows: rows, Format: q.format, File: q.series.Table.Name + "_" + q.interval, Layout: q.layout,
		Head: q.begin,
		End:  func(count int64) (rowstream.End, error) { return q.end(clock, rows, count) },
	})
}

// find names the wanted columns that candles are made of, and returns the fields of the answer.
func (q *candleQuery) find() []rowstream.Field {
	k, fields := &q.samples, []rowstream.Field{q.columns[0].Field}
	for _, price := range []struct {
		name string
		into *string
	}{{"open", &k.Open}, {"high", &k.High}, {"low", &k.Low}, {"close", &k.Close}, {"volume", &k.Volume}} {
		for _, column := range q.columns {
			if strings.EqualFold(column.Name, price.name) && series.IsNumeric(column.Kind) {
				*price.into = column.Source
				fields, q.roles = append(fields, column.Field), append(q.roles, price.name)
			}
		}
	}
	return fields
}

// choose finds out which bars there are, and which of them the wanted candles are made of.
func (q *candleQuery) choose(clock *streamClock, calendar *chart.Calendar) error {
	all := q.series.Selection(series.Range{})
	bounds, err := q.series.Client.Bounds(clock, all)
	if err != nil {
		return fmt.Errorf("find the bounds of %s: %w", q.series.Table.Name, err)
	}
	q.cut = chart.Cut{Calendar: calendar, Bars: chart.Span{First: bounds.First, Last: bounds.Last, Step: q.series.Step}, From: q.at.From}
	if !q.at.To.IsZero() {
		q.cut.To = q.at.To.Add(time.Microsecond)
	}
	if q.cut.Bars.Step == 0 {
		if q.cut.Bars.Step, err = q.series.Client.MedianStep(clock, all, stepRows); err != nil {
			return fmt.Errorf("find the length of the bars of %s: %w", q.series.Table.Name, err)
		}
	}
	if !q.partial && bounds.Rows > 0 {
		q.cut.Whole()
	}
	q.samples.Step, q.samples.Desc = calendar.Step(), q.at.Desc
	return nil
}

// page is the bars of the candles behind the cursor.
func (q *candleQuery) page() chart.Cut {
	page := q.cut
	if q.at.After == nil {
		return page
	}
	last := time.UnixMicro(q.at.After.At).UTC()
	if q.at.Desc {
		page.To = last
	} else {
		page.From = page.Calendar.End(last)
	}
	return page
}

// selected is the samples of these bars.
func (q *candleQuery) selected(page chart.Cut) questdb.Candles {
	k := q.samples
	k.Selection = q.series.Selection(series.Range{From: page.From})
	if !page.To.IsZero() {
		k.To = page.To.Add(-time.Microsecond)
	}
	return k
}

// open begins to read candles that are made of these bars, below a limit of 0 all.
func (q *candleQuery) open(clock *streamClock, page chart.Cut, limit int64) (*chart.Candles, error) {
	k := q.selected(page)
	k.Limit = -1
	if q.cut.Calendar.IsSample() && limit >= 0 {
		k.Limit = min(limit, 1<<40) + min(q.at.Offset, 1<<40) + 1
	}
	rows, err := q.series.Client.Candles(clock, k)
	if err != nil {
		return nil, fmt.Errorf("put candles of %s together: %w", q.series.Table.Name, err)
	}
	candles := &chart.Candles{Rows: rows, Roles: q.roles, Cut: q.cut, Desc: q.at.Desc, Limit: limit}
	for _, f := range rows.Fields {
		candles.Fields = append(candles.Fields, rowstream.Field{Name: f.Name, Kind: f.Kind})
	}
	return candles, nil
}

// begin appends the members before the columns.
func (q *candleQuery) begin(b []byte) []byte {
	b = rowstream.AppendMember(q.rowAnswer.begin(b), "interval", q.interval)
	if q.zone != nil {
		b = rowstream.AppendMember(b, "tz", *q.zone)
	}
	if q.offset != nil {
		b = rowstream.AppendMember(b, "day_offset", *q.offset)
	}
	return b
}

// end counts the candles and says where the next page begins.
func (q *candleQuery) end(clock *streamClock, rows *chart.Candles, count int64) (rowstream.End, error) {
	e := rowstream.End{Total: q.at.Offset + count}
	if rows.More || q.at.After != nil || (count == 0 && q.at.Offset > 0) {
		var err error
		if e.Total, err = q.count(clock); err != nil {
			return e, fmt.Errorf("count candles of %s: %w", q.series.Table.Name, err)
		}
	}
	if rows.More && count > 0 {
		e.Next = paging.Position{At: rows.Last.UnixMicro()}.Encode(q.at.scope())
	}
	if q.tail = nil; !q.partial {
		q.tail = func(_ *streamClock, b []byte, _ int64, _ rowstream.End) ([]byte, error) {
			return strconv.AppendInt(append(b, `,"partial_left_out":`...), int64(q.cut.Left), 10), nil
		}
	}
	return q.finish(clock, count, e)
}

// count counts the candles of all pages.
func (q *candleQuery) count(clock *streamClock) (n int64, err error) {
	patient := &streamClock{Context: questdb.Patient(clock)}
	if q.cut.Calendar.IsSample() {
		return q.series.Client.CountCandles(patient, q.selected(q.cut))
	}
	all, err := q.open(patient, q.cut, -1)
	if err != nil {
		return 0, err
	}
	defer all.Close()
	for all.Next() {
		n++
	}
	return n, all.Err()
}
