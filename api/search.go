package api

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"foldbook/internal/metricquery"
	"foldbook/internal/paging"
)

// candidates is the largest set of ids that a selective filter hands to a search: beyond it, walking the list in its
// order and testing each row reaches a full page sooner.
const candidates = 5000

// finder has the queries that answer a search of one table.
type finder[T any] struct {
	what string      // a row
	only []uuid.UUID // ids that the caller asks for; nil: any
	// list pages through the rows within the ranges and ids, newest first.
	list func(ranges []metricquery.Range, w window) ([]T, error)
	// sorted pages through those of them that have what is sorted by within its range, sorted by it.
	sorted func(o order, ranges []metricquery.Range, w window) ([]T, error)
	// count counts them, up to most.
	count func(ranges []metricquery.Range, ids []uuid.UUID, most int64) (int64, error)
	// byMetric and byText return ids that pass one filter; byText is nil when there is no text to search.
	byMetric func(r metricquery.Range, most int32) ([]uuid.UUID, error)
	byText   func(most int32) ([]uuid.UUID, error)
	// position tells where a row is in the list, and sortKey where one is in an order.
	position func(row *T) (time.Time, uuid.UUID)
	sortKey  func(id uuid.UUID, o order) (key string, value float64, err error)
	// known returns those of some keys that any row has.
	known func(keys []string) ([]string, error)
}

// order is what a list is sorted by: the keys from first to last, and the numbers of each from low to high.
type order struct {
	first, last string
	low, high   float64
	descending  bool
}

// window is the part of a list that is read.
type window struct {
	ids    []uuid.UUID // nil: of all rows
	after  *paging.Cursor
	size   int32
	offset int64
}

// afterAt is the time of a cursor as the queries take it, and cursor the rest, which a query does not look at without one.
func (w window) afterAt() *time.Time {
	if w.after == nil {
		return nil
	}
	return &w.after.At
}

func (w window) cursor() paging.Cursor { return orElse(w.after, paging.Cursor{}) }

// found is one page of a search.
type found[T any] struct {
	rows []T
	next *paging.Cursor // nil on the last page
	ids  []uuid.UUID
	// warnings say why there may be nothing.
	warnings []string
}

// search returns one page. When the most selective filter leaves few candidates, they are tested one by one; otherwise the
// list is walked in its order and each row is tested by the filters.
func (f *finder[T]) search(q metricquery.Query, after *paging.Cursor, p paging.Page) (result found[T], err error) {
	result.rows = []T{}
	if result.ids, err = f.narrow(q.Ranges); err != nil {
		return result, err
	}
	w := window{ids: result.ids, after: after, size: p.Limit + 1, offset: p.Offset}
	var tail int // where the rows without what is sorted by begin
	switch {
	case w.ids != nil && len(w.ids) == 0:
	case q.Sort.Key == "":
		result.rows, err = f.list(q.Ranges, w)
	default:
		result.rows, tail, err = f.byOrder(q, w)
	}
	if err == nil && tail == 0 && after == nil && (len(result.rows) == 0 || q.Sort.Key != "") {
		result.warnings, err = f.warnings(q)
	}
	if err != nil {
		return result, err
	}
	var more bool
	if result.rows, more = paging.Cut(result.rows, p); more && len(result.rows) > 0 {
		last := len(result.rows) - 1
		result.next, err = f.cursor(&result.rows[last], q, last >= tail)
	}
	return result, err
}

// cursor is the position of a row in the list.
func (f *finder[T]) cursor(row *T, q metricquery.Query, missing bool) (*paging.Cursor, error) {
	c := &paging.Cursor{Missing: missing && q.Sort.Key != ""}
	c.At, c.ID = f.position(row)
	if q.Sort.Key == "" || missing {
		return c, nil
	}
	var err error
	if c.Key, c.Value, err = f.sortKey(c.ID, orderOf(q)); errors.Is(err, pgx.ErrNoRows) { // it was changed or deleted meanwhile
		c.Missing, err = true, nil
	}
	c.Key = strings.TrimPrefix(c.Key, q.Sort.Key) // the rest is in the scope of the cursor
	return c, err
}

