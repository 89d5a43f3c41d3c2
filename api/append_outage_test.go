package api_test

import (
	"net/http"
	"testing"
	"time"

	"foldbook/api"
	"foldbook/internal/testdb"
	"foldbook/questdb"
)

// appendOutage is a service on a PostgreSQL of its own, which the test may kill, and the shared QuestDB.
func appendOutage(t *testing.T) *outage {
	t.Helper()
	series := testdb.QuestDB(t)
	client, err := questdb.New(patient(series))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	server := testdb.Private(t)
	return &outage{harnessOn(t, server.URL("foldbook"), func(o *api.Options) { o.QuestDB = client }), server}
}

// waitRows waits until a table has rows.
func (h *harness) waitRows(name string, n int64) {
	h.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		if table, err := h.opts.QuestDB.Table(h.t.Context(), name); err == nil {
			if got, err := h.opts.QuestDB.Count(h.t.Context(), questdb.Selection{Table: table}); err == nil && got == n {
				return
			}
		}
	}
	h.t.Fatalf("%s does not get %d rows", name, n)
}

// PostgreSQL is killed when the rows are in QuestDB and their count is not yet noted: the answer is 503, and the same
// request again makes both agree.
func TestAppendMeetsKilledPostgres(t *testing.T) {
	t.Parallel()
	o := appendOutage(t)
	name := slug(t)
	o.newSet(name, ownTables(name))
	beside := o.beside()
	o.on(beside, "BEGIN")
	o.on(beside, "SELECT 1 FROM indicator_datasets FOR UPDATE") // keeps the count from being noted
	got := o.posted(indicatorsPath(), indicatorRows(0, 10))
	o.waitRows(name+"_ind", 10)
	o.server.Kill()
	a := <-got
	if a.status != http.StatusServiceUnavailable || a.body["code"] != "database_unavailable" || a.header.Get("Retry-After") == "" {
		t.Errorf("the answer is %d %v", a.status, a.body)
	}
	if err := o.server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if d := o.object("/api/datasets/" + newDataset); d["indicator_row_count"] != 0.0 {
		t.Errorf("the record says %v rows", d["indicator_row_count"])
	}
	if a := o.store(indicatorsPath(), indicatorRows(0, 10), 200); a["row_count"] != 10.0 {
		t.Errorf("again: %v", a)
	}
	if d := o.object("/api/datasets/" + newDataset); d["indicator_row_count"] != 10.0 || len(o.table(name+"_ind")) != 10 {
		t.Errorf("the record says %v rows", d["indicator_row_count"])
	}
}

// A dataset that is removed while its rows are stored answers 404, as one that never was.
func TestAppendToRemovedDataset(t *testing.T) {
	t.Parallel()
	o := appendOutage(t)
	name := slug(t)
	o.newSet(name, ownTables(name))
	beside := o.beside()
	o.on(beside, "BEGIN")
	o.on(beside, "DELETE FROM indicator_datasets")
	got := o.posted(barsPath(), `{"rows": [{"timestamp": 1704067200000, "close": 1}]}`)
	o.waitRows(name+"_ohlcv", 1)
	o.on(beside, "COMMIT")
	if a := <-got; a.status != http.StatusNotFound {
		t.Errorf("the answer is %d %v", a.status, a.body)
	}
}

// Without QuestDB nothing is written, and the answer comes at once.
func TestAppendWithoutQuestDB(t *testing.T) {
	t.Parallel()
	client, err := questdb.New(questdb.Config{HTTPURL: "http://127.0.0.1:1", PGURL: "postgres://127.0.0.1:1/qdb"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	h := newHarness(t, func(o *api.Options) { o.QuestDB = client })
	h.newSet("away")
	h.store("/api/runs", runBody(1), 201) // whose folds cannot get their times
	for _, path := range []string{indicatorsPath(), barsPath(), "/api/runs/" + newRun + "/predictions"} {
		began := time.Now()
		if status, a := h.send(http.MethodPost, path, indicatorRows(0, 1)); status != 503 || a["code"] != "questdb_unavailable" {
			t.Errorf("%s: %d %v", path, status, a)
		}
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("%s took %s", path, took)
		}
	}
}
