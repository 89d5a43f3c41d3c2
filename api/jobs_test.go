package api_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"foldbook/api"
	"foldbook/internal/ingest"
	"foldbook/internal/testdb"
	"foldbook/questdb"
)

// importOn is the setting.
func importOn(o *api.Options) { o.Import = true }

// work works the jobs of a harness until the test ends, or until the function that is returned is called.
func work(t testing.TB, h *harness, client *questdb.Client) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	workers := ingest.Workers{
		Store: h.db, Series: client, Log: testdb.Log(t), Count: 2, Ready: func(context.Context) bool { return true },
	}
	go func() { ended <- workers.Run(ctx) }()
	stop = func() {
		cancel()
		if err, open := <-ended; open && err != nil {
			t.Errorf("work jobs: %v", err)
		} else if open {
			close(ended)
		}
	}
	t.Cleanup(stop)
	return stop
}

// until polls a job until it is in a status, or in a final one.
func (h *harness) until(id, status string) map[string]any {
	h.t.Helper()
	var job map[string]any
	for began := time.Now(); time.Since(began) < 60*time.Second; time.Sleep(10 * time.Millisecond) {
		job = h.object("/api/jobs/" + id)
		if job["status"] == status || job["completed_at"] != nil {
			break
		}
	}
	if job["status"] != status {
		h.t.Fatalf("the job does not become %s: %v", status, job)
	}
	return job
}

func TestImportJob(t *testing.T) {
	t.Parallel()
	h := newSeries(t, passthroughOn(t, 1000, 5*time.Second), importOn)
	table := h.table("j")
	accepted := h.store("/api/questdb/import/async", importBody(table, mixed), http.StatusAccepted)
	id, _ := accepted["job_id"].(string)
	if accepted["status"] != "PENDING" || accepted["poll_url"] != "/api/jobs/"+id || accepted["message"] == "" {
		t.Errorf("accepted: %v", accepted)
	}
	job := h.object("/api/jobs/" + id)
	want := map[string]any{
		"job_id": id, "job_type": "questdb_import", "status": "PENDING", "progress": 0.0, "total": 7.0, "message": "7 rows wait to be imported", "error": nil,
		"payload": map[string]any{"measurement": table, "filename": "p.csv"}, "result": nil, "created_at": job["created_at"], "updated_at": job["updated_at"], "started_at": nil, "completed_at": nil,
	}
	if diff := cmp.Diff(want, job); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if n := h.count("import_parts"); n != 1 {
		t.Errorf("%d parts wait", n)
	}
	work(t, h.harness, h.opts.QuestDB)
	job = h.until(id, "COMPLETED")
	result := map[string]any{"measurement": table}
	for key, value := range mixedResult {
		result[key] = value
	}
	want["status"], want["progress"], want["message"], want["result"] = "COMPLETED", 7.0, "4 rows imported, 3 rejected", result
	want["updated_at"], want["started_at"], want["completed_at"] = job["updated_at"], job["started_at"], job["completed_at"]
	if diff := cmp.Diff(want, job); diff != "" || job["started_at"] == nil || job["completed_at"] == nil {
		t.Errorf("-want +got:\n%s", diff)
	}
	if diff := cmp.Diff(mixedRows, h.rows("select timestamp, side, p, note from $_j order by timestamp, side")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if n := h.count("import_parts"); n != 0 {
		t.Errorf("%d parts are left", n)
	}
	failed := h.store("/api/questdb/import/async", importBody(table, "timestamp_ms,p\n1767225600000,x\n"), http.StatusAccepted)["job_id"].(string)
	job = h.until(failed, "FAILED")
	if job["error"] != `no row can be imported: row 1: p: "x" is not a number` || job["result"] != nil || h.count("import_parts") != 0 {
		t.Errorf("failed: %v", job)
	}
	h.noTasks()
}

// noTasks waits until River has no task that is open: it ends them a little after their jobs.
func (h *harness) noTasks() {
	h.t.Helper()
	for began := time.Now(); h.count("river.river_job WHERE finalized_at IS NULL") > 0; time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > testdb.Patience {
			h.t.Fatal("a task does not end")
		}
	}
}

