package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"

	"foldbook/internal/testdb"
	"foldbook/questdb"
)

// seriesEnv is the settings for the QuestDB that the tests of the package share, and a client of it.
func seriesEnv(t *testing.T) ([]string, *questdb.Client) {
	t.Helper()
	server := testdb.QuestDB(t)
	client, err := questdb.New(questdb.Config{
		HTTPURL: server.HTTPURL(), PGURL: server.PGURL(), ConnectTimeout: 10 * time.Second, AnswerTimeout: 20 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return []string{"QDB_HTTP_URL=" + server.HTTPURL(), "QDB_PG_URL=" + server.PGURL()}, client
}

// table is every cell of a table, a line for each row, and its columns with their types in the first.
func table(t *testing.T, client *questdb.Client, name string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testdb.Patience)
	defer cancel()
	found, err := client.Table(ctx, name)
	if err != nil {
		return err.Error()
	}
	scan := questdb.Scan{Selection: questdb.Selection{Table: found}, Limit: -1}
	var b strings.Builder
	for _, c := range found.Columns {
		scan.Columns = append(scan.Columns, c.Name)
		fmt.Fprintf(&b, "%s %s %t, ", c.Name, c.Type, c.Key)
	}
	rows, err := client.Scan(ctx, scan)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		b.WriteByte('\n')
		for i, f := range rows.Fields {
			switch f.Kind {
			case questdb.Float:
				v, ok := rows.Float(i)
				fmt.Fprint(&b, v, ok, " ")
			case questdb.Text:
				v, ok := rows.Text(i)
				fmt.Fprintf(&b, "%q %t ", v, ok)
			default:
				v, ok := rows.Int(i)
				fmt.Fprint(&b, v, ok, " ")
			}
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// The files of a dataset, its bars, indicators, predictions and trace, in tables of their own.
func seriesFiles(name string) (documents, series map[string]string) {
	own := func(text string) string {
		return strings.NewReplacer(`"btc25_1"`, `"`+name+`"`, "btc25_1_wf1767358800", name+"_wf1", `"source":"laptop"`,
			`"source":"laptop","ohlcv_measurement":"`+name+`_ohlcv","indicator_measurement":"`+name+`_ind"`, `"mode":"dual"`, `"mode":"dual","questdb_namespace":"`+name+`_sim1"`).Replace(text)
	}
	documents = map[string]string{"c_dataset.json": own(datasetFile()), "b/run.json": own(runFile()), "a_simulation.json": own(simulationFile(50))}
	var bars, indicators, predictions, trace strings.Builder
	bars.WriteString("timestamp_unix,open,high,low,close,volume\n")
	predictions.WriteString("timestamp_ms,bar_index,fold_number,prediction,target,score\n")
	trace.WriteString("timestamp,trade_index,side_label,mode,is_long,pnl,fold_index\n")
	for i := range 25_000 {
		at := 1104537600 + int64(i)*14400
		fmt.Fprintf(&bars, "%d,%d.5,%d,%v,%d,\n", at, i, i+1, float64(i)/3, i)
		fmt.Fprintf(&indicators, `{"timestamp":"%s","rsi_14":%v,"TGT_315":%v}`+"\n", time.Unix(at, 0).UTC().Format(time.RFC3339), float64(i)/7, -float64(i)/9)
		if i < 500 {
			fmt.Fprintf(&predictions, "%d000,%d,%d,%v,,%d\n", at, i, i%3, float64(i)/11, i)
			fmt.Fprintf(&trace, "%d000000,%d,%s,%s,%d,%v,\n", at, i, []string{"LONG", `"short ""é"""`}[i%2], "dual", i%2, float64(i)/13)
		}
	}
	return documents, map[string]string{"bars.csv": bars.String(), "indicators.ndjson": indicators.String(), "predictions.csv": predictions.String(), "trace.csv": trace.String()}
}

// What is imported, exported with its series and imported elsewhere is the same there, in both stores and however often.
func TestTransferSeries(t *testing.T) {
	t.Parallel()
	environ, client := seriesEnv(t)
	first := testdb.NewURL(t)
	s := start(t, freePort(t), append(environ, "POSTGRES_URL="+first)...)
	s.waitFor(t, "/readyz", http.StatusOK)
	const name = "transfer25_1"
	dir := t.TempDir()
	documents, series := seriesFiles(name)
	write(t, filepath.Join(dir, "in"), documents)
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = z.Write([]byte(series["indicators.ndjson"]))
	_ = z.Close()
	series["indicators.ndjson"] = zipped.String()
	write(t, dir, series)
	must(t, 0, nil, "import", "--server", s.url, filepath.Join(dir, "in"))
	for range 2 {
		for _, c := range []struct{ want, file, flag, of string }{
			{"stored   %s: bars of dataset " + datasetID + ", 25000 rows sent, 25000 are in " + name + "_ohlcv", "bars.csv", "--dataset", name},
			{"stored   %s: indicators of dataset " + datasetID + ", 25000 rows sent, 25000 are in " + name + "_ind", "indicators.ndjson", "--dataset", datasetID},
			{"stored   %s: predictions of run " + runID + ", 500 rows sent, 500 are in " + name + "_wf1", "predictions.csv", "--run", runID},
			{"stored   %s: trace of simulation " + simulationID + ", 500 rows sent, 500 are in " + name + "_sim1", "trace.csv", "--simulation", simulationID},
		} {
			path := filepath.Join(dir, c.file)
			if out, _ := must(t, 0, nil, "import", "--server", s.url, c.flag, c.of, path); !strings.Contains(out, fmt.Sprintf(c.want, path)) {
				t.Errorf("got  %swant %s", out, fmt.Sprintf(c.want, path))
			}
		}
	}
	tables := []string{name + "_ohlcv", name + "_ind", name + "_wf1", name + "_sim1"}
	snapshot := func() (all string) {
		for _, name := range tables {
			all += name + ": " + table(t, client, name) + "\n"
		}
		return all
	}
	before := snapshot()
	if n := strings.Count(before, "\n"); n != 25_000*2+500*2+4 {
		t.Errorf("%d rows are stored", n-4)
	}
	out := filepath.Join(dir, "out")
	for range 2 {
		if text, _ := must(t, 0, nil, "export", "--server", s.url, "all", "--with-series", out); strings.Count(text, ".arrow") != 4 {
			t.Errorf("exported: %s", text)
		}
	}
	must(t, 0, nil, "export", "--server", s.url, "run", runID, "-o", filepath.Join(dir, "run.json.gz"), "--with-series")
	if _, err := os.Stat(filepath.Join(dir, "run.predictions.arrow")); err != nil {
		t.Error(err)
	}

	for _, name := range tables {
		if err := client.Drop(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	second := testdb.NewURL(t)
	other := start(t, freePort(t), append(environ, "POSTGRES_URL="+second)...)
	other.waitFor(t, "/readyz", http.StatusOK)
	must(t, 0, nil, "import", "--server", other.url, "--dry-run", out)
	if got := snapshot(); strings.Contains(got, "true") {
		t.Errorf("a dry run stores rows: %.300s", got)
	}
	must(t, 0, nil, "import", "--server", other.url, out)
	must(t, 0, nil, "import", "--server", other.url, "--again", out)
	if diff := cmp.Diff(before, snapshot()); diff != "" {
		t.Errorf("QuestDB (-first +second):\n%.2000s", diff)
	}
	if diff := cmp.Diff(stored(t, first), stored(t, second)); diff != "" {
		t.Errorf("PostgreSQL (-first +second):\n%.3000s", diff)
	}
}

func TestTransferSeriesRefusals(t *testing.T) {
	t.Parallel()
	environ, client := seriesEnv(t)
	s := start(t, freePort(t), append(environ, "POSTGRES_URL="+testdb.NewURL(t))...)
	s.waitFor(t, "/readyz", http.StatusOK)
	dir := t.TempDir()
	documents, _ := seriesFiles("refused25_1")
	var late strings.Builder
	late.WriteString("timestamp,close\n")
	for i := range 12_345 {
		fmt.Fprintf(&late, "%d,1\n", 1704067200+i*60)
	}
	write(t, dir, map[string]string{
		"d.json": documents["c_dataset.json"], "late.csv": late.String() + "1704067200,x\n", "none.csv": "timestamp,a\n", "notime.csv": "a\n1\n", "units.csv": late.String() + "1735689600000000,1\n",
		"cut.arrow": "\xff\xff\xff\xff", "text.csv": "timestamp,close\n1704067200,x\n",
	})
	must(t, 0, nil, "import", "--server", s.url, filepath.Join(dir, "d.json"))
	for _, c := range []struct {
		code int
		want string
		args []string
	}{
		{1, `dataset nowhere does not exist`, []string{"--dataset", "nowhere", "late.csv"}},
		{1, `rows[12345].close: must be a number, and is "x"`, []string{"--dataset", datasetID, "late.csv"}},
		{1, "has no rows", []string{"--dataset", datasetID, "none.csv"}},
		{1, `has no column of times: it has the columns "a"; name it with --time`, []string{"--dataset", datasetID, "notime.csv"}},
		{1, "rows[12345].timestamp: 1735689600000000 is in microseconds (2025-01-01T00:00:00Z), but the times before it are in seconds: a file has one unit", []string{"--dataset", datasetID, "units.csv"}},
		{1, `in the batch that begins with rows[0]: the server refuses it (400 invalid_body): rows[0].close: must be a number, and is "x"; none of its 1 rows is stored`, []string{"--dataset", datasetID, "--as", "ohlcv", "text.csv"}},
		{1, "run 00000000-0000-4000-8000-000000000000 does not exist", []string{"--run", "00000000-0000-4000-8000-000000000000", "text.csv"}},
		{1, "is not an Arrow IPC stream, or is damaged", []string{"cut.arrow"}},
		{2, "--as goes with --dataset", []string{"--as", "ohlcv", "late.csv"}},
		{2, "is not a UUID", []string{"--run", "x", "late.csv"}},
	} {
		args := append([]string{"import", "--server", s.url}, c.args...)
		args[len(args)-1] = filepath.Join(dir, args[len(args)-1])
		if code, _, stderr := command(t, nil, args...); code != c.code || !strings.Contains(stderr, c.want) {
			t.Errorf("%v: code %d, %s, want %d and %s", c.args, code, stderr, c.code, c.want)
		}
	}
	// Nothing of a file with a bad row is stored: it is checked first.
	if n := strings.Count(table(t, client, "refused25_1_ind"), "\n"); n != 0 {
		t.Errorf("%d rows of refused files", n)
	}
	write(t, dir, map[string]string{"late.csv": late.String()})
	must(t, 0, nil, "import", "--server", s.url, "--dataset", datasetID, "--as", "indicators", filepath.Join(dir, "late.csv"))
	if n := strings.Count(table(t, client, "refused25_1_ind"), "\n"); n != 12_345 {
		t.Errorf("%d rows", n)
	}
	if code, _, stderr := command(t, nil, "export", "run", runID, "--with-series"); code != 2 || !strings.Contains(stderr, "-o") {
		t.Errorf("code %d, %s", code, stderr)
	}
}
