package api_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"foldbook/api"
	"foldbook/internal/testdb"
)

// A hundred uploads of one thing at the same time leave one of them whole, and one of the answers says that it is new.
func TestConcurrentUploads(t *testing.T) {
	t.Parallel()
	for _, w := range allWrites {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t)
			w.parents(h)
			var wg sync.WaitGroup
			var created atomic.Int64
			for i := range 100 {
				wg.Go(func() {
					n := 1 + i%7
					body := strings.Replace(w.body(n), `"version": 1,`, fmt.Sprintf(`"version": 1, "key %d": %d,`, i, i), 1)
					body = strings.Replace(body, `"COMPLETED"`, `"RUNNING"`, 1) // what is final loses no folds
					status, a := h.send(http.MethodPost, w.path, body)
					stored := a["folds_stored"]
					if w.name == "simulation" {
						stored = a["trades_stored"]
					}
					if (status != 200 && status != 201) || (status == 201) != (a["created"] == true) || (stored != nil && stored != float64(n)) {
						t.Errorf("upload of %d: %d %v", n, status, a)
					}
					if status == 201 {
						created.Add(1)
					}
				})
			}
			wg.Wait()
			got := h.object(w.get)
			if created.Load() != 1 || got["version"] != 100.0 || h.count(w.table) != 1 {
				t.Errorf("%d created, version %v, %d rows", created.Load(), got["version"], h.count(w.table))
			}
			switch w.name {
			case "run":
				if got["total_folds"] != got["summary_metrics"].(map[string]any)["folds"] || float64(h.count("walkforward_folds")) != got["total_folds"] {
					t.Errorf("%v folds, the summary says %v", got["total_folds"], got["summary_metrics"])
				}
			case "simulation":
				if said := got["buckets"].([]any)[0].(map[string]any)["trade_count"]; got["trade_count"] != said || float64(h.count("simulation_trades")) != said {
					t.Errorf("%v trades, the bucket says %v", got["trade_count"], said)
				}
			default: // whose metadata is merged, so that nothing of any upload is lost
				for i := range 100 {
					if got["metadata"].(map[string]any)[fmt.Sprintf("key %d", i)] != float64(i) {
						t.Errorf("the metadata of upload %d is lost", i)
					}
				}
			}
		})
	}
}

// A run that is created twice at the same time, in two datasets, counts in the one that it ends up in, and both know.
func TestCreatedInTwoDatasets(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	const other = "0a000000-0000-4000-8000-000000000002"
	h.store("/api/datasets", datasetBody(newDataset, "btc25_1"), 201)
	h.store("/api/datasets", datasetBody(other, "eth"), 201)
	in := map[string]string{newDataset: runBody(1), other: strings.Replace(runBody(1), newDataset, other, 1)}
	for range 20 {
		before := map[string]string{}
		for id := range in {
			before[id] = h.get("/api/datasets/" + id).Header.Get("ETag")
		}
		var wg sync.WaitGroup
		for _, body := range in {
			wg.Go(func() {
				if status, a := h.send(http.MethodPost, "/api/runs", body); status != 200 && status != 201 {
					t.Errorf("%d %v", status, a)
				}
			})
		}
		wg.Wait()
		runs := 0.0
		for id := range in {
			d := h.object("/api/datasets/" + id)
			runs += d["run_count"].(float64)
			if h.plain(http.MethodGet, "/api/datasets/"+id+"/runs", "If-None-Match", before[id]).StatusCode != 200 || h.get("/api/datasets/"+id).Header.Get("ETag") == before[id] {
				t.Errorf("dataset %s keeps its ETag %s", id, before[id])
			}
		}
		if runs != 1 {
			t.Errorf("the datasets have %v runs", runs)
		}
		h.send(http.MethodDelete, "/api/runs/"+newRun+"?cascade=true", "")
	}
}

