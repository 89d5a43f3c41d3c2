package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// The figures are printed before the export, and a refusal ends it with the reason. That the export works is tested in internal/seed.
func TestRun(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte(`{"code": "forbidden", "message": "not you"}`))
	}))
	defer server.Close()
	var out strings.Builder
	err := run(t.Context(), []string{"--url", server.URL}, &out)
	if err == nil || !strings.Contains(err.Error(), "dataset: GET /api/datasets/") || !strings.HasSuffix(err.Error(), "403 forbidden: not you") {
		t.Errorf("got %v", err)
	}
	for _, text := range []string{"computed     btc19_1", "fold 2", "dual         223 trades", "exporting    to " + server.URL} {
		if !strings.Contains(out.String(), "\n"+text) && !strings.HasPrefix(out.String(), text) {
			t.Errorf("printed\n%swithout %q", &out, text)
		}
	}
}
