package rowread

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"foldbook/questdb"
)

// service is how the service reads appended rows.
func service() Options {
	return Options{Rows: 1 << 20, Time: []string{"timestamp", "timestamp_ms"}}
}

// all reads everything as rows of names and values.
func all(format Format, in io.Reader, o Options) (rows []map[string]any, err error) {
	r := New(format, in, o)
	for {
		b, err := r.Next()
		if errors.Is(err, io.EOF) {
			return rows, nil
		} else if err != nil {
			return rows, err
		}
		for i, t := range b.Times {
			row := map[string]any{"timestamp": t}
			for _, c := range b.Columns {
				if c.Missing(i) {
					continue
				}
				switch c.Kind {
				case Float:
					row[c.Name] = c.Float(i)
				case Int:
					row[c.Name] = c.Int(i)
				case Text:
					row[c.Name], _ = c.Text(i)
				}
			}
			rows = append(rows, row)
		}
	}
}

func TestJSONRows(t *testing.T) {
	t.Parallel()
	o := service()
	o.Texts = true
	o.Column = func(name string) (string, Kind, error) {
		switch name {
		case "bar_index":
			return name, Int, nil
		case "target":
			return "target_value", Float, nil
		}
		return name, Any, nil
	}
	in := ` {"more": [{"a": "}]"}, 1e5], "rows" : [
		{"timestamp": 1704067200000, "a": 1, "b": -0.5e-3, "bar_index": 9223372036854775807, "s": "x\u00e9\"}"},
		{"a": null, "timestamp_ms": 1704067200001, "timestamp": 1704067200001, "late": 0.0009110000100918114, "target": 7},
		{"\u0061":1e308 ,"timestamp":1.704067200002e12,"bar_index":24.0}
	], "z": {"rows": null}} `
	want := []map[string]any{
		{"timestamp": int64(1704067200000000), "a": 1.0, "b": -0.0005, "bar_index": int64(math.MaxInt64), "s": `xé"}`},
		{"timestamp": int64(1704067200001000), "late": 0.0009110000100918114, "target_value": 7.0},
		{"timestamp": int64(1704067200002000), "a": 1e308, "bar_index": int64(24)},
	}
	for name, reader := range map[string]io.Reader{"whole": strings.NewReader(in), "byte by byte": iotest.OneByteReader(strings.NewReader(in))} {
		got, err := all(JSON, reader, o)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
}

// NaN and the like are null on request, wherever a read ends within them.
func TestJSONNonfinite(t *testing.T) {
	t.Parallel()
	o := service()
	o.Nonfinite, o.Texts = true, true
	in := `{"x": [NaN], "rows": [{"timestamp": 1704067200000, "a": NaN, "b":-Infinity, "s": "NaN\\\" -Infinity", "n": -1},
		{"timestamp": 1704067200001, "a": -0.5, "b":Infinity , "s": null}]}`
	want := []map[string]any{
		{"timestamp": int64(1704067200000000), "s": `NaN\" -Infinity`, "n": -1.0}, {"timestamp": int64(1704067200001000), "a": -0.5},
	}
	for name, reader := range map[string]io.Reader{"whole": strings.NewReader(in), "byte by byte": iotest.OneByteReader(strings.NewReader(in))} {
		got, err := all(JSON, reader, o)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
	_, err := all(JSON, strings.NewReader(`{"rows": [{"timestamp": NaN}]}`), o)
	if err == nil || err.Error() != "rows[0].timestamp: is missing" {
		t.Errorf("%v", err)
	}
}

func TestJSONFaults(t *testing.T) {
	t.Parallel()
	const ok = `"timestamp": 1704067200000`
	o := service()
	o.Column = func(name string) (string, Kind, error) {
		switch strings.ToLower(name) {
		case "n":
			return name, Int, nil
		case "side":
			return name, Text, nil
		}
		return name, Any, nil
	}
	for _, c := range []struct{ body, want string }{
		{``, "the body is empty"},
		{`[]`, `the body must be an object, {"rows": […]}`},
		{`null`, `the body must be an object, {"rows": […]}`},
		{`x`, `the body must be an object, {"rows": […]}`},
		{`{}`, "the body has no rows"},
		{`{"row": [1]}`, "the body has no rows"},
		{`{"rows": {}}`, "column rows: must be an array"},
		{`{"rows": [], "rows": []}`, "column rows: is there twice"},
		{`{"rows": []`, "the body ends early"},
		{`{"rows": [`, "rows[0]: ends early"},
		{`{"rows": []} x`, "the body goes on after its JSON document, at byte 13"},
		{`{"a": {"b": 1, "b": 2}, "rows": []}`, "the body is not JSON, at byte 6"},
		{`{"rows": [{"timestamp": 170`, "rows[0]: ends early"},
		{`{"rows": [1]}`, "rows[0]: must be an object"},
		{`{"rows": [{` + ok + `}, null]}`, "rows[1]: must be an object"},
		{`{"rows": [{` + ok + `},]}`, "rows[1]: is not JSON: unexpected ']', at byte 39"},
		{`{"rows": [{` + ok + `} {` + ok + `}]}`, "rows[1]: is not JSON: unexpected '{', at byte 39"},
		{`{"rows": [{"a": 1}]}`, "rows[0].timestamp: is missing"},
		{`{"rows": [{` + ok + `}, {"timestamp": 1704067200}]}`, "rows[1].timestamp: 1704067200 is in seconds, it seems: that is 2024-01-01T00:00:00Z, and in milliseconds it is 1970-01-20T17:21:07.2Z: write milliseconds since 1970 or a text such as 2025-11-10T01:30:00Z"},
		{`{"rows": [{"timestamp": 1704067200000000}]}`, "rows[0].timestamp: 1704067200000000 is in microseconds, it seems: that is 2024-01-01T00:00:00Z, and in milliseconds it is the year 55969: write milliseconds since 1970 or a text such as 2025-11-10T01:30:00Z"},
		{`{"rows": [{"timestamp": -1}]}`, "rows[0].timestamp: -1 is no time between 1973 and 2262 in milliseconds (it is 1969-12-31T23:59:59.999Z): write milliseconds since 1970 or a text such as 2025-11-10T01:30:00Z"},
		{`{"rows": [{"timestamp": 1704067200000.5}]}`, "rows[0].timestamp: 2024-01-01T00:00:00.0005Z is not a whole number of milliseconds"},
		{`{"rows": [{"timestamp": "yesterday"}]}`, `rows[0].timestamp: "yesterday" is not a time: write milliseconds since 1970 or a text such as 2025-11-10T01:30:00Z`},
		{`{"rows": [{"timestamp": true}]}`, "rows[0].timestamp: must be a time: milliseconds since 1970 or a text such as 2025-11-10T01:30:00Z, and is true"},
		{`{"rows": [{"timestamp": null}]}`, "rows[0].timestamp: is missing"},
		{`{"rows": [{` + ok + `, "timestamp_ms": 1704067200001}]}`, "rows[0].timestamp_ms: is another time than the one that is given beside it"},
		{`{"rows": [{` + ok + `, "rsi_14": "a"}]}`, `rows[0].rsi_14: must be a number, and is "a"`},
		{`{"rows": [{` + ok + `, "rsi_14": [1]}]}`, "rows[0].rsi_14: must be a number, and is [1]"},
		{`{"rows": [{` + ok + `, "rsi_14": "55.5"}]}`, "rows[0].rsi_14: is the number 55.5 written as a text: write it without quotes"},
		{`{"rows": [{` + ok + `, "a": 9007199254740993}, {` + ok + `, "a": 0.5}]}`, "rows[0].a: 9007199254740993 has more digits than a DOUBLE keeps, and not all numbers of the column are whole"},
		{`{"rows": [{` + ok + `, "a": 0.5}, {` + ok + `, "a": 9007199254740993}]}`, "rows[1].a: 9007199254740993 has more digits than a DOUBLE keeps"},
		{`{"rows": [{` + ok + `, "n": 1.5}]}`, "rows[0].n: must be a whole number, and is 1.5"},
		{`{"rows": [{` + ok + `, "n": 9223372036854775808}]}`, "rows[0].n: must be a whole number, and is 9.223372036854776e+18"},
		{`{"rows": [{` + ok + `, "n": -9223372036854775808}]}`, "rows[0].n: must be a whole number, and is -9223372036854775808"},
		{`{"rows": [{` + ok + `, "side": 1}]}`, "rows[0].side: must be a text, and is 1"},
		{`{"rows": [{` + ok + `, "side": "\u0000"}]}`, "rows[0].side: has the character U+0000, which cannot be stored"},
		{`{"rows": [{` + ok + `, "side": "\ud800"}]}`, "rows[0].side: is not a JSON text"},
		{`{"rows": [{` + ok + `, "a": 1e999}]}`, "rows[0].a: is out of range"},
		{`{"rows": [{` + ok + `, "a": NaN}]}`, "rows[0].a: is NaN, which JSON does not have: send null, or nonfinite=null in the query, which takes it as null, at byte 44"},
		{`{"rows": [{` + ok + `, "a":-Infinity}]}`, "rows[0].a: is -Infinity, which JSON does not have: send null, or nonfinite=null in the query, which takes it as null, at byte 43"},
		{`{"x": Infinity, "rows": []}`, "the body is Infinity, which JSON does not have: send null, or nonfinite=null in the query, which takes it as null, at byte 6"},
		{`{"rows": [{` + ok + `, "a": 01}]}`, "rows[0]: is not JSON: unexpected '1', at byte 45"},
		{`{"rows": [{` + ok + `, "a": 1.}]}`, "rows[0]: is not JSON: unexpected '}', at byte 46"},
		{`{"rows": [{` + ok + `, "a": .1}]}`, "rows[0]: is not JSON: unexpected '.', at byte 44"},
		{`{"rows": [{` + ok + `, "a": 1, "A": 2}]}`, "rows[0].A: is there twice"},
		{`{"rows": [{` + ok + `, "a-b": 1}]}`, `rows[0]."a-b": is not a valid column name: letters, digits, _ and blanks between them, at most 127 bytes`},
		{`{"rows": [{` + ok + `, "": 1}]}`, "rows[0]: has a column without a name"},
		{`{"rows": [{` + ok + `, "a\"": 1}]}`, `rows[0]."a\"": is not a valid column name: letters, digits, _ and blanks between them, at most 127 bytes`},
		{"{\"rows\": [{" + ok + ", \"a\xff\": 1}]}", "rows[0]: has a name that is not a JSON text"},
		{`{"rows": [{` + ok + `, "` + strings.Repeat("a", 128) + `": 1}]}`, `rows[0]."` + strings.Repeat("a", 100) + `…": is not a valid column name: letters, digits, _ and blanks between them, at most 127 bytes`},
	} {
		_, err := all(JSON, strings.NewReader(c.body), o)
		var f *ValidationError
		if !errors.As(err, &f) || f.Error() != c.want {
			t.Errorf("%s\n got %v\nwant %s", c.body, err, c.want)
		}
	}
	for _, c := range []struct{ body, want string }{
		{`{` + ok + `} {` + ok + `}`, "rows[1]: does not begin on a line of its own"},
		{`{` + ok + "}\n\n7", "rows[1]: must be an object"},
		{`{` + ok + "}\n{", "rows[1]: ends early"},
	} {
		if _, err := all(NDJSON, strings.NewReader(c.body), o); err == nil || err.Error() != c.want {
			t.Errorf("%s\n got %v\nwant %s", c.body, err, c.want)
		}
	}
}

// A null is a cell, and tells other things than none.
func TestGiven(t *testing.T) {
	t.Parallel()
	for format, in := range map[Format]string{
		NDJSON: `{"timestamp": 1704067200000, "a": 1, "b": null}` + "\n" + `{"a": null, "timestamp": 1704067200001}` + "\n" + `{"timestamp": 1704067200002, "B": null}`,
		CSV:    "timestamp,a,b\n1704067200000,1,\n1704067200001,,\n1704067200002,,\n",
	} {
		for _, rows := range []int{1, 100} {
			o := service()
			o.Rows = rows
			var got strings.Builder
			for r := New(format, strings.NewReader(in), o); ; {
				batch, err := r.Next()
				if errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					t.Fatal(err)
				}
				for row := range batch.Times {
					for _, name := range []string{"a", "b"} {
						c := batch.Column(name)
						fmt.Fprint(&got, map[bool]string{true: "given", false: "none"}[c.Given(row)], map[bool]string{true: " null ", false: " value "}[c.Missing(row)])
					}
				}
			}
			want := "given value given null given null none null none null given null "
			if format == CSV {
				want = "given value given null given null given null given null given null "
			}
			if got.String() != want {
				t.Errorf("format %d, %d rows at a time: %s", format, rows, got.String())
			}
		}
	}
}

func TestBatches(t *testing.T) {
	t.Parallel()
	var lines strings.Builder
	for i := range 25 {
		fmt.Fprintf(&lines, "{\"timestamp\": %d, \"a\": %d}\n", 1704067200000+i, i)
	}
	o := service()
	o.Rows = 10
	r := New(NDJSON, strings.NewReader(lines.String()+`{"timestamp": 5}`), o)
	for _, want := range []int{10, 10} {
		b, err := r.Next()
		if err != nil || len(b.Times) != want || b.Columns[0].Float(9) != float64(b.Times[9]/1000-1704067200000) {
			t.Fatalf("got %v, %v", b, err)
		}
	}
	var f *ValidationError
	if _, err := r.Next(); !errors.As(err, &f) || f.Row != 25 {
		t.Errorf("the error is %v, want row 25", err)
	}
	o.Cells = 12
	if _, err := New(NDJSON, strings.NewReader(lines.String()), service()).Next(); err != nil {
		t.Error(err)
	}
	o.Rows = 100
	if _, err := New(NDJSON, strings.NewReader(lines.String()), o).Next(); !errors.Is(err, ErrTooMany) {
		t.Errorf("got %v, want ErrTooMany", err)
	}
}

// FuzzJSON compares with a general decoder: what the one takes as rows of numbers the other has to take, with the same values.
func FuzzJSON(f *testing.F) {
	for _, seed := range []string{
		`{"rows":[{"timestamp":1704067200000,"a":1.5,"b":null},{"b":-2e-3,"timestamp":1704067200001}]}`,
		`{"x":{"y":[1,"]"]},"rows":[{"timestamp":1704067200000,"\u0061":0.1}]}`,
		`{"rows":[{"timestamp":1704067200000,"a":123456789012345678901234567890.5,"c":-0}],"z":"\ud83d\ude80"}`,
		"{\"rows\":[{\"timestamp\":1704067200000,\"a\":1}\r\n,\t{\"timestamp\":1704067200000,\"a\":0.30000000000000004}]}",
		`{"rows":[{"timestamp":1704067200000,"a":1e400}]}`, `{"rows":[{"timestamp":1704067200000,"a":1,"a":2}]}`,
		`{"rows":[{"timestamp":1704067200000,"a":9007199254740993}]}`, `{"rows":[{"timestamp":1704067200000,"a":"x"}]}`, `{"rows":[{}]}`,
	} {
		f.Add([]byte(seed), uint8(7))
	}
	other := regexp.MustCompile(`"timestamp(_ms)?"\s*:\s*(".|[2-9]?\d{1,11}[^\d]|9)|\d{16}`) // times and numbers that a general decoder takes otherwise
	f.Fuzz(func(t *testing.T, body []byte, chunk uint8) {
		if other.Match(body) {
			t.Skip()
		}
		got, err := all(JSON, &chunked{body, int(chunk) + 1}, service())
		want, ok := general(body)
		if (err == nil) != ok {
			t.Fatalf("got %v, a general decoder takes it: %t\n%q", err, ok, body)
		}
		if ok {
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("%q (-general +own):\n%s", body, diff)
			}
		}
	})
}

