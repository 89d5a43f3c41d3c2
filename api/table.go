package api

import (
	"github.com/labstack/echo/v4"

	"foldbook/api/spec"
	"foldbook/db"
	"foldbook/internal/paging"
	"foldbook/internal/rowstream"
	"foldbook/questdb"
)

// sendTable answers a page of records as rows.
func sendTable[T any, P paging.Row[T]](c echo.Context, list *paging.List[T, P], format spec.Format) error {
	c.Response().Header().Del("ETag") // it is that of the JSON
	records := &records[T, P]{rows: list.Rows(), at: -1, fields: list.Request().Fields()}
	a := rowstream.Answer{Rows: records, Format: format, File: list.Key(), Record: records.appendJSON}
	for i, column := range P(nil).Columns() {
		if records.fields&(1<<i) != 0 {
			records.columns = append(records.columns, i)
			a.Fields = append(a.Fields, rowstream.Field{Name: column.Name, Kind: kinds[column.Kind]})
		}
	}
	a.End = func(int64) (rowstream.End, error) {
		end := rowstream.End{Total: rowstream.NotCounted, Next: list.Next()}
		if total, ok := list.Total(); ok {
			end.Total = total
		}
		return end, nil
	}
	return a.Send(&rowstream.Writer{ResponseWriter: c.Response(), Request: c.Request()}, func() {})
}

var kinds = map[db.ColumnKind]questdb.Kind{
	db.TextColumn: questdb.Text, db.IntColumn: questdb.Int, db.FloatColumn: questdb.Float,
	db.BoolColumn: questdb.Bool, db.TimeColumn: questdb.Time,
}

// records are those of a page as rows.
type records[T any, P paging.Row[T]] struct {
	rows    []T
	at      int
	fields  db.Fields
	columns []int // of the record, for each of the answer
}

func (r *records[T, P]) Next() bool { r.at++; return r.at < len(r.rows) }
func (r *records[T, P]) Err() error { return nil }
func (r *records[T, P]) Close()     {}

func (r *records[T, P]) cell(i int) db.Cell { return P(&r.rows[r.at]).Cell(r.columns[i]) }

func (r *records[T, P]) Int(i int) (int64, bool)     { c := r.cell(i); return c.Int, c.Valid }
func (r *records[T, P]) Float(i int) (float64, bool) { c := r.cell(i); return c.Float, c.Valid }
func (r *records[T, P]) Text(i int) ([]byte, bool)   { c := r.cell(i); return c.Text, c.Valid }

// appendJSON appends the record as JSON has it.
func (r *records[T, P]) appendJSON(b []byte) []byte {
	return P(&r.rows[r.at]).AppendFields(b, r.fields)
}
