package seed

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
	"github.com/google/uuid"

	"foldbook/internal/devstack"
	"foldbook/internal/seed/experiment"
	"foldbook/internal/testdb"
)

// service is a foldbook in a process of its own, on a real PostgreSQL and a real QuestDB.
type service struct {
	url      string
	postgres string
	quest    *devstack.QuestDB
}

func startService(t *testing.T, quest *devstack.QuestDB, more ...string) *service {
	t.Helper()
	s := &service{postgres: testdb.NewURL(t), quest: quest}
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
	serve.Env = append([]string{"POSTGRES_URL=" + s.postgres, fmt.Sprintf("PORT=%d", port)}, more...)
	if quest != nil {
		serve.Env = append(serve.Env, "QDB_HTTP_URL="+s.quest.HTTPURL(), "QDB_PG_URL="+s.quest.PGURL())
	}
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

// seed stores the sample data, and returns what it prints.
func (s *service) seed(t *testing.T) string {
	t.Helper()
	var out strings.Builder
	if err := Run(t.Context(), s.url, &out); err != nil {
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

func keepNothing(string, int) {}

// What is exported, over a bad line, is read back in the other shapes that the service has: series as CSV, records from the older
// routes. Then all is seeded, which writes nothing of what is there; what somebody changed or removed comes back, and what is not
// the seed's stays.
func TestExportAndSeed(t *testing.T) {
	t.Parallel()
	s := startService(t, testdb.QuestDB(t)) // the one test that seeds the shared QuestDB, for the names of the tables are the seed's
	want, err := experiment.BTC()
	if err != nil {
		t.Fatal(err)
	}
	c := impatient(s.url)
	c.http.Transport = &badLine{line: http.DefaultTransport}
	boosted, err := experiment.BoostedBTC() // on the same dataset
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range []*experiment.Experiment{want, boosted} {
		if err := c.export(t.Context(), e, true, keepNothing); err != nil {
			t.Fatal(err)
		}
	}
	checkAll(t, s, want)
	before := s.snapshot(t, want)
	first := s.seed(t)
	if diff := cmp.Diff(before, s.snapshot(t, want)); diff != "" {
		t.Errorf("what is stored after the seed (-exported +seeded):\n%s", diff)
	}
	for _, text := range []string{
		"btc19_1_run1: 1 dataset, 5027 bars, 4937 rows of indicators, 3 folds", "223 trades", "btc19_1_run2: 1 dataset", "eth24_1_run1: 1 dataset, 4800 bars",
	} {
		if !strings.Contains(first, text) {
			t.Errorf("printed\n%swithout %q", first, text)
		}
	}

	own := uuid.New().String()
	conn := testdb.Connect(t, s.postgres)
	for _, statement := range []string{
		`INSERT INTO walkforward_runs (run_id, dataset_id, prediction_measurement)
			VALUES ('` + own + `', '` + want.Dataset.ID.String() + `', 'mine')`,
		`UPDATE walkforward_folds SET metrics = '{}' WHERE run_id = '` + want.Run.ID.String() + `' AND fold_number = 1`,
		`DELETE FROM simulation_trades WHERE simulation_id = '` + want.Simulation.ID.String() + `' AND side = 'long'`,
		`UPDATE indicator_datasets SET symbol = 'changed'`,
	} {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	more := `{"rows": [{"timestamp": 1498910400000, "close": 1}, {"timestamp": 1498910400001, "close": 1}]}` // another close, another row
	err = c.call(t.Context(), http.MethodPost, "/api/datasets/"+want.Dataset.ID.String()+"/ohlcv/append", json.RawMessage(more),
		func(*json.Decoder) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	if again := s.seed(t); again != first {
		t.Errorf("the second time it printed\n%sand the first\n%s", again, first)
	}
	s.body(t, "/api/runs/"+own)
	if bars := bytes.Count(s.body(t, "/api/datasets/"+want.Dataset.ID.String()+"/ohlcv?format=csv"), []byte("\n")); bars != 1+5028 {
		t.Errorf("%d lines of bars, want the seed's and the other one", bars)
	}
}

// Without QuestDB the records are there, and the output says what is not.
func TestRunWithoutQuestDB(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"off", "http://127.0.0.1:1"} {
		s := startService(t, nil, "QDB_HTTP_URL="+address)
		out := s.seed(t)
		if !strings.Contains(out, "no series: ") || !strings.Contains(out, "\nbtc19_1_run1: 1 dataset, 3 folds of the run, 223 trades") {
			t.Errorf("%s: printed\n%s", address, out)
		}
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
	if err != nil || len(lines) != len(want.Rows)+1 {
		t.Errorf("%s: %d lines, want a header and %d; %v", path, len(lines), len(want.Rows), err)
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
	for n, row := range want.Rows {
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

// snapshot is the answers of all record routes.
func (s *service) snapshot(t *testing.T, e *experiment.Experiment) map[string]any {
	t.Helper()
	all := map[string]any{}
	dataset, run, simulation := e.Dataset.ID.String(), e.Run.ID.String(), e.Simulation.ID.String()
	for _, path := range []string{
		"/api/indicators/datasets/" + dataset, "/api/datasets/" + dataset, "/api/datasets/" + dataset + "/runs",
		"/api/datasets/" + dataset + "/manifest", "/api/walkforward/runs/" + run, "/api/runs/" + run, "/api/tradesim/runs/" + simulation,
		"/api/simulations/" + simulation, "/api/simulations/" + simulation + "/trades?limit=1000",
	} {
		all[path] = read[any](t, s, path)
	}
	return all
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
		{"away for a moment", 2, &refusal{Status: 503}, 3, true},
		{"unreachable for a moment", 1, io.ErrUnexpectedEOF, 2, true},
		{"away", 9, &refusal{Status: 503}, 5, false},
		{"a mistake", 9, fmt.Errorf("post: %w", &refusal{Status: 400}), 1, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			rounds := 0
			err := impatient("").settle(t.Context(), piece{check: func(context.Context) (string, error) {
				if rounds++; rounds <= c.fails {
					return "", c.err
				}
				return "", nil
			}})
			if rounds != c.rounds || (err == nil) != c.ok {
				t.Errorf("%d rounds, %v", rounds, err)
			}
		})
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
		if differs := missing(asRead(json.RawMessage(c.sent)), asRead(json.RawMessage(c.read)), "it"); differs != c.want {
			t.Errorf("%s and %s: %q, want %q", c.sent, c.read, differs, c.want)
		}
	}
}
