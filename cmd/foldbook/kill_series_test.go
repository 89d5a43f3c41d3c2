package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"foldbook/internal/testdb"
	"foldbook/questdb"
)

// A service that is killed between the two stores, with rows in QuestDB that PostgreSQL does not count yet: the next one
// takes the same rows again, once, and then both agree.
func TestServerKilledBetweenTheStores(t *testing.T) {
	t.Parallel()
	environ, client := seriesEnv(t)
	url := testdb.NewURL(t)
	environ = append(environ, "POSTGRES_URL="+url)
	const dataset, slug, rows = "0a000000-0000-4000-8000-000000000001", "killed25_1", 500
	var body strings.Builder
	for i := range rows {
		fmt.Fprintf(&body, `,{"timestamp": %d, "close": %d}`, firstBar+int64(i)*barLength, i)
	}
	post := func(s *service, path, text string) (int, map[string]any) {
		resp, err := http.Post(s.url+path, "application/json", strings.NewReader(text))
		if err != nil {
			return 0, nil
		}
		defer func() { _ = resp.Body.Close() }()
		var answer map[string]any
		if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
			return 0, nil
		}
		return resp.StatusCode, answer
	}
	bars := `{"rows": [` + body.String()[1:] + `]}`
	path := "/api/datasets/" + dataset + "/ohlcv/append"

	s, kill := startKillable(t, environ...)
	s.waitFor(t, "/readyz", http.StatusOK)
	if status, a := post(s, "/api/datasets", fmt.Sprintf(`{"dataset_id": %q, "dataset_slug": %q}`, dataset, slug)); status != http.StatusCreated {
		t.Fatal(status, a)
	}
	beside := testdb.Connect(t, url)
	if _, err := beside.Exec(t.Context(), "BEGIN; SELECT 1 FROM indicator_datasets FOR UPDATE"); err != nil { // keeps the count from being noted
		t.Fatal(err)
	}
	answered := make(chan int, 1)
	go func() {
		status, _ := post(s, path, bars)
		answered <- status
	}()
	stored := func() int64 {
		table, err := client.Table(t.Context(), slug+"_ohlcv")
		if err != nil {
			return 0
		}
		n, err := client.Count(t.Context(), questdb.Selection{Table: table})
		if err != nil {
			return 0
		}
		return n
	}
	until(t, "the rows are in QuestDB", func() bool { return stored() == rows })
	kill()
	if status := <-answered; status != 0 {
		t.Errorf("the killed service answers %d", status)
	}
	if _, err := beside.Exec(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}

	s, _ = startKillable(t, environ...)
	s.waitFor(t, "/readyz", http.StatusOK)
	if _, text := s.get("/api/datasets/" + dataset); !strings.Contains(text, `"ohlcv_row_count":0`) {
		t.Errorf("after the kill: %s", text)
	}
	if status, a := post(s, path, bars); status != http.StatusOK || a["row_count"] != float64(rows) || stored() != rows {
		t.Errorf("again: %d %v, %d rows", status, a, stored())
	}
	if _, text := s.get("/api/datasets/" + dataset); !strings.Contains(text, `"ohlcv_row_count":500`) || !strings.Contains(text, `"ohlcv_measurement":"killed25_1_ohlcv"`) {
		t.Errorf("in the end: %s", text)
	}
}
