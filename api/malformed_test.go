package api_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// target is a write that bodies are sent to.
type target struct {
	method, path string
	body         string            // valid, with @ where any JSON may stand
	at           string            // the path of @
	types        map[string]string // of each field by its path, as in wrongValues
	faults       [][3]string       // old and new text of the body, and the path of the fault
}

const manyLevels = 200_000

// brokenValues stand where any JSON may.
func brokenValues() []string {
	return []string{
		`NaN`, `Infinity`, `-Infinity`, `nan`, `1e999`, `-1e999`, `1e-500`, strings.Repeat("9", 310), `"\u0000"`, `"a\u0000b"`, `{"\u0000": 1}`, `"\ud800"`, `"\udc00x"`, `"\ud83d\ud83d"`,
		"\"\xff\"", "\"\xc3\x28\"", "\"\xed\xa0\x80\"", `"\x41"`, `"\u12"`, `'a'`, `01`, `+1`, `.5`, `1.`, `1e`, `0x1`, `1_000`, `tru`, `undefined`, `True`, `{"a": 1, "a": 2}`, `{"b": {"a": 1, "\u0061": 2}}`,
		`{1: 2}`, `{"a" 1}`, `{"a"}`, `{a: 1}`, `[1,]`, `[1 2]`, `{"a": 1,}`, `[,1]`, `"unterminated`, "\"raw\nnewline\"", "\"tab\t\"", `/* c */ 1`, `1 // c`, "\ufeff1", ``, `]`, `}`, `[1`, `{"a": [1}`,
		strings.Repeat("[", manyLevels) + strings.Repeat("]", manyLevels), strings.Repeat(`{"a":`, manyLevels) + "1" + strings.Repeat("}", manyLevels), strings.Repeat("[", manyLevels),
	}
}

// brokenBodies are no bodies of any write.
func brokenBodies(valid string) []string {
	return []string{
		"", " ", "\n", "{", "[", "{\"", "nul", "null", "true", "1", `"text"`, "[1]", "[null]", "[[]]", valid + "{}", valid + " x", valid + "\x00", valid + valid, "\ufeff" + valid, "\x00" + valid, valid[:len(valid)-1], valid[:len(valid)/2],
		strings.Replace(valid, "{", "{,", 1), strings.Replace(valid, ":", "=", 1), strings.Replace(valid, ":", "", 1), strings.Replace(valid, `"`, "", 1), strings.ReplaceAll(valid, `"`, "'"), strings.Repeat("[", manyLevels), strings.Repeat(`{"a":`, manyLevels),
	}
}

// wrongValues are what does not fit a field of a type.
var wrongValues = map[string][]string{
	"text":     {`1`, `true`, `{}`, `[]`, `1.5`},
	"id":       {`1`, `true`, `{}`, `"x"`, `"0a000000-0000-4000-8000-00000000000g"`, `"{0a000000-0000-4000-8000-000000000001}"`, `"0a00000000004000800000000000000001"`},
	"parent":   {`1`, `true`, `{}`, `""`}, // an id or a slug
	"whole":    {`"1"`, `true`, `{}`, `[]`, `1.5`, `1e400`, `9223372036854775808`, `-1`},
	"index":    {`"1"`, `true`, `{}`, `[]`, `1.5`, `9223372036854775808`, `-9223372036854775809`},
	"small":    {`"1"`, `true`, `{}`, `1.5`, `2147483648`},
	"number":   {`"1"`, `true`, `{}`, `[]`, `1e400`, `"NaN"`},
	"object":   {`"x"`, `1`, `true`, `[]`},
	"manifest": {`"x"`, `1`, `true`, `[]`}, // an object, or a text with one
	"array":    {`"x"`, `1`, `true`, `{}`},
	"texts":    {`"x"`, `1`, `true`, `{}`, `["a", 1]`, `[null]`, `[["a"]]`},
	"objects":  {`"x"`, `1`, `true`, `{}`, `[{}, 1]`, `["a"]`},
	"time":     {`1`, `true`, `{}`, `"yesterday"`, `"2026-13-01T00:00:00Z"`, `"2026-02-30T00:00:00Z"`, `"2026-01-02 25:00"`, `"99999-01-01T00:00:00Z"`},
	"moment":   {`true`, `{}`, `"yesterday"`, `1.5`, `1e18`, `999999999999999999`},
	"status":   {`1`, `true`, `"DONE"`, `"completed"`},
	"choice":   {`1`, `true`, `"both"`, `"LONG"`},
	"folds":    {`"x"`, `1`, `{}`, `[1]`, `[null]`, `[[]]`, `[{}]`},
	"element":  {`1`, `"x"`, `[]`, `null`, `{}`},
}

