package api

import (
	"fmt"
	"strings"

	"github.com/labstack/echo/v4"

	"foldbook/api/spec"
	"foldbook/internal/chart"
	"foldbook/internal/rowstream"
	"foldbook/internal/series"
	"foldbook/questdb"
)

// listCandles answers candles that are longer than the bars.
func (s *Server) listCandles(c echo.Context, a *rowAnswer, interval string) error {
	if a.pixels > 0 || a.at.Numbered || a.at.After != nil || a.format == spec.Parquet {
		return spec.InvalidParameter("interval", "cannot be combined with points, width, cursor, start_index, end_index or format=parquet")
	}
	k := questdb.Candles{Selection: a.series.Selection(a.at.Range), Desc: a.at.Desc, Offset: a.at.Offset}
	var err error
	if k.Count, k.Unit, err = chart.Interval(interval); err != nil {
		return err
	}
	fields := candleFields(&k, a.columns)
	if len(fields) == 1 {
		return spec.InvalidParameter("interval", "needs a column open, high, low, close or volume")
	}
	clock := s.streamClock(c)
	defer clock.cancel()
	rows, err := a.series.Candles(clock, k, a.at.Limit)
	if err != nil {
		return err
	}
	for i := range fields { // a sum of LONG stays one, the other kinds are those of the columns
		fields[i].Kind = rows.Fields[i].Kind
	}
	return s.send(c, clock, &rowstream.Answer{
		Fields: fields, Rows: rows, Format: a.format, File: a.series.Table.Name + "_" + interval, Key: a.key,
		Head: func(b []byte) []byte { return rowstream.AppendMember(a.begin(b), "interval", interval) },
		End: func(count int64) (_ rowstream.End, err error) {
			e := rowstream.End{Total: a.at.Offset + count}
			if rows.More || (count == 0 && a.at.Offset > 0) {
				if e.Total, err = a.series.Client.CountCandles(clock, k); err != nil {
					return e, fmt.Errorf("count candles of %s: %w", a.series.Table.Name, err)
				}
			}
			return a.finish(clock, count, e)
		},
	})
}

// candleFields names the wanted columns that candles are made of, and returns the fields of the answer.
func candleFields(k *questdb.Candles, columns []series.Column) []rowstream.Field {
	fields := []rowstream.Field{columns[0].Field}
	for _, price := range []struct {
		name string
		into *string
	}{{"open", &k.Open}, {"high", &k.High}, {"low", &k.Low}, {"close", &k.Close}, {"volume", &k.Volume}} {
		for _, column := range columns {
			if strings.EqualFold(column.Name, price.name) && series.IsNumeric(column.Kind) {
				*price.into = column.Source
				fields = append(fields, column.Field)
			}
		}
	}
	return fields
}
