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
	"time"

	"github.com/labstack/echo/v4"

	"foldbook/db"
	"foldbook/internal/rows"
	"foldbook/internal/stores"
	"foldbook/questdb"
)

// destination is where the rows of a request go, and as what.
type destination struct {
	kind     stores.Kind
	place    *stores.Place
	spec     func(name string, interval time.Duration) questdb.Spec
	interval time.Duration // between two rows, 0 for unknown
	marks    []mark
	same     [][]string // names that mean one column
	needed   string     // a column that each row needs
	lock     func(context.Context, *db.Queries) error
}

// mark is a symbol that rows get from what they belong to.
type mark struct {
	column, value string
	always        bool         // else only rows that have none of their own
	given         *rows.Column // of the rows; may be nil
}

// destination looks up where rows go; field is where the record names the table.
func (s *Server) destination(ctx context.Context, kind stores.Kind, measurement, field string, names ...string) (*destination, error) {
	if s.QuestDB == nil {
		return nil, errSeriesOff
	}
	if _, err := s.QuestDB.Table(ctx, measurement); errors.Is(err, questdb.ErrInvalidName) {
		return nil, conflict(fmt.Sprintf("%s is %q, which is no name of a table", field, shorten(measurement)), nil)
	}
	place, err := stores.Find(ctx, s.QuestDB, kind, measurement, names...)
	if err != nil {
		return nil, err
	}
	return &destination{kind: kind, place: place}, nil
}

func (d *destination) mark(column, value string, always bool) {
	d.marks = append(d.marks, mark{column: column, value: value, always: always})
}

// base is the table as it is made, without the columns that rows bring.
func (d *destination) base(interval time.Duration) questdb.Spec {
	name := d.place.Name
	if d.place.Shared { // whatever it is called
		name = map[stores.Kind]string{
			stores.Indicators: questdb.SharedIndicators, stores.Predictions: questdb.SharedPredictions, stores.Trace: questdb.SharedTraces,
		}[d.kind]
	}
	spec := d.spec(name, interval)
	spec.Name = d.place.Name
	if d.kind == stores.Bars && d.place.Shared {
		spec.Columns = append([]questdb.Column{{Name: "dataset", Type: "SYMBOL", Key: true}}, spec.Columns...)
	}
	return spec
}

// columns are those that the table has or would be made with.
func (d *destination) columns() *questdb.Table {
	all := &questdb.Table{}
	if d.place.Table != nil {
		all.Columns = slices.Clone(d.place.Table.Columns)
	}
	for _, c := range d.base(0).Columns {
		if _, ok := all.Column(c.Name); !ok {
			all.Columns = append(all.Columns, c)
		}
	}
	return all
}

// read reads all rows of a request, and stores none.
func (d *destination) read(c echo.Context) (*rows.Batch, error) {
	r := c.Request()
	format, err := rowFormat(r.Header.Get(echo.HeaderContentType))
	if err != nil {
		return nil, err
	}
	body, err := openBody(c.Response(), r, maxBody)
	if err != nil {
		return nil, err
	}
	defer body.close()
	reader := rows.New(format, &upTo{body, maxBody}, rows.Options{
		Rows: 1 << 31, Cells: maxCells, Time: []string{"timestamp", "timestamp_ms"}, Column: d.resolve(),
	})
	batch, err := reader.Next()
	var fault *rows.Fault
	switch {
	case errors.Is(err, io.EOF):
		return nil, invalidBody("rows", "must not be empty").answer()
	case errors.Is(err, rows.ErrTooMany):
		return nil, &apiError{status: http.StatusRequestEntityTooLarge, code: ErrorCodeBodyTooLarge, message: fmt.Sprintf("the rows have more than %d cells: send fewer at a time", maxCells)}
	case errors.As(err, &fault):
		code := ErrorCodeInvalidBody
		if fault.Syntax {
			code = ErrorCodeInvalidJSON
		}
		return nil, &apiError{status: http.StatusBadRequest, code: code, message: fault.Error()}
	case err != nil:
		return nil, body.fault(err)
	}
	arrived(c)
	return batch, d.complete(batch)
}

