package api

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"foldbook/db"
	"foldbook/internal/metricquery"
)

// candidates is the largest set of ids that a selective filter hands to a search: beyond it, walking the list in its
// order and testing each row reaches a full page sooner.
const candidates = 5000

// narrow returns a small set of candidates, nil when the filters leave many. It puts the most selective of those first.
func (f *finder[T]) narrow() ([]uuid.UUID, error) {
	if f.ids != nil {
		return f.ids, nil // the filters are tested on them
	}
	var best []uuid.UUID
	keep := func(ids []uuid.UUID, err error) error {
		if err == nil && len(ids) <= candidates && (best == nil || len(ids) < len(best)) {
			best = ids
		}
		return err
	}
	if f.pattern != nil {
		if err := keep(f.matchText(f.ctx, db.MatchRunsByTextParams{Pattern: *f.pattern, PageSize: candidates + 1})); err != nil {
			return nil, fmt.Errorf("match the text: %w", err)
		}
	}
	for _, r := range f.Ranges {
		if !r.Want {
			continue
		}
		if err := keep(f.matching([]metricquery.Range{r})); err != nil {
			return nil, fmt.Errorf("match a metric: %w", err)
		}
	}
	return best, nil
}

// several tells that what all filters, and the sort, leave together may be few even where each of them leaves many.
func (f *finder[T]) several() bool { return f.wanted() > 1 || f.sorts(window{}) }

// wanted is how many of the ranges a row has to have a value in.
func (f *finder[T]) wanted() (n int) {
	for _, r := range f.Ranges {
		if r.Want {
			n++
		}
	}
	return n
}

// soon is how long the list is walked for a page before it is worth finding out what several filters leave together, which takes longer
// than most pages.
const soon = 100 * time.Millisecond

// walkFirst returns a page of the list, and the candidates if it took them to find it.
func (f *finder[T]) walkFirst(w window) (rows []T, tail int, ids []uuid.UUID, err error) {
	quick := *f
	var cancel context.CancelFunc
	quick.ctx, cancel = context.WithTimeout(f.ctx, soon)
	rows, tail, err = quick.walk(w, false)
	cancel()
	if !errors.Is(err, context.DeadlineExceeded) || f.ctx.Err() != nil {
		return rows, tail, nil, err
	}
	if w.ids, err = f.together(); err != nil || w.ids != nil && len(w.ids) == 0 {
		return nil, 0, w.ids, err
	}
	rows, tail, err = f.walk(w, true)
	return rows, tail, w.ids, err
}

// walk returns a page of the list, newest first or sorted.
func (f *finder[T]) walk(w window, joint bool) (rows []T, tail int, err error) {
	if f.Sort.Key != "" {
		return f.byOrder(w, joint)
	}
	rows, err = f.rows(f.Ranges, w)
	return rows, 0, err
}

// together returns what all filters leave, nil when that is many.
func (f *finder[T]) together() ([]uuid.UUID, error) {
	if f.wanted() < 2 {
		return nil, nil // as narrow has found
	}
	if err := f.sortRanges(); err != nil {
		return nil, err
	}
	ids, err := f.joint(f.Ranges)
	if err != nil {
		return nil, fmt.Errorf("match the metrics: %w", err)
	}
	if len(ids) > candidates {
		return nil, nil
	}
	return ids, nil
}

// jointTime is the most that a search for what several filters leave may take; after that they leave many, for all that is known.
const jointTime = 1500 * time.Millisecond

// joint is matching for several ranges.
func (f *finder[T]) joint(ranges []metricquery.Range) ([]uuid.UUID, error) {
	limited := *f
	var cancel context.CancelFunc
	limited.ctx, cancel = context.WithTimeout(f.ctx, jointTime)
	defer cancel()
	ids, err := limited.matching(ranges)
	if errors.Is(err, context.DeadlineExceeded) && f.ctx.Err() == nil {
		return make([]uuid.UUID, candidates+1), nil
	}
	return ids, err
}

// matching returns the ids of what is in some ranges, the first wanted of which leads; more than candidates are too many.
func (f *finder[T]) matching(ranges []metricquery.Range) ([]uuid.UUID, error) {
	first, others, _ := metricquery.Leading(ranges)
	j, m := joinable(others, nil)
	return f.match(f.ctx, db.MatchRunsByMetricsParams{
		Key: first.Key, Low: first.Low, High: first.High, PageSize: candidates + 1,
		JoinedKeys: j.Keys, JoinedWanted: j.Wanted, JoinedLows: j.Lows, JoinedHighs: j.Highs,
		MetricKeys: m.Keys, MetricWanted: m.Wanted, MetricLows: m.Lows, MetricHighs: m.Highs,
	})
}

// sized is up to where the size of a range is of interest: some 10 ms.
const sized = 50_000

// sortRanges puts the wanted range that has the fewest rows first.
func (f *finder[T]) sortRanges() error {
	least, at := int64(sized), 0
	for i, r := range f.Ranges {
		if !r.Want {
			continue
		}
		n, err := f.countByMetrics(f.ctx, db.CountRunsByMetricsParams{Key: r.Key, Low: r.Low, High: r.High, MaxCount: sized})
		if err != nil {
			return fmt.Errorf("count what a metric matches: %w", err)
		}
		if n < least {
			least, at = n, i
		}
	}
	f.Ranges[0], f.Ranges[at] = f.Ranges[at], f.Ranges[0]
	return nil
}
