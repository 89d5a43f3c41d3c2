package api_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// with adds members to a record of a body.
func withMembers(body, members string) string {
	return strings.Replace(body, `"status": "COMPLETED"`, `"status": "COMPLETED", `+members, 1)
}

func pickMembers(from map[string]any, names ...string) map[string]any {
	picked := map[string]any{}
	for _, name := range names {
		picked[name] = from[name]
	}
	return picked
}

// data-rules.md, Names, tags and notes: what a person says of a record outlives the next export, and is removed by an empty value alone.
func TestIdentity(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.storeAll(2, 1)
	shared := []string{"name", "tags", "notes", "initial_capital", "cost_model"}
	lineage := []string{"parent_run_id", "search_id", "git_commit", "target_horizon_bars"}
	given := map[string]any{"name": "ridge ÄÖ", "tags": []any{"base line", "b"}, "notes": "# Why\n*slow*", "initial_capital": 1000.5, "cost_model": map[string]any{"fee_bps": 5.0},
		"parent_run_id": newSim, "search_id": "sweep", "git_commit": "9c1185a", "target_horizon_bars": 4.0}
	body := `"name": "ridge ÄÖ", "tags": [" base line", "b", "b"], "notes": "# Why\n*slow*", "initial_capital": 1000.5, "cost_model": {"fee_bps": 5}`
	more := `, "parent_run_id": "` + newSim + `", "search_id": "sweep", "git_commit": "9c1185a", "target_horizon_bars": 4`
	none := `"name": "", "tags": [], "notes": "", "initial_capital": 0, "cost_model": {}`
	noMore := `, "parent_run_id": "", "search_id": "", "git_commit": "", "target_horizon_bars": 0`
	for _, k := range []struct {
		path, older, body, members, empty string
		names                             []string
	}{
		{"/api/runs", "/api/walkforward/runs", runBody(2), body + more, none + noMore, append(lineage, shared...)},
		{"/api/simulations", "/api/tradesim/runs", simulationBody(1), body, none, shared},
	} {
		id := map[string]string{"/api/runs": newRun, "/api/simulations": newSim}[k.path]
		is := func(what string, want map[string]any) {
			t.Helper()
			if diff := cmp.Diff(pickMembers(want, k.names...), pickMembers(h.object(k.path+"/"+id), k.names...)); diff != "" {
				t.Errorf("%s, %s (-want +got):\n%s", k.path, what, diff)
			}
		}
		nothing := map[string]any{"tags": []any{}, "cost_model": map[string]any{}}
		is("as it is made", nothing)
		h.store(k.path, withMembers(k.body, k.members), 200)
		is("posted", given)
		h.store(k.path+"?replace=true", k.body, 200)
		is("exported again", given)
		for _, query := range []string{"name=ridge+%C3%84%C3%96", "tags=b,base+line", "search=RIDGE+%C3%A4", "search=slow", "search=SE+LIN", "metric=cost_model.fee_bps%3D5", "metric=initial_capital%3E1000"} {
			for _, list := range []string{k.path, k.older} {
				if text := readBody(t, h.get(list+"?"+query)); !strings.Contains(text, id) {
					t.Errorf("%s?%s does not find it: %.200s", list, query, text)
				}
			}
		}
		for _, query := range []string{"name=ridge", "tags=b,c", "search=fast"} {
			if text := readBody(t, h.get(k.path+"?"+query)); strings.Contains(text, id) {
				t.Errorf("%s?%s finds it", k.path, query)
			}
		}
		if status, a := h.send("PATCH", k.path+"/"+id, "{"+k.empty+"}"); status != 200 {
			t.Fatalf("%d %v", status, a)
		}
		is("removed", nothing)
		if status, a := h.send("PATCH", k.path+"/"+id, "{"+k.members+"}"); status != 200 {
			t.Fatalf("%d %v", status, a)
		}
		is("patched", given)
		for member, field := range map[string]string{
			`"tags": ["a,b"]`: "tags[0]", `"tags": ["a", ""]`: "tags[1]", `"tags": "a"`: "tags", `"name": "` + strings.Repeat("é", 201) + `"`: "name", `"cost_model": []`: "cost_model",
			`"initial_capital": -1`: "initial_capital", `"notes": "` + strings.Repeat("n", 20_001) + `"`: "notes", `"tags": ["` + strings.Join(strings.Split("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", ""), `","`) + `"]`: "tags",
		} {
			if status, a := h.send("PATCH", k.path+"/"+id, "{"+member+"}"); status != 400 || !strings.Contains(a["message"].(string), field) {
				t.Errorf("PATCH of %.40s: %d %v", member, status, a)
			}
			if status, _ := h.send("POST", k.path, withMembers(k.body, member)); status != 400 {
				t.Errorf("POST of %.40s: %d", member, status)
			}
		}
		is("refused", given)
	}
	for query, want := range map[string]bool{"search_id=sweep": true, "parent_run_id=" + newSim: true, "search_id=swee": false, "parent_run_id=" + newRun: false, "metric=target_horizon_bars%3E4": false} {
		if found := strings.Contains(readBody(t, h.get("/api/runs?"+query)), `"run_id":"`+newRun); found != want {
			t.Errorf("%s finds it: %v", query, found)
		}
	}
	if status, _ := h.send("PATCH", "/api/simulations/"+newSim, `{"search_id": "x"}`); status != 400 {
		t.Errorf("a simulation takes a search_id: %d", status)
	}
}

// Lists are sorted by what only some records have, which come first in both directions.
func TestSortByName(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.storeAll(0, 1)
	var ids []string
	for i, name := range []string{"b", "", "a", ""} {
		id := strings.Replace(newRun, "0b00000", "0b0000"+string("0123"[i]), 1)
		ids = append(ids, id)
		h.store("/api/runs", withMembers(strings.ReplaceAll(runBody(0), newRun, id), `"name": "`+name+`"`), map[bool]int{true: 200, false: 201}[id == newRun])
	}
	for order, want := range map[string][]int{"name": {2, 0, 3, 1}, "-name": {0, 2, 3, 1}} {
		var wanted []string
		for _, i := range want {
			wanted = append(wanted, ids[i])
		}
		if got := h.follow(runKind, "/api/runs", url.Values{"sort": {order}}, 1, 4); !slices.Equal(got, wanted) {
			t.Errorf("%s: %v, want %v", order, got, wanted)
		}
	}
}