// onlyFormat tells whether the schemas of openapi.yaml leave to a format, which is a note to people, what the service refuses: texts that
// are no ids or times, and whole numbers of more than 64 bits or in another unit.
func onlyFormat(kind, value string) bool {
	switch kind {
	case "id", "time", "moment", "manifest":
		return value[0] == '"' || value == "1e18" || value == "999999999999999999"
	case "whole", "index":
		return strings.Contains(value, "922337203685477580")
	}
	return false
}

var (
	foldTypes = map[string]string{
		"run_id": "id", "fold_number": "small", "train_start_idx": "index", "train_end_idx": "index", "test_start_idx": "index", "test_end_idx": "index", "samples_train": "whole", "samples_test": "whole",
		"best_iteration": "small", "best_score": "number", "thresholds": "object", "metrics": "object", "train_start_ts_ms": "index", "test_end_ts_ms": "index",
	}
	patchTypes = map[string]string{"status": "status", "started_at": "time", "completed_at": "time", "summary_metrics": "object"}
)

func under(path string, types map[string]string) map[string]string {
	m := map[string]string{}
	for name, kind := range types {
		m[path+name] = kind
	}
	return m
}

func with(types ...map[string]string) map[string]string {
	m := map[string]string{}
	for _, t := range types {
		maps.Copy(m, t)
	}
	return m
}

