// Package metricquery is the filter and sort language over the numbers and texts of a record: those in its JSON columns, such as
// summary_metrics.pf_long>=1.2 and hyperparameters.model=ridge, and its own, such as started_at<2026-01-01T00:00:00Z.
package metricquery

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"foldbook/api/spec"
	"foldbook/internal/httpbody"
	"foldbook/internal/moment"
)

// Fields are what can be searched of a kind of record.
type Fields struct {
	Columns []string // JSON columns whose numbers and texts are searched, as column.key, and column.key.key for nested ones
	Numbers []string // numbers and times of the record itself; those whose name ends in _at are times
	Texts   []string // texts of the record itself, which a list can be sorted by
}

// Query is what a list is asked for.
type Query struct {
	Ranges []Range // all of which have to hold
	Sort   Sort
}

// Empty tells a query of all records, newest first.
func (q Query) Empty() bool { return len(q.Ranges) == 0 && q.Sort.Key == "" }

// Parse reads the filters and the order of a list. Errors are 400 invalid_parameter with the position, in characters from 1.
func (f Fields) Parse(filters *[]string, sort *string) (Query, error) {
	var q Query
	if filters != nil {
		for _, text := range *filters {
			filter, err := f.filter(text)
			if err != nil {
				return q, err
			}
			q.Ranges = append(q.Ranges, filter.ranges()...)
		}
	}
	q.Ranges = merge(q.Ranges)
	text := ""
	if sort != nil {
		text = *sort
	}
	var err error
	q.Sort, err = f.sort(text)
	return q, err
}

// filter is one metric= of a query: summary_metrics.pf_long>=1.2.
type filter struct {
	Key   string // path in a column, or a number or time of the record itself
	Op    string // one of operators or states
	Value float64
	Texts []string // instead of Value
}

// Longer ones first: > begins >= too.
var (
	operators = []string{">=", "<=", "!=", ">", "<", "="}
	states    = []string{"exists", "missing"}
)

// maxKey is the length in bytes of a metric's name, as of every name that is indexed.
const maxKey = httpbody.MaxName

// filter reads column.key or a number of the record itself, then >=, >, <=, <, = or != with a number, or exists or missing
// behind a blank or a colon. A key with operators in it is written as a JSON text: summary_metrics."a>=b". A time is
// what package moment reads, a bare number in milliseconds since the epoch.
func (f Fields) filter(text string) (filter, error) {
	p := parser{name: "metric", text: text, fields: f}
	got := filter{Key: p.key(endOfKey)}
	rest := strings.TrimLeft(p.rest(), " ")
	p.at = len(text) - len(rest)
	for _, op := range operators {
		if strings.HasPrefix(rest, op) {
			p.at += len(op)
			got.Op = op
			inColumn := strings.Contains(got.Key, ".")
			if !inColumn || (op != "=" && op != "!=") || !p.textsAhead() {
				got.Value = p.number(strings.HasSuffix(got.Key, "_at") && !inColumn)
			} else {
				got.Texts = p.texts()
			}
			return got, p.err
		}
	}
	for _, state := range states {
		if strings.TrimLeft(rest, ":") == state && len(rest) <= len(state)+1 {
			got.Op = state
			return got, p.err
		}
	}
	p.fail("expected >=, >, <=, <, =, != and a number, or exists or missing")
	return got, p.err
}

// sort reads the order of a list: nothing or -created_at, which is the newest first, or a path or column, with - before it for descending.
func (f Fields) sort(text string) (Sort, error) {
	if text == "" {
		return Sort{Descending: true}, nil
	}
	p := parser{name: "sort", text: text, fields: f}
	var s Sort
	if s.Descending = text[0] == '-'; s.Descending {
		p.at++
	}
	if rest := p.rest(); slices.Contains(p.fields.Texts, rest) || rest == "created_at" {
		if rest != "created_at" || !s.Descending {
			s.Key, s.Complete = rest, !slices.Contains(optional, rest)
		}
		return s, p.err
	}
	s.Key = p.key(func(s string) int { return len(s) })
	if p.rest() != "" {
		p.fail("expected nothing after the key")
	}
	return s, p.err
}

// parser keeps the first error; what it returns after that is of no use.
type parser struct {
	name   string // of the parameter
	text   string
	fields Fields
	at     int // byte
	err    error
}

func (p *parser) rest() string { return p.text[p.at:] }

func (p *parser) fail(what string) {
	if p.err == nil {
		p.err = spec.InvalidParameter(p.name, fmt.Sprintf("at %d: %s", utf8.RuneCountInString(p.text[:p.at])+1, what))
	}
}

// key reads column.key or a number of the record itself; end finds where a key that is not quoted ends.
func (p *parser) key(end func(string) int) string {
	field := p.rest()[:len(p.rest())-len(strings.TrimLeft(p.rest(), "_abcdefghijklmnopqrstuvwxyz"))]
	if slices.Contains(p.fields.Numbers, field) {
		p.at += len(field)
		return field
	}
	column, _, dot := strings.Cut(p.rest(), ".")
	if !dot || !slices.Contains(p.fields.Columns, column) {
		what := "expected " + strings.Join(p.fields.Columns, " or ") + ", a dot and a key"
		if len(p.fields.Numbers) > 0 {
			what += "; or one of " + strings.Join(p.fields.Numbers, ", ")
			if p.name == "sort" {
				what += ", " + strings.Join(p.fields.Texts, ", ")
			}
		}
		p.fail(what)
		return ""
	}
	p.at += len(column) + 1
	rest, begin := p.rest(), p.at
	var key string
	if strings.HasPrefix(rest, `"`) {
		n := endOfQuoted(rest)
		unquoted, err := jsontext.AppendUnquote(nil, rest[:n])
		if err != nil {
			p.fail("the quoted key is not a JSON text")
			return ""
		}
		key = string(unquoted)
		p.at += n
	} else {
		n := end(rest)
		key = strings.TrimRight(rest[:n], " ")
		p.at += n
	}
	what := ""
	switch {
	case key == "":
		what = "the key is empty"
	case len(key) > maxKey:
		what = fmt.Sprintf("the key is longer than %d bytes", maxKey)
	case !utf8.ValidString(key):
		what = "the key is not UTF-8"
	case strings.ContainsRune(key, 0):
		what = "the key has the character U+0000"
	}
	if what != "" {
		p.at = begin
		p.fail(what)
	}
	return column + "." + key
}

