package api_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"foldbook/api"
	"foldbook/api/spec"
	"foldbook/db"
	"foldbook/internal/devstack"
	"foldbook/internal/testdb"
	"foldbook/questdb"
)

// seriesHarness is a harness with a QuestDB. Its tables have names of the test's own.
type seriesHarness struct {
	*harness
	server *devstack.QuestDB
	prefix string
}

var testNumber atomic.Int64

func newSeries(t testing.TB, change ...func(*api.Options)) *seriesHarness {
	t.Helper()
	return seriesOn(t, testdb.QuestDB(t), change...)
}

func seriesOn(t testing.TB, server *devstack.QuestDB, change ...func(*api.Options)) *seriesHarness {
	t.Helper()
	client, err := questdb.New(patient(server))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	h := newHarness(t, append([]func(*api.Options){func(o *api.Options) { o.QuestDB = client }}, change...)...)
	return &seriesHarness{h, server, fmt.Sprintf("t%d", testNumber.Add(1))}
}

// table is the test's own name of a table.
func (h *seriesHarness) table(name string) string { return h.prefix + "_" + name }

// sql runs statements at QuestDB, in which $ stands for the prefix of the test's tables, and waits until writes are seen.
func (h *seriesHarness) sql(statements ...string) {
	h.t.Helper()
	for _, statement := range statements {
		statement = strings.ReplaceAll(statement, "$", h.prefix)
		h.exec1(statement)
		if words := strings.Fields(statement); len(words) > 2 && (words[0] == "insert" || words[0] == "create") {
			h.exec1("select wait_wal_table('" + strings.Trim(words[2], `"(`) + "')")
		}
	}
}

func (h *seriesHarness) exec1(statement string) {
	h.t.Helper()
	res, err := http.Get(h.server.HTTPURL() + "/exec?query=" + url.QueryEscape(statement))
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	var answer struct{ Error string }
	if err != nil || json.Unmarshal(text, &answer) != nil || answer.Error != "" || res.StatusCode != http.StatusOK {
		h.t.Fatalf("%s: %d %v %s", statement, res.StatusCode, err, text)
	}
}

// dataset stores a dataset whose tables are named so.
func (h *seriesHarness) dataset(slug, indicators string, bars *string) uuid.UUID {
	h.t.Helper()
	return testdb.Dataset(h.t, h.db.Queries, func(d *db.UpsertDatasetParams) {
		d.Symbol, d.Granularity, d.QuestDBTag, d.QuestDBMeasurement, d.OhlcvMeasurement = "BTCUSD", "odd", slug, indicators, bars
	})
}

// run stores a run with two folds whose predictions are in that table, by that name when it is shared.
func (h *seriesHarness) run(dataset uuid.UUID, measurement, name string) uuid.UUID {
	h.t.Helper()
	run := testdb.Run(h.t, h.db.Queries, dataset, func(r *db.UpsertRunParams) {
		r.PredictionMeasurement, r.WalkConfig = measurement, raw(fmt.Sprintf(`{"prediction_measurement": %q}`, name))
	})
	testdb.Folds(h.t, h.db.Queries, run, 2, func(f *db.CopyFoldsParams) {
		if f.FoldNumber == 0 {
			f.Thresholds = raw(`{"long_optimal": 0.4}`)
		}
	})
	return run
}

// simulation stores a simulation whose trace is in that table.
func (h *seriesHarness) simulation(dataset, run uuid.UUID, namespace, name, summary string) uuid.UUID {
	h.t.Helper()
	return testdb.Simulation(h.t, h.db.Queries, dataset, run, func(s *db.UpsertSimulationParams) {
		s.QuestDBNamespace, s.Config, s.SummaryMetrics = namespace, raw(fmt.Sprintf(`{"questdb_namespace": %q}`, name)), raw(summary)
	})
}

// want checks an answer's status and body.
func (h *seriesHarness) want(path string, status int, body string, header ...string) {
	h.t.Helper()
	res := h.get(path, header...)
	if got := strings.TrimSuffix(readBody(h.t, res), "\n"); res.StatusCode != status || got != body {
		h.t.Errorf("GET %s: %d\n got %s\nwant %s", path, res.StatusCode, got, body)
	}
}

// refused checks that a request is answered with an error.
func (h *harness) refused(path string, status int, code, message string) {
	h.t.Helper()
	res := h.get(path)
	var answer spec.Error
	text := readBody(h.t, res)
	if err := json.Unmarshal([]byte(text), &answer); err != nil || res.StatusCode != status || string(answer.Code) != code || answer.Message != message {
		h.t.Errorf("GET %s: %d %s, want %d %s %q", path, res.StatusCode, text, status, code, message)
	}
}

// patient is a client's settings for tests that are not about its timeouts: the machine may be a busy one.
func patient(server *devstack.QuestDB) questdb.Config {
	return questdb.Config{
		HTTPURL: server.HTTPURL(), PGURL: server.PGURL(),
		ConnectTimeout: 10 * time.Second, AcquireTimeout: 10 * time.Second, AnswerTimeout: 20 * time.Second, StallTimeout: 20 * time.Second,
	}
}
