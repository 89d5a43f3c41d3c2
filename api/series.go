package api

import (
	"context"
	"encoding/json"
	"strconv"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"foldbook/api/spec"
	"foldbook/internal/paging"
	"foldbook/internal/rowstream"
	"foldbook/internal/series"
)

// open finds the rows of a measurement. In a shared table they are those with one of the names.
func (s *Server) open(
	ctx context.Context, kind series.Kind, measurement string, schema json.RawMessage, names ...string,
) (*series.Series, error) {
	if s.QuestDB == nil {
		return nil, errSeriesOff
	}
	found, err := series.Open(ctx, s.QuestDB, kind, measurement, schema, names...)
	if err == nil && found == nil {
		err = measurementNotFound(measurement)
	}
	return found, err
}

// datasetSeries opens the indicators of a dataset, or its bars.
func (s *Server) datasetSeries(c echo.Context, datasetID string, bars bool) (*series.Series, uuid.UUID, error) {
	id, err := s.datasetID(c, datasetID)
	if err != nil {
		return nil, id, err
	}
	found, err := s.openDataset(c.Request().Context(), id, bars)
	return found, id, err
}

func (s *Server) openDataset(ctx context.Context, id uuid.UUID, bars bool) (*series.Series, error) {
	row, err := s.DB.GetDatasetSeries(ctx, id)
	if err != nil {
		return nil, notFound(err, "dataset", id)
	}
	kind, measurement, schema := series.Indicators, row.IndicatorMeasurement, row.ColumnSchema
	if bars {
		kind, measurement, schema = series.Bars, row.OhlcvMeasurement, nil
	}
	found, err := s.open(ctx, kind, measurement, schema, row.QuestDBTag)
	if err == nil {
		found.Step = series.BarLength(row.BarIntervalMS, row.Granularity)
	}
	return found, err
}

// rowAnswer is a range of rows in one format, for the routes that page through rows.
type rowAnswer struct {
	series  *series.Series
	at      rowRange
	pixels  int64   // to downsample the rows for; 0: all rows
	named   *string // the columns that were asked for
	columns []series.Column
	format  spec.Format
	adapt   func(*series.Scan) rowstream.Rows // changes cells; nil for none

	// Of JSON: how the rows stand in it, and the members before the measurement and at the end, nil for none.
	layout rowstream.Layout
	head   func(b []byte) []byte
	tail   func(clock *streamClock, b []byte, count int64, end rowstream.End) ([]byte, error)
}

// from says which series the rows are of.
func (a *rowAnswer) from(found *series.Series) (err error) {
	a.series = found
	a.columns, err = found.Columns(a.named)
	return err
}

// openRows opens the series of a dataset that the rows are of.
func (s *Server) openRows(c echo.Context, a *rowAnswer, datasetID string, bars bool) (uuid.UUID, error) {
	found, id, err := s.datasetSeries(c, datasetID, bars)
	if err == nil {
		err = a.from(found)
	}
	return id, err
}

// listRows answers a range of rows.
func (s *Server) listRows(c echo.Context, a *rowAnswer) error {
	if a.pixels > 0 {
		return s.listPoints(c, a)
	}
	clock := s.streamClock(c)
	defer clock.cancel()
	if a.format == spec.Parquet {
		return s.sendParquet(c, clock, a)
	}
	scan, err := a.series.Scan(clock, a.columns, a.at.Range)
	if err != nil {
		return err
	}
	return s.send(c, clock, &rowstream.Answer{
		Fields: series.Fields(a.columns), Rows: a.adapted(scan), Format: a.format, File: a.series.Table.Name, Layout: a.layout,
		Head: a.begin,
		End: func(count int64) (e rowstream.End, err error) {
			if e.Total, err = a.series.Total(clock, a.at.Range, count, scan.More); err != nil {
				return e, err
			}
			if scan.More && !a.at.Numbered && count > 0 {
				e.Next = paging.Position(scan.Last).Encode(a.at.scope())
			}
			return a.finish(clock, count, e)
		},
	})
}

// adapted are the rows with the cells that the route changes.
func (a *rowAnswer) adapted(scan *series.Scan) rowstream.Rows {
	if a.adapt == nil {
		return scan
	}
	return a.adapt(scan)
}

// begin appends the members before the columns.
func (a *rowAnswer) begin(b []byte) []byte {
	if a.head != nil {
		b = a.head(b)
	}
	return rowstream.AppendMember(b, "measurement", a.series.Table.Name)
}

// finish adds the members after the rows to the end of the answer.
func (a *rowAnswer) finish(clock *streamClock, count int64, e rowstream.End) (rowstream.End, error) {
	b := a.at.appendPage(nil, count, e)
	var err error
	if a.tail != nil {
		b, err = a.tail(clock, b, count, e)
	}
	e.Tail = func(to []byte) []byte { return append(to, b...) }
	return e, err
}

// appendPage appends "truncated", "limit", "offset" and "next".
func (at rowRange) appendPage(b []byte, count int64, e rowstream.End) []byte {
	b = append(b, `,"truncated":`...)
	b = strconv.AppendBool(b, count < e.Total)
	b = append(b, `,"limit":`...)
	if at.Limit < 0 {
		b = append(b, "null"...)
	} else {
		b = strconv.AppendInt(b, at.Limit, 10)
	}
	b = append(b, `,"offset":`...)
	b = strconv.AppendInt(b, at.Offset, 10)
	b = append(b, `,"next":`...)
	if e.Next == "" {
		return append(b, "null"...)
	}
	return rowstream.AppendText(b, []byte(e.Next))
}
