package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"foldbook/api"
	"foldbook/internal/events"
)

// sent is one server-sent event.
type sent struct {
	ID    string
	Event string
	Data  map[string]any
}

// stream is a client of /api/events.
type stream struct {
	t    *testing.T
	body io.ReadCloser
	in   *bufio.Scanner
}

// live serves the harness with its hub running.
func live(t *testing.T, h *harness) (url string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		h.opts.Events.Run(ctx)
	}()
	server := httptest.NewServer(h.http)
	t.Cleanup(func() {
		h.api.Drain()
		server.Close()
		cancel()
		<-ended
	})
	return server.URL
}

func listen(t *testing.T, url, query, last string) *stream {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/api/events"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "text/event-stream" || res.Header.Get("X-Accel-Buffering") != "no" {
		t.Fatalf("%d %v", res.StatusCode, res.Header)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	return &stream{t, res.Body, bufio.NewScanner(res.Body)}
}

// next reads one event; ok is false at the end.
func (s *stream) next() (e sent, ok bool) {
	s.t.Helper()
	for s.in.Scan() {
		name, value, _ := strings.Cut(s.in.Text(), ": ")
		switch name {
		case "id":
			e.ID = value
		case "event":
			e.Event = value
		case "data":
			if err := json.Unmarshal([]byte(value), &e.Data); err != nil {
				s.t.Fatalf("%s: %v", value, err)
			}
		case "":
			if e.Event != "" {
				return e, true
			}
		}
	}
	return e, false
}

// says requires the next event to be one of a topic and kind, with data.
func (s *stream) says(want string) sent {
	s.t.Helper()
	e, ok := s.next()
	data, _ := json.Marshal(e.Data["data"])
	got := fmt.Sprintf("%s %v %v %s", e.Event, e.Data["kind"], e.Data["subject_id"], data)
	if !ok || !strings.HasPrefix(got, want) {
		s.t.Fatalf("event %v: %q, want %q", e.Data["seq"], got, want)
	}
	return e
}

// docs/events.md: every write of a record is an event, in the order in which the writes became visible, and a client that comes again misses none.
func TestEvents(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	url := live(t, h)
	all, runs := listen(t, url, "", ""), listen(t, url, "?topic=runs,jobs", "")
	if e, _ := all.next(); e.Event != "hello" || e.ID != "0" || e.Data["seq"] != 0.0 {
		t.Errorf("the first event is %v", e)
	}
	_, _ = runs.next()
	h.storeAll(2, 1)
	h.store("/api/datasets?dry_run=true", datasetBody(newDataset, "btc25_1"), 200)
	if status, _ := h.send("PATCH", "/api/runs/"+newRun, `{"name": "n"}`); status != 200 {
		t.Fatal(status)
	}
	h.store("/api/runs/"+newRun+"/folds?force=true", `[`+foldBody(7)+`]`, 200)
	if status, _ := h.send("DELETE", "/api/datasets/"+newDataset+"?cascade=true", ""); status != 200 {
		t.Fatal(status)
	}
	all.says("datasets created " + newDataset + ` {"dataset_slug":"btc25_1"}`)
	all.says("runs created " + newRun)
	all.says("simulations created " + newSim)
	third := all.says("runs changed " + newRun + ` {"dataset_slug":"btc25_1","fold_count":2,"name":"n","status":"COMPLETED","version":2}`)
	all.says("runs folds " + newRun + ` {"dataset_slug":"btc25_1","fold_count":3,"folds":[7],"name":"n"`)
	all.says("simulations deleted " + newSim)
	all.says("datasets deleted " + newDataset)
	all.says("runs deleted " + newRun)
	for _, kind := range []string{"created", "changed", "folds", "deleted"} {
		runs.says("runs " + kind + " " + newRun)
	}
	again := listen(t, url, "?id="+newDataset, third.ID)
	if e, _ := again.next(); e.Event != "hello" || e.ID != third.ID || e.Data["seq"] != 8.0 {
		t.Errorf("who comes again is greeted with %v", e)
	}
	for _, want := range []string{"runs folds", "simulations deleted", "datasets deleted", "runs deleted"} {
		again.says(want)
	}
	if got := h.get("/api/runs").Header.Get("X-Event-Seq"); got == "" {
		t.Error("a list does not tell the number of the last event")
	}
	for _, bad := range []string{"?topic=folds", "?id=x"} {
		if res := h.get("/api/events" + bad); res.StatusCode != 400 {
			t.Errorf("%s: %d", bad, res.StatusCode)
		}
	}
	if res := h.get("/api/events", "Last-Event-ID", "x"); res.StatusCode != 400 {
		t.Errorf("an id that is none: %d", res.StatusCode)
	}
	h.api.Drain()
	if e, ok := all.next(); ok {
		t.Errorf("after the end comes %v", e)
	}
}

// A client whose last event is not kept any more, or is of a database that was set back, is told to read the lists anew.
func TestEventsReset(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	url := live(t, h)
	following := listen(t, url, "", "")
	_, _ = following.next()
	h.storeAll(1, 1)
	for range 3 {
		_, _ = following.next()
	}
	reset := func(last string) {
		t.Helper()
		s := listen(t, url, "", last)
		_, _ = s.next()
		if e, _ := s.next(); e.Event != "reset" {
			t.Errorf("who comes with %s is told %v", last, e)
		}
	}
	reset("4")
	h.exec("DELETE FROM events WHERE seq = 2")
	reset("1")
	h.exec("DELETE FROM events; UPDATE event_counter SET seq = 1") // a backup is restored below a service that runs
	if e, ok := following.next(); ok {
		t.Errorf("a client of the newer database goes on with %v", e)
	}
	reset("3")
}

// A listener costs little, one too many is refused, and one who does not read is sent away and does not hold up the others.
func TestEventListeners(t *testing.T) {
	t.Parallel()
	h := newHarness(t, func(o *api.Options) { o.Events.Most = 1001 })
	url := live(t, h)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	var idle *events.Listener
	for range 1000 {
		l, err := h.opts.Events.Listen(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		idle = l
	}
	runtime.ReadMemStats(&after)
	if each := (int64(after.TotalAlloc) - int64(before.TotalAlloc)) / 1000; each > 16<<10 {
		t.Errorf("a listener takes %d bytes", each)
	}
	reader := listen(t, url, "", "")
	_, _ = reader.next()
	if res := h.get("/api/events"); res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" {
		t.Errorf("one too many: %d", res.StatusCode)
	}
	for i := range 12 {
		h.exec("INSERT INTO events (topic, kind, subject_id) VALUES ('jobs', 'changed', gen_random_uuid())")
		h.opts.Events.Wake()
		if e, ok := reader.next(); !ok || e.ID != fmt.Sprint(i+1) {
			t.Fatalf("event %d is %v", i+1, e)
		}
	}
	n := 0
	for range idle.Events {
		n++
	}
	if n != 8 {
		t.Errorf("one who does not read got %d pages before he was sent away", n)
	}
}
