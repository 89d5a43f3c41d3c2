package api_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"foldbook/api"
	"foldbook/internal/testdb"
)

// longRows makes a table that does not fit into any buffer on the way, and returns the path of its dataset.
func (h *seriesHarness) longRows(rows int) string {
	h.sql(fmt.Sprintf(`create table $_long as (select timestamp_sequence('2021-01-01', 60000000L) timestamp, rnd_symbol('btc', 'eth') s, rnd_double() c0,
		rnd_double() c1, rnd_double() c2, rnd_double() c3, rnd_double() c4, rnd_double() c5, rnd_double() c6, rnd_long() l from long_sequence(%d)) timestamp(timestamp) partition by month wal`, rows))
	return "/api/datasets/" + h.dataset(h.prefix, h.table("long"), nil).String()
}

// listen serves the harness over a network.
func (h *seriesHarness) listen() *httptest.Server {
	server := httptest.NewServer(h.http)
	h.t.Cleanup(server.Close)
	return server
}

// open begins a request and reads the first bytes of its answer.
func openStream(t *testing.T, url string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := (&http.Transport{DisableCompression: true}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	if _, err := io.ReadFull(res.Body, make([]byte, 1000)); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %d %v", url, res.StatusCode, err)
	}
	return res
}

// eventually polls until the condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(testdb.Patience); !holds(); {
		if time.Now().After(deadline) {
			t.Fatalf("%s: waited in vain", what)
		}
		select {
		case <-t.Context().Done():
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// A stream whose QuestDB dies is cut, so that it cannot look whole, in every format; afterwards rows are 503 at once with
// Retry-After while metadata is served, and all is well when QuestDB is back.
func TestQuestDBDiesInStream(t *testing.T) {
	t.Parallel()
	server := testdb.PrivateQuestDB(t)
	var log logged
	h := seriesOn(t, server, logTo(&log))
	base := h.longRows(400_000)
	listening := h.listen()
	var streams []*http.Response
	for _, format := range []string{"json", "csv", "ndjson", "arrow", "parquet"} {
		streams = append(streams, openStream(t, listening.URL+base+"/indicators?format="+format))
	}
	server.Kill()
	for _, res := range streams {
		n, err := io.Copy(io.Discard, res.Body)
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: %d bytes and %v, want unexpected EOF", res.Request.URL.RawQuery, n, err)
		}
	}
	eventually(t, "each is logged as an error, with its cause", func() bool {
		return len(streams) == len(slices.DeleteFunc(log.lines(t), func(line map[string]any) bool { return line["level"] != "ERROR" || line["cause"] == nil }))
	})
	for _, path := range []string{"/indicators", "/index_map?start_idx=0&end_idx=1", "/series?points=100", "/histogram?column=c0", "/indicators?format=parquet"} {
		began := time.Now()
		res := h.get(base + path)
		if body := readBody(t, res); res.StatusCode != 503 || !strings.Contains(body, "questdb_unavailable") || res.Header.Get("Retry-After") == "" || time.Since(began) > 2*time.Second {
			t.Errorf("%s without QuestDB: %d %s after %s", path, res.StatusCode, body, time.Since(began))
		}
	}
	if res := h.get(base); res.StatusCode != 200 {
		t.Errorf("metadata without QuestDB: %d", res.StatusCode)
	}
	if res := h.get(base + "/manifest"); res.StatusCode != 200 {
		t.Errorf("the manifest without QuestDB: %d", res.StatusCode)
	}
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "rows again", func() bool { return h.get(base+"/indicators?limit=1").StatusCode == 200 })
}

