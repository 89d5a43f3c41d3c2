package questdb

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// statement is SQL in the making, the only place where it is made. Its text is constant, its names are quoted, and its
// values stand apart: they are bound where QuestDB can bind, and written as literals where it cannot. The methods return
// the statement, so that they chain; the first thing that is wrong is kept in err and stops the statement from being sent.
type statement struct {
	bound   strings.Builder // with $1, $2, …
	literal strings.Builder // with the values in place
	args    []any
	types   []string // of the columns that are read, as the catalogue names them; may be fewer, and empty for unknown
	stream  bool     // it may take long, with a reader that is slow
	err     error
}

// constant is text from the source code: a variable string does not convert to it by itself.
type constant string

func (s *statement) add(text constant) *statement {
	s.bound.WriteString(string(text))
	s.literal.WriteString(string(text))
	return s
}

// fail keeps the first error.
func (s *statement) fail(err error) *statement {
	if s.err == nil {
		s.err = err
	}
	return s
}

// table writes the name of a table of the catalogue.
func (s *statement) table(t *Table) *statement { return s.name(t.Name) }

// column writes the name of a column of t. Error: ErrNoColumn.
func (s *statement) column(t *Table, name string) *statement {
	c, ok := t.Column(name)
	if !ok {
		return s.fail(fmt.Errorf("%w: %q", ErrNoColumn, name))
	}
	return s.name(c.Name)
}

// read writes a column of t as one that is read, and remembers its type. CHAR, of which /exec sends quotes and backslashes
// as they are, is read as text, and BINARY, which it does not send at all, as NULL.
func (s *statement) read(t *Table, name string) *statement {
	c, _ := t.Column(name)
	s.types = append(s.types, c.Type)
	switch c.Type {
	case "CHAR":
		return s.add("cast(").column(t, name).add(" as varchar) ").name(c.Name)
	case "BINARY":
		return s.add("cast(null as varchar) ").name(c.Name)
	}
	return s.column(t, name)
}

// name writes an identifier. Error: ErrInvalidName, for what quotes cannot hold.
func (s *statement) name(name string) *statement {
	quoted, err := quote(name)
	if err != nil {
		return s.fail(err)
	}
	return s.add(constant(quoted))
}

// int, float, text and micros write a value; micros is a time in microseconds since 1970.
func (s *statement) int(v int64) *statement {
	if v == math.MinInt64 { // QuestDB's NULL
		return s.value(v, "null::long")
	}
	return s.value(v, strconv.FormatInt(v, 10))
}

func (s *statement) float(v float64) *statement {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return s.value(v, "null::double")
	}
	return s.value(v, strconv.FormatFloat(v, 'e', -1, 64))
}

func (s *statement) text(v string) *statement {
	v = strings.ReplaceAll(strings.ToValidUTF8(v, "\uFFFD"), "\x00", "\uFFFD") // no text of QuestDB has either
	return s.value(v, textLiteral(v))
}

func (s *statement) micros(v int64) *statement {
	at := time.UnixMicro(min(max(v, minMicros), maxMicros)).UTC()
	return s.value(at, at.Format("'2006-01-02T15:04:05.000000Z'"))
}

// The times that can be written with a year of four digits.
const minMicros, maxMicros = -62135596800000000, 253402300799999999

func (s *statement) bool(v bool) *statement { return s.value(v, strconv.FormatBool(v)) }

// any writes a value of one of those types, or a time.
func (s *statement) any(v any) *statement {
	switch v := v.(type) {
	case int64:
		return s.int(v)
	case float64:
		return s.float(v)
	case bool:
		return s.bool(v)
	case time.Time:
		return s.micros(v.UnixMicro())
	case string:
		return s.text(v)
	}
	return s.fail(fmt.Errorf("a value of type %T", v))
}

func (s *statement) value(v any, literal string) *statement {
	s.args = append(s.args, v)
	s.bound.WriteByte('$')
	s.bound.WriteString(strconv.Itoa(len(s.args)))
	s.literal.WriteString(literal)
	return s
}

// textLiteral writes a string of SQL. QuestDB knows no escape but the doubled quote. Compare it, or cast it to STRING: in a
// cast to VARCHAR or a function, QuestDB 9.3 takes away the quotes that the text itself begins and ends with.
func textLiteral(v string) string { return "'" + strings.ReplaceAll(v, "'", "''") + "'" }

const maxName = 127 // QuestDB's cairo.max.file.name.length

// quote is the only way of a name into SQL. QuestDB has no escape for a double quote in an identifier, and no name that
// holds one.
func quote(name string) (string, error) {
	bad := func(r rune) bool { return r == '"' || unicode.IsControl(r) || r == utf8.RuneError || r == '\uFEFF' }
	if name == "" || len(name) > maxName || !utf8.ValidString(name) || strings.ContainsFunc(name, bad) {
		return "", fmt.Errorf("%w: %q", ErrInvalidName, clip(name))
	}
	return `"` + name + `"`, nil
}

// clip keeps what a client sent from filling a log.
func clip(name string) string {
	if len(name) > maxName+1 {
		return name[:maxName] + "…"
	}
	return name
}

var tablePattern = regexp.MustCompile(`^[a-z0-9_][a-z0-9_.-]*$`)

// tableName is the name in lower case, as tables are made and looked up: QuestDB does not tell cases apart.
func tableName(name string) (string, error) {
	lower := strings.ToLower(name)
	if len(lower) > maxName || !tablePattern.MatchString(lower) || strings.Contains(lower, "..") || strings.HasSuffix(lower, ".") {
		return "", fmt.Errorf("%w: table %q", ErrInvalidName, clip(name))
	}
	return lower, nil
}

// ValidColumn reports whether a column can be made with that name: letters of any language, digits, _ and inner spaces.
func ValidColumn(name string) bool {
	bad := func(r rune) bool { return r != '_' && r != ' ' && !unicode.IsLetter(r) && !unicode.IsDigit(r) }
	return name != "" && len(name) <= maxName && utf8.ValidString(name) && strings.TrimSpace(name) == name && !strings.ContainsFunc(name, bad)
}

// ValidTable reports whether a table can have that name: letters, digits, _, - and single inner dots, at most 127 of them.
func ValidTable(name string) bool {
	lower, err := tableName(name)
	return err == nil && !isOwn(lower)
}
