package rowread

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/google/go-cmp/cmp"
)

// file is how the command line reads a file.
func file() Options {
	return Options{Rows: 1 << 20, Texts: true, Time: []string{"timestamp_ms", "timestamp", "timestamp_unix"}, AnyUnit: true}
}

func TestCSV(t *testing.T) {
	t.Parallel()
	in := "\ufefftimestamp, close ,Time,note\r\n1704067200000,42010.5,040000,\n1704067200001,NaN,,x\n1704067200002,-Inf,+1e3,\"a,b\"\n"
	o := service()
	o.Texts = true
	want := []map[string]any{
		{"timestamp": int64(1704067200000000), "close": 42010.5, "Time": 40000.0},
		{"timestamp": int64(1704067200001000), "note": "x"},
		{"timestamp": int64(1704067200002000), "Time": 1000.0, "note": "a,b"},
	}
	got, err := all(CSV, iotest.OneByteReader(strings.NewReader(in)), o)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for _, c := range []struct{ in, want string }{
		{"", "the body is empty"},
		{"timestamp,a-b\n", `column "a-b": is not a valid column name: letters, digits, _ and blanks between them, at most 127 bytes`},
		{"timestamp,\n1704067200000,1\n", "rows[0]: has a cell in a column without a name"},
		{"timestamp,a,A\n", "column A: is there twice"},
		{"a\n1\n", "rows[0].timestamp: is missing"},
		{"timestamp,a\n1704067200000,1\n1704067200000\n", "rows[1]: has another number of cells than the header, which has 2, in line 3"},
		{"timestamp,a\n1704067200000,\"1\n", `rows[0]: is not CSV: extraneous or missing " in quoted-field, in line 2`},
		{"timestamp,a\n1704067200000,x\n", `rows[0].a: must be a number, and is "x"`},
		{"timestamp,a\n1704067200000,0x10\n", `rows[0].a: must be a number, and is "0x10"`},
		{"timestamp,a\n1704067200000,1e999\n", "rows[0].a: is out of range"},
		{"timestamp,a\n1704067200,1\n", "rows[0].timestamp: 1704067200 is in seconds, it seems: that is 2024-01-01T00:00:00Z, and in milliseconds it is 1970-01-20T17:21:07.2Z: write milliseconds since 1970 or a text such as 2025-11-10T01:30:00Z"},
		{"timestamp,a\n1969-12-31,1\n", "rows[0].timestamp: 1969-12-31T00:00:00Z is before 1970-01-01, where the times of QuestDB begin"},
		{"timestamp,a\n2263-01-01,1\n", "rows[0].timestamp: 2263-01-01T00:00:00Z is after 2262-04-11, where the times of QuestDB's line protocol end"},
		{"timestamp,a\n1704067200000,\xff\n", "rows[0].a: is not UTF-8"},
	} {
		if _, err := all(CSV, strings.NewReader(c.in), service()); err == nil || err.Error() != c.want {
			t.Errorf("%q\n got %v\nwant %s", c.in, err, c.want)
		}
	}
}