// upTo ends with an error behind so many bytes.
type upTo struct {
	io.Reader
	left int64
}

func (u *upTo) Read(p []byte) (int, error) {
	n, err := u.Reader.Read(p)
	if u.left -= int64(n); u.left < 0 {
		return n, errTooLarge
	}
	return n, err
}

// resolve tells which column of the table a column of a request is, and what its cells have to be.
func (d *destination) resolve() func(name string) (string, rows.Kind, error) {
	table := d.columns()
	return func(name string) (string, rows.Kind, error) {
		for _, m := range d.marks {
			if m.always && strings.EqualFold(m.column, name) && !d.means(name) {
				return "", 0, nil
			}
		}
		names := []string{name}
		for _, group := range d.same {
			if slices.ContainsFunc(group, func(other string) bool { return strings.EqualFold(other, name) }) {
				names = group
			}
		}
		c, ok := table.First(names...)
		if !ok {
			return name, rows.Any, nil
		}
		switch c.Type {
		case "SYMBOL":
			if c.Key || slices.Equal(names, questdb.FoldColumns) {
				return c.Name, rows.Label, nil
			}
			return c.Name, rows.Text, nil
		case "VARCHAR", "STRING":
			return c.Name, rows.Text, nil
		case "LONG", "INT", "SHORT", "BYTE":
			return c.Name, rows.Int, nil
		case "DOUBLE", "FLOAT":
			return c.Name, rows.Float, nil
		}
		return "", 0, errors.New("is a " + c.Type + " in the table, to which nothing can be added")
	}
}

// means tells whether a name is one of several for a column of numbers, as target is for target_value beside the symbol.
func (d *destination) means(name string) bool {
	return slices.ContainsFunc(d.same, func(group []string) bool {
		return slices.ContainsFunc(group, func(other string) bool { return strings.EqualFold(other, name) })
	})
}

// complete checks that each row has what tells it apart.
func (d *destination) complete(batch *rows.Batch) error {
	if d.needed == "" {
		return nil
	}
	column := batch.Column(d.needed)
	for i := range batch.Times {
		if column == nil || column.Missing(i) {
			return invalidBody(fmt.Sprintf("rows[%d].%s", i, d.needed), "is missing: it tells rows of one time apart").answer()
		}
	}
	return nil
}

// plan is the table that the rows need, and the names of the columns that it lacks.
func (d *destination) plan(batch *rows.Batch) (spec questdb.Spec, added []string) {
	added = []string{}
	interval := d.interval
	if interval == 0 {
		interval = smallestStep(batch.Times)
	}
	spec = d.base(interval)
	made, table := d.place.Table, d.columns()
	if made == nil {
		made = &questdb.Table{}
	} else { // then what it lacks beside its key is not needed
		spec.Columns = slices.DeleteFunc(spec.Columns, func(c questdb.Column) bool { return !c.Key })
	}
	for i, c := range spec.Columns {
		for _, group := range d.same {
			if c.Key && slices.Contains(group, c.Name) { // in this table by another name
				spec.Columns[i], _ = table.First(group...)
				spec.Columns[i].Key = true
			}
		}
	}
	for _, c := range batch.Columns {
		_, there := made.Column(c.Name)
		if _, ok := (&questdb.Table{Columns: spec.Columns}).Column(c.Name); ok || there {
			continue
		}
		column, ok := table.Column(c.Name)
		if !ok {
			column = questdb.Column{Name: c.Name, Type: "DOUBLE"}
			if c.Kind == rows.Int {
				column.Type = "LONG"
			}
		}
		spec.Columns = append(spec.Columns, column)
	}
	for _, c := range spec.Columns {
		if _, ok := made.Column(c.Name); !ok {
			added = append(added, c.Name)
		}
	}
	return spec, added
}

