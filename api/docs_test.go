package api_test

import (
	"encoding/json"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"foldbook/api/spec"
)

// The programs of docs/clients.md work in their order and print what stands below them.
func TestClientRecipes(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/clients.md")
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(appendHarness(t).http)
	defer server.Close()
	name := slug(t)
	here := strings.NewReplacer("http://127.0.0.1:33931", server.URL, "demo_btc_1h", name)
	programs := map[string][]string{"sh": {"bash", "-euo", "pipefail"}, "python": {"python3"}, "js": {"node"}}
	blocks := regexp.MustCompile("(?s)```(sh|python|js)\n(.*?)```\n```\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	if len(blocks) != 3 {
		t.Fatalf("%d programs", len(blocks))
	}
	for _, block := range blocks {
		program := programs[block[1]]
		if _, err := exec.LookPath(program[0]); err != nil {
			t.Logf("%s is not installed: its program is not run", program[0])
			continue
		}
		file := filepath.Join(t.TempDir(), "recipe.mjs")
		if err := os.WriteFile(file, []byte(here.Replace(block[2])), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(t.Context(), program[0], append(program[1:], file)...).CombinedOutput()
		if diff := cmp.Diff(here.Replace(block[3]), string(out)); err != nil || diff != "" {
			t.Errorf("%s: %v (-documented +got):\n%s", block[1], err, diff)
		}
	}
}

// docs/errors.md has the codes that the interface has, no more and no fewer.
func TestErrorCodesAreDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/errors.md")
	if err != nil {
		t.Fatal(err)
	}
	var documented []string
	for _, line := range regexp.MustCompile("(?m)^\\| (`[a-z_`, ]+`) \\|").FindAllStringSubmatch(string(text), -1) {
		documented = append(documented, strings.Split(strings.ReplaceAll(line[1], "`", ""), ", ")...)
	}
	var document struct {
		Components struct {
			Schemas struct {
				Error struct {
					Properties struct{ Code struct{ Enum []string } }
				}
			}
		}
	}
	if err := json.Unmarshal(spec.DocumentJSON, &document); err != nil {
		t.Fatal(err)
	}
	described := document.Components.Schemas.Error.Properties.Code.Enum
	slices.Sort(documented)
	slices.Sort(described)
	if diff := cmp.Diff(described, documented); diff != "" {
		t.Errorf("(-openapi.yaml +errors.md):\n%s", diff)
	}
}
