package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"foldbook/internal/devstack"
)

const (
	seriesRows    = 1_000_000
	seriesDataset = "6f0e0c3a-52a7-4c1c-9d58-3f1f0e6f9aff"
	seriesColumns = "timestamp, s, c0, c1, c2, c3, c4, c5, c6, l"
)

// series compares rows over HTTP with QuestDB's own endpoints, and added rows with its own client.
func series(ctx context.Context, s *stack, r *report) error {
	v, err := s.seriesService(ctx)
	if err != nil {
		return err
	}
	if err := r.slowReaders(ctx, v); err != nil { // before anything else has made the service grow
		return err
	}
	const all = "select " + seriesColumns + " from bench_ind"
	const minMax = "select timestamp, min(c0) lo, max(c0) hi from bench_ind sample by "
	base, exec, exp := "/api/datasets/"+seriesDataset, execPath(all), "/exp?query="+url.QueryEscape(all)
	var list []*contest
	for _, n := range []struct {
		name, ours, theirs string
		atLeast            float64
	}{
		{"1M × 10 as CSV, to `/exp`", "/indicators?format=csv", exp, 0.9},
		{"1M × 10 as NDJSON, to `/exec`", "/indicators?format=ndjson", exec, 0.9},
		{"1M × 10 as Arrow, to `/exec`", "/indicators?format=arrow", exec, 4},
		{"`points=1000` of one series, to `SAMPLE BY`", "/series?columns=c0&points=1000", execPath(minMax + "4000m"), 1. / 3},
		{"`width=1000` of one series, to `SAMPLE BY`", "/series?columns=c0&width=1000", execPath(minMax + "1000m"), 0},
	} {
		list = append(list, &contest{
			name: n.name, asTime: true, atLeast: n.atLeast,
			ours: s.rate(v.address, get(base+n.ours), 1), theirs: s.rate(s.questDBAddress(), get(n.theirs), 1),
		})
	}
	for _, connections := range []int{1, 8, 24} {
		list = append(list, s.hundredRows(v, "json", connections, 0.8))
	}
	list = append(list, s.hundredRows(v, "arrow", 8, 0))
	added, err := s.appends(ctx, v)
	if err != nil {
		return err
	}
	return r.run(ctx, theme{
		title: "Series", peer: "QuestDB itself",
		about: "One QuestDB as it comes, at its own `/exec` and `/exp`; large answers one at a time. Appends end when the rows can be read.",
	}, append(list, added))
}

// hundredRows asks for 100 rows by time, other rows each time.
func (s *stack) hundredRows(v *service, format string, connections int, atLeast float64) *contest {
	var ours, theirs []string
	for i := range 500 {
		from := time.Date(2022, 3, 1, 0, 100*i, 0, 0, time.UTC)
		start, end := from.Format(time.RFC3339), from.Add(99*time.Minute).Format(time.RFC3339)
		ours = append(ours, "/api/datasets/"+seriesDataset+"/indicators?format="+format+"&start_ts="+start+"&end_ts="+end)
		theirs = append(theirs, execPath("select "+seriesColumns+" from bench_ind where timestamp >= '"+start+"' and timestamp <= '"+end+"'"))
	}
	return &contest{
		name: fmt.Sprintf("100 other rows by time as %s, %d connections, to `/exec`", format, connections), atLeast: atLeast,
		ours: s.rate(v.address, get(ours...), connections), theirs: s.rate(s.questDBAddress(), get(theirs...), connections),
	}
}

func (s *stack) questDBAddress() string { return strings.TrimPrefix(s.questdb.HTTPURL(), "http://") }

// seriesService is a service with a QuestDB that has a million rows.
func (s *stack) seriesService(ctx context.Context) (*service, error) {
	if s.series != nil {
		return s.series, nil
	}
	if err := s.startQuestDB(ctx); err != nil {
		return nil, err
	}
	v, err := s.serve(ctx, s.binary, s.url, "QDB_HTTP_URL="+s.questdb.HTTPURL(), "QDB_PG_URL="+s.questdb.PGURL())
	if err != nil {
		return nil, err
	}
	s.series = v
	return v, s.fillSeries(ctx, v)
}

func (s *stack) startQuestDB(ctx context.Context) error {
	state, err := devstack.StateDir(s.root)
	if err != nil {
		return err
	}
	program, err := devstack.FindQuestDB(ctx, state, func(text string) { fmt.Fprintln(os.Stderr, "questdb:", text) })
	if err != nil {
		return err
	}
	dir := filepath.Join(s.scratch.Dir, "questdb")
	if err := os.Mkdir(dir, 0o755); err != nil { // QuestDB may run as another user
		return err
	}
	s.questdb, err = devstack.StartQuestDB(ctx, dir, program, false)
	return err
}

// fillSeries makes a million minutes of ten columns, and a dataset that has them as its indicators.
func (s *stack) fillSeries(ctx context.Context, v *service) error {
	for _, sql := range []string{
		fmt.Sprintf(`create table bench_ind as (select timestamp_sequence('2021-01-01', 60000000L) timestamp, rnd_symbol('btc', 'eth') s,
			rnd_double() * 100 c0, rnd_double() * 1000 c1, rnd_double() c2, rnd_double() c3, rnd_double() c4, rnd_double() c5, rnd_double() c6,
			rnd_long() l
			from long_sequence(%d)) timestamp(timestamp) partition by month wal`, seriesRows),
		"select wait_wal_table('bench_ind')",
	} {
		if err := s.questDB(ctx, sql); err != nil {
			return err
		}
	}
	return v.newDataset(ctx, seriesDataset, "bench")
}

// newDataset stores a dataset whose indicators are in the table slug_ind.
func (v *service) newDataset(ctx context.Context, id, slug string) error {
	const format = `{"dataset_id": %q, "dataset_slug": %q, "symbol": "BTCUSD", "granularity": "1m", "indicator_measurement": "%[2]s_ind"}`
	body := fmt.Sprintf(format, id, slug)
	_, _, err := v.do(ctx, http.MethodPost, "/api/datasets", []byte(body), http.StatusCreated)
	return err
}

func (s *stack) questDB(ctx context.Context, sql string) error {
	if _, err := load(ctx, s.questDBAddress(), get(execPath(sql)), 1, 1); err != nil {
		return fmt.Errorf("%.100s: %w", sql, err)
	}
	return nil
}

func execPath(sql string) string { return "/exec?query=" + url.QueryEscape(sql) }
