package api_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"foldbook/internal/testdb"
)

// kind is a resource that can be searched: its two lists and the names in their answers.
type kind struct {
	name, id, path, older string
	columns               []string
}

var (
	runKind        = kind{"runs", "run_id", "/api/runs", "/api/walkforward/runs", []string{"summary_metrics", "hyperparameters", "walk_config"}}
	simulationKind = kind{"simulations", "simulation_id", "/api/simulations", "/api/tradesim/runs", []string{"summary_metrics", "config"}}
)

// pageAnswer is one page of an envelope.
type pageAnswer struct {
	ids           []string
	total         *float64
	estimate      bool
	limit, offset float64
	next, link    string
}

// plain sends a request whose answer is not checked against openapi.yaml, which for long lists takes longer than all else.
func (h *harness) plain(method, path string, header ...string) *http.Response {
	req := httptest.NewRequest(method, path, nil)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.http.ServeHTTP(w, req)
	return w.Result()
}

// page reads one page of a list.
func (h *harness) page(k kind, path string) pageAnswer {
	h.t.Helper()
	res := h.plain(http.MethodGet, path)
	body := readBody(h.t, res)
	var a struct {
		Count, Limit, Offset float64
		Total                *float64
		Next                 *string
		Estimate             bool `json:"total_is_estimate"`
	}
	var rows map[string]json.RawMessage
	var list []map[string]json.RawMessage
	if res.StatusCode != http.StatusOK || json.Unmarshal([]byte(body), &a) != nil || json.Unmarshal([]byte(body), &rows) != nil || json.Unmarshal(rows[k.name], &list) != nil {
		h.t.Fatalf("GET %s: %d %.500s", path, res.StatusCode, body)
	}
	p := pageAnswer{ids: []string{}, total: a.Total, estimate: a.Estimate, limit: a.Limit, offset: a.Offset, link: res.Header.Get("Link")}
	for _, row := range list {
		var id string
		if err := json.Unmarshal(row[k.id], &id); err != nil {
			h.t.Fatal(err)
		}
		p.ids = append(p.ids, id)
	}
	if a.Next != nil {
		p.next = *a.Next
	}
	if len(list) != int(a.Count) || (p.next == "") != (p.link == "") || (p.next != "" && !strings.Contains(p.link, url.QueryEscape(p.next)+`>; rel="next"`) && !strings.Contains(p.link, "cursor="+p.next)) {
		h.t.Errorf("GET %s: %d rows, count %v, next %q, Link %q", path, len(list), a.Count, p.next, p.link)
	}
	return p
}

// olderIDs reads a bare list and its total.
func (h *harness) olderIDs(k kind, path string) ([]string, string) {
	h.t.Helper()
	res := h.plain(http.MethodGet, path)
	var rows []map[string]any
	if err := json.Unmarshal([]byte(readBody(h.t, res)), &rows); err != nil || res.StatusCode != http.StatusOK {
		h.t.Fatalf("GET %s: %d %.500s", path, res.StatusCode, readBody(h.t, res))
	}
	ids := make([]string, len(rows))
	for i, row := range rows {
		ids[i], _ = row[k.id].(string)
	}
	return ids, res.Header.Get("X-Total-Count")
}

// follow reads a list to its end by its cursors, and checks the total on each page.
func (h *harness) follow(k kind, path string, query url.Values, size, total int) []string {
	h.t.Helper()
	q := maps.Clone(query)
	q.Set("limit", strconv.Itoa(size))
	ids := []string{}
	for range total + 2 {
		p := h.page(k, path+"?"+q.Encode())
		ids = append(ids, p.ids...)
		if p.total == nil || *p.total != float64(total) || p.estimate {
			h.t.Errorf("GET %s?%s: total %v, want %d", path, q.Encode(), p.total, total)
		}
		if p.next == "" {
			return ids
		}
		if len(p.ids) != size {
			h.t.Errorf("GET %s?%s: %d rows and a next page", path, q.Encode(), len(p.ids))
		}
		q.Set("cursor", p.next)
	}
	h.t.Errorf("GET %s?%s: its cursors do not end", path, query.Encode())
	return ids
}

// metricKeys are what the random objects have; each has values of several kinds.
var metricKeys = []string{"pf_long", "folds", "a.b", "neg", "huge", "mixed", "flag", "nest", "nest.pf_long", "nest.deep.er", "none", "a>=b", "ключ"}

