package api_test

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
)

// cursorList is a list that has cursors, and how a row gets into it behind the API's back, at any time of creation.
type cursorList struct {
	kind   kind
	path   string
	insert string // of a row with id $1, ticks $2 since some time; $3 is small and random
	remove string
}

const insertRun = `WITH run AS (
		INSERT INTO walkforward_runs (run_id, dataset_id, prediction_measurement, target_column, summary_metrics, status, created_at)
		VALUES ($1::uuid, '` + newDataset + `', 'm', 'TGT_' || $3::int, CASE WHEN $3::int < 4 THEN jsonb_build_object('x', $3::int) ELSE '{}' END, 'COMPLETED', to_timestamp(1767312000 + $2::int)) RETURNING run_id, created_at)
	INSERT INTO walkforward_run_metrics SELECT run_id, key, value, run.created_at FROM run, indicator_datasets AS d, LATERAL (VALUES
		('summary_metrics.x', $3::int), (text_key('status', 'COMPLETED'), 0), (text_key('dataset_slug', d.questdb_tag), 0)) AS v (key, value)
		WHERE d.dataset_id = '` + newDataset + `' AND value < 4`

const insertSimulation = `WITH run AS (
		INSERT INTO simulation_runs (simulation_id, run_id, dataset_id, mode, summary_metrics, status, created_at)
		VALUES ($1::uuid, '` + newRun + `', '` + newDataset + `', 'long', CASE WHEN $3::int < 4 THEN jsonb_build_object('x', $3::int) ELSE '{}' END, 'PENDING', to_timestamp(1767312000 + $2::int)) RETURNING simulation_id, created_at)
	INSERT INTO simulation_run_metrics SELECT simulation_id, key, value, created_at FROM run, (VALUES
		('summary_metrics.x', $3::int), (text_key('run_id', '` + newRun + `'), 0)) AS v (key, value) WHERE value < 4`

var cursorLists = []cursorList{
	{kind{name: "datasets", id: "dataset_id"}, "/api/datasets?search=sl", `INSERT INTO indicator_datasets (dataset_id, questdb_tag, symbol, created_at)
		VALUES ($1::uuid, 'slug' || $1::text, 'S' || $3::int, to_timestamp(1767312000 + $2::int))`, `DELETE FROM indicator_datasets WHERE dataset_id = $1`},
	{runKind, "/api/runs?count=none", insertRun, `DELETE FROM walkforward_runs WHERE run_id = $1`},
	{runKind, "/api/runs?search=tgt_&status=COMPLETED", insertRun, `DELETE FROM walkforward_runs WHERE run_id = $1`},
	{runKind, "/api/runs?sort=summary_metrics.x", insertRun, `DELETE FROM walkforward_runs WHERE run_id = $1`},
	{runKind, "/api/runs?sort=-summary_metrics.x&count=estimated", insertRun, `DELETE FROM walkforward_runs WHERE run_id = $1`},
	{runKind, "/api/datasets/" + newDataset + "/runs?sort=-summary_metrics.x&search=m", insertRun, `DELETE FROM walkforward_runs WHERE run_id = $1`},
	{simulationKind, "/api/simulations?run_id=" + newRun, insertSimulation, `DELETE FROM simulation_runs WHERE simulation_id = $1`},
	{simulationKind, "/api/runs/" + newRun + "/simulations?count=none", insertSimulation, `DELETE FROM simulation_runs WHERE simulation_id = $1`},
	{simulationKind, "/api/simulations?sort=-summary_metrics.x", insertSimulation, `DELETE FROM simulation_runs WHERE simulation_id = $1`},
	{kind{name: "trades", id: "trade_id"}, "/api/simulations/" + newSim + "/trades?count=none", `INSERT INTO simulation_trades (simulation_id, trade_id, bar_timestamp, side, size, entry_price)
		VALUES ('` + newSim + `', $1::uuid, to_timestamp(1767312000 + $2::int), CASE WHEN $3::int < 4 THEN 'long' ELSE 'short' END, 1, 1)`, `DELETE FROM simulation_trades WHERE trade_id = $1`},
}

// Whoever follows the cursors of a list meets each row that was there at the start once, and none twice, whatever is
// stored and removed on the way: before, behind and beside the place of the reader.
func TestCursorsMeetEachRowOnce(t *testing.T) {
	t.Parallel()
	for i, list := range cursorLists {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			h := newHarness(t)
			h.storeAll(1, 1)
			r := rand.New(rand.NewPCG(uint64(i), 9))
			ids := readerOf{r}
			insert := func() string {
				id := uuid.Must(uuid.NewRandomFromReader(ids)).String()
				h.exec(list.insert, id, r.IntN(4), r.IntN(6)) // four times of creation among all
				return id
			}
			for range 60 {
				insert()
			}
			for _, size := range []int{1, 2, 7, 50} {
				base := list.path
				if !strings.Contains(base, "?") {
					base += "?"
				}
				path := fmt.Sprintf("%s&limit=%d", base, size)
				seen := map[string]int{}
				before := h.page(list.kind, base+"&limit=1000").ids
				cursor := ""
				for pages := 0; ; pages++ {
					p := h.page(list.kind, path+cursor)
					for _, id := range p.ids {
						seen[id]++
					}
					if p.next == "" || pages > 2000 {
						break
					}
					cursor = "&cursor=" + url.QueryEscape(p.next)
					for range r.IntN(3) {
						if r.IntN(2) == 0 || pages > 100 { // the last row of a page is what the cursor names
							last := p.ids[len(p.ids)-1]
							if last != newRun && last != newSim && last != newDataset {
								h.exec(list.remove, last)
							}
							break
						}
						insert()
					}
				}
				for _, id := range before {
					if seen[id] != 1 {
						t.Errorf("%s: %s was there at the start and came %d times", path, id, seen[id])
					}
				}
				for id, n := range seen {
					if n > 1 {
						t.Errorf("%s: %s came %d times", path, id, n)
					}
				}
			}
		})
	}
}

