package api

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"foldbook/api/spec"
	"foldbook/internal/httpbody"
)

const (
	testLimit  = 64 << 20
	runID      = "2f6b0000-0000-4000-8000-000000000001"
	datasetID  = "6f0e0000-0000-4000-8000-000000000002"
	simID      = "c1d20000-0000-4000-8000-000000000003"
	runHead    = `"run_id":"` + runID + `","dataset_id":"` + datasetID + `","prediction_measurement":"m"`
	foldFormat = `{"fold_number":%d,"train_start_idx":0,"train_end_idx":650,"test_start_idx":654,"test_end_idx":678,"samples_train":650,"samples_test":24%s}`
	simHead    = `"simulation_id":"` + simID + `","run_id":"` + runID + `","dataset_id":"` + datasetID + `","mode":"dual"`
	dataHead   = `"dataset_id":"` + datasetID + `","dataset_slug":"btc25_1"`
)

// post is the body of a request.
func post(body string) *httpbody.Body {
	return httpbody.NewReceiver(time.Minute, time.Minute).Open(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body)), testLimit)
}

func fold(n int, more string) string { return fmt.Sprintf(foldFormat, n, more) }

func runWith(folds ...string) string {
	return `{"run":{` + runHead + `},"folds":[` + strings.Join(folds, ",") + `]}`
}

func simWith(more string) string { return `{` + simHead + `,` + more + `}` }

// wantFault checks the answer that an error becomes: its status, code and the begin of its message.
func wantFault(t *testing.T, err error, status int, code, message string) {
	t.Helper()
	var answer *spec.Problem
	if !errors.As(err, &answer) {
		t.Fatalf("got %v, want %d %s %q", err, status, code, message)
	}
	if answer.Status != status || string(answer.Code) != code || !strings.HasPrefix(answer.Message, message) {
		t.Errorf("got %d %s %q, want %d %s %q…", answer.Status, answer.Code, answer.Message, status, code, message)
	}
	for _, word := range []string{"json:", "jsontext", "Go ", "int64", "string", "strconv", "api.", "struct", "\n"} {
		if strings.Contains(answer.Message, word) {
			t.Errorf("%q says %q", answer.Message, word)
		}
	}
	if len(answer.Message) > 400 {
		t.Errorf("the message has %d bytes", len(answer.Message))
	}
}