func TestListJobs(t *testing.T) {
	t.Parallel()
	h := newSeries(t, importOn)
	var ids []string
	for i := range 5 {
		ids = append(ids, h.store("/api/questdb/import/async", importBody(fmt.Sprintf("%s_%d", h.prefix, i), "timestamp_ms,a\n"), http.StatusAccepted)["job_id"].(string))
	}
	h.store("/api/jobs/"+ids[1]+"/cancel", "", http.StatusOK)
	h.exec("UPDATE jobs SET created_at = '2026-01-02' WHERE job_id = ANY($1)", ids[2:4]) // ties by id; status is open
	list := func(query string) (got []string, answer map[string]any) {
		answer = h.object("/api/jobs" + query)
		for _, job := range answer["jobs"].([]any) {
			got = append(got, job.(map[string]any)["job_id"].(string))
		}
		if answer["count"] != float64(len(got)) {
			t.Errorf("%s: count %v of %d", query, answer["count"], len(got))
		}
		return got, answer
	}
	tied := []string{min(ids[2], ids[3]), max(ids[2], ids[3])}
	all := append([]string{ids[4], ids[1], ids[0]}, tied...)
	for query, want := range map[string][]string{
		"": all, "?limit=2": all[:2], "?limit=2&offset=2": all[2:4], "?offset=9": nil, "?limit=0": nil,
		"?status=CANCELLED": {ids[1]}, "?status=PENDING&limit=1": {ids[4]}, "?status=RUNNING": nil, "?job_type=questdb_import": all, "?job_type=other": nil,
	} {
		got, answer := list(query)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: -want +got:\n%s", query, diff)
		}
		if total := answer["total"].(float64); query == "?limit=2" && total != 5 || query == "?status=PENDING&limit=1" && total != 4 {
			t.Errorf("%s: total %v", query, total)
		}
	}
	var paged []string
	for query := "?limit=2"; ; {
		got, answer := list(query)
		paged = append(paged, got...)
		next, more := answer["next"].(string)
		if !more {
			break
		}
		query = "?limit=2&cursor=" + next
	}
	if diff := cmp.Diff(all, paged); diff != "" {
		t.Errorf("by cursor: -want +got:\n%s", diff)
	}
	for path, want := range map[string]string{
		"/api/jobs?status=DONE": "invalid_parameter", "/api/jobs?limit=-1": "invalid_parameter", "/api/jobs?cursor=x": "invalid_parameter", "/api/jobs/x": "invalid_id",
		"/api/jobs/9a4e7c10-5b2d-4e6f-8a91-b2c3d4e5f607": "not_found",
	} {
		if res := h.get(path); res.StatusCode/100 != 4 || !strings.Contains(readBody(t, res), `"`+want+`"`) {
			t.Errorf("%s: %d %s", path, res.StatusCode, readBody(t, res))
		}
	}
}

// many is a file of so many rows, in parts of a megabyte.
func many(rows int) string {
	var b strings.Builder
	b.WriteString("timestamp_ms,p,q\n")
	for i := range rows {
		fmt.Fprintf(&b, "%d,%d.5,%d\n", 1767225600000+int64(i)*1000, i, i)
	}
	return b.String()
}

func TestCancelJob(t *testing.T) {
	t.Parallel()
	h := newSeries(t, passthroughOn(t, 1000, 5*time.Second), importOn)
	for path, want := range map[string]int{"/api/jobs/x/cancel": 400, "/api/jobs/9a4e7c10-5b2d-4e6f-8a91-b2c3d4e5f607/cancel": 404} {
		if status, got := h.send(http.MethodPost, path, ""); status != want {
			t.Errorf("%s: %d %v", path, status, got)
		}
	}
	// One that nobody has taken up, and its repeat.
	waiting := h.store("/api/questdb/import/async", importBody(h.table("w"), "timestamp_ms,p\n1767225600000,1\n"), http.StatusAccepted)["job_id"].(string)
	for range 2 {
		if job := h.store("/api/jobs/"+waiting+"/cancel", "", http.StatusOK); job["status"] != "CANCELLED" || job["completed_at"] == nil || job["started_at"] != nil {
			t.Errorf("cancelled while it waits: %v", job)
		}
	}
	// One that is being worked.
	const rows = 600_000
	running := h.store("/api/questdb/import/async", importBody(h.table("r"), many(rows)), http.StatusAccepted)["job_id"].(string)
	work(t, h.harness, h.opts.QuestDB)
	var job map[string]any
	for began := time.Now(); job["progress"] == nil || job["progress"] == 0.0; job = h.object("/api/jobs/" + running) {
		if time.Since(began) > 60*time.Second {
			t.Fatalf("no progress: %v", job)
		}
	}
	job = h.store("/api/jobs/"+running+"/cancel", "", http.StatusOK)
	if job["status"] != "CANCELLED" || job["progress"].(float64) >= rows {
		t.Errorf("cancelled while it is worked: %v", job)
	}
	if n := h.count("import_parts"); n != 0 {
		t.Errorf("%d parts are left", n)
	}
	h.noTasks()
	delete(job, "ETag")
	if diff := cmp.Diff(job, h.object("/api/jobs/"+running)); diff != "" {
		t.Errorf("it goes on: -then +now:\n%s", diff)
	}
	if n := h.rows("select count() from $_r"); n[0].([]any)[0].(float64) >= rows {
		t.Errorf("all of its rows are there")
	}
	// One that has ended.
	done := h.store("/api/questdb/import/async", importBody(h.table("d"), "timestamp_ms,p\n1767225600000,1\n"), http.StatusAccepted)["job_id"].(string)
	h.until(done, "COMPLETED")
	if status, got := h.send(http.MethodPost, "/api/jobs/"+done+"/cancel", ""); status != http.StatusConflict || got["code"] != "conflict" || got["message"] != "the job is COMPLETED already" {
		t.Errorf("a completed one: %d %v", status, got)
	}
}

