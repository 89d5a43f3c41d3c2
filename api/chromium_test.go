package api_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"foldbook/api"
	"foldbook/internal/testbrowser"
)

// docs/access.md, Browsers, as a real browser sends it: pages of the service itself, of an origin that is listed, of other origins,
// and of a name that somebody has rebound to the loopback.
func TestChromium(t *testing.T) {
	t.Parallel()
	tab := testbrowser.New(t, "MAP evil.example 127.0.0.1", "MAP rebound.example 127.0.0.1")
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<!doctype html><title>a page</title>"))
	}))
	defer page.Close()
	h := newHarness(t, func(o *api.Options) { o.CORSOrigins = []string{"*", page.URL} })
	service := httptest.NewServer(h.http)
	defer service.Close()
	named := func(url, host string) string { return strings.Replace(url, "127.0.0.1", host, 1) }
	dataset := "/api/datasets/" + newDataset
	for _, tc := range []struct {
		page, to     string // where the browser is, and what the page calls
		read, write  string // what comes of it, as the page sees it
		text, remove string // a POST of text/plain, and a DELETE
	}{
		{service.URL + "/healthz", service.URL, "200", "200", "415", "200"},
		{page.URL, service.URL, "200", "200", "415", "200"},
		{named(page.URL, "evil.example"), service.URL, "200", "403", "403", "stopped"},
		{named(page.URL, "localhost"), service.URL, "200", "403", "403", "stopped"},
		{named(service.URL, "rebound.example") + "/healthz", named(service.URL, "rebound.example"), "421", "421", "421", "421"},
	} {
		h.send(http.MethodPost, "/api/datasets", datasetBody(newDataset, "btc25_1"))
		before := h.counts()
		testbrowser.Open(tab, t, tc.page)
		// try returns the status that the page may read, or that its browser stops the request or its answer.
		try := func(method, path, media, body string) string {
			options := fmt.Sprintf("{method: %q, headers: {'Content-Type': %q}, body: %q}", method, media, body)
			if body == "" {
				options = fmt.Sprintf("{method: %q}", method)
			}
			return testbrowser.Evaluate[string](tab, t, fmt.Sprintf("fetch(%q, %s).then(r => String(r.status), e => 'stopped')", tc.to+path, options))
		}
		body := datasetBody(newDataset, "btc25_1")
		for _, got := range []struct{ what, got, want string }{
			{"reads", try("GET", dataset, "", ""), tc.read},
			{"posts JSON", try("POST", "/api/datasets", "application/json", body), tc.write},
			{"posts text", try("POST", "/api/datasets", "text/plain", body), tc.text},
			{"deletes", try("DELETE", dataset, "", ""), tc.remove},
		} {
			if got.got != got.want {
				t.Errorf("%s %s: %s, want %s", tc.page, got.what, got.got, got.want)
			}
		}
		if tc.write == "200" {
			continue
		}
		testbrowser.Evaluate[bool](tab, t, fmt.Sprintf("fetch(%q, {method: 'POST', mode: 'no-cors', body: %q}).then(() => true, () => true)",
			tc.to+"/api/datasets", datasetBody(newSim, "evil_1")))
		if after := h.counts(); !maps.Equal(after, before) {
			t.Errorf("%s has changed %v to %v", tc.page, before, after)
		}
	}
}
