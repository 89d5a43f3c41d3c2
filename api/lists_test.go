package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// The folds of a run come page by page in the order of their numbers, and each once.
func TestFoldPages(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.storeAll(5, 1)
	path, seen, pages := "/api/runs/"+newRun+"/folds", []float64{}, 0
	for cursor := ""; ; pages++ {
		page := h.object(path + "?limit=2" + cursor)
		for _, fold := range page["folds"].([]any) {
			seen = append(seen, fold.(map[string]any)["fold_number"].(float64))
		}
		if page["total"] != 5.0 {
			t.Errorf("total is %v", page["total"])
		}
		if page["next"] == nil {
			break
		}
		cursor = "&cursor=" + page["next"].(string)
	}
	if fmt.Sprint(seen) != "[0 1 2 3 4]" || pages != 2 {
		t.Errorf("folds %v in %d pages", seen, pages+1)
	}
	if all := h.object(path); all["count"] != 5.0 || all["next"] != nil || all["limit"] != 1000.0 {
		t.Errorf("%v folds with limit %v, then %v", all["count"], all["limit"], all["next"])
	}
	if offset := h.object(path + "?offset=4&count=none"); offset["count"] != 1.0 || offset["total"] != nil {
		t.Errorf("%v folds of %v behind the fourth", offset["count"], offset["total"])
	}
	tag := h.get(path).Header.Get("ETag")
	if res := h.get(path, "If-None-Match", tag); res.StatusCode != http.StatusNotModified {
		t.Errorf("%d for the ETag that it has", res.StatusCode)
	}
	h.store("/api/runs/"+newRun+"/folds?force=true", "["+foldBody(7)+"]", 200)
	if res := h.get(path, "If-None-Match", tag); res.StatusCode != http.StatusOK {
		t.Errorf("%d for the ETag from before a fold was added", res.StatusCode)
	}
	h.refused("/api/runs/"+unknown.String()+"/folds", 404, "not_found", "run "+unknown.String()+" does not exist")
	h.refused("/api/runs/btc25_1/folds", 400, "invalid_id", "run_id is not a UUID")
	h.refused(path+"?cursor="+h.object("/api/runs/" + newRun + "/folds?limit=1")["next"].(string)+"x", 400, "invalid_parameter", "parameter cursor is not a cursor of this service")
}

// The simulations of a run are those of the list of all, with its filters and sorts.
func TestRunSimulations(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.storeAll(1, 1)
	const other, second = "0b000000-0000-4000-8000-000000000002", "0c000000-0000-4000-8000-000000000002"
	h.store("/api/runs", strings.ReplaceAll(runBody(1), newRun, other), 201)
	h.store("/api/simulations", strings.NewReplacer(newSim, second, newRun, other).Replace(simulationBody(1)), 201)
	for path, want := range map[string]string{
		"/api/runs/" + newRun + "/simulations": newSim, "/api/runs/" + other + "/simulations": second,
		"/api/runs/" + other + "/simulations?status=COMPLETED&dataset_id=btc25_1&sort=-summary_metrics.total_return_pct": second,
		"/api/runs/" + newRun + "/simulations?mode=short":                                                                "",
	} {
		ids := strings.Join(h.page(simulationKind, path).ids, ",")
		if ids != want {
			t.Errorf("%s: %q, want %q", path, ids, want)
		}
	}
	h.refused("/api/runs/"+unknown.String()+"/simulations", 404, "not_found", "run "+unknown.String()+" does not exist")
	if res := h.get("/api/runs/" + newRun + "/simulations?run_id=" + other); res.StatusCode != 400 {
		t.Errorf("another run than that of the path: %d", res.StatusCode)
	}
}

