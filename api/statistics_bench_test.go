package api_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"foldbook/internal/seed"
)

// searched stores a search of so many runs with the 312 folds of the large run, each with a simulation whose returns of 1500 days are
// stored, and returns their ids.
func searched(b *testing.B, h *harness, runs int) (ids []string) {
	b.Helper()
	search := fmt.Sprintf("bench-%d", runs)
	for i := range runs {
		ids = append(ids, uuid.NewSHA1(uuid.Nil, fmt.Append(nil, search, i)).String())
	}
	h.exec(`INSERT INTO walkforward_runs (run_id, dataset_id, prediction_measurement, target_column, feature_columns, hyperparameters, walk_config,
			summary_metrics, status, search_id, fold_count)
		SELECT n.id, r.dataset_id, 'bench', 'up', r.feature_columns, jsonb_build_object('depth', n.i), r.walk_config, r.summary_metrics, 'COMPLETED', $2, 312
		FROM walkforward_runs AS r, unnest($1::uuid[]) WITH ORDINALITY AS n (id, i) WHERE r.run_id = $3`, ids, search, seed.BigRunID)
	h.exec(`INSERT INTO walkforward_folds (run_id, fold_number, train_start_idx, train_end_idx, test_start_idx, test_end_idx, samples_train, samples_test, metrics,
			test_start_ts_ms, test_end_ts_ms)
		SELECT n.id, fold_number, train_start_idx, train_end_idx, test_start_idx, test_end_idx, samples_train, samples_test, metrics,
			1577836800000 + fold_number * 414720000::bigint, 1577836800000 + (fold_number + 1) * 414720000::bigint
		FROM walkforward_folds AS f, unnest($1::uuid[]) AS n (id) WHERE f.run_id = $2`, ids, seed.BigRunID)
	h.exec(`INSERT INTO simulation_runs (simulation_id, run_id, dataset_id, mode, status)
		SELECT run_id, run_id, dataset_id, 'dual', 'COMPLETED' FROM walkforward_runs WHERE run_id = ANY($1)`, ids)
	h.exec(`INSERT INTO search_trials (dataset_id, target_column, search_id, digest, simulation_digest, run_id)
		SELECT dataset_id, target_column, search_id, run_id::text, '', run_id FROM walkforward_runs WHERE run_id = ANY($1)`, ids)
	h.exec(`INSERT INTO simulation_returns (simulation_id, run_id, made_from, basis, why, days, returns, exposure, turnover)
		SELECT n.id, n.id, '1/1577836800000-1707229440000/off', 'realised', 'no_bars', ARRAY(SELECT generate_series(18262, 19761)),
			ARRAY(SELECT random() * 0.02 - 0.01 FROM generate_series(1, 1500) WHERE n.id IS NOT NULL), 0.5, 1
		FROM unnest($1::uuid[]) AS n (id)`, ids)
	h.exec("VACUUM ANALYZE")
	return ids
}

// BenchmarkStatistics answers a comparison and two leaderboards, one request after the other, without a network.
func BenchmarkStatistics(b *testing.B) {
	h := scaled(b)
	compared := searched(b, h, 50)
	for _, n := range []int{60, 200} {
		searched(b, h, n)
	}
	for _, route := range []struct{ name, path string }{
		{"Compare50x312", "/api/runs/compare?ids=" + strings.Join(compared, ",")},
		{"Leaderboard60", "/api/leaderboard?search_id=bench-60"},
		{"Leaderboard200", "/api/leaderboard?search_id=bench-200"},
	} {
		b.Run(route.name, func(b *testing.B) {
			req := httptest.NewRequestWithContext(context.Background(), http.MethodGet, route.path, nil)
			b.ReportAllocs()
			var took []time.Duration
			var bytes int64
			for b.Loop() {
				w, began := &sink{header: http.Header{}}, time.Now()
				h.http.ServeHTTP(w, req)
				if took, bytes = append(took, time.Since(began)), w.bytes; w.status != http.StatusOK {
					b.Fatalf("%s answers %d", route.path, w.status)
				}
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
			b.ReportMetric(float64(took[len(took)*95/100].Microseconds())/1000, "p95-ms")
			b.ReportMetric(float64(bytes), "body-bytes")
		})
	}
	var stored int
	if err := h.db.Pool.QueryRow(b.Context(), "SELECT count(*) FROM simulation_returns WHERE computed_at = (SELECT min(computed_at) FROM simulation_returns)").Scan(&stored); err != nil || stored != 50 {
		b.Errorf("%d returns were not computed anew, %v", stored, err)
	}
}

// BenchmarkWrites stores a run with 312 folds, changes it, and stores a fold of it, one request after the other, with the events numbered beside.
func BenchmarkWrites(b *testing.B) {
	h := scaled(b)
	h.exec(`DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = on', current_database()); END $$`)
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	go h.opts.Events.Run(ctx)
	h.store("/api/datasets", datasetBody(newDataset, "btc25_1"), 201)
	run, fold := runBody(312), `{"folds": [`+foldBody(3)+`]}`
	h.store("/api/runs", run, 201)
	i := 0
	for _, w := range []struct {
		name, method, path string
		body               func() string
	}{
		{"PostRun", "POST", "/api/runs?replace=true", func() string { return run }},
		{"PatchRun", "PATCH", "/api/runs/" + newRun, func() string { return fmt.Sprintf(`{"notes": "%d"}`, i) }},
		{"PostFold", "POST", "/api/runs/" + newRun + "/folds?force=true", func() string { return fold }},
	} {
		b.Run(w.name, func(b *testing.B) {
			for b.Loop() {
				i++
				req := httptest.NewRequestWithContext(ctx, w.method, w.path, strings.NewReader(w.body()))
				req.Header.Set("Content-Type", "application/json")
				answer := &sink{header: http.Header{}}
				if h.http.ServeHTTP(answer, req); answer.status/100 != 2 {
					b.Fatalf("%s: %d", w.path, answer.status)
				}
			}
		})
	}
}