// smallestStep is the smallest distance of two rows that follow each other, 0 for none.
func smallestStep(micros []int64) time.Duration {
	step := int64(0)
	for i := 1; i < len(micros); i++ {
		if d := micros[i] - micros[i-1]; d > 0 && (step == 0 || d < step) {
			step = d
		}
	}
	return time.Duration(step) * time.Microsecond
}

// tableWriter writes a batch to its table.
type tableWriter struct {
	client *questdb.Client
	table  *questdb.Table
	*destination
	batch *rows.Batch

	symbols, cells []*rows.Column // of the batch
	marks          []mark         // that the table has columns for
	clocks         []clock
}

// clock is a column that says the time once more.
type clock struct {
	column string
	given  *rows.Column // by the rows themselves; may be nil
	of     func(micros int64) int64
}

// clocks are the columns of times that tables of bars and indicators have beside the designated one.
var clocks = map[string]func(micros int64) int64{
	"timestamp_ms":   func(micros int64) int64 { return micros / 1000 },
	"timestamp_unix": func(micros int64) int64 { return micros / 1_000_000 },
	"date_i": func(micros int64) int64 {
		year, month, day := time.UnixMicro(micros).UTC().Date()
		return int64(year)*10_000 + int64(month)*100 + int64(day)
	},
	"time_i": func(micros int64) int64 {
		hour, minute, second := time.UnixMicro(micros).UTC().Clock()
		return int64(hour)*10_000 + int64(minute)*100 + int64(second)
	},
}

// prepare sorts the columns: the line protocol has symbols first.
func (w *tableWriter) prepare() {
	w.symbols, w.cells, w.marks, w.clocks = nil, nil, nil, nil
	for _, c := range w.batch.Columns {
		if column, _ := w.table.Column(c.Name); column.Type == "SYMBOL" {
			w.symbols = append(w.symbols, c)
		} else {
			w.cells = append(w.cells, c)
		}
	}
	for _, m := range w.destination.marks {
		if _, ok := w.table.Column(m.column); ok && m.value != "" {
			m.given = w.batch.Column(m.column)
			w.marks = append(w.marks, m)
		}
	}
	for name, of := range clocks {
		if c, ok := w.table.Column(name); ok && c.Type == "LONG" && w.kind <= stores.Indicators {
			w.clocks = append(w.clocks, clock{c.Name, w.batch.Column(name), of})
		}
	}
	slices.SortFunc(w.clocks, func(a, b clock) int { return strings.Compare(a.column, b.column) })
}

// cellsOfFlush is how many cells are sent at a time: some 50 MB. Fewer are one transaction.
const cellsOfFlush = 2 << 20

// write sends the rows but those that are there, and returns when they can be read.
func (w *tableWriter) write(ctx context.Context, there map[string]int) error {
	w.prepare()
	out, err := w.client.Writer(w.table)
	if err != nil {
		return fmt.Errorf("write to %s: %w", w.table.Name, err)
	}
	defer out.Close()
	each := max(1, cellsOfFlush/max(1, len(w.symbols)+len(w.cells)))
	for row := range w.batch.Times {
		if there != nil {
			if key := w.key(row); there[key] > 0 {
				there[key]--
				continue
			}
		}
		w.row(out, row)
		if out.Len() == each {
			if err := out.Flush(ctx); err != nil {
				return fmt.Errorf("write to %s: %w", w.table.Name, err)
			}
		}
	}
	if err := out.Flush(ctx); err != nil {
		return fmt.Errorf("write to %s: %w", w.table.Name, err)
	}
	return nil
}