// warnings asks what rows have at the paths of a query that found nothing.
func (f *finder[T]) warnings(q metricquery.Query) ([]string, error) {
	probes := q.Probes()
	if len(probes) == 0 {
		return nil, nil
	}
	found, err := f.known(probes)
	if err != nil {
		return nil, fmt.Errorf("look for the paths of the search: %w", err)
	}
	return q.Warnings(f.what, found), nil
}

// all returns one page by its offset, and what counts the rows of all pages.
func (f *finder[T]) all(q metricquery.Query, p paging.Page) ([]T, func() (int64, error), error) {
	got, err := f.search(q, nil, p)
	return got.rows, func() (int64, error) { return f.count(q.Ranges, got.ids, 1<<62) }, err
}

// narrow returns the smallest set of candidates, nil when no filter is selective.
func (f *finder[T]) narrow(ranges []metricquery.Range) ([]uuid.UUID, error) {
	if f.only != nil {
		return f.only, nil // the filters are tested on them
	}
	var best []uuid.UUID
	keep := func(ids []uuid.UUID, err error) error {
		if err == nil && len(ids) <= candidates && (best == nil || len(ids) < len(best)) {
			best = ids
		}
		return err
	}
	if f.byText != nil {
		if err := keep(f.byText(candidates + 1)); err != nil {
			return nil, fmt.Errorf("match the text: %w", err)
		}
	}
	for _, r := range ranges {
		if !r.Want {
			continue
		}
		if err := keep(f.byMetric(r, candidates+1)); err != nil {
			return nil, fmt.Errorf("match a metric: %w", err)
		}
	}
	return best, nil
}

// orderOf is the order of a query, within what a filter of the same numbers leaves.
func orderOf(q metricquery.Query) order {
	o := order{first: q.Sort.Key, last: q.Sort.Last(), low: math.Inf(-1), high: math.Inf(1), descending: q.Sort.Descending}
	for _, r := range q.Ranges {
		if r.Key == q.Sort.Key && r.Want {
			o.last, o.low, o.high = r.Key, r.Low, r.High
		}
	}
	return o
}

// byOrder pages through the rows that have what is sorted by, in its order, and then through the others, newest first. It returns how
// many of the page's rows have it.
func (f *finder[T]) byOrder(q metricquery.Query, w window) (rows []T, tail int, err error) {
	o := orderOf(q)
	if w.after == nil || !w.after.Missing {
		if rows, err = f.sorted(o, q.Ranges, w); err != nil {
			return nil, 0, err
		}
		w.after = nil
	}
	if q.Sort.Complete || o.last == o.first || len(rows) == int(w.size) {
		return rows, len(rows), nil
	}
	present := q.Sort.Present()
	if w.offset > 0 && len(rows) == 0 {
		with, err := f.count(append(slices.Clone(q.Ranges), present), w.ids, 1<<62)
		if err != nil {
			return nil, 0, err
		}
		w.offset = max(0, w.offset-with)
	} else {
		w.offset = 0
	}
	present.Want = false
	w.size -= int32(len(rows)) //nolint:gosec // there are at most size rows
	others, err := f.list(append(slices.Clone(q.Ranges), present), w)
	return append(rows, others...), len(rows), err
}

// joined is how many ranges a count joins.
const joined = 2

// joinable splits ranges into those that a count joins and those that it tests row by row: all of them when there are
// few rows to test.
func joinable(ranges []metricquery.Range, ids []uuid.UUID) (join, test metricquery.Lists) {
	n := min(len(ranges), joined)
	if ids != nil {
		n = 0
	}
	return metricquery.ListsOf(ranges[:n]), metricquery.ListsOf(ranges[n:])
}