// The same with writers that work at the same time.
func TestCursorsUnderConcurrentWrites(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.storeAll(1, 1)
	id := func(n int) string { return fmt.Sprintf("%08d-0000-4000-8000-000000000000", n*7919%100000000) }
	for i := range 200 {
		h.exec(insertRun, id(i), 0, i%6)
	}
	h.exec(`UPDATE walkforward_runs SET created_at = now()`)
	before := h.page(runKind, "/api/runs?limit=1000").ids
	if len(before) != 201 {
		t.Fatalf("%d runs", len(before))
	}
	done := make(chan struct{})
	var writers, readers sync.WaitGroup
	for w := range 2 {
		writers.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-done:
					return
				default:
				}
				h.store("/api/runs", strings.Replace(runBody(1), newRun, id(1000+w*100000+n), 2), 201)
			}
		})
	}
	for _, path := range []string{"/api/runs?limit=7", "/api/runs?limit=3&sort=-summary_metrics.x", "/api/runs?limit=50&sort=summary_metrics.x&count=none"} {
		readers.Go(func() {
			seen := map[string]int{}
			for cursor, pages := "", 0; pages < 3000; pages++ {
				p := h.page(runKind, path+cursor)
				for _, id := range p.ids {
					seen[id]++
				}
				if p.next == "" {
					break
				}
				cursor = "&cursor=" + p.next
			}
			for _, id := range before {
				if seen[id] != 1 {
					t.Errorf("%s: %s came %d times", path, id, seen[id])
				}
			}
			for id, n := range seen {
				if n > 1 {
					t.Errorf("%s: %s came %d times", path, id, n)
				}
			}
		})
	}
	readers.Wait()
	close(done)
	writers.Wait()
}

// A cursor that is altered in any character, or comes from another list, filter or order, is refused.
func TestAlteredCursors(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.storeAll(1, 3)
	for i := range 4 {
		h.exec(insertRun, uuid.NewString(), i%2, i)
		h.exec(insertSimulation, uuid.NewString(), i%2, i)
	}
	refused := func(path, cursor string) {
		t.Helper()
		res := h.plain(http.MethodGet, path+"&cursor="+url.QueryEscape(cursor))
		if body := readBody(t, res); res.StatusCode != 400 || !strings.Contains(body, `"message":"parameter cursor `) || !strings.Contains(body, `"code":"invalid_parameter"`) {
			t.Errorf("%s with cursor %q: %d %s, want 400", path, cursor, res.StatusCode, body)
		}
	}
	paths := []string{
		"/api/runs?limit=1", "/api/runs?limit=1&sort=summary_metrics.x", "/api/runs?limit=1&sort=-summary_metrics.x", "/api/runs?limit=1&status=COMPLETED", "/api/runs?limit=1&metric=summary_metrics.x>=0",
		"/api/runs?limit=1&metric=summary_metrics.x>=1", "/api/runs?limit=1&dataset_id=" + newDataset, "/api/datasets/" + newDataset + "/runs?limit=1", "/api/simulations?limit=1",
		"/api/simulations?limit=1&sort=summary_metrics.x", "/api/simulations/" + newSim + "/trades?limit=1", "/api/simulations/" + newSim + "/trades?limit=1&side=long",
	}
	cursors := make([]string, len(paths))
	for i, path := range paths {
		name := "runs"
		if strings.Contains(path, "/trades") {
			name = "trades"
		} else if strings.HasPrefix(path, "/api/simulations") {
			name = "simulations"
		}
		k := kind{name: name, id: map[string]string{"runs": "run_id", "simulations": "simulation_id", "trades": "trade_id"}[name]}
		cursors[i] = h.page(k, path).next
		second := h.page(k, strings.Replace(path, "limit=1", "limit=2&count=none", 1)+"&cursor="+cursors[i]) // neither is part of the scope
		if len(second.ids) == 0 || slices.Contains(second.ids, h.page(k, path).ids[0]) {
			t.Errorf("%s: the second page is %v", path, second.ids)
		}
	}
	for i, path := range paths {
		for j, cursor := range cursors {
			if i != j {
				refused(path, cursor)
			}
		}
	}
	cursor, path := cursors[1], paths[1]
	bytes, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		t.Fatal(err)
	}
	for i := range bytes {
		for bit := range 8 {
			altered := slices.Clone(bytes)
			altered[i] ^= 1 << bit
			refused(path, base64.RawURLEncoding.EncodeToString(altered))
		}
	}
	for i := range cursor {
		for _, c := range "A_=+ \n\x00\xff" {
			if altered := cursor[:i] + string(c) + cursor[i+1:]; altered != cursor {
				refused(path, altered)
			}
		}
		refused(path, cursor[:i])
	}
	refused(path, cursor+"A")
	refused(path, cursor+"=")
	refused(path, cursor+"\n")
	refused(path+"&offset=1", cursor)
	refused("/api/datasets?limit=1", cursor)
}
