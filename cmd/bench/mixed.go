package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
)

// actor is a kind of client: so many of them, one request after the other.
type actor struct {
	name    string
	clients int
	next    func(i int) (method, path string, body []byte)

	mu     sync.Mutex
	took   []time.Duration
	failed int
}

// mixed is a working day in a minute: people look at lists, details and charts while an exporter posts runs and adds rows.
func mixed(ctx context.Context, s *stack, r *report) error {
	v, err := s.seriesService(ctx)
	if err != nil {
		return err
	}
	file := filepath.Join(s.scratch.Dir, "mixed.json")
	if err := s.run(ctx, s.binary, s.url, "export", "run", runID, "--server", "http://"+v.address, "-o", file); err != nil {
		return err
	}
	run, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read what was exported: %w", err)
	}
	bars := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	indicators := "/api/datasets/" + seriesDataset
	actors := []*actor{
		{name: "reader of lists and details", clients: 6, next: reads("/api/runs?limit=50", "/api/runs/"+runID, "/api/datasets",
			"/api/simulations/"+simulationID, "/api/runs?search=wf&sort=-created_at&limit=20", "/api/datasets/"+datasetID)},
		{name: "chart", clients: 3, next: reads(indicators+"/series?columns=c0&points=1000",
			indicators+"/indicators?start_ts=2021-06-01&end_ts=2021-06-01T02:00:00Z", indicators+"/histogram?column=c1")},
		{name: "exporter of runs", clients: 1, next: func(int) (string, string, []byte) {
			return http.MethodPost, "/api/runs", bytes.ReplaceAll(run, []byte(runID), []byte(uuid.NewString()))
		}},
		{name: "exporter of 500 rows", clients: 1, next: func(i int) (string, string, []byte) {
			var rows bytes.Buffer
			rows.WriteString("timestamp,c0,c1,c2\n")
			for k := range 500 {
				fmt.Fprintf(&rows, "%d,1.5,2.5,3.5\n", bars.Add(time.Duration(500*i+k)*time.Minute).UnixMilli())
			}
			return http.MethodPost, indicators + "/indicators/append", rows.Bytes()
		}},
	}
	peak, err := v.act(ctx, s.opts.Mixed, actors)
	if err != nil {
		return err
	}
	var rows []row
	for _, a := range actors {
		rows = append(rows, a.row(s.opts.Mixed))
	}
	rows = append(rows, row{what: "most resident memory", ours: fmt.Sprintf("%d MiB", peak>>10)})
	r.table(theme{title: "Mixed load", about: fmt.Sprintf("All of it at once, for %s.", s.opts.Mixed), peer: "failed"}, rows)
	return nil
}

func reads(paths ...string) func(int) (string, string, []byte) {
	return func(i int) (string, string, []byte) { return http.MethodGet, paths[i%len(paths)], nil }
}

// act lets all clients work for a time and returns the most memory that the service had, in KiB.
func (v *service) act(ctx context.Context, span time.Duration, actors []*actor) (peak int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, span)
	defer cancel()
	var clients sync.WaitGroup
	for _, a := range actors {
		for n := range a.clients {
			clients.Go(func() {
				for i := n; ctx.Err() == nil; i++ {
					a.request(ctx, v, i)
				}
			})
		}
	}
	for ctx.Err() == nil {
		now, err := v.resident()
		if err != nil {
			return 0, err
		}
		peak = max(peak, now)
		time.Sleep(50 * time.Millisecond)
	}
	clients.Wait()
	return peak, nil
}

// request sends one; one that the end has cut off does not count.
func (a *actor) request(ctx context.Context, v *service, i int) {
	method, path, body := a.next(i)
	began, failed := time.Now(), true
	req, err := http.NewRequestWithContext(ctx, method, "http://"+v.address+path, bytes.NewReader(body))
	if err != nil {
		return
	}
	if strings.HasSuffix(path, "append") {
		req.Header.Set("Content-Type", "text/csv")
	}
	var answer []byte
	res, err := http.DefaultClient.Do(req)
	if err == nil {
		answer, err = io.ReadAll(res.Body)
		_ = res.Body.Close()
		failed = err != nil || res.StatusCode >= http.StatusMultipleChoices
	}
	if ctx.Err() != nil {
		return
	}
	if failed {
		progress("%s: %s %s: %.300s %v", a.name, method, path, answer, err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.took = append(a.took, time.Since(began))
	if failed {
		a.failed++
	}
}

func (a *actor) row(span time.Duration) row {
	r := row{what: fmt.Sprintf("%d × %s", a.clients, a.name)}
	r.ours, r.theirs = fmt.Sprintf("%.1f/s", float64(len(a.took))/span.Seconds()), fmt.Sprint(a.failed)
	if len(a.took) > 0 {
		slices.Sort(a.took)
		r.p50, r.p99 = fmt.Sprintf("%.1f", milliseconds(a.took[len(a.took)/2])), fmt.Sprintf("%.1f", milliseconds(a.took[len(a.took)*99/100]))
	}
	r.require("none fails", a.failed == 0 && len(a.took) > 0)
	return r
}
