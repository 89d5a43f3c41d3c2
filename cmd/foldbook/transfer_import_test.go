package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/klauspost/compress/zstd"

	"foldbook/internal/testdb"
)

func TestImportReadsStandardInputAndCompressedFiles(t *testing.T) {
	t.Parallel()
	s, url := serving(t)
	dir := t.TempDir()
	var gz bytes.Buffer
	z := gzip.NewWriter(&gz)
	_, _ = z.Write([]byte(runFile()))
	_ = z.Close()
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, map[string]string{"run.json.gz": gz.String(), "simulation.json.zst": string(enc.EncodeAll([]byte(simulationFile(10)), nil)), ".hidden.json": "no", "notes.txt": "no"})

	var out, stderr bytes.Buffer
	a := &app{ctx: t.Context(), in: strings.NewReader(datasetFile()), out: &out, err: &stderr, env: map[string]string{"FOLDBOOK_SERVER": s.url}}
	if err := (importCmd{Paths: []string{"-"}}).Run(a); err != nil {
		t.Fatalf("standard input: %v\n%s", err, stderr.String())
	}
	if want := "created  standard input: dataset " + datasetID + "\n1 stored\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
	must(t, exitOK, nil, "import", dir, "--server", s.url)
	if got := stored(t, url); !strings.Contains(got, "walkforward_folds: 312 rows") || !strings.Contains(got, "simulation_trades: 10 rows") {
		t.Errorf("stored is\n%.1000s", got)
	}
	a.in = strings.NewReader(strings.Replace(datasetFile(), "9007199254740993", `"many"`, 1))
	if err := (importCmd{Paths: []string{"-"}}).Run(a); err == nil || !strings.HasPrefix(err.Error(), "standard input: ") || !strings.Contains(err.Error(), "indicator_row_count") {
		t.Errorf("a fault in standard input: %v", err)
	}
}

func TestDryRunStoresNothing(t *testing.T) {
	t.Parallel()
	s, url := serving(t)
	dir := t.TempDir()
	write(t, dir, all())
	out, _ := must(t, exitOK, nil, "import", "--dry-run", dir, "--server", s.url)
	if !strings.Contains(out, "3 would be stored (dry run: nothing was)") {
		t.Errorf("got\n%s", out)
	}
	if got := stored(t, url); !strings.HasPrefix(got, "indicator_datasets: 0 rows") {
		t.Errorf("stored is\n%.1000s", got)
	}
	// Nor did it note anything as stored; and it finds what would be refused.
	write(t, dir, map[string]string{"d_run.json": strings.ReplaceAll(runFile(), datasetID, "00000000-0000-4000-8000-000000000000")})
	_, stderr := must(t, exitFailed, nil, "import", "--dry-run", dir, "--server", s.url)
	if !strings.Contains(stderr, "d_run.json: the server refuses it (409 unknown_dataset): ") {
		t.Errorf("got\n%s", stderr)
	}
	must(t, exitFailed, nil, "import", dir, "--server", s.url)
	if got := stored(t, url); !strings.HasPrefix(got, "indicator_datasets: 1 rows") {
		t.Errorf("stored is\n%.1000s", got)
	}
}

func TestImportNamesTheFault(t *testing.T) {
	t.Parallel()
	s, url := serving(t)
	dir := t.TempDir()
	write(t, dir, all())
	write(t, dir, map[string]string{
		"b/a_bad.json":     strings.Replace(runFile(), `"test_end_idx":1086`, `"test_end_idx":"x"`, 1),
		"b/b_cut.json":     runFile()[:20000],
		"b/c_other.json":   `{"name":"no foldbook document"}`,
		"b/d_unknown.json": strings.Replace(strings.ReplaceAll(runFile(), runID, "2f6bd1c2-8c7e-4f0e-9a53-000000000000"), `"run":{`, `"colour":"red","run":{`, 1),
	})
	_, stderr := must(t, exitFailed, nil, "import", dir, "--server", s.url)
	if !strings.Contains(stderr, "c_other.json: is not a dataset, run or simulation") {
		t.Errorf("got\n%s", stderr)
	}
	if got := stored(t, url); !strings.HasPrefix(got, "indicator_datasets: 0 rows") {
		t.Errorf("a file that cannot be recognised is found too late: stored is\n%.300s", got)
	}
	_, stderr = must(t, exitFailed, nil, "import", filepath.Join(dir, "c_dataset.json"), filepath.Join(dir, "b", "a_bad.json"), "--server", s.url)
	if !strings.Contains(stderr, "a_bad.json: the server refuses it (400 invalid_body): folds[17].test_end_idx: ") {
		t.Errorf("got\n%s", stderr)
	}
	out, stderr := must(t, exitFailed, nil, "import", "--keep-going", dir, "--server", s.url)
	for _, want := range []string{
		"a_bad.json: the server refuses it (400 invalid_body): folds[17].test_end_idx: ", "b_cut.json: the server refuses it (400 invalid_json): folds[",
		"c_other.json: is not a dataset", "d_unknown.json: warning: ", "colour", "3 of 7 files failed",
	} {
		if !strings.Contains(stderr, want) {
			t.Errorf("there is no %q in\n%s", want, stderr)
		}
	}
	if !strings.Contains(out, "4 stored, 3 failed") {
		t.Errorf("got\n%s", out)
	}
}

