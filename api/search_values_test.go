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

// withRuns stores a dataset of each of two symbols and a run of each body; the runs are named r0, r1, … in the order of their bodies.
func withRuns(h *harness, bodies ...string) {
	h.t.Helper()
	for i, slug := range []string{"btc25_1", "eth25_1"} {
		id := fmt.Sprintf("0a000000-0000-4000-8000-00000000000%d", i+1)
		h.store("/api/datasets", fmt.Sprintf(`{"dataset_id": %q, "dataset_slug": %q, "symbol": %q}`, id, slug, strings.ToUpper(slug[:3])), 201)
	}
	for i, body := range bodies {
		h.store("/api/runs", fmt.Sprintf(`{"run_id": %q, "dataset_id": "0a000000-0000-4000-8000-00000000000%d", "prediction_measurement": "m%d", %s}`, runID(i), 1+i%2, i, body), 201)
		h.store("/api/simulations", fmt.Sprintf(`{"simulation_id": %q, "run_id": %q, "dataset_id": "0a000000-0000-4000-8000-00000000000%d", "mode": "long", %s}`,
			simID(i), runID(i), 1+i%2, strings.Replace(body, "hyperparameters", "config", 1)), 201)
	}
}

func runID(i int) string { return fmt.Sprintf("0b000000-0000-4000-8000-0000000000%02d", i) }
func simID(i int) string { return fmt.Sprintf("0c000000-0000-4000-8000-0000000000%02d", i) }

// found lists what a query finds, by number, and the warnings.
func (h *harness) found(path string, query ...string) (numbers string, warnings []any) {
	h.t.Helper()
	q := url.Values{}
	for _, pair := range query {
		name, value, _ := strings.Cut(pair, "=")
		q.Add(name, value)
	}
	answer := h.object(path + "?" + q.Encode())
	for _, key := range []string{"runs", "simulations"} {
		rows, _ := answer[key].([]any)
		for _, row := range rows {
			id, _ := row.(map[string]any)[strings.TrimSuffix(key, "s")+"_id"].(string)
			numbers += strings.TrimLeft(id[len(id)-2:], "0") + " "
		}
	}
	warnings, _ = answer["warnings"].([]any)
	return strings.TrimSpace(numbers), warnings
}

// total is how many a query finds, counted for a page of none.
func (h *harness) total(path string, query ...string) int {
	h.t.Helper()
	q := url.Values{"limit": {"0"}}
	for _, pair := range query {
		name, value, _ := strings.Cut(pair, "=")
		q.Add(name, value)
	}
	n, _ := h.object(path + "?" + q.Encode())["total"].(float64)
	return int(n)
}