// data-rules.md, Numbers, texts and missing values
func TestCells(t *testing.T) {
	t.Parallel()
	o := service()
	o.Texts = true
	at := int64(1704067200000000)
	for _, c := range []struct {
		format Format
		in     string
		want   []map[string]any // or the error
		wrong  string
	}{
		{CSV, "timestamp,a,b,c\n1704067200000,null,None,bull\n1704067200000,NA,n/a,-\n1704067200000,187.15,NaN,bear\n1704067200000,<NA>,7,\n",
			[]map[string]any{{"timestamp": at, "c": "bull"}, {"timestamp": at}, {"timestamp": at, "a": 187.15, "c": "bear"}, {"timestamp": at, "b": 7.0}}, ""},
		{CSV, "timestamp,a\n1704067200000,\"42,283.58\"\n1704067200000,\"-1,234,567\"\n", []map[string]any{{"timestamp": at, "a": 42283.58}, {"timestamp": at, "a": -1234567.0}}, ""},
		{CSV, "timestamp,a\n1704067200000,\"42,28\"\n1704067200000,1\n", nil, "rows[1].a: must be a text, as the cells above it are, and is 1"},
		{CSV, "timestamp,a\n1704067200000,1\n1704067200000,bull\n", nil, `rows[1].a: must be a number, and is "bull"`},
		{CSV, "timestamp,id,f\n1704067200000,9007199254740993,3\n1704067200000,,4\n1704067200000,1,5\n",
			[]map[string]any{{"timestamp": at, "id": int64(9007199254740993), "f": 3.0}, {"timestamp": at, "f": 4.0}, {"timestamp": at, "id": int64(1), "f": 5.0}}, ""},
		{NDJSON, `{"timestamp":1704067200000,"id":1704067200123456789}` + "\n" + `{"timestamp":1704067200000,"id":null,"f":1152921504606847000,"g":0.5}`,
			[]map[string]any{{"timestamp": at, "id": int64(1704067200123456789)}, {"timestamp": at, "f": 1152921504606847000.0, "g": 0.5}}, ""},
		{NDJSON, `{"timestamp":"2024-01-01 00:00","regime":"bull"}` + "\n" + `{"timestamp":"1704067200000","regime":null}`, []map[string]any{{"timestamp": at, "regime": "bull"}, {"timestamp": at}}, ""},
		{NDJSON, `{"timestamp":"2024-01-01 00:00","regime":"bull"}` + "\n" + `{"timestamp":"1704067200000","regime":7}`, nil, "rows[1].regime: must be a text, as the cells above it are, and is 7"},
		{CSV, ",timestamp,a,\n0,1704067200000,1,\n", []map[string]any{{"timestamp": at, "a": 1.0}}, ""},
		{CSV, "timestamp,a,__index_level_0__,Unnamed: 0\n1704067200000,1,5,6\n", []map[string]any{{"timestamp": at, "a": 1.0}}, ""},
	} {
		got, err := all(c.format, strings.NewReader(c.in), o)
		if c.wrong != "" {
			if err == nil || err.Error() != c.wrong {
				t.Errorf("%q\n got %v\nwant %s", c.in, err, c.wrong)
			}
		} else if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
			t.Errorf("%q: %v (-want +got):\n%s", c.in, err, diff)
		}
	}
}

// The kinds of columns are those of all batches.
func TestKinds(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"timestamp,a,b,c,d\n1704067200000,1,,,\n1704067200000,9007199254740993,2,x,\n": "map[a:2 b:1 c:3 d:0]",
		"timestamp,a\n1704067200000,1\n1704067200000,x\n":                              "rows[1].a: must be a number, and is \"x\"",
		"timestamp,a\n1704067200000,x\n1704067200000,1\n":                              "rows[1].a: must be a text, as the cells above it are, and is 1",
		"timestamp,a\n1704067200000,0.5\n1704067200000,9007199254740993\n":             "column a: has whole numbers of more digits than a DOUBLE keeps, and numbers that are not whole",
	} {
		o := file()
		o.Rows = 1
		r := New(CSV, strings.NewReader(in), o)
		_, err := r.Next()
		for err == nil {
			_, err = r.Next()
		}
		var kinds map[string]Kind
		if errors.Is(err, io.EOF) {
			kinds, err = r.Kinds()
		}
		got := fmt.Sprint(kinds)
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}

// data-rules.md, Tables and names: as many columns in each format, beside the time and an index.
func TestMostColumns(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{MaxColumns: "", MaxColumns + 1: "c4096: is one column too many: 4096 are taken"} {
		header, cells, object := "timestamp,Unnamed: 0", "2024-01-01,0", `{"timestamp": "2024-01-01"`
		fields := []arrow.Field{{Name: "timestamp", Type: arrow.PrimitiveTypes.Int64}, {Name: "__index_level_0__", Type: arrow.PrimitiveTypes.Int64}}
		for i := range n {
			name := fmt.Sprintf("c%d", i)
			header, cells, object = header+","+name, cells+",1", object+`,"`+name+`":1`
			fields = append(fields, arrow.Field{Name: name, Type: arrow.PrimitiveTypes.Float64})
		}
		var stream bytes.Buffer
		if err := ipc.NewWriter(&stream, ipc.WithSchema(arrow.NewSchema(fields, nil))).Close(); err != nil {
			t.Fatal(err)
		}
		for format, in := range map[Format]string{CSV: header + "\n" + cells + "\n", NDJSON: object + "}\n", Arrow: stream.String()} {
			_, err := New(format, strings.NewReader(in), service()).Next()
			if want == "" && err != nil && !errors.Is(err, io.EOF) || want != "" && (err == nil || !strings.HasSuffix(err.Error(), want)) {
				t.Errorf("format %d, %d columns: %v", format, n, err)
			}
		}
	}
}

