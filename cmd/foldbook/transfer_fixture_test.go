package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"foldbook/internal/testdb"
)

const (
	datasetID    = "6f0e0c3a-52a7-4c1c-9d58-3f1f0e6f9a01"
	runID        = "2f6bd1c2-8c7e-4f0e-9a53-6a1d1b2c3d4e"
	simulationID = "c1d2e3f4-0a1b-4c2d-8e3f-405162738495"
)

// A dataset, a run with 312 folds and a simulation with 2,000 trades, with values that are easily damaged on the way.
func datasetFile() string {
	return `{"dataset_id":"` + datasetID + `","dataset_slug":"btc25_1","symbol":"BTC \"π\" 🚀\u2028é\\","granularity":"240m","source":"laptop",
	"indicator_row_count":9007199254740993,"ohlcv_row_count":12000,"bar_interval_ms":14400000,"lookback_rows":48,
	"indicator_first_ts":"2024-01-01T00:00:00.123456Z","indicator_last_ts":1747263600001,
	"column_schema":[{"name":"rsi_14","type":"DOUBLE"}],
	"metadata":{"version":1,"big":123456789012345678901234567890,"f":0.10000000000000001,"e":1e-7,"trailing":24.0,"nested":{"a":[null,true,{"k":[]}]},"":"empty","t":"\u0001\ud83d\ude80"}}`
}

func runFile() string {
	var b strings.Builder
	b.WriteString(`{"run":{"run_id":"` + runID + `","dataset_id":"` + datasetID + `","prediction_measurement":"btc25_1_wf1767358800","target_column":"TGT_315",
	"feature_columns":["rsi_14","hma_55","ü"],"hyperparameters":{"learning_rate":0.010000000000000002,"max_depth":4,"seed":18446744073709551615},
	"walk_config":{"train_size":650,"end_fold":-1},"summary_metrics":{"folds":312,"pf_long":1.3100000000000001,"running_sum_dual":7645.790000000001},
	"status":"COMPLETED","requested_by":"","started_at":"2026-01-02T13:00:00.000001Z","completed_at":"2026-01-02T13:07:45+02:00","duration_ms":465321,
	"serialized_config":"a=1\n\tb=\"2\"\r\n"},"folds":[`)
	for i := range 312 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"run_id":"%s","fold_number":%d,"train_start_idx":%d,"train_end_idx":%d,"test_start_idx":%d,"test_end_idx":%d,"samples_train":650,"samples_test":24,`,
			runID, i, i*24, i*24+650, i*24+654, i*24+678)
		if i%3 > 0 {
			fmt.Fprintf(&b, `"best_iteration":%d,"best_score":0.000911000010091811%d,"train_start_ts_ms":%d,`, i, i%9+1, 1704067200000+i)
		}
		b.WriteString(`"thresholds":{"long_optimal":0.41000000596046448},"metrics":{`)
		for m := range 27 {
			fmt.Fprintf(&b, `"metric_%d":%d.%017d,`, m, i-150, 12345678901234567-i*m)
		}
		b.WriteString(`"model_learned_nothing":false}}`)
	}
	b.WriteString(`]}`)
	return b.String()
}

func simulationFile(trades int) string {
	var b strings.Builder
	b.WriteString(`{"simulation_id":"` + simulationID + `","run_id":"` + runID + `","dataset_id":"` + datasetID + `","mode":"dual","status":"COMPLETED",
	"config":{"position_size":1000,"note":"naïve"},"summary_metrics":{"total_return_pct":8.2000000000000011,"stress":{"computed":false}},
	"buckets":[{"side":"dual","trade_count":2000,"win_count":73,"profit_factor":1.3100000000000001,"notes":"all \"trades\""},{"side":"long","trade_count":1,"win_count":0}],
	"trades":[`)
	for i := range trades {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"trade_id":"ab12cd34-0a1b-4c2d-8e3f-%012d","side":"%s","size":1.5,"entry_price":64125.%016d,"entry_timestamp":%d,"fold_index":%d,"ticket":92233720368547758%02d`,
			i, []string{"long", "short"}[i%2], 1234567890123456-i, 1735891200000+i/3, i%312, i%100)
		if i%5 > 0 {
			fmt.Fprintf(&b, `,"exit_price":64310.25,"pnl":%d.5e-9,"return_pct":-0.29000000000000004,"metadata":{"why":"é%d"}`, i, i)
		}
		b.WriteByte('}')
	}
	b.WriteString(`]}`)
	return b.String()
}

// serving starts a service on a database of its own and returns it with the database.
func serving(t *testing.T) (s *service, url string) {
	t.Helper()
	url = testdb.NewURL(t)
	s = start(t, freePort(t), "POSTGRES_URL="+url, "QDB_HTTP_URL=off")
	s.waitFor(t, "/readyz", http.StatusOK)
	return s, url
}

// stub is a server of the test's own.
func stub(t *testing.T, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	listener, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", freePort(t)))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(handler)
	_ = server.Listener.Close()
	server.Listener = listener
	server.Start()
	t.Cleanup(server.Close)
	return server
}

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func all() map[string]string {
	// The order of the names is not the order in which they can be stored.
	return map[string]string{"c_dataset.json": datasetFile(), "b/run.json": runFile(), "a_simulation.json": simulationFile(2000)}
}

func must(t *testing.T, code int, environ []string, args ...string) (stdout, stderr string) {
	t.Helper()
	got, stdout, stderr := command(t, environ, args...)
	if got != code {
		t.Fatalf("foldbook %s: exit code %d, want %d\n%s%s", strings.Join(args, " "), got, code, stdout, stderr)
	}
	return stdout, stderr
}

// stored is every value in a database but those that the server itself adds.
func stored(t *testing.T, url string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	var b strings.Builder
	for _, table := range []string{"indicator_datasets", "walkforward_runs", "walkforward_folds", "simulation_runs", "simulation_trade_buckets", "simulation_trades"} {
		added := "'{updated_at,version}'"
		if !slices.Contains([]string{"indicator_datasets", "walkforward_runs", "simulation_runs"}, table) {
			added = "'{created_at}'"
		}
		rows, err := conn.Query(t.Context(), "SELECT (to_jsonb(x) - "+added+"::text[])::text FROM "+table+" AS x ORDER BY 1")
		if err != nil {
			t.Fatal(err)
		}
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s: %d rows\n%s\n", table, len(lines), strings.Join(lines, "\n"))
	}
	return b.String()
}
