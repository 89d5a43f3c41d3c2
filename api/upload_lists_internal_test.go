package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"foldbook/api/spec"
	"foldbook/db"
)

// A list that is longer than what is kept of it is stored whole, in its order and as often as it is asked for.
func TestLongLists(t *testing.T) {
	t.Parallel()
	const n = 40_000
	trades, folds := make([]string, n), make([]string, n)
	for i := range n {
		// Some have ids and keys of their own, and the rows begin with blanks and lines.
		id := ""
		if i%3 == 0 {
			id = fmt.Sprintf(`"trade_id":"2f6b0000-0000-4000-8000-%012d","simulation_id":"%s","fold_index":%d,`, i, simID, i)
		}
		trades[i] = fmt.Sprintf("\n  {%s\"side\":\"long\",\"size\":%d.5,\"entry_price\":1,\"entry_timestamp\":1735891200000}\n ", id, i)
		folds[i] = fold(n-i, fmt.Sprintf(`,"metrics":{"n":%d}`, i))
	}
	u, err := readSimulation(post(`{"trades":[` + strings.Join(trades, ",") + `],` + simHead + `}`))
	if err != nil {
		t.Fatal(err)
	}
	id := uuid.MustParse(simID)
	if len(u.Trades.Kept()) == n || u.Trades.Len() != n {
		t.Fatalf("%d of %d rows are kept, so this tests nothing", len(u.Trades.Kept()), u.Trades.Len())
	}
	var first []db.CopyTradesParams
	for range 3 { // a transaction that is done again
		got := tradesOf(t, u.Trades, id)
		for i, row := range got {
			want := uuid.NewSHA1(id, fmt.Append(nil, "trade ", i))
			metadata := "{}"
			if i%3 == 0 {
				want, metadata = uuid.MustParse(fmt.Sprintf("2f6b0000-0000-4000-8000-%012d", i)), fmt.Sprintf(`{"fold_index":%d}`, i)
			}
			if row.SimulationID != id || row.TradeID != want || row.Size != float64(i)+0.5 || string(row.Metadata) != metadata {
				t.Fatalf("trade %d is %+v", i, row)
			}
		}
		if first == nil {
			first = got
		} else if len(got) != n || !cmp.Equal(first[n-1], got[n-1]) {
			t.Fatalf("again there are %d trades of %d", len(got), n)
		}
	}
	stop := errors.New("stop")
	if err := u.Trades.store(id, func(rows []db.CopyTradesParams) error {
		if rows[0].Size > 30_000 {
			return stop
		}
		return nil
	}); !errors.Is(err, stop) {
		t.Errorf("a failure to store became %v", err)
	}

	list, _, err := readFolds(post(`[`+strings.Join(folds, ",")+`]`), uuid.MustParse(runID))
	if err != nil {
		t.Fatal(err)
	}
	for i, row := range foldsOf(t, list, uuid.MustParse(runID)) {
		if row.FoldNumber != int32(n-i) || string(row.Metrics) != fmt.Sprintf(`{"n":%d}`, i) {
			t.Fatalf("fold %d is %+v", i, row)
		}
	}

	// Faults far behind what is kept.
	other := `,"run_id":"` + simID + `"`
	for bad, message := range map[string]string{
		fold(n, ""):                              fmt.Sprintf("folds[39000].fold_number: %d is already folds[0]", n),
		fold(n-39_000, other):                    "folds[39000].run_id: is not the run_id of the run",
		fold(n-39_000, `,"metrics":[]`):          "folds[39000].metrics: must be an object",
		fold(n-39_000, `,"metrics":{"a":1e999}`): "folds[39000].metrics.a: is out of range",
		`null`:                                   "folds[39000]: must be an object",
		`{}`:                                     "folds[39000].fold_number: is missing",
	} {
		changed := folds[39_000]
		folds[39_000] = bad
		_, err := readRun(post(`{"folds":[` + strings.Join(folds, ",") + `],` + runHead + `}`))
		wantFault(t, err, http.StatusBadRequest, "invalid_body", message)
		folds[39_000] = changed
	}
}

