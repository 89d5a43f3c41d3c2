package api

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/labstack/echo/v4"

	"foldbook/db"
	"foldbook/internal/metricquery"
	"foldbook/internal/paging"
)

// searches are the queries that answer a search of one table; those of runs and simulations take the same parameters.
type searches[T any] struct {
	what     string // a row
	list     func(context.Context, db.SearchRunsParams) ([]T, error)
	byMetric func(context.Context, db.SearchRunsByMetricParams) ([]T, error)
	// ascending and descending page through what has a value that they sort by.
	ascending, descending func(context.Context, db.SortRunsByMetricParams) ([]T, error)
	count                 func(context.Context, db.CountSearchedRunsParams) (int64, error)
	countByMetrics        func(context.Context, db.CountRunsByMetricsParams) (int64, error)
	// match and matchText return ids that pass filters.
	match     func(context.Context, db.MatchRunsByMetricsParams) ([]uuid.UUID, error)
	matchText func(context.Context, db.MatchRunsByTextParams) ([]uuid.UUID, error)
	// position tells where a row is in the list, and sortKey where one is in an order.
	position func(row *T) (time.Time, uuid.UUID)
	sortKey  func(context.Context, db.GetRunSortKeyParams) (db.GetRunSortKeyRow, error)
	// known returns those of some keys that any row has.
	known func(context.Context, []string) ([]string, error)
}

// search is what a list is asked for: filters of columns are ranges as those of metrics are.
type search struct {
	metricquery.Query
	pattern *string     // of the text that is searched for
	ids     []uuid.UUID // those that the caller asks for; nil: any
}

// all tells a search of all rows, newest first.
func (q *search) all() bool { return q.pattern == nil && q.ids == nil && q.Empty() }

// where adds a filter of a column: one of some texts.
func (q *search) where(column string, texts *[]string) {
	if texts != nil {
		q.Ranges = append(q.Ranges, metricquery.Column(column, *texts...))
	}
}

// whereEach adds a filter of a column that has several texts: all of some.
func (q *search) whereEach(column string, texts *[]string) {
	for _, text := range orElse(texts, nil) {
		q.where(column, &[]string{text})
	}
}

// one is a filter of a single value.
func one(text *string) *[]string {
	if text == nil {
		return nil
	}
	return &[]string{*text}
}

// finder answers one search.
type finder[T any] struct {
	searches[T]
	ctx context.Context
	search
}

