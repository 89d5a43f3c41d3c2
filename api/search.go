package api

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"foldbook/internal/metricquery"
	"foldbook/internal/paging"
)

// candidates is the largest set of ids that a selective filter hands to a search: beyond it, walking the list in its
// order and testing each row reaches a full page sooner.
const candidates = 5000

// finder has the queries that answer a search of one table.
type finder[T any] struct {
	// list pages through the rows within the ranges and ids, newest first.
	list func(ranges []metricquery.Range, w window) ([]T, error)
	// sorted pages through those of them that have the metric of order within its range, sorted by it.
	sorted func(order metricquery.Range, descending bool, ranges []metricquery.Range, w window) ([]T, error)
	// count counts them, up to most.
	count func(ranges []metricquery.Range, ids []uuid.UUID, most int64) (int64, error)
	// byMetric and byText return ids that pass one filter; byText is nil when there is no text to search.
	byMetric func(r metricquery.Range, most int32) ([]uuid.UUID, error)
	byText   func(most int32) ([]uuid.UUID, error)
	// position tells where a row is in the list, column the JSON column of a row by name, and field a number or time of it.
	position func(row *T) (time.Time, uuid.UUID)
	column   func(row *T, name string) json.RawMessage
	field    func(row *T, name string) float64
}

// window is the part of a list that is read.
type window struct {
	ids    []uuid.UUID // nil: of all rows
	after  *paging.Cursor
	size   int32
	offset int64
}

// afterAt, afterID and afterValue are those of a cursor as the queries take them; of none, a query does not look at id and
// value.
func (w window) afterAt() *time.Time {
	if w.after == nil {
		return nil
	}
	return &w.after.At
}

func (w window) afterID() uuid.UUID {
	if w.after == nil {
		return uuid.Nil
	}
	return w.after.ID
}

func (w window) afterValue() float64 {
	if w.after == nil {
		return 0
	}
	return w.after.Value
}

// found is one page of a search.
type found[T any] struct {
	rows []T
	next *paging.Cursor // nil on the last page
	ids  []uuid.UUID
}

// search returns one page. When the most selective filter leaves few candidates, they are tested one by one; otherwise the
// list is walked in its order and each row is tested by the filters.
func (f *finder[T]) search(q metricquery.Query, after *paging.Cursor, p paging.Page) (found[T], error) {
	ids, err := f.narrow(q.Ranges)
	if err != nil || (ids != nil && len(ids) == 0) {
		return found[T]{rows: []T{}, ids: ids}, err
	}
	w := window{ids: ids, after: after, size: p.Limit + 1, offset: p.Offset}
	var rows []T
	var tail int // where the rows without the metric of the sort begin
	if q.Sort.Key == "" {
		rows, err = f.list(q.Ranges, w)
	} else {
		rows, tail, err = f.byOrder(q, w)
	}
	if err != nil {
		return found[T]{}, err
	}
	page, more := paging.Cut(rows, p)
	result := found[T]{rows: page, ids: ids}
	if more && len(page) > 0 {
		last := len(page) - 1
		c := paging.Cursor{}
		c.At, c.ID = f.position(&page[last])
		if q.Sort.Key != "" {
			if c.Missing = last >= tail; !c.Missing {
				c.Value = f.metric(&page[last], q.Sort.Key)
			}
		}
		result.next = &c
	}
	return result, nil
}

// all returns one page by its offset, and what counts the rows of all pages.
func (f *finder[T]) all(q metricquery.Query, p paging.Page) ([]T, func() (int64, error), error) {
	got, err := f.search(q, nil, p)
	return got.rows, func() (int64, error) { return f.count(q.Ranges, got.ids, 1<<62) }, err
}

// narrow returns the smallest set of candidates, nil when no filter is selective.
func (f *finder[T]) narrow(ranges []metricquery.Range) ([]uuid.UUID, error) {
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

// byOrder pages through the rows that have the metric of the sort, in its order, and then through the others, newest
// first. It returns how many of the page's rows have the metric.
func (f *finder[T]) byOrder(q metricquery.Query, w window) (rows []T, tail int, err error) {
	order := metricquery.Range{Key: q.Sort.Key, Low: math.Inf(-1), High: math.Inf(1), Want: true}
	filtered := false
	for _, r := range q.Ranges {
		if r.Key == q.Sort.Key && r.Want {
			order, filtered = r, true
		}
	}
	if w.after == nil || !w.after.Missing {
		if rows, err = f.sorted(order, q.Sort.Descending, q.Ranges, w); err != nil {
			return nil, 0, err
		}
		w.after = nil
	}
	if filtered || len(rows) == int(w.size) {
		return rows, len(rows), nil
	}
	if w.offset > 0 && len(rows) == 0 {
		with, err := f.count(append(slices.Clone(q.Ranges), order), w.ids, 1<<62)
		if err != nil {
			return nil, 0, err
		}
		w.offset = max(0, w.offset-with)
	} else {
		w.offset = 0
	}
	order.Want = false
	w.size -= int32(len(rows)) //nolint:gosec // there are at most size rows
	others, err := f.list(append(slices.Clone(q.Ranges), order), w)
	return append(rows, others...), len(rows), err
}

// metric reads a metric of a row as PostgreSQL does: the number at a key of one of its JSON columns, or a field.
func (f *finder[T]) metric(row *T, path string) float64 {
	name, key, inColumn := strings.Cut(path, ".")
	if !inColumn {
		return f.field(row, name)
	}
	return metricquery.Value(f.column(row, name), key)
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
