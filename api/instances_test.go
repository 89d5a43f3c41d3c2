package api_test

import (
	"net/http"
	"strings"
	"testing"

	"foldbook/api"
	"foldbook/questdb"

	"foldbook/internal/testdb"
)

// Two instances on one pair of stores: what one has written, the other answers at once, whatever it has kept.
func TestTwoInstances(t *testing.T) {
	t.Parallel()
	one, name := appendHarness(t), slug(t)
	server := testdb.QuestDB(t)
	client, err := questdb.New(patient(server))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	two := harnessOn(t, one.opts.DB.Pool.Config().ConnString(), func(o *api.Options) { o.QuestDB = client })
	says := func(path, want string) {
		t.Helper()
		res := two.get(path)
		if body := readBody(t, res); res.StatusCode != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("the other instance answers %s with %d %s, want %s", path, res.StatusCode, body, want)
		}
	}
	dataset := "/api/datasets/" + newDataset
	one.newSet(name, ownTables(name))
	if res := two.get(dataset + "/indicators"); res.StatusCode != http.StatusNotFound && res.StatusCode != http.StatusOK {
		t.Errorf("no rows yet: %d", res.StatusCode)
	}
	one.store(indicatorsPath(), `{"rows": [{"timestamp_ms": 1704067200000, "rsi_14": 55.5}]}`, 200)
	says(dataset+"/indicators", `"rsi_14":55.5`)
	tag := two.get(dataset).Header.Get("ETag")
	one.store(indicatorsPath(), `{"rows": [{"timestamp_ms": 1704070800000, "rsi_14": 45, "sma_20": 7.25}]}`, 200)
	says(dataset+"/indicators?columns=sma_20", `7.25`)
	says(dataset+"/indicators", `"sma_20":7.25`)
	says(dataset+"/features", `sma_20`)
	if res := two.get(dataset, "If-None-Match", tag); res.StatusCode != http.StatusOK {
		t.Errorf("the dataset has changed, and its old tag answers %d", res.StatusCode)
	}
	one.store("/api/runs", runBody(1), 201)
	run := "/api/runs/" + newRun
	says(run, `"run_id"`)
	tag = two.get(run).Header.Get("ETag")
	if code, answer := one.send(http.MethodPatch, run, `{"summary_metrics": {"added_later": 4.5}}`); code != http.StatusOK {
		t.Fatalf("PATCH: %d %v", code, answer)
	}
	says(run, `"added_later": 4.5`)
	if res := two.get(run, "If-None-Match", tag); res.StatusCode != http.StatusOK {
		t.Errorf("the run has changed, and its old tag answers %d", res.StatusCode)
	}
	if code, answer := one.send(http.MethodDelete, dataset+"?cascade=true", ""); code != http.StatusOK {
		t.Fatalf("DELETE: %d %v", code, answer)
	}
	if res := two.get(run); res.StatusCode != http.StatusNotFound {
		t.Errorf("the run is deleted, and the other instance answers %d", res.StatusCode)
	}
}
