package api

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// candidates is the largest set of ids that a selective filter hands to a search: beyond it, walking the list in its
// order and testing each row reaches a full page sooner.
const candidates = 5000

// finder is what a search needs to know of its table: the queries that answer it.
type finder[T any] struct {
	// list pages through what the ranges and ids leave, newest first.
	list func(ranges []metricRange, ids []uuid.UUID, after *cursor, size int32, offset int64) ([]T, error)
	// sorted pages through those of them that have a metric within order, by it.
	sorted func(order metricRange, descending bool, ranges []metricRange, ids []uuid.UUID, after *cursor, size int32, offset int64) ([]T, error)
	// count counts them, at most as far as most.
	count func(ranges []metricRange, ids []uuid.UUID, most int64) (int64, error)
	// byMetric and byText return ids that pass one filter; byText is nil when there is no text to search.
	byMetric func(r metricRange, most int32) ([]uuid.UUID, error)
	byText   func(most int32) ([]uuid.UUID, error)
	// position tells where a row is in the list, column the JSON column of a row by name, and field a number or time of it.
	position func(row *T) (time.Time, uuid.UUID)
	column   func(row *T, name string) json.RawMessage
	field    func(row *T, name string) float64
}

// found is one page of a search.
type found[T any] struct {
	rows []T
	next *cursor // nil on the last page
	ids  []uuid.UUID
}

// search returns one page. Few candidates of the most selective filter, when there are few, are looked at one by one;
// otherwise the list is walked in its order, each row tested by the filters.
func (f *finder[T]) search(ranges []metricRange, sort sortOrder, after *cursor, p page) (found[T], error) {
	ids, err := f.narrow(ranges)
	if err != nil || (ids != nil && len(ids) == 0) {
		return found[T]{rows: []T{}, ids: ids}, err
	}
	var rows []T
	var tail int // where the rows without the metric of the sort begin
	if sort.Metric == "" {
		rows, err = f.list(ranges, ids, after, p.limit+1, p.offset)
	} else {
		rows, tail, err = f.byOrder(sort, ranges, ids, after, p)
	}
	if err != nil {
		return found[T]{}, err
	}
	page, more := cut(rows, p)
	result := found[T]{rows: page, ids: ids}
	if more && len(page) > 0 {
		last := len(page) - 1
		c := cursor{}
		c.At, c.ID = f.position(&page[last])
		if sort.Metric != "" {
			if c.Missing = last >= tail; !c.Missing {
				c.Value = f.metric(&page[last], sort.Metric)
			}
		}
		result.next = &c
	}
	return result, nil
}

// narrow returns the smallest set of candidates, nil when no filter is selective.
func (f *finder[T]) narrow(ranges []metricRange) ([]uuid.UUID, error) {
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

// byOrder pages through the rows that have the metric of the sort, by it, and after those through the others, newest
// first. It returns how many of the page's rows have it.
func (f *finder[T]) byOrder(sort sortOrder, ranges []metricRange, ids []uuid.UUID, after *cursor, p page) (rows []T, tail int, err error) {
	order := metricRange{Key: sort.Metric, Low: math.Inf(-1), High: math.Inf(1), Want: true}
	filtered := false
	for _, r := range ranges {
		if r.Key == sort.Metric && r.Want {
			order, filtered = r, true
		}
	}
	size, offset := p.limit+1, p.offset
	if after == nil || !after.Missing {
		if rows, err = f.sorted(order, sort.Descending, ranges, ids, after, size, offset); err != nil {
			return nil, 0, err
		}
		after = nil
	}
	if filtered || len(rows) == int(size) {
		return rows, len(rows), nil
	}
	if offset > 0 {
		if len(rows) == 0 {
			with, err := f.count(append(slices.Clone(ranges), order), ids, 1<<62)
			if err != nil {
				return nil, 0, err
			}
			offset = max(0, offset-with)
		} else {
			offset = 0
		}
	}
	without := order
	without.Want = false
	others, err := f.list(append(slices.Clone(ranges), without), ids, after, size-int32(len(rows)), offset) //nolint:gosec // there are at most size rows
	return append(rows, others...), len(rows), err
}

// metric reads a metric of a row as PostgreSQL does: the number at a key of one of its JSON columns, or a field.
func (f *finder[T]) metric(row *T, path string) float64 {
	name, key, inColumn := strings.Cut(path, ".")
	if !inColumn {
		return f.field(row, name)
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(f.column(row, name), &object) != nil {
		return 0
	}
	value, _ := strconv.ParseFloat(string(object[key]), 64)
	return value
}

// arrays are ranges as the queries take them.
func arrays(ranges []metricRange) (keys []string, wanted []bool, lows, highs []float64) {
	for _, r := range ranges {
		keys, wanted, lows, highs = append(keys, r.Key), append(wanted, r.Want), append(lows, r.Low), append(highs, r.High)
	}
	return keys, wanted, lows, highs
}

// joined is how many ranges a count joins.
const joined = 2

// joinable splits ranges into those that a count joins and those that it tests row by row: all of them when there are
// few rows to test.
func joinable(ranges []metricRange, ids []uuid.UUID) (join, test []metricRange) {
	if ids != nil {
		return nil, ranges
	}
	n := min(len(ranges), joined)
	return ranges[:n], ranges[n:]
}

// leading takes a wanted range out of the others, for the queries that start from what has one metric.
func leading(ranges []metricRange) (first metricRange, others []metricRange, ok bool) {
	i := slices.IndexFunc(ranges, func(r metricRange) bool { return r.Want })
	if i < 0 {
		return first, nil, false
	}
	return ranges[i], slices.Delete(slices.Clone(ranges), i, i+1), true
}

// metricsOf reads the metric filters and the sort of a search over the JSON columns and fields named.
func metricsOf(metrics *[]string, sort *string, columns, fields []string) ([]metricRange, sortOrder, error) {
	var ranges []metricRange
	if metrics != nil {
		for _, text := range *metrics {
			filter, err := parseMetric(text, columns, fields...)
			if err != nil {
				return nil, sortOrder{}, err
			}
			ranges = append(ranges, filter.ranges()...)
		}
	}
	text := ""
	if sort != nil {
		text = *sort
	}
	order, err := parseSort(text, columns, fields...)
	return mergeRanges(ranges), order, err
}

// scopeOf is what a cursor belongs to: the route and everything in the query that decides what the list is.
func scopeOf(route string, query map[string][]string) string {
	keys := make([]string, 0, len(query))
	for key := range query {
		switch key {
		case "cursor", "limit", "offset", "count":
		default:
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	var b strings.Builder
	b.WriteString(route)
	for _, key := range keys {
		values := slices.Sorted(slices.Values(query[key]))
		fmt.Fprintf(&b, "&%q=%q", key, values)
	}
	return b.String()
}
