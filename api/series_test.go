package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// threeRows are indicators in a table of their own and in a shared one, and bars of which one has no partner.
func threeRows(h *seriesHarness) (own, shared string) {
	h.sql(
		`create table $_ind (timestamp timestamp, timestamp_ms long, rsi_14 double, "TGT_315" double, n long, ok boolean, note varchar) timestamp(timestamp) partition by month wal`,
		`insert into $_ind values ('2024-01-03T00:00:00Z', 5, 55.1, -0.0012, 1, true, 'a "b"'), ('2024-01-03T01:00:00.000500Z', 5, null, 4e-7, null, false, null), ('2024-01-03T02:00:00Z', 5, 0.1, 123456789.123, -3, true, 'x,y')`,
		`create table $_ohlcv (timestamp timestamp, open double, high double, low double, close double, volume double) timestamp(timestamp) partition by month wal`,
		`insert into $_ohlcv values ('2024-01-02T23:00:00Z', 1, 2, 0.5, 1.5, 10), ('2024-01-03T00:00:00Z', 1.5, 3, 1, 2, 20), ('2024-01-03T02:00:00Z', 2, 2.5, 1.75, 2.25, 30)`,
		`create table $_bars (timestamp timestamp, dataset symbol, source symbol, rsi_14 double) timestamp(timestamp) partition by month wal`,
		`insert into $_bars values ('2024-01-03T00:00:00Z', '$', 's', 1.5), ('2024-01-03T00:00:00Z', 'other', 's', 2.5), ('2024-01-03T01:00:00Z', '$', 's', 3.5)`,
	)
	return "/api/datasets/" + h.dataset(h.prefix, h.table("ind"), nil).String(), "/api/datasets/" + h.dataset("x"+h.prefix, h.table("bars"), nil).String()
}

func TestSeriesRows(t *testing.T) {
	t.Parallel()
	h := newSeries(t)
	own, _ := threeRows(h)
	head := `{"measurement":"` + h.table("ind") + `","columns":["timestamp_ms","rsi_14","TGT_315","n","ok","note"],"rows":[`
	rows := []string{
		`{"timestamp_ms":1704240000000,"rsi_14":55.1,"TGT_315":-0.0012,"n":1,"ok":true,"note":"a \"b\""}`,
		`{"timestamp_ms":1704243600000,"rsi_14":null,"TGT_315":4e-07,"n":null,"ok":false,"note":null}`,
		`{"timestamp_ms":1704247200000,"rsi_14":0.1,"TGT_315":123456789.123,"n":-3,"ok":true,"note":"x,y"}`,
	}
	whole := func(from, to, total int, truncated bool, rest string) string {
		return head + strings.Join(rows[from:to], ",") + fmt.Sprintf(`],"count":%d,"total":%d,"truncated":%t,%s}`, to-from, total, truncated, rest)
	}
	all := `"limit":200000,"offset":0,"next":null`
	h.want(own+"/indicators", 200, whole(0, 3, 3, false, all))
	for _, name := range []string{"start_ts", "start_timestamp"} {
		h.want(own+"/indicators?"+name+"=1704243600000", 200, whole(1, 3, 2, false, all))
		h.want(own+"/indicators?"+name+"=2024-01-03T01:00:00Z", 200, whole(1, 3, 2, false, all))
	}
	for _, name := range []string{"end_ts", "end_timestamp"} {
		h.want(own+"/indicators?"+name+"=1704243600000", 200, whole(0, 2, 2, false, all)) // half a millisecond later is shown as this one
		h.want(own+"/indicators?"+name+"=2024-01-03T00:00:00Z", 200, whole(0, 1, 1, false, all))
	}
	h.want(own+"/indicators?start_ts=1804243600000", 200, whole(0, 0, 0, false, all))
	h.want(own+"/indicators?start_ts=1704247200000&end_ts=1704240000000", 200, whole(0, 0, 0, false, all))
	h.want(own+"/indicators?offset=1", 200, whole(1, 3, 3, true, `"limit":200000,"offset":1,"next":null`))
	h.want(own+"/indicators?offset=7", 200, whole(0, 0, 3, true, `"limit":200000,"offset":7,"next":null`))
	h.want(own+"/indicators?start_index=1&end_index=3", 200, whole(1, 3, 2, false, all))
	h.want(own+"/indicators?start_index=1", 200, whole(1, 3, 2, false, all))
	h.want(own+"/indicators?end_index=1", 200, whole(0, 1, 1, false, all))
	h.want(own+"/indicators?columns=n,%20RSI_14,timestamp_ms,n&limit=1000000&end_index=1", 200,
		`{"measurement":"`+h.table("ind")+`","columns":["timestamp_ms","n","rsi_14"],"rows":[{"timestamp_ms":1704240000000,"n":1,"rsi_14":55.1}],"count":1,"total":1,"truncated":false,`+all+`}`)
	h.want(own+"/indicators?format=csv", 200, "timestamp_ms,rsi_14,TGT_315,n,ok,note\n"+
		"1704240000000,55.1,-0.0012,1,true,\"a \"\"b\"\"\"\n1704243600000,,4e-07,,false,\n1704247200000,0.1,123456789.123,-3,true,\"x,y\"")
	h.want(own+"/indicators?format=ndjson", 200, strings.Join(rows, "\n"))
	h.want(own+"/indicators", 200, strings.Join(rows, "\n"), "Accept", "text/html, application/x-ndjson;q=0.9, application/json;q=0.5")
	h.want(own+"/indicators?columns=rsi_14&desc=true&limit=1&format=ndjson", 200, `{"timestamp_ms":1704247200000,"rsi_14":0.1}`)
	h.want(own+"/indicators?aligned=true&columns=rsi_14&format=csv", 200, "timestamp_ms,rsi_14\n1704240000000,55.1\n1704247200000,0.1")
	h.want(own+"/indicators?aligned=true&columns=rsi_14&desc=true&limit=1&format=csv", 200, "timestamp_ms,rsi_14\n1704247200000,0.1")
	h.want(own+"/ohlcv?columns=close&start_ts=1704240000000", 200, `{"measurement":"`+h.table("ohlcv")+
		`","columns":["timestamp_ms","close"],"rows":[{"timestamp_ms":1704240000000,"close":2},{"timestamp_ms":1704247200000,"close":2.25}],"count":2,"total":2,"truncated":false,`+all+`}`)
	h.want(own+"/ohlcv?interval=1d&format=csv&partial=true", 200, "timestamp_ms,open,high,low,close,volume,partial\n1704153600000,1,2,0.5,1.5,10,true\n1704240000000,1.5,3,1,2.25,50,true")
}

