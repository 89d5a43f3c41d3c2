package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"foldbook/db"
	"foldbook/internal/devstack"
	"foldbook/internal/seed"
	"foldbook/internal/seed/experiment"
	"foldbook/internal/testdb"
	"foldbook/questdb"
)

func TestMain(m *testing.M) { testdb.Main(m) }

// service is a foldbook in a process of its own, on a real PostgreSQL and a real QuestDB.
type service struct {
	url      string
	postgres string
	quest    *devstack.QuestDB
}

func startService(t *testing.T) *service {
	t.Helper()
	s := &service{postgres: testdb.NewURL(t), quest: testdb.QuestDB(t)}
	binary := filepath.Join(t.TempDir(), "foldbook")
	if out, err := exec.Command("go", "build", "-o", binary, "foldbook/cmd/foldbook").CombinedOutput(); err != nil {
		t.Fatalf("build foldbook: %v\n%s", err, out)
	}
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	_ = listener.Close()
	s.url = fmt.Sprintf("http://127.0.0.1:%d", port)
	var log bytes.Buffer
	serve := exec.Command(binary, "serve")
	serve.Dir = filepath.Dir(binary)
	serve.Env = []string{"POSTGRES_URL=" + s.postgres, "QDB_HTTP_URL=" + s.quest.HTTPURL(), "QDB_PG_URL=" + s.quest.PGURL(), fmt.Sprintf("PORT=%d", port)}
	serve.Stdout, serve.Stderr = &log, &log
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = serve.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		_ = serve.Process.Signal(syscall.SIGTERM)
		<-ended
		if t.Failed() {
			t.Logf("the log of the service:\n%s", &log)
		}
	})
	for deadline := time.Now().Add(time.Minute); ; {
		res, err := http.Get(s.url + "/readyz")
		if err == nil && res.Body.Close() == nil && res.StatusCode == http.StatusOK {
			return s
		}
		select {
		case <-ended:
			t.Fatal("the service ended at once")
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("the service is not ready: %v", err)
		}
	}
}

