package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"foldbook/internal/testdb"
)

// startKillable starts foldbook serve as startProcess does, and returns what ends it as kill -9 does.
func startKillable(t *testing.T, environ ...string) (s *service, kill func()) {
	t.Helper()
	port := freePort(t)
	s = &service{url: fmt.Sprintf("http://127.0.0.1:%d", port), log: &safeBuffer{}}
	cmd := exec.Command(os.Args[0], "-test.run=^TestProcess$")
	cmd.Dir = t.TempDir() // no .env
	cmd.Env = slices.Concat([]string{asProcess + "=1", fmt.Sprintf("PORT=%d", port), "QDB_HTTP_URL=off"}, environ)
	cmd.Stdout, cmd.Stderr = s.log, s.log
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill = sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	t.Cleanup(kill)
	return s, kill
}

// A service that is killed while it stores leaves each run whole, as it was before or as it was sent, and never a part;
// the next one is ready and stores the repeat.
func TestServerKilledWhileStoring(t *testing.T) {
	t.Parallel()
	environ := "POSTGRES_URL=" + testdb.NewURL(t)
	const dataset = "0a000000-0000-4000-8000-000000000001"
	id := func(i int) string { return fmt.Sprintf("0b000000-0000-4000-8000-%012d", i) }
	body := func(run, folds int) string {
		list := make([]string, folds)
		for n := range list {
			list[n] = fmt.Sprintf(`{"fold_number": %d, "train_start_idx": 0, "train_end_idx": 650, "test_start_idx": 654, "test_end_idx": 678, "samples_train": 650, "samples_test": 24, "metrics": {"n_signals": %d}}`, n, n)
		}
		return fmt.Sprintf(`{"run": {"run_id": %q, "dataset_id": %q, "prediction_measurement": "m", "summary_metrics": {"folds": %d}}, "folds": [%s]}`, id(run), dataset, folds, strings.Join(list, ","))
	}
	const runs = 6
	acknowledged := make([]int, runs) // folds of the last upload of each run that was answered
	for round := range 4 {
		s, kill := startKillable(t, environ)
		s.waitFor(t, "/readyz", http.StatusOK)
		post := func(path, body string) int {
			resp, err := http.Post(s.url+path, "application/json", strings.NewReader(body))
			if err != nil {
				return 0
			}
			defer func() { _ = resp.Body.Close() }()
			if _, err := io.Copy(io.Discard, resp.Body); err != nil {
				return 0
			}
			return resp.StatusCode
		}
		if status := post("/api/datasets", fmt.Sprintf(`{"dataset_id": %q, "dataset_slug": "btc"}`, dataset)); status/100 != 2 {
			t.Fatalf("round %d: the dataset is answered with %d", round, status)
		}
		// What stands is whole: as large as its own summary says, and what was answered is not lost.
		for run := range runs {
			status, text := s.get("/api/runs/" + id(run))
			var got struct {
				Total   int                 `json:"total_folds"`
				Folds   []json.RawMessage   `json:"folds"`
				Summary struct{ Folds int } `json:"summary_metrics"`
			}
			if status == http.StatusNotFound && acknowledged[run] == 0 {
				continue
			}
			if err := json.Unmarshal([]byte(text), &got); err != nil || status != http.StatusOK || got.Total != got.Summary.Folds || len(got.Folds) != got.Total {
				t.Errorf("round %d: run %d: %d %v, %d folds of %d, its summary says %d", round, run, status, err, len(got.Folds), got.Total, got.Summary.Folds)
			}
			if got.Total < acknowledged[run] {
				t.Errorf("round %d: run %d has %d folds, and %d were answered as stored", round, run, got.Total, acknowledged[run])
			}
		}
		var clients sync.WaitGroup
		busy := make(chan struct{}, 64)
		for run := range runs {
			clients.Go(func() {
				for folds := acknowledged[run] + 1; ; folds += 40 { // each upload is larger than the one before
					if status := post("/api/runs", body(run, folds)); status/100 != 2 {
						return // killed
					}
					acknowledged[run] = folds
					select {
					case busy <- struct{}{}:
					default:
					}
				}
			})
		}
		for range 10 + 7*round {
			<-busy
		}
		kill()
		clients.Wait()
	}
	s, _ := startKillable(t, environ)
	s.waitFor(t, "/readyz", http.StatusOK)
	if status, text := s.get("/api/runs?count=exact&limit=1000"); status != http.StatusOK || !strings.Contains(text, fmt.Sprintf(`"total":%d,`, runs)) {
		t.Errorf("at the end: %d %.300s", status, text)
	}
}