func TestSeriesHeaders(t *testing.T) {
	t.Parallel()
	h := newSeries(t)
	own, _ := threeRows(h)
	res := h.get(own + "/indicators?format=csv&limit=2")
	want := map[string]string{
		"Content-Type": "text/csv; charset=utf-8", "Content-Disposition": `attachment; filename="` + h.table("ind") + `.csv"`,
		"X-Row-Count": "2", "X-Total-Count": "3",
	}
	for name, value := range want {
		if res.Header.Get(name) != value {
			t.Errorf("%s: %q, want %q", name, res.Header.Get(name), value)
		}
	}
	next := res.Header.Get("X-Next-Cursor")
	h.refused(own+"/indicators?format=csv&columns=n&cursor="+next, 400, "invalid_parameter", "parameter cursor is altered, or of a series with other filters")
	h.refused(own+"/indicators?format=csv&offset=1&cursor="+next, 400, "invalid_parameter", "parameter cursor cannot be combined with offset, start_index or end_index")
	h.want(own+"/indicators?format=csv&limit=1&cursor="+next, 200, "timestamp_ms,rsi_14,TGT_315,n,ok,note\n1704247200000,0.1,123456789.123,-3,true,\"x,y\"")
	if head := h.do(http.MethodHead, own+"/indicators?format=csv&limit=2"); head.Header.Get("Content-Length") != res.Header.Get("Content-Length") {
		t.Errorf("HEAD has the length %q, GET %q", head.Header.Get("Content-Length"), res.Header.Get("Content-Length"))
	}
}

func TestSharedTable(t *testing.T) {
	t.Parallel()
	h := newSeries(t)
	h.dataset(h.prefix+"y", "indicator_bars", nil)
	threeRows(h)
	shared := "/api/datasets/" + h.dataset(h.prefix+"z", h.table("bars"), nil).String()
	h.want(shared+"/indicators?format=csv", 200, "timestamp_ms,dataset,source") // it has no row there, so rsi_14 is another's
	h.exec(`UPDATE indicator_datasets SET questdb_measurement = $1 WHERE questdb_tag = $2`, h.table("bars"), h.prefix)
	var id string
	if err := h.db.Pool.QueryRow(t.Context(), `SELECT dataset_id::text FROM indicator_datasets WHERE questdb_tag = $1`, h.prefix).Scan(&id); err != nil {
		t.Fatal(err)
	}
	h.want("/api/datasets/"+id+"/indicators?format=csv", 200,
		"timestamp_ms,dataset,source,rsi_14\n1704240000000,"+h.prefix+",s,1.5\n1704243600000,"+h.prefix+",s,3.5")
	h.want("/api/datasets/"+id+"/index_map?start_idx=1&end_idx=9", 200,
		`{"measurement":"`+h.table("bars")+`","start_index":1,"end_index":9,"columns":["index","timestamp_ms"],"rows":[{"index":1,"timestamp_ms":1704243600000}],"count":1,"total":1}`)
}

