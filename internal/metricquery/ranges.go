package metricquery

import (
	"crypto/md5" //nolint:gosec // it only tells long texts apart
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// Keys are those of the tables of metrics, as search_values of the database makes them.
const (
	textMark = "\x01"         // after a path: there is a text
	textKey  = textMark + "=" // and before each text
	anyOf    = "\x02"         // between keys, each of which meets a filter; above all that begins with the same path
	maxText  = 200            // characters of a text that can be compared

	maxColumn = 500 // characters of a column's text, behind which its hash stands
)

// optional are the texts that not every record has: search_values marks those that do.
var optional = []string{"requested_by", "name", "search_id", "parent_run_id", "git_commit"}

// Range is what a filter asks of the numbers under a key. On doubles every comparison is a range; a text is a key of its own, under
// which there is a number.
type Range struct {
	Key       string  // or several, with anyOf between them
	Low, High float64 // inclusive, may be infinite; Low > High is empty
	Want      bool    // true: there is a value in the range; false: there is none
}

// Sort is how a list is sorted: by numbers, then by texts. Records with neither come last in either direction.
type Sort struct {
	Key        string // empty: newest first
	Descending bool
	Complete   bool // each record has it
}

// First is the first key of the order. It leaves out the marks of optional texts, of which there is one a record.
func (s Sort) First() string {
	if slices.Contains(optional, s.Key) {
		return s.Key + textKey
	}
	return s.Key
}

// Last is the last key of the order.
func (s Sort) Last() string { return s.Key + anyOf }

// Present are the keys of records that have what is sorted by.
func (s Sort) Present() Range { return anything(s.Key) }

// anything asks for a number or a text at a path.
func anything(path string) Range {
	return Range{Key: path + anyOf + path + textMark, Low: math.Inf(-1), High: math.Inf(1), Want: true}
}

// text asks for one of some texts at a path.
func text(path string, texts []string) Range {
	r := Range{Low: math.Inf(-1), High: math.Inf(1), Want: true}
	for i, t := range texts {
		if i > 0 {
			r.Key += anyOf
		}
		r.Key += path + textKey + t
	}
	return r
}

// Column asks for one of some texts in a column of the record itself.
func Column(name string, texts ...string) Range {
	r := Range{Low: math.Inf(-1), High: math.Inf(1), Want: true}
	for _, t := range texts {
		if strings.ContainsAny(t, textMark+anyOf) {
			continue // which no such text has, and which would be another key
		}
		if utf8.RuneCountInString(t) > maxColumn { // as text_key of the database writes it
			t = fmt.Sprintf("%s%x", string([]rune(t)[:maxColumn]), md5.Sum([]byte(t))) //nolint:gosec // it only tells long texts apart
		}
		if r.Key != "" {
			r.Key += anyOf
		}
		r.Key += name + textKey + t
	}
	return r
}

// Texts are the keys of a range that asks for texts at a path; nil if it does not.
func (r Range) Texts(path string) []string {
	if !strings.HasPrefix(r.Key, path+textKey) {
		return nil
	}
	return strings.Split(r.Key, anyOf)
}

// path returns the path of a filter, and whether it compares a text or asks for either.
func (r Range) path() (path string, isText, either bool) {
	first, _, either := strings.Cut(r.Key, anyOf)
	path, _, isText = strings.Cut(first, textMark)
	return path, isText, either && !isText
}

// Probes are the keys that tell what records have at the paths of a query.
func (q Query) Probes() (keys []string) {
	for _, path := range q.paths() {
		keys = append(keys, path, path+textMark)
	}
	return keys
}

func (q Query) paths() (paths []string) {
	for _, r := range q.Ranges {
		if path, _, _ := r.path(); r.Want && strings.Contains(path, ".") && !slices.Contains(paths, path) {
			paths = append(paths, path)
		}
	}
	if strings.Contains(q.Sort.Key, ".") && !slices.Contains(paths, q.Sort.Key) {
		paths = append(paths, q.Sort.Key)
	}
	return paths
}

// Warnings says why a query may find nothing: no record, of which what is the kind, has anything at a path, or only what a filter does
// not compare. found are those of its probes that some record has.
func (q Query) Warnings(what string, found []string) (warnings []string) {
	for _, path := range q.paths() {
		number, words := slices.Contains(found, path), slices.Contains(found, path+textMark)
		if !number && !words {
			warnings = append(warnings, "no "+what+" has "+path)
			continue
		}
		for _, r := range q.Ranges {
			p, isText, either := r.path()
			switch {
			case p != path || either || !r.Want:
			case isText && !words:
				warnings = append(warnings, path+" is a number wherever there is one: a text does not match it")
			case !isText && !number:
				warnings = append(warnings, path+" is a text wherever there is one, which a number does not match; "+
					"a text is compared as in "+path+`="100"`)
			}
		}
	}
	return slices.Compact(warnings)
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
