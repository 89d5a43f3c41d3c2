package rowread

import (
	"errors"
	"fmt"
	"io"
	"math"
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
	if len(fields) > MaxColumns {
		return &ValidationError{Row: -1, What: fmt.Sprintf("has %d columns: %d are taken", len(fields), MaxColumns)}
	}
	has := func(name string) bool {
		_, ok := reader.Schema().FieldsByName(name)
		return ok
	}
	if err := r.chooseTime(has); err != nil {
		return err
	}
	for _, f := range fields {
		c, err := r.column(f.Name)
		if err == nil {
			err = r.meet(c, f.Name)
		}
		if err == nil && c.Kind == Any {
			c.Kind = r.kindOf(f.Type.ID())
		}
		if err != nil {
			return r.inHeader(err)
		}
		c.whole = true
		r.header = append(r.header, c)
	}
	return nil
}

// kindOf is the kind that a column has by its type, even without any cell.
func (b *builder) kindOf(t arrow.Type) Kind {
	switch {
	case arrow.IsInteger(t), t == arrow.TIMESTAMP, t == arrow.BOOL:
		return Int
	case arrow.IsFloating(t):
		return Float
	case b.o.Texts && t != arrow.NULL:
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
	case *array.Int64:
		return func(c *Column, i int) error { return r.whole(c, a.Value(i)) }, nil
	case *array.Int32:
		return func(c *Column, i int) error { return r.whole(c, int64(a.Value(i))) }, nil
	case *array.Int16:
		return func(c *Column, i int) error { return r.whole(c, int64(a.Value(i))) }, nil
	case *array.Int8:
		return func(c *Column, i int) error { return r.whole(c, int64(a.Value(i))) }, nil
	case *array.Uint64:
		return func(c *Column, i int) error {
			if v := a.Value(i); v > math.MaxInt64 {
				return r.invalid(c.Name, "is out of range")
			}
			return r.whole(c, int64(a.Value(i))) //nolint:gosec // checked
		}, nil
	case *array.Uint32:
		return func(c *Column, i int) error { return r.whole(c, int64(a.Value(i))) }, nil
	case *array.Uint16:
		return func(c *Column, i int) error { return r.whole(c, int64(a.Value(i))) }, nil
	case *array.Uint8:
		return func(c *Column, i int) error { return r.whole(c, int64(a.Value(i))) }, nil
	case *array.Boolean:
		return func(c *Column, i int) error {
			if a.Value(i) {
				return r.whole(c, 1)
			}
			return r.whole(c, 0)
		}, nil
	case *array.Timestamp:
		return r.moments(a)
	case *array.Null:
		return func(*Column, int) error { return nil }, nil
	case *array.Dictionary:
		if texts, ok := a.Dictionary().(interface{ Value(int) string }); ok {
			return func(c *Column, i int) error { return r.text(c, texts.Value(a.GetValueIndex(i))) }, nil
		}
	case interface{ Value(int) string }: // String, LargeString, StringView
		return func(c *Column, i int) error { return r.text(c, a.Value(i)) }, nil
	}
	return nil, &ValidationError{Row: -1, Column: c.Name,
		What: "has the type " + column.DataType().Name() + ", which is none of numbers, texts and timestamps"}
}

func (r *arrowReader) float(c *Column, v float64) error {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return r.setNumber(c, v)
}

func (r *arrowReader) whole(c *Column, v int64) error {
	switch {
	case c.skip:
		return nil
	case !c.wantsInt():
		return r.setNumber(c, float64(v))
	case v == Null:
		return r.invalid(c.Name, "is out of range")
	}
	return r.setWhole(c, v)
}

func (r *arrowReader) text(c *Column, v string) error {
	if !utf8.ValidString(v) {
		return r.invalid(c.Name, "is not UTF-8")
	}
	return r.setTextCell(c, []byte(v))
}

// moments reads a column of timestamps, which say their unit. The time of a row is whole milliseconds; as any other column
// they are numbers of their unit.
func (b *builder) moments(a *array.Timestamp) (func(*Column, int) error, error) {
	kind, ok := a.DataType().(*arrow.TimestampType)
	if !ok {
		return nil, &ValidationError{Row: -1, What: "is not an Arrow IPC stream, or is damaged", Syntax: true}
	}
	unit := kind.Unit.Multiplier()
	return func(c *Column, i int) error {
		v := int64(a.Value(i))
		switch {
		case c.skip:
			return nil
		case !c.time && c.wantsInt():
			return b.setInt(c, v)
		case !c.time:
			return b.invalid(c.Name, "must be "+wanted(c))
		}
		nanos := int64(unit)
		if nanos > 1 && (v > math.MaxInt64/nanos || v < 0) {
			return b.invalid(c.Name, "is out of range")
		}
		if nanos*v%int64(time.Millisecond) != 0 {
			return b.invalid(c.Name, "is not a whole number of milliseconds")
		}
		if b.o.AnyUnit {
			return b.setMicros(c.Name, nanos*v/int64(time.Microsecond))
		}
		return b.setTime(c.Name, nanos*v/int64(time.Millisecond))
	}, nil
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
