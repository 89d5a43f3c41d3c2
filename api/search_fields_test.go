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

// Times and durations are searched and sorted as the metrics are, to the microsecond.
func TestSearchByFields(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.store("/api/datasets", datasetBody(newDataset, "btc25_1"), 201)
	ids := map[string][]string{}
	for i := range 6 {
		started := fmt.Sprintf(`"started_at": "2026-01-0%dT13:00:00.000001Z"`, 1+i)
		if i == 5 {
			started = `"started_at": null`
		}
		change := func(body string) string {
			return strings.NewReplacer(newRun, fmt.Sprintf("0b000000-0000-4000-8000-00000000001%d", i), newSim, fmt.Sprintf("0c000000-0000-4000-8000-00000000001%d", i),
				`"started_at": "2026-01-02T13:00:00Z"`, started, `"started_at": "2026-01-02T15:00:00Z"`, started, `"duration_ms": 465321`, fmt.Sprintf(`"duration_ms": %d`, 10*(5-i))).Replace(body)
		}
		h.store("/api/runs", change(runBody(1)), 201)
		h.store("/api/simulations", change(simulationBody(1)), 201)
		ids["runs"] = append(ids["runs"], fmt.Sprintf("0b000000-0000-4000-8000-00000000001%d", i))
		ids["simulations"] = append(ids["simulations"], fmt.Sprintf("0c000000-0000-4000-8000-00000000001%d", i))
	}
	for _, tc := range []struct {
		query string
		want  []int
	}{
		{"sort=started_at", []int{0, 1, 2, 3, 4, 5}},
		{"sort=-started_at", []int{4, 3, 2, 1, 0, 5}},
		{"sort=-started_at&metric=started_at<2026-01-03T13:00:00.000001Z", []int{1, 0}},
		{"sort=started_at&metric=started_at>=2026-01-03T13:00:00.000001Z", []int{2, 3, 4}},
		{"sort=started_at&metric=started_at>=2026-01-03T13:00:00.000001Z&metric=started_at<=1767531600000.001", []int{2, 3}},
		{"metric=started_at missing", []int{5}},
		{"sort=started_at&metric=started_at!=2026-01-03T13:00:00.000001Z", []int{0, 1, 3, 4}},
		{"sort=started_at&metric=created_at>=2020-01-01T00:00:00Z&metric=completed_at exists", []int{0, 1, 2, 3, 4, 5}},
		{"metric=created_at<2020-01-01T00:00:00Z", nil},
		// data-rules.md, Times: a filter reads what every other door does.
		{"sort=started_at&metric=started_at>=2026-01-03 13:00&metric=started_at<2026-01-04", []int{2}},
		{"sort=started_at&metric=started_at>=2026-01-03T14:00:00.000001+01:00&metric=started_at>0", []int{2, 3, 4}},
		{"sort=duration_ms&metric=duration_ms>10", []int{3, 2, 1, 0}},
		{"sort=-duration_ms&metric=duration_ms<=10", []int{4, 5}},
	} {
		for _, k := range []kind{runKind, simulationKind} {
			if k.name == "simulations" && strings.Contains(tc.query, "duration") {
				continue
			}
			query := url.Values{}
			for part := range strings.SplitSeq(tc.query, "&") {
				name, value, _ := strings.Cut(part, "=")
				query.Add(name, value)
			}
			want := []string{}
			for _, i := range tc.want {
				want = append(want, ids[k.name][i])
			}
			if diff := cmp.Diff(want, h.follow(k, k.path, query, 1, len(want))); diff != "" {
				t.Errorf("%s?%s (-want +got):\n%s", k.path, tc.query, diff)
			}
			older, _ := h.olderIDs(k, k.older+"?"+query.Encode())
			if !slices.Equal(want, older) {
				t.Errorf("%s?%s: %v, want %v", k.older, tc.query, older, want)
			}
		}
	}
	h.send(http.MethodPatch, "/api/runs/"+ids["runs"][5], `{"started_at": "2027-01-01T00:00:00Z", "duration_ms": 5000}`)
	for _, filter := range []string{"started_at>2026-12-31T00:00:00Z", "duration_ms=5000"} {
		if got := h.page(runKind, "/api/runs?metric="+url.QueryEscape(filter)).ids; !slices.Equal(got, ids["runs"][5:]) {
			t.Errorf("%s: %v", filter, got)
		}
	}
	for path, at := range map[string]int{
		"/api/simulations?metric=duration_ms>1": 1, "/api/runs?metric=started>1": 1, "/api/runs?metric=started_at>yesterday": 12, "/api/runs?metric=started_at>20260103": 12, "/api/runs?metric=created_at>=1767448800": 13,
		"/api/runs?metric=duration_ms>2026-01-01T00:00:00Z": 13,
		"/api/runs?sort=started_at,run_id":                  11, "/api/runs?metric=started_at": 11, "/api/runs?metric=summary_metrics.x_at>2026-01-01T00:00:00Z": 22,
	} {
		res := h.get(path)
		if text := readBody(t, res); res.StatusCode != 400 || !strings.Contains(text, fmt.Sprintf(" at %d: ", at)) {
			t.Errorf("%s: %d %s, want 400 at %d", path, res.StatusCode, text, at)
		}
	}
}

// A key that no index can take is stored all the same; it only cannot be searched.
func TestLongKeys(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.storeAll(1, 1)
	long := strings.Repeat("k", 5000)
	for path, id := range map[string]string{"/api/runs": newRun, "/api/simulations": newSim} {
		if status, a := h.send(http.MethodPatch, path+"/"+id, fmt.Sprintf(`{"summary_metrics": {%q: 1.5, "short": 2}}`, long)); status != 200 {
			t.Errorf("%s: %d %v", path, status, a)
		}
		if got := h.object(path + "/" + id)["summary_metrics"].(map[string]any); got[long] != 1.5 {
			t.Errorf("%s: the long key is %v", path, got[long])
		}
	}
	if got := h.page(runKind, "/api/runs?metric=summary_metrics.short%3D2").ids; !slices.Equal(got, []string{newRun}) {
		t.Errorf("%v", got)
	}
}
