package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// hourBars makes bars of an hour each, with the number of the bar as each price, 1 as volume.
func hourBars(h *seriesHarness, from string, n int) string {
	h.sql(
		`create table $_ohlcv (timestamp timestamp, open double, high double, low double, close double, volume long) timestamp(timestamp) partition by month wal`,
		fmt.Sprintf(`insert into $_ohlcv select timestamp_sequence('%s', 3600000000L), x - 1, x - 1, x - 1, x - 1, 1 from long_sequence(%d)`, from, n),
	)
	return "/api/datasets/" + h.dataset(h.prefix, "nowhere", nil).String() + "/ohlcv"
}

type candles struct {
	Rows []struct {
		At                             int64 `json:"timestamp_ms"`
		Open, High, Low, Close, Volume float64
		Partial                        bool
	}
	Count, Total int
	Truncated    bool
	Next         *string
	Limit        *int64
	Left         int `json:"partial_left_out"`
}

func (h *seriesHarness) candles(path string) (c candles) {
	h.t.Helper()
	if text := readBody(h.t, h.get(path)); json.Unmarshal([]byte(text), &c) != nil {
		h.t.Fatalf("%s: %s", path, text)
	}
	return c
}

// data-rules.md, Candles: those that begin in the range have all their bars, whatever the range cuts; with partial=true the
// range cuts them, and each that lacks bars is marked.
func TestCandlesAreWhole(t *testing.T) {
	t.Parallel()
	h := newSeries(t)
	base := hourBars(h, "2024-01-01T00:00:00Z", 100) // four days and four hours
	got := h.candles(base + "?interval=1d&start_ts=2024-01-02T08:00:00Z&end_ts=2024-01-04T07:00:00Z")
	if len(got.Rows) != 2 || got.Rows[0].Open != 48 || got.Rows[0].Volume != 24 || got.Rows[1].Volume != 24 || got.Rows[1].Close != 95 || got.Left != 0 {
		t.Errorf("days that begin in the range: %+v", got)
	}
	got = h.candles(base + "?interval=1d&partial=true&start_ts=2024-01-02T08:00:00Z&end_ts=2024-01-04T07:00:00Z")
	if len(got.Rows) != 3 || !got.Rows[0].Partial || got.Rows[0].Volume != 16 || got.Rows[1].Partial || !got.Rows[2].Partial || got.Rows[2].Volume != 8 {
		t.Errorf("days that are cut: %+v", got)
	}
	if got = h.candles(base + "?interval=1D"); len(got.Rows) != 4 || got.Left != 1 || got.Rows[3].Close != 95 {
		t.Errorf("all days but the last, which has not ended: %+v", got)
	}
	if got = h.candles(base + "?interval=1d&limit=1"); got.Limit == nil || *got.Limit != 1 || got.Total != 4 || got.Next == nil {
		t.Errorf("one of four days: %+v", got)
	}
	if got = h.candles(base + "?interval=1M"); len(got.Rows) != 0 || got.Left != 1 {
		t.Errorf("a month of four days: %+v", got)
	}
	if got = h.candles(base + "?interval=3d&partial=true"); len(got.Rows) != 2 || !got.Rows[0].Partial || got.Rows[0].At != 1703980800000 || got.Rows[0].Volume != 48 || got.Rows[1].Volume != 52 {
		t.Errorf("three days, counted from 1970: %+v", got)
	}
	if got = h.candles(base + "?interval=4H&limit=1&desc=true"); len(got.Rows) != 1 || got.Total != 25 || got.Rows[0].Open != 96 {
		t.Errorf("the last four hours: %+v", got)
	}
}

// data-rules.md, Candles: days begin at midnight or at the offset in the zone, and one has 23 hours when the clocks change.
func TestSessionDays(t *testing.T) {
	t.Parallel()
	h := newSeries(t)
	base := hourBars(h, "2024-03-08T22:00:00Z", 96) // from 17:00 in New York on
	got := h.candles(base + "?interval=1d&tz=America/New_York&offset=17:00")
	var volumes []string
	for _, r := range got.Rows {
		volumes = append(volumes, fmt.Sprintf("%s %v %v-%v", time.UnixMilli(r.At).UTC().Format("02T15"), r.Volume, r.Open, r.Close))
	}
	if want := "08T22 24 0-23, 09T22 23 24-46, 10T21 24 47-70, 11T21 24 71-94"; strings.Join(volumes, ", ") != want || got.Left != 1 {
		t.Errorf("sessions of New York:\n got %s, %d left out\nwant %s", strings.Join(volumes, ", "), got.Left, want)
	}
	text := readBody(t, h.get(base+"?interval=1d&tz=America/New_York&offset=17:00&desc=true&limit=1&format=csv"))
	if want := "timestamp_ms,open,high,low,close,volume\n1710190800000,71,94,71,94,24\n"; text != want {
		t.Errorf("the last session first: %s", text)
	}
	if got = h.candles(base + "?interval=1d&tz=Asia/Kolkata"); len(got.Rows) == 0 || time.UnixMilli(got.Rows[0].At).UTC().Format("15:04") != "18:30" {
		t.Errorf("days of India: %+v", got)
	}
}

// data-rules.md, Candles: pages follow one another by their cursors, in every format and both directions.
func TestPagesOfCandles(t *testing.T) {
	t.Parallel()
	h := newSeries(t)
	base := hourBars(h, "2024-01-01T00:00:00Z", 24*9)
	for _, query := range []string{"interval=1d", "interval=1d&desc=true", "interval=12h", "interval=1d&tz=America/New_York", "interval=1d&partial=true&start_ts=2024-01-02T08:00:00Z", "interval=1w&partial=true"} {
		for _, format := range []string{"json", "csv", "ndjson"} {
			all := dataLines(t, h.get(base+"?"+query+"&format="+format))
			var paged []string
			for next, page := "", 0; page == 0 || next != ""; page++ {
				if page > 30 {
					t.Fatalf("%s: too many pages", query)
				}
				res := h.get(base + "?limit=2&" + query + "&format=" + format + next)
				cursor := res.Header.Get("X-Next-Cursor")
				lines := dataLines(t, res, &cursor)
				paged = append(paged, lines...)
				if next = ""; cursor != "" {
					next = "&cursor=" + url.QueryEscape(cursor)
				}
			}
			if strings.Join(all, "\n") != strings.Join(paged, "\n") || len(all) < 2 {
				t.Errorf("%s as %s: the pages give\n%s\nand all at once\n%s", query, format, strings.Join(paged, "\n"), strings.Join(all, "\n"))
			}
		}
	}
}

// dataLines is the rows of an answer as texts; next is set to the cursor of JSON.
func dataLines(t *testing.T, res *http.Response, next ...*string) []string {
	t.Helper()
	text := readBody(t, res)
	if res.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", res.StatusCode, text)
	}
	var answer struct {
		Rows []json.RawMessage
		Next *string
	}
	if json.Unmarshal([]byte(text), &answer) == nil && strings.HasPrefix(text, `{"measurement"`) {
		lines := make([]string, len(answer.Rows))
		for i, row := range answer.Rows {
			lines[i] = string(row)
		}
		if len(next) > 0 && answer.Next != nil {
			*next[0] = *answer.Next
		}
		return lines
	}
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if strings.HasPrefix(lines[0], "timestamp_ms") {
		lines = lines[1:]
	}
	return lines
}