// Of a parent that is read after its rows, the first row that names another one is told.
func TestRowsOfAnotherParent(t *testing.T) {
	t.Parallel()
	mine, other := `,"run_id":"`+runID+`"`, `,"run_id":"`+simID+`"`
	for at, folds := range map[int][]string{
		0: {fold(0, other), fold(1, mine)}, 1: {fold(0, mine), fold(1, other)}, 2: {fold(0, ""), fold(1, mine), fold(2, other), fold(3, `,"run_id":"`+datasetID+`"`)},
	} {
		_, err := readRun(post(`{"folds":[` + strings.Join(folds, ",") + `],"run":{` + runHead + `}}`))
		wantFault(t, err, http.StatusBadRequest, "invalid_body", fmt.Sprintf("folds[%d].run_id: is not the run_id of the run", at))
	}
}

// Fields of rows that the service does not know are named once; those of trades are kept, as metadata.
func TestUnknownFieldsOfRows(t *testing.T) {
	t.Parallel()
	u, err := readRun(post(runWith(fold(0, `,"b":1,"a":{"x":[]}`), fold(1, ""), fold(2, `,"b":2`))))
	if diff := cmp.Diff([]string{"unknown field folds[].a is ignored", "unknown field folds[].b is ignored"}, u.Warnings); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	s, err := readSimulation(post(simWith(`"buckets":[{"side":"all","b":1}],"trades":[` + trade(runID) + `]`)))
	if diff := cmp.Diff([]string{"unknown field buckets[].b is ignored"}, s.Warnings); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
}

// Seconds where milliseconds belong would be a time in 1970.
func TestSecondsAreNoMilliseconds(t *testing.T) {
	t.Parallel()
	message := func(seconds, at, read string) string {
		return ": " + seconds + " is in seconds, it seems: that is " + at + ", and in milliseconds it is " + read + ": write milliseconds since 1970 or a text such as 2025-11-10T01:30:00Z"
	}
	_, err := readSimulation(post(simWith(`"trades":[{"side":"long","size":1,"entry_price":1,"entry_timestamp":1735891200}]`)))
	wantFault(t, err, http.StatusBadRequest, "invalid_body", "trades[0].entry_timestamp"+message("1735891200", "2025-01-03T08:00:00Z", "1970-01-21T02:11:31.2Z"))
	_, err = readRun(post(runWith(fold(0, `,"test_start_ts_ms":1735891200`))))
	wantFault(t, err, http.StatusBadRequest, "invalid_body", "folds[0].test_start_ts_ms"+message("1735891200", "2025-01-03T08:00:00Z", "1970-01-21T02:11:31.2Z"))
	_, err = readDataset(post(`{` + dataHead + `,"first_ohlcv_ts":1704067200}`))
	wantFault(t, err, http.StatusBadRequest, "invalid_body", "first_ohlcv_ts"+message("1704067200", "2024-01-01T00:00:00Z", "1970-01-20T17:21:07.2Z"))
	u, err := readDataset(post(`{` + dataHead + `,"metadata":{"first_ohlcv_timestamp_ms":1704067200}}`))
	if err != nil || u.OhlcvFirstTS != nil || len(u.Warnings) != 1 {
		t.Errorf("in metadata: %v, %v, warnings %q", err, u.OhlcvFirstTS, u.Warnings)
	}
}

