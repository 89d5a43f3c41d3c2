package migrator

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"unicode"

	"github.com/pressly/goose/v3"
)

// Direction says which part of a migration is meant.
type Direction string

// The two parts of a migration file.
const (
	Up   Direction = "up"
	Down Direction = "down"
)

// Migration is a migration file, which goose reads and executes.
type Migration struct {
	Version int64
	File    string // its name, without the folder
	// Transactional is false for a file marked -- +goose NO TRANSACTION: its statements run one by one, and
	// what was done before a failure stays.
	Transactional bool

	text string
	down int // where the Down part begins in text
}

// SQL returns one part of the file without its annotations, and without the comments and empty lines between statements.
func (m Migration) SQL(d Direction) string {
	var b strings.Builder
	for line := range strings.Lines(m.part(d)) {
		if trimmed := strings.TrimSpace(line); trimmed != "" && !strings.HasPrefix(trimmed, "--") {
			b.WriteString(strings.TrimRight(line, "\r\n") + "\n")
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func (m Migration) part(d Direction) string {
	if d == Up {
		return m.text[:m.down]
	}
	return m.text[m.down:]
}

// line returns the line of the file, from 1, at an offset in characters into a statement of one part.
func (m Migration) line(d Direction, statement string, offset int) int {
	start := max(0, strings.Index(m.part(d), statement))
	if d == Down {
		start += m.down
	}
	before := []rune(statement)
	return 1 + strings.Count(m.text[:start], "\n") + strings.Count(string(before[:min(offset, len(before))]), "\n")
}

// Empty reports whether nothing is written in the migration yet.
func (m Migration) Empty() bool { return m.SQL(Up) == "" && m.SQL(Down) == "" }

// parseWritten is Parse without the empty migrations: one that is still to be written is neither applied nor waited for.
func parseWritten(fsys fs.FS) ([]Migration, error) {
	migrations, err := Parse(fsys)
	return slices.DeleteFunc(migrations, Migration.Empty), err
}

// Parse reads the goose migrations NNNNN_name.sql of a folder, sorted by version. It fails on two files of one
// version, and with an *Error on a file that goose would not take.
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
		m := Migration{File: name, Transactional: true, text: string(text)}
		if m.Version, err = goose.NumericComponent(name); err != nil {
			return nil, fmt.Errorf("%s%s: the name of a migration starts with its number and an underscore", folder, name)
		}
		if line, problem := m.check(); problem != "" {
			return nil, &Error{File: name, Line: line, Err: errors.New(problem)}
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

// check finds the parts of the file, and what goose would refuse later and without a line.
func (m *Migration) check() (line int, problem string) {
	const noUp = "a migration starts with -- +goose Up"
	m.down = len(m.text)
	var part Direction
	block, open := 0, 0 // the lines of a StatementBegin and of a statement that did not end yet
	offset, number, steers := 0, 0, 0
	for line := range strings.Lines(m.text) {
		offset, number = offset+len(line), number+1
		trimmed := strings.TrimSpace(line)
		if !strings.HasPrefix(trimmed, "--") || !strings.Contains(trimmed, "+goose") {
			switch {
			case open == 0 && (trimmed == "" || strings.HasPrefix(trimmed, "--")):
			case part == "":
				return number, noUp
			default:
				if open == 0 {
					open = number
					if steersTransaction(line) {
						steers = number
					}
				}
				if block == 0 && endsStatement(line) {
					open = 0
				}
			}
			continue
		}
		switch annotation := strings.ToUpper(strings.TrimSpace(strings.Replace(strings.ReplaceAll(trimmed, "--", ""), "+goose", "", 1))); {
		case annotation == "UP" && part == "":
			part = Up
		case annotation == "DOWN" && part == Up && block == 0:
			if open > 0 {
				return open, "this statement has no semicolon at its end"
			}
			part, m.down = Down, offset
		case annotation == "STATEMENTBEGIN" && part != "" && block == 0 && open == 0:
			block = number
		case annotation == "STATEMENTEND" && block > 0:
			block, open = 0, 0
		case annotation == "NO TRANSACTION":
			m.Transactional = false
		default:
			return number, "the annotation +goose " + annotation + " is unknown, or has no place here"
		}
	}
	switch {
	case part == "":
		return 1, noUp
	case block > 0:
		return max(block, open), "-- +goose StatementEnd is missing"
	case open > 0:
		return open, "this statement has no semicolon at its end"
	case steers > 0 && m.Transactional:
		return steers, "a migration cannot steer its own transaction; mark it -- +goose NO TRANSACTION"
	}
	return 0, ""
}

// steersTransaction guards all-or-nothing and the dry run: a COMMIT in a migration would make both untrue.
func steersTransaction(statement string) bool {
	words := strings.FieldsFunc(strings.ToUpper(statement), func(r rune) bool { return r == ';' || unicode.IsSpace(r) })
	return len(words) > 0 && slices.Contains([]string{"BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT"}, words[0])
}

// endsStatement reports, as goose does, whether the last word of the line before a comment ends in a semicolon.
func endsStatement(line string) bool {
	last := ""
	for word := range strings.FieldsSeq(line) {
		if strings.HasPrefix(word, "--") {
			break
		}
		last = word
	}
	return strings.HasSuffix(last, ";")
}