func TestImportGoesOnAfterAnInterruption(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "files")
	for i := range 10 {
		id := fmt.Sprintf("%08d-52a7-4c1c-9d58-3f1f0e6f9a01", i)
		write(t, dir, map[string]string{id + ".json": strings.ReplaceAll(strings.ReplaceAll(datasetFile(), datasetID, id), "btc25_1", "slug"+id)})
	}
	// A server that is interrupted with the fifth file, together with the command.
	ctx, interrupt := context.WithCancel(t.Context())
	var mu sync.Mutex
	posts := map[string]int{}
	server := stub(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		var body struct {
			ID string `json:"dataset_id"`
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		if len(posts) == 4 && ctx.Err() == nil {
			interrupt()
			<-r.Context().Done()
			return
		}
		posts[body.ID]++
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, `{"success":true,"dataset_id":%q,"created":true,"warnings":[]}`, body.ID)
	})
	var out, stderr bytes.Buffer
	if code := run(ctx, []string{"import", dir, "--server", server.URL}, &out, &stderr, nil); code != exitFailed || !strings.Contains(stderr.String(), "interrupted at ") || !strings.Contains(stderr.String(), "4 of 10") {
		t.Fatalf("exit code %d\n%s%s", code, out.String(), stderr.String())
	}
	// What a kill -9 in the middle of a line leaves in the journal harms nothing.
	journal, err := os.OpenFile(dir+".imported", os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = journal.WriteString(`{"server":"htt`)
	_ = journal.Close()
	said, _ := must(t, exitOK, nil, "import", dir, "--server", server.URL)
	if !strings.Contains(said, "6 stored, 4 skipped") {
		t.Errorf("the second time:\n%s", said)
	}
	for id, n := range posts {
		if n != 1 {
			t.Errorf("%s was posted %d times", id, n)
		}
	}

	if said, _ = must(t, exitOK, nil, "import", dir, "--server", server.URL); !strings.Contains(said, "0 stored, 10 skipped") {
		t.Errorf("the third time:\n%s", said)
	}
	write(t, dir, map[string]string{"00000003-52a7-4c1c-9d58-3f1f0e6f9a01.json": datasetFile()})
	if said, _ = must(t, exitOK, nil, "import", dir, "--server", server.URL); !strings.Contains(said, "1 stored, 9 skipped") {
		t.Errorf("after a change of one file:\n%s", said)
	}
	if said, _ = must(t, exitOK, nil, "import", "--again", dir, "--server", server.URL); !strings.Contains(said, "10 stored\n") {
		t.Errorf("--again:\n%s", said)
	}
	own := filepath.Join(t.TempDir(), "journal")
	for _, want := range []string{"1 stored\n", "0 stored, 1 skipped\n"} {
		said, _ = must(t, exitOK, nil, "import", "--journal", own, filepath.Join(dir, "00000001-52a7-4c1c-9d58-3f1f0e6f9a01.json"), "--server", server.URL)
		if !strings.HasSuffix(said, want) {
			t.Errorf("--journal: want %q\n%s", want, said)
		}
	}
}

