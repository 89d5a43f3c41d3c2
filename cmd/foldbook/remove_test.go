package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"foldbook/internal/testdb"
)

// A record is deleted while QuestDB is away, and then the service is killed: once both are back, its rows go.
func TestRemovalSurvivesKill(t *testing.T) {
	t.Parallel()
	series := testdb.PrivateQuestDB(t)
	environ := importing(testdb.NewURL(t), series)
	const dataset, other = "0a000000-0000-4000-8000-000000000001", "0a000000-0000-4000-8000-000000000002"
	s, kill := startKillable(t, environ...)
	s.waitFor(t, "/readyz", http.StatusOK)
	send := func(method, path, body string) (answer map[string]any) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, s.url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || res.StatusCode >= 300 {
			t.Fatalf("%s %s: %d %v %v", method, path, res.StatusCode, err, answer)
		}
		return answer
	}
	for i, id := range []string{dataset, other} {
		send(http.MethodPost, "/api/datasets", fmt.Sprintf(`{"dataset_id": %q, "dataset_slug": "gone_%d", "indicator_measurement": "indicator_bars"}`, id, i))
		send(http.MethodPost, "/api/datasets/"+id+"/indicators/append", `{"rows": [{"timestamp": 1704067200000, "q": 1}, {"timestamp": 1704070800000, "q": 2}]}`)
		send(http.MethodPost, "/api/datasets/"+id+"/ohlcv/append", `{"rows": [{"timestamp": 1704067200000, "close": 1}]}`)
	}
	series.Kill()
	answer := send(http.MethodDelete, "/api/datasets/"+dataset, "")
	if deleted := answer["deleted"].(map[string]any); deleted["datasets"] != 1.0 || deleted["rows"] != nil || len(answer["warnings"].([]any)) != 1 {
		t.Errorf("while QuestDB is away: %v", answer)
	}
	kill()
	if err := series.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	s, _ = startKillable(t, environ...)
	s.waitFor(t, "/readyz", http.StatusOK)
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		_, text := s.get("/api/health")
		if strings.Contains(text, `"pending":0`) {
			break
		}
		if time.Since(began) > 2*time.Minute {
			t.Fatalf("the removal does not end: %s\n%s", text, s.log)
		}
	}
	if got := rowsOf(t, series, "indicator_bars where dataset = 'gone_0'"); !strings.Contains(got, "[0,") {
		t.Errorf("rows are left: %s", got)
	}
	if got := rowsOf(t, series, "indicator_bars where dataset = 'gone_1'"); !strings.Contains(got, "[2,3") {
		t.Errorf("of the other dataset there is %s", got)
	}
	if got := rowsOf(t, series, "(select 1 q from tables() where table_name in ('gone_0_ohlcv', 'gone_1_ohlcv'))"); !strings.Contains(got, "[1,") {
		t.Errorf("tables: %s", got)
	}
}
