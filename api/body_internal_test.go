package api

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/klauspost/compress/zstd"

	"foldbook/api/spec"
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

func post(body string, header ...string) (http.ResponseWriter, *http.Request) {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return httptest.NewRecorder(), r
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
	deep := strings.Repeat("[", 200_000)
	tests := []struct{ name, kind, body, code, message string }{
		{"empty", "run", ``, "invalid_json", "the body is empty"},
		{"blanks", "run", " \n", "invalid_json", "the body is empty"},
		{"null", "run", `null`, "invalid_body", "the body must be an object"},
		{"array", "run", `[]`, "invalid_body", "the body must be an object"},
		{"text", "run", `"x"`, "invalid_body", "the body must be an object"},
		{"nothing given", "run", `{}`, "invalid_body", "run_id: is missing"},
		{"nothing given below", "run", `{"run":{}}`, "invalid_body", "run.run_id: is missing"},
		{"two documents", "run", `{"run_id":"x"} {}`, "invalid_json", "the body goes on after its JSON document, at byte 15"},
		{"garbage behind", "run", `{} x`, "invalid_json", "the body goes on"},
		{"truncated at top", "run", `{"run":`, "invalid_json", "run: is cut off: the body ends early, at byte 7"},
		{"truncated in a fold", "run", `{"folds":[{"fold_number":1},`, "invalid_body", "folds[0].train_start_idx: is missing"},
		{"truncated in metrics", "run", `{"folds":[{"metrics":{"pf":1.`, "invalid_json", "folds[0].metrics.pf: is cut off"},
		{"syntax", "run", `{"run":{"run_id":tru}}`, "invalid_json", "run.run_id: is not JSON: unexpected '}', at byte 20"},
		{"no comma", "run", `{"a":1 "b":2}`, "invalid_json", "the body is not JSON: unexpected '\"', at byte 7"},
		{"name is no text", "run", `{1:2}`, "invalid_json", "the body has a name that is not a text"},
		{"comment", "run", `{/* */}`, "invalid_json", "the body is not JSON: unexpected '/'"},
		{"NaN", "run", `{"folds":[` + fold(0, `,"best_score":NaN`) + `]}`, "invalid_json", "folds[0].best_score: is not JSON: unexpected 'N', at byte"},
		{"-Infinity inside", "run", runWith(fold(0, ``), fold(1, `,"metrics":{"pf":-Infinity}`)), "invalid_json", "folds[1].metrics.pf: is not JSON: unexpected 'I'"},
		{"duplicate key", "run", `{"run":{"status":"FAILED","status":"FAILED"}}`, "invalid_json", "run.status: is there twice, at byte 26"},
		{"duplicate key inside", "run", runWith(fold(0, `,"metrics":{"a":1,"\u0061":2}`)), "invalid_json", "folds[0].metrics.a: is there twice"},
		{"invalid UTF-8", "run", `{"run":{"status":"` + "\xff" + `"}}`, "invalid_json", "run.status: is not UTF-8, at byte 18"},
		{"invalid UTF-8 inside", "run", runWith(fold(0, `,"metrics":{"a":"`+"\xc3"+`"}`)), "invalid_json", "folds[0].metrics.a: is not UTF-8"},
		{"lone surrogate", "run", `{"run":{"requested_by":"\ud800"}}`, "invalid_json", "run.requested_by: has a lone surrogate"},
		{"lone surrogate inside", "run", runWith(fold(0, `,"metrics":{"a":["\udc00"]}`)), "invalid_json", "folds[0].metrics.a[0]: has a lone surrogate"},
		{"depth bomb", "run", deep, "invalid_json", "[0][0]"},
		{"depth bomb inside", "run", `{"run":{"walk_config":{"a":` + deep, "invalid_json", "run.walk_config.a[0][0]"},
		{"closed depth bomb", "run", runWith(fold(0, `,"metrics":{"a":`+deep+strings.Repeat("]", 200_000)+`}`)), "invalid_json", "folds[0].metrics.a[0][0]"},
		{"wide object", "run", `{"run":{"walk_config":{` + strings.Repeat(`"a":1,`, maxMembers) + `"b":1}}}`, "invalid_json", "run.walk_config.a: is there twice"},
		{"control character", "run", "{\"run\":{\"status\":\"a\x00\"}}", "invalid_json", "run.status: is not JSON: unexpected '\\x00'"},
		{"NUL in a text", "run", `{"run":{"requested_by":"a\u0000"}}`, "invalid_body", "run.requested_by: has the character U+0000"},
		{"NUL in a key inside", "run", runWith(fold(0, `,"metrics":{"x":{"\u0000":1}}`)), "invalid_body", `folds[0].metrics.x."\x00": has the character U+0000`},
		{"1e999 inside", "run", runWith(fold(0, ``), fold(1, ``), fold(2, `,"metrics":{"a b":[1,{"7":1e999}]}`)), "invalid_body", `folds[2].metrics."a b"[1]."7": is out of range`},
		{"1e999", "run", runWith(fold(0, `,"best_score":1e999`)), "invalid_body", "folds[0].best_score: is out of range"},
		{"tiny number", "run", `{"run":{"walk_config":{"x":1e-16000}}}`, "invalid_body", "run.walk_config.x: is out of range"},
		{"huge negative exponent", "run", `{"run":{"walk_config":{"x":0e-99999999999999999999}}}`, "invalid_body", "run.walk_config.x: is out of range"},
		{"long number", "run", `{"run":{"walk_config":{"x":0.` + strings.Repeat("0", 20_000) + `1}}}`, "invalid_body", "run.walk_config.x: is out of range"},
		{"half an exponent", "run", `{"run":{"walk_config":{"x":1e}}}`, "invalid_json", "run.walk_config.x: is not JSON: unexpected '}'"},
		{"run is a text", "run", `{"run":"{}"}`, "invalid_body", "run: must be an object"},
		{"run beside fields", "run", `{"run":{` + runHead + `},` + runHead + `}`, "invalid_body", "run: is given beside"},
		{"id is no UUID", "run", `{"run_id":"7"}`, "invalid_body", "run_id: must be a UUID"},
		{"id in braces", "run", `{"run_id":"{` + runID + `}"}`, "invalid_body", "run_id: must be a UUID"},
		{"id is a number", "run", `{"run_id":7}`, "invalid_body", "run_id: must be a text"},
		{"no measurement", "run", `{"run_id":"` + runID + `","dataset_id":"` + datasetID + `","prediction_measurement":""}`, "invalid_body", "prediction_measurement: is missing"},
		{"long name", "run", `{` + runHead + `,"target_column":"` + strings.Repeat("a", 1001) + `"}`, "invalid_body", "target_column: is longer than 1000 bytes"},
		{"status", "run", `{` + runHead + `,"status":"DONE"}`, "invalid_body", "status: must be one of PENDING, QUEUED"},
		{"time", "run", `{` + runHead + `,"started_at":"2026-13-01T00:00:00Z"}`, "invalid_body", "started_at: must be a time"},
		{"time without zone", "run", `{` + runHead + `,"started_at":"2026-01-01T00:00:00"}`, "invalid_body", "started_at: must be a time"},
		{"time as a number", "run", `{` + runHead + `,"started_at":1}`, "invalid_body", "started_at: must be a text"},
		{"year 10000", "run", `{` + runHead + `,"started_at":"9999-12-31T23:59:59-01:00"}`, "invalid_body", "started_at: is out of range"},
		{"duration below 0", "run", `{` + runHead + `,"duration_ms":-1}`, "invalid_body", "duration_ms: must not be below 0"},
		{"duration with a fraction", "run", `{` + runHead + `,"duration_ms":1.0}`, "invalid_body", "duration_ms: must be a whole number"},
		{"duration too long", "run", `{` + runHead + `,"duration_ms":9223372036854775808}`, "invalid_body", "duration_ms: is out of range"},
		{"features are an object", "run", `{` + runHead + `,"features":{}}`, "invalid_body", "features: must be an array"},
		{"metrics are a text", "run", `{` + runHead + `,"summary_metrics":"{}"}`, "invalid_body", "summary_metrics: must be an object"},
		{"folds are an object", "run", `{` + runHead + `,"folds":{}}`, "invalid_body", "folds: must be an array"},
		{"a fold is null", "run", runWith(fold(0, ""), "null"), "invalid_body", "folds[1]: must be an object"},
		{"a fold is an array", "run", runWith(fold(0, ""), "[]"), "invalid_body", "folds[1]: must be an object"},
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
		{"trade side", "simulation", simWith(`"trades":[{"entry_timestamp":1735891200000,"side":"dual","size":1,"entry_price":1}]`), "invalid_body", "trades[0].side: must be one of long, short"},
		{"trade without time", "simulation", simWith(`"trades":[{"side":"long","size":1,"entry_price":1}]`), "invalid_body", "trades[0].entry_timestamp: is missing"},
		{"trade without price", "simulation", simWith(`"trades":[{"entry_timestamp":1735891200000,"side":"long","size":1}]`), "invalid_body", "trades[0].entry_price: is missing"},
		{"trade time out of range", "simulation", simWith(`"trades":[{"entry_timestamp":9223372036854775807}]`), "invalid_body", "trades[0].entry_timestamp: is out of range"},
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

func read(kind, body string, header ...string) (err error) {
	w, r := post(body, header...)
	switch kind {
	case "run":
		_, err = readRun(w, r, testLimit)
	case "simulation":
		_, err = readSimulation(w, r, testLimit)
	case "dataset":
		_, err = readDataset(w, r, testLimit)
	case "patch":
		if _, err = readRunPatch(w, r, testLimit); err != nil {
			w, r = post(body, header...)
			_, other := readSimulationPatch(w, r, testLimit)
			err = errors.Join(err, other)
		}
	case "folds":
		_, _, err = readFolds(w, r, [16]byte{1})
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
	w, r := post("")
	r.Body = io.NopCloser(io.MultiReader(strings.NewReader(body[:100]), iotest.ErrReader(errors.New("connection reset"))))
	r.ContentLength = int64(len(body))
	_, err := readRun(w, r, testLimit)
	wantFault(t, err, http.StatusBadRequest, "invalid_json", "the body ends early")
}

func packed(t testing.TB, encoding string, body []byte) string {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	switch encoding {
	case "gzip":
		w = gzip.NewWriter(&b)
	case "zstd":
		w, _ = zstd.NewWriter(&b)
	}
	if _, err := w.Write(body); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestEncodings(t *testing.T) {
	t.Parallel()
	body := []byte(runWith(fold(0, ""), fold(1, "")))
	for _, encoding := range []string{"gzip", "zstd"} {
		whole := packed(t, encoding, body)
		if err := read("run", whole, "Content-Encoding", strings.ToUpper(encoding)); err != nil {
			t.Errorf("%s: %v", encoding, err)
		}
		for n := range len(whole) - 1 {
			wantFault(t, read("run", whole[:n], "Content-Encoding", encoding), http.StatusBadRequest, "invalid_json", "the body ")
		}
		wantFault(t, read("run", string(body), "Content-Encoding", encoding), http.StatusBadRequest, "invalid_json", "the body is not "+encoding)
	}
	for _, encoding := range []string{"br", "gzip, zstd", "deflate"} {
		wantFault(t, read("run", string(body), "Content-Encoding", encoding), http.StatusUnsupportedMediaType, "unsupported_encoding", "")
	}
}

func TestBodyLimitIsInclusive(t *testing.T) {
	t.Parallel()
	body := `{"status":"FAILED"}`
	for _, size := range []int64{int64(len(body)), -1} {
		for _, over := range []int64{0, 1} {
			w, r := post(body)
			r.ContentLength = size
			_, err := readRunPatch(w, r, int64(len(body))-over)
			if (err != nil) != (over == 1) {
				t.Errorf("%d bytes announced, limit %d too low: %v", size, over, err)
			}
		}
	}
}

// checkJSON checks a part at a path of the body: that it is of the kind ('{' or '['), and what scan checks.
func checkJSON(path string, v jsontext.Value, kind byte) error {
	if f := checkKind(path, v, kind); f != nil {
		return f.answer()
	}
	if f := scan(v); f != nil {
		f.path = joinPath(path, f.path)
		return f.answer()
	}
	return nil
}

func TestCheckJSON(t *testing.T) {
	t.Parallel()
	ok := strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth)
	if err := checkJSON("a", []byte(ok), '['); err != nil {
		t.Error(err)
	}
	wantFault(t, checkJSON("a", []byte("["+ok+"]"), '['), http.StatusBadRequest, "invalid_json", "a[0][0]")
	wantFault(t, checkJSON("a", []byte(ok), '{'), http.StatusBadRequest, "invalid_body", "a: must be an object")
	wantFault(t, checkJSON("folds[3].metrics", []byte(`{"pf":-1e999}`), '{'), http.StatusBadRequest, "invalid_body", "folds[3].metrics.pf: is out of range")
	for _, number := range []string{"1.7976931348623157e308", "5e-324", "-0", "0.0009110000100918114", strings.Repeat("9", 308), "1E+2"} {
		if err := checkJSON("a", []byte(`{"x":`+number+`}`), '{'); err != nil {
			t.Errorf("%s: %v", number, err)
		}
	}
	var b strings.Builder
	for i := range maxMembers + 1 {
		fmt.Fprintf(&b, `,"k%d":0`, i)
	}
	wantFault(t, checkJSON("a", []byte("{"+b.String()[1:]+"}"), '{'), http.StatusBadRequest, "invalid_body", "a.k100000: is one field too many")
}
