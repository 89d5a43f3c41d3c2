package api_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"foldbook/internal/testdb"
)

// More rows than a search looks at one by one are walked in their order: both ways find the same.
func TestSearchBothPlans(t *testing.T) {
	t.Parallel()
	testdb.Slow(t)
	h := newHarness(t)
	const n = 5600
	h.store("/api/datasets", datasetBody(newDataset, "btc25_1"), 201)
	h.exec(`INSERT INTO walkforward_runs (run_id, dataset_id, prediction_measurement, target_column, requested_by, summary_metrics, status, created_at)
		SELECT ('0b000000-0000-4000-8000-' || lpad(i::text, 12, '0'))::uuid, $1, 'bulk_' || i, CASE WHEN i % 500 = 0 THEN 'rare' ELSE 'usual' END, 'analyst',
			jsonb_build_object('n', i, 'mod', i % 7) || CASE WHEN i % 3 = 0 THEN '{"third": 1.5}' ELSE '{}' END::jsonb, 'COMPLETED',
			timestamptz '2026-01-02T00:00:00Z' + make_interval(secs => i / 10)
		FROM generate_series(0, $2::int - 1) AS i`, newDataset, n)
	h.exec(`INSERT INTO walkforward_run_metrics SELECT run_id, 'status' || chr(1) || '=' || status, 0, created_at FROM walkforward_runs`)
	h.exec(`INSERT INTO walkforward_run_metrics SELECT run_id, 'summary_metrics.' || e.key, e.value::text::float8, created_at FROM walkforward_runs, jsonb_each(summary_metrics) AS e`)
	h.exec(`INSERT INTO simulation_runs (simulation_id, run_id, dataset_id, input_run_measurement, mode, summary_metrics, status, created_at)
		SELECT run_id, run_id, dataset_id, prediction_measurement, 'dual', summary_metrics, status, created_at FROM walkforward_runs`)
	h.exec(`INSERT INTO simulation_run_metrics SELECT * FROM walkforward_run_metrics`)
	h.exec(`ANALYZE`)

	base := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	rows := make([]*stored, n)
	for i := range rows {
		target := "usual"
		if i%500 == 0 {
			target = "rare"
		}
		rows[i] = &stored{
			id: fmt.Sprintf("0b000000-0000-4000-8000-%012d", i), created: base.Add(time.Duration(i/10) * time.Second),
			attrs:   map[string]string{"dataset_id": newDataset, "status": "COMPLETED"},
			texts:   []string{fmt.Sprintf("%s bulk_%d analyst", target, i)},
			numbers: map[string]float64{"summary_metrics.n": float64(i), "summary_metrics.mod": float64(i % 7)},
		}
		if i%3 == 0 {
			rows[i].numbers["summary_metrics.third"] = 1.5
		}
	}
	wide := condition{"summary_metrics.n", ">=", 0, nil}
	narrow := condition{"summary_metrics.n", "<", 120, nil}
	mod := condition{"summary_metrics.mod", "=", 3, nil}
	third := condition{"summary_metrics.third", "exists", 0, nil}
	for name, q := range map[string]*question{
		"all, wide":                   {conditions: []condition{wide}},
		"just too many":               {conditions: []condition{{"summary_metrics.n", "<", 5001, nil}}},
		"just few enough":             {conditions: []condition{{"summary_metrics.n", "<", 5000, nil}}},
		"narrow":                      {conditions: []condition{narrow}},
		"wide and narrow":             {conditions: []condition{wide, {"summary_metrics.mod", "<=", 6, nil}, narrow, mod}},
		"wide, not selective":         {conditions: []condition{wide, {"summary_metrics.mod", "!=", 3, nil}, {"summary_metrics.third", "missing", 0, nil}}},
		"wide text":                   {search: "USUAL"},
		"wide text and narrow":        {search: "bulk", conditions: []condition{narrow}},
		"narrow text":                 {search: "rare", conditions: []condition{wide}},
		"text with a sort":            {search: "analyst", sort: "summary_metrics.third", descending: true},
		"wide with a sort":            {conditions: []condition{wide}, sort: "summary_metrics.mod", descending: true},
		"wide with a sort, missing":   {conditions: []condition{wide, {"summary_metrics.mod", ">=", 5, nil}}, sort: "summary_metrics.third"},
		"narrow with a sort, missing": {conditions: []condition{narrow}, sort: "summary_metrics.third"},
		"sorted by its filter":        {conditions: []condition{wide, mod}, sort: "summary_metrics.n", descending: true},
		"status and sort":             {attrs: map[string]string{"status": "COMPLETED"}, sort: "summary_metrics.third", conditions: []condition{third}},
		"nothing":                     {conditions: []condition{wide, {"summary_metrics.n", "<", 0, nil}}},
		"many filters": {conditions: []condition{
			wide, {"summary_metrics.mod", "<=", 5, nil}, {"summary_metrics.mod", "!=", 2, nil}, {"summary_metrics.none", "missing", 0, nil}, {"summary_metrics.third", "missing", 0, nil},
		}},
		"many filters and a status": {attrs: map[string]string{"status": "COMPLETED"}, conditions: []condition{
			wide, {"summary_metrics.mod", "<=", 5, nil}, {"summary_metrics.mod", "!=", 2, nil}, {"summary_metrics.none", "missing", 0, nil}, {"summary_metrics.third", "exists", 0, nil},
		}},
	} {
		for _, k := range []kind{runKind, simulationKind} {
			want := q.answer(rows)
			size := 1000
			if len(want) < 500 {
				size = 50
			}
			if diff := cmp.Diff(want, h.follow(k, k.path, q.query(), size, len(want))); diff != "" {
				t.Errorf("%s of %s by cursor (-want +got):\n%.2000s", name, k.name, diff)
			}
			query := q.query()
			query.Set("limit", "5000")
			if older, total := h.olderIDs(k, k.older+"?"+query.Encode()); total != fmt.Sprint(len(want)) || cmp.Diff(want[:min(5000, len(want))], older) != "" {
				t.Errorf("%s of %s in the older list: %d rows of %s, want %d, or another order", name, k.name, len(older), total, len(want))
			}
			query.Set("limit", "10")
			query.Set("offset", "5005")
			if p := h.page(k, k.path+"?"+query.Encode()); *p.total != float64(len(want)) || cmp.Diff(want[min(5005, len(want)):min(5015, len(want))], p.ids) != "" {
				t.Errorf("%s of %s at offset 5005: %v of %v", name, k.name, p.ids, *p.total)
			}
		}
	}
}