func TestMalformed(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, kind, body, code, message string }{
		{"nothing given", "run", `{}`, "invalid_body", "run_id: is missing"},
		{"nothing given below", "run", `{"run":{}}`, "invalid_body", "run.run_id: is missing"},
		{"truncated in a fold", "run", `{"folds":[{"fold_number":1},`, "invalid_body", "folds[0].train_start_idx: is missing"},
		{"run beside fields", "run", `{"run":{` + runHead + `},` + runHead + `}`, "invalid_body", "run: is given beside"},
		{"id is no UUID", "run", `{"run_id":"7"}`, "invalid_body", "run_id: must be a UUID"},
		{"id in braces", "run", `{"run_id":"{` + runID + `}"}`, "invalid_body", "run_id: must be a UUID"},
		{"no measurement", "run", `{"run_id":"` + runID + `","dataset_id":"` + datasetID + `","prediction_measurement":""}`, "invalid_body", "prediction_measurement: is missing"},
		{"long name", "run", `{` + runHead + `,"target_column":"` + strings.Repeat("a", 1001) + `"}`, "invalid_body", "target_column: is longer than 1000 bytes"},
		{"status", "run", `{` + runHead + `,"status":"DONE"}`, "invalid_body", "status: must be one of PENDING, QUEUED"},
		{"time", "run", `{` + runHead + `,"started_at":"2026-13-01T00:00:00Z"}`, "invalid_body", `started_at: "2026-13-01T00:00:00Z" is not a time`},
		{"time of two numbers", "run", `{` + runHead + `,"started_at":"01/02/2026"}`, "invalid_body", `started_at: "01/02/2026" is not a time`},
		{"year 10000", "run", `{` + runHead + `,"started_at":"9999-12-31T23:59:59-01:00"}`, "invalid_body", "started_at: 10000-01-01T00:59:59Z is out of range"},
		{"duration below 0", "run", `{` + runHead + `,"duration_ms":-1}`, "invalid_body", "duration_ms: must not be below 0"},
		{"features are an object", "run", `{` + runHead + `,"features":{}}`, "invalid_body", "features: must be an array"},
		{"metrics are a text", "run", `{` + runHead + `,"summary_metrics":"{}"}`, "invalid_body", "summary_metrics: must be an object"},
		{"an index is a text", "run", runWith(fold(0, ""), `{"test_end_idx":"678"}`), "invalid_body", "folds[1].test_end_idx: must be a whole number"},
		{"an index is missing", "run", runWith(`{"fold_number":0}`), "invalid_body", "folds[0].train_start_idx: is missing"},
		{"an index is null", "run", runWith(`{"fold_number":null}`), "invalid_body", "folds[0].fold_number: is missing"},
		{"fold number below 0", "run", runWith(fold(-1, "")), "invalid_body", "folds[0].fold_number: must not be below 0"},
		{"fold number too large", "run", runWith(fold(1<<31, "")), "invalid_body", "folds[0].fold_number: is out of range"},
		{"same fold twice", "run", runWith(fold(3, ""), fold(4, ""), fold(3, "")), "invalid_body", "folds[2].fold_number: 3 is already folds[0]"},
		{"fold of another run", "run", runWith(fold(0, `,"run_id":"`+datasetID+`"`)), "invalid_body", "folds[0].run_id: is not the run_id"},
		{"window ends before it starts", "run", runWith(strings.Replace(fold(0, ""), "678", "653", 1)), "invalid_body", "folds[0].test_end_idx: must not be below test_start_idx"},
		{"fold metrics are an array", "run", runWith(fold(0, `,"metrics":[]`)), "invalid_body", "folds[0].metrics: must be an object"},

		{"mode", "simulation", `{"simulation_id":"` + simID + `","run_id":"` + runID + `","dataset_id":"` + datasetID + `"}`, "invalid_body", "mode: is missing"},
		{"bucket side", "simulation", simWith(`"buckets":[{"side":"both"}]`), "invalid_body", "buckets[0].side: must be one of long, short, all, dual"},
		{"bucket twice", "simulation", simWith(`"buckets":[{"side":"all"},{"side":"long"},{"side":"all"}]`), "invalid_body", "buckets[2].side: all is already buckets[0]"},
		{"more wins than trades", "simulation", simWith(`"buckets":[{"side":"all","trade_count":1,"win_count":2}]`), "invalid_body", "buckets[0].win_count: must not be above trade_count"},
		{"trade side", "simulation", simWith(`"trades":[{"entry_timestamp":1735891200000,"side":"dual","size":1,"entry_price":1}]`), "invalid_body", "trades[0].side: must be one of long, short, buy, sell, 1, -1"},
		{"trade without time", "simulation", simWith(`"trades":[{"side":"long","size":1,"entry_price":1}]`), "invalid_body", "trades[0].entry_timestamp: is missing"},
		{"trade without price", "simulation", simWith(`"trades":[{"entry_timestamp":1735891200000,"side":"long","size":1}]`), "invalid_body", "trades[0].entry_price: is missing"},
		{"trade time out of range", "simulation", simWith(`"trades":[{"entry_timestamp":9223372036854775807}]`), "invalid_body", "trades[0].entry_timestamp: 9223372036854775807 is no time between 1973 and 2262"},
		{"trade price is a text", "simulation", simWith(`"trades":[{"entry_price":"1"}]`), "invalid_body", "trades[0].entry_price: must be a number"},
		{"trade twice", "simulation", simWith(`"trades":[` + trade(simID) + `,` + trade(simID) + `]`), "invalid_body", "trades[1].trade_id: " + simID + " is already trades[0]"},
		{"simulation twice", "simulation", `{"run":{},"simulation":{}}`, "invalid_body", "simulation: is given beside"},

		{"no slug", "dataset", `{"dataset_id":"` + datasetID + `","dataset_slug":""}`, "invalid_body", "dataset_slug: is missing"},
		{"metadata is a number", "dataset", `{` + dataHead + `,"metadata":1}`, "invalid_body", "metadata: must be an object"},
		{"metadata text is no JSON", "dataset", `{` + dataHead + `,"metadata":"x"}`, "invalid_body", "metadata: the text in it is not JSON: unexpected 'x', at byte 0"},
		{"metadata text is an array", "dataset", `{` + dataHead + `,"metadata":"[]"}`, "invalid_body", "metadata: must be an object"},
		{"NUL in metadata text", "dataset", `{` + dataHead + `,"metadata":"{\"a\":\"\\u0000\"}"}`, "invalid_body", "metadata: the text in it a: has the character U+0000"},
		{"bound is true", "dataset", `{` + dataHead + `,"first_ohlcv_ts":true}`, "invalid_body", "first_ohlcv_ts: must be a whole number of milliseconds"},
		{"bounds are crossed", "dataset", `{` + dataHead + `,"ohlcv_first_ts":1704067200002,"ohlcv_last_ts":1704067200001}`, "invalid_body", "ohlcv_last_ts: must not be before"},
		{"count below 0", "dataset", `{` + dataHead + `,"ohlcv_row_count":-1}`, "invalid_body", "ohlcv_row_count: must not be below 0"},

		{"patch of nothing", "patch", `{}`, "invalid_body", "the body changes nothing"},
		{"patch of an unknown field", "patch", `{"state":"FAILED"}`, "invalid_body", "state: is not a field that this request takes"},
		{"patch with null", "patch", `{"completed_at":null}`, "invalid_body", "completed_at: must not be null"},
		{"patch with empty status", "patch", `{"status":""}`, "invalid_body", "status: must not be empty"},
		{"patch with wrong status", "patch", `{"status":"OK"}`, "invalid_body", "status: must be one of"},

		{"no folds", "folds", `{}`, "invalid_body", "folds: is missing"},
		{"bare folds", "folds", `[` + fold(1, "") + `,` + fold(1, "") + `]`, "invalid_body", "[1].fold_number: 1 is already [0]"},
		{"bare fold", "folds", `[` + fold(1, "") + `,{"fold_number":2}]`, "invalid_body", "[1].train_start_idx: is missing"},
	}
	for _, tt := range tests {
		t.Run(tt.kind+"/"+tt.name, func(t *testing.T) {
			t.Parallel()
			wantFault(t, read(tt.kind, tt.body), http.StatusBadRequest, tt.code, tt.message)
		})
	}
}

func read(kind, body string) (err error) {
	switch kind {
	case "run":
		_, err = readRun(post(body))
	case "simulation":
		_, err = readSimulation(post(body))
	case "dataset":
		_, err = readDataset(post(body))
	case "patch":
		if _, err = readRunPatch(post(body)); err != nil {
			_, other := readSimulationPatch(post(body))
			err = errors.Join(err, other)
		}
	case "folds":
		_, _, err = readFolds(post(body), [16]byte{1})
	}
	return err
}

// A body cut at any byte is refused.
func TestCutOff(t *testing.T) {
	t.Parallel()
	body := runWith(fold(0, `,"metrics":{"a":[1,true,null,"x\u00e9"]},"best_score":1.5e3`))
	for n := range len(body) {
		var answer *spec.Problem
		if err := read("run", body[:n]); !errors.As(err, &answer) || string(answer.Code) != "invalid_json" {
			t.Fatalf("cut at %d: got %v", n, err)
		}
	}
}
