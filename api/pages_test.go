package api_test

import (
	"net/http"
	"strings"
	"testing"
)

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