// data-rules.md, Filters and sorting: nested keys, texts, sets, and what a search that finds nothing says.
func TestFilters(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	withRuns(h, `"status": "RUNNING"`, // has the number 00 and is in no answer below
		`"status": "COMPLETED", "hyperparameters": {"model": "ridge", "n_estimators": "100"}, "summary_metrics": {"long": {"pf": 1.5}, "pf": 3}`,
		`"status": "FAILED", "hyperparameters": {"model": "lasso, elastic", "gpu": true}, "summary_metrics": {"long": {"pf": 0.5}, "pf": 1}`,
		`"status": "COMPLETED", "hyperparameters": {"model": "lasso", "n_estimators": "9"}, "summary_metrics": {"long": {"pf": 2.5}, "pf": 2}`)
	for _, tc := range []struct{ query, runs, warning string }{
		{"metric=summary_metrics.long.pf>1", "1 3", ""},
		{"metric=hyperparameters.model=ridge", "1", ""},
		{"metric=hyperparameters.model=ridge,lasso", "1 3", ""},
		{`metric=hyperparameters.model="lasso, elastic",ridge`, "1 2", ""},
		{"metric=hyperparameters.model!=lasso", "1 2", ""},
		{"metric=hyperparameters.gpu=true", "2", ""},
		{"metric=hyperparameters.gpu exists", "2", ""},
		{"metric=hyperparameters.model missing&status=RUNNING", "", "-"}, // 00
		{`metric=hyperparameters.n_estimators="100"`, "1", ""},
		{"metric=hyperparameters.n_estimators>10", "", "hyperparameters.n_estimators is a text wherever there is one"},
		{"metric=summary_metrics.pf=high", "", "summary_metrics.pf is a number wherever there is one"},
		{"metric=summary_metrics.no.such>0", "", "has summary_metrics.no.such"},
		{"metric=summary_metrics.pf>99", "", ""},
		{"status=COMPLETED,FAILED", "3 2 1", ""},
		{"status=FAILED&symbol=ETH", "", ""},
		{"symbol=ETH", "3 1", ""},
		{"symbol=ETH,BTC&status=COMPLETED,FAILED", "3 2 1", ""},
		{"dataset_slug=eth25_1", "3 1", ""},
		{"dataset_id=eth25_1", "3 1", ""},
		{"dataset_id=eth25_1,0a000000-0000-4000-8000-000000000001&status=FAILED", "2", ""},
		{"dataset_slug=none", "", ""},
		{"run_id=" + runID(1) + "," + runID(2), "2 1", ""},
		{"run_id=" + runID(1) + "," + runID(2) + "&metric=summary_metrics.pf>2", "1", ""},
		{"run_id=" + runID(1) + "," + runID(2) + "&metric=summary_metrics.pf=2", "", ""},
		{"run_id=" + runID(9), "", ""},
		{"sort=summary_metrics.pf&metric=summary_metrics.pf exists", "2 3 1", ""},
		{"sort=-summary_metrics.long.pf&metric=summary_metrics.pf exists", "3 1 2", ""},
		{"sort=hyperparameters.model&status=COMPLETED,FAILED", "3 2 1", ""},
		{"sort=-hyperparameters.model&status=COMPLETED,FAILED", "1 2 3", ""},
		{"sort=created_at&status=COMPLETED,FAILED", "1 2 3", ""},
		{"sort=status&status=COMPLETED,FAILED", "1 3 2", ""},
		{"sort=-status&status=COMPLETED,FAILED", "2 3 1", ""},
		{"sort=summary_metrics.nope&status=COMPLETED", "3 1", "has summary_metrics.nope"},
	} {
		for _, path := range []string{"/api/runs", "/api/simulations"} {
			query := strings.Split(tc.query, "&")
			if path == "/api/simulations" {
				for i := range query {
					query[i] = strings.ReplaceAll(query[i], "hyperparameters", "config")
				}
			}
			got, warnings := h.found(path, query...)
			want := strings.Fields(tc.runs)
			if total := h.total(path, query...); tc.warning != "-" && total != len(want) {
				t.Errorf("%s?%s: total %d, want %d", path, tc.query, total, len(want))
			}
			sorted := strings.HasPrefix(tc.query, "sort=")
			fields := strings.Fields(got)
			if !sorted {
				slices.Sort(want)
				slices.Sort(fields)
			}
			if diff := cmp.Diff(want, fields); diff != "" && len(want)+len(fields) > 0 {
				t.Errorf("%s?%s (-want +got):\n%s", path, tc.query, diff)
			}
			warning := strings.ReplaceAll(tc.warning, "hyperparameters", "config")
			if path == "/api/runs" {
				warning = tc.warning
			}
			if said := fmt.Sprint(warnings...); warning != "-" && (warning == "") != (said == "") || warning != "-" && !strings.Contains(said, warning) {
				t.Errorf("%s?%s: warnings %v, want %q", path, tc.query, warnings, warning)
			}
		}
	}
}

// A list is paged through in the order of a text, to both ends, with every page's cursor.
func TestSortByText(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	bodies := []string{}
	for i := range 9 {
		by := fmt.Sprintf(`"requested_by": "p%d"`, i/3)
		if i%3 == 2 {
			by = `"hyperparameters": {"big": "` + strings.Repeat("x", 300+i) + `"}`
		}
		bodies = append(bodies, `"status": "COMPLETED", "target_column": "`+string(rune('a'+(i*4)%9))+`", `+by)
	}
	withRuns(h, bodies...)
	for sort, want := range map[string]string{
		"target_column": "0 7 5 3 1 8 6 4 2", "-target_column": "2 4 6 8 1 3 5 7 0", "prediction_measurement": "0 1 2 3 4 5 6 7 8",
		"requested_by": "0 1 3 4 6 7 8 5 2", "-requested_by": "7 6 4 3 1 0 8 5 2", "created_at": "0 1 2 3 4 5 6 7 8",
		"hyperparameters.big": "2 5 8 7 6 4 3 1 0",
	} {
		for _, size := range []int{1, 2, 100} {
			ids := h.follow(runKind, "/api/runs", url.Values{"sort": {sort}}, size, 9)
			got := ""
			for _, id := range ids {
				got += id[len(id)-1:] + " "
			}
			if strings.TrimSpace(got) != want {
				t.Errorf("sort=%s, pages of %d: %s, want %s", sort, size, got, want)
			}
		}
	}
}

