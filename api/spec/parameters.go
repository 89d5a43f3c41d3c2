package spec

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// Parameters are the query parameters of one route.
type Parameters []string

// cacheBreaker is taken by every route and means nothing: browsers add it so that no cache answers.
const cacheBreaker = "_"

// Check refuses a query with a parameter that the route does not have.
func (p Parameters) Check(query string) error {
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		name, _, _ := strings.Cut(pair, "=")
		if pair == "" || p.has(name) {
			continue
		}
		if name, err := url.QueryUnescape(name); err != nil || !p.has(name) {
			return p.unknown(name)
		}
	}
	return nil
}

// Short is what a message shows of a text that somebody sent.
func Short(text string) string { return strings.ToValidUTF8(text[:min(len(text), 100)], "") }

func (p Parameters) has(name string) bool {
	for _, known := range p {
		if known == name {
			return true
		}
	}
	return false
}

func (p Parameters) unknown(name string) *Problem {
	known := p[1:]
	hint := "this route takes none"
	if len(known) > 0 {
		hint = known.Hint(name, "this route takes ")
	}
	name = Short(name)
	problem := NewProblem(http.StatusBadRequest, ErrorCodeUnknownParameter, fmt.Sprintf("unknown query parameter %s: %s", name, hint))
	problem.Details = map[string]any{"parameter": name, "known": append([]string{}, known...)}
	return problem
}

// Hint says which of the names was meant, or behind otherwise what all of them are.
func (p Parameters) Hint(name, otherwise string) string {
	if nearest, ok := p.nearest(name); ok {
		return "did you mean " + nearest + "?"
	}
	return otherwise + strings.Join(p, ", ")
}

// nearest returns the parameter that is spelt most like name, if one is spelt nearly so.
func (p Parameters) nearest(name string) (nearest string, ok bool) {
	plain := func(s string) string { return strings.ReplaceAll(strings.ToLower(s), "_", "") }
	name = plain(name[:min(len(name), 100)])
	least := max(1, len(name)/3) + 1
	for _, known := range p {
		d := distance(name, plain(known))
		if len(name) > 2 && strings.HasPrefix(plain(known), name) {
			d = min(d, 1)
		}
		if d < least {
			nearest, least = known, d
		}
	}
	return nearest, nearest != ""
}

// distance is how many letters have to be changed, added or left out to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal, row[j+1] = row[j+1], min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
