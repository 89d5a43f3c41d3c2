package questdb_test

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"foldbook/internal/testdb"
	"foldbook/questdb"
)

// run runs a statement at the server, past the client.
func run(t *testing.T, sql string) {
	t.Helper()
	res, err := http.Get(testdb.QuestDB(t).HTTPURL() + "/exec?query=" + url.QueryEscape(sql))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(res.Body)
		t.Fatalf("status %d: %s", res.StatusCode, text)
	}
}

// applied waits for what was run on a table.
func applied(t *testing.T, c *questdb.Client, table string, rows int64) {
	t.Helper()
	for deadline := time.Now().Add(limit); ; time.Sleep(time.Millisecond) {
		m, err := c.Measurement(t.Context(), table)
		if err == nil && m.Rows == rows {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the table has %v, %v, want %d rows", m, err, rows)
		}
	}
}

// Each type with a value, at an end of its range, and as NULL.
func TestTypes(t *testing.T) {
	t.Parallel()
	micros := func(text string) int64 {
		at, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			t.Fatal(err)
		}
		return at.UnixMicro()
	}
	types := []struct {
		column, declared string
		kind             questdb.Kind
		literals         [2]string
		want             [2]any
		null             any
	}{
		{"d", "DOUBLE", questdb.Float, [2]string{"0.1", "-1.7976931348623157e308"}, [2]any{0.1, -1.7976931348623157e308}, nil},
		{"no", "DOUBLE", questdb.Float, [2]string{"cast('NaN' as double)", "1.0/0"}, [2]any{nil, nil}, nil},
		{"f", "FLOAT", questdb.Float, [2]string{"1.1", "-3.4e38"}, [2]any{float64(float32(1.1)), float64(float32(-3.4e38))}, nil},
		{"l", "LONG", questdb.Int, [2]string{"9223372036854775807", "-9007199254740993"}, [2]any{int64(9223372036854775807), int64(-9007199254740993)}, nil},
		{"i", "INT", questdb.Int, [2]string{"2147483647", "-2147483647"}, [2]any{int64(2147483647), int64(-2147483647)}, nil},
		{"sh", "SHORT", questdb.Int, [2]string{"32767", "-32768"}, [2]any{int64(32767), int64(-32768)}, int64(0)},
		{"b", "BYTE", questdb.Int, [2]string{"127", "-128"}, [2]any{int64(127), int64(-128)}, int64(0)},
		{"bo", "BOOLEAN", questdb.Bool, [2]string{"true", "false"}, [2]any{int64(1), int64(0)}, int64(0)},
		{"dt", "DATE", questdb.Time, [2]string{"'2024-02-29T23:59:59.123Z'", "'1969-12-31T23:59:59.999Z'"}, [2]any{micros("2024-02-29T23:59:59.123Z"), int64(-1000)}, nil},
		{"t", "TIMESTAMP", questdb.Time, [2]string{"'2100-03-01T00:00:00.123456Z'", "'0001-01-01T00:00:00.000000Z'"}, [2]any{micros("2100-03-01T00:00:00.123456Z"), int64(-62135596800000000)}, nil},
		{"ns", "TIMESTAMP_NS", questdb.Time, [2]string{"'2024-04-01T00:00:00.123456789Z'", "'2000-01-01T00:00:00.000000001Z'"}, [2]any{micros("2024-04-01T00:00:00.123456Z"), micros("2000-01-01T00:00:00Z")}, nil},
		{"s", "SYMBOL", questdb.Text, [2]string{"'a\"b''c\\d,é'", "''"}, [2]any{`a"b'c\d,é`, ""}, nil},
		{"st", "STRING", questdb.Text, [2]string{"'\n\t\u2028'", "'null'"}, [2]any{"\n\t\u2028", "null"}, nil},
		{"v", "VARCHAR", questdb.Text, [2]string{"'😀 x'", "'[1,{'"}, [2]any{"😀 x", "[1,{"}, nil},
		{"c", "CHAR", questdb.Text, [2]string{"'\"'", "'\\'"}, [2]any{`"`, `\`}, nil},
		{"u", "UUID", questdb.Text, [2]string{"'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", "'00000000-0000-4000-8000-000000000000'"}, [2]any{"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "00000000-0000-4000-8000-000000000000"}, nil},
		{"ip", "IPv4", questdb.Text, [2]string{"'1.2.3.4'", "'255.255.255.255'"}, [2]any{"1.2.3.4", "255.255.255.255"}, nil},
		{"g", "GEOHASH(4c)", questdb.Text, [2]string{"#u33d", "#0000"}, [2]any{"u33d", "0000"}, nil},
		{"l2", "LONG256", questdb.Text, [2]string{"cast('0x7ee65ec7' as long256)", "cast('0x01' as long256)"}, [2]any{"0x7ee65ec7", "0x01"}, nil},
		{"arr", "DOUBLE[]", questdb.Text, [2]string{"ARRAY[1.0,null,1e20,0.1]", "ARRAY[-2.5]"}, [2]any{"[1.0,null,1.0E20,0.1]", "[-2.5]"}, nil},
		{"dec", "DECIMAL(10,2)", questdb.Text, [2]string{"12.34m", "-0.01m"}, [2]any{"12.34", "-0.01"}, nil},
	}
	onBothPaths(t, func(t *testing.T, c *questdb.Client) {
		table := name(t)
		create, list := "create table "+table+" (timestamp timestamp", "timestamp"
		values := [2]string{"1704067200000000", "1704067200000001"}
		want := [][]any{{}, {}, {}}
		var names []string
		for _, c := range types {
			create += ", " + c.column + " " + c.declared
			list += ", " + c.column
			names = append(names, c.column)
			for i := range values {
				values[i] += ", " + c.literals[i]
				want[i] = append(want[i], c.want[i])
			}
			want[2] = append(want[2], c.null)
		}
		run(t, create+") timestamp(timestamp) partition by month wal")
		for _, v := range values {
			run(t, "insert into "+table+" ("+list+") values ("+v+")")
		}
		run(t, "insert into "+table+" (timestamp) values (1704067200000002)")
		applied(t, c, table, 3)
		found, err := c.Table(t.Context(), table)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := c.Scan(t.Context(), questdb.Scan{Selection: questdb.Selection{Table: found}, Columns: names, Limit: -1})
		if err != nil {
			t.Fatal(err)
		}
		for i, f := range rows.Fields {
			if f.Name != types[i].column || f.Kind != types[i].kind || f.Type != found.Columns[i+1].Type {
				t.Errorf("field %d is %v, want %s of kind %d, and the type of %v", i, f, types[i].column, types[i].kind, found.Columns[i+1])
			}
		}
		if diff := cmp.Diff(want, cells(t, rows, err)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		rows, err = c.Query(t.Context(), "select "+list[len("timestamp, "):]+" from "+table+" limit -1;")
		if diff := cmp.Diff(want[2:], cells(t, rows, err)); diff != "" {
			t.Errorf("NULLs of a statement as written (-want +got):\n%s", diff)
		}
	})
}

func TestSelections(t *testing.T) {
	t.Parallel()
	onBothPaths(t, func(t *testing.T, c *questdb.Client) {
		table := ensure(t, c, questdb.Spec{Name: name(t), PartitionBy: "MONTH", Columns: []questdb.Column{
			{Name: "s", Type: "SYMBOL"}, {Name: "d", Type: "DOUBLE"}, {Name: "n", Type: "LONG"}, {Name: "v", Type: "VARCHAR"},
		}})
		empty, err := c.Bounds(t.Context(), questdb.Selection{Table: table})
		if err != nil || empty != (questdb.Bounds{}) {
			t.Errorf("an empty table has bounds %v, %v", empty, err)
		}
		evil := `x' or 1=1 --"`
		fill(t, c, table, 10, func(w *questdb.Writer, i int) {
			w.Symbol("s", []string{"a", "b", evil}[i%3])
			w.Float("d", float64(i)/10)
			w.Int("n", int64(i))
			w.Text("v", []string{`\`, "", "é"}[i%3])
		})
		at := func(i int) time.Time { return time.UnixMicro(hour(i)).UTC() }
		match := func(column string, values ...string) []questdb.Match {
			return []questdb.Match{{Column: column, Values: values}}
		}
		for _, test := range []struct {
			name string
			scan questdb.Scan
			want []int64
		}{
			{"all", questdb.Scan{Limit: -1}, []int64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}},
			{"none", questdb.Scan{Limit: 0}, nil},
			{"first", questdb.Scan{Limit: 2}, []int64{0, 1}},
			{"last", questdb.Scan{Limit: 2, Desc: true}, []int64{9, 8}},
			{"page", questdb.Scan{Limit: 2, Offset: 3}, []int64{3, 4}},
			{"page back", questdb.Scan{Limit: 2, Offset: 3, Desc: true}, []int64{6, 5}},
			{"rest", questdb.Scan{Limit: -1, Offset: 8}, []int64{8, 9}},
			{"beyond", questdb.Scan{Limit: 5, Offset: 10}, nil},
			{"far beyond", questdb.Scan{Limit: 1 << 62, Offset: 1<<63 - 1}, nil},
			{"times", questdb.Scan{Limit: -1, Selection: questdb.Selection{From: at(2), To: at(4)}}, []int64{2, 3, 4}},
			{"just behind and before", questdb.Scan{Limit: -1, Selection: questdb.Selection{From: at(2).Add(1), To: at(4).Add(-1)}}, []int64{3}},
			{"nothing between", questdb.Scan{Limit: -1, Selection: questdb.Selection{From: at(4), To: at(2)}}, nil},
			{"far times", questdb.Scan{Limit: 1, Selection: questdb.Selection{From: time.Unix(-1e15, 0), To: time.Unix(1e15, 0)}}, []int64{0}},
			{"symbol", questdb.Scan{Limit: -1, Selection: questdb.Selection{Where: match("s", "b")}}, []int64{1, 4, 7}},
			{"symbols", questdb.Scan{Limit: 3, Selection: questdb.Selection{Where: match("S", "b", "a", "nope")}}, []int64{0, 1, 3}},
			{"evil", questdb.Scan{Limit: -1, Selection: questdb.Selection{Where: match("s", evil)}}, []int64{2, 5, 8}},
			{"no value", questdb.Scan{Limit: -1, Selection: questdb.Selection{Where: match("s")}}, nil},
			{"strange values", questdb.Scan{Limit: -1, Selection: questdb.Selection{Where: match("s", "\x00", "\xff", "$1", "''", `\'`)}}, nil},
			{"text", questdb.Scan{Limit: -1, Selection: questdb.Selection{Where: match("v", `\`, "é"), From: at(3)}}, []int64{3, 5, 6, 8, 9}},
			{"empty text", questdb.Scan{Limit: -1, Selection: questdb.Selection{Where: match("v", "")}}, []int64{1, 4, 7}},
			{"number", questdb.Scan{Limit: -1, Selection: questdb.Selection{Where: match("n", "3", "x", "4", "1e99")}}, []int64{3, 4}},
			{"no number", questdb.Scan{Limit: -1, Selection: questdb.Selection{Where: match("n", "1 or 1=1")}}, nil},
			{"double", questdb.Scan{Limit: -1, Selection: questdb.Selection{Where: match("d", "0.3", "0.70")}}, []int64{3, 7}},
			{"two columns", questdb.Scan{Limit: -1, Selection: questdb.Selection{Where: append(match("s", "a", "b"), match("n", "3", "5")...)}}, []int64{3}},
		} {
			test.scan.Table, test.scan.Columns = table, []string{"n"}
			rows, err := c.Scan(t.Context(), test.scan)
			var got []int64
			for _, row := range cells(t, rows, err) {
				got = append(got, row[0].(int64))
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", test.name, diff)
			}
			if test.scan.Limit != -1 || test.scan.Offset != 0 || test.scan.Desc {
				continue
			}
			n, err := c.Count(t.Context(), test.scan.Selection)
			if err != nil || n != int64(len(got)) {
				t.Errorf("%s: it counts %d, %v, want %d", test.name, n, err, len(got))
			}
			b, err := c.Bounds(t.Context(), test.scan.Selection)
			want := questdb.Bounds{}
			if len(got) > 0 {
				want = questdb.Bounds{Rows: int64(len(got)), First: at(int(got[0])), Last: at(int(got[len(got)-1]))}
			}
			if err != nil || b != want {
				t.Errorf("%s: its bounds are %v, %v, want %v", test.name, b, err, want)
			}
		}
		_, err = c.Scan(t.Context(), questdb.Scan{Selection: questdb.Selection{Table: table, Where: match("nope", "x")}, Columns: []string{"n"}})
		if !errors.Is(err, questdb.ErrNoColumn) {
			t.Errorf("a match of no column: %v", err)
		}
		for _, bad := range []string{"nope", `n" from tables() --`, "", "*", "n, d", "count()"} {
			_, err := c.Scan(t.Context(), questdb.Scan{Selection: questdb.Selection{Table: table}, Columns: []string{bad}})
			if !errors.Is(err, questdb.ErrNoColumn) {
				t.Errorf("column %q: %v", bad, err)
			}
		}
	})
}

// fill writes n rows, one an hour.
func fill(t *testing.T, c *questdb.Client, table *questdb.Table, n int, row func(*questdb.Writer, int)) {
	t.Helper()
	if _, err := c.Write(t.Context(), table, func(w *questdb.Writer) error {
		for i := range n {
			row(w, i)
			w.Row(hour(i))
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}
