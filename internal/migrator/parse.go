package migrator

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"

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

// quoted is a text in a message of goose.
var quoted = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)

// unread returns the line of the file that goose could not read: the one that its message quotes the beginning of, or else that of a
// block without an end.
func (m Migration) unread(err error) int {
	text, quoteErr := strconv.Unquote(quoted.FindString(err.Error()))
	if quoteErr != nil {
		text = "-- +goose StatementBegin"
	}
	text, _, _ = strings.Cut(strings.TrimSpace(text), "\n")
	return 1 + strings.Count(m.text[:max(0, strings.LastIndex(m.text, text))], "\n")
}

// Empty reports whether nothing is written in the migration yet.
func (m Migration) Empty() bool { return m.SQL(Up) == "" && m.SQL(Down) == "" }

// parseWritten is Parse without the empty migrations: one that is still to be written is neither applied nor waited for.
func parseWritten(fsys fs.FS) ([]Migration, error) {
	migrations, err := Parse(fsys)
	return slices.DeleteFunc(migrations, Migration.Empty), err
}

// Parse reads the goose migrations NNNNN_name.sql of a folder, sorted by version. It fails on two files of one version, and with an
// *Error on a migration that steers its own transaction. What else goose would not take, it says when it is applied.
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
		m := Migration{File: name, Transactional: !noTransaction.Match(text), text: string(text), down: len(text)}
		if m.Version, err = goose.NumericComponent(name); err != nil {
			return nil, fmt.Errorf("%s%s: the name of a migration starts with its number and an underscore", folder, name)
		}
		if at := downPart.FindIndex(text); at != nil {
			m.down = at[1]
		}
		if line := m.steers(); line > 0 && m.Transactional {
			return nil, &Error{File: name, Line: line, Err: errSteers}
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

// goose's annotations, as it takes them, and what begins a statement on its own line.
var (
	noTransaction = regexp.MustCompile(`(?im)^\s*--\s*\+goose\s+NO\s+TRANSACTION\s*$`)
	downPart      = regexp.MustCompile(`(?im)^\s*--\s*\+goose\s+Down\s*?(\n|$)`)
	block         = regexp.MustCompile(`(?is)\+goose\s+StatementBegin.*?\+goose\s+StatementEnd`)
	steering      = regexp.MustCompile(`(?im)^\s*(BEGIN|START\s+TRANSACTION|COMMIT|END|ROLLBACK|ABORT)\b[^;\n]*;`)
)

var errSteers = errors.New("a migration cannot steer its own transaction; mark it -- +goose NO TRANSACTION")

// steers returns the line in which the migration begins or ends a transaction, or 0. That would make its all-or-nothing and the dry
// run untrue. The body of a function, in which BEGIN and END mean something else, is in a block.
func (m Migration) steers() (line int) {
	plain := block.ReplaceAllStringFunc(m.text, func(b string) string { return strings.Repeat("\n", strings.Count(b, "\n")) })
	at := steering.FindStringSubmatchIndex(plain)
	if at == nil {
		return 0
	}
	return 1 + strings.Count(plain[:at[2]], "\n")
}