// endOfKey finds the operator, or the blank or colon before exists or missing.
func endOfKey(s string) int {
	for i := range len(s) {
		if s[i] == '<' || s[i] == '>' || s[i] == '=' || strings.HasPrefix(s[i:], "!=") {
			return i
		}
	}
	for _, state := range states {
		if key, ok := strings.CutSuffix(s, state); ok && key != "" && (key[len(key)-1] == ' ' || key[len(key)-1] == ':') {
			return len(key) - 1
		}
	}
	return len(s)
}

// endOfQuoted is the length of the quoted text at the start of s, or of s when it is not closed.
func endOfQuoted(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(s)
}

// textsAhead tells whether texts follow and not a number, nor an operator too many.
func (p *parser) textsAhead() bool {
	rest := strings.Trim(p.rest(), " ")
	v := jsontext.Value(rest)
	return rest != "" && !strings.ContainsAny(rest[:1], "=<>!") && (v.Kind() != jsontext.KindNumber || !v.IsValid())
}

// texts reads one text or more, separated by commas; one with a comma is quoted, and so is one that would be a number.
func (p *parser) texts() (texts []string) {
	for {
		rest := strings.TrimLeft(p.rest(), " ")
		p.at = len(p.text) - len(rest)
		var one string
		if strings.HasPrefix(rest, `"`) {
			n := endOfQuoted(rest)
			unquoted, err := jsontext.AppendUnquote(nil, rest[:n])
			if err != nil {
				p.fail("the quoted text is not a JSON text")
			}
			one = string(unquoted)
			p.at += n
		} else {
			one, _, _ = strings.Cut(rest, ",")
			p.at += len(one)
			if one = strings.TrimRight(one, " "); one == "" {
				p.fail("expected a text")
			} else if jsontext.Value(one).Kind() == jsontext.KindNumber && jsontext.Value(one).IsValid() {
				p.at -= len(one)
				p.fail("one of several is a text: quote what looks like a number, and compare numbers by >= and <=")
			}
		}
		if utf8.RuneCountInString(one) > maxText || !utf8.ValidString(one) || strings.ContainsAny(one, "\x00"+textMark+anyOf) {
			p.fail(fmt.Sprintf("a text that is compared has at most %d characters, and none below U+0003", maxText))
		}
		if !slices.Contains(texts, one) {
			texts = append(texts, one)
		}
		rest = strings.TrimLeft(p.rest(), " ")
		p.at = len(p.text) - len(rest)
		if p.err != nil || rest == "" {
			return texts
		}
		if rest[0] != ',' {
			p.fail("expected a comma or nothing after a text")
			return texts
		}
		p.at++
	}
}

// number reads the rest as a number, or as a time, which becomes milliseconds since the epoch.
func (p *parser) number(orTime bool) float64 {
	rest := strings.TrimLeft(p.rest(), " ")
	p.at = len(p.text) - len(rest)
	rest = strings.TrimRight(rest, " ")
	if orTime && rest != "0" { // which is before all times
		t, err := (&moment.Reader{Unit: moment.Milliseconds, Old: true}).Text(rest)
		if err != nil {
			p.fail(err.Error())
		}
		return Milliseconds(t)
	}
	v := jsontext.Value(rest)
	if v.Kind() != jsontext.KindNumber || !v.IsValid() {
		p.fail("expected a number")
		return 0
	}
	x, err := strconv.ParseFloat(rest, 64)
	if err != nil {
		p.fail("the number is out of range")
	}
	return x
}

// Milliseconds is a time as PostgreSQL keeps it, to the microsecond, in milliseconds since the epoch.
func Milliseconds(t time.Time) float64 { return float64(t.UnixMicro()) / 1000 }

// ranges says the filter in ranges, all of which have to hold.
func (f filter) ranges() []Range {
	inf := math.Inf(1)
	r := Range{Key: f.Key, Low: -inf, High: inf, Want: true}
	if f.Texts != nil {
		r = text(f.Key, f.Texts)
		if f.Op == "!=" {
			r.Want = false
			return []Range{{Key: f.Key + textMark, Low: -inf, High: inf, Want: true}, r}
		}
		return []Range{r}
	}
	switch f.Op {
	case ">=":
		r.Low = f.Value
	case ">":
		r.Low = math.Nextafter(f.Value, inf)
	case "<=":
		r.High = f.Value
	case "<":
		r.High = math.Nextafter(f.Value, -inf)
	case "=":
		r.Low, r.High = f.Value, f.Value
	case "!=":
		return []Range{r, {Key: f.Key, Low: f.Value, High: f.Value}}
	case "exists", "missing":
		r = anything(f.Key)
		r.Want = f.Op == "exists"
	}
	return []Range{r}
}
