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

// statement builds SQL; nothing else does. Its text is constant, its names are quoted, and its values are kept apart: they are
// bound where QuestDB can bind, and written as literals where it cannot. The methods return the statement, so that they
// chain; err keeps the first error, and a statement with an error is not sent.
type statement struct {
	bound  strings.Builder // with $1, $2, …
	args   []any
	places []int    // of these in bound
	types  []string // of the columns that are read, as the catalogue names them; may be fewer, and empty for unknown
	stream bool     // it may take long, with a reader that is slow
	err    error
}

// constant is text from the source code: a variable string does not convert to it by itself.
type constant string

func (s *statement) add(text constant) *statement {
	s.bound.WriteString(string(text))
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
func (s *statement) read(t *Table, name string) {
	c, _ := t.Column(name)
	s.types = append(s.types, c.Type)
	switch c.Type {
	case "CHAR":
		s.add("cast(").column(t, name).add(" as varchar) ").name(c.Name)
	case "BINARY":
		s.add("cast(null as varchar) ").name(c.Name)
	default:
		s.column(t, name)
	}
}

// name writes an identifier. Error: ErrInvalidName, for a name that cannot be quoted.
func (s *statement) name(name string) *statement {
	quoted, err := quote(name)
	if err != nil {
		return s.fail(err)
	}
	return s.add(constant(quoted))
}

// micros writes a time in microseconds since 1970.
func (s *statement) micros(v int64) *statement { return s.value(time.UnixMicro(v)) }

// The times that can be written with a year of four digits.
const minMicros, maxMicros = -62135596800000000, 253402300799999999

// value writes an int64, a float64, a bool, a string or a time.
func (s *statement) value(v any) *statement {
	switch given := v.(type) {
	case string:
		v = strings.ReplaceAll(strings.ToValidUTF8(given, "\uFFFD"), "\x00", "\uFFFD") // no text of QuestDB has either
	case time.Time:
		v = time.UnixMicro(min(max(given.UnixMicro(), minMicros), maxMicros)).UTC()
	}
	s.args = append(s.args, v)
	s.places = append(s.places, s.bound.Len())
	s.bound.WriteByte('$')
	s.bound.WriteString(strconv.Itoa(len(s.args)))
	return s
}

// literal is the statement with its values in place.
func (s *statement) literal() string {
	var b strings.Builder
	text, from := s.bound.String(), 0
	for i, v := range s.args {
		b.WriteString(text[from:s.places[i]])
		b.WriteString(literalOf(v))
		from = s.places[i] + 1 + len(strconv.Itoa(i+1))
	}
	return b.String() + text[from:]
}

// literalOf is a value as SQL has it.
func literalOf(v any) string {
	switch v := v.(type) {
	case int64:
		if v == math.MinInt64 { // QuestDB's NULL
			return "null::long"
		}
		return strconv.FormatInt(v, 10)
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return "null::double"
		}
		return strconv.FormatFloat(v, 'e', -1, 64)
	case bool:
		return strconv.FormatBool(v)
	case time.Time:
		return v.Format("'2006-01-02T15:04:05.000000Z'")
	case string:
		return textLiteral(v)
	}
	panic(fmt.Sprintf("a value of type %T in a statement", v))
}

// textLiteral writes a string of SQL. QuestDB's only escape is the doubled quote. Compare the literal, or cast it to STRING: in
// a cast to VARCHAR or a function, QuestDB 9.3 removes quotes at the beginning and end of the text itself.
func textLiteral(v string) string { return "'" + strings.ReplaceAll(v, "'", "''") + "'" }

const maxName = 127 // QuestDB's cairo.max.file.name.length

// quote is the only way for a name into SQL. QuestDB has no escape for a double quote in an identifier, and no name contains
// one.
func quote(name string) (string, error) {
	bad := func(r rune) bool { return r == '"' || unicode.IsControl(r) || r == utf8.RuneError || r == '\uFEFF' }
	if name == "" || len(name) > maxName || !utf8.ValidString(name) || strings.ContainsFunc(name, bad) {
		return "", fmt.Errorf("%w: %q", ErrInvalidName, clip(name))
	}
	return `"` + name + `"`, nil
}

// clip shortens text from a client, so that it cannot fill a log.
func clip(name string) string {
	if len(name) > maxName+1 {
		return name[:maxName] + "…"
	}
	return name
}

var tablePattern = regexp.MustCompile(`^[a-z0-9_][a-z0-9_.-]*$`)

// tableName is the name in lower case, in which tables are created and looked up: QuestDB ignores case.
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