func TestUnits(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		format   Format
		in, want string
	}{
		{CSV, "timestamp_unix,a\n1704067200,1\n", ""},
		{CSV, "timestamp,a\n1704067200,1\n", ""},
		{CSV, "timestamp,a\n1704067200000,1\n", ""},
		{CSV, "timestamp,a\n1704067200000000,1\n", ""},
		{CSV, "timestamp,a\n1704067200000000000,1\n", ""},
		{CSV, "timestamp,a\n2024-01-01T00:00:00Z,1\n", ""},
		{CSV, "timestamp,a\n2024-01-01 01:00:00.000+01:00,1\n", ""},
		{CSV, "timestamp,a\n2024-01-01,1\n", ""},
		{CSV, "timestamp,timestamp_ms,a\n7,1704067200000,1\n", ""},
		{NDJSON, `{"a": 1, "timestamp": "x", "timestamp_ms": 1704067200000}`, ""},
		{NDJSON, `{"a": 1, "timestamp_unix": 1704067200}`, ""},
		{JSON, `{"rows": [{"a": 1, "timestamp": 1704067200}]}`, ""},
		{CSV, "a\n1\n", "the body has no column of times, which are timestamp_ms, timestamp, timestamp_unix: it has a"},
		{NDJSON, `{"a": 1}`, "the body has no column of times, which are timestamp_ms, timestamp, timestamp_unix: it has a"},
		{CSV, "timestamp,a\n1704067200,1\n9999999999999,1\n", "rows[1].timestamp: 9999999999999 is no time between 1973 and 2262 in seconds (it is the year 318857): write seconds since 1970 or a text such as 2025-11-10T01:30:00Z"},
		{CSV, "timestamp,a\nyesterday,1\n", `rows[0].timestamp: "yesterday" is not a time: write a number or a text such as 2025-11-10T01:30:00Z`},
	} {
		got, err := all(c.format, strings.NewReader(c.in), file())
		if c.want != "" {
			if err == nil || err.Error() != c.want {
				t.Errorf("%q\n got %v\nwant %s", c.in, err, c.want)
			}
			continue
		}
		if diff := cmp.Diff([]map[string]any{{"timestamp": int64(1704067200000000), "a": 1.0}}, got); diff != "" || err != nil {
			t.Errorf("%q: %v (-want +got):\n%s", c.in, err, diff)
		}
	}
	// A second clock beside the time is a column like any other.
	got, err := all(CSV, strings.NewReader("timestamp_ms,timestamp_unix\n1704067200000,7\n"), file())
	if diff := cmp.Diff([]map[string]any{{"timestamp": int64(1704067200000000), "timestamp_unix": 7.0}}, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// arrowBody is a stream of two batches; the fields are those of build.
func arrowBody(t testing.TB, fields []arrow.Field, build func(*array.RecordBuilder), o ...ipc.Option) []byte {
	t.Helper()
	schema := arrow.NewSchema(fields, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	var out bytes.Buffer
	w := ipc.NewWriter(&out, append(o, ipc.WithSchema(schema))...)
	for range 2 {
		build(b)
		batch := b.NewRecordBatch()
		if err := w.Write(batch); err != nil {
			t.Fatal(err)
		}
		batch.Release()
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

var simple = []arrow.Field{{Name: "timestamp", Type: arrow.PrimitiveTypes.Int64}, {Name: "close", Type: arrow.PrimitiveTypes.Float64}}

func simpleBody(t testing.TB, o ...ipc.Option) []byte {
	return arrowBody(t, simple, func(b *array.RecordBuilder) {
		b.Field(0).(*array.Int64Builder).AppendValues([]int64{1704067200000, 1704067200001}, nil)
		b.Field(1).(*array.Float64Builder).AppendValues([]float64{math.Inf(1), 0.1}, nil)
	}, o...)
}

func TestArrow(t *testing.T) {
	t.Parallel()
	for name, body := range map[string][]byte{"plain": simpleBody(t), "zstd": simpleBody(t, ipc.WithZstd()), "lz4": simpleBody(t, ipc.WithLZ4())} {
		one := []map[string]any{{"timestamp": int64(1704067200000000)}, {"timestamp": int64(1704067200001000), "close": 0.1}}
		for _, o := range []Options{service(), {Rows: 1, Time: []string{"timestamp"}}, file()} {
			got, err := all(Arrow, iotest.OneByteReader(bytes.NewReader(body)), o)
			if diff := cmp.Diff(append(one, one...), got); diff != "" || err != nil {
				t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
			}
		}
		for _, cut := range []int{0, 3, 100, len(body) / 2, len(body) - 9, len(body) - 8, len(body) - 1} {
			if _, err := all(Arrow, bytes.NewReader(body[:cut]), service()); err == nil {
				t.Errorf("%s: cut off at %d of %d it is taken", name, cut, len(body))
			}
		}
	}
	dict := &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: arrow.BinaryTypes.String}
	body := arrowBody(t, []arrow.Field{
		{Name: "timestamp", Type: &arrow.TimestampType{Unit: arrow.Nanosecond, TimeZone: "UTC"}}, {Name: "i", Type: arrow.PrimitiveTypes.Int64}, {Name: "f", Type: arrow.PrimitiveTypes.Float32},
		{Name: "side", Type: dict}, {Name: "mode", Type: arrow.BinaryTypes.LargeString}, {Name: "u", Type: arrow.PrimitiveTypes.Uint8}, {Name: "none", Type: arrow.Null},
	}, func(b *array.RecordBuilder) {
		b.Field(0).(*array.TimestampBuilder).Append(1704067200000 * 1e6)
		b.Field(1).(*array.Int64Builder).Append(9007199254740993)
		b.Field(2).(*array.Float32Builder).Append(0.1)
		if err := b.Field(3).(*array.BinaryDictionaryBuilder).AppendString("long"); err != nil {
			t.Fatal(err)
		}
		b.Field(4).(*array.LargeStringBuilder).Append("dual")
		b.Field(5).(*array.Uint8Builder).AppendNull()
		b.Field(6).(*array.NullBuilder).AppendNull()
	})
	o := service()
	o.Texts = true
	want := map[string]any{"timestamp": int64(1704067200000000), "i": int64(9007199254740993), "f": float64(float32(0.1)), "side": "long", "mode": "dual"}
	got, err := all(Arrow, bytes.NewReader(body), o)
	if diff := cmp.Diff([]map[string]any{want, want}, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// The types that pandas and polars write are numbers, times and texts; an index is no column. The files are of heavyai/heavydb#206,
// questdb/py-questdb-client#24, pandas-dev/pandas#51664 and pola-rs/polars#7291.
func TestArrowTypes(t *testing.T) {
	t.Parallel()
	o := service()
	o.Texts = true
	for name, want := range map[string]string{
		"arrow-type-categorical.arrow":              "map[close:1.5 high:2 low:0.5 open:1 regime:bull timestamp:1704067200000000 volume:10] 3 rows",
		"arrow-type-date32-time.arrow":              "map[close:1.5 high:2 low:0.5 open:1 timestamp:1704067200000000 volume:10] 3 rows",
		"arrow-type-decimal128.arrow":               "map[close:1.5 high:2 low:0.5 open:1.1 timestamp:1704067200000000 volume:10] 3 rows",
		"arrow-type-float16.arrow":                  "map[close:1.5 f16:1 high:2 low:0.5 open:1 timestamp:1704067200000000 volume:10] 3 rows",
		"arrow-index-level-becomes-a-feature.arrow": "map[rsi_14:2 timestamp:1704070800000000] 3 rows",
		"arrow-index-unnamed-datetime.arrow":        "map[close:1.5 high:2 low:0.5 open:1 timestamp:1704067200000000 volume:10] 3 rows",
	} {
		body, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := all(Arrow, bytes.NewReader(body), o)
		if err != nil || fmt.Sprint(got[0], " ", len(got), " rows") != want {
			t.Errorf("%s: %v, %v\nwant %s", name, got, err, want)
		}
	}
}

func TestArrowFaults(t *testing.T) {
	t.Parallel()
	times := func(v ...int64) func(b *array.RecordBuilder) {
		return func(b *array.RecordBuilder) { b.Field(0).(*array.Int64Builder).AppendValues(v, nil) }
	}
	ms := arrow.Field{Name: "timestamp", Type: arrow.PrimitiveTypes.Int64}
	for _, c := range []struct {
		body []byte
		want string
	}{
		{nil, "the body is empty"},
		{[]byte("timestamp,close\n1,2\n"), "the body is not an Arrow IPC stream, or is damaged"},
		{arrowBody(t, []arrow.Field{ms}, times(1704067200000, 1704067200)), "rows[1].timestamp: 1704067200 is in seconds, it seems: that is 2024-01-01T00:00:00Z, and in milliseconds it is 1970-01-20T17:21:07.2Z: write milliseconds since 1970 or a text such as 2025-11-10T01:30:00Z"},
		{arrowBody(t, []arrow.Field{{Name: "x", Type: arrow.PrimitiveTypes.Int64}}, times(1)), "rows[0].timestamp: is missing"},
		{arrowBody(t, []arrow.Field{ms, {Name: "b", Type: arrow.FixedWidthTypes.Time32s}}, func(b *array.RecordBuilder) {
			times(1704067200000)(b)
			b.Field(1).AppendNull()
		}), "column b: has the type time32, which is none of numbers, texts and timestamps"},
		{arrowBody(t, []arrow.Field{{Name: "timestamp", Type: arrow.FixedWidthTypes.Timestamp_us}}, func(b *array.RecordBuilder) {
			b.Field(0).(*array.TimestampBuilder).Append(1704067200000001)
		}), "rows[0].timestamp: 2024-01-01T00:00:00.000001Z is not a whole number of milliseconds"},
		{arrowBody(t, []arrow.Field{ms, {Name: "s", Type: arrow.BinaryTypes.String}}, func(b *array.RecordBuilder) {
			times(1704067200000)(b)
			b.Field(1).(*array.StringBuilder).Append("x")
		}), `rows[0].s: must be a number, and is "x"`},
	} {
		if _, err := all(Arrow, bytes.NewReader(c.body), service()); err == nil || err.Error() != c.want {
			t.Errorf("got %v\nwant %s", err, c.want)
		}
	}
	// A message that says that it is very long.
	long := append([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}, make([]byte, 100)...)
	if _, err := all(Arrow, bytes.NewReader(long), service()); err == nil || err.Error() != "the body is not an Arrow IPC stream, or is damaged" {
		t.Errorf("got %v", err)
	}
}

// What a stream says of its lengths asks for no memory: a few bytes could name more than any machine has.
func TestArrowClaims(t *testing.T) {
	t.Parallel()
	whole := simpleBody(t)
	size := binary.LittleEndian.Uint32(whole[4:])
	for at := 4; at+4 < 8+int(size); at += 4 {
		for _, claim := range []uint32{1 << 20, 1 << 29, 1<<31 - 8, 1<<32 - 8} {
			body := bytes.Clone(whole)
			binary.LittleEndian.PutUint32(body[at:], claim)
			_, _ = all(Arrow, bytes.NewReader(body), service()) // ends, with an error or without
		}
	}
	o := service()
	o.Memory = 8
	if _, err := all(Arrow, bytes.NewReader(whole), o); !errors.Is(err, ErrTooMany) {
		t.Errorf("a message above the limit: %v", err)
	}
}

// FuzzArrow requires that a stream costs memory in proportion to its length, and that its errors are the package's own.
func FuzzArrow(f *testing.F) {
	whole := simpleBody(f)
	f.Add(whole)
	f.Add(simpleBody(f, ipc.WithZstd()))
	for at := 8; at < 200; at += 4 {
		body := bytes.Clone(whole)
		binary.LittleEndian.PutUint32(body[at:], 1<<31-8)
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		o := service()
		o.Memory, o.Cells = 1<<20, 1<<16
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := all(Arrow, bytes.NewReader(body), o)
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 64<<20+100*uint64(len(body)) {
			t.Errorf("%d bytes cost %d bytes of memory", len(body), used)
		}
		if fault := new(ValidationError); err != nil && !errors.As(err, &fault) && !errors.Is(err, ErrTooMany) {
			t.Errorf("got %v", err)
		}
	})
}

// The error of a reader comes back as it is.
func TestReaderErrors(t *testing.T) {
	t.Parallel()
	want := errors.New("the line is cut")
	for format, begin := range map[Format]string{JSON: `{"rows": [`, NDJSON: `{"timestamp": 1704067200000}`, CSV: "timestamp\n1704067200000\n", Arrow: string(simpleBody(t)[:400])} {
		if _, err := all(format, io.MultiReader(strings.NewReader(begin), iotest.ErrReader(want)), service()); !errors.Is(err, want) {
			t.Errorf("format %d: %v", format, err)
		}
	}
}

// What the writer writes the reader reads, with its types, and what it says of it.
func TestArrowWriter(t *testing.T) {
	t.Parallel()
	in := "timestamp,f,s,none\n1704067200000,0.0009110000100918114,a,\n1704067200001,,\"b,c\",\n"
	o := file()
	o.Rows = 1
	r := New(CSV, strings.NewReader(in), o)
	var out bytes.Buffer
	w := NewArrowWriter(&out, map[string]string{"belongs": "here"})
	for {
		b, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if err := w.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if about, err := About(bytes.NewReader(out.Bytes())); err != nil || about["belongs"] != "here" {
		t.Errorf("about %v, %v", about, err)
	}
	want, _ := all(CSV, strings.NewReader(in), file())
	got, err := all(Arrow, &out, file())
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}
