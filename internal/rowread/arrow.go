package rowread

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// arrowReader reads an Arrow IPC stream. A cell that is null, or a number that is not finite, is missing.
type arrowReader struct {
	*builder
	in       io.Reader
	reader   *ipc.Reader
	messages *messages
	seen     *watched
	header   []*Column
	batch    arrow.RecordBatch
	row      int // of the batch
}

// watched remembers the error of a reader, which the decoder may hide, and whether anything was read.
type watched struct {
	io.Reader
	err error
	any bool
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	w.any = w.any || n > 0
	if err != nil && err != io.EOF {
		w.err = err
	}
	return n, err
}

func (r *arrowReader) read() (err error) {
	defer func() {
		if p := recover(); p != nil { // the decoder trusts offsets inside a message
			err = r.wrong(fmt.Errorf("%v", p))
		}
	}()
	if r.reader == nil {
		if err := r.begin(); err != nil {
			return err
		}
	}
	for !r.full() {
		if r.batch == nil || r.row == int(r.batch.NumRows()) {
			if !r.reader.Next() {
				return r.finish()
			}
			r.batch, r.row = r.reader.RecordBatch(), 0
			continue
		}
		n := min(int(r.batch.NumRows())-r.row, r.o.Rows-len(r.times))
		if err := r.take(n); err != nil {
			return err
		}
		r.row += n
	}
	return nil
}

func (r *arrowReader) begin() error {
	r.seen = &watched{Reader: r.in}
	most := int64(r.o.Memory)
	if most == 0 {
		most = maxMessage
	}
	r.messages = &messages{in: r.seen, most: most}
	reader, err := ipc.NewReaderFromMessageReader(r.messages, ipc.WithAllocator(&bounded{most: int(most)}))
	if err != nil {
		if !r.seen.any && r.seen.err == nil {
			return &ValidationError{Row: -1, What: "is empty", Syntax: true}
		}
		return r.wrong(err)
	}
	r.reader = reader
	fields := reader.Schema().Fields()
	if len(fields) > maxNames {
		return &ValidationError{Row: -1, What: fmt.Sprintf("has %d columns: %d are taken", len(fields), MaxColumns)}
	}
	names := r.fieldNames(fields)
	if err := r.chooseTime(names); err != nil {
		return err
	}
	for i, f := range fields {
		c, err := r.column(names[i])
		if err == nil {
			err = r.meet(c, f.Name)
		}
		if err == nil && c.Kind == Any {
			c.Kind = r.kindOf(valueType(f.Type).ID())
		}
		if err != nil {
			return r.inHeader(err)
		}
		c.whole = true
		r.header = append(r.header, c)
	}
	return nil
}

// fieldNames are the names of the columns. When none has that of a time, an index of pandas that has times is the time.
func (b *builder) fieldNames(fields []arrow.Field) []string {
	names, index := make([]string, len(fields)), -1
	for i, f := range fields {
		switch names[i] = f.Name; {
		case slices.ContainsFunc(b.o.Time, func(t string) bool { return strings.EqualFold(t, f.Name) }):
			index = len(fields)
		case index < 0 && pandasIndex.MatchString(f.Name) && isTimeType(f.Type):
			index = i
		}
	}
	if index >= 0 && index < len(fields) {
		names[index] = b.o.Time[0]
	}
	return names
}

func isTimeType(t arrow.DataType) bool {
	return slices.Contains([]arrow.Type{arrow.TIMESTAMP, arrow.DATE32, arrow.DATE64}, t.ID())
}

// valueType is the type of the cells of a column, which a dictionary may hold.
func valueType(t arrow.DataType) arrow.DataType {
	if d, ok := t.(*arrow.DictionaryType); ok {
		return d.ValueType
	}
	return t
}

// kindOf is the kind that a column has by its type, even without any cell.
func (b *builder) kindOf(t arrow.Type) Kind {
	switch {
	case arrow.IsInteger(t), t == arrow.TIMESTAMP, t == arrow.DATE32, t == arrow.DATE64, t == arrow.BOOL:
		return Int
	case arrow.IsFloating(t):
		return Float
	case b.o.Texts && slices.Contains([]arrow.Type{arrow.STRING, arrow.LARGE_STRING, arrow.STRING_VIEW}, t):
		return Text
	}
	return Any
}

// finish tells a stream that was cut off between two batches from one that ended.
func (r *arrowReader) finish() error {
	if err := r.reader.Err(); err != nil && !errors.Is(err, io.EOF) {
		return r.wrong(err)
	}
	if r.seen.err != nil {
		return r.seen.err
	}
	if !r.messages.end {
		return &ValidationError{Row: -1, What: "ends early: the Arrow stream has no end", Syntax: true}
	}
	return io.EOF
}

func (r *arrowReader) wrong(err error) error {
	if r.seen.err != nil {
		return r.seen.err
	}
	if errors.Is(err, ErrTooMany) || strings.Contains(err.Error(), errMemory) { // the library makes texts of panics
		return ErrTooMany
	}
	return &ValidationError{Row: -1, What: "is not an Arrow IPC stream, or is damaged", Syntax: true}
}