func (w *tableWriter) row(out *questdb.Writer, row int) {
	for _, m := range w.marks {
		if m.given == nil || m.given.Missing(row) {
			out.Symbol(m.column, m.value)
		}
	}
	for _, c := range w.symbols {
		if text, ok := c.Text(row); ok {
			out.Symbol(c.Name, text)
		}
	}
	for _, c := range w.cells {
		switch c.Kind {
		case rows.Float:
			out.Float(c.Name, c.Float(row))
		case rows.Int:
			if v := c.Int(row); v != rows.Null {
				out.Int(c.Name, v)
			}
		case rows.Text:
			if text, ok := c.Text(row); ok {
				out.Text(c.Name, text)
			}
		}
	}
	for _, c := range w.clocks {
		if c.given == nil || c.given.Missing(row) {
			out.Int(c.column, c.of(w.batch.Times[row]))
		}
	}
	out.Row(w.batch.Times[row])
}

// key is all of a row that its table does not get from elsewhere.
func (w *tableWriter) key(row int) string {
	b := strconv.AppendInt(nil, w.batch.Times[row], 10)
	for _, column := range w.compared() {
		b = append(b, 0)
		c := w.batch.Column(column.Name)
		switch {
		case c == nil || c.Missing(row):
			if value, ok := w.markOf(column.Name); ok {
				b = append(b, value...)
			}
		case c.Kind == rows.Float:
			b = appendNumber(b, c.Float(row))
		case c.Kind == rows.Int:
			b = strconv.AppendInt(b, c.Int(row), 10)
		default:
			text, _ := c.Text(row)
			b = append(b, text...)
		}
	}
	return string(b)
}

// markOf is what a row without the column gets.
func (w *tableWriter) markOf(column string) (string, bool) {
	for _, m := range w.marks {
		if strings.EqualFold(m.column, column) {
			return m.value, true
		}
	}
	return "", false
}

func appendNumber(b []byte, v float64) []byte {
	if v == 0 {
		v = 0 // QuestDB keeps the sign, which says nothing
	}
	return strconv.AppendFloat(b, v, 'g', -1, 64)
}

// compared are the columns that decide whether two rows are the same: not the designated one, nor what is always the same.
func (w *tableWriter) compared() []questdb.Column {
	return slices.DeleteFunc(slices.Clone(w.table.Columns), func(c questdb.Column) bool {
		return c.Designated || slices.ContainsFunc(w.marks, func(m mark) bool { return m.always && strings.EqualFold(m.column, c.Name) })
	})
}

// stored counts the rows that are in the table for the same times.
func (w *tableWriter) stored(ctx context.Context) (map[string]int, error) {
	w.prepare()
	scan := questdb.Scan{Selection: w.place.Selection(), Columns: []string{w.table.Designated}, Limit: -1}
	scan.Table = w.table
	if scan.Where == nil {
		return nil, fmt.Errorf("table %s is not shared", w.table.Name)
	}
	scan.From, scan.To = time.UnixMicro(slices.Min(w.batch.Times)), time.UnixMicro(slices.Max(w.batch.Times))
	for _, c := range w.compared() {
		scan.Columns = append(scan.Columns, c.Name)
	}
	found, err := w.client.Scan(ctx, scan)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", w.table.Name, err)
	}
	defer found.Close()
	there := map[string]int{}
	for found.Next() {
		micros, _ := found.Int(0)
		b := strconv.AppendInt(nil, micros, 10)
		for i, f := range found.Fields[1:] {
			b = append(b, 0)
			switch f.Kind {
			case questdb.Float:
				if v, ok := found.Float(i + 1); ok {
					b = appendNumber(b, v)
				}
			case questdb.Text:
				v, _ := found.Text(i + 1)
				b = append(b, v...)
			default:
				if v, ok := found.Int(i + 1); ok {
					b = strconv.AppendInt(b, v, 10)
				}
			}
		}
		there[string(b)]++
	}
	if err := found.Err(); err != nil {
		return nil, fmt.Errorf("read %s: %w", w.table.Name, err)
	}
	return there, nil
}
