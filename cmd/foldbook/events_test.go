package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"foldbook/internal/testdb"
)

// eventIDs reads the numbers of events from one service after the other, going on after the last one, until stop says so.
func eventIDs(ctx context.Context, urls []string, stop func(last int64) bool) (ids []int64, connections int) {
	last := int64(0)
	for ; ctx.Err() == nil && !stop(last); connections++ {
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, urls[connections%len(urls)]+"/api/events", nil)
		req.Header.Set("Last-Event-ID", fmt.Sprint(last))
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			continue // that one was killed
		}
		id, name := int64(0), ""
		for in := bufio.NewScanner(res.Body); !stop(last) && in.Scan(); {
			field, value, _ := strings.Cut(in.Text(), ": ")
			switch field {
			case "id":
				id, _ = strconv.ParseInt(value, 10, 64)
			case "event":
				name = value
			case "":
				if name == "reset" {
					return append(ids, -1), connections
				}
				if name != "hello" && name != "" {
					ids, last, name = append(ids, id), id, ""
				}
			}
		}
		_ = res.Body.Close()
	}
	return ids, connections
}

// docs/events.md, Without a hole: 16 writers on two instances, of which one is killed, connections that listen and are cut, and a foreign
// transaction that stays open: each event comes once, in order, without a gap.
func TestEventsSurvive(t *testing.T) {
	testdb.Slow(t)
	t.Parallel()
	database := testdb.NewURL(t)
	environ := []string{"POSTGRES_URL=" + database, "EVENTS_POSTGRES_URL=" + database}
	first, kill := startKillable(t, environ...)
	second, _ := startKillable(t, environ...)
	first.waitFor(t, "/readyz", http.StatusOK)
	second.waitFor(t, "/readyz", http.StatusOK)
	admin := testdb.Connect(t, database)
	foreign, err := admin.Begin(t.Context()) // it has the first id, and becomes visible last
	if err != nil {
		t.Fatal(err)
	}
	if _, err := foreign.Exec(t.Context(), "INSERT INTO events (topic, kind, subject_id) VALUES ('jobs', 'changed', gen_random_uuid())"); err != nil {
		t.Fatal(err)
	}
	const writers, writes = 16, 12
	var stored atomic.Int64
	var working sync.WaitGroup
	for w := range writers {
		working.Go(func() {
			for i := range writes {
				body := fmt.Sprintf(`{"dataset_id": "0a000000-0000-4000-8000-%06d%06d", "dataset_slug": "d%d_%d"}`, w, i, w, i)
				for try := w; ; try++ {
					res, err := http.Post([]*service{first, second}[try%2].url+"/api/datasets", "application/json", strings.NewReader(body))
					if err != nil {
						continue // the killed one: the repeat goes to the other
					}
					_ = res.Body.Close()
					if res.StatusCode/100 == 2 {
						break
					}
				}
				if stored.Add(1) == writers*writes/3 {
					kill()
				}
			}
		})
	}
	counter := testdb.Connect(t, database)
	total := func() (n int64) {
		if err := counter.QueryRow(context.Background(), "SELECT seq FROM event_counter").Scan(&n); err != nil {
			t.Error(err)
		}
		return n
	}
	var written atomic.Bool
	var ending sync.WaitGroup
	ending.Go(func() {
		working.Wait()
		other := testdb.Connect(t, database)
		if _, err := other.Exec(context.Background(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'LISTEN foldbook_events'"); err != nil {
			t.Error(err)
		}
		written.Store(true)
		if err := foreign.Commit(context.Background()); err != nil {
			t.Error(err)
		}
	})
	ids, connections := eventIDs(t.Context(), []string{first.url, second.url}, func(last int64) bool {
		return written.Load() && last >= writers*writes+1 && last == total()
	})
	ending.Wait()
	for i, id := range ids {
		if id != int64(i)+1 {
			t.Fatalf("event %d of %d has the number %d", i+1, len(ids), id)
		}
	}
	if connections < 1 || len(ids) < writers*writes+1 {
		t.Errorf("%d events over %d connections", len(ids), connections)
	}
}
