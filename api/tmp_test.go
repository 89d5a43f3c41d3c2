package api_test

import (
	"net/url"
	"strings"
	"testing"
	"os/exec"
	"time"
	"fmt"

	"foldbook/db/dbtest"
)

func TestTmpExplain(t *testing.T) {
	u := dbtest.NewURL(t)
	h := harnessOn(t, u+"&options="+strings.ReplaceAll(url.PathEscape("-c session_preload_libraries=auto_explain -c auto_explain.log_min_duration=150 -c auto_explain.log_analyze=on -c auto_explain.log_timing=on"), "=", "%3D"))
	const n = 5600
	h.store("/api/datasets", datasetBody(newDataset, "btc25_1"), 201)
	h.exec(`INSERT INTO walkforward_runs (run_id, dataset_id, prediction_measurement, target_column, requested_by, summary_metrics, status, created_at)
		SELECT ('0b000000-0000-4000-8000-' || lpad(i::text, 12, '0'))::uuid, $1, 'bulk_' || i, CASE WHEN i % 500 = 0 THEN 'rare' ELSE 'usual' END, 'analyst',
			jsonb_build_object('n', i, 'mod', i % 7) || CASE WHEN i % 3 = 0 THEN '{"third": 1.5}' ELSE '{}' END::jsonb, 'COMPLETED',
			timestamptz '2026-01-02T00:00:00Z' + make_interval(secs => i / 10)
		FROM generate_series(0, $2::int - 1) AS i`, newDataset, n)
	h.exec(`INSERT INTO walkforward_run_metrics SELECT run_id, 'summary_metrics.' || e.key, e.value::text::float8 FROM walkforward_runs, jsonb_each(summary_metrics) AS e`)
	h.exec(`INSERT INTO simulation_runs (simulation_id, run_id, dataset_id, input_run_measurement, mode, summary_metrics, status, created_at)
		SELECT run_id, run_id, dataset_id, prediction_measurement, 'dual', summary_metrics, status, created_at FROM walkforward_runs`)
	h.exec(`INSERT INTO simulation_run_metrics SELECT * FROM walkforward_run_metrics`)
	h.exec(`ANALYZE`)
	for _, p := range []string{"/api/runs?metric=summary_metrics.n>=0&limit=1000", "/api/runs?metric=summary_metrics.n<5001&limit=10", "/api/simulations?limit=10&metric=summary_metrics.n%3C5001&offset=5005", "/api/simulations?limit=10&metric=summary_metrics.n%3C5000&offset=4005", "/api/simulations?limit=1000&search=analyst&sort=-summary_metrics.third"} {
		b := time.Now()
		res := h.plain("GET", p)
		fmt.Println(p, res.StatusCode, time.Since(b))
	}
	out, _ := exec.Command("sh", "-c", "for f in /work/next/.dev/test/*/postgres.log /var/tmp/*/test/*/postgres.log; do [ -f $f ] && cp $f /tmp/pg_$(echo $f | md5sum | cut -c1-6).log; done; ls -la /tmp/pg_*").CombinedOutput()
	fmt.Println(string(out))
}

func TestTmpExplain2(t *testing.T) {
	h := newHarness(t)
	const n = 5600
	h.store("/api/datasets", datasetBody(newDataset, "btc25_1"), 201)
	h.exec(`INSERT INTO walkforward_runs (run_id, dataset_id, prediction_measurement, target_column, requested_by, summary_metrics, status, created_at)
		SELECT ('0b000000-0000-4000-8000-' || lpad(i::text, 12, '0'))::uuid, $1, 'bulk_' || i, CASE WHEN i % 500 = 0 THEN 'rare' ELSE 'usual' END, 'analyst',
			jsonb_build_object('n', i, 'mod', i % 7) || CASE WHEN i % 3 = 0 THEN '{"third": 1.5}' ELSE '{}' END::jsonb, 'COMPLETED',
			timestamptz '2026-01-02T00:00:00Z' + make_interval(secs => i / 10)
		FROM generate_series(0, $2::int - 1) AS i`, newDataset, n)
	h.exec(`INSERT INTO simulation_runs (simulation_id, run_id, dataset_id, input_run_measurement, mode, summary_metrics, status, created_at)
		SELECT run_id, run_id, dataset_id, prediction_measurement, 'dual', summary_metrics, status, created_at FROM walkforward_runs`)
	h.exec(`ANALYZE`)
	show := func(sql string) {
		rows, err := h.db.Pool.Query(t.Context(), "EXPLAIN "+sql)
		if err != nil { t.Fatal(err) }
		for rows.Next() { var s string; rows.Scan(&s); fmt.Println(s) }
		fmt.Println()
	}
	show(`SELECT s.* FROM simulation_runs s JOIN walkforward_runs r ON s.run_id = r.run_id JOIN indicator_datasets d ON s.dataset_id = d.dataset_id WHERE NOT EXISTS (SELECT FROM generate_subscripts('{a}'::text[], 1) AS i WHERE ('{t}'::boolean[])[i] <> EXISTS (SELECT FROM simulation_run_metrics m WHERE m.simulation_id = s.simulation_id AND m.key = ('{a}'::text[])[i])) ORDER BY s.created_at DESC, s.simulation_id LIMIT 51`)
	show(`SELECT s.* FROM simulation_runs s JOIN walkforward_runs r ON s.run_id = r.run_id JOIN indicator_datasets d ON s.dataset_id = d.dataset_id WHERE NOT EXISTS (SELECT FROM generate_subscripts('{a}'::text[], 1) AS i WHERE ('{t}'::boolean[])[i] <> EXISTS (SELECT FROM simulation_run_metrics m WHERE m.simulation_id = s.simulation_id AND m.key = ('{a}'::text[])[i]) OFFSET 0) ORDER BY s.created_at DESC, s.simulation_id LIMIT 51`)
	show(`SELECT s.* FROM simulation_runs s JOIN walkforward_runs r ON s.run_id = r.run_id JOIN indicator_datasets d ON s.dataset_id = d.dataset_id WHERE (SELECT coalesce(bool_and(('{t}'::boolean[])[i] = EXISTS (SELECT FROM simulation_run_metrics m WHERE m.simulation_id = s.simulation_id AND m.key = ('{a}'::text[])[i])), true) FROM generate_subscripts('{a}'::text[], 1) AS i) ORDER BY s.created_at DESC, s.simulation_id LIMIT 51`)
}