type chunked struct {
	rest []byte
	size int
}

func (c *chunked) Read(p []byte) (int, error) {
	if len(c.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), c.size)], c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

// general reads rows with a general decoder.
func general(body []byte) ([]map[string]any, bool) {
	var doc map[string]rawValue
	if jsonv2.Unmarshal(body, &doc) != nil || doc["rows"] == nil {
		return nil, false
	}
	var list []map[string]rawValue
	if string(doc["rows"]) == "null" || jsonv2.Unmarshal(doc["rows"], &list) != nil {
		return nil, false
	}
	var rows []map[string]any
	for _, cells := range list {
		if cells == nil {
			return nil, false
		}
		row, times, folded := map[string]any{}, map[int64]bool{}, map[string]bool{}
		for name, cell := range cells {
			if !questdb.ValidColumn(name) {
				return nil, false
			}
			fold := strings.ToLower(name)
			isTime := fold == "timestamp" || fold == "timestamp_ms"
			if !isTime && folded[fold] {
				return nil, false
			}
			folded[fold] = true
			if string(cell) == "null" {
				continue
			}
			var v float64
			if cell[0] == '"' || json.Unmarshal(cell, &v) != nil {
				return nil, false
			}
			if !isTime {
				row[name] = v
				continue
			}
			if v != math.Trunc(v) || v < 1e11 || v >= 1e13 {
				return nil, false
			}
			times[int64(v)] = true
			row["timestamp"] = int64(v) * 1000
		}
		if len(times) != 1 {
			return nil, false
		}
		// A column keeps its first spelling.
		for name, v := range row {
			for _, earlier := range rows {
				for other := range earlier {
					if other != name && strings.EqualFold(other, name) {
						delete(row, name)
						row[other] = v
					}
				}
			}
		}
		rows = append(rows, row)
	}
	return rows, true
}

type rawValue []byte

func (r *rawValue) UnmarshalJSON(b []byte) error {
	*r = append([]byte{}, b...)
	return nil
}

func BenchmarkJSON(b *testing.B) {
	body := sample(10_000, 60)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		batch, err := New(JSON, strings.NewReader(body), service()).Next()
		if err != nil || len(batch.Times) != 10_000 || len(batch.Columns) != 60 {
			b.Fatal(batch, err)
		}
	}
}

// sample is rows of random numbers with all their digits.
func sample(rows, columns int) string {
	r := rand.New(rand.NewPCG(1, 2))
	var body strings.Builder
	body.WriteString(`{"rows": [`)
	for i := range rows {
		if i > 0 {
			body.WriteString(", ")
		}
		fmt.Fprintf(&body, `{"timestamp": %d`, 1704067200000+int64(i)*3600000)
		for c := range columns {
			fmt.Fprintf(&body, `, "feature_%d": %v`, c, r.NormFloat64())
		}
		body.WriteByte('}')
	}
	body.WriteString("]}")
	return body.String()
}
