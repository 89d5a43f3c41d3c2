package api

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"foldbook/api/spec"
	"foldbook/internal/series"
	"foldbook/questdb"
)

// seriesRows is the rows of one data set, run or simulation: a table of its own, or those of a shared one that carry its name.
type seriesRows struct {
	db    *questdb.Client
	table *questdb.Table
	where []questdb.Match
}

// open finds the rows of a measurement. In a shared table they are those with one of the names.
func (s *Server) open(ctx context.Context, kind series.Kind, measurement string, names ...string) (*seriesRows, error) {
	if s.QuestDB == nil {
		return nil, errSeriesOff
	}
	place, err := series.Find(ctx, s.QuestDB, kind, measurement, names...)
	if err != nil {
		return nil, err
	}
	if place.Table == nil || place.Table.Designated == "" {
		return nil, measurementNotFound(measurement)
	}
	return &seriesRows{db: s.QuestDB, table: place.Table, where: place.Where}, nil
}

// datasetSeries opens the indicators of a data set, or its bars.
func (s *Server) datasetSeries(c echo.Context, datasetID string, bars bool) (*seriesRows, uuid.UUID, error) {
	id, err := pathID("dataset_id", datasetID)
	if err != nil {
		return nil, id, err
	}
	found, err := s.openDataset(c.Request().Context(), id, bars)
	return found, id, err
}

func (s *Server) openDataset(ctx context.Context, id uuid.UUID, bars bool) (*seriesRows, error) {
	row, err := s.DB.GetDatasetSeries(ctx, id)
	if err != nil {
		return nil, notFound(err, "data set", id)
	}
	if bars {
		return s.open(ctx, series.Bars, row.OhlcvMeasurement, row.QuestDBTag)
	}
	return s.open(ctx, series.Indicators, row.IndicatorMeasurement, row.QuestDBTag)
}

// selection is the rows of the series in a range of time.
func (r *seriesRows) selection(at rowRange) questdb.Selection {
	return questdb.Selection{Table: r.table, Where: r.where, From: at.from, To: at.to}
}

// seriesColumn is a column of an answer, and of the table.
type seriesColumn struct {
	rowField
	source string
}

// timeColumn is what every answer begins with: the time in milliseconds, whatever else the table says about times.
func (r *seriesRows) timeColumn() seriesColumn {
	return seriesColumn{rowField{"timestamp_ms", questdb.Time, true}, r.table.Designated}
}

// isTime tells the names that mean the time of the row.
func (r *seriesRows) isTime(name string) bool {
	return strings.EqualFold(name, r.table.Designated) || strings.EqualFold(name, "timestamp_ms")
}

// columns are those named, in that order, or all.
func (r *seriesRows) columns(named *string) ([]seriesColumn, error) {
	columns := []seriesColumn{r.timeColumn()}
	if named == nil || *named == "" {
		for _, c := range r.table.Columns {
			if !r.isTime(c.Name) {
				columns = append(columns, seriesColumn{rowField{name: c.Name, kind: questdb.KindOf(c.Type)}, c.Name})
			}
		}
		return columns, nil
	}
	for name := range strings.SplitSeq(*named, ",") {
		name = strings.TrimSpace(name)
		if r.isTime(name) {
			continue
		}
		c, ok := r.table.Column(name)
		if !ok {
			return nil, unknownColumn("columns", name)
		}
		if !slices.ContainsFunc(columns, func(have seriesColumn) bool { return have.source == c.Name }) {
			columns = append(columns, seriesColumn{rowField{name: c.Name, kind: questdb.KindOf(c.Type)}, c.Name})
		}
	}
	return columns, nil
}

func unknownColumn(parameter, name string) error {
	if len(name) > 130 {
		name = name[:130] + "…"
	}
	return spec.InvalidParameter(parameter, "names "+strconv.Quote(name)+", which the table does not have")
}

func fieldsOf(columns []seriesColumn) []rowField {
	fields := make([]rowField, len(columns))
	for i, c := range columns {
		fields[i] = c.rowField
	}
	return fields
}

// scan begins to read a range of rows.
func (r *seriesRows) scan(ctx context.Context, columns []seriesColumn, at rowRange) (*scanSource, error) {
	scan := questdb.Scan{Selection: r.selection(at), Desc: at.desc, Offset: at.offset, Limit: -1}
	for _, c := range columns {
		scan.Columns = append(scan.Columns, c.source)
	}
	limit := at.limit
	if at.numbered {
		first, end := at.first, at.end
		if at.desc { // the rows are read from the end
			total, err := r.db.Count(ctx, scan.Selection)
			if err != nil {
				return nil, fmt.Errorf("count the rows of %s: %w", r.table.Name, err)
			}
			end = min(end, total)
			first, end = total-end, total-first
		}
		scan.Offset += first
		if rest := max(0, end-first-at.offset); limit < 0 || rest < limit {
			limit = rest
		}
	}
	if at.at != nil {
		continueAt(&scan, *at.at)
	}
	if limit >= 0 {
		scan.Limit = limit + 1 // one more tells whether there is one more
	}
	rows, err := r.db.Scan(ctx, scan)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", r.table.Name, err)
	}
	source := &scanSource{name: r.table.Name, rows: rows, left: limit}
	if at.at != nil {
		source.place = *at.at
	}
	return source, nil
}

// total is how many rows match, of which the answer has count and more or not.
func (r *seriesRows) total(ctx context.Context, at rowRange, count int64, more bool) (int64, error) {
	if !more && at.at == nil && !at.numbered && (count > 0 || at.offset == 0) {
		return at.offset + count, nil
	}
	total, err := r.db.Count(ctx, r.selection(at))
	if err != nil {
		return 0, fmt.Errorf("count the rows of %s: %w", r.table.Name, err)
	}
	if at.numbered {
		total = max(0, min(at.end, total)-at.first)
	}
	return total, nil
}

// end makes what is known behind the last row, with the members that most answers have.
func (r *seriesRows) end(clock *streamClock, at rowRange, source *scanSource, count int64) (e rowEnd, err error) {
	if e.total, err = r.total(clock, at, count, source.more); err != nil {
		return e, err
	}
	if source.more && !at.numbered && count > 0 {
		e.next = source.place.encode(at.scope)
	}
	e.tail = func(b []byte) []byte { return at.tail(b, count, e) }
	return e, nil
}

// tail appends "truncated", "limit", "offset" and "next".
func (at rowRange) tail(b []byte, count int64, e rowEnd) []byte {
	b = append(b, `,"truncated":`...)
	b = strconv.AppendBool(b, count < e.total)
	b = append(b, `,"limit":`...)
	if at.limit < 0 {
		b = append(b, "null"...)
	} else {
		b = strconv.AppendInt(b, at.limit, 10)
	}
	b = append(b, `,"offset":`...)
	b = strconv.AppendInt(b, at.offset, 10)
	b = append(b, `,"next":`...)
	if e.next == "" {
		return append(b, "null"...)
	}
	return appendJSONText(b, []byte(e.next))
}

// member appends "name":"text", with a comma behind it.
func member(b []byte, name, text string) []byte {
	b = appendJSONText(b, []byte(name))
	b = append(b, ':')
	b = appendJSONText(b, []byte(text))
	return append(b, ',')
}

// listRows answers a range of rows as objects.
func (s *Server) listRows(c echo.Context, r *seriesRows, at rowRange, columns *string, format spec.Format) error {
	wanted, err := r.columns(columns)
	if err != nil {
		return err
	}
	clock := s.streamClock(c)
	defer clock.cancel()
	if format == spec.Parquet {
		return s.sendParquet(c, clock, r, wanted, at)
	}
	source, err := r.scan(clock, wanted, at)
	if err != nil {
		return err
	}
	return s.writeRows(c, clock, &rowAnswer{
		fields: fieldsOf(wanted), source: source, format: format, file: r.table.Name, key: "rows",
		head: func(b []byte) []byte { return member(b, "measurement", r.table.Name) },
		end:  func(count int64) (rowEnd, error) { return r.end(clock, at, source, count) },
	})
}

// listThin answers rows as objects, thinned out for a chart.
func (s *Server) listThin(c echo.Context, r *seriesRows, at rowRange, columns *string, pixels int64, format spec.Format) error {
	wanted, err := r.columns(columns)
	if err != nil {
		return err
	}
	return s.listPixels(c, r, at, wanted, pixels, format, pixelShape{head: nothing, tail: nothing})
}
