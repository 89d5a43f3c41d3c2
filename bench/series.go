package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"foldbook/internal/devstack"
)

// comparison is one thing that is asked of the service and of QuestDB itself, in turns.
type comparison struct {
	name      string
	ours      request // at the service
	theirs    request // at QuestDB
	callers   int     // many small answers on so many connections; 0: one large one at a time
	want      float64
	ourBest   float64 // answers a second
	theirBest float64
	ourBytes  int64
	bytes     int64
	ourCPU    time.Duration // of all servers for one answer, the least of the rounds
	theirCPU  time.Duration
}

const (
	seriesRows    = 1_000_000
	manyCallers   = 24 // QuestDB of the development stack takes 32 connections
	seriesDataset = "6f0e0c3a-52a7-4c1c-9d58-3f1f0e6f9aff"
)

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
	s.questdb, err = devstack.StartQuestDB(ctx, dir, program)
	return err
}

// fillSeries makes a million minutes of ten columns, and a data set that has them as its indicators.
func (s *stack) fillSeries(ctx context.Context, service *service) error {
	for _, sql := range []string{
		fmt.Sprintf(`create table bench_ind as (select timestamp_sequence('2021-01-01', 60000000L) timestamp, rnd_symbol('btc', 'eth') s,
			rnd_double() * 100 c0, rnd_double() * 1000 c1, rnd_double() c2, rnd_double() c3, rnd_double() c4, rnd_double() c5, rnd_double() c6, rnd_long() l
			from long_sequence(%d)) timestamp(timestamp) partition by month wal`, seriesRows),
		"select wait_wal_table('bench_ind')",
	} {
		if err := s.questDB(ctx, sql); err != nil {
			return err
		}
	}
	body := fmt.Sprintf(`{"dataset_id": %q, "dataset_slug": "bench", "symbol": "BTCUSD", "granularity": "1m", "indicator_measurement": "bench_ind", "ohlcv_measurement": "bench_ind"}`, seriesDataset)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+service.address+"/api/datasets", bytes.NewReader([]byte(body)))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close() //nolint:errcheck // it is not read
	if res.StatusCode != http.StatusCreated {
		return fmt.Errorf("store the data set: status %d", res.StatusCode)
	}
	return nil
}

func (s *stack) questDB(ctx context.Context, sql string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.questdb.HTTPURL()+execPath(sql), nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close() //nolint:errcheck // it was only read
	var answer struct{ Error string }
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || answer.Error != "" {
		return fmt.Errorf("%s: %s, %w", sql, answer.Error, err)
	}
	return nil
}

func execPath(sql string) string { return "/exec?query=" + url.QueryEscape(sql) }

