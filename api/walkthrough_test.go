package api_test

import (
	"bytes"
	"encoding/json"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"slices"
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
	const path = "../docs/first-run.md"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(appendHarness(t).http)
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
		switch diff := cmp.Diff(answerOf(t, block[2]), answerOf(t, string(out))); {
		case diff != "" && *update:
			text = bytes.Replace(text, []byte(block[2]), sameTimes(block[2], out), 1)
		case diff != "":
			t.Errorf("%s\nanswers (-documented +got):\n%s", block[1], diff)
		}
	}
	if *update {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// sameTimes puts what differs in each run as it was documented into an answer.
func sameTimes(documented string, answer []byte) []byte {
	old := volatile.FindAllString(documented, -1)
	return volatile.ReplaceAllFunc(answer, func(now []byte) []byte {
		for i, was := range old {
			if strings.HasPrefix(was, string(now[:bytes.IndexByte(now, ':')])) {
				old = slices.Delete(old, i, i+1)
				return []byte(was)
			}
		}
		return now
	})
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
