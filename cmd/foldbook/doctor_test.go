package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"foldbook/internal/devstack"
	"foldbook/internal/testdb"
	"foldbook/questdb"
)

// clinic is both stores of the test's own, filled with a dataset, a run and a simulation.
type clinic struct {
	t       *testing.T
	environ []string
	server  *devstack.QuestDB
	client  *questdb.Client
	url     string
}

func newClinic(t *testing.T) *clinic {
	t.Helper()
	server := testdb.PrivateQuestDB(t)
	client, err := questdb.New(questdb.Config{
		HTTPURL: server.HTTPURL(), PGURL: server.PGURL(), ConnectTimeout: 10 * time.Second, AnswerTimeout: 20 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	c := &clinic{t: t, server: server, client: client, url: testdb.NewURL(t)}
	c.environ = []string{
		"POSTGRES_URL=" + c.url, "QDB_HTTP_URL=" + server.HTTPURL(), "QDB_PG_URL=" + server.PGURL(),
		"POSTGRES_CONNECT_TIMEOUT=20s", "QDB_CONNECT_TIMEOUT=20s", // other tests keep the machine busy, and what is tested is not how soon
	}
	s := start(t, freePort(t), c.environ...)
	s.waitFor(t, "/readyz", http.StatusOK)
	dir := t.TempDir()
	documents, series := seriesFiles("doctor25_1")
	write(t, filepath.Join(dir, "in"), documents)
	write(t, dir, series)
	must(t, 0, nil, "import", "--server", s.url, filepath.Join(dir, "in"))
	for file, of := range map[string][]string{"bars.csv": {"--dataset", datasetID}, "indicators.ndjson": {"--dataset", datasetID}, "predictions.csv": {"--run", runID}, "trace.csv": {"--simulation", simulationID}} {
		must(t, 0, nil, "import", "--server", s.url, of[0], of[1], filepath.Join(dir, file))
	}
	return c
}

// found runs foldbook doctor --json and returns its findings as "problem of table".
func (c *clinic) found(code int, args ...string) []string {
	c.t.Helper()
	out, _ := must(c.t, code, c.environ, append([]string{"doctor", "--json"}, args...)...)
	var answer struct {
		Findings []struct {
			Problem, Of, Table, Detail string
			Fixable, Fixed             bool
		}
	}
	if err := json.Unmarshal([]byte(out), &answer); err != nil {
		c.t.Fatalf("%v: %s", err, out)
	}
	list := []string{}
	for _, f := range answer.Findings {
		text := f.Problem + " " + f.Of + " " + f.Table
		if f.Fixed {
			text += " fixed"
		}
		list = append(list, text)
	}
	slices.Sort(list)
	return list
}

func (c *clinic) expect(what string, want []string, got []string) {
	c.t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		c.t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// sql runs SQL on PostgreSQL.
func (c *clinic) sql(text string) {
	c.t.Helper()
	if _, err := testdb.Connect(c.t, c.url).Exec(c.t.Context(), text); err != nil {
		c.t.Fatalf("%s: %v", text, err)
	}
}

// ilp writes a line as the desktop client does, and waits until the table has so many rows.
func (c *clinic) ilp(table, line string, rows int64) {
	c.t.Helper()
	res, err := http.Post(c.server.HTTPURL()+"/write", "text/plain", strings.NewReader(table+line+"\n"))
	if err != nil || res.StatusCode != http.StatusNoContent {
		c.t.Fatal(res, err)
	}
	_ = res.Body.Close()
	until(c.t, fmt.Sprintf("%s has %d rows", table, rows), func() bool {
		found, err := c.client.Table(c.t.Context(), table)
		if err != nil {
			return false
		}
		n, err := c.client.Count(c.t.Context(), questdb.Selection{Table: found})
		return err == nil && n == rows
	})
}

func TestDoctor(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	clean := []string{}
	c.expect("a healthy store", clean, c.found(0))
	if out, _ := must(t, 0, c.environ, "doctor"); out != "PostgreSQL and QuestDB agree\n" {
		t.Errorf("a healthy store: %q", out)
	}

	// What a record says is not what is there.
	for what, damage := range map[string]string{
		"rows": "row_count = row_count - 1", "first": "first_bar_ts = first_bar_ts - interval '1 s'", "last": "last_bar_ts = NULL", "schema": `column_schema = '[{"name": "x"}]'`,
		"metadata": `metadata = metadata || '{"indicator_rows": 7}'`, "bound in metadata": `metadata = metadata || '{"last_indicator_timestamp_ms": 7}'`,
	} {
		c.sql("UPDATE indicator_datasets SET " + damage)
		c.expect(what, []string{"differs indicators doctor25_1_ind"}, c.found(1))
		c.expect(what+", fixed", []string{"differs indicators doctor25_1_ind fixed"}, c.found(0, "--fix"))
		c.expect(what+", then", clean, c.found(0))
	}
	c.sql("UPDATE indicator_datasets SET ohlcv_row_count = 5, ohlcv_last_ts = now()")
	if out, _ := must(t, 1, c.environ, "doctor"); !strings.Contains(out, "rows: 5, counted 25000") || !strings.Contains(out, "can be fixed") {
		t.Errorf("bars: %s", out)
	}
	c.expect("bars, fixed", []string{"differs bars doctor25_1_ohlcv fixed"}, c.found(0, "--fix"))
	c.sql("UPDATE walkforward_folds SET test_start_ts_ms = NULL WHERE fold_number = 3")
	c.expect("fold times", []string{"no fold time indicators doctor25_1_ind"}, c.found(1))
	c.expect("fold times, fixed", []string{"no fold time indicators doctor25_1_ind fixed"}, c.found(0, "--fix"))

	c.sql("UPDATE indicator_datasets SET row_count = 0, first_bar_ts = NULL, last_bar_ts = NULL")
	c.expect("adopted rows", []string{"adopted indicators doctor25_1_ind"}, c.found(1))
	c.expect("adopted rows, fixed", []string{"adopted indicators doctor25_1_ind fixed"}, c.found(0, "--fix"))
	c.ilp("removed", " a=1 1704067200000000000", 1)
	// Scheduled for later, so that the service's own worker leaves it.
	c.sql(`INSERT INTO river.river_job (state, scheduled_at, max_attempts, args, kind) VALUES ('scheduled', now() + interval '1 hour', 50,
		'{"places": [{"kind": 0, "table": "removed", "owners": ["x"]}]}', 'questdb_removal')`)
	c.expect("a removal", []string{"pending  "}, c.found(1))
	c.sql("UPDATE river.river_job SET state = 'available', scheduled_at = now() WHERE state = 'scheduled' AND kind = 'questdb_removal'")
	if done := c.found(0, "--fix"); len(done) > 0 { // else the service's own worker came first
		c.expect("a removal, done", []string{"pending   fixed"}, done)
	}
	c.expect("a removal, then", clean, c.found(0))

	// Tables without records, and records without tables.
	c.ilp("stray", " a=1 1704067200000000000", 1)
	c.expect("a stray table", []string{"no record  stray"}, c.found(1))
	c.expect("a stray table stays", []string{"no record  stray"}, c.found(1, "--fix"))
	c.expect("a stray table goes", []string{"no record  stray fixed"}, c.found(0, "--fix", "--drop-tables"))
	for _, table := range []string{"doctor25_1_ind", "doctor25_1_wf1", "doctor25_1_sim1"} {
		if err := c.client.Drop(t.Context(), table); err != nil {
			t.Fatal(err)
		}
	}
	gone := []string{"no table indicators doctor25_1_ind", "no table predictions doctor25_1_wf1", "no table trace doctor25_1_sim1"}
	c.expect("dropped tables", gone, c.found(1))
	gone[0] += " fixed"
	c.expect("dropped tables, fixed", gone, c.found(1, "--fix"))
	c.expect("dropped tables, then", gone[1:], c.found(1))

	// Tables that the desktop client made itself.
	for i, line := range []string{" bar_index=1i,fold_number=0i,prediction=0.5 1704067200000000000", " bar_index=2i,fold_number=0i,prediction=0.5 1704070800000000000"} {
		c.ilp("doctor25_1_wf1", line, int64(i+1))
	}
	c.ilp("doctor25_1_sim1", ",mode=dual trade_index=0i,pnl=1 1704067200000000000", 1)
	foreign := []string{"no dedup predictions doctor25_1_wf1", "no dedup trace doctor25_1_sim1"}
	c.expect("no deduplication", foreign, c.found(1))
	c.expect("no deduplication, fixed", []string{foreign[0] + " fixed", foreign[1] + " fixed"}, c.found(0, "--fix"))
	c.expect("in the end", clean, c.found(0))
	c.ilp("doctor25_1_wf1", " bar_index=3i,fold_number=1i,prediction=0.5 1704067200000000000", 3)
	c.ilp("doctor25_1_wf1", " bar_index=4i,fold_number=1i,prediction=0.5 1704067200000000000", 3)

	// Names that cannot be tables, and rows that are not in a shared one.
	c.sql("UPDATE indicator_datasets SET questdb_measurement = 'a/b'")
	c.sql("UPDATE walkforward_runs SET prediction_measurement = 'walkforward_predictions'")
	c.ilp("walkforward_predictions", ",run_id=other,fold=0 prediction=0.5 1704067200000000000", 1)
	c.expect("names", []string{"bad name indicators a/b", "no dedup predictions walkforward_predictions", "no record  doctor25_1_wf1", "no record  walkforward_predictions", "no rows predictions walkforward_predictions"}, c.found(1))

	if code, _, stderr := command(t, c.environ, "doctor", "--drop-tables"); code != 2 || !strings.Contains(stderr, "--fix") {
		t.Errorf("code %d, %s", code, stderr)
	}
	if code, _, stderr := command(t, []string{"POSTGRES_URL=" + c.url, "QDB_HTTP_URL=off"}, "doctor"); code != 2 || !strings.Contains(stderr, "off") {
		t.Errorf("code %d, %s", code, stderr)
	}
	if code, _, stderr := command(t, []string{"POSTGRES_URL=" + c.url, "QDB_HTTP_URL=http://127.0.0.1:1"}, "doctor"); code != 3 {
		t.Errorf("code %d, %s", code, stderr)
	}
	if code, _, stderr := command(t, append(c.environ, "POSTGRES_URL=postgres://127.0.0.1:1/x"), "doctor"); code != 3 {
		t.Errorf("code %d, %s", code, stderr)
	}
}
