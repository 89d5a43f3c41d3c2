package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode"
)

// tables prints JSON for people. The first error of its output is kept.
type tables struct {
	out io.Writer
	err error
}

func (t *tables) printf(format string, args ...any) {
	_, err := fmt.Fprintf(t.out, format, args...)
	t.err = errors.Join(t.err, err)
}

// table prints what rows have at paths, a row a line.
func (t *tables) table(paths []string, rows []map[string]any) {
	heads, lines := make([]string, len(paths)), make([][]string, len(rows))
	for i, path := range paths {
		heads[i] = strings.ToUpper(path[strings.LastIndexByte(path, '.')+1:])
	}
	for i, row := range rows {
		for _, path := range paths {
			lines[i] = append(lines[i], cell(at(row, path)))
		}
	}
	t.grid(heads, lines)
}

func (t *tables) grid(heads []string, lines [][]string) {
	w := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
	for _, cells := range append([][]string{heads}, lines...) {
		_, _ = fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	t.err = errors.Join(t.err, w.Flush())
}

// nested are the lists of a record that are tables of their own, with what is shown of them.
var nested = map[string][]string{
	"folds":   {"fold_number", "train_start_idx", "train_end_idx", "test_start_idx", "test_end_idx", "best_iteration", "best_score"},
	"buckets": {"side", "trade_count", "win_count", "profit_factor", "avg_return_pct", "max_drawdown_pct"},
}

// record prints a member a line, what is inside of objects by its path, and lists of objects as tables below.
func (t *tables) record(record map[string]any) {
	w := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
	for _, path := range leaves("", record) {
		if value := at(record, path); nested[path] == nil && cell(value) != "" {
			_, _ = fmt.Fprintf(w, "%s\t%s\n", plainText(path), cell(value))
		}
	}
	t.err = errors.Join(t.err, w.Flush())
	for _, name := range slices.Sorted(maps.Keys(nested)) {
		if rows := objects(record[name]); len(rows) > 0 {
			t.printf("\n")
			t.table(nested[name], rows)
		}
	}
}

// leaves are the paths of all that is no object, in order.
func leaves(path string, v any) (paths []string) {
	object, ok := v.(map[string]any)
	if !ok {
		return []string{path}
	}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		paths = append(paths, leaves(strings.TrimPrefix(path+"."+name, "."), object[name])...)
	}
	return paths
}

// at is what a row has at a path; a name may have dots itself.
func at(row map[string]any, path string) any {
	if v, ok := row[path]; ok {
		return v
	}
	for i := range path {
		if path[i] != '.' {
			continue
		}
		if inner, ok := row[path[:i]].(map[string]any); ok {
			return at(inner, path[i+1:])
		}
	}
	return nil
}

// cell is a value in one line: numbers to six digits, lists by their members or their length.
func cell(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return plainText(v)
	case bool:
		return strconv.FormatBool(v)
	case json.Number:
		if f, err := v.Float64(); err == nil && strings.ContainsAny(v.String(), ".eE") {
			return strconv.FormatFloat(f, 'g', 6, 64)
		}
		return v.String()
	case []any:
		parts := make([]string, len(v))
		for i, one := range v {
			if _, ok := one.(map[string]any); ok {
				return strconv.Itoa(len(v))
			}
			parts[i] = cell(one)
		}
		return strings.Join(parts, ",")
	case map[string]any: // a figure: a number, or why there is none
		if why, ok := v["why"]; ok {
			return cmp.Or(cell(v["value"]), cell(why))
		}
	}
	return "{…}"
}

// plainText is a text that can't move the cursor of a terminal.
func plainText(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '·'
		}
		return r
	}, s)
}

func objects(v any) (rows []map[string]any) {
	list, _ := v.([]any)
	for _, one := range list {
		if row, ok := one.(map[string]any); ok {
			rows = append(rows, row)
		}
	}
	return rows
}

func texts(v any) (lines []string) {
	list, _ := v.([]any)
	for _, one := range list {
		lines = append(lines, cell(one))
	}
	return lines
}

// decode reads JSON, numbers with all their digits.
func decode(body []byte, to any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := d.Decode(to); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	return nil
}