// A client that leaves ends the query at QuestDB, and one that no longer reads is dropped.
func TestClientLeavesStream(t *testing.T) {
	t.Parallel()
	var log logged
	h := newSeries(t, logTo(&log), func(o *api.Options) { o.StreamWriteTimeout = 2 * time.Second })
	base := h.longRows(1_000_000)
	listening := h.listen()
	running := func() int {
		rows, err := h.opts.QuestDB.Query(context.Background(), "select query from query_activity() where query like '%"+h.table("long")+"%' and query not like '%query_activity%'")
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		n := 0
		for rows.Next() {
			n++
		}
		return n
	}
	gone := openStream(t, listening.URL+base+"/indicators?format=csv")
	eventually(t, "the query runs", func() bool { return running() > 0 })
	_ = gone.Body.Close()
	eventually(t, "the query of a client that left ends", func() bool { return running() == 0 })

	deaf, err := net.Dial("tcp", strings.TrimPrefix(listening.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = deaf.Close() }()
	if err := deaf.(*net.TCPConn).SetReadBuffer(4096); err != nil {
		t.Fatal(err)
	}
	_, _ = fmt.Fprintf(deaf, "GET %s/indicators?format=ndjson HTTP/1.1\r\nHost: localhost\r\n\r\n", base)
	eventually(t, "the query runs", func() bool { return running() > 0 })
	eventually(t, "the query of a client that does not read ends", func() bool { return running() == 0 })

	var cut []map[string]any
	eventually(t, "both are logged", func() bool {
		cut = slices.DeleteFunc(log.lines(t), func(line map[string]any) bool { return line["cause"] == nil })
		return len(cut) == 2
	})
	for _, line := range cut {
		if line["level"] != "INFO" {
			t.Errorf("what a client does is logged as %v", line)
		}
	}
}

// Long answers end with the counts as trailers, and what they are made of does not depend on how they are cut.
func TestLongStream(t *testing.T) {
	t.Parallel()
	h := newSeries(t)
	base := h.longRows(30_000)
	listening := h.listen()
	for _, encoding := range []string{"identity", "gzip"} {
		for _, format := range []string{"csv", "ndjson", "arrow", "json"} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, listening.URL+base+"/indicators?limit=29999&format="+format, nil)
			if err != nil {
				t.Fatal(err)
			}
			transport := &http.Transport{DisableCompression: encoding == "identity"} // else it asks for gzip and unpacks it
			res, err := transport.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(res.Body)
			if err != nil {
				t.Fatalf("%s, %s: %v", format, encoding, err)
			}
			text := string(body)
			switch lines := strings.Count(text, "\n"); {
			case format == "json":
				if !strings.Contains(text, `"count":29999,"total":30000,"truncated":true`) || strings.Count(text, `{"timestamp_ms":`) != 29_999 {
					t.Errorf("json, %s: %.100s … %s", encoding, text, text[len(text)-200:])
				}
				continue
			case format == "csv" && lines != 30_000, format == "ndjson" && lines != 29_999:
				t.Errorf("%s, %s: %d lines", format, encoding, lines)
			}
			if res.Trailer.Get("X-Row-Count") != "29999" || res.Trailer.Get("X-Total-Count") != "30000" || res.Trailer.Get("X-Next-Cursor") == "" {
				t.Errorf("%s, %s: trailers %v", format, encoding, res.Trailer)
			}
			last := h.get(base + "/indicators?format=csv&columns=c0&start_index=29999")
			if got := readBody(t, last); strings.Count(got, "\n") != 2 {
				t.Errorf("the last row: %s", got)
			}
		}
	}
}

