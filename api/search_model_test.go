package api_test

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// stored is what the model of a search knows of one row.
type stored struct {
	id      string
	created time.Time
	attrs   map[string]string // by query parameter
	texts   []string          // that search= looks into
	numbers map[string]float64
	words   map[string]string // texts, true and false
}

// condition is one metric filter of the model.
type condition struct {
	key, op string
	value   float64
	words   []string // instead of value
}

func (c condition) String() string {
	column, key, _ := strings.Cut(c.key, ".")
	if strings.ContainsAny(key, `<>=!" `) {
		key = strconv.Quote(key)
	}
	if c.op == "exists" || c.op == "missing" {
		return column + "." + key + " " + c.op
	}
	if c.words != nil {
		quoted := make([]string, len(c.words))
		for i, w := range c.words {
			quoted[i] = strconv.Quote(w)
		}
		return column + "." + key + c.op + strings.Join(quoted, ",")
	}
	return column + "." + key + c.op + strconv.FormatFloat(c.value, 'g', -1, 64)
}

func (c condition) holds(s *stored) bool {
	v, ok := s.numbers[c.key]
	word, isWord := s.words[c.key]
	switch {
	case c.words != nil && c.op == "=":
		return isWord && slices.Contains(c.words, word)
	case c.words != nil:
		return isWord && !slices.Contains(c.words, word)
	}
	switch c.op {
	case "missing":
		return !ok && !isWord
	case "exists":
		return ok || isWord
	case ">=":
		return ok && v >= c.value
	case ">":
		return ok && v > c.value
	case "<=":
		return ok && v <= c.value
	case "<":
		return ok && v < c.value
	case "=":
		return ok && v == c.value
	default:
		return ok && v != c.value
	}
}

// question is a search: what the API is asked and what the model answers.
type question struct {
	attrs      map[string]string
	search     string
	conditions []condition
	sort       string // metric, or empty
	descending bool
}

func (q *question) query() url.Values {
	v := url.Values{}
	for name, value := range q.attrs {
		v.Set(name, value)
	}
	if q.search != "" {
		v.Set("search", q.search)
	}
	for _, c := range q.conditions {
		v.Add("metric", c.String())
	}
	if q.sort != "" {
		column, key, _ := strings.Cut(q.sort, ".")
		if strings.HasPrefix(key, `"`) {
			key = strconv.Quote(key)
		}
		sort := column + "." + key
		if q.descending {
			sort = "-" + sort
		}
		v.Set("sort", sort)
	}
	return v
}

func (q *question) answer(rows []*stored) []string {
	var found []*stored
	for _, s := range rows {
		ok := true
		for name, value := range q.attrs {
			ok = ok && slices.Contains(strings.Split(value, ","), s.attrs[name])
		}
		if q.search != "" {
			ok = ok && slices.ContainsFunc(s.texts, func(t string) bool { return strings.Contains(strings.ToLower(t), strings.ToLower(q.search)) })
		}
		for _, c := range q.conditions {
			ok = ok && c.holds(s)
		}
		if ok {
			found = append(found, s)
		}
	}
	newest := func(a, b *stored) int { return cmp.Or(b.created.Compare(a.created), cmp.Compare(a.id, b.id)) }
	slices.SortFunc(found, func(a, b *stored) int {
		if q.sort == "" {
			return newest(a, b)
		}
		hasX, hasY := condition{key: q.sort, op: "exists"}.holds(a), condition{key: q.sort, op: "exists"}.holds(b)
		switch {
		case hasX && hasY && q.descending:
			return q.ascending(b, a)
		case hasX && hasY:
			return q.ascending(a, b)
		case hasX:
			return -1
		case hasY:
			return 1
		}
		return newest(a, b)
	})
	ids := make([]string, len(found))
	for i, s := range found {
		ids[i] = s.id
	}
	return ids
}

// ascending compares two rows that have what is sorted by: numbers, then texts.
func (q *question) ascending(a, b *stored) int {
	v, aIsWord := a.words[q.sort]
	w, bIsWord := b.words[q.sort]
	switch {
	case aIsWord && !bIsWord:
		return 1
	case bIsWord && !aIsWord:
		return -1
	}
	return cmp.Or(cmp.Compare(v, w), cmp.Compare(a.numbers[q.sort], b.numbers[q.sort]), cmp.Compare(a.id, b.id))
}