// randomObject returns a JSON object, and the numbers and the texts in it by path.
func randomObject(r *rand.Rand) (string, map[string]float64, map[string]string) {
	numbers, words := map[string]float64{}, map[string]string{}
	var members []string
	add := func(key, value string) {
		name, _ := json.Marshal(key)
		members = append(members, string(name)+":"+value)
		if x, err := strconv.ParseFloat(value, 64); err == nil && value != "NaN" {
			numbers[key] = x
		} else if text, err := strconv.Unquote(value); err == nil {
			words[key] = text
		} else if value == "true" || value == "false" {
			words[key] = value
		}
	}
	pick := func(values ...string) string { return values[r.IntN(len(values))] }
	for _, key := range metricKeys {
		if r.IntN(4) == 0 {
			continue
		}
		switch key {
		case "pf_long":
			add(key, pick("1.2", "1.20", "1.31", "0", "1e0", "0.1", "1.2000000000000002", "1.1999999999999997"))
		case "folds":
			add(key, strconv.Itoa(r.IntN(20)))
		case "a.b", "ключ", "a>=b":
			add(key, strconv.FormatFloat(r.NormFloat64(), 'g', -1, 64))
		case "neg":
			add(key, pick("-1", "-0.0", "0", "-1e-300", "1e-300", "-88", "-9"))
		case "huge":
			add(key, pick("1.7976931348623157e308", "-1.7976931348623157e308", "9007199254740993", "9007199254740992", "1e22", "123456789012345678901234567890"))
		case "mixed":
			add(key, pick(`"9"`, "88", "9", `"88"`, `""`, `"1e3"`, "1e3"))
		case "flag":
			add(key, pick("true", "false", "1"))
		case "nest":
			switch r.IntN(4) {
			case 0:
				add(key, `{"pf_long": 7, "deep": {"er": "yes, \"no\""}}`)
				numbers["nest.pf_long"], words["nest.deep.er"] = 7, `yes, "no"`
			case 1:
				add(key, `{"pf_long": "7", "deep": {"er": -1.5}}`)
				words["nest.pf_long"], numbers["nest.deep.er"] = "7", -1.5
			default:
				add(key, pick("[7]", "7"))
			}
		case "none":
			add(key, pick("null", "3"))
		}
	}
	return "{" + strings.Join(members, ",") + "}", numbers, words
}

var (
	statuses = []string{"PENDING", "RUNNING", "COMPLETED", "INCOMPLETE"}
	labels   = []string{"TGT_315", "tgt_9", `50%_up`, `50 up`, `a\b`, "ab", "Trend", "trendline"}
)

// seedSearch stores runs and a simulation of each through the API, with many of the same time, and returns their models.
func seedSearch(h *harness, r *rand.Rand, n int) (runs, simulations []*stored) {
	h.t.Helper()
	type set struct{ id, text string }
	var sets []set
	for i, slug := range []string{"btc25_1", "eth%1", `sol\x`} {
		id := fmt.Sprintf("0a000000-0000-4000-8000-%012d", i)
		body, _ := json.Marshal(map[string]any{"dataset_id": id, "dataset_slug": slug, "symbol": "Sym" + strconv.Itoa(i), "indicator_measurement": "Ind_" + strconv.Itoa(i)})
		h.store("/api/datasets", string(body), 201)
		sets = append(sets, set{id, fmt.Sprintf("%s Sym%d Ind_%d", slug, i, i)})
	}
	quoted := func(v any) string { b, _ := json.Marshal(v); return string(b) }
	post := func(path, body string) {
		req := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
		w := httptest.NewRecorder()
		if h.http.ServeHTTP(w, req); w.Code != http.StatusCreated {
			h.t.Fatalf("POST %s: %d %s\n%s", path, w.Code, w.Body, body)
		}
	}
	one := func(k kind, created time.Time, attrs map[string]string, texts ...string) (*stored, string) {
		s := &stored{id: uuid.Must(uuid.NewRandomFromReader(readerOf{r})).String(), created: created, attrs: attrs, texts: texts, numbers: map[string]float64{}, words: map[string]string{}}
		objects := ""
		for _, column := range k.columns {
			object, numbers, words := randomObject(r)
			for key, text := range words {
				s.words[column+"."+key] = text
			}
			objects += fmt.Sprintf(`, %q: %s`, column, object)
			for key, x := range numbers {
				s.numbers[column+"."+key] = x
			}
		}
		return s, objects
	}
	base := time.Date(2026, 1, 2, 0, 0, 0, 1000, time.UTC)
	for i := range n {
		d := sets[r.IntN(len(sets))]
		target, measurement, by := labels[r.IntN(len(labels))], labels[r.IntN(len(labels))]+strconv.Itoa(i%7), labels[r.IntN(len(labels))]
		attrs := map[string]string{"dataset_id": d.id, "status": statuses[r.IntN(len(statuses))], "measurement": measurement, "target_column": target, "requested_by": by}
		run, objects := one(runKind, base.Add(time.Duration(r.IntN(n/4))*time.Microsecond), attrs, target+" "+measurement+" "+by, d.text)
		post("/api/runs", fmt.Sprintf(`{"run_id": %q, "dataset_id": %q, "prediction_measurement": %s, "target_column": %s, "requested_by": %s, "status": %q %s}`,
			run.id, d.id, quoted(measurement), quoted(target), quoted(by), attrs["status"], objects))
		h.exec(`UPDATE walkforward_runs SET created_at = $1 WHERE run_id = $2`, run.created, run.id)
		runs = append(runs, run)

		simulated := sets[r.IntN(len(sets))]
		input, namespace := labels[r.IntN(len(labels))], labels[r.IntN(len(labels))]+"_sim"
		attrs = map[string]string{"dataset_id": simulated.id, "run_id": run.id, "status": statuses[r.IntN(len(statuses))], "mode": []string{"long", "short", "dual"}[r.IntN(3)], "measurement": input, "namespace": namespace}
		sim, objects := one(simulationKind, base.Add(time.Duration(r.IntN(n/4))*time.Microsecond), attrs, input+" "+namespace, run.texts[0], simulated.text)
		post("/api/simulations", fmt.Sprintf(`{"simulation_id": %q, "run_id": %q, "dataset_id": %q, "input_run_measurement": %s, "questdb_namespace": %s, "mode": %q, "status": %q %s}`,
			sim.id, run.id, simulated.id, quoted(input), quoted(namespace), attrs["mode"], attrs["status"], objects))
		h.exec(`UPDATE simulation_runs SET created_at = $1 WHERE simulation_id = $2`, sim.created, sim.id)
		simulations = append(simulations, sim)
	}
	return runs, simulations
}

