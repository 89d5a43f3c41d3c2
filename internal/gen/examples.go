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
func examples() error {
	cat, err := readCatalog()
	if err != nil {
		return err
	}
	structs, err := rowStructs()
	if err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(staging, specFile))
	if err != nil {
		return err
	}
	lines := strings.SplitAfter(string(text), "\n")
	for _, r := range rows {
		if r.example == "" {
			continue
		}
		columns, err := cat.columns(r.query)
		if err != nil {
			return err
		}
		anchor := slices.IndexFunc(lines, func(line string) bool { return strings.HasSuffix(strings.TrimSpace(line), " &"+r.example) })
		if anchor < 0 {
			return locateSource(r.schema, "the description has no example &"+r.example)
		}
		lines = slices.Concat(lines[:anchor+1], exampleMembers(lines, anchor+1, structs[r.goType], columns))
	}
	return stage(specFile, []byte(strings.Join(lines, "")))
}

// exampleMembers returns the lines from the first member of an example on, with what the row is now.
func exampleMembers(lines []string, first int, fields []field, columns []column) []string {
	var members, have []string
	indent := indentOf(lines[first])
	end := first
	for keep := true; end < len(lines) && indentOf(lines[end]) >= indent; end++ {
		line := lines[end]
		if indentOf(line) == indent {
			key, _, _ := strings.Cut(strings.TrimSpace(line), ":")
			keep = slices.ContainsFunc(fields, func(f field) bool { return f.key == key })
			have = append(have, key)
		}
		if keep {
			members = append(members, line)
		}
	}
	for _, f := range fields {
		i := slices.IndexFunc(columns, func(col column) bool { return col.Name == f.column })
		if f.optional || i < 0 || slices.Contains(have, f.key) {
			continue
		}
		typ := jsonTypes[columns[i].Type.Name]
		value := plainValues[typ[0]]
		if special, ok := plainValues[typ[1]]; ok {
			value = special
		}
		if !columns[i].NotNull {
			value = "null"
		}
		members = append(members, fmt.Sprintf("%s%s: %s\n", strings.Repeat(" ", indent), f.key, value))
	}
	return slices.Concat(members, lines[end:])
}

func indentOf(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }
