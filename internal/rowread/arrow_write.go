package rowread

import (
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// ArrowWriter writes batches as one Arrow IPC stream, or as a file, whose columns are those of the first.
type ArrowWriter struct {
	out     io.Writer
	about   map[string]string
	columns []Column // names and kinds
	schema  *arrow.Schema
	w       interface {
		Write(record arrow.RecordBatch) error
		Close() error
	}
}

// NewArrowWriter makes a writer of a stream. What it is about is kept beside the columns, and makes it a file, as data frame
// libraries read it.
func NewArrowWriter(out io.Writer, about map[string]string) *ArrowWriter {
	return &ArrowWriter{out: out, about: about}
}

// Write adds a batch. The time is the column timestamp_ms, of timestamps, which are times before 1973 too.
func (a *ArrowWriter) Write(b *Batch) error {
	if a.w == nil {
		if err := a.begin(b.Columns); err != nil {
			return fmt.Errorf("write as Arrow: %w", err)
		}
	}
	build := array.NewRecordBuilder(memory.DefaultAllocator, a.schema)
	defer build.Release()
	if times, ok := build.Field(0).(*array.TimestampBuilder); ok {
		for _, micros := range b.Times {
			times.Append(arrow.Timestamp(micros / 1000))
		}
	}
	for i, column := range a.columns {
		c := b.Column(column.Name)
		for row := range b.Times {
			if c == nil || c.Missing(row) {
				build.Field(i + 1).AppendNull()
				continue
			}
			switch field := build.Field(i + 1).(type) {
			case *array.Int64Builder:
				field.Append(c.Int(row))
			case *array.StringBuilder:
				text, _ := c.Text(row)
				field.Append(text)
			case *array.Float64Builder:
				field.Append(c.Float(row))
			}
		}
	}
	record := build.NewRecordBatch()
	defer record.Release()
	if err := a.w.Write(record); err != nil {
		return fmt.Errorf("write as Arrow: %w", err)
	}
	return nil
}

func (a *ArrowWriter) begin(columns []*Column) error {
	fields := []arrow.Field{{Name: "timestamp_ms", Type: arrow.FixedWidthTypes.Timestamp_ms}}
	for _, c := range columns {
		a.columns = append(a.columns, Column{Name: c.Name, Kind: c.Kind})
		field := arrow.Field{Name: c.Name, Type: arrow.PrimitiveTypes.Float64, Nullable: true}
		switch c.Kind {
		case Int:
			field.Type = arrow.PrimitiveTypes.Int64
		case Text:
			field.Type = arrow.BinaryTypes.String
		}
		fields = append(fields, field)
	}
	about := arrow.MetadataFrom(a.about)
	a.schema = arrow.NewSchema(fields, &about)
	if a.about == nil {
		a.w = ipc.NewWriter(a.out, ipc.WithSchema(a.schema))
		return nil
	}
	var err error
	a.w, err = ipc.NewFileWriter(a.out, ipc.WithSchema(a.schema))
	return err
}

// Close ends the stream. Without a batch there is none.
func (a *ArrowWriter) Close() error {
	if a.w == nil {
		return nil
	}
	return a.w.Close()
}

// About is what the writer of an Arrow IPC stream says of it.
func About(in io.Reader) (map[string]string, error) {
	reader, err := ipc.NewReaderFromMessageReader(&messages{in: in, most: maxMessage}, ipc.WithAllocator(&bounded{most: maxMessage}))
	if err != nil {
		return nil, &ValidationError{Row: -1, What: "is not an Arrow IPC stream, or is damaged", Syntax: true}
	}
	defer reader.Release()
	about := reader.Schema().Metadata()
	return about.ToMap(), nil
}