// A notebook reads the answers: types and NULLs are right.
func TestNotebook(t *testing.T) {
	t.Parallel()
	python := python(t)
	h := newSeries(t)
	own, _ := threeRows(h)
	listening := h.listen()
	script := `
import io, sys, urllib.request
import polars as pl, pyarrow as pa, pyarrow.ipc, pyarrow.parquet
url = sys.argv[1]
want = {"timestamp_ms": [1704240000000, 1704243600000, 1704247200000], "rsi_14": [55.1, None, 0.1], "TGT_315": [-0.0012, 4e-7, 123456789.123],
        "n": [1, None, -3], "ok": [True, False, True], "note": ['a "b"', None, "x,y"]}
def same(what, got):
    assert got == want, f"{what}: {got}"
def body(format):
    return urllib.request.urlopen(url + "?format=" + format)
table = pa.ipc.open_file(io.BytesIO(body("arrow").read())).read_all()
same("pyarrow", table.to_pydict())
same("the stream", pa.ipc.open_stream(body("arrows")).read_all().to_pydict())
assert [str(t) for t in table.schema.types] == ["int64", "double", "double", "int64", "bool", "string"], table.schema
frame = pl.read_ipc_stream(io.BytesIO(body("arrows").read()))
same("polars", frame.to_dict(as_series=False))
same("csv", pl.read_csv(io.BytesIO(body("csv").read())).to_dict(as_series=False))
same("ndjson", pl.read_ndjson(io.BytesIO(body("ndjson").read())).to_dict(as_series=False))
parquet = pa.parquet.read_table(io.BytesIO(body("parquet").read()))
same("parquet", parquet.to_pydict())
for read, format in ((pl.read_csv, "csv"), (pl.read_ipc, "arrow"), (pl.read_parquet, "parquet"), (lambda u: pl.scan_ipc(u).collect(), "arrow")):
    same("polars from the address, " + format, read(url + "?format=" + format).to_dict(as_series=False))
    assert read(sys.argv[2] + "?format=" + format).height == 50000, format
empty = pa.ipc.open_file(io.BytesIO(urllib.request.urlopen(url + "?format=arrow&limit=0").read())).read_all()
assert empty.num_rows == 0 and empty.schema == table.schema, empty.schema
big = pa.ipc.open_stream(urllib.request.urlopen(sys.argv[2] + "?format=arrows"))
rows = sum(b.num_rows for b in big)
assert rows == 50000, rows
`
	long := h.longRowsAs("more", 50_000)
	out, err := exec.CommandContext(t.Context(), python, "-c", script+pythonEnd, listening.URL+own+"/indicators", listening.URL+long+"/indicators").CombinedOutput()
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// longRowsAs is longRows beside another table.
func (h *seriesHarness) longRowsAs(slug string, rows int) string {
	other := *h
	other.prefix = h.prefix + slug
	return other.longRows(rows)
}

// A client that asks a plain list and reads nothing of the answer is dropped, as one of a stream is.
func TestClientThatDoesNotRead(t *testing.T) {
	t.Parallel()
	var log logged
	h := newHarness(t, logTo(&log), func(o *api.Options) { o.StreamWriteTimeout = time.Second })
	h.storeAll(0, 2)
	h.exec("UPDATE simulation_runs SET serialized_config = repeat('0123456789abcdef', 2000000)")
	listening := httptest.NewServer(h.http)
	t.Cleanup(listening.Close)
	for range 8 {
		deaf, err := net.Dial("tcp", strings.TrimPrefix(listening.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = deaf.Close() }()
		if err := deaf.(*net.TCPConn).SetReadBuffer(4096); err != nil {
			t.Fatal(err)
		}
		_, _ = fmt.Fprintf(deaf, "GET /api/simulations/%s HTTP/1.1\r\nHost: localhost\r\n\r\n", newSim)
	}
	eventually(t, "all eight are dropped", func() bool {
		return len(slices.DeleteFunc(log.lines(t), func(line map[string]any) bool { return line["path"] != "/api/simulations/"+newSim })) == 8
	})
}

// A column that another process adds can be asked for at once.
func TestColumnOfAnotherProcess(t *testing.T) {
	t.Parallel()
	h := newSeries(t)
	own, _ := threeRows(h)
	if res := h.get(own + "/indicators?columns=rsi_14"); res.StatusCode != 200 {
		t.Fatalf("%d %s", res.StatusCode, readBody(t, res))
	}
	h.sql(`alter table $_ind add column rsi_21 double`, `insert into $_ind (timestamp, rsi_21) values ('2024-01-03T03:00:00Z', 7)`)
	h.want(own+"/indicators?columns=rsi_21&start_ts=2024-01-03T03:00:00Z&format=csv", 200, "timestamp_ms,rsi_21\n1704250800000,7")
	h.refused(own+"/indicators?columns=rsi_22", 400, "invalid_parameter", `parameter columns names "rsi_22", which the table does not have`)
}
