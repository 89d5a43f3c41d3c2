package api_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"foldbook/internal/testbrowser"
)

// The reference works in a real browser behind a prefix with credentials on: it asks for a token, sends it with the requests that one
// tries, loads nothing from elsewhere and keeps to its own policy. docs/access.md, The reference.
func TestDocsPage(t *testing.T) {
	t.Parallel()
	tab := testbrowser.New(t)
	h, _ := guarded(t)
	h.send(http.MethodPost, "/api/datasets", datasetBody(newDataset, "btc25_1"), "X-API-Key", adminToken)
	const prefix = "/research/foldbook"
	server := httptest.NewServer(http.StripPrefix(prefix, h.http))
	defer server.Close()
	testbrowser.Open(tab, t, server.URL+prefix+"/docs#/datasets/ListDatasets") // opens this operation when it is drawn
	// found waits until an expression is there and returns its text.
	found := func(expression string) string {
		return testbrowser.Evaluate[string](tab, t, `(async () => {
			for (;; await new Promise(r => setTimeout(r, 50))) {
				const value = `+expression+`;
				if (value) return String(value);
			}
		})()`)
	}
	if said := found(`document.getElementById("state").textContent`); !strings.Contains(said, "credential") {
		t.Errorf("without a token the page says %q", said)
	}
	found(`(document.getElementById("token").value = "` + readToken + `", document.querySelector("#access button").click(), true)`)
	// One click: another one would withdraw the answer of the first.
	found(`document.querySelector("#operations-datasets-ListDatasets .execute")`)
	found(`(document.querySelector("#operations-datasets-ListDatasets .execute").click(), true)`)
	const answer = `document.querySelector("#operations-datasets-ListDatasets .live-responses-table tbody")`
	if status := found(answer + `?.querySelector(".response-col_status")?.textContent.match(/\d+/)`); status != "200" {
		t.Errorf("a request that is tried answers %s", status)
	}
	if body := found(answer + `?.querySelector(".response-col_description")?.textContent`); !strings.Contains(body, "btc25_1") {
		t.Errorf("it shows %.300s", body)
	}
	asked := testbrowser.Evaluate[[]string](tab, t, `performance.getEntriesByType("resource").map(r => r.name)`)
	for _, url := range asked {
		if !strings.HasPrefix(url, server.URL+prefix+"/") {
			t.Errorf("the page asks for %s", url)
		}
	}
	if !slices.Contains(asked, server.URL+prefix+"/docs/swagger-ui-bundle.js") {
		t.Errorf("the page asks for %q", asked)
	}
	// The last one shows that they are seen, and that nothing of another origin is asked for.
	violations := testbrowser.Evaluate[[]string](tab, t, `new Promise(done => {
		const all = [];
		new ReportingObserver(reports => {
			all.push(...reports.map(r => r.body.effectiveDirective + " " + r.body.blockedURL));
			if (all.at(-1).includes("elsewhere")) done(all);
		}, {types: ["csp-violation"], buffered: true}).observe();
		new Image().src = "https://elsewhere.example/";
	})`)
	if len(violations) != 1 {
		t.Errorf("the page breaks its policy: %q", violations)
	}
}

// A browser gets pages, everybody else what it got before; neither needs a credential, and the document does.
func TestPages(t *testing.T) {
	t.Parallel()
	h, _ := guarded(t)
	for _, tc := range []struct {
		path, accept string
		status       int
		media        string
	}{
		{"/", "text/html,application/xhtml+xml", http.StatusOK, "text/html; charset=utf-8"},
		{"/", "*/*", http.StatusNotFound, "application/json"},
		{"/console/console.js", "*/*", http.StatusOK, "text/javascript; charset=utf-8"},
		{"/console/no.js", "*/*", http.StatusNotFound, "application/json"},
		{"/docs", "*/*", http.StatusOK, "text/html; charset=utf-8"},
		{"/docs/page.js", "*/*", http.StatusOK, "text/javascript; charset=utf-8"},
		{"/docs/swagger-ui.css", "*/*", http.StatusOK, "text/css; charset=utf-8"},
		{"/docs/no.js", "*/*", http.StatusNotFound, "application/json"},
		{"/openapi.json", "*/*", http.StatusUnauthorized, "application/json"},
	} {
		res := h.get(tc.path, "Accept", tc.accept)
		if res.StatusCode != tc.status || res.Header.Get("Content-Type") != tc.media {
			t.Errorf("%s for %s: %d %s", tc.path, tc.accept, res.StatusCode, res.Header.Get("Content-Type"))
		}
		if res.StatusCode != http.StatusOK {
			continue
		}
		if policy := res.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "script-src 'self';") {
			t.Errorf("%s: %s", tc.path, policy)
		}
		again := h.get(tc.path, "Accept", tc.accept, "If-None-Match", res.Header.Get("ETag"))
		if again.StatusCode != http.StatusNotModified {
			t.Errorf("%s again: %d", tc.path, again.StatusCode)
		}
	}
}
