package candlefile

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
)

// A Parquet file of several row groups, with the times of a zone and the index of a filtered frame.
func TestParquet(t *testing.T) {
	t.Parallel()
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "date", Type: &arrow.TimestampType{Unit: arrow.Nanosecond, TimeZone: "America/New_York"}},
		{Name: "close", Type: arrow.PrimitiveTypes.Float32, Nullable: true},
		{Name: "regime", Type: arrow.BinaryTypes.String},
		{Name: "__index_level_0__", Type: arrow.PrimitiveTypes.Int64},
	}, nil)
	var file bytes.Buffer
	zstd := parquet.NewWriterProperties(parquet.WithCompression(compress.Codecs.Zstd))
	w, err := pqarrow.NewFileWriter(schema, &file, zstd, pqarrow.DefaultWriterProps())
	if err != nil {
		t.Fatal(err)
	}
	const groups, rows = 3, 10_000
	for group := range groups {
		b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
		for i := group * rows; i < (group+1)*rows; i++ {
			b.Field(0).(*array.TimestampBuilder).Append(arrow.Timestamp(time.Date(2024, 1, 2, 0, i, 0, 0, time.UTC).UnixNano()))
			if i == 1 {
				b.Field(1).AppendNull()
			} else {
				b.Field(1).(*array.Float32Builder).Append(1.5)
			}
			b.Field(2).(*array.StringBuilder).Append("bull")
			b.Field(3).(*array.Int64Builder).Append(int64(i))
		}
		if err := w.Write(b.NewRecordBatch()); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	want := "2024-01-02T00:00:00Z close=1.5 regime=bull\n2024-01-02T00:01:00Z close= regime=bull\n30000 rows\n"
	if got := dump(strings.NewReader(file.String()), Options{}); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for name, text := range map[string]string{
		"cut":        file.String()[:file.Len()/2],
		"no index":   "PAR1PAR1",
		"wrong size": "PAR1xxxxxxxx\xff\xff\xff\x7fPAR1",
	} {
		if got := dump(strings.NewReader(text), Options{}); !strings.HasPrefix(got, "is not a Parquet file that can be read: ") {
			t.Errorf("%s: %s", name, got)
		}
	}
}