func TestSeriesRefusals(t *testing.T) {
	t.Parallel()
	h := newSeries(t)
	own, _ := threeRows(h)
	gone := "/api/datasets/" + h.dataset(h.prefix+"gone", h.table("gone"), nil).String()
	odd := "/api/datasets/" + h.dataset(h.prefix+"odd", `a"b`, nil).String()
	h.refused(gone+"/indicators", 404, "measurement_not_found", "QuestDB has no table "+h.table("gone"))
	h.refused(gone+"/ohlcv", 404, "measurement_not_found", "QuestDB has no table "+h.prefix+"gone_ohlcv")
	h.refused(odd+"/indicators", 404, "measurement_not_found", `QuestDB has no table a"b`)
	h.refused("/api/datasets/"+unknown.String()+"/ohlcv", 404, "not_found", "dataset "+unknown.String()+" does not exist")
	h.refused("/api/datasets/x/ohlcv", 404, "not_found", "dataset x does not exist")
	for query, message := range map[string]string{
		"limit=-1":                     "parameter limit is below 0",
		"limit=x":                      "parameter limit is not a whole number",
		"offset=-1":                    "parameter offset is below 0",
		"start_index=-1":               "parameter start_index is below 0",
		"start_ts=yesterday":           `parameter start_ts is no time: "yesterday" is not a time: write milliseconds since 1970 or a text such as 2025-11-10T01:30:00Z`,
		"start_ts=1704067200":          "parameter start_ts is no time: 1704067200 is in seconds, it seems: that is 2024-01-01T00:00:00Z, and in milliseconds it is 1970-01-20T17:21:07.2Z: write milliseconds since 1970 or a text such as 2025-11-10T01:30:00Z",
		"end_ts=202401020930":          "parameter end_ts is no time: 202401020930 reads as the date 2024-01-02 09:30, and in milliseconds since 1970 it is 1976-05-31T14:30:20.93Z: write milliseconds since 1970 or a text such as 2025-11-10T01:30:00Z",
		"start_ts=1969-12-31":          "parameter start_ts is no time: 1969-12-31T00:00:00Z is before 1970-01-01, where the times of QuestDB begin",
		"end_timestamp=-1":             "parameter end_timestamp is no time: -1 is no time between 1973 and 2262 in milliseconds (it is 1969-12-31T23:59:59.999Z): write milliseconds since 1970 or a text such as 2025-11-10T01:30:00Z",
		"start_ts=1&start_timestamp=2": "parameter start_timestamp says something else than start_ts",
		"start_ts=0&start_index=2":     "parameter start_index or end_index cannot be combined with a time: the numbers are those of all rows",
		"columns=nope":                 `parameter columns names "nope", which the table does not have`,
		"columns=a%22%3B--":            `parameter columns names "a\";--", which the table does not have`,
		"format=xml":                   "parameter format is not json, csv, ndjson, arrow, arrows or parquet",
		"desc=maybe":                   "parameter desc is not true or false",
		"cursor=AA":                    "parameter cursor is not a cursor of this service",
		"aligned=true&end_index=2":     "parameter aligned cannot be combined with start_index or end_index: the numbers are those of all rows",
	} {
		h.refused(own+"/indicators?"+query, 400, "invalid_parameter", message)
	}
	for query, message := range map[string]string{
		"points=3":             "parameter points is not from 4 to 80000",
		"width=0":              "parameter width is not from 1 to 20000",
		"points=100&width=10":  "parameter points cannot be combined with width",
		"points=100&limit=10":  "parameter points or width cannot be combined with desc, limit, offset, cursor, start_index or end_index",
		"interval=1y":          "parameter interval is not a number and s, m (minutes), h, d, w or M (months): at most 24h, 366d, 53w or 120M",
		"interval=1d&width=10": "parameter interval cannot be combined with points, width, start_index, end_index or format=parquet",
		"tz=Europe/Berlin":     "parameter interval is missing: tz, partial and an offset such as 17:00 are for candles",
		"interval=1d&tz=here":  "parameter tz is not a time zone such as America/New_York",
		"offset=5pm":           "parameter offset is not a number of rows, or a time from midnight such as 17:00 or -07:00",
		"offset=-1":            "parameter offset is below 0",
	} {
		h.refused(own+"/ohlcv?"+query, 400, "invalid_parameter", message)
	}
	for query, message := range map[string]string{
		"":                             "parameter start_idx is missing or below 0",
		"start_idx=0":                  "parameter end_idx is missing or not above start_idx",
		"start_idx=2&end_idx=2":        "parameter end_idx is missing or not above start_idx",
		"start_idx=0&end_idx=1&type=x": "parameter type is not indicator or ohlcv",
	} {
		h.refused(own+"/index_map?"+query, 400, "invalid_parameter", message)
	}
}

func TestSeriesWithoutQuestDB(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	seedFixture(t, h)
	for _, path := range []string{
		"/api/datasets/" + fullDataset.String() + "/ohlcv", "/api/datasets/" + fullDataset.String() + "/features", "/api/runs/" + fullRun.String() + "/predictions",
		"/api/simulations/" + fullSim.String() + "/trace", "/api/simulations/" + fullSim.String() + "/equity?source=trace",
	} {
		res := h.get(path)
		if body := readBody(t, res); res.StatusCode != 503 || !strings.Contains(body, `"questdb_unavailable"`) || res.Header.Get("Retry-After") == "" {
			t.Errorf("GET %s: %d %s", path, res.StatusCode, body)
		}
	}
	if res := h.get("/api/simulations/" + fullSim.String() + "/equity"); res.StatusCode != 200 {
		t.Errorf("the equity of trades needs no QuestDB: %d", res.StatusCode)
	}
}
