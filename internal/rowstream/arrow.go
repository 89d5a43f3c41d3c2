package rowstream

import (
	"bytes"
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"foldbook/questdb"
)

// arrowEncoder writes an Arrow IPC file, which is a stream with a table of contents, or a stream, with a record batch
// for so many rows. Its columns are kept as Arrow lays them out: through Arrow's builders a million rows take a third longer.
type arrowEncoder struct {
	heldColumns
	atOnce int
	schema *arrow.Schema
	out    appender
	writer interface {
		Write(record arrow.RecordBatch) error
		Close() error
	}
}

// appender is where Arrow writes to: the answer's own bytes, so that a batch is not copied once more.
type appender []byte

func (a *appender) Write(b []byte) (int, error) {
	*a = append(*a, b...)
	return len(b), nil
}

// arrowColumn is the cells that are held of a column.
type arrowColumn struct {
	Field
	floats []float64
	ints   []int64
	text   []byte
	ends   []int32 // of the texts
	nulls  []int   // rows
}

func newArrowEncoder(fields []Field, atOnce int, file bool) *arrowEncoder {
	e := &arrowEncoder{atOnce: atOnce, heldColumns: hold(fields)}
	list := make([]arrow.Field, len(fields))
	for i, f := range fields {
		list[i] = arrow.Field{Name: f.Name, Type: arrowType(f), Nullable: !f.Millis}
	}
	e.schema = arrow.NewSchema(list, nil)
	e.writer = ipc.NewWriter(&e.out, ipc.WithSchema(e.schema))
	if file {
		w, err := ipc.NewFileWriter(&e.out, ipc.WithSchema(e.schema))
		if err != nil {
			panic(err) // it goes into memory
		}
		e.writer = w
	}
	return e
}

func arrowType(f Field) arrow.DataType {
	switch {
	case f.Kind == questdb.Float:
		return arrow.PrimitiveTypes.Float64
	case f.Kind == questdb.Int, f.Millis:
		return arrow.PrimitiveTypes.Int64
	case f.Kind == questdb.Bool:
		return arrow.FixedWidthTypes.Boolean
	case f.Kind == questdb.Time:
		return &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}
	}
	return arrow.BinaryTypes.String
}

func (e *arrowEncoder) begin(b []byte) []byte { return b }

func (e *arrowEncoder) row(b []byte, rows Rows, _ int64) []byte {
	if e.held == e.atOnce {
		b = e.flush(b)
	}
	e.add(rows)
	return b
}

// heldColumns are the cells of some rows.
type heldColumns struct {
	columns []arrowColumn
	held    int // rows
}

func hold(fields []Field) heldColumns {
	h := heldColumns{columns: make([]arrowColumn, len(fields))}
	for i, f := range fields {
		h.columns[i].Field = f
	}
	return h
}

func (h *heldColumns) add(rows Rows) {
	for i := range h.columns {
		c := &h.columns[i]
		var ok bool
		switch c.Kind {
		case questdb.Float:
			var x float64
			x, ok = rows.Float(i)
			c.floats = append(c.floats, x)
		case questdb.Text:
			var text []byte
			text, ok = rows.Text(i)
			c.text = append(c.text, text...)
			c.ends = append(c.ends, int32(min(len(c.text), math.MaxInt32)))
		default:
			var n int64
			n, ok = rows.Int(i)
			if c.Millis {
				n = Millis(n)
			}
			c.ints = append(c.ints, n)
		}
		if !ok {
			c.nulls = append(c.nulls, h.held)
		}
	}
	h.held++
}

// clear lets the columns hold the rows that follow.
func (h *heldColumns) clear() {
	for i := range h.columns {
		c := &h.columns[i]
		c.floats, c.ints, c.text, c.ends, c.nulls = c.floats[:0], c.ints[:0], c.text[:0], c.ends[:0], c.nulls[:0]
	}
	h.held = 0
}

// flush appends the rows that are held as a record batch.
func (e *arrowEncoder) flush(b []byte) []byte {
	arrays := make([]arrow.Array, len(e.columns))
	for i := range e.columns {
		c := &e.columns[i]
		data := array.NewData(e.schema.Field(i).Type, e.held, c.buffers(e.held), nil, len(c.nulls), 0)
		arrays[i] = array.MakeFromData(data)
	}
	e.out = b
	if err := e.writer.Write(array.NewRecordBatch(e.schema, arrays, int64(e.held))); err != nil {
		panic(err) // it goes into memory, and the schema is its own
	}
	e.clear()
	return e.out
}

// buffers are the validity and the cells of a column. The numbers of the stream are little-endian, as on the machines that this
// is built for.
func (c *arrowColumn) buffers(n int) []*memory.Buffer {
	var valid *memory.Buffer
	if len(c.nulls) > 0 {
		valid = memory.NewBufferBytes(c.valid(n))
	}
	switch c.Kind {
	case questdb.Float:
		return []*memory.Buffer{valid, memory.NewBufferBytes(arrow.Float64Traits.CastToBytes(c.floats))}
	case questdb.Bool:
		bits := make([]byte, (n+7)/8)
		for row, x := range c.ints {
			bits[row>>3] |= byte(x&1) << (row & 7)
		}
		return []*memory.Buffer{valid, memory.NewBufferBytes(bits)}
	case questdb.Text:
		ends := append(make([]int32, 1, n+1), c.ends...)
		return []*memory.Buffer{valid, memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(ends)), memory.NewBufferBytes(c.text)}
	}
	return []*memory.Buffer{valid, memory.NewBufferBytes(arrow.Int64Traits.CastToBytes(c.ints))}
}

// valid has a bit for each row: whether its cell is there.
func (c *arrowColumn) valid(n int) []byte {
	bits := bytes.Repeat([]byte{0xff}, (n+7)/8)
	for _, row := range c.nulls {
		bits[row>>3] &^= 1 << (row & 7)
	}
	return bits
}

func (e *arrowEncoder) end(b []byte, _ int64, _ End) []byte {
	if e.held > 0 {
		b = e.flush(b)
	}
	e.out = b
	if err := e.writer.Close(); err != nil { // writes the schema if there was no row
		panic(err) // it goes into memory
	}
	return e.out
}