// One slug under many ids at the same time is one dataset, that of the first.
func TestOneSlugManyIDs(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	var wg sync.WaitGroup
	var stored sync.Map
	for i := range 20 {
		wg.Go(func() {
			id := fmt.Sprintf("0a000000-0000-4000-8000-0000000001%02d", i)
			status, a := h.send(http.MethodPost, "/api/datasets", datasetBody(id, "btc25_1"))
			if (status != 200 && status != 201) || (a["dataset_id"] != id && a["matched_by"] != "slug") {
				t.Errorf("%d %v", status, a)
			}
			stored.Store(a["dataset_id"], true)
		})
	}
	wg.Wait()
	ids := 0
	stored.Range(func(any, any) bool { ids++; return true })
	if ids != 1 || h.count("indicator_datasets") != 1 {
		t.Errorf("%d ids, %d datasets", ids, h.count("indicator_datasets"))
	}
}

// A write that takes longer than its request may take to arrive is not taken for one whose client left.
func TestSlowWrite(t *testing.T) {
	t.Parallel()
	h := newHarness(t, func(o *api.Options) { o.ReadTimeout = 200 * time.Millisecond })
	h.storeAll(1, 1)
	server := httptest.NewUnstartedServer(h.http)
	server.Config.ReadTimeout = 200 * time.Millisecond
	server.Start()
	defer server.Close()
	unlock := h.lock("walkforward_run_metrics")
	defer unlock() // before the server closes, which waits for its requests
	statuses := make(chan int, 2)
	for _, tc := range []struct{ method, path, body string }{{"POST", "/api/runs", runBody(1)}, {"DELETE", "/api/runs/" + newRun + "?cascade=true", ""}} {
		go func() {
			req, err := http.NewRequest(tc.method, server.URL+tc.path, strings.NewReader(tc.body))
			if err != nil {
				statuses <- 0
				return
			}
			res, err := server.Client().Do(req)
			if err != nil {
				statuses <- 0
				return
			}
			_ = res.Body.Close()
			statuses <- res.StatusCode
		}()
	}
	other := testdb.Connect(t, h.db.Pool.Config().ConnString())
	for waiting := 0; waiting < 2; { // so that both have begun
		const blocked = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
		if err := other.QueryRow(t.Context(), blocked).Scan(&waiting); err != nil {
			t.Fatal(err)
		}
	}
	<-time.After(700 * time.Millisecond)
	unlock()
	for range 2 {
		if status := <-statuses; status != 200 && status != 201 {
			t.Errorf("a slow write is answered with %d", status)
		}
	}
}

// A dry run of each write answers as the write would, without an ETag, and leaves nothing.
func TestDryRunOfEachWrite(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	for round := range 2 { // of what is new, and of what is there
		for _, w := range allWrites {
			before := h.counts()
			status, a := h.send(http.MethodPost, w.path+"?dry_run=true", w.body(3))
			want := 201
			if round == 1 {
				want = 200
			}
			if status != want || a["dry_run"] != true || a["ETag"] != "" || fmt.Sprint(h.counts()) != fmt.Sprint(before) {
				t.Errorf("POST %s: %d %v; %v, then %v", w.path, status, a, before, h.counts())
			}
			if round == 0 {
				h.store(w.path, w.body(3), 201)
			}
		}
	}
	for _, tc := range []struct{ method, path, body string }{
		{"PATCH", "/api/runs/" + newRun, `{"summary_metrics": {"x": 1}}`}, {"PATCH", "/api/simulations/" + newSim, `{"summary_metrics": {"x": 1}}`},
		{"POST", "/api/runs/" + newRun + "/folds?force=true", "[" + foldBody(9) + "]"}, {"PUT", "/api/runs/" + newRun + "?replace=true", runBody(1)},
		{"DELETE", "/api/simulations/" + newSim + "?cascade=true", ""}, {"DELETE", "/api/runs/" + newRun + "?cascade=true", ""}, {"DELETE", "/api/datasets/" + newDataset + "?cascade=true", ""},
	} {
		before, tag := h.counts(), h.get("/api/runs/"+newRun).Header.Get("ETag")
		sign := "?"
		if strings.Contains(tc.path, "?") {
			sign = "&"
		}
		status, a := h.send(tc.method, tc.path+sign+"dry_run=true", tc.body)
		if status != 200 || a["dry_run"] != true || a["ETag"] != "" || fmt.Sprint(h.counts()) != fmt.Sprint(before) || h.get("/api/runs/"+newRun).Header.Get("ETag") != tag {
			t.Errorf("%s %s: %d %v; %v, then %v", tc.method, tc.path, status, a, before, h.counts())
		}
	}
}
