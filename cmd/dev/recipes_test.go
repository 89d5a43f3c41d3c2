package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// recipe is a section of docs/development.md that changes files and then asks the server.
type recipe struct {
	name   string
	files  int // that a person may edit
	edits  []fileEdit
	checks []check
}

type fileEdit struct {
	path  string
	hunks [][]string // lines that begin with a space, a minus or a plus
}

type check struct {
	command string
	answers []string // texts in its output
}

// The recipes of docs/development.md do what they say beside make dev, with no more files than they say.
func recipesWork(t *testing.T, l *loop) {
	recipes := readRecipes(t)
	if len(recipes) != 6 {
		t.Errorf("%d recipes, want 6", len(recipes))
	}
	for _, r := range recipes {
		t.Run(r.name, func(t *testing.T) {
			if len(r.edits) > r.files || len(r.edits) == 0 || len(r.checks) == 0 {
				t.Errorf("%d files are edited, and it says %d; %d checks", len(r.edits), r.files, len(r.checks))
			}
			said := l.editWith(t, func() {
				l.shell(t, fresh)
				for _, e := range r.edits {
					text, err := e.apply(l.dir)
					if err == nil {
						err = os.WriteFile(filepath.Join(l.dir, e.path), []byte(text), 0o600)
					}
					if err != nil {
						t.Fatal(err)
					}
				}
			})
			if !strings.Contains(said, ends[0]) || strings.Contains(said, "\nsql/") {
				t.Errorf("make dev says\n%s", said)
			}
			for _, c := range r.checks {
				out := l.shell(t, strings.ReplaceAll(c.command, "127.0.0.1:33931", l.address))
				for _, want := range c.answers {
					if !strings.Contains(out, want) {
						t.Errorf("%s\nanswers, without %s,\n%.1000s", c.command, want, out)
					}
				}
			}
		})
	}
}

// The recipes' edits fit the files as they are, which takes no server to see.
func TestRecipesFit(t *testing.T) {
	t.Parallel()
	for _, r := range readRecipes(t) {
		for _, e := range r.edits {
			if _, err := e.apply("../.."); err != nil {
				t.Errorf("%s: %v", r.name, err)
			}
		}
	}
}

func readRecipes(t *testing.T) []recipe {
	t.Helper()
	text, err := os.ReadFile("../../docs/development.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Recipes\n")
	section, _, _ = strings.Cut(section, "\n## ")
	title := regexp.MustCompile(`^(.*) \((\d+) files?.*\)`)
	block := regexp.MustCompile("(?s)```(diff|console) ?(\\S*)\n(.*?)```")
	var recipes []recipe
	for _, part := range strings.Split(section, "\n### ")[1:] {
		m := title.FindStringSubmatch(part)
		if m == nil {
			t.Fatalf("no number of files in %.60q", part)
		}
		r := recipe{name: m[1]}
		r.files, _ = strconv.Atoi(m[2])
		for _, b := range block.FindAllStringSubmatch(part, -1) {
			if b[1] == "console" {
				r.checks = append(r.checks, checksOf(b[3])...)
				continue
			}
			e := fileEdit{path: b[2]}
			for hunk := range strings.SplitSeq(b[3], "@@\n") {
				e.hunks = append(e.hunks, strings.Split(strings.TrimSuffix(hunk, "\n"), "\n"))
			}
			r.edits = append(r.edits, e)
		}
		recipes = append(recipes, r)
	}
	return recipes
}

func checksOf(text string) (checks []check) {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if command, ok := strings.CutPrefix(line, "$ "); ok {
			checks = append(checks, check{command: command})
		} else if line != "" && len(checks) > 0 {
			checks[len(checks)-1].answers = append(checks[len(checks)-1].answers, line)
		}
	}
	return checks
}

// apply returns the text of the file after the edit. Each hunk is looked for behind the one before; how far the words of a line are
// apart does not count.
func (e fileEdit) apply(dir string) (string, error) {
	text, err := os.ReadFile(filepath.Join(dir, e.path))
	if err != nil && !os.IsNotExist(err) {
		return "", err
	}
	lines := strings.SplitAfter(string(text), "\n")
	at := 0
	for _, hunk := range e.hunks {
		var old, fresh []string
		for _, line := range hunk {
			mark, rest := byte(' '), ""
			if line != "" {
				mark, rest = line[0], line[1:]
			}
			if mark != '+' {
				old = append(old, rest)
			}
			if mark != '-' {
				fresh = append(fresh, rest+"\n")
			}
		}
		i := at
		for ; i+len(old) <= len(lines) && !slices.EqualFunc(old, lines[i:i+len(old)], sameWords); i++ {
		}
		if i+len(old) > len(lines) {
			return "", fmt.Errorf("%s has no lines\n%s", e.path, strings.Join(old, "\n"))
		}
		lines = slices.Concat(lines[:i], fresh, lines[i+len(old):])
		at = i + len(fresh)
	}
	return strings.Join(lines, ""), nil
}

func sameWords(a, b string) bool {
	indent := func(line string) string { return line[:len(line)-len(strings.TrimLeft(line, " \t"))] }
	return slices.Equal(strings.Fields(a), strings.Fields(b)) && (strings.TrimSpace(a) == "" || indent(a) == indent(b))
}
