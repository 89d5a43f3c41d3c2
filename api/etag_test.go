package api_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"foldbook/internal/testdb"
)

var counters = regexp.MustCompile(`"counter": ?(\d+)`)

// countedRun is a run whose summary and folds all carry n, and that has 1 + n%7 folds.
func countedRun(n int) string {
	counter := fmt.Sprintf(`{"counter": %d, `, n)
	return strings.NewReplacer(`"summary_metrics": {`, `"summary_metrics": `+counter, `"metrics": {`, `"metrics": `+counter).Replace(runBody(1 + n%7))
}

// countedSimulation is a simulation whose summary and trades all carry n, and that has 1 + n%7 trades.
func countedSimulation(n int) string {
	body := strings.Replace(simulationBody(1+n%7), `"summary_metrics": {`, fmt.Sprintf(`"summary_metrics": {"counter": %d, `, n), 1)
	return strings.ReplaceAll(body, `"fold_index": 3`, fmt.Sprintf(`"counter": %d`, n))
}

// Readers that ask whether what they have is still so, while it is written, are never told so of what had changed before
// they asked, never see two states in one answer, and never two states under one ETag.
func TestETagsUnderWrites(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.storeAll(1, 1)
	for _, tc := range []struct {
		name, path string
		body       func(int) string
		// By path: how many counters an answer for n has. Where it is of one statement or snapshot, an ETag stands for one body.
		reads map[string]func(n int) int
	}{
		{"run", "/api/runs?replace=true", countedRun, map[string]func(int) int{
			"/api/runs/" + newRun: func(n int) int { return 2 + n%7 }, "/api/walkforward/runs/" + newRun: func(n int) int { return 2 + n%7 },
			"/api/walkforward/runs/" + newRun + "/folds": func(n int) int { return 1 + n%7 }, "/api/datasets/" + newDataset + "/runs": func(int) int { return 1 },
		}},
		{"simulation", "/api/simulations?replace=true", countedSimulation, map[string]func(int) int{
			"/api/simulations/" + newSim: func(int) int { return 1 }, "/api/tradesim/runs/" + newSim: func(int) int { return 1 },
			"/api/simulations/" + newSim + "/trades": func(n int) int { return 1 + n%7 }, "/api/tradesim/runs/" + newSim + "/trades": func(n int) int { return 1 + n%7 },
		}},
		{"dataset", "/api/datasets", func(n int) string {
			return strings.Replace(datasetBody(newDataset, "btc25_1"), `"metadata": {`, fmt.Sprintf(`"metadata": {"counter": %d, `, n), 1)
		}, map[string]func(int) int{"/api/datasets/" + newDataset: func(int) int { return 1 }, "/api/datasets/" + newDataset + "/manifest": func(int) int { return 1 }}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var stored atomic.Int64 // the counter of the last write that was answered
			h.store(tc.path, tc.body(0), 200)
			done := make(chan struct{})
			var bodies sync.Map
			var readers sync.WaitGroup
			var unchanged, changed atomic.Int64
			for path, size := range tc.reads {
				for _, encoding := range []string{"", "gzip", "zstd"} {
					readers.Go(func() {
						tag, have, last := "", int64(-1), 0
						for {
							before := stored.Load()
							header := []string{"Accept-Encoding", encoding}
							if tag != "" {
								header = append(header, "If-None-Match", tag)
							}
							res := h.plain(http.MethodGet, path, header...)
							switch res.StatusCode {
							case http.StatusNotModified:
								unchanged.Add(1)
								if have < before {
									t.Errorf("%s: 304 for %d, and %d had been stored", path, have, before)
									return
								}
							case http.StatusOK:
								changed.Add(1)
								text := unpacked(t, res)
								found := counters.FindAllStringSubmatch(text, -1)
								if len(found) == 0 {
									t.Errorf("%s: no counter in %s", path, text)
									return
								}
								n, _ := strconv.Atoi(found[0][1])
								for _, f := range found {
									if f[1] != found[0][1] {
										t.Errorf("%s: an answer of %s and %s", path, f[1], found[0][1])
									}
								}
								if int64(n) < before || len(found) != size(n) {
									t.Errorf("%s: %d counters of %d, want %d; %d had been stored", path, len(found), n, size(n), before)
									return
								}
								tag, have = res.Header.Get("ETag"), int64(n)
								plain := strings.NewReplacer("-gzip", "", "-zstd", "").Replace(tag)
								if other, known := bodies.LoadOrStore(path+plain, text); known && other != text && !strings.HasSuffix(path, "s") && !strings.HasPrefix(path, "/api/datasets") {
									t.Errorf("%s: two bodies under %s", path, plain)
								}
							default:
								t.Errorf("%s: %d", path, res.StatusCode)
								return
							}
							select {
							case <-done: // when nothing changes any more, there is a 304 at last
								if unchanged.Load() > 0 || last == 100 {
									return
								}
								last++
							default:
							}
						}
					})
				}
			}
			for n := 1; n <= 60; n++ {
				if status, a := h.send(http.MethodPost, tc.path, tc.body(n)); status != 200 {
					t.Errorf("POST %s: %d %v", tc.path, status, a)
				}
				stored.Store(int64(n))
			}
			close(done)
			readers.Wait()
			if unchanged.Load() == 0 || changed.Load() == 0 {
				t.Errorf("%d answers of 304, %d of 200: nothing was tested", unchanged.Load(), changed.Load())
			}
		})
	}
}

