package main

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	firstPage = 50 * time.Millisecond // most that the first page of a search may take
	asked     = 15                    // times that a search is asked for in a round
	manyPages = 1000
)

// inquiry is a list that is asked for, once without and once with the exact total.
type inquiry struct {
	name    string
	query   url.Values
	took    []time.Duration
	counted []time.Duration
	total   int64
}

func filters(metrics ...string) url.Values {
	v := url.Values{}
	for _, m := range metrics {
		v.Add("metric", "summary_metrics."+m)
	}
	return v
}

func sorted(v url.Values, by string) url.Values {
	v.Set("sort", "-summary_metrics."+by)
	return v
}

// search measures searches over many runs, and shows how PostgreSQL answers them.
func (c cli) search(ctx context.Context, s *stack) error {
	dsn, err := s.createDatabase(ctx)
	if err != nil {
		return err
	}
	progress("load %d runs", c.Runs)
	began := time.Now()
	if err := addRuns(ctx, dsn, c.Runs); err != nil {
		return fmt.Errorf("load %d runs: %w", c.Runs, err)
	}
	progress("loaded in %s", time.Since(began).Round(time.Second))
	// Limits are for callers; what takes longer on a busy machine is to be seen, and not to end the benchmark.
	v, err := s.serve(ctx, dsn, "POSTGRES_STATEMENT_TIMEOUT=50s", "REQUEST_TIMEOUT=60s")
	if err != nil {
		return err
	}
	list := []*inquiry{
		{name: "one metric, by that metric", query: sorted(filters("pf_long>=2.2"), "pf_long")},
		{name: "one metric, newest first", query: filters("pf_long>=2.2")},
		{name: "one metric, newest first, hardly any match", query: filters("stress exists")},
		{name: "one metric, newest first, one in 180 matches", query: filters("pf_long>=2.68")},
		{name: "one metric, newest first, the oldest match", query: filters("retired exists")},
		{name: "one in 200 matches, by another metric", query: sorted(filters("pf_long>=2.69"), "sharpe")},
		{name: "one metric, newest first, nearly all match", query: filters("pf_long>=0.2")},
		{name: "a metric is missing", query: filters("stress missing")},
		{name: "no filter, by a metric", query: sorted(filters(), "sharpe")},
		{name: "two metrics", query: filters("pf_long>=2", "sharpe>=1")},
		{name: "two metrics, by one of them", query: sorted(filters("pf_long>=2", "sharpe>=1"), "sharpe")},
		{name: "two metrics, by a third", query: sorted(filters("pf_long>=2", "sharpe>=1"), "total_signals")},
	}
	for round := range c.Rounds + 1 { // the first one is not counted
		for _, q := range list {
			progress("round %d of %d: %s", round, c.Rounds, q.name)
			if err := q.ask(ctx, v, round > 0); err != nil {
				return fmt.Errorf("%s: %w", q.name, err)
			}
		}
	}
	fmt.Printf("\n### Searches over %d runs\n\nMedians over HTTP of %d answers of 50 runs each, one at a time, in turns.\n\n", c.Runs, asked*c.Rounds)
	fmt.Println("| search | matches | first page ms | at most | | with its exact total ms |")
	fmt.Println("|---|--:|--:|--:|---|--:|")
	for _, q := range list {
		fmt.Printf("| %s: `%s` | %d | %.1f | %.0f | %s | %.1f |\n", q.name, q.text(), q.total, milliseconds(median(q.took)), milliseconds(firstPage),
			verdictOf(median(q.took) <= firstPage), milliseconds(median(q.counted)))
	}
	if err := c.pages(ctx, v, dsn, s.root); err != nil {
		return err
	}
	return plans(ctx, dsn, s.root)
}

func (q *inquiry) text() string {
	text, _ := url.QueryUnescape(q.query.Encode())
	return strings.ReplaceAll(text, "summary_metrics.", "…")
}

// ask asks for the first page.
func (q *inquiry) ask(ctx context.Context, v *service, counts bool) error {
	for range asked {
		for _, mode := range []string{"none", "exact"} {
			q.query.Set("count", mode)
			path := "/api/runs?" + q.query.Encode()
			q.query.Del("count")
			var page struct{ Total int64 }
			began := time.Now()
			if err := v.get(ctx, path, &page); err != nil {
				return err
			}
			took := time.Since(began)
			switch {
			case !counts:
			case mode == "none":
				q.took = append(q.took, took)
			default:
				q.counted, q.total = append(q.counted, took), page.Total
			}
		}
	}
	return nil
}

func median(d []time.Duration) time.Duration { return slices.Sorted(slices.Values(d))[len(d)/2] }

// listed is a page of runs, as far as its position in the list by a metric shows in it.
type listed struct {
	Next string
	Runs []struct {
		RunID          string             `json:"run_id"`
		SummaryMetrics map[string]float64 `json:"summary_metrics"`
	}
}

// pages compares page 1,000 with the first one.
func (c cli) pages(ctx context.Context, v *service, dsn, root string) error {
	type listing struct {
		name, query string
		took        [2][]time.Duration
	}
	var last listed
	list := []listing{{name: "newest first", query: "count=none"}, {name: "by a metric", query: "count=none&sort=-summary_metrics.sharpe"}}
	for i := range list {
		path, next := "/api/runs?"+list[i].query, ""
		for range manyPages - 1 {
			last = listed{}
			if err := v.get(ctx, path+next, &last); err != nil {
				return err
			}
			next = "&cursor=" + last.Next
		}
		for range asked * c.Rounds {
			for k, way := range []string{"", next} {
				began := time.Now()
				if err := v.get(ctx, path+way, &listed{}); err != nil {
					return err
				}
				list[i].took[k] = append(list[i].took[k], time.Since(began))
			}
		}
	}
	fmt.Printf("\n| list of all | page 1 ms | page %d by cursor ms | ratio |\n|---|--:|--:|--:|\n", manyPages)
	for _, l := range list {
		first, far := median(l.took[0]), median(l.took[1])
		fmt.Printf("| %s | %.1f | %.1f | %s |\n", l.name, milliseconds(first), milliseconds(far), times(float64(far)/float64(first)))
	}
	at := last.Runs[len(last.Runs)-1]
	return explainPages(ctx, dsn, root, at.RunID, at.SummaryMetrics["sharpe"])
}
