package api_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"foldbook/api"
	"foldbook/db"
	"foldbook/internal/doctor"
	"foldbook/internal/testdb"
	"foldbook/questdb"
)

// While QuestDB is frozen within an append, nothing of PostgreSQL waits for it: a write of the dataset's metadata goes through, no
// transaction is open, and the append is stored when QuestDB goes on. (data-rules.md, Appends)
func TestAppendToFrozenQuestDB(t *testing.T) {
	t.Parallel()
	server := testdb.PrivateQuestDB(t)
	h := appendHarnessOn(t, server)
	name := slug(t)
	h.newSet(name, ownTables(name))
	h.store(indicatorsPath(), indicatorRows(0, 10), 200)
	h.exec("INSERT INTO row_leases VALUES ($1, gen_random_uuid(), now() + interval '1 hour')", name+"_ind")
	got := h.posted(indicatorsPath(), indicatorRows(5, 10))
	h.waitTake(name + "_ind")
	server.Freeze()
	h.exec("DELETE FROM row_leases")
	h.waitTake(name + "_ind")
	began := time.Now()
	if status, a := h.send(http.MethodPost, "/api/datasets", `{"dataset_id": "`+newDataset+`", "dataset_slug": "`+name+`", "metadata": {"note": "free"}}`); status != 200 {
		t.Errorf("a write of the record: %d %v", status, a)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("a write of the record took %v", took)
	}
	var open int
	if err := h.db.Pool.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'").Scan(&open); err != nil || open > 0 {
		t.Errorf("%d transactions are open, %v", open, err)
	}
	server.Thaw()
	if a := <-got; a.status != http.StatusOK || a.body["row_count"] != 15.0 {
		t.Errorf("the append: %d %v", a.status, a.body)
	}
	if d := h.object("/api/datasets/" + newDataset); d["indicator_row_count"] != 15.0 || d["metadata"].(map[string]any)["note"] != "free" {
		t.Errorf("the record: %v", d)
	}
	if n := h.count("row_leases"); n != 0 {
		t.Errorf("%d leases are left", n)
	}
}

// waitTake waits until somebody has tried to take the lease of a place since it was given or taken back.
func (h *harness) waitTake(place string) {
	h.t.Helper()
	for deadline := time.Now().Add(testdb.Patience); time.Now().Before(deadline); {
		var n int
		if err := h.db.Pool.QueryRow(h.t.Context(), "SELECT count(*) FROM row_leases WHERE place = $1 AND (xmax <> 0 OR expires_at < now() + interval '50 minutes')", place).Scan(&n); err != nil {
			h.t.Fatal(err)
		}
		if n == 1 {
			return
		}
	}
	h.t.Fatalf("nobody writes the rows of %s", place)
}

// A writer that died keeps others out until its lease expires; one that is waited for too long is named.
func TestAppendWaitsForLease(t *testing.T) {
	t.Parallel()
	h := appendHarness(t)
	name := slug(t)
	h.newSet(name, ownTables(name))
	h.opts.WriteTimeout = 300 * time.Millisecond
	h.http = api.New(h.opts).Handler()
	h.exec("INSERT INTO row_leases VALUES ($1, gen_random_uuid(), now() + interval '1 hour')", name+"_ind")
	if status, a := h.send(http.MethodPost, indicatorsPath(), indicatorRows(0, 1)); status != 503 || a["message"] != "other requests are writing rows of the same table: nothing is stored, repeat the request" {
		t.Errorf("%d %v", status, a)
	}
	h.exec("UPDATE row_leases SET expires_at = now()")
	h.opts.WriteTimeout = 30 * time.Second
	h.http = api.New(h.opts).Handler()
	h.store(indicatorsPath(), indicatorRows(0, 1), 200)
}

// QuestDB is killed while it takes a body of three million cells: all of its rows are stored or none, the answer says so, and the record
// and doctor agree with it; the same request again makes both stores agree. (data-rules.md, Appends)
func TestAppendMeetsKilledQuestDB(t *testing.T) {
	t.Parallel()
	server := testdb.PrivateQuestDB(t)
	h := appendHarnessOn(t, server)
	name := slug(t)
	h.newSet(name, ownTables(name))
	const rows = 300_000
	body := make([]byte, 0, 40*rows)
	body = append(body, "timestamp,a,b,c,d,e,f,g,h,i,j\n"...)
	for i := range int64(rows) {
		body = append(strconv.AppendInt(body, 1704067200000+i*60000, 10), ",1,2,3,4,5,6,7,8,9,10\n"...)
	}
	type outcome struct {
		status int
		body   map[string]any
	}
	got := make(chan outcome, 1)
	go func() {
		status, a := h.send(http.MethodPost, indicatorsPath(), string(body), "Content-Type", "text/csv")
		got <- outcome{status, a}
	}()
	h.waitRows(name+"_ind", 0) // it is there
	server.Kill()
	a := <-got
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	table, err := h.opts.QuestDB.Table(t.Context(), name+"_ind")
	if err != nil {
		t.Fatal(err)
	}
	n, err := h.opts.QuestDB.Count(t.Context(), questdb.Selection{Table: table})
	if err != nil || n != 0 && n != rows || (n == rows) != (a.status == http.StatusOK) && !strings.Contains(fmt.Sprint(a.body["message"]), "all of them are stored, or none") {
		t.Errorf("%d rows are stored after %d %v, %v", n, a.status, a.body, err)
	}
	agree := func(rows float64) {
		t.Helper()
		if d := h.object("/api/datasets/" + newDataset); d["indicator_row_count"] != rows {
			t.Errorf("the record: %v, want %v", d["indicator_row_count"], rows)
		}
		found, err := (&doctor.Doctor{DB: h.db, QuestDB: h.opts.QuestDB}).Check(t.Context())
		if err != nil || len(found) > 0 {
			t.Errorf("doctor: %v, %v", found, err)
		}
	}
	if n == 0 || a.status == http.StatusOK {
		agree(float64(n))
	}
	if a := h.csv(indicatorsPath(), string(body)); a["row_count"] != float64(rows) {
		t.Errorf("again: %v", a)
	}
	agree(rows)
}

// A fold that begins before the first row never gets its times, and costs the appends that follow no read of all times.
func TestAppendSkipsFoldsWithoutRows(t *testing.T) {
	t.Parallel()
	h := appendHarness(t)
	name := slug(t)
	h.newSet(name, ownTables(name))
	h.store("/api/runs", strings.Replace(runBody(1), "btc25_1_wf1767358800", name+"_wf1", 1), 201)
	h.exec("UPDATE walkforward_folds SET train_start_idx = -1, train_end_idx = 2, test_start_idx = 2, test_end_idx = 3")
	h.store(indicatorsPath(), indicatorRows(0, 10), 200)
	gaps, err := h.db.ListRunsWithFoldGaps(t.Context(), db.ListRunsWithFoldGapsParams{DatasetID: uuid.MustParse(newDataset), RowCount: 10, PageSize: 10})
	if err != nil || len(gaps) > 0 {
		t.Errorf("%v, %v: each append would read all times", gaps, err)
	}
	h.exec("UPDATE walkforward_folds SET train_start_idx = 0")
	h.store(indicatorsPath(), indicatorRows(0, 11), 200)
	fold := h.object("/api/runs/" + newRun)["folds"].([]any)[0].(map[string]any)
	if fold["test_end_ts_ms"] != float64(1704067200000+3*hour) {
		t.Errorf("the fold has no times: %v", fold)
	}
}
