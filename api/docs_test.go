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

// The programs of docs/clients.md and docs/rows.md work in their order and print what stands below them.
func TestClientRecipes(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(appendHarness(t).http)
	defer server.Close()
	for file, programs := range map[string]int{"clients.md": 3, "rows.md": 3} {
		here := strings.NewReplacer("http://127.0.0.1:33931", server.URL, "demo_btc_1h", slug(t), "demo_rows", slug(t))
		runPrograms(t, "../docs/"+file, here, programs)
	}
}

func runPrograms(t *testing.T, path string, here *strings.Replacer, number int) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	programs := map[string][]string{"sh": {"bash", "-euo", "pipefail"}, "python": {"python3"}, "js": {"node"}}
	blocks := regexp.MustCompile("(?s)```(sh|python|js)\n(.*?)```\n```\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	if len(blocks) != number {
		t.Fatalf("%s has %d programs", path, len(blocks))
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
		if diff := cmp.Diff(strings.Split(here.Replace(block[3]), "\n"), strings.Split(string(out), "\n")); err != nil || diff != "" {
			t.Errorf("%s, %s: %v (-documented +got):\n%s", path, block[1], err, diff)
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
	if *update {
		text = withErrorCodes(text, described, documented)
		if err := os.WriteFile("../docs/errors.md", text, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	slices.Sort(documented)
	slices.Sort(described)
	if diff := cmp.Diff(described, documented); diff != "" {
		t.Errorf("-update writes them (-openapi.yaml +errors.md):\n%s", diff)
	}
}

// withErrorCodes is the table with a line for each code that is described, to be completed, and without those that are not.
func withErrorCodes(text []byte, described, documented []string) []byte {
	var lines []string
	for line := range strings.Lines(string(text)) {
		code, _, _ := strings.Cut(strings.TrimPrefix(line, "| `"), "`")
		if slices.Contains(documented, code) && !slices.Contains(described, code) && strings.HasPrefix(line, "| `"+code+"` |") {
			continue
		}
		lines = append(lines, line)
	}
	for _, code := range described {
		if !slices.Contains(documented, code) {
			lines = append(lines, "| `"+code+"` | | | |\n")
		}
	}
	return []byte(strings.Join(lines, ""))
}
