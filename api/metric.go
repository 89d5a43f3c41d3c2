package api

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
)

// metricFilter is one metric= of a query: summary_metrics.pf_long>=1.2.
type metricFilter struct {
	Key   string // column.key, or a field that is a number or a time itself
	Op    string // one of metricOps or metricStates
	Value float64
}

// Longer ones first: > begins >= too.
var (
	metricOps    = []string{">=", "<=", "!=", ">", "<", "="}
	metricStates = []string{"exists", "missing"}
)

// metricRange is what a filter asks of the numbers under a key. On doubles every comparison is a range.
type metricRange struct {
	Key       string  // column.key
	Low, High float64 // inclusive, may be infinite; Low > High is empty
	Want      bool    // true: there is a value in the range; false: there is none
}

// sortOrder is how a list is sorted; rows without the metric come last in either direction.
type sortOrder struct {
	Metric     string // column.key, or empty for created_at
	Descending bool
}

// maxKey is the length in bytes of a metric's name, as of every name that is indexed.
const maxKey = httpbody.MaxName

// parseMetric reads a filter of a metric inside one of the columns, or of one of the fields: column.key, then >=, >, <=, <, = or != with a
// number, or exists or missing behind a blank or a colon. A key with operators in it is written as a JSON text:
// summary_metrics."a>=b". A field whose name ends in _at takes RFC 3339 too. Errors are 400 invalid_parameter with the position, in characters from 1.
func parseMetric(text string, columns []string, fields ...string) (metricFilter, error) {
	p := metricParser{name: "metric", text: text, fields: fields}
	f := metricFilter{Key: p.key(columns, p.endOfKey)}
	rest := strings.TrimLeft(p.rest(), " ")
	p.at = len(text) - len(rest)
	for _, op := range metricOps {
		if strings.HasPrefix(rest, op) {
			p.at += len(op)
			f.Op, f.Value = op, p.number(strings.HasSuffix(f.Key, "_at") && !strings.Contains(f.Key, "."))
			return f, p.err
		}
	}
	for _, state := range metricStates {
		if strings.TrimLeft(rest, ":") == state && len(rest) <= len(state)+1 {
			f.Op = state
			return f, p.err
		}
	}
	p.fail("expected >=, >, <=, <, =, != and a number, or exists or missing")
	return f, p.err
}

// parseSort reads the order of a list: nothing or -created_at, which is the newest first, or column.key, with - before it
// for descending.
func parseSort(text string, columns []string, fields ...string) (sortOrder, error) {
	if text == "" {
		return sortOrder{Descending: true}, nil
	}
	p := metricParser{name: "sort", text: text, fields: fields}
	var s sortOrder
	if s.Descending = text[0] == '-'; s.Descending {
		p.at++
	}
	if p.rest() == "created_at" {
		if !s.Descending {
			p.fail("created_at is sorted by descending only: -created_at")
		}
		return s, p.err
	}
	s.Metric = p.key(columns, func(s string) int { return len(s) })
	if p.rest() != "" {
		p.fail("expected nothing behind the key")
	}
	return s, p.err
}

// metricParser keeps the first error; what it returns after that is of no use.
type metricParser struct {
	name   string // of the parameter
	text   string
	fields []string
	at     int // byte
	err    error
}

func (p *metricParser) rest() string { return p.text[p.at:] }

func (p *metricParser) fail(what string) {
	if p.err == nil {
		p.err = spec.InvalidParameter(p.name, fmt.Sprintf("at %d: %s", utf8.RuneCountInString(p.text[:p.at])+1, what))
	}
}

// key reads column.key or a field; end finds where a key that is not quoted ends.
func (p *metricParser) key(columns []string, end func(string) int) string {
	if field := p.rest()[:len(p.rest())-len(strings.TrimLeft(p.rest(), "_abcdefghijklmnopqrstuvwxyz"))]; slices.Contains(p.fields, field) {
		p.at += len(field)
		return field
	}
	column, _, dot := strings.Cut(p.rest(), ".")
	if !dot || !slices.Contains(columns, column) {
		what := "expected " + strings.Join(columns, " or ") + ", a dot and a key"
		if len(p.fields) > 0 {
			what += "; or one of " + strings.Join(p.fields, ", ")
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
func (p *metricParser) endOfKey(s string) int {
	for i := range len(s) {
		if s[i] == '<' || s[i] == '>' || s[i] == '=' || strings.HasPrefix(s[i:], "!=") {
			return i
		}
	}
	for _, state := range metricStates {
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
func (p *metricParser) number(orTime bool) float64 {
	rest := strings.TrimLeft(p.rest(), " ")
	p.at = len(p.text) - len(rest)
	rest = strings.TrimRight(rest, " ")
	if orTime {
		if t, err := time.Parse(time.RFC3339, rest); err == nil {
			return millisecondsOf(t)
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

// millisecondsOf is a time as PostgreSQL keeps it, to the microsecond, in milliseconds since the epoch.
func millisecondsOf(t time.Time) float64 { return float64(t.UnixMicro()) / 1000 }

// ranges says the filter in ranges, all of which have to hold.
func (f metricFilter) ranges() []metricRange {
	inf := math.Inf(1)
	r := metricRange{Key: f.Key, Low: -inf, High: inf, Want: true}
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
		return []metricRange{r, {Key: f.Key, Low: f.Value, High: f.Value}}
	case "missing":
		r.Want = false
	}
	return []metricRange{r}
}

// mergeRanges intersects the wanted ranges of each key, at the place of its first; the unwanted ones stay, each once.
func mergeRanges(ranges []metricRange) []metricRange {
	var merged []metricRange
	for _, r := range ranges {
		i := slices.IndexFunc(merged, func(m metricRange) bool { return m.Key == r.Key && m.Want && r.Want })
		switch {
		case i >= 0:
			merged[i].Low, merged[i].High = max(merged[i].Low, r.Low), min(merged[i].High, r.High)
		case !slices.Contains(merged, r):
			merged = append(merged, r)
		}
	}
	return merged
}
