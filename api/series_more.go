package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"foldbook/api/spec"
	"foldbook/questdb"
)

// GetIndexMap serves GET /api/datasets/:dataset_id/index_map: {"measurement": …, "start_index": …, "end_index": …, "rows": [{"index": …, "timestamp_ms": …}]}.
func (s *Server) GetIndexMap(c echo.Context, datasetID string, params spec.GetIndexMapParams) error {
	format, err := formatOf(params.Format, c.Request(), spec.JSON)
	switch {
	case err != nil:
		return err
	case format == spec.Parquet:
		return spec.InvalidParameter("format", "parquet is not made of numbered rows")
	case params.StartIdx == nil || *params.StartIdx < 0:
		return spec.InvalidParameter("start_idx", "is missing or below 0")
	case params.EndIdx == nil || *params.EndIdx <= *params.StartIdx:
		return spec.InvalidParameter("end_idx", "is missing or not above start_idx")
	case params.Type != nil && !params.Type.Valid():
		return spec.InvalidParameter("type", "is not indicator or ohlcv")
	}
	bars := params.Type != nil && *params.Type == spec.Ohlcv
	r, _, err := s.datasetSeries(c, datasetID, bars)
	if err != nil {
		return err
	}
	clock := s.streamClock(c)
	defer clock.cancel()
	first, end := *params.StartIdx, *params.EndIdx
	rows, err := r.db.Scan(clock, questdb.Scan{Selection: r.selection(rowRange{}), Columns: []string{r.table.Designated}, Offset: first, Limit: end - first})
	if err != nil {
		return fmt.Errorf("read the times of %s: %w", r.table.Name, err)
	}
	return s.writeRows(c, clock, &rowAnswer{
		fields: []rowField{{"index", questdb.Int, false}, {"timestamp_ms", questdb.Time, true}},
		source: &indexSource{r.table.Name, rows, first}, format: format, file: r.table.Name, key: "rows",
		head: func(b []byte) []byte {
			return number(number(member(b, "measurement", r.table.Name), "start_index", first), "end_index", end)
		},
		end: func(count int64) (rowEnd, error) { return rowEnd{total: count}, nil },
	})
}

// listAligned answers indicators at whose time there is a bar.
func (s *Server) listAligned(c echo.Context, id uuid.UUID, r *seriesRows, at rowRange, columns *string, format spec.Format) error {
	if at.numbered {
		return spec.InvalidParameter("aligned", "does not go with start_index or end_index: the numbers are those of all rows")
	}
	if format == spec.Parquet {
		return spec.InvalidParameter("format", "parquet does not go with aligned")
	}
	wanted, err := r.columns(columns)
	if err != nil {
		return err
	}
	bars, err := s.openDataset(c.Request().Context(), id, true)
	if err != nil {
		return err
	}
	clock := s.streamClock(c)
	defer clock.cancel()
	scan := questdb.Scan{Selection: r.selection(at), Desc: at.desc, Offset: at.offset}
	for _, w := range wanted {
		scan.Columns = append(scan.Columns, w.source)
	}
	source, err := alignedScan(clock, r, bars, scan, at)
	if err != nil {
		return err
	}
	return s.writeRows(c, clock, &rowAnswer{
		fields: fieldsOf(wanted), source: source, format: format, file: r.table.Name, key: "rows",
		head: func(b []byte) []byte { return member(b, "measurement", r.table.Name) },
		end: func(count int64) (rowEnd, error) {
			e := rowEnd{total: at.offset + count}
			if source.more || at.at != nil || (count == 0 && at.offset > 0) {
				var err error
				if e.total, err = countAligned(clock, r, bars, at); err != nil {
					return e, err
				}
			}
			if source.more && count > 0 {
				e.next = source.place.encode(at.scope)
			}
			e.tail = func(b []byte) []byte { return at.tail(b, count, e) }
			return e, nil
		},
	})
}

// countAligned counts all rows in the range that have a partner.
func countAligned(ctx context.Context, r, bars *seriesRows, at rowRange) (total int64, err error) {
	at.at, at.limit = nil, -1
	source, err := alignedScan(ctx, r, bars, questdb.Scan{Selection: r.selection(at), Columns: []string{r.table.Designated}}, at)
	if err != nil {
		return 0, err
	}
	defer source.close()
	for source.next() {
		total++
	}
	if err := errors.Join(source.rows.Err(), source.other.Err()); err != nil {
		return 0, fmt.Errorf("count the rows of %s: %w", r.table.Name, err)
	}
	return total, nil
}

// sendParquet passes on what QuestDB makes.
func (s *Server) sendParquet(c echo.Context, clock *streamClock, r *seriesRows, columns []seriesColumn, at rowRange) error {
	if at.numbered || at.at != nil {
		return spec.InvalidParameter("format", "parquet does not go with cursor, start_index or end_index")
	}
	scan := questdb.Scan{Selection: r.selection(at), Desc: at.desc, Offset: at.offset, Limit: at.limit}
	var names []string
	for _, w := range columns {
		scan.Columns, names = append(scan.Columns, w.source), append(names, w.name)
	}
	file, err := r.db.Parquet(clock, scan, names)
	if err != nil {
		return fmt.Errorf("export %s: %w", r.table.Name, err)
	}
	defer func() { _ = file.Close() }()
	b := make([]byte, 64<<10)
	n, err := io.ReadFull(file, b)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("export %s: %w", r.table.Name, err)
	}
	clock.begun()
	header := c.Response().Header()
	header.Set(echo.HeaderContentType, mediaTypeOf(spec.Parquet))
	header.Set(echo.HeaderContentDisposition, `attachment; filename="`+r.table.Name+`.parquet"`)
	if c.Request().Method == http.MethodHead {
		c.Response().WriteHeader(http.StatusOK)
		return nil
	}
	out, err := s.streamTo(c)
	for err == nil {
		if err = out.write(b[:n]); err == nil {
			n, err = file.Read(b)
		}
	}
	if !errors.Is(err, io.EOF) {
		return fmt.Errorf("export %s: %w", r.table.Name, err)
	}
	if err := out.write(b[:n]); err != nil {
		return err
	}
	return out.close()
}

// listCandles answers candles that are longer than the bars.
func (s *Server) listCandles(c echo.Context, r *seriesRows, at rowRange, interval string, columns *string, pixels int64, format spec.Format) error {
	if pixels > 0 || at.numbered || at.at != nil || format == spec.Parquet {
		return spec.InvalidParameter("interval", "does not go with points, width, cursor, start_index, end_index or format=parquet")
	}
	k := questdb.Candles{Selection: r.selection(at), Desc: at.desc, Offset: at.offset, Limit: -1}
	var err error
	if k.Count, k.Unit, err = intervalOf(interval); err != nil {
		return err
	}
	wanted, err := r.columns(columns)
	if err != nil {
		return err
	}
	fields := []rowField{r.timeColumn().rowField}
	for _, price := range []struct {
		name string
		into *string
	}{{"open", &k.Open}, {"high", &k.High}, {"low", &k.Low}, {"close", &k.Close}, {"volume", &k.Volume}} {
		for _, w := range wanted {
			if strings.EqualFold(w.name, price.name) && (w.kind == questdb.Float || w.kind == questdb.Int) {
				*price.into = w.source
				fields = append(fields, w.rowField)
			}
		}
	}
	if len(fields) == 1 {
		return spec.InvalidParameter("interval", "needs a column open, high, low, close or volume")
	}
	if at.limit >= 0 {
		k.Limit = at.limit + 1
	}
	clock := s.streamClock(c)
	defer clock.cancel()
	rows, err := r.db.Candles(clock, k)
	if err != nil {
		return fmt.Errorf("put candles of %s together: %w", r.table.Name, err)
	}
	source := &scanSource{name: r.table.Name, rows: rows, left: at.limit}
	for i := range fields { // a sum of LONG stays one, the other kinds are those of the columns
		fields[i].kind = rows.Fields[i].Kind
	}
	return s.writeRows(c, clock, &rowAnswer{
		fields: fields, source: source, format: format, file: r.table.Name + "_" + interval, key: "rows",
		head: func(b []byte) []byte { return member(member(b, "measurement", r.table.Name), "interval", interval) },
		end: func(count int64) (rowEnd, error) {
			e := rowEnd{total: at.offset + count}
			if source.more || (count == 0 && at.offset > 0) {
				if e.total, err = r.db.CountCandles(clock, k); err != nil {
					return e, fmt.Errorf("count candles of %s: %w", r.table.Name, err)
				}
			}
			e.tail = func(b []byte) []byte { return at.tail(b, count, e) }
			return e, nil
		},
	})
}

// intervalOf reads 15m, 4h, 1d, ….
func intervalOf(text string) (int64, questdb.Unit, error) {
	if len(text) >= 2 {
		unit := questdb.Unit(text[len(text)-1])
		n, err := strconv.ParseInt(text[:len(text)-1], 10, 64)
		most := map[questdb.Unit]int64{
			questdb.Second: 86400, questdb.Minute: 1440, questdb.Hour: 24, questdb.Day: 1, questdb.Week: 1, questdb.Month: 12,
		}[unit]
		if err == nil && n >= 1 && n <= most {
			return n, unit, nil
		}
	}
	return 0, 0, spec.InvalidParameter("interval", "is not a number and s, m, h, d, w or M, at most a day long or 1d, 1w, 1M to 12M")
}

// predictionColumns are the columns of predictions with the names that tables have them by.
var predictionColumns = []struct {
	name    string
	sources []string
}{
	{"bar_index", []string{"bar_index"}},
	{"fold_number", []string{"fold_number", "fold"}},
	{"prediction", []string{"prediction", "prediction_value"}},
	{"target", []string{"target_value", "target"}},
	{"long_threshold", []string{"long_threshold"}},
	{"short_threshold", []string{"short_threshold"}},
	{"roc_threshold", []string{"roc_threshold"}},
	{"short_entry_threshold", []string{"short_entry_threshold"}},
	{"score", []string{"fold_score", "score", "best_score"}},
}

// predictions are the columns of predictions that the table has, or those named.
func (r *seriesRows) predictions(named *string) ([]seriesColumn, error) {
	all := []seriesColumn{r.timeColumn()}
	for _, p := range predictionColumns {
		column, ok := r.table.First(p.sources...)
		if p.name == "target" && ok && questdb.KindOf(column.Type) == questdb.Text { // the shared table has the target's name there
			column, ok = r.table.Column("target_value")
		}
		if !ok {
			continue
		}
		kind := questdb.KindOf(column.Type)
		if p.name == "fold_number" {
			kind = questdb.Int
		}
		all = append(all, seriesColumn{rowField{name: p.name, kind: kind}, column.Name})
	}
	if named == nil || *named == "" {
		return all, nil
	}
	columns := all[:1:1]
	for name := range strings.SplitSeq(*named, ",") {
		name = strings.TrimSpace(name)
		i := slices.IndexFunc(all, func(c seriesColumn) bool { return strings.EqualFold(c.name, name) })
		var column seriesColumn
		if i >= 0 {
			column = all[i]
		} else if more, err := r.columns(&name); err != nil {
			return nil, err
		} else if len(more) == 1 {
			continue
		} else {
			column = more[1]
		}
		if !slices.ContainsFunc(columns, func(have seriesColumn) bool { return have.name == column.name }) {
			columns = append(columns, column)
		}
	}
	return columns, nil
}
