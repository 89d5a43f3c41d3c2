package rowstream

import (
	"fmt"

	"foldbook/api/spec"
)

// Layout is how rows stand in JSON: under which name, and in which shape.
type Layout struct {
	Key   string
	Shape spec.Shape
	Named bool // by the caller
}

// LayoutOf is the layout of an answer: the route's own, or the one that is the same on every route when the caller names a shape.
func LayoutOf(named *spec.Shape, format spec.Format, own Layout) (Layout, error) {
	switch {
	case named == nil:
		return own, nil
	case !named.Valid():
		return own, spec.InvalidParameter("shape", "is not objects, arrays or columns")
	case format != spec.JSON:
		return own, spec.InvalidParameter("shape", "goes with format=json")
	}
	return Layout{Key: "rows", Shape: *named, Named: true}, nil
}

// shapedMediaType is that of JSON in a shape that the caller named: it is not what the description says of the route's own.
const shapedMediaType = "application/vnd.foldbook.rows+json"

func (a *Answer) mediaType() string {
	if a.Format == spec.JSON && a.Layout.Named {
		return shapedMediaType
	}
	return MediaType(a.Format)
}

// maxColumns bounds the memory of an answer whose columns follow one another: they are complete only when all rows were read.
const maxColumns = 64 << 20

// sendColumns sends all values of a column together, as in a data frame.
func (a *Answer) sendColumns(w *Writer, begun func()) error {
	e := newTextEncoder(a.Fields, spec.JSON, true)
	columns, size, count := make([][]byte, len(a.Fields)), 0, int64(0)
	for ; a.Rows.Next(); count++ {
		size = 0
		for i := range columns {
			if count > 0 {
				columns[i] = append(columns[i], ',')
			}
			columns[i] = e.cell(columns[i], a.Rows, i)
			size += len(columns[i])
		}
		if size > maxColumns {
			return spec.InvalidParameter("shape", fmt.Sprintf("columns is for at most %d MiB, which %d rows of these columns fill: "+
				"name a limit or some columns, or take format=arrow", maxColumns>>20, count))
		}
	}
	if err := a.Rows.Err(); err != nil {
		return err
	}
	begun()
	end, err := a.End(count)
	if err != nil {
		return err
	}
	b := append(a.open(make([]byte, 0, size+size/8)), '{')
	for i, f := range a.Fields {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(AppendText(b, []byte(f.Name)), ':', '[')
		b = append(append(b, columns[i]...), ']')
		columns[i] = nil
	}
	w.Header().Set("Content-Type", a.mediaType())
	return w.Whole(end.close(append(b, '}'), count))
}