// data-rules.md, Filters and sorting: search= ignores the case of any script, whatever the locale of the database.
func TestSearchInAnyCase(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.store("/api/datasets", fmt.Sprintf(`{"dataset_id": %q, "dataset_slug": "ÉTÉ_25", "symbol": "Δοκιμή"}`, newDataset), 201)
	h.store("/api/runs", fmt.Sprintf(`{"run_id": %q, "dataset_id": %q, "prediction_measurement": "ÄÖÜ-Тест", "target_column": "ΟΔΟΣ_50%%"}`, newRun, newDataset), 201)
	h.store("/api/simulations", fmt.Sprintf(`{"simulation_id": %q, "run_id": %q, "dataset_id": %q, "mode": "long", "questdb_namespace": "ŁÓDŹ"}`, newSim, newRun, newDataset), 201)
	for _, text := range []string{"äöü", "ÄÖÜ", "тест", "ТЕСТ", "Тест", "été", "οδος", "ΟΔΟΣ", "οδοσ_50%", "ΔΟΚΙΜΉ"} {
		for _, path := range []string{"/api/runs", "/api/simulations", "/api/datasets/" + newDataset + "/runs"} {
			if n := h.object(path + "?search=" + url.QueryEscape(text))["total"]; n != 1.0 {
				t.Errorf("%s?search=%s finds %v", path, text, n)
			}
		}
	}
	for path, text := range map[string]string{"/api/datasets": "δοκιμή", "/api/simulations": "łódź"} {
		if n := h.object(path + "?search=" + url.QueryEscape(text))["total"]; n != 1.0 {
			t.Errorf("%s?search=%s finds %v", path, text, n)
		}
	}
	if n := h.object("/api/runs?search=" + url.QueryEscape("test"))["total"]; n != 0.0 {
		t.Errorf("a Latin text finds %v", n)
	}
}

// A slug works in the place of an id on every route of a dataset.
func TestSlugForID(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	const slug = "btc/25 1"
	h.store("/api/datasets", fmt.Sprintf(`{"dataset_id": %q, "dataset_slug": %q}`, newDataset, slug), 201)
	h.store("/api/runs", runBody(1), 201)
	for _, path := range []string{"/api/datasets/%s", "/api/datasets/%s/runs", "/api/datasets/%s/manifest", "/api/indicators/datasets/%s"} {
		byID, bySlug := readBody(t, h.get(fmt.Sprintf(path, newDataset))), readBody(t, h.get(fmt.Sprintf(path, url.PathEscape(slug))))
		if byID != bySlug || !strings.Contains(byID, newDataset) {
			t.Errorf("%s: by id %s, by slug %s", path, byID, bySlug)
		}
	}
	// In a body, too.
	inBody := strings.NewReplacer(`"dataset_id": "`+newDataset+`"`, `"dataset_id": "`+slug+`"`)
	h.store("/api/runs", inBody.Replace(runBody(1)), 200)
	h.store("/api/simulations", inBody.Replace(simulationBody(1)), 201)
	for _, path := range []string{"/api/runs/" + newRun, "/api/simulations/" + newSim} {
		if body := readBody(t, h.get(path)); !strings.Contains(body, `"dataset_id":"`+newDataset+`"`) {
			t.Errorf("%s: %s", path, body)
		}
	}
	if inBody.Replace(runBody(1)) == runBody(1) || inBody.Replace(simulationBody(1)) == simulationBody(1) {
		t.Error("the bodies have no dataset_id")
	}
	status, a := h.send(http.MethodPost, "/api/runs", strings.Replace(runBody(1), newDataset, "none", 1))
	if status != 409 || a["code"] != "unknown_dataset" || a["message"] != "dataset_id: there is no dataset with the slug none" {
		t.Errorf("%d %v", status, a)
	}
	if res := h.get("/api/datasets/none/runs"); res.StatusCode != 404 || !strings.Contains(readBody(t, res), "dataset none does not exist") {
		t.Errorf("%d", res.StatusCode)
	}
	if status, a := h.send(http.MethodDelete, "/api/datasets/"+url.PathEscape(slug)+"?cascade=true", ""); status != 200 || a["id"] != newDataset {
		t.Errorf("DELETE: %d %v", status, a)
	}
}

// A page of no rows says how many there are.
func TestLimitZero(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.storeAll(2, 3)
	for path, name := range map[string]string{
		"/api/datasets": "datasets", "/api/runs": "runs", "/api/simulations": "simulations", "/api/datasets/" + newDataset + "/runs": "runs",
		"/api/simulations/" + newSim + "/trades": "trades", "/api/runs?metric=summary_metrics.pf_long>1": "runs", "/api/runs?sort=summary_metrics.pf_long": "runs",
	} {
		separator := "?"
		if strings.Contains(path, "?") {
			separator = "&"
		}
		p := h.page(kind{name: name}, path+separator+"limit=0")
		want := 1.0
		if name == "trades" {
			want = 3
		}
		if len(p.ids) != 0 || p.total == nil || *p.total != want {
			t.Errorf("GET %s with limit=0: %d rows, total %v, want %v", path, len(p.ids), *p.total, want)
		}
	}
}