func targets() []target {
	twoFolds := `[` + foldBody(0) + `,` + strings.Replace(foldBody(1), `"hit_rate": 0.5`, `"x": @`, 1) + `]`
	foldFaults := func(path string) [][3]string {
		return [][3]string{
			{`"fold_number": 1`, `"fold_number": 0`, path + `[1].fold_number`}, {`"fold_number": 1`, `"fold_number": -1`, path + `[1].fold_number`}, {`"fold_number": 1,`, ``, path + `[1].fold_number`},
			{`"train_end_idx": 674`, `"train_end_idx": 23`, path + `[1].train_end_idx`}, {`"test_end_idx": 702`, `"test_end_idx": 677`, path + `[1].test_end_idx`}, {`"test_end_idx": 702,`, ``, path + `[1].test_end_idx`},
		}
	}
	return []target{{
		"POST", "/api/datasets", strings.Replace(datasetBody(newDataset, "btc25_1"), `"version": 1`, `"x": @`, 1), "metadata.x",
		map[string]string{
			"dataset_id": "id", "dataset_slug": "text", "symbol": "text", "granularity": "text", "source": "text", "ohlcv_measurement": "text", "indicator_measurement": "text", "ohlcv_row_count": "whole",
			"indicator_row_count": "whole", "bar_interval_ms": "whole", "lookback_rows": "whole", "ohlcv_first_ts": "moment", "first_ohlcv_ts": "moment", "ohlcv_last_ts": "moment", "indicator_first_ts": "moment",
			"first_indicator_ts": "moment", "indicator_last_ts": "moment", "column_schema": "objects", "metadata": "manifest",
		},
		[][3]string{
			{`"dataset_id": "` + newDataset + `",`, ``, "dataset_id"}, {`"dataset_slug": "btc25_1",`, ``, "dataset_slug"}, {`"dataset_slug": "btc25_1"`, `"dataset_slug": ""`, "dataset_slug"},
			{`"dataset_slug": "btc25_1"`, `"dataset_slug": "` + strings.Repeat("x", 1001) + `"`, "dataset_slug"}, {`"lookback_rows": 48`, `"lookback_rows": 48, "indicator_last_ts": 1704240000000, "indicator_first_ts": 1704240000001`, "indicator_last_ts"},
			{`"lookback_rows": 48`, `"lookback_rows": 48, "ohlcv_last_ts": "2023-01-01T00:00:00Z"`, "ohlcv_last_ts"}, {`"lookback_rows": 48`, `"lookback_rows": 48, "lookback_rows": 48`, "lookback_rows"},
		},
	}, {
		"POST", "/api/runs?replace=true", strings.Replace(runBody(0), `"folds": []`, `"folds": `+twoFolds, 1), "folds[1].metrics.x",
		with(under("run.", map[string]string{
			"run_id": "id", "dataset_id": "parent", "prediction_measurement": "text", "target_column": "text", "feature_columns": "texts", "hyperparameters": "object", "walk_config": "object",
			"requested_by": "text", "duration_ms": "whole", "serialized_config": "text", "status": "status", "started_at": "time", "completed_at": "time", "summary_metrics": "object",
		}), under("folds[1].", foldTypes), map[string]string{"folds": "folds", "folds[0]": "element", "run": "array"}),
		append(foldFaults("folds"),
			[3]string{`"run_id": "` + newRun + `", "dataset_id"`, `"dataset_id"`, "run.run_id"}, [3]string{`"dataset_id": "` + newDataset + `",`, ``, "run.dataset_id"}, [3]string{`"prediction_measurement": "btc25_1_wf1767358800",`, ``, "run.prediction_measurement"},
			[3]string{`"run_id": "` + newRun + `", "fold_number": 1`, `"run_id": "` + newSim + `", "fold_number": 1`, "folds[1].run_id"}, [3]string{`"folds": [`, `"run_id": "` + newRun + `", "folds": [`, "run"},
			[3]string{`"folds": [`, `"folds": [], "folds": [`, "folds"}, [3]string{`"duration_ms": 465321`, `"duration_ms": 465321, "duration_ms": 1`, "run.duration_ms"}),
	}, {
		"POST", "/api/runs/" + newRun + "/folds?force=true", `{"folds": ` + twoFolds + `}`, "folds[1].metrics.x", with(under("folds[1].", foldTypes), map[string]string{"folds": "folds"}),
		append(foldFaults("folds"), [3]string{`"run_id": "` + newRun + `", "fold_number": 1`, `"run_id": "` + newSim + `", "fold_number": 1`, "folds[1].run_id"}),
	}, {
		"POST", "/api/runs/" + newRun + "/folds?force=true", twoFolds, "[1].metrics.x", under("[1].", foldTypes), foldFaults(""),
	}, {
		"POST", "/api/simulations?replace=true", strings.Replace(simulationBody(2), `"position_size": 1000`, `"x": @`, 1), "config.x",
		map[string]string{
			"simulation_id": "id", "run_id": "id", "dataset_id": "parent", "input_run_measurement": "text", "questdb_namespace": "text", "mode": "choice", "config": "object", "summary_metrics": "object", "status": "status",
			"started_at": "time", "completed_at": "time", "serialized_config": "text", "buckets": "folds", "trades": "folds", "buckets[0]": "element", "trades[1]": "element",
			"buckets[0].side": "choice", "buckets[0].trade_count": "whole", "buckets[0].win_count": "whole", "buckets[0].profit_factor": "number", "buckets[0].notes": "text",
			"trades[1].size": "number", "trades[1].entry_price": "number", "trades[1].exit_price": "number", "trades[1].pnl": "number", "trades[1].return_pct": "number",
			"trades[1].metadata": "object", "trades[1].bar_timestamp": "moment",
		},
		[][3]string{
			{`"simulation_id": "` + newSim + `",`, ``, "simulation_id"}, {`"run_id": "` + newRun + `",`, ``, "run_id"}, {`"mode": "dual",`, ``, "mode"}, {`"win_count": 1`, `"win_count": 3`, "buckets[0].win_count"},
			{`"side": "dual",`, ``, "buckets[0].side"}, {`}],`, `}, {"side": "dual"}],`, "buckets[1].side"}, {`"00000001-`, `"00000000-`, "trades[1].trade_id"}, {`"entry_timestamp": 1735891201000,`, ``, "trades[1].entry_timestamp"}, {`"side": "long"`, `"side": "flat"`, "trades[0].side"},
			{`"side": "long"`, `"side": {}`, "trades[0].side"}, {`"side": "long"`, `"side": "long", "trade_index": 0.5`, "trades[0].trade_index"}, {`"trade_id": "00000000-`, `"trade_id": [], "x": "`, "trades[0].trade_id"},
			{`"entry_timestamp": 1735891201000`, `"entry_timestamp": 1e30`, "trades[1].entry_timestamp"}, {`"entry_timestamp": 1735891201000`, `"entry_timestamp": "x"`, "trades[1].entry_timestamp"},
			{`"trades": [`, `"trades": [], "trades": [`, "trades"}, {`"config": {`, `"config": {"config": 1, "config": 2,`, "config.config"},
		},
	}, {
		"PATCH", "/api/runs/" + newRun, `{"duration_ms": 5, "summary_metrics": {"x": @}}`, "summary_metrics.x", with(patchTypes, map[string]string{"duration_ms": "whole"}),
		[][3]string{{`"duration_ms": 5`, `"folds": []`, "folds"}, {`"duration_ms": 5`, `"duration_ms": null`, "duration_ms"}, {`"duration_ms": 5`, `"status": ""`, "status"}, {`"duration_ms": 5`, `"started_at": null`, "started_at"}},
	}, {
		"PATCH", "/api/simulations/" + newSim, `{"completed_at": "2026-01-02T15:00:07Z", "summary_metrics": {"x": @}}`, "summary_metrics.x", patchTypes,
		[][3]string{{`"completed_at": "2026-01-02T15:00:07Z"`, `"duration_ms": 5`, "duration_ms"}, {`"completed_at": "2026-01-02T15:00:07Z"`, `"completed_at": ""`, "completed_at"}},
	}}
}

