package main

import (
	"bytes"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/common/expfmt"
	prometheus "github.com/prometheus/common/model"

	"foldbook/internal/testdb"
)

// scrape is the metrics at an address, as a client of Prometheus reads them.
func scrape(t *testing.T, address string) map[string]string {
	t.Helper()
	res, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	parser := expfmt.NewTextParser(prometheus.UTF8Validation)
	families, err := parser.TextToMetricFamilies(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %v", address, res.StatusCode, err)
	}
	found := map[string]string{}
	for name, family := range families {
		found[name] = strings.ReplaceAll(family.String(), "  ", " ")
	}
	return found
}

// checkMetrics looks for what the smoke test has done in the metrics, and for nothing that a user has named. (operations.md, Metrics)
func (s *smoke) checkMetrics(own string) {
	s.t.Helper()
	if _, err := http.Get(s.service.url + "/api/nothing"); err != nil {
		s.t.Fatal(err)
	}
	metrics := scrape(s.t, s.service.url+"/metrics")
	for metric, parts := range map[string][]string{
		"http_server_request_duration_seconds": {
			`"/api/datasets/:dataset_id"`, `"/api/datasets/:dataset_id/indicators/append"`, `"http_route" value:""`, `"404"`, `"POST"`,
		},
		"db_client_operation_duration_seconds": {`"SearchRuns"`, `"COPY walkforward_folds"`, `"other"`},
		"foldbook_ingest_rows_total":           {`"questdb"} counter:{value:8`, `"postgresql"} counter:{value:`},
		"foldbook_stream_aborted_total":        {`"client"} counter:{value:0`, `"service"} counter:{value:0`},
		"foldbook_postgresql_up":               {"value:1"},
		"foldbook_questdb_up":                  {"value:1"},
		"foldbook_questdb_disk_bytes":          {"value:"},
		"foldbook_body_budget_bytes":           {"value:0"},
		"foldbook_cleanup_pending":             {"value:0"},
		"foldbook_cleanup_oldest_seconds":      {"value:0"},
		"foldbook_jobs_waiting":                {"value:0"},
		"foldbook_jobs_oldest_seconds":         {"value:0"},
		"foldbook_build_info":                  {`"version"`},
		"pgxpool_max_conns":                    {"value:"},
		"process_resident_memory_bytes":        {"value:"},
	} {
		for _, part := range parts {
			if !strings.Contains(metrics[metric], part) {
				s.t.Errorf("%s has no %s: %.2000s", metric, part, metrics[metric])
			}
		}
	}
	for metric, text := range metrics {
		if strings.Contains(text, "smoke") || strings.Contains(text, datasetID) || strings.Contains(text, "nothing") {
			s.t.Errorf("%s names what a user named: %.2000s", metric, text)
		}
	}
	if len(scrape(s.t, own)) != len(metrics) {
		s.t.Error("METRICS_ADDR has other metrics")
	}
	s.checkUsed(metrics)
}

// checkUsed requires that each metric of the alerts and of the board is one, and that operations.md explains it.
func (s *smoke) checkUsed(metrics map[string]string) {
	s.t.Helper()
	docs, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		s.t.Fatal(err)
	}
	names := regexp.MustCompile(`\b(http_server_request_d|db_client_|foldbook_|pgxpool_|process_)[a-z_]+\b`)
	suffix := regexp.MustCompile(`_(bucket|count|sum)$`)
	for _, file := range []string{"../../deploy/prometheus/rules.yaml", "../../deploy/grafana/foldbook.json"} {
		text, err := os.ReadFile(file)
		if err != nil {
			s.t.Fatal(err)
		}
		used := names.FindAllString(string(text), -1)
		for _, name := range used {
			if name = suffix.ReplaceAllString(name, ""); metrics[name] == "" || !bytes.Contains(docs, []byte("`"+name+"`")) {
				s.t.Errorf("%s uses %s, which is none of the metrics, or not in operations.md", file, name)
			}
		}
		if len(used) < 10 {
			s.t.Errorf("%s uses %d metrics", file, len(used))
		}
	}
	alerts, err := os.ReadFile("../../deploy/prometheus/rules.yaml")
	if err != nil {
		s.t.Fatal(err)
	}
	for _, alert := range regexp.MustCompile(`alert: (\w+)`).FindAllSubmatch(alerts, -1) {
		if !bytes.Contains(docs, append([]byte("`"), alert[1]...)) {
			s.t.Errorf("operations.md does not say what %s means", alert[1])
		}
	}
}

// Spans go to the collector that the settings name: of the request, below that of its caller, and of its queries.
func TestTraces(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var sent bytes.Buffer
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		_, _ = io.Copy(&sent, r.Body)
	}))
	defer collector.Close()
	s := start(t, freePort(t), "POSTGRES_URL="+testdb.NewURL(t), "QDB_HTTP_URL=off", "OTEL_EXPORTER_OTLP_ENDPOINT="+collector.URL)
	s.waitFor(t, "/readyz", http.StatusOK)
	const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/api/runs?limit=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Traceparent", "00-"+trace+"-00f067aa0ba902b7-01")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	s.stop()
	if code := s.exit(); code != exitOK {
		t.Errorf("it ends with code %d", code)
	}
	id, err := hex.DecodeString(trace)
	if err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	for _, part := range [][]byte{id, []byte("GET /api/runs"), []byte("SearchRuns"), []byte("service.name")} {
		if !bytes.Contains(sent.Bytes(), part) {
			t.Errorf("no span has %q", part)
		}
	}
	if bytes.Contains(sent.Bytes(), []byte("SELECT")) {
		t.Error("a span has SQL")
	}
}