func TestImportWaitsForAServerThatIsAway(t *testing.T) {
	t.Parallel()
	dir, url, port := t.TempDir(), testdb.NewURL(t), freePort(t)
	write(t, dir, all())
	server := fmt.Sprintf("http://127.0.0.1:%d", port)
	_, stderr := must(t, exitDatabase, nil, "import", dir, "--server", server, "--wait", "300ms")
	if !strings.Contains(stderr, server+" is away, trying again: ") || !strings.Contains(stderr, "connection refused") {
		t.Errorf("got\n%s", stderr)
	}

	must(t, exitDatabase, nil, "export", "run", runID, "--server", server, "--wait", "300ms")

	out, log := &safeBuffer{}, &safeBuffer{}
	code := make(chan int, 1)
	go func() { code <- run(t.Context(), []string{"import", dir, "--server", server}, out, log, nil) }()
	s := &service{log: log}
	s.waitForLog(t, "is away, trying again")
	start(t, port, "POSTGRES_URL="+url, "QDB_HTTP_URL=off")
	if got := <-code; got != exitOK || !strings.Contains(out.String(), "3 stored") {
		t.Fatalf("exit code %d\n%s%s", got, out, log)
	}
	if got := stored(t, url); !strings.Contains(got, "simulation_trades: 2000 rows") {
		t.Errorf("stored is\n%.1000s", got)
	}
}

func TestImportHonoursRetryAfter(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "d.json")
	write(t, filepath.Dir(file), map[string]string{"d.json": datasetFile()})
	var calls atomic.Int32
	server := stub(t, func(w http.ResponseWriter, _ *http.Request) {
		if calls.Add(1) == 1 {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprint(w, `{"message":"the database cannot be reached","code":"database_unavailable"}`)
			return
		}
		fmt.Fprint(w, `{"success":true,"created":false,"warnings":[],"matched_by":"slug","dataset_id":"`+runID+`"}`)
	})
	out, stderr := must(t, exitOK, nil, "import", file, "--server", server.URL)
	if !strings.Contains(out, "updated") || !strings.Contains(stderr, "(503 database_unavailable): the database cannot be reached") || !strings.Contains(stderr, "warning: the server has this dataset as "+runID) {
		t.Errorf("got\n%s%s", out, stderr)
	}
	// One second of pause does not fit into half a second of patience.
	calls.Store(0)
	if _, stderr := must(t, exitDatabase, nil, "import", file, "--server", server.URL, "--wait", "500ms"); !strings.Contains(stderr, "is away") || calls.Load() != 1 {
		t.Errorf("%d calls\n%s", calls.Load(), stderr)
	}
}

// A wrong address is told at once, and nothing is taken for stored.
func TestTransferTellsAnotherServer(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "files")
	write(t, dir, map[string]string{"d.json": datasetFile()})
	for name, other := range map[string]http.HandlerFunc{
		"a page":     func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") },
		"other JSON": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "[]") },
		"a redirect": func(w http.ResponseWriter, _ *http.Request) {
			http.Redirect(w, httptest.NewRequest("GET", "/", nil), "/login", http.StatusFound)
		},
		"no such path": http.NotFound,
	} {
		server := stub(t, other)
		for _, args := range [][]string{{"import", dir}, {"export", "run", runID}} {
			if _, stderr := must(t, exitFailed, nil, append(args, "--server", server.URL)...); !strings.Contains(stderr, "foldbook server") {
				t.Errorf("%s, %s: got\n%s", name, args[0], stderr)
			}
		}
	}
	if _, err := os.Stat(dir + ".imported"); err == nil {
		t.Error("there is a journal, and nothing was stored")
	}
}

func TestTransferHelpAndUsage(t *testing.T) {
	t.Parallel()
	for _, args := range []string{"import", "export", "export dataset", "export run", "export simulation", "export all"} {
		code, out, stderr := command(t, nil, append(strings.Fields(args), "-h")...)
		if code != exitOK || !strings.Contains(out, "Example") || !strings.Contains(out, "    foldbook ") || stderr != "" {
			t.Errorf("foldbook %s -h: exit code %d, want 0 and examples\n%s%s", args, code, out, stderr)
		}
	}
	for args, want := range map[string]string{
		"import":       "expected \"<path> ...\"",
		"export run 7": `"7" is not a UUID`,
		"import x.json --server ftp://u:geheim@host": "is not the address of a server",
		"import x.json --wait=-1s":                   "--wait is below 0",
	} {
		code, out, stderr := command(t, nil, strings.Fields(args)...)
		if code != exitUsage || !strings.Contains(stderr, want) || strings.Contains(stderr, "geheim") {
			t.Errorf("foldbook %s: exit code %d, want 2 and %q\n%s%s", args, code, want, out, stderr)
		}
	}
	if _, stderr := must(t, exitFailed, nil, "import", filepath.Join(t.TempDir(), "none.json")); !strings.Contains(stderr, "no such file") {
		t.Errorf("a missing file: %s", stderr)
	}
	if _, stderr := must(t, exitFailed, nil, "import", t.TempDir()); !strings.Contains(stderr, "no files named *.json") {
		t.Errorf("an empty directory: %s", stderr)
	}
}
