package api_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// data-rules.md, Numbers, texts and missing values: rows in JSON have no NaN either, and take it as null on request.
func TestNonfiniteRows(t *testing.T) {
	t.Parallel()
	h := appendHarness(t)
	name := slug(t)
	h.newSet(name, ownTables(name))
	h.store("/api/runs", strings.Replace(runBody(1), `"prediction_measurement": "`, `"prediction_measurement": "`+name+`_`, 1), 201)
	h.store("/api/simulations", simulationBody(1), 201)
	json := func(cells string) string { return `{"rows": [{"timestamp": 1704067200000, ` + cells + `}]}` }
	for _, tc := range []struct{ path, contentType, body, place, name string }{
		{indicatorsPath(), "application/json", json(`"note": "NaN, \" -Infinity", "rsi_14":NaN, "b": 1.5`), "rows[0].rsi_14", "NaN"},
		{barsPath(), "application/json", json(`"close": -Infinity, "volume": -1.5`), "rows[0].close", "-Infinity"},
		{"/api/runs/" + newRun + "/predictions", "application/json", json(`"fold_number": 0, "prediction": Infinity`), "rows[0].prediction", "Infinity"},
		{"/api/simulations/" + newSim + "/trace", "application/json", json(`"trade_index": 0, "equity": NaN`), "rows[0].equity", "NaN"},
		{indicatorsPath(), "application/x-ndjson", `{"timestamp": 1704067200000, "a": 1}` + "\n" + `{"timestamp": 1704070800000, "a": NaN}`, "rows[1].a", "NaN"},
	} {
		header := []string{"Content-Type", tc.contentType}
		status, a := h.send(http.MethodPost, tc.path, tc.body, header...)
		message, _ := a["message"].(string)
		if status != 400 || a["code"] != "invalid_json" || !strings.HasPrefix(message, tc.place+": is "+tc.name+", which JSON does not have") ||
			!strings.Contains(message, "nonfinite=null") || !strings.HasSuffix(message, ", at byte "+strconv.Itoa(strings.LastIndex(tc.body, tc.name))) {
			t.Errorf("%s: %d %v", tc.path, status, a)
		}
		status, a = h.send(http.MethodPost, tc.path+"?nonfinite=null", tc.body, header...)
		if diff := cmp.Diff([]any{tc.place + " is " + tc.name + ": it is stored as null"}, a["warnings"]); status != 200 || diff != "" {
			t.Errorf("%s with nonfinite=null: %d %v\n%s", tc.path, status, a, diff)
		}
		if status, a := h.send(http.MethodPost, tc.path+"?nonfinite=0", tc.body, header...); status != 400 || a["code"] != "invalid_parameter" {
			t.Errorf("%s with nonfinite=0: %d %v", tc.path, status, a)
		}
	}
	table := h.table(name + "_ind")
	for _, row := range table {
		delete(row, "timestamp_ms")
	}
	want := []map[string]any{
		{"timestamp": int64(1704067200000000), "note": `NaN, " -Infinity`, "b": 1.5, "a": 1.0},
		{"timestamp": int64(1704070800000000)},
	}
	if diff := cmp.Diff(want, table); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// The first of them are named, the others counted.
	_, a := h.send(http.MethodPost, barsPath()+"?nonfinite=null&dry_run=true", json(`"close": 1`+manyNaN(30)))
	warnings, _ := a["warnings"].([]any)
	if len(warnings) != 21 || warnings[20] != "10 more values that are no finite numbers are stored as null" {
		t.Errorf("%v", a)
	}
}

func manyNaN(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(`, "c` + strconv.Itoa(i) + `": NaN`)
	}
	return b.String()
}
