package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/klauspost/compress/zstd"
)

func TestWhatIsExportedIsImportedTheSame(t *testing.T) {
	t.Parallel()
	from, fromDB := serving(t)
	to, toDB := serving(t)
	dir, backup := t.TempDir(), filepath.Join(t.TempDir(), "backup")
	write(t, dir, all())

	out, _ := must(t, exitOK, nil, "import", dir, "--server", from.url)
	for _, want := range []string{
		"c_dataset.json: dataset " + datasetID + "\n", "run.json: run " + runID + ", 312 folds\n",
		"a_simulation.json: simulation " + simulationID + ", 2 buckets, 2000 trades\n", "3 stored\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("there is no %q in\n%s", want, out)
		}
	}
	before := stored(t, fromDB)
	for _, want := range []string{"walkforward_folds: 312 rows", "simulation_trades: 2000 rows", "123456789012345678901234567890", "9007199254740993", "18446744073709551615"} {
		if !strings.Contains(before, want) {
			t.Fatalf("%q is not stored", want)
		}
	}

	must(t, exitOK, nil, "export", "all", backup, "--server", from.url)
	must(t, exitOK, nil, "import", backup, "--server", to.url)
	if diff := cmp.Diff(before, stored(t, toDB)); diff != "" {
		t.Errorf("after export and import (-from +to):\n%.3000s", diff)
	}
	// Importing it where it came from changes nothing either.
	must(t, exitOK, nil, "import", backup, "--server", from.url)
	if diff := cmp.Diff(before, stored(t, fromDB)); diff != "" {
		t.Errorf("after import of the same (-before +after):\n%.3000s", diff)
	}
}

func TestExportWritesOneDocument(t *testing.T) {
	t.Parallel()
	s, _ := serving(t)
	dir := t.TempDir()
	write(t, dir, all())
	environ := []string{"FOLDBOOK_SERVER=" + s.url}
	must(t, exitOK, environ, "import", dir)

	for kind, id := range map[string]string{"dataset": datasetID, "run": runID, "simulation": simulationID} {
		out, stderr := must(t, exitOK, environ, "export", kind, id)
		if strings.Count(out, "\n") != 1 || stderr != "" {
			t.Errorf("%s: want one line\n%.300s\n%s", kind, out, stderr)
		}
		var fields map[string]json.RawMessage
		if err := json.Unmarshal([]byte(out), &fields); err != nil {
			t.Fatalf("%s: %v\n%.300s", kind, err, out)
		}
		for _, name := range []string{"updated_at", "version", "fold_count", "trade_count", "total_folds"} {
			if _, ok := fields[name]; ok {
				t.Errorf("%s: %s is the server's and is exported", kind, name)
			}
		}
		for _, ext := range []string{"", ".gz", ".zst"} {
			file := filepath.Join(dir, kind+".json"+ext)
			must(t, exitOK, environ, "export", kind, id, "-o", file)
			if got := uncompressed(t, file); got != out {
				t.Errorf("%s: the file differs from standard output\n%.300s", file, got)
			}
			if _, stderr := must(t, exitOK, environ, "import", file); stderr != "" {
				t.Errorf("import of %s: %s", file, stderr)
			}
		}
	}

	byID, _ := must(t, exitOK, environ, "export", "dataset", datasetID)
	if bySlug, _ := must(t, exitOK, environ, "export", "dataset", "btc25_1"); bySlug != byID {
		t.Errorf("by its slug: %s", bySlug)
	}
	write(t, dir, map[string]string{"less.json": strings.Replace(simulationFile(2000), `"trades":[`, `"trades":[],"extra":[`, 1)})
	if _, stderr := must(t, exitFailed, environ, "import", filepath.Join(dir, "less.json")); !strings.Contains(stderr, "2000 of its trades") {
		t.Errorf("import over a final simulation: %s", stderr)
	}
	must(t, exitOK, environ, "import", "--replace", "--dry-run", filepath.Join(dir, "less.json"))

	const unknown = "00000000-0000-4000-8000-000000000000"
	file := filepath.Join(dir, "run.json")
	before := uncompressed(t, file)
	if _, stderr := must(t, exitFailed, environ, "export", "run", unknown, "-o", file); !strings.Contains(stderr, "404 not_found") || !strings.Contains(stderr, unknown) {
		t.Errorf("an unknown run: %s", stderr)
	}
	if uncompressed(t, file) != before {
		t.Error("an export that failed has changed the file")
	}
	if left, err := filepath.Glob(filepath.Join(dir, ".*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}

func uncompressed(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	switch filepath.Ext(file) {
	case ".gz":
		z, err := gzip.NewReader(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		_, err = b.ReadFrom(z)
		if err != nil {
			t.Fatal(err)
		}
		return b.String()
	case ".zst":
		z, err := zstd.NewReader(nil)
		if err != nil {
			t.Fatal(err)
		}
		defer z.Close()
		if text, err = z.DecodeAll(text, nil); err != nil {
			t.Fatal(err)
		}
	}
	return string(text)
}

// A simulation that is written while its pages are read is exported as it was before or after, never as a mixture.
func TestExportIsOfOneState(t *testing.T) {
	t.Parallel()
	s, url := serving(t)
	dir := t.TempDir()
	write(t, dir, map[string]string{"d.json": datasetFile(), "r.json": runFile(), "s.json": simulationFile(7000)})
	must(t, exitOK, nil, "import", dir, "--server", s.url)
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()

	// Between the server and the export: the second page of trades is preceded by a change of all of them, twice.
	var pages atomic.Int32
	between := stub(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("cursor") && pages.Add(1) <= 2 {
			if _, err := conn.Exec(r.Context(), "WITH c AS (UPDATE simulation_trades SET size = size + 1) UPDATE simulation_runs SET version = version + 1"); err != nil {
				t.Error(err)
			}
		}
		req, err := http.NewRequestWithContext(r.Context(), r.Method, s.url+r.URL.RequestURI(), nil)
		if err != nil {
			t.Error(err)
			return
		}
		req.Header = r.Header.Clone()
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Error(err)
			return
		}
		defer resp.Body.Close()
		w.Header().Set("ETag", resp.Header.Get("ETag"))
		w.WriteHeader(resp.StatusCode)
		var b bytes.Buffer
		_, _ = b.ReadFrom(resp.Body)
		_, _ = w.Write(b.Bytes())
	})
	out, _ := must(t, exitOK, nil, "export", "simulation", simulationID, "--server", between.URL)
	if n := strings.Count(out, `"size":3.5`); n != 7000 || strings.Count(out, `"trade_id"`) != 7000 {
		t.Errorf("%d of 7000 trades are in the last state, and %d trades are there", n, strings.Count(out, `"trade_id"`))
	}
}