// Each list has an ETag, which a write of what it shows changes, and one of something else does not.
func TestListETags(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.storeAll(1, 1)
	lists := map[string]string{
		"/api/datasets": "dataset", "/api/indicators/datasets": "dataset", "/traders/x/api/indicators/datasets": "dataset",
		"/api/runs": "run", "/api/walkforward/runs": "run", "/api/walkforward/runs?limit=1": "run",
		"/api/simulations": "simulation", "/api/tradesim/runs": "simulation", "/api/runs/" + newRun + "/simulations": "simulation",
	}
	tags := map[string]string{}
	for path := range lists {
		tag := h.get(path).Header.Get("ETag")
		zipped := h.plain(http.MethodGet, path, "Accept-Encoding", "gzip").Header.Get("ETag")
		for _, have := range []string{tag, zipped, "W/" + tag} {
			if res := h.get(path, "If-None-Match", have); res.StatusCode != http.StatusNotModified || readBody(t, res) != "" || res.Header.Get("ETag") != tag {
				t.Errorf("%s with If-None-Match %s: %d %s", path, have, res.StatusCode, res.Header.Get("ETag"))
			}
		}
		tags[path] = tag
	}
	for kind, change := range map[string][3]string{
		"simulation": {http.MethodPatch, "/api/simulations/" + newSim, `{"summary_metrics": {"x": 1}}`},
		"run":        {http.MethodPatch, "/api/runs/" + newRun, `{"duration_ms": 7}`},
	} {
		if status, a := h.send(change[0], change[1], change[2]); status != 200 {
			t.Fatal(status, a)
		}
		for path, shown := range lists {
			res := h.get(path, "If-None-Match", tags[path])
			if changed := res.StatusCode == http.StatusOK; shown == kind && !changed || shown == "simulation" && kind == "run" && changed {
				t.Errorf("%s after a %s was changed: %d", path, kind, res.StatusCode)
			}
			tags[path] = res.Header.Get("ETag")
		}
	}
	var list []json.RawMessage
	if err := json.Unmarshal([]byte(readBody(t, h.get("/api/walkforward/runs", "If-None-Match", `"0"`))), &list); err != nil || len(list) != 1 {
		t.Errorf("with another ETag: %v, %d runs", err, len(list))
	}
}

// Each list sends the members that are named, under the names that they have otherwise, and refuses others.
func TestListFields(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.storeAll(2, 2)
	for path, list := range map[string]string{
		"/api/datasets": "datasets", "/api/indicators/datasets": "", "/api/runs": "runs", "/api/runs?sort=-summary_metrics.pf_long": "runs",
		"/api/datasets/btc25_1/runs": "runs", "/api/walkforward/runs": "", "/api/walkforward/runs?status=COMPLETED": "",
		"/api/simulations": "simulations", "/api/runs/" + newRun + "/simulations": "simulations", "/api/tradesim/runs": "",
		"/api/runs/" + newRun + "/folds": "folds", "/api/walkforward/runs/" + newRun + "/folds": "",
		"/api/simulations/" + newSim + "/trades": "trades", "/api/tradesim/runs/" + newSim + "/trades": "",
	} {
		separator := "?"
		if strings.Contains(path, "?") {
			separator = "&"
		}
		whole := records(t, h.get(path), list)
		for name, value := range whole[0] {
			res := h.get(path + separator + "fields=" + name)
			if res.Header.Get("Content-Type") != "application/vnd.foldbook.fields+json" {
				t.Errorf("%s: fields=%s is %s", path, name, res.Header.Get("Content-Type"))
			}
			for i, part := range records(t, res, list) {
				if len(part) != 1 || string(part[name]) != string(whole[i][name]) {
					t.Errorf("%s: fields=%s is %s, want %s", path, name, part, value)
				}
			}
		}
		if status := h.get(path + separator + "fields=nothing_such").StatusCode; status != 400 {
			t.Errorf("%s: an unknown field is %d", path, status)
		}
	}
	h.refused("/api/runs?fields=run_id,stauts", 400, "invalid_parameter", `parameter fields names "stauts", which these records do not have: did you mean status?`)
	page := h.object("/api/runs?fields=run_id,status&limit=1")
	if fmt.Sprint(page["runs"]) != "[map[run_id:"+newRun+" status:COMPLETED]]" || page["count"] != 1.0 || page["total"] != 1.0 {
		t.Errorf("%v", page)
	}
}

// records are the records of a list, in an envelope unless the name of the list is empty.
func records(t *testing.T, res *http.Response, list string) (rows []map[string]json.RawMessage) {
	t.Helper()
	text := json.RawMessage(readBody(t, res))
	if list != "" {
		var envelope map[string]json.RawMessage
		if err := json.Unmarshal(text, &envelope); err != nil {
			t.Fatal(err)
		}
		text = envelope[list]
	}
	if err := json.Unmarshal(text, &rows); err != nil || len(rows) == 0 {
		t.Fatalf("%v: %s", err, text)
	}
	return rows
}

// The list of datasets has no column_schema unless it is asked for, and the older list and the dataset itself have it.
func TestColumnSchemaIsAskedFor(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	seedFixture(t, h)
	for path, want := range map[string]bool{
		"/api/datasets": false, "/api/datasets?include=column_schema": true, "/api/datasets?fields=column_schema,symbol": true, "/api/datasets?fields=symbol": false,
		"/api/indicators/datasets": true, "/api/datasets/btc25_1": true,
	} {
		if got := strings.Contains(readBody(t, h.get(path)), `"column_schema":[{"name": "rsi_14"`); got != want {
			t.Errorf("%s has column_schema: %t, want %t", path, got, want)
		}
	}
	h.refused("/api/datasets?include=runs", 400, "invalid_parameter", "parameter include is not column_schema")
}