// Clients that read, count one up and write with If-Match, and begin anew on 412, lose no count.
func TestNoLostUpdate(t *testing.T) {
	t.Parallel()
	testdb.Slow(t)
	h := newHarness(t)
	h.storeAll(1, 1)
	const clients, times = 8, 12
	for _, path := range []string{"/api/runs/" + newRun, "/api/simulations/" + newSim} {
		h.send(http.MethodPatch, path, `{"summary_metrics": {"counter": 0}}`)
		var wg sync.WaitGroup
		var refused atomic.Int64
		for client := range clients {
			wg.Go(func() {
				for n := 0; n < times; {
					res := h.plain(http.MethodGet, path, "Accept-Encoding", []string{"", "gzip", "zstd"}[client%3])
					found := counters.FindStringSubmatch(unpacked(t, res))
					if len(found) == 0 {
						t.Errorf("%s: no counter", path)
						return
					}
					counter, _ := strconv.Atoi(found[1])
					switch status, a := h.send(http.MethodPatch, path, fmt.Sprintf(`{"summary_metrics": {"counter": %d}}`, counter+1), "If-Match", res.Header.Get("ETag")); status {
					case http.StatusOK:
						n++
					case http.StatusPreconditionFailed:
						refused.Add(1)
					default:
						t.Errorf("PATCH %s: %d %v", path, status, a)
						return
					}
				}
			})
		}
		wg.Wait()
		got := h.object(path)["summary_metrics"].(map[string]any)["counter"]
		if got != float64(clients*times) || refused.Load() == 0 {
			t.Errorf("%s: counted to %v, want %d; %d were refused", path, got, clients*times, refused.Load())
		}
	}
}

// What is removed and stored again is another state, though it has the same id, version and body.
func TestStoredAgainIsNew(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	paths := []string{
		"/api/datasets/" + newDataset, "/api/datasets/" + newDataset + "/manifest", "/api/datasets/" + newDataset + "/runs", "/api/runs/" + newRun, "/api/walkforward/runs/" + newRun,
		"/api/walkforward/runs/" + newRun + "/folds", "/api/simulations/" + newSim, "/api/tradesim/runs/" + newSim, "/api/simulations/" + newSim + "/trades",
	}
	seen := map[string]bool{}
	for round := range 8 {
		h.storeAll(20, 20)
		for _, path := range paths {
			for tag := range seen {
				if strings.HasPrefix(tag, path+" ") && h.plain(http.MethodGet, path, "If-None-Match", tag[len(path)+1:], "Accept-Encoding", "gzip").StatusCode != 200 {
					t.Errorf("round %d: %s is taken for what it was before it was removed", round, path)
				}
			}
		}
		for _, path := range paths {
			tag := h.plain(http.MethodGet, path, "Accept-Encoding", "gzip").Header.Get("ETag")
			if tag == "" || seen[path+" "+tag] {
				t.Errorf("round %d: %s has the ETag %q again", round, path, tag)
			}
			seen[path+" "+tag] = true
		}
		for old := range seen {
			if tag, ok := strings.CutPrefix(old, "/api/runs/"+newRun+" "); ok && tag != h.get("/api/runs/" + newRun).Header.Get("ETag")[:len(tag)-len(`-gzip"`)]+`-gzip"` {
				if status, _ := h.send(http.MethodPatch, "/api/runs/"+newRun, `{"duration_ms": 1}`, "If-Match", tag); status != 412 {
					t.Errorf("round %d: an old ETag matches: %d", round, status)
				}
			}
		}
		if status, a := h.send(http.MethodDelete, "/api/datasets/"+newDataset+"?cascade=true", ""); status != 200 {
			t.Fatal(status, a)
		}
		for _, path := range paths {
			if res := h.plain(http.MethodGet, path, "If-None-Match", "*"); res.StatusCode != 404 {
				t.Errorf("%s of what is gone: %d", path, res.StatusCode)
			}
		}
	}
}

