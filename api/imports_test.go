package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func importBody(table, data string) string {
	text, err := json.Marshal(map[string]string{"measurement": table, "data": data, "filename": "p.csv"})
	if err != nil {
		panic(err) // texts
	}
	return string(text)
}

// rows reads a table at QuestDB.
func (h *seriesHarness) rows(sql string) []any {
	h.t.Helper()
	status, got := h.send(http.MethodPost, "/api/questdb/query", statement(strings.ReplaceAll(sql, "$", h.prefix)))
	if status != http.StatusOK {
		h.t.Fatalf("%s: %d %v", sql, status, got)
	}
	return got["dataset"].([]any)
}

const mixed = "timestamp_unix,side,p,note\n" +
	"1767225600,long,0.65,\"a, b=c \"\"x\"\"\\ é\"\n" +
	"1767225600,short,-1e-3,\n" + // the same time, another text
	"1767229200,long,,n\n" +
	"1767232800,long,high,n\n" +
	"soon,long,1,n\n" +
	"1767236400,long,1\n" +
	"1767240000,,NaN,\n"

var mixedResult = map[string]any{
	"rows": 7.0, "imported": 4.0, "rejected": 3.0, "columns": []any{"side", "p", "note"}, "warnings": []any{},
	"errors": []any{
		map[string]any{"row": 4.0, "error": `p: "high" is not a number`},
		map[string]any{"row": 5.0, "error": `the time "soon" is not a time: write seconds since 1970 or a text such as 2025-11-10T01:30:00Z`},
		map[string]any{"row": 6.0, "error": "has 3 cells, and the first line 4"},
	},
}

var mixedRows = []any{
	[]any{"2026-01-01T00:00:00Z", "long", 0.65, `a, b=c "x"\ é`},
	[]any{"2026-01-01T00:00:00Z", "short", -0.001, nil},
	[]any{"2026-01-01T01:00:00Z", "long", nil, "n"},
	[]any{"2026-01-01T04:00:00Z", nil, nil, nil},
}

func TestImport(t *testing.T) {
	t.Parallel()
	h := newSeries(t, passthroughOn(t, 1000, 5*time.Second), importOn)
	table := h.table("i")
	mixedResult := map[string]any{"measurement": table, "rows": mixedResult["rows"], "imported": mixedResult["imported"], "rejected": mixedResult["rejected"], "columns": mixedResult["columns"], "errors": mixedResult["errors"], "warnings": mixedResult["warnings"]}
	for range 2 { // the repeat changes nothing
		status, got := h.send(http.MethodPost, "/api/questdb/import", importBody(strings.ToUpper(table), mixed))
		delete(got, "ETag")
		if diff := cmp.Diff(mixedResult, got); status != http.StatusOK || diff != "" {
			t.Errorf("%d: -want +got:\n%s", status, diff)
		}
		if diff := cmp.Diff(mixedRows, h.rows("select timestamp, side, p, note from $_i order by timestamp, side")); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
	got := h.object("/api/questdb/measurement/" + table)
	if got["partitionBy"] != "MONTH" || got["designatedTimestamp"] != "timestamp" || got["row_count"] != 4.0 {
		t.Errorf("the table is %v", got)
	}
	// A newer value of a row, and a column that is new.
	if status, got := h.send(http.MethodPost, "/api/questdb/import", importBody(table, "timestamp,side,note,p,q\n2026-01-01T01:00:00Z,long,n,5,6\n")); status != http.StatusOK {
		t.Errorf("a new column: %d %v", status, got)
	}
	if diff := cmp.Diff([]any{[]any{5.0, 6.0}}, h.rows("select p, q from $_i where timestamp = '2026-01-01T01:00:00Z'")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if status, got := h.send(http.MethodPost, "/api/questdb/import", importBody(h.table("none"), "timestamp_ms,p\n")); status != http.StatusOK || got["rows"] != 0.0 {
		t.Errorf("no rows: %d %v", status, got)
	}
}

// A table that is there decides what its columns are.
func TestImportIntoATable(t *testing.T) {
	t.Parallel()
	h := newSeries(t, passthroughOn(t, 1000, 5*time.Second), importOn)
	h.sql("create table $_have (ts timestamp, code symbol, n long, v varchar, f float, i int) timestamp(ts) partition by year wal dedup upsert keys(ts, code)",
		"create table $_odd (ts timestamp, b boolean, d date) timestamp(ts) partition by year wal dedup upsert keys(ts)",
		"create table $_free (d double)",
		"create table $_plain (timestamp timestamp, d double) timestamp(timestamp) partition by year wal")
	status, got := h.send(http.MethodPost, "/api/questdb/import", importBody(h.table("have"), "timestamp_ms,code,n,v,f,i\n1767225600000,17,5,1.5,0.25,3\n1767225600000,18,5.5,x,1,1\n"))
	if status != http.StatusOK || got["imported"] != 1.0 || !strings.Contains(fmt.Sprint(got["errors"]), `n: "5.5" is not a whole number`) {
		t.Errorf("%d %v", status, got)
	}
	if diff := cmp.Diff([]any{[]any{"2026-01-01T00:00:00Z", "17", 5.0, "1.5", 0.25, 3.0}}, h.rows("select ts, code, n, v, f, i from $_have")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for body, want := range map[string]string{
		importBody(h.table("odd"), "timestamp_ms,b\n1767225600000,1\n"):  `data: the column "b" of the table ` + h.table("odd") + ` is BOOLEAN, which an import does not write`,
		importBody(h.table("odd"), "timestamp_ms,ts\n1767225600000,1\n"): `data: the column "ts" of the table ` + h.table("odd") + ` is TIMESTAMP, which an import does not write`,
		importBody(h.table("free"), "timestamp_ms,d\n1767225600000,1\n"): `data: the table ` + h.table("free") + ` keeps rows of the same time beside each other, so that an import cannot be repeated`,
	} {
		if status, got := h.send(http.MethodPost, "/api/questdb/import", body); status != http.StatusBadRequest || got["message"] != want {
			t.Errorf("%d %v, want %s", status, got["message"], want)
		}
	}
	for range 2 { // a table without deduplication gets it
		if status, got := h.send(http.MethodPost, "/api/questdb/import", importBody(h.table("plain"), "timestamp_ms,d\n1767225600000,1\n")); status != http.StatusOK {
			t.Errorf("%d %v", status, got)
		}
	}
	if got := h.rows("select count() from $_plain"); fmt.Sprint(got) != "[[1]]" {
		t.Errorf("%v rows, want 1", got)
	}
}

func TestImportsAreRefused(t *testing.T) {
	t.Parallel()
	h := newSeries(t, passthroughOn(t, 1000, 5*time.Second), importOn)
	const good = "timestamp_ms,a\n1767225600000,1\n"
	for body, want := range map[string]string{
		`{}`:                                      "measurement: is missing",
		`{"measurement": "m"}`:                    "data: is missing",
		`{"measurement": 1}`:                      "measurement: must be a text",
		importBody("", good):                      "measurement: must be a name of letters, digits, _, - and single dots inside",
		importBody("a b", good):                   "measurement: must be a name of letters, digits, _, - and single dots inside",
		importBody("a\";drop", good):              "measurement: must be a name of letters, digits, _, - and single dots inside",
		importBody("sys.x", good):                 "measurement: must be a name of letters, digits, _, - and single dots inside",
		importBody("telemetry", good):             "measurement: must be a name of letters, digits, _, - and single dots inside",
		importBody("m", ""):                       "data: the file is empty: its first line has to name the columns",
		importBody("m", "time,a\n1767225600,1\n"): "data: the first line names no column of times: one of timestamp_ms, timestamp_unix, timestamp has to be there",
		importBody("m", "timestamp_ms,a,A\n"):     `data: the first line names the column "A" twice`,
		`{"measurement": "m", "data": "`:          "",
	} {
		for _, path := range []string{"/api/questdb/import", "/api/questdb/import/async"} {
			if status, got := h.send(http.MethodPost, path, body); status != http.StatusBadRequest || want != "" && got["message"] != want {
				t.Errorf("%s %s: %d %v, want %s", path, body, status, got["message"], want)
			}
		}
	}
	if status, got := h.send(http.MethodPost, "/api/questdb/import", importBody(h.table("bad"), "timestamp_ms,a\nx,1\ny,1\n")); status != http.StatusBadRequest || !strings.HasPrefix(fmt.Sprint(got["message"]), "data: no row can be imported: row 1: ") {
		t.Errorf("all rows are bad: %d %v", status, got)
	}
	status, got := h.send(http.MethodPost, "/api/questdb/import", importBody(h.table("m"), "timestamp_ms,a\n"+strings.Repeat("1767225600000,1\n", 100_001)))
	if status != http.StatusRequestEntityTooLarge || got["code"] != "body_too_large" || !strings.Contains(fmt.Sprint(got["message"]), "/api/questdb/import/async") {
		t.Errorf("100001 rows: %d %v", status, got)
	}
	if status, got := h.send(http.MethodPost, "/api/questdb/import", importBody(h.table("most"), "timestamp_ms,a\n"+strings.Repeat("1767225600000,1\n", 100_000))); status != http.StatusOK || got["imported"] != 1.0 {
		t.Errorf("100000 rows: %d %v", status, got)
	}
	if n := h.count("jobs"); n != 0 {
		t.Errorf("%d jobs", n)
	}
}
