// Package metricquery is the filter and sort language over the numbers of a record: those in its JSON columns, such as
// summary_metrics.pf_long>=1.2, and its own, such as started_at<2026-01-01T00:00:00Z.
package metricquery

import (
	"encoding/json"
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
)

// Fields are what can be searched of a kind of record.
type Fields struct {
	Columns []string // JSON columns whose numbers at the top are searched, as column.key
	Numbers []string // numbers and times of the record itself; those whose name ends in _at are times
}

// Query is what a list is asked for.
type Query struct {
	Ranges []Range // all of which have to hold
	Sort   Sort
}

// Empty tells a query of all records, newest first.
func (q Query) Empty() bool { return len(q.Ranges) == 0 && q.Sort.Key == "" }

// Range is what a filter asks of the numbers under a key. On doubles every comparison is a range.
type Range struct {
	Key       string
	Low, High float64 // inclusive, may be infinite; Low > High is empty
	Want      bool    // true: there is a value in the range; false: there is none
}

// Sort is how a list is sorted; records without the number come last in either direction.
type Sort struct {
	Key        string // empty: by created_at
	Descending bool
}

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
	Key   string // column.key, or a number or time of the record itself
	Op    string // one of operators or states
	Value float64
}

// Longer ones first: > begins >= too.
var (
	operators = []string{">=", "<=", "!=", ">", "<", "="}
	states    = []string{"exists", "missing"}
)

// maxKey is the length in bytes of a metric's name, as of every name that is indexed.
const maxKey = httpbody.MaxName

// filter reads column.key or a number of the record itself, then >=, >, <=, <, = or != with a number, or exists or missing
// behind a blank or a colon. A key with operators in it is written as a JSON text: summary_metrics."a>=b". A time is written as
// RFC 3339 or in milliseconds since the epoch.
func (f Fields) filter(text string) (filter, error) {
	p := parser{name: "metric", text: text, fields: f}
	got := filter{Key: p.key(endOfKey)}
	rest := strings.TrimLeft(p.rest(), " ")
	p.at = len(text) - len(rest)
	for _, op := range operators {
		if strings.HasPrefix(rest, op) {
			p.at += len(op)
			got.Op, got.Value = op, p.number(strings.HasSuffix(got.Key, "_at") && !strings.Contains(got.Key, "."))
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

// sort reads the order of a list: nothing or -created_at, which is the newest first, or a key, with - before it for descending.
func (f Fields) sort(text string) (Sort, error) {
	if text == "" {
		return Sort{Descending: true}, nil
	}
	p := parser{name: "sort", text: text, fields: f}
	var s Sort
	if s.Descending = text[0] == '-'; s.Descending {
		p.at++
	}
	if p.rest() == "created_at" {
		if !s.Descending {
			p.fail("created_at is sorted by descending only: -created_at")
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
	if field := p.rest()[:len(p.rest())-len(strings.TrimLeft(p.rest(), "_abcdefghijklmnopqrstuvwxyz"))]; slices.Contains(p.fields.Numbers, field) {
		p.at += len(field)
		return field
	}
	column, _, dot := strings.Cut(p.rest(), ".")
	if !dot || !slices.Contains(p.fields.Columns, column) {
		what := "expected " + strings.Join(p.fields.Columns, " or ") + ", a dot and a key"
		if len(p.fields.Numbers) > 0 {
			what += "; or one of " + strings.Join(p.fields.Numbers, ", ")
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

// number reads the rest as a number, or as a time, which becomes milliseconds since the epoch.
func (p *parser) number(orTime bool) float64 {
	rest := strings.TrimLeft(p.rest(), " ")
	p.at = len(p.text) - len(rest)
	rest = strings.TrimRight(rest, " ")
	if orTime {
		if t, err := time.Parse(time.RFC3339, rest); err == nil {
			return Milliseconds(t)
		}
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
	case "missing":
		r.Want = false
	}
	return []Range{r}
}

// merge intersects the wanted ranges of each key, at the place of its first; the unwanted ones stay, each once.
func merge(ranges []Range) []Range {
	var merged []Range
	for _, r := range ranges {
		i := slices.IndexFunc(merged, func(m Range) bool { return m.Key == r.Key && m.Want && r.Want })
		switch {
		case i >= 0:
			merged[i].Low, merged[i].High = max(merged[i].Low, r.Low), min(merged[i].High, r.High)
		case !slices.Contains(merged, r):
			merged = append(merged, r)
		}
	}
	return merged
}

// Lists are ranges as the queries take them.
type Lists struct {
	Keys   []string
	Wanted []bool
	Lows   []float64
	Highs  []float64
}

// ListsOf makes the lists of ranges.
func ListsOf(ranges []Range) (l Lists) {
	for _, r := range ranges {
		l.Keys, l.Wanted, l.Lows, l.Highs = append(l.Keys, r.Key), append(l.Wanted, r.Want), append(l.Lows, r.Low), append(l.Highs, r.High)
	}
	return l
}

// Leading takes a wanted range out of the others, for the queries that start from what has one metric.
func Leading(ranges []Range) (first Range, others []Range, ok bool) {
	i := slices.IndexFunc(ranges, func(r Range) bool { return r.Want })
	if i < 0 {
		return first, nil, false
	}
	return ranges[i], slices.Delete(slices.Clone(ranges), i, i+1), true
}

// Value reads the number at column.key from the JSON of the column, as PostgreSQL does.
func Value(column json.RawMessage, key string) float64 {
	var object map[string]json.RawMessage
	if json.Unmarshal(column, &object) != nil {
		return 0
	}
	value, _ := strconv.ParseFloat(string(object[key]), 64)
	return value
}
