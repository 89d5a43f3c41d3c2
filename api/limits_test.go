package api_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"foldbook/api"
	"foldbook/api/spec"
	"foldbook/db"
	"foldbook/internal/access"
)

// limited allows a budget of one request in 1000 s.
func limited(budgets ...spec.Budget) func(*api.Options) {
	return func(o *api.Options) {
		o.Limits = map[spec.Budget]*access.Limiter{}
		for _, budget := range budgets {
			o.Limits[budget] = access.NewLimiter(budget, 0.001)
		}
		o.Proxies = access.Proxies{netip.MustParsePrefix("192.0.2.0/24")} // of httptest.NewRequest
	}
}

// docs/access.md, Limits: each route has its budget, each caller his own, and probes have none.
func TestBudgets(t *testing.T) {
	t.Parallel()
	h := newHarness(t, limited(spec.BudgetReads, spec.BudgetWrites, spec.BudgetStreams))
	routes := map[spec.Budget][][2]string{
		spec.BudgetReads:  {{"GET", "/api/runs"}, {"HEAD", "/api/datasets"}, {"GET", "/traders/kraken/api/tradesim/runs"}, {"HEAD", "/nope"}, {"GET", "/metrics"}},
		spec.BudgetWrites: {{"POST", "/api/runs"}, {"DELETE", "/api/runs/" + newRun}, {"PATCH", "/api/simulations/" + newSim}, {"POST", "/api/datasets/x/ohlcv/append"}, {"POST", "/api/questdb/import"}},
		spec.BudgetStreams: {
			{"GET", "/api/datasets/x/ohlcv"}, {"GET", "/api/simulations/" + newSim + "/equity"}, {"GET", "/api/simulations/" + newSim + "/trace"},
			{"POST", "/api/questdb/query"}, {"POST", "/api/questdb/export"}, {"HEAD", "/api/datasets/x/indicators"},
		},
		"": {{"GET", "/healthz"}, {"GET", "/readyz"}, {"OPTIONS", "/api/runs"}},
	}
	caller := 0
	for budget, routes := range routes {
		for _, first := range routes {
			caller++
			from := netip.AddrFrom4([4]byte{198, 51, 100, byte(caller)}).String()
			for round, second := range append([][2]string{first}, routes...) {
				res := h.do(second[0], second[1], "X-Forwarded-For", "203.0.113."+second[0]+", "+from)
				if want := round > 0 && budget != ""; (res.StatusCode == http.StatusTooManyRequests) != want {
					t.Errorf("%s after %s: %d", second, first, res.StatusCode)
				}
				if after, _ := strconv.Atoi(res.Header.Get("Retry-After")); res.StatusCode == http.StatusTooManyRequests && (after < 500 || after > 1000) {
					t.Errorf("%s: Retry-After is %s", second, res.Header.Get("Retry-After"))
				}
			}
		}
	}
	if status, answer := h.send("POST", "/api/runs", "{}"); status != http.StatusBadRequest {
		t.Errorf("the proxy itself: %d %v", status, answer)
	}
	if status, answer := h.send("POST", "/api/runs", "{}"); status != http.StatusTooManyRequests || answer["code"] != "rate_limited" ||
		!strings.HasPrefix(answer["message"].(string), "more than 0.001 writes a second: repeat this in ") {
		t.Errorf("once more: %d %v", status, answer)
	}
	w := httptest.NewRecorder()
	h.opts.Metrics.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for _, budget := range []string{"reads", "writes", "streams"} {
		if line := `foldbook_requests_refused_total{budget="` + budget + `"} `; !strings.Contains(w.Body.String(), line) || strings.Contains(w.Body.String(), line+"0") {
			t.Errorf("nothing counts the %s that were refused", budget)
		}
	}
}

// docs/access.md, Limits: keys have budgets of their own wherever they are used, and wrong ones are slow.
func TestBudgetsOfKeys(t *testing.T) {
	t.Parallel()
	h, keys := guarded(t, limited(spec.BudgetReads), func(o *api.Options) { o.Gate.Failures = access.NewLimiter(spec.BudgetFailures, 0.001) })
	get := func(key, from string) int {
		return h.get("/api/runs", "X-Api-Key", key, "X-Forwarded-For", from).StatusCode
	}
	other := h.key(db.CreateAccessKeyParams{Scope: "read"})
	for _, tc := range []struct {
		key, from string
		want      int
	}{
		{keys["read"], "198.51.100.1", 200}, {keys["read"], "198.51.100.2", 429}, {other, "198.51.100.1", 200}, {keys["write"], "198.51.100.1", 200},
		{"", "198.51.100.3", 401}, {"", "198.51.100.3", 401},
		{keys["wrong"], "198.51.100.3", 401}, {keys["wrong"], "198.51.100.3", 429}, {keys["admin"], "198.51.100.3", 429}, {"", "198.51.100.3", 401},
		{keys["admin"], "198.51.100.4", 200},
	} {
		if got := get(tc.key, tc.from); got != tc.want {
			t.Errorf("%.12s of %s: %d, want %d", tc.key, tc.from, got, tc.want)
		}
	}
	if res := h.get("/healthz", "X-Forwarded-For", "198.51.100.3"); res.StatusCode != http.StatusOK {
		t.Errorf("a probe of the same address: %d", res.StatusCode)
	}
}

// docs/access.md, Limits: more requests at a time than are allowed are refused, until one has ended.
func TestInFlight(t *testing.T) {
	t.Parallel()
	h := newHarness(t, func(o *api.Options) { o.InFlight = 1 })
	unlock := h.lock("walkforward_runs")
	first := make(chan int)
	go func() {
		status := http.StatusServiceUnavailable // while the other one is answered
		for status == http.StatusServiceUnavailable {
			status = h.get("/api/runs").StatusCode
		}
		first <- status
	}()
	refused := h.get("/openapi.json")
	for refused.StatusCode == http.StatusOK { // until the first has arrived
		refused = h.get("/openapi.json")
	}
	if body := readBody(t, refused); refused.StatusCode != http.StatusServiceUnavailable || !strings.Contains(body, `"code":"overloaded"`) ||
		refused.Header.Get("Retry-After") != "1" {
		t.Errorf("a second request: %d %s", refused.StatusCode, body)
	}
	if res := h.get("/healthz"); res.StatusCode != http.StatusOK {
		t.Errorf("a probe: %d", res.StatusCode)
	}
	unlock()
	if got := <-first; got != http.StatusOK {
		t.Errorf("the first request: %d", got)
	}
	if res := h.get("/openapi.json"); res.StatusCode != http.StatusOK {
		t.Errorf("after it: %d", res.StatusCode)
	}
}