// Nothing that is malformed is stored, and the answer says where the fault is: without credentials, with a key that may write, and
// without the key that is asked for, which is all that is said then.
func TestMalformedBodies(t *testing.T) {
	t.Parallel()
	for i, target := range targets() {
		for _, credential := range []string{"off", "write", "none"} {
			t.Run(fmt.Sprintf("%d %s %s, %s", i, target.method, target.path, credential), func(t *testing.T) {
				t.Parallel()
				target.refuseMalformed(t, credential)
			})
		}
	}
}

func (target target) refuseMalformed(t *testing.T, credential string) {
	var h *harness
	if credential == "off" {
		h = newHarness(t)
	} else {
		var keys map[string]string
		h, keys = guarded(t)
		h.credential = keys["write"]
	}
	h.storeAll(3, 2)
	if credential == "none" {
		h.credential = ""
	}
	state := func() any {
		var versions [3]int
		if err := h.db.Pool.QueryRow(t.Context(), `SELECT (SELECT version FROM indicator_datasets), (SELECT version FROM walkforward_runs), (SELECT version FROM simulation_runs)`).Scan(&versions[0], &versions[1], &versions[2]); err != nil {
			t.Fatal(err)
		}
		return []any{versions, h.counts()}
	}
	before, sent := state(), 0
	refused := func(body, path string, codes ...string) {
		t.Helper()
		sent++
		status, a := h.send(target.method, target.path, body)
		message := fmt.Sprint(a["message"])
		if h.credential == "" && h.opts.Gate != nil {
			if status != 401 || a["code"] != "unauthorized" {
				t.Errorf("%.300q without a key: %d %v", body, status, a)
			}
		} else if status != 400 || !slices.Contains(codes, fmt.Sprint(a["code"])) || !strings.HasPrefix(message, path) || len(message) > 400 {
			t.Errorf("%.300q: %d %v, want 400 %v at %q", body, status, a, codes, path)
		}
	}
	valid := strings.Replace(target.body, "@", "1", 1)
	for _, body := range brokenBodies(valid) {
		refused(body, "", "invalid_json", "invalid_body")
	}
	refused(strings.Replace(target.body, "@", "1}", 1), "", "invalid_json")
	parent := target.at[:strings.LastIndex(target.at, ".")]
	for _, value := range brokenValues() {
		refused(strings.Replace(target.body, "@", value, 1), parent, "invalid_json", "invalid_body")
	}
	for path, kind := range target.types {
		for _, value := range wrongValues[kind] {
			body := replaceAt(t, valid, path, value)
			refused(body, path, "invalid_body")
			if validates && fits(t, target.method, target.path, body) == nil && !onlyFormat(kind, value) {
				t.Errorf("openapi.yaml takes %s as %s", value, path)
			}
		}
	}
	for _, f := range target.faults {
		body := strings.Replace(valid, f[0], f[1], 1)
		if body == valid {
			t.Fatalf("%s is not in the body", f[0])
		}
		refused(body, f[2]+":", "invalid_body", "invalid_json")
	}
	if diff := cmp.Diff(before, state()); diff != "" {
		t.Errorf("malformed bodies left (-before +after):\n%s", diff)
	}
	want := map[string]int{"off": 200, "write": 200, "none": 401}[credential]
	if status, a := h.send(target.method, target.path, valid); status != want {
		t.Errorf("the valid body: %d %v", status, a)
	}
	t.Logf("%d malformed bodies", sent)
}

// replaceAt puts a value at a path of a body, such as folds[1].metrics.
func replaceAt(t *testing.T, body, path, value string) string {
	t.Helper()
	var document any
	if err := json.Unmarshal([]byte(body), &document); err != nil {
		t.Fatal(err)
	}
	steps := strings.FieldsFunc(strings.ReplaceAll(path, "[", ".#"), func(r rune) bool { return r == '.' || r == ']' })
	var set func(v any, steps []string) any
	set = func(v any, steps []string) any {
		if len(steps) == 0 {
			return json.RawMessage("@")
		}
		if index, ok := strings.CutPrefix(steps[0], "#"); ok {
			list := v.([]any)
			list[index[0]-'0'] = set(list[index[0]-'0'], steps[1:])
			return list
		}
		object := v.(map[string]any)
		object[steps[0]] = set(object[steps[0]], steps[1:])
		return object
	}
	document = mark(set(document, steps))
	text, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Replace(string(text), `"@@@"`, value, 1)
}

// mark turns the place of the new value, which is no JSON yet, into a text.
func mark(v any) any {
	switch v := v.(type) {
	case json.RawMessage:
		return "@@@"
	case []any:
		for i := range v {
			v[i] = mark(v[i])
		}
	case map[string]any:
		for key := range v {
			v[key] = mark(v[key])
		}
	}
	return v
}
