package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
)

//go:embed search.sql
var searchRows string

const (
	minRuns   = 100_000               // that the searches need to find what they look for
	firstPage = 50 * time.Millisecond // most that the first page of a search may take
	asked     = 15                    // times that a search is asked for in a measurement
	farPage   = 1000
)

// search measures searches over many runs.
func search(ctx context.Context, s *stack, r *report) error {
	dsn, err := s.createDatabase(ctx, s.binary)
	if err != nil {
		return err
	}
	progress("load %d runs", s.opts.Runs)
	runs := fmt.Sprintf("SELECT set_config('bench.runs', '%d', true);\n", s.opts.Runs)
	if err := errors.Join(s.exec(ctx, dsn, runs+searchRows), s.exec(ctx, dsn, "VACUUM ANALYZE")); err != nil {
		return fmt.Errorf("load %d runs: %w", s.opts.Runs, err)
	}
	// Limits are for callers; what takes longer on a busy machine is to be seen, and not to end the benchmark.
	v, err := s.serve(ctx, s.binary, dsn, "POSTGRES_STATEMENT_TIMEOUT=50s", "REQUEST_TIMEOUT=60s")
	if err != nil {
		return err
	}
	var list []*contest
	for _, q := range []struct{ name, metrics, sort string }{ // metrics are separated by "&"
		{"one metric, by that metric", "pf_long>=2.2", "pf_long"},
		{"one metric, newest first", "pf_long>=2.2", ""},
		{"one metric, newest first, hardly any match", "stress exists", ""},
		{"one metric, newest first, one in 180 matches", "pf_long>=2.68", ""},
		{"one metric, newest first, the oldest match", "retired exists", ""},
		{"one in 200 matches, by another metric", "pf_long>=2.69", "sharpe"},
		{"one metric, newest first, nearly all match", "pf_long>=0.2", ""},
		{"a metric is missing", "stress missing", ""},
		{"no filter, by a metric", "", "sharpe"},
		{"two metrics", "pf_long>=2&sharpe>=1", ""},
		{"two metrics, by one of them", "pf_long>=2&sharpe>=1", "sharpe"},
		{"two metrics, by a third", "pf_long>=2&sharpe>=1", "total_signals"},
	} {
		query := url.Values{}
		for metric := range strings.SplitSeq(q.metrics, "&") {
			if metric != "" {
				query.Add("metric", "summary_metrics."+metric)
			}
		}
		if q.sort != "" {
			query.Set("sort", "-summary_metrics."+q.sort)
		}
		path := "/api/runs?" + query.Encode()
		list = append(list, &contest{
			name: q.name + ": `" + strings.Trim(q.metrics+" -"+q.sort, " -") + "`", asTime: true, within: firstPage,
			ours: v.ask(path + "&count=none"), theirs: v.ask(path + "&count=exact"),
		})
	}
	for _, way := range []struct{ name, query string }{{"newest first", ""}, {"by a metric", "&sort=-summary_metrics.sharpe"}} {
		first := "/api/runs?count=none" + way.query
		cursor, err := v.page(ctx, first, farPage)
		if err != nil {
			return err
		}
		list = append(list, &contest{
			name: fmt.Sprintf("page %d of all by cursor, %s, to page 1", farPage, way.name), asTime: true, atMost: 1.5,
			ours: v.ask(first + "&cursor=" + cursor), theirs: v.ask(first),
		})
	}
	return r.run(ctx, theme{
		title: fmt.Sprintf("Searches over %d runs", s.opts.Runs), peer: "exact total",
		about: "The first page of 50 runs without a total, and with the exact one; one request at a time, medians of 15.",
	}, list)
}

// ask measures the median of some answers, one after the other.
func (v *service) ask(path string) measure {
	return func(ctx context.Context) (sample, error) {
		took := make([]time.Duration, asked)
		for i := range took {
			began := time.Now()
			var answer any
			if err := v.get(ctx, path, &answer); err != nil {
				return sample{}, err
			}
			took[i] = time.Since(began)
		}
		return timed(median(took)), nil
	}
}

// page returns the cursor of the n-th page.
func (v *service) page(ctx context.Context, path string, n int) (cursor string, err error) {
	next := ""
	for range n - 1 {
		var list struct{ Next string }
		if err := v.get(ctx, path+next, &list); err != nil {
			return "", err
		}
		cursor, next = list.Next, "&cursor="+list.Next
	}
	return cursor, nil
}
