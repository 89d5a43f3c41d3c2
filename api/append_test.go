package api_test

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"

	"foldbook/api"
	"foldbook/internal/devstack"
	"foldbook/internal/testdb"
	"foldbook/questdb"
)

// appendHarness is a server with the QuestDB that the tests of the package share.
func appendHarness(t testing.TB) *harness {
	t.Helper()
	return appendHarnessOn(t, testdb.QuestDB(t))
}

func appendHarnessOn(t testing.TB, server *devstack.QuestDB) *harness {
	t.Helper()
	client, err := questdb.New(patient(server))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return newHarness(t, func(o *api.Options) { o.QuestDB = client })
}

var slugs atomic.Int64

// slug is a name that no other test has: they share one QuestDB.
func slug(t testing.TB) string {
	t.Helper()
	return fmt.Sprintf("append_%d", slugs.Add(1))
}

const hour = int64(3600000)

// newSet stores a dataset with tables of its own, or with the shared one for its indicators.
func (h *harness) newSet(name string, more ...string) {
	h.t.Helper()
	h.store("/api/datasets", fmt.Sprintf(`{"dataset_id": %q, "dataset_slug": %q, "granularity": "1h"%s}`, newDataset, name, strings.Join(append([]string{""}, more...), ", ")), 201)
}

func ownTables(name string) string {
	return fmt.Sprintf(`"ohlcv_measurement": "%s_ohlcv", "indicator_measurement": "%s_ind", "bar_interval_ms": 3600000`, name, name)
}

// table reads a whole table: a map of its cells for each row, without those that are null.
func (h *harness) table(name string, where ...questdb.Match) []map[string]any {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), testdb.Patience)
	defer cancel()
	q := h.opts.QuestDB
	table, err := q.Table(ctx, name)
	if err != nil {
		h.t.Fatalf("table %s: %v", name, err)
	}
	scan := questdb.Scan{Selection: questdb.Selection{Table: table, Where: where}, Limit: -1}
	for _, c := range table.Columns {
		scan.Columns = append(scan.Columns, c.Name)
	}
	rows, err := q.Scan(ctx, scan)
	if err != nil {
		h.t.Fatalf("read %s: %v", name, err)
	}
	defer rows.Close()
	list := []map[string]any{}
	for rows.Next() {
		row := map[string]any{}
		for i, f := range rows.Fields {
			switch f.Kind {
			case questdb.Float:
				if v, ok := rows.Float(i); ok {
					row[f.Name] = v
				}
			case questdb.Text:
				if v, ok := rows.Text(i); ok {
					row[f.Name] = string(v)
				}
			default:
				if v, ok := rows.Int(i); ok {
					row[f.Name] = v
				}
			}
		}
		list = append(list, row)
	}
	if err := rows.Err(); err != nil {
		h.t.Fatalf("read %s: %v", name, err)
	}
	return list
}

func indicatorsPath() string { return "/api/datasets/" + newDataset + "/indicators/append" }
func barsPath() string       { return "/api/datasets/" + newDataset + "/ohlcv/append" }

