package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// plainValues stand in an example for a column that nobody wrote a value for yet, by JSON type or else by format.
var plainValues = map[string]string{
	"string": `""`, "boolean": "false", "integer": "0", "number": "0", "object, array": "{}",
	"uuid": "00000000-0000-0000-0000-000000000000", "date-time": `"2026-01-02T12:15:00Z"`,
}

// examples gives the example of each row the members that it lacks, and takes those out whose columns are gone.
func examples(made sqlcOutput) error {
	text, err := os.ReadFile(filepath.Join(staging, specFile))
	if err != nil {
		return err
	}
	lines := strings.SplitAfter(string(text), "\n")
	for _, r := range rows {
		columns, err := made.catalog.columns(r.query)
		if err != nil {
			return err
		}
		for _, name := range []string{r.example, r.flat} {
			if name == "" {
				continue
			}
			anchor := slices.IndexFunc(lines, func(line string) bool { return strings.HasSuffix(strings.TrimSpace(line), " &"+name) })
			if anchor < 0 {
				return locateSource(r.schema, "the description has no example &"+name)
			}
			e := example{first: anchor + 1, fields: made.structs[r.goType], columns: columns, flat: name == r.flat}
			lines = slices.Concat(lines[:anchor+1], e.members(lines))
		}
	}
	return stage(specFile, []byte(strings.Join(lines, "")))
}

// example is one in the description, which starts at the line first.
type example struct {
	first   int
	fields  []field
	columns []column
	flat    bool // with members beside those of the row
}

// members returns the lines from the first member on, with what the row is now.
func (e example) members(lines []string) []string {
	var members, have []string
	indent := indentOf(lines[e.first])
	end := e.first
	for keep := true; end < len(lines) && indentOf(lines[end]) >= indent; end++ {
		line := lines[end]
		if indentOf(line) == indent {
			key, _, _ := strings.Cut(strings.TrimSpace(line), ":")
			keep = e.flat || slices.ContainsFunc(e.fields, func(f field) bool { return f.key == key })
			have = append(have, key)
		}
		if keep {
			members = append(members, line)
		}
	}
	for _, f := range e.fields {
		i := slices.IndexFunc(e.columns, func(col column) bool { return col.Name == f.column })
		if f.optional || i < 0 || slices.Contains(have, f.key) {
			continue
		}
		members = append(members, fmt.Sprintf("%s%s: %s\n", strings.Repeat(" ", indent), f.key, plainValue(e.columns[i])))
	}
	return slices.Concat(members, lines[end:])
}

func plainValue(col column) string {
	if !col.NotNull {
		return "null"
	}
	typ := jsonTypes[col.Type.Name]
	if value, ok := plainValues[typ[1]]; ok {
		return value
	}
	return plainValues[typ[0]]
}

func indentOf(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }
