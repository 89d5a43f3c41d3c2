package api_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// data-rules.md, Filters and sorting: lists are sorted by every column, up and down, also within a filter of the same column, and by what
// belongs to the dataset, whatever that is called later.
func TestSortByEveryColumn(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	var runs, simulations []string
	for i, status := range []string{"FAILED", "COMPLETED", "CANCELLED", "COMPLETED"} {
		dataset, slug := fmt.Sprintf("0a000000-0000-4000-8000-00000000001%d", i), string("bdac"[i])
		h.store("/api/datasets", fmt.Sprintf(`{"dataset_id": %q, "dataset_slug": %q, "symbol": "S%d"}`, dataset, slug, i%2), 201)
		run, simulation := fmt.Sprintf("0b000000-0000-4000-8000-00000000001%d", i), fmt.Sprintf("0c000000-0000-4000-8000-00000000001%d", i)
		change := strings.NewReplacer(newDataset, dataset, newRun, run, newSim, simulation, `"COMPLETED"`, `"`+status+`"`)
		h.store("/api/runs", change.Replace(runBody(4-i)), 201)
		h.store("/api/simulations", change.Replace(simulationBody(1)), 201)
		runs, simulations = append(runs, run), append(simulations, simulation)
	}
	pick := func(ids []string, order ...int) []string {
		picked := []string{}
		for _, i := range order {
			picked = append(picked, ids[i])
		}
		return picked
	}
	check := func(query string, order ...int) {
		t.Helper()
		for _, k := range []kind{runKind, simulationKind} {
			ids := runs
			if k.name == "simulations" {
				ids = simulations
				if strings.Contains(query, "fold_count") {
					continue
				}
			}
			values, _ := url.ParseQuery(query)
			if diff := cmp.Diff(pick(ids, order...), h.follow(k, k.path, values, 1, len(order))); diff != "" {
				t.Errorf("%s?%s (-want +got):\n%s", k.path, query, diff)
			}
		}
	}
	check("sort=dataset_slug", 2, 0, 3, 1)
	check("sort=-dataset_slug", 1, 3, 0, 2)
	check("sort=symbol", 0, 2, 1, 3)
	check("sort=fold_count", 3, 2, 1, 0)
	check("sort=-fold_count&status=COMPLETED", 1, 3)
	check("metric=fold_count>=3&sort=fold_count", 1, 0)
	check("sort=status", 2, 1, 3, 0)
	check("sort=status&status=FAILED", 0)
	check("sort=-status&status=FAILED,CANCELLED", 0, 2)
	check("sort=-dataset_slug&dataset_slug=a,c", 3, 2)
	check("sort=-symbol&symbol=S1&status=COMPLETED", 3, 1)
	check("sort=dataset_slug&dataset_id=0a000000-0000-4000-8000-000000000010,d", 0, 1)
	check("dataset_id=0a000000-0000-4000-8000-000000000010&dataset_slug=c")
	check("dataset_id=0a000000-0000-4000-8000-0000000000ff")
	if got := h.follow(simulationKind, simulationKind.path, url.Values{"sort": {"-run_id"}}, 1, 4); !slices.Equal(got, pick(simulations, 3, 2, 1, 0)) {
		t.Errorf("by run: %v", got)
	}
	// A dataset that is renamed is found under its new name.
	if status, a := h.send(http.MethodPut, "/api/datasets/0a000000-0000-4000-8000-000000000012", `{"dataset_id": "0a000000-0000-4000-8000-000000000012", "dataset_slug": "z", "symbol": "S9"}`); status != 200 {
		t.Fatalf("%d %v", status, a)
	}
	check("sort=dataset_slug", 0, 3, 1, 2)
	check("sort=-symbol&status=CANCELLED,FAILED", 2, 0)
	check("dataset_slug=a")
	check("dataset_slug=z", 2)
	// Folds that come later are counted.
	h.store("/api/runs/"+runs[3]+"/folds?force=true", strings.ReplaceAll("["+foldBody(7)+","+foldBody(8)+","+foldBody(9)+","+foldBody(10)+"]", newRun, runs[3]), 200)
	check("sort=-fold_count", 3, 0, 1, 2)
}

// Names that are longer than an index takes are told apart all the same.
func TestLongNames(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.storeAll(1, 1)
	long := strings.Repeat("ü", 501)
	for i, name := range []string{long + "a", long + "b"} {
		run := fmt.Sprintf("0b000000-0000-4000-8000-00000000001%d", i)
		h.store("/api/runs", strings.NewReplacer(newRun, run, `"requested_by": "analyst"`, fmt.Sprintf(`"requested_by": %q`, name)).Replace(runBody(1)), 201)
		if got := h.page(runKind, "/api/runs?requested_by="+url.QueryEscape(name)).ids; !slices.Equal(got, []string{run}) {
			t.Errorf("%d: %v", i, got)
		}
	}
}

// A fold that is added rewrites the number of folds of what searches compare, and none of the run's metrics.
func TestFoldsLeaveMetricsAlone(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.storeAll(1, 1)
	var metrics []string
	for i := range 50 {
		metrics = append(metrics, fmt.Sprintf(`"m%d": %d`, i, i))
	}
	if status, a := h.send(http.MethodPatch, "/api/runs/"+newRun, `{"summary_metrics": {`+strings.Join(metrics, ",")+`}}`); status != 200 {
		t.Fatalf("%d %v", status, a)
	}
	written := func() (rows map[string]string) {
		t.Helper()
		if err := h.db.Pool.QueryRow(t.Context(), `SELECT jsonb_object_agg(key, xmin::text) FROM walkforward_run_metrics WHERE run_id = $1 AND key <> 'fold_count'`, newRun).Scan(&rows); err != nil {
			t.Fatal(err)
		}
		return rows
	}
	before := written()
	for i := range 5 {
		h.store("/api/runs/"+newRun+"/folds?force=true", "["+foldBody(10+i)+"]", 200)
	}
	if diff := cmp.Diff(before, written()); len(before) < 60 || diff != "" {
		t.Errorf("%d rows; those that were written again (-before +after):\n%s", len(before), diff)
	}
}
