package migrator

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Direction says which part of a migration is meant.
type Direction bool

// The two parts of a migration file.
const (
	Up   Direction = true
	Down Direction = false
)

// String is "up" or "down".
func (d Direction) String() string {
	if d == Up {
		return "up"
	}
	return "down"
}

// Statement is one SQL statement of a migration and the line of the file where it starts, counted from 1.
type Statement struct {
	SQL  string
	Line int
}

// Migration is a parsed migration file.
type Migration struct {
	Version int64
	File    string // its name, without the folder
	Up      []Statement
	Down    []Statement
	// Transactional is false for a file marked -- +goose NO TRANSACTION: its statements run one by one, and
	// what was done before a failure stays.
	Transactional bool
}

// Statements returns the statements of one direction.
func (m Migration) Statements(d Direction) []Statement {
	if d == Up {
		return m.Up
	}
	return m.Down
}

// Empty reports whether nothing is written in the migration yet.
func (m Migration) Empty() bool { return len(m.Up) == 0 && len(m.Down) == 0 }

// parseWritten is Parse without the empty migrations: one that is still to be written is neither applied nor waited for.
func parseWritten(fsys fs.FS) ([]Migration, error) {
	migrations, err := Parse(fsys)
	return slices.DeleteFunc(migrations, Migration.Empty), err
}

// Parse reads the goose migrations NNNNN_name.sql of a folder, sorted by version. It fails on two files of one
// version and on a file that is no goose migration.
func Parse(fsys fs.FS) ([]Migration, error) {
	names, err := fs.Glob(fsys, "*.sql")
	if err != nil {
		return nil, fmt.Errorf("list migrations: %w", err)
	}
	migrations := make([]Migration, 0, len(names))
	for _, name := range names {
		text, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, fmt.Errorf("read migration: %w", err)
		}
		m, err := parseFile(name, string(text))
		if err != nil {
			return nil, err
		}
		migrations = append(migrations, m)
	}
	slices.SortFunc(migrations, func(a, b Migration) int { return int(a.Version - b.Version) })
	for i := 1; i < len(migrations); i++ {
		if a, b := migrations[i-1], migrations[i]; a.Version == b.Version {
			return nil, fmt.Errorf("migrations %s and %s have the same number", a.File, b.File)
		}
	}
	return migrations, nil
}

// parseFile splits a file as goose does: a statement ends with a line that ends in a semicolon, or with
// StatementEnd. goose's own parser is internal and forgets the lines, which a message about a failure needs.
func parseFile(name, text string) (Migration, error) {
	m := Migration{File: name, Transactional: true}
	number, _, _ := strings.Cut(name, "_")
	version, err := strconv.ParseInt(number, 10, 64)
	if err != nil || version < 1 {
		return m, fmt.Errorf("%s%s: the name of a migration starts with its number and an underscore", folder, name)
	}
	m.Version = version

	var section *[]Statement // the one being filled; nil before the Up annotation
	var block bool           // between StatementBegin and StatementEnd
	var buf strings.Builder
	start := 0
	fail := func(line int, problem string) (Migration, error) {
		return m, &Error{File: name, Line: line, Err: errors.New(problem)}
	}
	flush := func() {
		if sql := strings.TrimSpace(buf.String()); sql != "" {
			*section = append(*section, Statement{SQL: sql, Line: start})
		}
		buf.Reset()
	}
	for i, line := range strings.Split(text, "\n") {
		line, number := strings.TrimSuffix(line, "\r"), i+1
		trimmed := strings.TrimSpace(line)
		if annotation, ok := annotation(trimmed); ok {
			unfinished := strings.TrimSpace(buf.String()) != ""
			switch {
			case annotation == "UP" && section == nil:
				section = &m.Up
			case annotation == "DOWN" && section == &m.Up && !block:
				if unfinished {
					return fail(start, "this statement has no semicolon at its end")
				}
				section = &m.Down
			case annotation == "STATEMENTBEGIN" && section != nil && !block && !unfinished:
				block = true
			case annotation == "STATEMENTEND" && block:
				flush()
				block = false
			case annotation == "NO TRANSACTION":
				m.Transactional = false
			default:
				return fail(number, "the annotation +goose "+annotation+" is unknown, or has no place here")
			}
			continue
		}
		if buf.Len() == 0 {
			if trimmed == "" || strings.HasPrefix(trimmed, "--") {
				continue
			}
			if section == nil {
				return fail(number, "a migration starts with -- +goose Up")
			}
			start = number
		}
		buf.WriteString(line + "\n")
		if !block && endsStatement(line) {
			flush()
		}
	}
	switch {
	case section == nil:
		return fail(1, "a migration starts with -- +goose Up")
	case block:
		return fail(start, "-- +goose StatementEnd is missing")
	case strings.TrimSpace(buf.String()) != "":
		return fail(start, "this statement has no semicolon at its end")
	}
	for _, s := range slices.Concat(m.Up, m.Down) {
		if m.Transactional && endsTransaction(s.SQL) {
			return fail(s.Line, "a migration cannot steer its own transaction; mark it -- +goose NO TRANSACTION")
		}
	}
	return m, nil
}

// endsTransaction guards all-or-nothing and the dry run: a COMMIT in a migration would make both untrue.
func endsTransaction(sql string) bool {
	words := strings.FieldsFunc(strings.ToUpper(sql), func(r rune) bool { return r == ';' || unicode.IsSpace(r) })
	return len(words) > 0 && slices.Contains([]string{"BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT"}, words[0])
}

// annotation returns what a comment line says beside "+goose", in capitals.
func annotation(line string) (string, bool) {
	if !strings.HasPrefix(line, "--") || !strings.Contains(line, "+goose") {
		return "", false
	}
	what := strings.Replace(strings.ReplaceAll(line, "--", ""), "+goose", "", 1)
	return strings.ToUpper(strings.TrimSpace(what)), true
}

// endsStatement reports whether the last word of the line before a comment ends in a semicolon.
func endsStatement(line string) bool {
	last := ""
	for _, word := range strings.Fields(line) {
		if strings.HasPrefix(word, "--") {
			break
		}
		last = word
	}
	return strings.HasSuffix(last, ";")
}
