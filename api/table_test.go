package api_test

import (
	"encoding/csv"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
)

// The lists of records as the tables that data frame libraries read from their addresses: the columns are the members, JSON in them is a text.
func TestRecordsAsTables(t *testing.T) {
	t.Parallel()
	python := python(t)
	h := newHarness(t)
	seedFixture(t, h)
	server := httptest.NewServer(h.http)
	defer server.Close()
	other := newHarness(t)
	other.storeAll(1, 3)
	traded := httptest.NewServer(other.http)
	defer traded.Close()
	script := `
import datetime, io, json, sys, urllib.request
import polars as pl, pyarrow as pa, pyarrow.ipc, pyarrow.parquet
def get(url, **header):
    return urllib.request.urlopen(urllib.request.Request(url, headers=header))
def same(got, want, where):
    if isinstance(want, (dict, list)):
        got = json.loads(got)
    elif isinstance(got, datetime.datetime) or where[-1].endswith("_at") and want:
        got, want = (datetime.datetime.fromisoformat(t) if isinstance(t, str) else t for t in (got, want))
    assert got == want or (got == "" and want is None), (where, got, want)
def check(frame, records, where):
    assert frame.height == len(records) > 0, (where, frame.height)
    for row, record in zip(frame.to_dicts(), records):
        assert [c for c in row if c in record] == list(record), (where, list(row), list(record))
        for name in row: # the JSON of a fold leaves its times out when they are not known
            same(row[name], record.get(name), (where, name))
for url in sys.argv[1:]:
    path, key = url, url.split("?")[0].split("/")[-1]
    and_ = "&" if "?" in path else "?"
    want = json.load(get(url))[key]
    for read, format in ((pl.read_ipc, "arrow"), (pl.read_parquet, "parquet")):
        check(read(url + and_ + "format=" + format), want, (path, format))
    ints = pl.read_csv(url + and_ + "format=csv", infer_schema_length=None).schema
    check(pl.read_csv(url + and_ + "format=csv", schema_overrides={c: pl.String for c, t in ints.items() if t == pl.String}), want, (path, "csv"))
    table = pa.parquet.read_table(io.BytesIO(get(url + and_ + "format=parquet").read()))
    assert table.equals(pa.ipc.open_stream(get(url + and_ + "format=arrows").read()).read_all()), path
    assert [json.loads(line) for line in get(url, Accept="application/x-ndjson")] == want, path
    empty = pa.parquet.read_table(io.BytesIO(get(url + and_ + "format=parquet&limit=0").read()))
    assert empty.num_rows == 0 and empty.schema == table.schema, path
`
	args := []string{"-c", script + pythonEnd, traded.URL + "/api/simulations/" + newSim + "/trades"}
	for _, path := range []string{
		"/api/datasets", "/api/datasets?include=column_schema", "/api/runs", "/api/runs?fields=status,run_id", "/api/simulations",
		"/api/datasets/" + fullDataset.String() + "/runs", "/api/runs/" + fullRun.String() + "/folds", "/api/runs/" + fullRun.String() + "/simulations",
	} {
		args = append(args, server.URL+path)
	}
	out, err := exec.CommandContext(t.Context(), python, args...).CombinedOutput()
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// The pages of a table follow one another as those of JSON do, and an unknown format is refused.
func TestPagesOfRecordTables(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	seedFixture(t, h)
	var rows []string
	query := "/api/runs?format=csv&fields=run_id,status&limit=1"
	for next := "first"; next != ""; {
		res := h.get(query)
		if res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/csv; charset=utf-8" || res.Header.Get("X-Total-Count") != "2" {
			t.Fatalf("%d %v", res.StatusCode, res.Header)
		}
		lines, err := csv.NewReader(strings.NewReader(readBody(t, res))).ReadAll()
		if err != nil || len(lines) != 2 || res.Header.Get("X-Row-Count") != "1" {
			t.Fatalf("%v %q %v", err, lines, res.Header)
		}
		rows = append(rows, strings.Join(lines[1], " "))
		if next = res.Header.Get("X-Next-Cursor"); next != "" {
			query = "/api/runs?format=csv&fields=run_id,status&limit=1&cursor=" + next
		}
	}
	if len(rows) != 2 || !strings.HasPrefix(rows[0], bareRun.String()) || !strings.HasPrefix(rows[1], fullRun.String()+" COMPLETED") {
		t.Errorf("%q", rows)
	}
	if res := h.get("/api/runs?format=csv&count=none"); res.Header.Get("X-Total-Count") != "" {
		t.Errorf("a total that nobody counted: %v", res.Header)
	}
	if res := h.get("/api/runs", "Accept", "text/html, */*;q=0.8"); res.Header.Get("Content-Type") != "application/json" {
		t.Errorf("for a browser: %v", res.Header)
	}
	h.refused("/api/runs?format=xlsx", 400, "invalid_parameter", "parameter format is not json, csv, ndjson, arrow, arrows or parquet")
}
