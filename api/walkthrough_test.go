package api_test

import (
	"encoding/json"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The commands of docs/first-run.md work in their order and answer what stands below them.
func TestFirstRun(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("curl is not installed")
	}
	text, err := os.ReadFile("../docs/first-run.md")
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(newHarness(t).http)
	defer server.Close()
	dir := t.TempDir()
	blocks := regexp.MustCompile("(?s)```sh\n(.*?)```\n\n```json\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	if len(blocks) < 8 {
		t.Fatalf("%d commands with answers", len(blocks))
	}
	for _, block := range blocks {
		cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", strings.ReplaceAll(block[1], "http://127.0.0.1:33931", server.URL))
		cmd.Dir = dir
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s\n%v", block[1], err)
		}
		if diff := cmp.Diff(answerOf(t, block[2]), answerOf(t, string(out))); diff != "" {
			t.Errorf("%s\nanswers (-documented +got):\n%s", block[1], diff)
		}
	}
}

var volatile = regexp.MustCompile(`"(created_at|request_id)":"[^"]*"`)

func answerOf(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(volatile.ReplaceAll([]byte(text), []byte(`"$1":""`)), &v); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return v
}