// body of rows with two indicators and a target, some of them without; those from first on.
func indicatorRows(first, n int) string {
	var b strings.Builder
	for i := first; i < first+n; i++ {
		if i > first {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"timestamp": %d, "rsi_14": %d.25, "TGT_315": %v`, 1704067200000+int64(i)*hour, i, 0.0009110000100918114*float64(i))
		if i%2 == 1 {
			fmt.Fprintf(&b, `, "Time": %d0000.0`, i%24)
		}
		b.WriteByte('}')
	}
	return `{"rows": [` + b.String() + `]}`
}

func wantIndicators(first, n int) []map[string]any {
	list := []map[string]any{}
	for i := first; i < first+n; i++ {
		ms := 1704067200000 + int64(i)*hour
		row := map[string]any{"timestamp": ms * 1000, "timestamp_ms": ms, "rsi_14": float64(i) + 0.25, "TGT_315": 0.0009110000100918114 * float64(i)}
		if i%2 == 1 {
			row["Time"] = float64(i%24) * 10000
		}
		list = append(list, row)
	}
	return list
}

func TestAppendIndicators(t *testing.T) {
	t.Parallel()
	h := appendHarness(t)
	name := slug(t)
	h.newSet(name, ownTables(name), `"metadata": {"indicator_rows": 7, "note": "kept"}`)
	before := h.object("/api/datasets/" + newDataset)
	first := h.store(indicatorsPath(), indicatorRows(0, 100), 200)
	want := map[string]any{
		"success": true, "message": "rows stored", "rows_written": 100.0, "measurement": name + "_ind", "row_count": 100.0, "first_ts": 1704067200000.0,
		"last_ts": 1704067200000.0 + 99*float64(hour), "columns_added": []any{"timestamp_ms", "rsi_14", "TGT_315", "Time"}, "dry_run": false, "warnings": []any{}, "ETag": first["ETag"],
	}
	if diff := cmp.Diff(want, first); diff != "" {
		t.Errorf("the answer (-want +got):\n%s", diff)
	}
	// Again, overlapping, and with rows before the first.
	for _, c := range []struct{ from, n, rows int }{{0, 100, 100}, {50, 100, 150}, {0, 10, 150}} {
		if a := h.store(indicatorsPath(), indicatorRows(c.from, c.n), 200); a["row_count"] != float64(c.rows) || a["columns_added"].([]any) == nil || len(a["columns_added"].([]any)) != 0 {
			t.Errorf("rows %d to %d: %v", c.from, c.from+c.n, a)
		}
	}
	if diff := cmp.Diff(wantIndicators(0, 150), h.table(name+"_ind")); diff != "" {
		t.Errorf("the table (-want +got):\n%.2000s", diff)
	}
	after := h.object("/api/datasets/" + newDataset)
	for key, want := range map[string]any{
		"indicator_row_count": 150.0, "ohlcv_row_count": 0.0, "indicator_first_ts": 1704067200000.0, "first_indicator_ts": 1704067200000.0, "indicator_last_ts": 1704067200000.0 + 149*float64(hour),
		"metadata": map[string]any{"indicator_rows": 150.0, "note": "kept", "first_indicator_timestamp_ms": 1704067200000.0, "last_indicator_timestamp_ms": 1704067200000.0 + 149*float64(hour)},
		"column_schema": []any{
			map[string]any{"name": "timestamp", "type": "TIMESTAMP", "role": "time"}, map[string]any{"name": "timestamp_ms", "type": "LONG", "role": "time"},
			map[string]any{"name": "rsi_14", "type": "DOUBLE", "role": "feature"}, map[string]any{"name": "TGT_315", "type": "DOUBLE", "role": "target"}, map[string]any{"name": "Time", "type": "DOUBLE", "role": "time"},
		},
	} {
		if diff := cmp.Diff(want, after[key]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", key, diff)
		}
	}
	if before["version"].(float64)+4 != after["version"] || first["ETag"] == h.get("/api/datasets/"+newDataset).Header.Get("ETag") {
		t.Errorf("version %v became %v", before["version"], after["version"])
	}
	// A column that comes later is null before it.
	late := fmt.Sprintf(`{"rows": [{"timestamp": %d, "late": 1e-300}]}`, 1704067200000+150*hour)
	if a := h.store(indicatorsPath(), late, 200); fmt.Sprint(a["columns_added"]) != "[late]" || a["row_count"] != 151.0 {
		t.Errorf("a new column: %v", a)
	}
	ms := 1704067200000 + 150*hour
	if diff := cmp.Diff(append(wantIndicators(0, 150), map[string]any{"timestamp": ms * 1000, "timestamp_ms": ms, "late": 1e-300}), h.table(name+"_ind")); diff != "" {
		t.Errorf("with a new column (-want +got):\n%.2000s", diff)
	}
	made, err := h.opts.QuestDB.Table(t.Context(), name+"_ind")
	if err != nil || !made.Dedup || !made.WAL || made.PartitionBy != "YEAR" {
		t.Errorf("the table is %+v, %v", made, err)
	}
}

// arrowRows is rows as an Arrow stream.
func arrowRows(t testing.TB, n int) string {
	t.Helper()
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "timestamp", Type: arrow.FixedWidthTypes.Timestamp_ms}, {Name: "close", Type: arrow.PrimitiveTypes.Float64, Nullable: true}, {Name: "n", Type: arrow.PrimitiveTypes.Int64},
	}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	for i := range n {
		b.Field(0).(*array.TimestampBuilder).Append(arrow.Timestamp(1704067200000 + int64(i)*60000))
		b.Field(1).(*array.Float64Builder).Append([]float64{math.NaN(), float64(i) + 0.1}[min(i, 1)])
		b.Field(2).(*array.Int64Builder).Append(9007199254740993 + int64(i))
	}
	batch := b.NewRecordBatch()
	defer batch.Release()
	var out bytes.Buffer
	w := ipc.NewWriter(&out, ipc.WithSchema(schema))
	if err := w.Write(batch); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// The same bars in every format, plain and compressed.
func TestAppendFormats(t *testing.T) {
	t.Parallel()
	h := appendHarness(t)
	for format, c := range map[string]struct{ contentType, body string }{
		"json":   {"application/json; charset=utf-8", `{"rows": [{"timestamp": 1704067200000, "n": 9007199254740993, "close": null}, {"timestamp": 1704067260000, "close": 1.1, "n": 9007199254740994}]}`},
		"curl":   {"application/x-www-form-urlencoded", `{"rows": [{"timestamp": 1704067200000, "n": 9007199254740993, "close": null}, {"timestamp": 1704067260000, "close": 1.1, "n": 9007199254740994}]}`},
		"ndjson": {"application/x-ndjson", `{"timestamp_ms": 1704067200000, "n": 9007199254740993}` + "\n" + `{"timestamp_ms": 1704067260000, "close": 1.1, "n": 9007199254740994}` + "\n"},
		"csv":    {"text/csv", "timestamp,close,n\n1704067200000,NaN,9007199254740993\n1704067260000,1.1,9007199254740994\n"},
		"arrow":  {"application/vnd.apache.arrow.stream", arrowRows(t, 2)},
	} {
		name := slug(t)
		id := fmt.Sprintf("0a000000-0000-4000-8000-%012d", slugs.Load())
		h.store("/api/datasets", fmt.Sprintf(`{"dataset_id": %q, "dataset_slug": %q, "granularity": "1m"}`, id, name), 201)
		for _, compressed := range []bool{false, true} {
			body, header := c.body, []string{"Content-Type", c.contentType}
			if compressed {
				var out bytes.Buffer
				w := gzip.NewWriter(&out)
				_, _ = w.Write([]byte(body))
				_ = w.Close()
				body, header = out.String(), append(header, "Content-Encoding", "gzip")
			}
			status, a := h.send(http.MethodPost, "/api/datasets/"+id+"/ohlcv/append", body, header...)
			if status != 200 || a["row_count"] != 2.0 || a["measurement"] != name+"_ohlcv" {
				t.Errorf("%s: %d %v", format, status, a)
			}
		}
		got := h.table(name + "_ohlcv")
		if len(got) != 2 || got[1]["close"] != 1.1 || got[0]["close"] != nil || got[0]["n"] != int64(9007199254740993) {
			t.Errorf("%s: %v", format, got)
		}
		d := h.object("/api/datasets/" + id)
		if d["ohlcv_row_count"] != 2.0 || d["ohlcv_measurement"] != name+"_ohlcv" || d["ohlcv_last_ts"] != 1704067260000.0 || d["metadata"].(map[string]any)["ohlcv_rows"] != 2.0 {
			t.Errorf("%s: %v", format, d)
		}
		if made, err := h.opts.QuestDB.Table(t.Context(), name+"_ohlcv"); err != nil || made.PartitionBy != "MONTH" || !made.Dedup {
			t.Errorf("%s: the table is %+v, %v", format, made, err)
		}
	}
}

func TestAppendRefusals(t *testing.T) {
	t.Parallel()
	h := appendHarness(t)
	name := slug(t)
	h.newSet(name, ownTables(name))
	h.store(indicatorsPath(), `{"rows": [{"timestamp": 1704067200000, "rsi_14": 1}]}`, 200)
	stored := h.table(name + "_ind")
	version := h.object("/api/datasets/" + newDataset)["version"]
	rows := func(last string) string {
		return `{"rows": [{"timestamp": 1704067200000, "rsi_14": 2, "new": 3}, ` + last + `]}`
	}
	for _, c := range []struct {
		body, contentType string
		status            int
		code, message     string
	}{
		{``, "", 400, "invalid_json", "the body is empty"},
		{`{"rows": []}`, "", 400, "invalid_body", "rows: must not be empty"},
		{`{}`, "", 400, "invalid_body", "the body has no rows"},
		{`[{"timestamp": 1704067200000}]`, "", 400, "invalid_body", `the body must be an object, {"rows": […]}`},
		{rows(`{"timestamp": 1704070800000, "rsi_14": "x"}`), "", 400, "invalid_body", `rows[1].rsi_14: must be a number, and is "x"`},
		{rows(`{"timestamp": 1704070800000, "new": "1.5"}`), "", 400, "invalid_body", "rows[1].new: is the number 1.5 written as a text: write it without quotes"},
		{rows(`{"timestamp": 202401020930, "rsi_14": 1}`), "", 400, "invalid_body", "rows[1].timestamp: 202401020930 reads as the date 2024-01-02 09:30, and in milliseconds since 1970 it is 1976-05-31T14:30:20.93Z: write milliseconds since 1970 or a text such as 2025-11-10T01:30:00Z"},
		{rows(`{"timestamp": 1704070800, "rsi_14": 1}`), "", 400, "invalid_body", "rows[1].timestamp: 1704070800 is in seconds, it seems: that is 2024-01-01T01:00:00Z, and in milliseconds it is 1970-01-20T17:21:10.8Z: write milliseconds since 1970 or a text such as 2025-11-10T01:30:00Z"},
		{rows(`{"rsi_14": 1}`), "", 400, "invalid_body", "rows[1].timestamp: is missing"},
		{rows(`{"timestamp": 1704070800000, "a-b": 1}`), "", 400, "invalid_body", `rows[1]."a-b": is not a valid column name: letters, digits, _ and blanks between them, at most 127 bytes`},
		{rows(`{"timestamp": 1704070800000, "rsi_14": 1e999}`), "", 400, "invalid_body", "rows[1].rsi_14: is out of range"},
		{rows(`{"timestamp": 1704070800000, "rsi_14": 1`), "", 400, "invalid_json", "rows[1]: is not JSON: unexpected ']', at byte 103"},
		{rows(`{"timestamp": 1704070800000, "rsi_14": 1}`)[:80], "", 400, "invalid_json", "rows[1]: ends early"},
		{"timestamp,rsi_14\n1704067200000,2\n1704070800000,x\n", "text/csv", 400, "invalid_body", `rows[1].rsi_14: must be a number, and is "x"`},
		{"timestamp\n", "text/csv", 400, "invalid_body", "rows: must not be empty"},
		{"x", "application/vnd.apache.arrow.stream", 400, "invalid_json", "the body is not an Arrow IPC stream, or is damaged"},
		{`{"timestamp": 1704067200000}{}`, "application/x-ndjson", 400, "invalid_json", "rows[1]: does not begin on a line of its own"},
		{`{}`, "application/xml", 415, "unsupported_type", "rows are read as application/json, application/vnd.apache.arrow.file, application/vnd.apache.arrow.stream, application/x-ndjson, text/csv"},
		{`{}`, "text/plain", 415, "unsupported_type", "rows are read as application/json, application/vnd.apache.arrow.file, application/vnd.apache.arrow.stream, application/x-ndjson, text/csv"},
	} {
		header := []string{}
		if c.contentType != "" {
			header = []string{"Content-Type", c.contentType}
		}
		status, a := h.send(http.MethodPost, indicatorsPath(), c.body, header...)
		if status != c.status || a["code"] != c.code || a["message"] != c.message {
			t.Errorf("%s\n got %d %v %v\nwant %d %s %s", c.body, status, a["code"], a["message"], c.status, c.code, c.message)
		}
	}
	if status, a := h.send(http.MethodPost, indicatorsPath(), `{"rows": [{"timestamp": 1704067200000}`+strings.Repeat(" ", 64<<20)+`]}`); status != 413 || a["code"] != "body_too_large" {
		t.Errorf("too large: %d %v", status, a)
	}
	var bomb bytes.Buffer
	w := gzip.NewWriter(&bomb)
	_, _ = w.Write([]byte(`{"rows": [` + strings.Repeat(" ", 65<<20)))
	_ = w.Close()
	if status, a := h.send(http.MethodPost, indicatorsPath(), bomb.String(), "Content-Encoding", "gzip"); status != 413 || a["code"] != "body_too_large" {
		t.Errorf("too large when it is decompressed: %d %v", status, a)
	}
	for path, want := range map[string]int{
		"/api/datasets/x/ohlcv/append": 404, "/api/datasets/" + unknown.String() + "/ohlcv/append": 404, "/api/datasets/" + unknown.String() + "/indicators/append": 404,
		"/api/runs/" + unknown.String() + "/predictions": 404, "/api/simulations/" + unknown.String() + "/trace": 404,
	} {
		if status, a := h.send(http.MethodPost, path, indicatorRows(0, 1)); status != want {
			t.Errorf("%s: %d %v", path, status, a)
		}
	}
	if diff := cmp.Diff(stored, h.table(name+"_ind")); diff != "" || h.object("/api/datasets/" + newDataset)["version"] != version {
		t.Errorf("something was stored (-before +after):\n%s", diff)
	}
	// A dry run checks the same and stores nothing.
	if status, a := h.send(http.MethodPost, indicatorsPath()+"?dry_run=true", rows(`{"timestamp": 1704070800000, "rsi_14": 1}`)); status != 200 || a["rows_written"] != 2.0 || a["row_count"] != 1.0 || a["dry_run"] != true || fmt.Sprint(a["columns_added"]) != "[new]" {
		t.Errorf("dry run: %d %v", status, a)
	}
	if status, _ := h.send(http.MethodPost, indicatorsPath()+"?dry_run=true", rows(`{}`)); status != 400 {
		t.Errorf("dry run of a bad row: %d", status)
	}
	if diff := cmp.Diff(stored, h.table(name+"_ind")); diff != "" || h.object("/api/datasets/" + newDataset)["version"] != version {
		t.Errorf("the dry run stored something (-before +after):\n%s", diff)
	}
	// A service without QuestDB says so, and records with names that cannot be tables too.
	off := newHarness(t)
	off.newSet(name)
	if status, a := off.send(http.MethodPost, indicatorsPath(), indicatorRows(0, 1)); status != 503 || a["code"] != "questdb_unavailable" {
		t.Errorf("without QuestDB: %d %v", status, a)
	}
	h.store("/api/datasets", fmt.Sprintf(`{"dataset_id": %q, "dataset_slug": %q, "indicator_measurement": "a b/c"}`, newDataset, name), 200)
	if status, a := h.send(http.MethodPost, indicatorsPath(), indicatorRows(0, 1)); status != 409 || a["message"] != `indicator_measurement is "a b/c", which is not a valid table name` {
		t.Errorf("%d %v", status, a)
	}
}

// Rows that two send at the same time are all there, once, and counted.
func TestAppendAtOnce(t *testing.T) {
	t.Parallel()
	h := appendHarness(t)
	name := slug(t)
	h.newSet(name, ownTables(name))
	var senders sync.WaitGroup
	for i := range 6 {
		senders.Go(func() {
			body := strings.ReplaceAll(indicatorRows(i/2*50, 100), `"rsi_14"`, fmt.Sprintf(`"own_%d": %d, "rsi_14"`, i%3, i%3))
			if status, a := h.send(http.MethodPost, indicatorsPath(), body); status != 200 || a["rows_written"] != 100.0 {
				t.Errorf("sender %d: %d %v", i, status, a)
			}
		})
	}
	senders.Wait()
	if n := len(h.table(name + "_ind")); n != 200 {
		t.Errorf("%d rows, want 200", n)
	}
	if d := h.object("/api/datasets/" + newDataset); d["indicator_row_count"] != 200.0 || d["metadata"].(map[string]any)["indicator_rows"] != 200.0 || len(d["column_schema"].([]any)) != 8 {
		t.Errorf("the record says %v rows of %v", d["indicator_row_count"], d["column_schema"])
	}
}

// Bars of the last century are as good as any; the limit is what tells milliseconds from seconds.
func TestAppendOldBars(t *testing.T) {
	t.Parallel()
	h := appendHarness(t)
	name := slug(t)
	h.newSet(name, ownTables(name))
	if a := h.store(barsPath(), `{"rows": [{"timestamp": 100000000000, "close": 1}, {"timestamp": 788918400000, "close": 2}]}`, 200); a["row_count"] != 2.0 || a["first_ts"] != 1e11 {
		t.Errorf("answer %v", a)
	}
	if status, _ := h.send(http.MethodPost, barsPath(), `{"rows": [{"timestamp": 99999999999, "close": 1}]}`); status != 400 {
		t.Errorf("seconds are answered with %d", status)
	}
}