// A filter or an order that cannot be read is refused with the position, in characters from 1, of what is wrong.
func TestBadSearches(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.storeAll(1, 1)
	for _, tc := range []struct {
		parameter, value string
		at               int
	}{
		{"metric", "", 1}, {"metric", "pf_long>1", 1}, {"metric", "summary_metrics>1", 1}, {"metric", "folds.a>1", 1}, {"metric", " summary_metrics.a>1", 1},
		{"metric", "summary_metrics.>1", 17}, {"metric", "summary_metrics.a", 18}, {"metric", "summary_metrics.a exists x", 27}, {"metric", "summary_metrics.a>", 19},
		{"metric", "summary_metrics.a>x", 19}, {"metric", "summary_metrics.ü>x", 19}, {"metric", "summary_metrics.a>=1e999", 20}, {"metric", "summary_metrics.a>NaN", 19},
		{"metric", "summary_metrics.a>Infinity", 19}, {"metric", "summary_metrics.a>0x10", 19}, {"metric", "summary_metrics.a>1_000", 19}, {"metric", "summary_metrics.a>'1'", 19},
		{"metric", `summary_metrics.a>"1"`, 19}, {"metric", "summary_metrics.a>1 2", 19}, {"metric", "summary_metrics.a==1", 19}, {"metric", "summary_metrics.a=>1", 19},
		{"metric", "summary_metrics.a>01", 19}, {"metric", "summary_metrics.a>.5", 19}, {"metric", "summary_metrics.a>+1", 19}, {"metric", "summary_metrics.a>true", 19},
		{"metric", `summary_metrics."a>1`, 17}, {"metric", `summary_metrics."a"b>1`, 20}, {"metric", `summary_metrics."\x">1`, 17}, {"metric", `summary_metrics."">1`, 17},
		{"metric", "summary_metrics." + strings.Repeat("k", 1001) + ">1", 17}, {"metric", "summary_metrics.\xff>1", 17}, {"metric", "summary_metrics.\x00>1", 17},
		{"metric", "summary_metrics.a>1;DROP", 19},
		{"sort", "summary_metrics", 1}, {"sort", "-", 2}, {"sort", "--created_at", 2}, {"sort", "nothing", 1}, {"sort", "-summary_metrics.", 18}, {"sort", `summary_metrics."a"x`, 20},
		{"sort", "created_at,run_id", 11}, {"metric", "summary_metrics.a=1,2", 19}, {"metric", `summary_metrics.a="x" y`, 23}, {"metric", `summary_metrics.a="x`, 19}, {"sort", "summary_metrics.\x00", 17},
	} {
		for _, path := range []string{"/api/runs", "/api/walkforward/runs", "/api/simulations", "/api/tradesim/runs", "/api/datasets/" + newDataset + "/runs"} {
			res := h.plain(http.MethodGet, path+"?"+tc.parameter+"="+url.QueryEscape(tc.value))
			if body := readBody(t, res); res.StatusCode != 400 || !strings.Contains(body, fmt.Sprintf(`"message":"parameter %s at %d: `, tc.parameter, tc.at)) || !strings.Contains(body, `"code":"invalid_parameter"`) {
				t.Errorf("%s?%s=%q: %d %s, want 400 at %d", path, tc.parameter, tc.value, res.StatusCode, body, tc.at)
			}
		}
	}
	for _, tc := range []struct{ path, query string }{
		{"/api/runs", "metric=hyperparameters.a>1&metric=config.a>1"}, {"/api/simulations", "metric=hyperparameters.a>1"}, {"/api/simulations", "sort=walk_config.a"},
		{"/api/runs", "status=DONE"}, {"/api/runs", "status=COMPLETED,DONE"}, {"/api/runs", "run_id=x"}, {"/api/runs", "offset=10001"}, {"/api/walkforward/runs", "offset=900000"}, {"/api/runs", "count=maybe"}, {"/api/runs", "limit=-1"}, {"/api/runs", "limit=x"}, {"/api/runs", "offset=-1"},
		{"/api/runs", "search=" + strings.Repeat("x", 201)}, {"/api/runs", "search=%00"}, {"/api/runs", "search=%ff"}, {"/api/runs", "measurement=%ff"}, {"/api/simulations", "mode=both"},
		{"/api/simulations", "run_id=1"}, {"/api/simulations", "namespace=%00"}, {"/api/runs", "sort=created_at&sort=-created_at"},
	} {
		if res := h.get(tc.path + "?" + tc.query); res.StatusCode != 400 || !strings.Contains(readBody(t, res), `"code":"invalid_parameter"`) {
			t.Errorf("%s?%s: %d %s, want 400", tc.path, tc.query, res.StatusCode, readBody(t, res))
		}
	}
}
