package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"foldbook/internal/devstack"
	"foldbook/internal/testdb"
)

// importing is the environment of a process that works imports.
func importing(postgres string, series *devstack.QuestDB) []string {
	return []string{"POSTGRES_URL=" + postgres, "QDB_HTTP_URL=" + series.HTTPURL(), "QDB_PG_URL=" + series.PGURL(), "QDB_IMPORT=true"}
}

// job is a job as the service shows it.
type job struct {
	ID        string  `json:"job_id"`
	Status    string  `json:"status"`
	Message   string  `json:"message"`
	Error     *string `json:"error"`
	Progress  int64   `json:"progress"`
	Total     int64   `json:"total"`
	StartedAt *string `json:"started_at"`
	Result    *struct {
		Imported, Rejected int64
	} `json:"result"`
}

// upload stores an import of so many rows, every thousandth of which is bad.
func (s *service) upload(t *testing.T, table string, rows int) string {
	t.Helper()
	var data strings.Builder
	data.WriteString("timestamp_ms,p,q\n")
	for i := range rows {
		if i%1000 == 500 {
			data.WriteString("bad,,\n")
			continue
		}
		fmt.Fprintf(&data, "%d,%d.25,%d\n", 1767225600000+int64(i)*1000, i, i)
	}
	body, err := json.Marshal(map[string]string{"measurement": table, "data": data.String()})
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.Post(s.url+"/api/questdb/import/async", "application/json", strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var accepted job
	if err := json.NewDecoder(res.Body).Decode(&accepted); err != nil || res.StatusCode != http.StatusAccepted {
		t.Fatalf("an import is answered %d, %v", res.StatusCode, err)
	}
	return accepted.ID
}

// waitForJob polls a job until ok.
func (s *service) waitForJob(t *testing.T, id, what string, ok func(job) bool) job {
	t.Helper()
	var j job
	for began := time.Now(); time.Since(began) < testdb.Patience; time.Sleep(5 * time.Millisecond) {
		status, text := s.get("/api/jobs/" + id)
		if status != http.StatusOK {
			continue
		}
		if err := json.Unmarshal([]byte(text), &j); err != nil {
			t.Fatal(err)
		}
		if ok(j) {
			return j
		}
	}
	t.Fatalf("waited %s in vain until the job %s: %+v\n%s", testdb.Patience, what, j, s.log)
	return j
}

func (j job) is(status string) bool { return j.Status == status }

// rowsOf counts the rows of a table, and sums a column up.
func rowsOf(t *testing.T, series *devstack.QuestDB, table string) string {
	t.Helper()
	res, err := http.Get(series.HTTPURL() + "/exec?nm=true&query=" + url.QueryEscape("select count() n, cast(sum(q) as long) q from "+table))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// whole is what rowsOf says of an upload that is all there.
func whole(rows int) string {
	n, sum := 0, 0
	for i := range rows {
		if i%1000 != 500 {
			n++
			sum += i
		}
	}
	return fmt.Sprintf(`[%d,%d`, n, sum)
}

// A job whose worker is killed is taken up by another one, where it was, and its rows are there once.
func TestJobSurvivesKill(t *testing.T) {
	t.Parallel()
	series := testdb.QuestDB(t)
	environ := importing(testdb.NewURL(t), series)
	s, kill := startKillable(t, environ...)
	s.waitFor(t, "/readyz", http.StatusOK)
	const rows = 1_200_000
	id := s.upload(t, "killed", rows)
	before := s.waitForJob(t, id, "makes progress", func(j job) bool { return j.Progress > 0 })
	kill()
	if before.Status != "RUNNING" || before.Progress >= rows {
		t.Fatalf("killed too late: %+v", before)
	}
	began := time.Now()
	s, _ = startKillable(t, environ...)
	s.waitFor(t, "/readyz", http.StatusOK)
	if j := s.waitForJob(t, id, "is there", func(job) bool { return true }); j.Status != "RUNNING" || j.Progress < before.Progress {
		t.Errorf("after the kill: %+v, before it %+v", j, before)
	}
	s.waitForJob(t, id, "is taken up again", func(j job) bool { return j.Progress > before.Progress })
	t.Logf("taken up %s after the start of the next process", time.Since(began).Round(time.Second))
	j := s.waitForJob(t, id, "ends", func(j job) bool { return !j.is("RUNNING") })
	if !j.is("COMPLETED") || j.Progress != rows || j.Total != rows || j.Result.Imported != rows-rows/1000 || j.Result.Rejected != rows/1000 {
		t.Errorf("at the end: %+v %+v", j, j.Result)
	}
	if got := rowsOf(t, series, "killed"); !strings.Contains(got, whole(rows)) {
		t.Errorf("the table has %s, want %s", got, whole(rows))
	}
}

// SIGTERM hands a job back; the next process goes on with it at once.
func TestJobIsHandedBack(t *testing.T) {
	t.Parallel()
	series := testdb.QuestDB(t)
	environ := importing(testdb.NewURL(t), series)
	s := startProcess(t, environ...)
	s.waitFor(t, "/readyz", http.StatusOK)
	const rows = 1_200_000
	id := s.upload(t, "handed", rows)
	before := s.waitForJob(t, id, "makes progress", func(j job) bool { return j.Progress > 0 })
	began := time.Now()
	s.stop()
	if code, took := s.exit(), time.Since(began); code != 0 || took > 10*time.Second {
		t.Errorf("exit code %d after %s\n%s", code, took, s.log)
	}
	s = startProcess(t, environ...)
	s.waitFor(t, "/readyz", http.StatusOK)
	s.waitForJob(t, id, "is taken up again", func(j job) bool { return j.Progress > before.Progress || j.is("COMPLETED") })
	j := s.waitForJob(t, id, "ends", func(j job) bool { return !j.is("RUNNING") })
	if got := rowsOf(t, series, "handed"); !j.is("COMPLETED") || !strings.Contains(got, whole(rows)) {
		t.Errorf("%+v; the table has %s, want %s", j, got, whole(rows))
	}
}

// While QuestDB is away a job waits, and says so; it goes on when QuestDB is back. So does one while PostgreSQL is away.
func TestJobWaitsForDatabases(t *testing.T) { //nolint:paralleltest // it stops the QuestDB that the tests share
	series := testdb.QuestDB(t)
	postgres := testdb.Private(t)
	s := startProcess(t, importing(postgres.URL("foldbook"), series)...)
	s.waitFor(t, "/readyz", http.StatusOK)
	series.Kill()
	const rows = 5000
	id := s.upload(t, "waited", rows)
	j := s.waitForJob(t, id, "says what it waits for", func(j job) bool { return strings.Contains(j.Message, "cannot be reached") })
	if !j.is("RUNNING") || j.Progress != 0 || j.Error != nil {
		t.Errorf("while QuestDB is away: %+v", j)
	}
	if err := series.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.waitForJob(t, id, "ends", func(j job) bool { return j.is("COMPLETED") })
	postgres.Kill()
	s.waitFor(t, "/readyz", http.StatusServiceUnavailable)
	if err := postgres.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.waitFor(t, "/readyz", http.StatusOK)
	again := s.upload(t, "waited", rows)
	s.waitForJob(t, again, "ends", func(j job) bool { return j.is("COMPLETED") })
	if got := rowsOf(t, series, "waited"); !strings.Contains(got, whole(rows)) {
		t.Errorf("the table has %s, want %s", got, whole(rows))
	}
}

// Workers start when PostgreSQL does.
func TestWorkersStartLate(t *testing.T) {
	t.Parallel()
	series := testdb.QuestDB(t)
	postgres := testdb.Private(t)
	postgres.Kill()
	s := startProcess(t, importing(postgres.URL("foldbook"), series)...)
	s.waitFor(t, "/healthz", http.StatusOK)
	if err := postgres.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.waitFor(t, "/readyz", http.StatusOK)
	id := s.upload(t, "late", 1000)
	s.waitForJob(t, id, "ends", func(j job) bool { return j.is("COMPLETED") })
}
