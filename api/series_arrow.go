package api

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"foldbook/questdb"
)

// arrowEncoder writes an Arrow IPC stream: each batch becomes a record batch, whose buffers are those of the batch
// wherever Arrow has the same layout.
type arrowEncoder struct {
	fields []rowField
	schema *arrow.Schema
	out    bytes.Buffer
	writer *ipc.Writer
	millis []int64
	ends   [][]int32
	bits   [][]byte
}

func newArrowEncoder(fields []rowField) *arrowEncoder {
	list := make([]arrow.Field, len(fields))
	for i, f := range fields {
		list[i] = arrow.Field{Name: f.name, Type: arrowType(f), Nullable: !f.millis}
	}
	e := &arrowEncoder{fields: fields, schema: arrow.NewSchema(list, nil), ends: make([][]int32, len(fields)), bits: make([][]byte, len(fields))}
	e.writer = ipc.NewWriter(&e.out, ipc.WithSchema(e.schema))
	return e
}

func arrowType(f rowField) arrow.DataType {
	switch f.kind {
	case questdb.Float:
		return arrow.PrimitiveTypes.Float64
	case questdb.Int:
		return arrow.PrimitiveTypes.Int64
	case questdb.Bool:
		return arrow.FixedWidthTypes.Boolean
	case questdb.Time:
		if f.millis {
			return arrow.PrimitiveTypes.Int64
		}
		return &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}
	}
	return arrow.BinaryTypes.String
}

func (e *arrowEncoder) begin(b []byte) []byte { return b }

func (e *arrowEncoder) rows(b []byte, batch *questdb.Batch, _ int64) []byte {
	columns := make([]arrow.Array, len(batch.Columns))
	for i := range batch.Columns {
		v := &batch.Columns[i]
		data := array.NewData(e.schema.Field(i).Type, batch.N, e.buffers(i, v, batch.N), nil, v.Nulls, 0)
		columns[i] = array.MakeFromData(data)
	}
	record := array.NewRecordBatch(e.schema, columns, int64(batch.N))
	if err := e.writer.Write(record); err != nil {
		panic(err) // it goes into memory, and the schema is its own
	}
	return e.take(b)
}

// buffers are the validity and the cells of a column as Arrow lays them out. The stream's numbers are little-endian, as
// those of the machines are that this is built for.
func (e *arrowEncoder) buffers(i int, v *questdb.Vector, n int) []*memory.Buffer {
	var valid *memory.Buffer
	if v.Nulls > 0 {
		valid = memory.NewBufferBytes(v.Valid)
	}
	switch {
	case v.Kind == questdb.Float:
		return []*memory.Buffer{valid, memory.NewBufferBytes(bytesOf(v.Floats))}
	case v.Kind == questdb.Bool:
		bits := slices.Grow(e.bits[i][:0], (n+7)/8)[:(n+7)/8]
		clear(bits)
		for row, x := range v.Ints {
			bits[row>>3] |= byte(x&1) << (row & 7)
		}
		e.bits[i] = bits
		return []*memory.Buffer{valid, memory.NewBufferBytes(bits)}
	case v.Kind == questdb.Text:
		ends := slices.Grow(e.ends[i][:0], n+1)[:1]
		for _, end := range v.Ends {
			ends = append(ends, int32(min(end, math.MaxInt32))) //nolint:gosec // a batch has far less text
		}
		e.ends[i] = ends
		return []*memory.Buffer{valid, memory.NewBufferBytes(bytesOf(ends)), memory.NewBufferBytes(v.Text)}
	case e.fields[i].millis:
		e.millis = e.millis[:0]
		for _, micros := range v.Ints {
			e.millis = append(e.millis, millis(micros))
		}
		return []*memory.Buffer{valid, memory.NewBufferBytes(bytesOf(e.millis))}
	}
	return []*memory.Buffer{valid, memory.NewBufferBytes(bytesOf(v.Ints))}
}

func (e *arrowEncoder) finish(b []byte, _ int64, _ rowEnd) []byte {
	if err := e.writer.Close(); err != nil { // writes the schema if there was no row
		panic(err) // it goes into memory
	}
	return e.take(b)
}

func (e *arrowEncoder) take(b []byte) []byte {
	b = append(b, e.out.Bytes()...)
	e.out.Reset()
	return b
}

// bytesOf is the memory of numbers.
func bytesOf[T int64 | float64 | int32](numbers []T) []byte {
	if len(numbers) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&numbers[0])), len(numbers)*binary.Size(numbers[0])) //nolint:gosec // a view of the same memory
}