// readerOf makes random bytes of a seeded source.
type readerOf struct{ r *rand.Rand }

func (r readerOf) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(r.r.Uint32())
	}
	return len(b), nil
}

func randomQuestion(r *rand.Rand, k kind, rows []*stored) *question {
	q := &question{attrs: map[string]string{}}
	some := rows[r.IntN(len(rows))]
	key := func() string { return k.columns[r.IntN(len(k.columns))] + "." + metricKeys[r.IntN(len(metricKeys))] }
	for range r.IntN(4) {
		c := condition{key: key(), op: []string{">=", ">", "<=", "<", "=", "!=", "exists", "missing"}[r.IntN(8)]}
		if c.value = some.numbers[c.key]; r.IntN(3) == 0 {
			c.value = []float64{0, 9, -1e-300, 1e300, 5e-324, -1.7976931348623157e308}[r.IntN(6)]
		}
		if word, ok := some.words[c.key]; ok && (c.op == "=" || c.op == "!=") {
			c.words = []string{word, "88", "true", ""}[:1+r.IntN(4)]
		}
		q.conditions = append(q.conditions, c)
	}
	for name, value := range some.attrs {
		if r.IntN(8) == 0 {
			q.attrs[name] = value
		}
	}
	if r.IntN(3) == 0 {
		q.search = []string{"tgt_3", "TGT", "%", "_", `\`, "50%", "50%_", "a\\b", "ym1", "btc25_1 SYM0", "IND_", "trend", "ab", "no such thing", "_sim"}[r.IntN(15)]
	}
	if r.IntN(2) == 0 {
		q.sort, q.descending = key(), r.IntN(2) == 0
	}
	return q
}

// Every filter and order, alone and together, on both lists of runs and of simulations, answers what a walk over all rows does.
func TestSearchAgainstModel(t *testing.T) {
	t.Parallel()
	testdb.Slow(t)
	h := newHarness(t)
	r := rand.New(rand.NewPCG(4, 1))
	runs, simulations := seedSearch(h, r, 300)
	nonEmpty := 0
	for i := range 120 {
		k, rows := runKind, runs
		if i%2 == 1 {
			k, rows = simulationKind, simulations
		}
		q := randomQuestion(r, k, rows)
		want, query := q.answer(rows), q.query()
		if len(want) > 0 {
			nonEmpty++
		}
		q1000 := maps.Clone(query)
		q1000.Set("limit", "1000")
		all := h.page(k, k.path+"?"+q1000.Encode())
		if diff := cmp.Diff(want, all.ids); diff != "" || all.total == nil || *all.total != float64(len(want)) || all.next != "" {
			t.Fatalf("GET %s?%s: total %v, next %q (-want +got):\n%s", k.path, query.Encode(), all.total, all.next, diff)
		}
		older, total := h.olderIDs(k, k.older+"?"+query.Encode())
		if diff := cmp.Diff(want, older); diff != "" || total != strconv.Itoa(len(want)) {
			t.Fatalf("GET %s?%s: total %s (-want +got):\n%s", k.older, query.Encode(), total, diff)
		}
		if dataset, ok := q.attrs["dataset_id"]; ok && k.name == "runs" {
			below := maps.Clone(query)
			below.Del("dataset_id")
			if diff := cmp.Diff(want, h.follow(k, "/api/datasets/"+dataset+"/runs", below, 40, len(want))); diff != "" {
				t.Fatalf("GET /api/datasets/%s/runs?%s (-want +got):\n%s", dataset, below.Encode(), diff)
			}
		}
		size := []int{7, 50, 3, 100}[i/2%4]
		if len(want)/size > 25 {
			size = 50
		}
		if diff := cmp.Diff(want, h.follow(k, k.path, query, size, len(want))); diff != "" {
			t.Fatalf("GET %s?%s by cursor (-want +got):\n%s", k.path, query.Encode(), diff)
		}
		checkOffsets(t, h, r, k, query, want)
		h.get(k.path + "?limit=2&" + query.Encode()) // against openapi.yaml
	}
	if nonEmpty < 60 {
		t.Errorf("%d of the questions have answers, too few to tell", nonEmpty)
	}
}

// checkOffsets reads pages at offsets, with each way of counting.
func checkOffsets(t *testing.T, h *harness, r *rand.Rand, k kind, query url.Values, want []string) {
	t.Helper()
	for _, count := range []string{"exact", "estimated", "none"} {
		limit, offset := 1+r.IntN(20), r.IntN(len(want)+3)
		q := maps.Clone(query)
		q.Set("limit", strconv.Itoa(limit))
		q.Set("offset", strconv.Itoa(offset))
		older, total := h.olderIDs(k, k.older+"?"+q.Encode())
		q.Set("count", count)
		p := h.page(k, k.path+"?"+q.Encode())
		from, to := min(offset, len(want)), min(offset+limit, len(want))
		diff := cmp.Diff(want[from:to], p.ids)
		if diff != "" || (p.next == "") != (to == len(want)) || p.limit != float64(limit) || p.offset != float64(offset) {
			t.Fatalf("GET %s?%s: next %q, limit %v, offset %v (-want +got):\n%s", k.path, q.Encode(), p.next, p.limit, p.offset, diff)
		}
		if count == "none" && p.total != nil || count != "none" && (p.total == nil || *p.total != float64(len(want)) || p.estimate) {
			t.Fatalf("GET %s?%s: total %v, want %d", k.path, q.Encode(), p.total, len(want))
		}
		if diff := cmp.Diff(want[from:to], older); diff != "" || total != strconv.Itoa(len(want)) {
			t.Fatalf("GET %s?%s: total %s (-want +got):\n%s", k.older, q.Encode(), total, diff)
		}
	}
}

// What a run is changed to is found, what it was is not, and a dry run is not.
func TestSearchFollowsWrites(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.storeAll(1, 1)
	for _, k := range []kind{runKind, simulationKind} {
		path := k.path + "/" + map[string]string{"runs": newRun, "simulations": newSim}[k.name]
		find := func(filter string) int { return len(h.page(k, k.path+"?metric="+url.QueryEscape(filter)).ids) }
		h.send(http.MethodPatch, path, `{"summary_metrics": {"x": 9}}`)
		h.send(http.MethodPatch, path+"?dry_run=true", `{"summary_metrics": {"x": 10}}`)
		if find("summary_metrics.x=9") != 1 || find("summary_metrics.x=10") != 0 {
			t.Errorf("%s: not found by what it was changed to", path)
		}
		h.send(http.MethodPatch, path, `{"summary_metrics": {"x": "9"}}`)
		if find("summary_metrics.x=9") != 0 || find(`summary_metrics.x="9"`) != 1 || find("summary_metrics.x exists") != 1 {
			t.Errorf("%s: found by a number that is a text now, or not by the text", path)
		}
	}
	h.send(http.MethodDelete, "/api/runs/"+newRun+"?cascade=true", "")
	if n := len(h.page(runKind, "/api/runs?metric=summary_metrics.pf_long+exists").ids); n != 0 {
		t.Errorf("%d runs found after the only one was removed", n)
	}
}
