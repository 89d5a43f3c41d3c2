package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"foldbook/api/spec"
	"foldbook/db"
	"foldbook/internal/httpbody"
	"foldbook/internal/rowread"
	"foldbook/internal/series"
	"foldbook/questdb"
)

// destination is where the rows of a request go, and as what.
type destination struct {
	kind     series.Kind
	place    *series.Place
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
	always        bool            // else only rows that have none of their own
	given         *rowread.Column // of the rows; may be nil
}

// destination looks up where rows go; field is where the record names the table.
func (s *Server) destination(ctx context.Context, kind series.Kind, measurement, field string, names ...string) (*destination, error) {
	if s.QuestDB == nil {
		return nil, errSeriesOff
	}
	if !questdb.ValidTable(measurement) { // nor one of QuestDB's own tables
		return nil, conflict(fmt.Sprintf("%s is %q, which is no name of a table", field, httpbody.Shorten(measurement)), nil)
	}
	place, err := series.Find(ctx, s.QuestDB, kind, measurement, names...)
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
		name = map[series.Kind]string{
			series.Indicators: questdb.SharedIndicators, series.Predictions: questdb.SharedPredictions, series.Trace: questdb.SharedTraces,
		}[d.kind]
	}
	wanted := d.spec(name, interval)
	wanted.Name = d.place.Name
	if d.kind == series.Bars && d.place.Shared {
		wanted.Columns = append([]questdb.Column{{Name: "dataset", Type: "SYMBOL", Key: true}}, wanted.Columns...)
	}
	return wanted
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
func (d *destination) read(c echo.Context, body *httpbody.Body) (*rowread.Batch, error) {
	format, err := rowFormat(c.Request().Header.Get(echo.HeaderContentType))
	if err != nil {
		return nil, err
	}
	reader := rowread.New(format, body, rowread.Options{
		Rows: 1 << 31, Cells: maxCells, Time: []string{"timestamp", "timestamp_ms"}, Column: d.resolve(),
	})
	batch, err := reader.Next()
	var fault *rowread.ValidationError
	switch {
	case errors.Is(err, io.EOF):
		return nil, httpbody.Invalid("rows", "must not be empty")
	case errors.Is(err, rowread.ErrTooMany):
		return nil, &spec.Problem{Status: http.StatusRequestEntityTooLarge, Code: spec.ErrorCodeBodyTooLarge, Message: fmt.Sprintf("the rows have more than %d cells: send fewer at a time", maxCells)}
	case errors.As(err, &fault):
		code := spec.ErrorCodeInvalidBody
		if fault.Syntax {
			code = spec.ErrorCodeInvalidJSON
		}
		return nil, &spec.Problem{Status: http.StatusBadRequest, Code: code, Message: fault.Error()}
	case err != nil:
		return nil, body.Failure()
	}
	arrived(c)
	return batch, d.complete(batch)
}

// resolve tells which column of the table a column of a request is, and what its cells have to be.
func (d *destination) resolve() func(name string) (string, rowread.Kind, error) {
	table := d.columns()
	return func(name string) (string, rowread.Kind, error) {
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
			return name, rowread.Any, nil
		}
		switch c.Type {
		case "SYMBOL":
			if c.Key || slices.Equal(names, questdb.FoldColumns) {
				return c.Name, rowread.Label, nil
			}
			return c.Name, rowread.Text, nil
		case "VARCHAR", "STRING":
			return c.Name, rowread.Text, nil
		case "LONG", "INT", "SHORT", "BYTE":
			return c.Name, rowread.Int, nil
		case "DOUBLE", "FLOAT":
			return c.Name, rowread.Float, nil
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
func (d *destination) complete(batch *rowread.Batch) error {
	if d.needed == "" {
		return nil
	}
	column := batch.Column(d.needed)
	for i := range batch.Times {
		if column == nil || column.Missing(i) {
			return httpbody.Invalid(fmt.Sprintf("rows[%d].%s", i, d.needed), "is missing: it tells rows of one time apart")
		}
	}
	return nil
}

// plan is the table that the rows need, and the names of the columns that it lacks.
func (d *destination) plan(batch *rowread.Batch) (wanted questdb.Spec, added []string) {
	added = []string{}
	interval := d.interval
	if interval == 0 {
		interval = smallestStep(batch.Times)
	}
	wanted = d.base(interval)
	made, table := d.place.Table, d.columns()
	if made == nil {
		made = &questdb.Table{}
	} else { // then what it lacks beside its key is not needed
		wanted.Columns = slices.DeleteFunc(wanted.Columns, func(c questdb.Column) bool { return !c.Key })
	}
	for i, c := range wanted.Columns {
		for _, group := range d.same {
			if c.Key && slices.Contains(group, c.Name) { // in this table by another name
				wanted.Columns[i], _ = table.First(group...)
				wanted.Columns[i].Key = true
			}
		}
	}
	for _, c := range batch.Columns {
		_, there := made.Column(c.Name)
		if _, ok := (&questdb.Table{Columns: wanted.Columns}).Column(c.Name); ok || there {
			continue
		}
		column, ok := table.Column(c.Name)
		if !ok {
			column = questdb.Column{Name: c.Name, Type: "DOUBLE"}
			if c.Kind == rowread.Int {
				column.Type = "LONG"
			}
		}
		wanted.Columns = append(wanted.Columns, column)
	}
	for _, c := range wanted.Columns {
		if _, ok := made.Column(c.Name); !ok {
			added = append(added, c.Name)
		}
	}
	return wanted, added
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
