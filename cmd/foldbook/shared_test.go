package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"foldbook/internal/devstack"
	"foldbook/internal/testdb"
	"foldbook/questdb"
)

// sharing is an installation whose records share the tables indicator_bars, walkforward_predictions and trading_sim_traces.
func sharing(t *testing.T, server *devstack.QuestDB) (*clinic, *service) {
	t.Helper()
	client, err := questdb.New(questdb.Config{HTTPURL: server.HTTPURL(), PGURL: server.PGURL(), AnswerTimeout: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	c := &clinic{t: t, server: server, client: client, url: testdb.NewURL(t)}
	c.environ = []string{
		"POSTGRES_URL=" + c.url, "QDB_HTTP_URL=" + server.HTTPURL(), "QDB_PG_URL=" + server.PGURL(),
		"POSTGRES_CONNECT_TIMEOUT=20s", "QDB_CONNECT_TIMEOUT=20s", "QDB_ANSWER_TIMEOUT=20s",
	}
	s := start(t, freePort(t), c.environ...)
	s.waitFor(t, "/readyz", http.StatusOK)
	return c, s
}

// sharedID is the id of a record of sharedRecords.
func sharedID(kind string, n int) string {
	return fmt.Sprintf("%s000000-0000-4000-8000-%012d", kind, n)
}

// fillShared stores two datasets, each with a run and a simulation, in the shared tables, with different columns.
func fillShared(t *testing.T, s *service) {
	t.Helper()
	dir := t.TempDir()
	documents := map[string]string{}
	for n := range 2 {
		documents[fmt.Sprintf("d%d.json", n)] = fmt.Sprintf(`{"dataset_id":%q,"dataset_slug":"shared_%d","symbol":"S%[2]d","granularity":"1h","indicator_measurement":"indicator_bars"}`,
			sharedID("5a", n), n)
		documents[fmt.Sprintf("r%d.json", n)] = fmt.Sprintf(`{"run":{"run_id":%q,"dataset_id":%q,"prediction_measurement":"walkforward_predictions","target_column":"TGT_1","feature_columns":["own_%d"],"status":"COMPLETED"},
			"folds":[{"fold_number":0,"train_start_idx":0,"train_end_idx":10,"test_start_idx":10,"test_end_idx":20,"samples_train":10,"samples_test":10}]}`, sharedID("5b", n), sharedID("5a", n), n)
		documents[fmt.Sprintf("s%d.json", n)] = fmt.Sprintf(`{"simulation_id":%q,"run_id":%q,"dataset_id":%q,"questdb_namespace":"trading_sim_traces","mode":"dual","status":"COMPLETED",
			"buckets":[{"side":"long","trade_count":2,"win_count":1}],"trades":[{"trade_id":"1","side":"long","size":1,"entry_price":10,"exit_price":11,"pnl":1,"return_pct":10,"entry_timestamp":1704067200000,"exit_timestamp":1704070800000},
			{"trade_id":"2","side":"long","size":1,"entry_price":10,"exit_price":9,"pnl":-1,"return_pct":-10,"entry_timestamp":1704067200000,"exit_timestamp":1704074400000}]}`,
			sharedID("5c", n), sharedID("5b", n), sharedID("5a", n))
	}
	write(t, filepath.Join(dir, "in"), documents)
	must(t, 0, nil, "import", "--server", s.url, filepath.Join(dir, "in"))
	for n := range 2 {
		var bars, indicators, predictions, trace strings.Builder
		bars.WriteString("timestamp,open,high,low,close,volume\n")
		fmt.Fprintf(&indicators, "timestamp,rsi_14,TGT_1,own_%d\n", n)
		predictions.WriteString("timestamp,fold_number,prediction,target\n")
		trace.WriteString("timestamp,side_label,pnl\n")
		for i := range 40 * (n + 1) {
			at := 1704067200000 + int64(i)*3600000
			fmt.Fprintf(&bars, "%d,%d,%d,%d,%d.5,%d\n", at, i, i+1, i, i, n)
			fmt.Fprintf(&indicators, "%d,%v,%v,%d\n", at, float64(i)/7, float64(n*i)/9, i)
			fmt.Fprintf(&predictions, "%d,%d,%v,%d\n", at, i%2, float64(i+n)/11, n)
			fmt.Fprintf(&trace, "%d,LONG,%v\n", at, float64(i*n)/13)
		}
		write(t, dir, map[string]string{"bars.csv": bars.String(), "indicators.csv": indicators.String(), "predictions.csv": predictions.String(), "trace.csv": trace.String()})
		for _, f := range [][]string{{"bars.csv", "--dataset", sharedID("5a", n)}, {"indicators.csv", "--dataset", sharedID("5a", n)}, {"predictions.csv", "--run", sharedID("5b", n)}, {"trace.csv", "--simulation", sharedID("5c", n)}} {
			must(t, 0, nil, "import", "--server", s.url, f[1], f[2], filepath.Join(dir, f[0]))
		}
	}
}

// What is exported with its series and imported into an empty installation gives the same answers there, also of rows in shared tables,
// and keeps the times at which its records were made.
func TestSharedTablesMove(t *testing.T) {
	t.Parallel()
	first, s := sharing(t, testdb.PrivateQuestDB(t))
	fillShared(t, s)
	for i, table := range []string{"indicator_datasets", "walkforward_runs", "simulation_runs"} {
		first.sql(fmt.Sprintf("UPDATE %s SET created_at = '2020-01-0%d 03:04:05.678901Z'", table, i+1))
	}
	out := filepath.Join(t.TempDir(), "out")
	if text, _ := must(t, 0, nil, "export", "--server", s.url, "all", "--with-series", out); strings.Count(text, ".arrow") != 8 {
		t.Errorf("exported: %s", text)
	}
	second, other := sharing(t, testdb.PrivateQuestDB(t))
	must(t, 0, nil, "import", "--server", other.url, out)
	paths := []string{"/api/datasets", "/api/runs", "/api/simulations", "/api/indicators/datasets", "/api/walkforward/runs", "/api/tradesim/runs"}
	for n := range 2 {
		for _, path := range []string{"", "/features", "/targets", "/indicators", "/ohlcv", "/ohlcv?interval=1d", "/runs"} {
			paths = append(paths, "/api/datasets/"+sharedID("5a", n)+path)
		}
		for _, path := range []string{"", "/predictions"} {
			paths = append(paths, "/api/runs/"+sharedID("5b", n)+path)
		}
		paths = append(paths, "/api/walkforward/runs/"+sharedID("5b", n)+"/folds")
		for _, path := range []string{"", "/trades", "/equity", "/equity?source=trace", "/equity?basis=mark", "/trace"} {
			paths = append(paths, "/api/simulations/"+sharedID("5c", n)+path)
		}
	}
	changing := regexp.MustCompile(`"(updated_at|version)":("[^"]*"|[0-9]+)`)
	for _, path := range paths {
		status, want := s.get(path)
		if status != http.StatusOK {
			t.Errorf("%s: %d %s", path, status, want)
		}
		_, got := other.get(path)
		if diff := cmp.Diff(changing.ReplaceAllString(want, ""), changing.ReplaceAllString(got, "")); diff != "" {
			t.Errorf("%s (-first +second):\n%.2000s", path, diff)
		}
	}
	if _, text := other.get("/api/datasets/" + sharedID("5a", 0)); !strings.Contains(text, `"created_at":"2020-01-01T03:04:05.678901Z"`) {
		t.Errorf("created_at is not kept: %s", text)
	}
	second.expect("the second installation", []string{}, second.found(0))
}

// doctor knows what does not belong into a shared table, and gives the disk of deleted rows back.
func TestDoctorSharedTables(t *testing.T) {
	t.Parallel()
	c, s := sharing(t, testdb.PrivateQuestDB(t))
	fillShared(t, s)
	clean := []string{}
	c.expect("a healthy store", clean, c.found(0))
	// What a version that did not tell the owners of columns apart has left.
	c.sql(`UPDATE indicator_datasets SET column_schema = column_schema || '[{"name": "own_1", "role": "feature", "type": "DOUBLE"}]' WHERE questdb_tag = 'shared_0'`)
	c.expect("a foreign column", []string{"foreign indicators indicator_bars"}, c.found(1))
	c.expect("a foreign column, fixed", []string{"foreign indicators indicator_bars fixed"}, c.found(0, "--fix"))
	for range 2 {
		c.expect("a foreign column, then", clean, c.found(0))
	}
	if _, text := s.get("/api/datasets/" + sharedID("5a", 0) + "/features"); strings.Contains(text, "own_1") || !strings.Contains(text, "own_0") {
		t.Errorf("features: %s", text)
	}

	// Rows by whose tags no record goes.
	c.ilp("walkforward_predictions", ",run_id=nobody,fold=0 prediction=0.5 1704067200000000000", 121)
	c.ilp("indicator_bars", ",dataset=nobody rsi_14=0.5 1704067200000000000", 121)
	strays := []string{"no record  indicator_bars", "no record  walkforward_predictions"}
	c.expect("strays", strays, c.found(1))
	if out, _ := must(t, 1, c.environ, "doctor"); !strings.Contains(out, "1 rows of nobody") || !strings.Contains(out, "can be dropped") {
		t.Errorf("strays: %s", out)
	}
	c.expect("strays stay", strays, c.found(1, "--fix"))
	c.expect("strays go", []string{strays[0] + " fixed", strays[1] + " fixed"}, c.found(0, "--fix", "--drop-tables"))
	for range 2 {
		c.expect("strays, then", clean, c.found(0))
	}

	// Rows of deleted records keep their disk until it is given back.
	remove := func(n int) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, s.url+"/api/datasets/"+sharedID("5a", n)+"?cascade=true", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatal(res, err)
		}
		_ = res.Body.Close()
		until(t, "the removal ends", func() bool { _, text := s.get("/api/health"); return strings.Contains(text, `"pending":0`) })
	}
	remove(0)
	unowned := func(args ...string) (list []string) {
		t.Helper()
		out, _ := must(t, 0, c.environ, append([]string{"doctor", "--json"}, args...)...)
		var answer struct {
			Unowned []struct {
				Table string
				Rows  int64
			}
		}
		if err := json.Unmarshal([]byte(out), &answer); err != nil {
			t.Fatal(err)
		}
		for _, u := range answer.Unowned {
			list = append(list, fmt.Sprintf("%d %s", u.Rows, u.Table))
		}
		return list
	}
	want := []string{"41 indicator_bars", "40 trading_sim_traces", "41 walkforward_predictions"}
	if got := unowned(); !slices.Equal(got, want) {
		t.Errorf("rows of nobody: %v, want %v", got, want)
	}
	if out, _ := must(t, 0, c.environ, "doctor"); !strings.Contains(out, "41 rows of deleted records are in table indicator_bars: foldbook doctor --purge gives their disk back") {
		t.Errorf("%s", out)
	}
	shared := []string{"indicator_bars", "walkforward_predictions", "trading_sim_traces"}
	before := map[string]string{}
	paths := []string{"/api/datasets/" + sharedID("5a", 1) + "/indicators", "/api/runs/" + sharedID("5b", 1) + "/predictions", "/api/simulations/" + sharedID("5c", 1) + "/trace"}
	for _, path := range paths {
		_, before[path] = s.get(path)
	}
	made := map[string]questdb.Table{}
	for _, name := range shared {
		found, err := c.client.Table(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		made[name] = *found
	}
	// One that cannot be put into the place of the old one leaves everything as it was.
	if _, err := c.client.Ensure(t.Context(), questdb.Spec{Name: "indicator_bars__old", PartitionBy: "YEAR"}); err != nil {
		t.Fatal(err)
	}
	must(t, 1, c.environ, "doctor", "--purge")
	c.expect("in the way", []string{"no record  indicator_bars__old"}, c.found(1, "--fix", "--drop-tables"))
	if err := c.client.Drop(t.Context(), "indicator_bars__old"); err != nil {
		t.Fatal(err)
	}
	if got := unowned(); !slices.Equal(got, want) {
		t.Errorf("rows of nobody: %v, want %v", got, want)
	}
	if got := unowned("--purge"); len(got) > 0 {
		t.Errorf("after the purge: %v", got)
	}
	c.expect("after the purge", clean, c.found(0))
	for i, name := range shared {
		c.client.Forget(name)
		found, err := c.client.Table(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(made[name], *found); diff != "" {
			t.Errorf("%s is another table (-want +got):\n%s", name, diff)
		}
		if n, err := c.client.Count(t.Context(), questdb.Selection{Table: found}); n != 80 || err != nil {
			t.Errorf("%s: %d rows, %v", name, n, err)
		}
		if _, text := s.get(paths[i]); text != before[paths[i]] {
			t.Errorf("%s after the purge:\n%.300s\nbefore:\n%.300s", paths[i], text, before[paths[i]])
		}
	}
	// The last record takes its tables with it.
	remove(1)
	if list, err := c.client.Measurements(t.Context(), ""); err != nil || len(list) > 0 {
		t.Errorf("tables that are left: %v, %v", list, err)
	}
	c.expect("an empty store", clean, c.found(0))
}