// order is what a list is sorted by: the keys from first to last, or those of keys alone, and the numbers of each from low to high.
type order struct {
	first, last string
	keys        []string // nil: all
	low, high   float64
	filtered    bool // what does not have it is not wanted
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

// page returns one page. When the most selective filters leave few candidates, they are tested one by one; otherwise the
// list is walked in its order and each row is tested by the filters.
func (f *finder[T]) page(after *paging.Cursor, p paging.Page) (result found[T], err error) {
	result.rows = []T{}
	if result.ids, err = f.narrow(); err != nil {
		return result, err
	}
	w := window{ids: result.ids, after: after, size: p.Limit + 1, offset: p.Offset}
	var tail int // where the rows without what is sorted by begin
	switch {
	case w.ids != nil && len(w.ids) == 0:
	case w.ids == nil && f.several():
		result.rows, tail, result.ids, err = f.walkFirst(w)
	default:
		result.rows, tail, err = f.walk(w, false)
	}
	if err == nil && tail == 0 && after == nil && (len(result.rows) == 0 || f.Sort.Key != "") {
		result.warnings, err = f.warnings()
	}
	if err != nil {
		return result, err
	}
	var more bool
	if result.rows, more = paging.Cut(result.rows, p); more && len(result.rows) > 0 {
		last := len(result.rows) - 1
		result.next, err = f.cursor(&result.rows[last], last >= tail)
	}
	return result, err
}

// cursor is the position of a row in the list.
func (f *finder[T]) cursor(row *T, missing bool) (*paging.Cursor, error) {
	c := &paging.Cursor{Missing: missing && f.Sort.Key != ""}
	c.At, c.ID = f.position(row)
	if f.Sort.Key == "" || missing {
		return c, nil
	}
	o := f.order()
	at, err := f.sortKey(f.ctx, db.GetRunSortKeyParams{RunID: c.ID, FirstKey: o.first, LastKey: o.last})
	if errors.Is(err, pgx.ErrNoRows) { // it was changed or deleted meanwhile
		c.Missing, err = true, nil
	}
	c.Key, c.Value = strings.TrimPrefix(at.Key, f.Sort.Key), at.Value // the rest is in the scope of the cursor
	return c, err
}

// warnings asks what rows have at the paths of a query that found nothing.
func (f *finder[T]) warnings() ([]string, error) {
	probes := f.Probes()
	if len(probes) == 0 {
		return nil, nil
	}
	found, err := f.known(f.ctx, probes)
	if err != nil {
		return nil, fmt.Errorf("look for the paths of the search: %w", err)
	}
	return f.Warnings(f.what, found), nil
}

// byOffset returns one page by its offset, and what counts the rows of all pages.
func (f *finder[T]) byOffset(p paging.Page) ([]T, func() (int64, error), error) {
	got, err := f.page(nil, p)
	return got.rows, func() (int64, error) { return f.total(f.ctx, f.Ranges, got.ids, 1<<62) }, err
}

// rows pages through what is within the ranges and ids, newest first.
func (f *finder[T]) rows(ranges []metricquery.Range, w window) ([]T, error) {
	if first, others, ok := metricquery.Leading(ranges); ok && f.pattern == nil && w.ids == nil {
		m := metricquery.ListsOf(others)
		return f.byMetric(f.ctx, db.SearchRunsByMetricParams{
			LeadKey: first.Key, LeadLow: first.Low, LeadHigh: first.High,
			MetricKeys: m.Keys, MetricWanted: m.Wanted, MetricLows: m.Lows, MetricHighs: m.Highs,
			AfterAt: w.afterAt(), AfterID: w.cursor().ID, PageSize: w.size, PageOffset: w.offset,
		})
	}
	m := metricquery.ListsOf(ranges)
	return f.list(f.ctx, db.SearchRunsParams{
		Pattern: f.pattern, Ids: w.ids, MetricKeys: m.Keys, MetricWanted: m.Wanted, MetricLows: m.Lows, MetricHighs: m.Highs,
		AfterAt: w.afterAt(), AfterID: w.cursor().ID, PageSize: w.size, PageOffset: w.offset,
	})
}

// sorted pages through those that have what is sorted by, sorted by it.
func (f *finder[T]) sorted(o order, w window) ([]T, error) {
	m, after := metricquery.ListsOf(f.Ranges), w.cursor()
	query := f.ascending
	if f.Sort.Descending {
		query = f.descending
	}
	return query(f.ctx, db.SortRunsByMetricParams{
		FirstKey: o.first, LastKey: o.last, SortKeys: o.keys, SortLow: o.low, SortHigh: o.high, Pattern: f.pattern,
		MetricKeys: m.Keys, MetricWanted: m.Wanted, MetricLows: m.Lows, MetricHighs: m.Highs, Ids: w.ids,
		HasCursor: w.after != nil, AfterKey: f.Sort.Key + after.Key, AfterValue: after.Value, AfterID: after.ID,
		PageSize: w.size, PageOffset: w.offset,
	})
}

// total counts what is within the ranges and ids, up to most.
func (f *finder[T]) total(ctx context.Context, ranges []metricquery.Range, ids []uuid.UUID, most int64) (int64, error) {
	plain := f.pattern == nil && f.ids == nil
	if first, others, ok := metricquery.Leading(ranges); ok && plain && (ids == nil || len(others) == 0) {
		j, m := joinable(others, nil)
		return f.countByMetrics(ctx, db.CountRunsByMetricsParams{
			Key: first.Key, Low: first.Low, High: first.High, MaxCount: most,
			JoinedKeys: j.Keys, JoinedWanted: j.Wanted, JoinedLows: j.Lows, JoinedHighs: j.Highs,
			MetricKeys: m.Keys, MetricWanted: m.Wanted, MetricLows: m.Lows, MetricHighs: m.Highs,
		})
	}
	j, m := joinable(ranges, ids)
	return f.count(ctx, db.CountSearchedRunsParams{
		Pattern: f.pattern, Ids: ids, MaxCount: most,
		JoinedKeys: j.Keys, JoinedWanted: j.Wanted, JoinedLows: j.Lows, JoinedHighs: j.Highs,
		MetricKeys: m.Keys, MetricWanted: m.Wanted, MetricLows: m.Lows, MetricHighs: m.Highs,
	})
}

// order is the order of the list, within what a filter of the same values leaves.
func (f *finder[T]) order() order {
	o := order{first: f.Sort.First(), last: f.Sort.Last(), low: math.Inf(-1), high: math.Inf(1)}
	for _, r := range f.Ranges {
		switch keys := r.Texts(f.Sort.Key); {
		case !r.Want:
		case r.Key == f.Sort.Key:
			o.last, o.low, o.high, o.filtered = r.Key, r.Low, r.High, true
		case keys != nil:
			o.keys, o.filtered = keys, true
		}
	}
	return o
}

// sorts tells that the sort leaves out more than the filters do.
func (f *finder[T]) sorts(w window) bool {
	return f.Sort.Key != "" && !f.Sort.Complete && !f.order().filtered && w.ids == nil && f.pattern == nil && len(f.Ranges) > 0
}

// byOrder pages through the rows that have what is sorted by, in its order, and then through the others, newest first. It returns how
// many of the page's rows have it. joint has it look first which of what passes the filters has it.
func (f *finder[T]) byOrder(w window, joint bool) (rows []T, tail int, err error) {
	o, present := f.order(), f.Sort.Present()
	if w.after == nil || !w.after.Missing {
		all := w.ids
		if joint && f.sorts(w) {
			// Few that pass the filters may have it, and a walk along all that do would be long.
			if ids, err := f.joint(append(slices.Clone(f.Ranges), present)); err != nil {
				return nil, 0, fmt.Errorf("match what is sorted by: %w", err)
			} else if len(ids) <= candidates {
				w.ids = ids
			}
		}
		if rows, err = f.sorted(o, w); err != nil {
			return nil, 0, err
		}
		w.ids, w.after = all, nil
	}
	if f.Sort.Complete || o.filtered || len(rows) == int(w.size) {
		return rows, len(rows), nil
	}
	if w.offset > 0 && len(rows) == 0 {
		with, err := f.total(f.ctx, append(slices.Clone(f.Ranges), present), w.ids, 1<<62)
		if err != nil {
			return nil, 0, err
		}
		w.offset = max(0, w.offset-with)
	} else {
		w.offset = 0
	}
	present.Want = false
	w.size -= int32(len(rows)) //nolint:gosec // there are at most size rows
	others, err := f.rows(append(slices.Clone(f.Ranges), present), w)
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

// writeFound answers one page of a search.
func writeFound[T any, P paging.Row[T]](c echo.Context, key string, f *finder[T], page paging.Request) error {
	got, err := f.page(page.After, page.Page)
	if err != nil {
		return fmt.Errorf("list %s: %w", key, err)
	}
	list := paging.NewList[T, P](key, got.rows, page, nil)
	list.Warnings = got.warnings
	if got.next != nil {
		list.SetNext(*got.next)
	}
	return writeEnvelope(c, list, func(ctx context.Context, most int64) (int64, error) { return f.total(ctx, f.Ranges, got.ids, most) })
}