// take reads rows of the record batch.
func (r *arrowReader) take(n int) error {
	cells := make([]func(c *Column, row int) error, len(r.header))
	for i, c := range r.header {
		var err error
		if cells[i], err = r.cells(c, r.batch.Column(i)); err != nil {
			return err
		}
	}
	for row := r.row; row < r.row+n; row++ {
		for i, c := range r.header {
			if r.batch.Column(i).IsNull(row) {
				continue
			}
			if err := cells[i](c, row); err != nil {
				return err
			}
		}
		if err := r.endRow(); err != nil {
			return err
		}
	}
	return nil
}

// cells returns what sets a cell from a row of a column that is not null there.
func (r *arrowReader) cells(c *Column, column arrow.Array) (func(*Column, int) error, error) {
	switch a := column.(type) {
	case *array.Float64:
		return func(c *Column, i int) error { return r.float(c, a.Value(i)) }, nil
	case *array.Float32:
		return func(c *Column, i int) error { return r.float(c, float64(a.Value(i))) }, nil
	case *array.Float16:
		return func(c *Column, i int) error { return r.float(c, float64(a.Value(i).Float32())) }, nil
	case *array.Int64:
		return wholes(r, a), nil
	case *array.Int32:
		return wholes(r, a), nil
	case *array.Int16:
		return wholes(r, a), nil
	case *array.Int8:
		return wholes(r, a), nil
	case *array.Uint32:
		return wholes(r, a), nil
	case *array.Uint16:
		return wholes(r, a), nil
	case *array.Uint8:
		return wholes(r, a), nil
	case *array.Uint64, *array.Decimal32, *array.Decimal64, *array.Decimal128, *array.Decimal256:
		return func(c *Column, i int) error { return r.digits(c, column.ValueStr(i)) }, nil
	case *array.Boolean:
		return func(c *Column, i int) error {
			if a.Value(i) {
				return r.setNumber(c, wholeNumber(1))
			}
			return r.setNumber(c, wholeNumber(0))
		}, nil
	case *array.Timestamp:
		if kind, ok := a.DataType().(*arrow.TimestampType); ok {
			return r.moments(int64(kind.Unit.Multiplier()), func(i int) int64 { return int64(a.Value(i)) }), nil
		}
	case *array.Date32:
		return r.moments(int64(time.Millisecond), func(i int) int64 { return int64(a.Value(i)) * 24 * time.Hour.Milliseconds() }), nil
	case *array.Date64:
		return r.moments(int64(time.Millisecond), func(i int) int64 { return int64(a.Value(i)) }), nil
	case *array.Null:
		return func(*Column, int) error { return nil }, nil
	case *array.Dictionary:
		set, err := r.cells(c, a.Dictionary())
		return func(c *Column, i int) error {
			if i = a.GetValueIndex(i); a.Dictionary().IsNull(i) {
				return nil
			}
			return set(c, i)
		}, err
	case interface{ Value(int) string }: // String, LargeString, StringView
		return func(c *Column, i int) error { return r.text(c, a.Value(i)) }, nil
	}
	return nil, &ValidationError{Row: -1, Column: c.Name,
		What: "has the type " + column.DataType().Name() + ", which is none of numbers, texts and timestamps"}
}

// wholes sets cells from a column of integers.
func wholes[T int8 | int16 | int32 | int64 | uint8 | uint16 | uint32](
	r *arrowReader, a interface{ Value(int) T },
) func(*Column, int) error {
	return func(c *Column, i int) error { return r.setNumber(c, wholeNumber(int64(a.Value(i)))) }
}

func (r *arrowReader) float(c *Column, v float64) error {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return r.setNumber(c, Number{Float: v, Exact: true})
}

// digits sets a cell from a number of any length.
func (r *arrowReader) digits(c *Column, text string) error {
	n, err := ReadNumber(text)
	if err != nil {
		return r.invalid(c.Name, text+" is out of range")
	}
	return r.setNumber(c, n)
}

func (r *arrowReader) text(c *Column, v string) error {
	if !utf8.ValidString(v) {
		return r.invalid(c.Name, "is not UTF-8")
	}
	return r.setTextCell(c, []byte(v))
}

// moments sets cells from times that say their unit. The time of a row is one; in any other column they are numbers of their unit.
func (r *arrowReader) moments(unit int64, value func(i int) int64) func(*Column, int) error {
	return func(c *Column, i int) error {
		v := value(i)
		if !c.time {
			return r.setNumber(c, wholeNumber(v))
		}
		each := int64(time.Second) / unit
		t, err := r.clock.Time(time.Unix(v/each, v%each*unit))
		return r.setTime(c.Name, t, err)
	}
}

// bounded is an allocator that holds so much at most: compressed messages may say that they are any length.
type bounded struct{ held, most int }

const errMemory = "needs too much memory"

// Allocate is part of memory.Allocator, like the two that follow.
func (b *bounded) Allocate(size int) []byte {
	if b.held += size; size < 0 || b.held > b.most {
		panic(errMemory)
	}
	return memory.DefaultAllocator.Allocate(size)
}

// Reallocate counts the difference.
func (b *bounded) Reallocate(size int, old []byte) []byte {
	if b.held += size - cap(old); size < 0 || b.held > b.most {
		panic(errMemory)
	}
	return memory.DefaultAllocator.Reallocate(size, old)
}

// Free counts down.
func (b *bounded) Free(old []byte) {
	b.held -= cap(old)
	memory.DefaultAllocator.Free(old)
}
