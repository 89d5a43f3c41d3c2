package api_test

import (
	"encoding/json"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"foldbook/api"
	"foldbook/api/spec"
	"foldbook/internal/access"
)

// schemathesis calls every operation with requests that it makes of the description, valid and invalid ones, and finds no answer that the
// description does not have: no 5xx, no other status, type or body. The callers have the scope of an admin, or none.
// make contract installs it and names it in CONTRACT_TEST.
func TestSchemathesis(t *testing.T) {
	program := os.Getenv("CONTRACT_TEST")
	if program == "" {
		t.Skip("CONTRACT_TEST is not set: make contract sets it")
	}
	t.Parallel()
	h := appendHarness(t)
	passthroughOn(t, 1000, 5*time.Second)(&h.opts)
	h.opts.Import = true
	h.opts.Gate = &access.Gate{}
	h.opts.Gate.AddToken(adminToken, "an admin's token", spec.ScopeAdmin)
	h.storeExamples()
	server := httptest.NewServer(api.New(h.opts).Handler())
	defer server.Close()
	for _, token := range []string{adminToken, ""} {
		args := []string{"--config-file", "spec/contract/schemathesis.toml", "run", "spec/openapi.gen.json", "--url", server.URL, "--no-color"}
		if token == "" {
			args = append(args, "--max-examples", "1", "--exclude-checks", "ignored_auth")
		} else {
			args = append(args, "--header", "X-API-Key: "+token)
		}
		cmd := exec.CommandContext(t.Context(), program, args...)
		began := time.Now()
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("schemathesis with the token %q: %v\n%s", token, err, out)
		}
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		t.Logf("with the token %q in %v: %s", token, time.Since(began).Round(time.Second), strings.Join(lines[max(0, len(lines)-12):], "\n"))
	}
}

// storeExamples stores the records of the description's examples, so that its ids lead to them.
func (h *harness) storeExamples() {
	h.t.Helper()
	var d struct {
		Components struct {
			Examples map[string]struct{ Value json.RawMessage }
		}
	}
	if err := json.Unmarshal(spec.DocumentJSON, &d); err != nil {
		h.t.Fatal(err)
	}
	for _, record := range []struct{ path, example string }{
		{"/api/datasets", "DatasetUpload"}, {"/api/runs", "RunUpload"}, {"/api/simulations", "SimulationUpload"},
	} {
		h.store(record.path, string(d.Components.Examples[record.example].Value), 201)
	}
}