// series measures and prints the table.
func (c cli) series(ctx context.Context, s *stack) error {
	if err := s.startQuestDB(ctx); err != nil {
		return err
	}
	service, err := s.serve(ctx, s.url, "QDB_HTTP_URL="+s.questdb.HTTPURL(), "QDB_PG_URL="+s.questdb.PGURL())
	if err != nil {
		return err
	}
	if err := s.fillSeries(ctx, service); err != nil {
		return err
	}
	const all = "select timestamp, s, c0, c1, c2, c3, c4, c5, c6, l from bench_ind"
	base := "/api/datasets/" + seriesDataset
	exec, exp := execPath(all), "/exp?query="+url.QueryEscape(all)
	one := func(path string) request { return request{path: path} }
	hundred := func(ranges int, format string) (ours, theirs request) { // the same rows over and over, or other ones each time
		var at, of []string
		for i := range ranges {
			from := time.Date(2022, 3, 1, 0, 100*i, 0, 0, time.UTC)
			to := from.Add(99 * time.Minute)
			at = append(at, base+"/indicators?format="+format+"&start_ts="+from.Format(time.RFC3339)+"&end_ts="+to.Format(time.RFC3339))
			of = append(of, execPath(fmt.Sprintf("%s where timestamp >= '%s' and timestamp <= '%s'", all, from.Format(time.RFC3339), to.Format(time.RFC3339))))
		}
		return request{path: at[0], more: at[1:]}, request{path: of[0], more: of[1:]}
	}
	list := []*comparison{
		{name: "1M × 10 as CSV, to `/exp`", ours: one(base + "/indicators?format=csv"), theirs: one(exp), want: 2},
		{name: "1M × 10 as NDJSON, to `/exec`", ours: one(base + "/indicators?format=ndjson"), theirs: one(exec), want: 2},
		{name: "1M × 10 as Arrow, to `/exec`", ours: one(base + "/indicators?format=arrow"), theirs: one(exec), want: 5},
		{
			name: "`points=1000` of one series, to `SAMPLE BY` min and max", want: 1. / 3, ours: one(base + "/series?columns=c0&points=1000"),
			theirs: one(execPath("select timestamp, min(c0) lo, max(c0) hi from bench_ind sample by 4000m")),
		},
		{
			name: "`width=1000` of one series, to `SAMPLE BY` min and max", want: 1. / 3, ours: one(base + "/series?columns=c0&width=1000"),
			theirs: one(execPath("select timestamp, min(c0) lo, max(c0) hi from bench_ind sample by 1000m")),
		},
	}
	many := fmt.Sprintf(", %d connections", manyCallers)
	for _, k := range []struct {
		name            string
		callers, ranges int
		format          string
		want            float64
	}{
		{"the same 100 rows by time, to `/exec`", c.Connections, 1, "json", 4},
		{"the same 100 rows" + many, manyCallers, 1, "json", 4},
		{"other 100 rows each time", c.Connections, 500, "json", 4},
		{"other 100 rows each time" + many, manyCallers, 500, "json", 4},
		{"other 100 rows each time as Arrow", c.Connections, 500, "arrow", 0},
	} {
		entry := &comparison{name: k.name, callers: k.callers, want: k.want}
		entry.ours, entry.theirs = hundred(k.ranges, k.format)
		list = append(list, entry)
	}
	if err := service.reportMemory(ctx, base); err != nil { // before anything else has made the service grow
		return err
	}
	for round := range c.Rounds + 1 { // the first fills caches and is not counted
		for _, k := range list {
			fmt.Fprintf(os.Stderr, "round %d of %d: %s\n", round, c.Rounds, k.name)
			before := s.cpu(service)
			ours, n, count, err := c.ask(ctx, "http://"+service.address, k.ours, k.callers)
			if err != nil {
				return fmt.Errorf("ask the service for %s: %w", k.ours.path, err)
			}
			between := s.cpu(service)
			theirs, m, theirCount, err := c.ask(ctx, s.questdb.HTTPURL(), k.theirs, k.callers)
			if err != nil {
				return fmt.Errorf("ask QuestDB for %s: %w", k.theirs.path, err)
			}
			if round == 0 {
				continue
			}
			k.ourBest, k.theirBest, k.ourBytes, k.bytes = max(k.ourBest, ours), max(k.theirBest, theirs), n, m
			ourCPU, theirCPU := (between-before)/time.Duration(count), (s.cpu(service)-between)/time.Duration(theirCount)
			if round == 1 || ourCPU < k.ourCPU {
				k.ourCPU = ourCPU
			}
			if round == 1 || theirCPU < k.theirCPU {
				k.theirCPU = theirCPU
			}
		}
	}
	fmt.Printf("\nBest of %d rounds that take turns, on one QuestDB; small answers on %d connections unless it says otherwise.\n\n", c.Rounds, c.Connections)
	fmt.Println("| what | the service | QuestDB itself | ratio | target | | CPU ms | QuestDB's | bytes | QuestDB's |")
	fmt.Println("|---|--:|--:|--:|--:|---|--:|--:|--:|--:|")
	for _, k := range list {
		unit := func(rate float64) string { return fmt.Sprintf("%.3f s", 1/rate) }
		if k.callers > 0 {
			unit = func(rate float64) string { return fmt.Sprintf("%.0f/s", rate) }
		}
		verdict := "below"
		switch {
		case k.want == 0:
			verdict = ""
		case k.ourBest/k.theirBest >= k.want:
			verdict = "PASS"
		}
		fmt.Printf("| %s | %s | %s | %.2f× | %.2f× | %s | %.2f | %.2f | %d | %d |\n", k.name, unit(k.ourBest), unit(k.theirBest), k.ourBest/k.theirBest, k.want, verdict,
			milliseconds(k.ourCPU), milliseconds(k.theirCPU), k.ourBytes, k.bytes)
	}
	return nil
}

// ask returns how many answers a second there are, the length of one, and how many there were.
func (c cli) ask(ctx context.Context, base string, r request, callers int) (rate float64, length, count int64, err error) {
	if callers > 0 {
		m, err := load(ctx, strings.TrimPrefix(base, "http://"), r, callers, c.For)
		return m.rate, int64(m.bytes), int64(len(m.took)), err
	}
	client := &http.Client{Transport: &http.Transport{DisableCompression: true, ReadBufferSize: 64 << 10}}
	defer client.CloseIdleConnections()
	began := time.Now()
	length, err = fetch(ctx, client, base+r.path, make([]byte, 256<<10))
	return 1 / time.Since(began).Seconds(), length, 1, err
}

// fetch reads an answer to its end.
func fetch(ctx context.Context, client *http.Client, address string, buf []byte) (n int64, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, err
	}
	res, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close() //nolint:errcheck // it was read to its end
	if res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 300))
		return 0, fmt.Errorf("status %d: %s", res.StatusCode, text)
	}
	for {
		m, err := res.Body.Read(buf)
		n += int64(m)
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}

// cpu is the time that the service and its databases have used so far; 0 where there is no /proc.
func (s *stack) cpu(service *service) time.Duration {
	pids := []string{strconv.Itoa(service.process.PID()), strconv.Itoa(s.questdb.PID())}
	if s.postgres != nil {
		pids = append(pids, strconv.Itoa(s.postgres.PID()))
	}
	var ticks int64
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range files {
		text, _ := os.ReadFile(file)
		_, rest, _ := strings.Cut(string(text), ") ")
		fields := strings.Fields(rest) // from the state on: the parent is the second, the times are the 12th and 13th
		if len(fields) < 13 || !slices.Contains(pids, filepath.Base(filepath.Dir(file))) && !slices.Contains(pids, fields[1]) {
			continue
		}
		for _, field := range fields[11:13] {
			n, _ := strconv.ParseInt(field, 10, 64)
			ticks += n
		}
	}
	return time.Duration(ticks) * time.Second / 100
}