// seed stores the sample data beside what the service has, and returns what it prints.
func (s *service) seed(t *testing.T) string {
	t.Helper()
	store, err := db.Open(db.Config{URL: s.postgres, PoolSize: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	series, err := questdb.New(questdb.Config{HTTPURL: s.quest.HTTPURL(), PGURL: s.quest.PGURL()})
	if err != nil {
		t.Fatal(err)
	}
	defer series.Close()
	var out strings.Builder
	if err := seed.Run(t.Context(), store.Pool, series, &out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// body reads an answer whole.
func (s *service) body(t *testing.T, path string) []byte {
	t.Helper()
	res, err := http.Get(s.url + path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d, %v\n%.500s", path, res.StatusCode, err, text)
	}
	return text
}

// read decodes an answer; T has the fields that are compared.
func read[T any](t *testing.T, s *service, path string) (answer T) {
	t.Helper()
	if err := json.Unmarshal(s.body(t, path), &answer); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return answer
}

// impatient is a client with short pauses.
func impatient(url string) *client {
	c := newClient(url)
	for i := range c.pauses {
		c.pauses[i] = time.Millisecond
	}
	return c
}

// badLine loses every fifth request and the answers of every fifth.
type badLine struct {
	line     http.RoundTripper
	requests int
}

func (b *badLine) RoundTrip(req *http.Request) (*http.Response, error) {
	b.requests++
	if b.requests%5 == 1 {
		return nil, io.ErrUnexpectedEOF
	}
	res, err := b.line.RoundTrip(req)
	if b.requests%5 == 3 && err == nil {
		_ = res.Body.Close()
		return nil, io.ErrUnexpectedEOF
	}
	return res, err
}

// What the example exports, over a bad line, is read back in the other shapes that the service has: series as CSV, records
// from the older routes. Then the export is repeated, and the seed, which has the same, changes nothing.
func TestExport(t *testing.T) {
	t.Parallel()
	s := startService(t)
	want, err := experiment.BTC()
	if err != nil {
		t.Fatal(err)
	}
	var first, second bytes.Buffer
	c := impatient(s.url)
	c.http.Transport = &badLine{line: http.DefaultTransport}
	if err := export(t.Context(), c, want, &report{out: &first}); err != nil {
		t.Fatalf("%v\nafter\n%s", err, &first)
	}
	checkAll(t, s, want)
	before := s.snapshot(t, want, false)

	if err := run(t.Context(), []string{"--url", s.url}, &second); err != nil {
		t.Fatalf("the second time: %v\nafter\n%s", err, &second)
	}
	t.Logf("printed:\n%s", &second)
	checkAll(t, s, want)
	if diff := cmp.Diff(before, s.snapshot(t, want, false)); diff != "" {
		t.Errorf("what is stored after the second export (-first +second):\n%s", diff)
	}
	before = s.snapshot(t, want, true)

	if out := s.seed(t); !strings.Contains(out, "btc19_1_sim1   223 ") || strings.Contains(out, "others") {
		t.Errorf("seed:\n%s", out)
	}
	if diff := cmp.Diff(before, s.snapshot(t, want, true)); diff != "" {
		t.Errorf("what is stored after the seed (-exported +seeded):\n%s", diff)
	}
}

func checkAll(t *testing.T, s *service, want *experiment.Experiment) {
	t.Helper()
	dataset, run, simulation := want.Dataset.ID.String(), want.Run.ID.String(), want.Simulation.ID.String()
	for path, series := range map[string]experiment.Series{
		"/api/datasets/" + dataset + "/ohlcv?format=csv":           want.Bars,
		"/api/datasets/" + dataset + "/indicators?format=csv":      want.Indicators,
		"/api/walkforward/runs/" + run + "/predictions?format=csv": want.Predictions,
		"/api/tradesim/runs/" + simulation + "/trace?format=csv":   want.Trace,
	} {
		s.checkSeries(t, path, series)
	}

	gotRun := read[struct {
		Run   experiment.Run    `json:"run"`
		Folds []experiment.Fold `json:"folds"`
	}](t, s, "/api/walkforward/runs/"+run)
	ignoring := cmp.FilterPath(func(p cmp.Path) bool {
		return slices.Contains([]string{"predictions", "fees"}, strings.TrimPrefix(p.Last().String(), "."))
	}, cmp.Ignore())
	if diff := cmp.Diff(want.Run, gotRun.Run); diff != "" {
		t.Errorf("run (-computed +read):\n%s", diff)
	}
	if diff := cmp.Diff(want.Folds, gotRun.Folds, ignoring); diff != "" {
		t.Errorf("folds (-computed +read):\n%s", diff)
	}
	gotSimulation := read[struct {
		Run     experiment.Simulation `json:"run"`
		Buckets []experiment.Bucket   `json:"buckets"`
	}](t, s, "/api/tradesim/runs/"+simulation)
	got := gotSimulation.Run
	got.Buckets = gotSimulation.Buckets
	got.Trades = s.trades(t, simulation)
	slices.SortFunc(got.Trades, byID)
	computed := want.Simulation
	computed.Trades = slices.Clone(computed.Trades)
	slices.SortFunc(computed.Trades, byID)
	if diff := cmp.Diff(computed, got, ignoring); diff != "" {
		t.Errorf("simulation (-computed +read):\n%s", diff)
	}
	gotDataset := read[experiment.Dataset](t, s, "/api/datasets/"+dataset)
	if diff := cmp.Diff(want.Dataset, gotDataset); diff != "" {
		t.Errorf("dataset (-computed +read):\n%s", diff)
	}
}

func byID(a, b experiment.Trade) int { return strings.Compare(a.ID.String(), b.ID.String()) }

// trades reads the rows of the table, which have their metadata in an object.
func (s *service) trades(t *testing.T, simulation string) []experiment.Trade {
	t.Helper()
	var list []experiment.Trade
	for _, row := range read[[]struct {
		experiment.Trade
		BarTimestamp time.Time        `json:"bar_timestamp"`
		Metadata     experiment.Trade `json:"metadata"`
	}](t, s, "/api/tradesim/runs/"+simulation+"/trades?limit=1000") {
		trade, m := row.Trade, row.Metadata
		trade.EntryMS, trade.Fold, trade.EntrySignal, trade.ExitSignal, trade.ExitMS = row.BarTimestamp.UnixMilli(), m.Fold, m.EntrySignal, m.ExitSignal, m.ExitMS
		list = append(list, trade)
	}
	return list
}

// checkSeries compares each cell of a CSV with the one that was computed.
func (s *service) checkSeries(t *testing.T, path string, want experiment.Series) {
	t.Helper()
	lines, err := csv.NewReader(bytes.NewReader(s.body(t, path))).ReadAll()
	if err != nil || len(lines) != want.Len+1 {
		t.Errorf("%s: %d lines, want a header and %d; %v", path, len(lines), want.Len, err)
		return
	}
	header := lines[0]
	place := func(names ...string) int {
		return slices.IndexFunc(header, func(h string) bool { return slices.Contains(names, h) })
	}
	at := place("timestamp_ms")
	columns := map[int]int{}
	for k, c := range want.Columns {
		i := place(c.Name, map[string]string{"target_value": "target", "fold_score": "score"}[c.Name])
		if i < 0 {
			if c.Name != "fold_profit_factor" { // not one of the columns of predictions that every run has
				t.Errorf("%s: no column %s among %v", path, c.Name, header)
			}
			continue
		}
		columns[k] = i
	}
	n := 0
	for row := range want.Rows {
		n++
		if got := lines[n][at]; got != strconv.FormatInt(row.TimestampMS, 10) {
			t.Errorf("%s: row %d is at %s, want %d", path, n, got, row.TimestampMS)
			return
		}
		for k, i := range columns {
			var wrong bool
			switch cell := row.Cells[k].(type) {
			case float64:
				got, err := strconv.ParseFloat(lines[n][i], 64)
				wrong = err != nil || got != cell
			case nil:
				wrong = lines[n][i] != ""
			default:
				wrong = lines[n][i] != fmt.Sprint(cell)
			}
			if wrong {
				t.Errorf("%s: row %d: %s is %q, want %v", path, n, header[i], lines[n][i], row.Cells[k])
				return
			}
		}
	}
}

// snapshot is the answers of all record routes, with or without the marks that each write sets.
func (s *service) snapshot(t *testing.T, e *experiment.Experiment, marks bool) map[string]any {
	t.Helper()
	all := map[string]any{}
	dataset, run, simulation := e.Dataset.ID.String(), e.Run.ID.String(), e.Simulation.ID.String()
	for _, path := range []string{
		"/api/indicators/datasets/" + dataset, "/api/datasets/" + dataset, "/api/datasets/" + dataset + "/runs", "/api/datasets/" + dataset + "/manifest",
		"/api/walkforward/runs/" + run, "/api/runs/" + run, "/api/tradesim/runs/" + simulation, "/api/simulations/" + simulation, "/api/simulations/" + simulation + "/trades?limit=1000",
	} {
		answer := read[any](t, s, path)
		if !marks {
			unmarked(answer)
		}
		all[path] = answer
	}
	return all
}

func unmarked(v any) {
	switch v := v.(type) {
	case map[string]any:
		delete(v, "updated_at")
		delete(v, "version")
		for _, inner := range v {
			unmarked(inner)
		}
	case []any:
		for _, inner := range v {
			unmarked(inner)
		}
	}
}

// A service that is away is asked five times; a mistake of the caller once.
func TestSettle(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		fails  int // times
		err    error
		rounds int
		ok     bool
	}{
		{"at once", 0, nil, 1, true},
		{"away for a moment", 2, &refusal{status: 503}, 3, true},
		{"unreachable for a moment", 1, io.ErrUnexpectedEOF, 2, true},
		{"away", 9, &refusal{status: 503}, 5, false},
		{"a mistake", 9, fmt.Errorf("post: %w", &refusal{status: 400}), 1, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			rounds := 0
			err := impatient("").settle(t.Context(), func() error {
				if rounds++; rounds <= c.fails {
					return c.err
				}
				return nil
			}, func() (string, error) { return "", nil })
			if rounds != c.rounds || (err == nil) != c.ok {
				t.Errorf("%d rounds, %v", rounds, err)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := impatient("").settle(ctx, func() error { return nil }, func() (string, error) { return "one is less", nil }); err == nil {
		t.Error("a difference that stays is no error")
	}
}

func TestMissing(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ sent, read, want string }{
		{`{"a": 1.10, "b": [1, null, "x", true]}`, `{"b": [1.0, null, "x", true], "a": 11e-1, "more": 1}`, ""},
		{`{"a": 1}`, `{}`, "it.a is missing"},
		{`{"a": {"b": 1}}`, `{"a": {"b": 1.0000000000000002}}`, "it.a.b is 1.0000000000000002, not 1"},
		{`{"a": [1]}`, `{"a": [1, 2]}`, "it.a has 2 elements, not 1"},
		{`{"a": 1}`, `{"a": "1"}`, "it.a is 1, not 1"},
		{`{"a": null}`, `{"a": 0}`, "it.a is 0, not <nil>"},
	} {
		sent, err := asSent(json.RawMessage(c.sent))
		if err != nil {
			t.Fatal(err)
		}
		got, err := asSent(json.RawMessage(c.read))
		if err != nil {
			t.Fatal(err)
		}
		if differs := missing(sent, got, "it"); differs != c.want {
			t.Errorf("%s and %s: %q, want %q", c.sent, c.read, differs, c.want)
		}
	}
}