// The states of River's and the marks of ends are one of five statuses.
func TestJobStatuses(t *testing.T) {
	t.Parallel()
	h := newHarness(t, importOn)
	for _, c := range []struct{ river, job, want string }{
		{"state = 'available'", "message = ''", "PENDING"},
		{"state = 'running', attempted_at = now()", "message = ''", "PENDING"}, // nobody has begun
		{"state = 'running', attempted_at = now()", "started_at = now()", "RUNNING"},
		{"state = 'retryable'", "started_at = now()", "RUNNING"},
		{"state = 'available'", "started_at = now()", "RUNNING"},
		{"state = 'completed', finalized_at = now()", "started_at = now(), completed_at = now(), " +
			`result = '{"measurement": "m", "rows": 0, "imported": 0, "rejected": 0, "errors": [], "columns": [], "warnings": []}'`, "COMPLETED"},
		{"state = 'discarded', finalized_at = now()", "started_at = now()", "FAILED"},
		{"state = 'cancelled', finalized_at = now()", "started_at = now(), completed_at = now(), error = 'x'", "FAILED"},
		{"state = 'running'", "started_at = now(), completed_at = now(), error = 'x'", "FAILED"},
		{"state = 'cancelled', finalized_at = now()", "completed_at = now()", "CANCELLED"},
		{`metadata = '{"cancel_attempted_at": "2026-01-01T00:00:00Z"}', state = 'running'`, "started_at = now(), completed_at = now()", "CANCELLED"},
		{`metadata = '{"cancel_attempted_at": "2026-01-01T00:00:00Z"}', state = 'completed', finalized_at = now()`, "started_at = now(), completed_at = now()", "CANCELLED"},
	} {
		id := uuid.New()
		h.exec("WITH r AS (INSERT INTO river.river_job (max_attempts, args, kind) VALUES (50, '{}', 'x') RETURNING id) INSERT INTO jobs (job_id, job_type, payload, river_id) "+
			`SELECT $1, 'x', '{"measurement": "m"}', id FROM r`, id)
		h.exec("UPDATE jobs SET "+c.job+" WHERE job_id = $1", id)
		h.exec("UPDATE river.river_job SET "+c.river+" WHERE id = (SELECT river_id FROM jobs WHERE job_id = $1)", id)
		job := h.object("/api/jobs/" + id.String())
		if ended := c.want != "PENDING" && c.want != "RUNNING"; job["status"] != c.want || (job["completed_at"] != nil) != ended {
			t.Errorf("%s; %s: %v, want %s", c.river, c.job, job, c.want)
		}
	}
}

// A job that no worker can take up any more does not stay open for ever.
func TestLostJobsFail(t *testing.T) {
	t.Parallel()
	h := newHarness(t, importOn, func(o *api.Options) {
		var err error
		if o.QuestDB, err = questdb.New(questdb.Config{HTTPURL: "http://127.0.0.1:1"}); err != nil {
			t.Fatal(err)
		}
	})
	var ids []string
	for i := range 3 {
		ids = append(ids, h.store("/api/questdb/import/async", importBody(fmt.Sprint("lost", i), "timestamp_ms,a\n1767225600000,1\n"), http.StatusAccepted)["job_id"].(string))
	}
	h.exec("UPDATE jobs SET started_at = now() WHERE job_id <> $1", ids[0])
	h.exec("UPDATE river.river_job SET state = 'discarded', finalized_at = now() WHERE args ->> 'job_id' = ANY($1)", ids[:2])
	if _, err := h.db.FailLostJobs(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"FAILED", "FAILED", "RUNNING"} { // the last one is still to be taken up
		job := h.object("/api/jobs/" + ids[i])
		if job["status"] != want || (want == "FAILED" && (job["error"] != "its workers died again and again" || job["completed_at"] == nil)) {
			t.Errorf("job %d: %v, want %s", i, job, want)
		}
	}
	if n := h.count("import_parts"); n != 1 {
		t.Errorf("%d parts", n)
	}
}