// data-rules.md, Times
func TestTimesOfTrades(t *testing.T) {
	t.Parallel()
	const entry = `"entry_timestamp":1704067200000`
	for fields, want := range map[string]string{
		entry + `,"exit_timestamp":1704070800000`:                                `{"exit_timestamp":1704070800000}`,
		entry + `,"exit_timestamp":"2024-01-01T01:00:00Z"`:                       `{"exit_timestamp":1704070800000}`,
		entry + `,"exit_timestamp":"2024-01-01 02:00+01:00","metadata":{"a":1}`:  `{"a":1,"exit_timestamp":1704070800000}`,
		entry + `,"exit_timestamp":null`:                                         `{}`,
		entry + `,"metadata":{"exit_timestamp":"2024-01-01 01:00"}`:              `{"exit_timestamp":1704070800000}`,
		entry + `,"exit_timestamp":1704070800`:                                   "! trades[0].exit_timestamp: 1704070800 is in seconds, it seems",
		entry + `,"metadata":{"exit_timestamp":1704070800}`:                      "! trades[0].metadata.exit_timestamp: 1704070800 is in seconds, it seems",
		entry + `,"exit_timestamp":1704063600000`:                                "! trades[0].exit_timestamp: 2023-12-31T23:00:00Z is before the entry, 2024-01-01T00:00:00Z",
		entry + `,"bar_timestamp":"2024-06-01T00:00:00Z"`:                        "! trades[0].bar_timestamp: 2024-06-01T00:00:00Z is another time than entry_timestamp, 2024-01-01T00:00:00Z: give one of them",
		entry + `,"bar_timestamp":"2024-01-01","bar_timestamp_ms":1704067200000`: `{}`,
		`"bar_timestamp":"1927-12-30"`:                                           `{}`,
		`"entry_timestamp":"2024-01-01 00:00:00"`:                                `{}`,
		`"entry_timestamp":202401020930`:                                         "! trades[0].entry_timestamp: 202401020930 reads as the date 2024-01-02 09:30",
	} {
		u, err := readSimulation(post(simWith(`"trades":[{"side":"long","size":1,"entry_price":1,` + fields + `}]`)))
		if wrong, refused := strings.CutPrefix(want, "! "); refused {
			if err == nil || !strings.HasPrefix(err.Error(), wrong) {
				t.Errorf("%s: %v, want %s", fields, err, wrong)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", fields, err)
			continue
		}
		err = u.Trades.store(u.Simulation.SimulationID, func(rows []db.CopyTradesParams) error {
			if diff := cmp.Diff(jsonOf(t, want), jsonOf(t, string(rows[0].Metadata))); diff != "" {
				t.Errorf("%s: -want +got:\n%s", fields, diff)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// jsonOf is a document, of equal names the last, as jsonb has it.
func jsonOf(t *testing.T, text string) (v map[string]any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func FuzzSimulationBody(f *testing.F) {
	f.Add(simWith(`"trades":[` + trade(runID) + `],"buckets":[{"side":"dual","trade_count":2,"win_count":1}]`))
	f.Add(`{"run":{` + simHead + `},"trades":[{"side":"short","size":1,"entry_price":2,"bar_timestamp":"2025-01-03T08:00:00Z","metadata":{"a":1},"b":[{}]}]}`)
	f.Add(`{"simulation":{"mode":"long"},"trades":[{"zz":"\u0000"}],"buckets":{}}`)
	f.Fuzz(func(t *testing.T, body string) {
		u, err := readSimulation(post(body))
		if err != nil {
			if answer := new(spec.Problem); !errors.As(err, &answer) {
				t.Fatalf("%T: %v", err, err)
			}
			return
		}
		if !json.Valid([]byte(body)) {
			t.Fatal("took what is not JSON")
		}
		if u.Trades == nil {
			return
		}
		for i, row := range tradesOf(t, u.Trades, u.Simulation.SimulationID) {
			if !json.Valid(row.Metadata) || row.Metadata[0] != '{' || row.TradeID == uuid.Nil {
				t.Fatalf("trade %d: %q", i, row.Metadata)
			}
		}
	})
}

func FuzzDatasetBody(f *testing.F) {
	f.Add(`{` + dataHead + `,"metadata":{"ohlcv_rows":1,"first_ohlcv_timestamp_ms":1704067200000},"granularity":"240m"}`)
	f.Add(`{` + dataHead + `,"metadata":"{\"a\":1}","ohlcv_last_ts":"2025-05-14T23:00:00Z"}`)
	f.Fuzz(func(t *testing.T, body string) {
		u, err := readDataset(post(body))
		if err != nil {
			if answer := new(spec.Problem); !errors.As(err, &answer) {
				t.Fatalf("%T: %v", err, err)
			}
			return
		}
		if !json.Valid([]byte(body)) || (u.Metadata != nil && (!json.Valid(u.Metadata) || u.Metadata[0] != '{')) {
			t.Fatalf("took %q", u.Metadata)
		}
	})
}