// A simulation may be of another dataset than its run: what becomes of it changes that dataset as well.
func TestSimulationOfAnotherDataset(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	const other = "0a000000-0000-4000-8000-000000000002"
	h.storeAll(1, 1)
	h.store("/api/datasets", datasetBody(other, "eth"), 201)
	tag := func() string { return h.get("/api/datasets/" + other).Header.Get("ETag") }
	before := tag()
	h.store("/api/simulations", strings.Replace(simulationBody(1), newDataset, other, 1), 200)
	moved := tag()
	if moved == before || h.object("/api/datasets/" + other)["simulation_count"] != 1.0 {
		t.Errorf("the dataset that got a simulation keeps its ETag %s", before)
	}
	if status, a := h.send(http.MethodDelete, "/api/datasets/"+newDataset+"?cascade=true", ""); status != 200 && (status != 409 || a["code"] != "conflict") {
		t.Errorf("DELETE of the run's dataset: %d %v", status, a)
	}
	if status, a := h.send(http.MethodDelete, "/api/runs/"+newRun+"?cascade=true", ""); status != 200 && status != 404 {
		t.Errorf("DELETE of the run: %d %v", status, a)
	}
	if h.object("/api/datasets/" + other)["simulation_count"] != 0.0 || tag() == moved {
		t.Errorf("the dataset that lost its simulation keeps its ETag %s", moved)
	}
}

// An ETag changes with every write of the thing or of what is below it; a write for another state is refused.
func TestETags(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.storeAll(2, 2)
	paths := []string{
		"/api/datasets/" + newDataset, "/api/indicators/datasets/" + newDataset, "/api/datasets/" + newDataset + "/manifest", "/api/datasets/" + newDataset + "/runs",
		"/api/runs/" + newRun, "/api/walkforward/runs/" + newRun, "/api/walkforward/runs/" + newRun + "/folds",
		"/api/simulations/" + newSim, "/api/tradesim/runs/" + newSim, "/api/simulations/" + newSim + "/trades", "/api/tradesim/runs/" + newSim + "/trades",
	}
	tags := map[string]string{}
	for _, path := range paths {
		res := h.get(path)
		tag := res.Header.Get("ETag")
		tags[path] = tag
		for _, header := range []string{tag, "W/" + tag, `"x", ` + tag, strings.TrimSuffix(tag, `"`) + `-gzip"`, "*"} {
			if again := h.get(path, "If-None-Match", header); again.StatusCode != 304 || again.Header.Get("ETag") != tag || again.Header.Get("Vary") != "Accept-Encoding" || readBody(t, again) != "" {
				t.Errorf("%s with If-None-Match %s: %d %q", path, header, again.StatusCode, again.Header.Get("ETag"))
			}
		}
		if other := h.get(path, "If-None-Match", `"0-0"`); other.StatusCode != 200 {
			t.Errorf("%s with another ETag: %d", path, other.StatusCode)
		}
	}
	h.store("/api/runs/"+newRun+"/folds?force=true", "["+foldBody(7)+"]", 200)
	for _, path := range paths {
		changed := h.get(path, "If-None-Match", tags[path]).StatusCode == 200
		if want := !strings.Contains(path, newSim); changed != want {
			t.Errorf("%s after a fold was added: changed is %v", path, changed)
		}
	}
	for _, tc := range []struct{ method, path, body string }{
		{"POST", "/api/runs", runBody(1)},
		{"PATCH", "/api/runs/" + newRun, `{"duration_ms": 1}`},
		{"POST", "/api/runs/" + newRun + "/folds?force=true", "[" + foldBody(0) + "]"},
		{"POST", "/api/datasets", datasetBody(newDataset, "btc25_1")},
		{"PUT", "/api/datasets/" + newDataset, datasetBody(newDataset, "btc25_1")},
		{"DELETE", "/api/runs/" + newRun + "?cascade=true", ""},
	} {
		if status, a := h.send(tc.method, tc.path, tc.body, "If-Match", `"1-1"`); status != 412 || a["code"] != "precondition_failed" {
			t.Errorf("%s %s for another state: %d %v", tc.method, tc.path, status, a)
		}
		current := h.get("/api/runs/" + newRun).Header.Get("ETag")
		if strings.Contains(tc.path, "datasets") {
			current = h.get("/api/datasets/" + newDataset).Header.Get("ETag")
		}
		status, a := h.send(tc.method, tc.path, tc.body, "If-Match", current)
		if status != 200 {
			t.Errorf("%s %s for the current state: %d %v", tc.method, tc.path, status, a)
		}
		if tag := a["ETag"]; tc.method != "DELETE" && (tag == current || tag == "") {
			t.Errorf("%s %s: the ETag stays %v", tc.method, tc.path, tag)
		}
	}
	if status, _ := h.send("POST", "/api/runs", runBody(1), "If-Match", `"1-1"`); status != 412 {
		t.Errorf("If-Match for a run that is gone: %d", status)
	}
}
