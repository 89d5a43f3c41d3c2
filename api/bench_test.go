package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/uuid"

	"foldbook/api"
	"foldbook/db"
	"foldbook/internal/metricquery"
	"foldbook/internal/seed"
)

// scaled is a server on 50 datasets, 200 runs, one of them with 312 folds, and 200 simulations. It logs its requests.
func scaled(b *testing.B) *harness {
	b.Helper()
	h := newHarness(b, func(o *api.Options) { o.Log = slog.New(slog.NewTextHandler(io.Discard, nil)) })
	if err := seed.Scale(context.Background(), h.db.Pool, nil, 1, io.Discard); err != nil {
		b.Fatal(err)
	}
	h.exec("VACUUM ANALYZE")
	return h
}

func bigRun(b *testing.B, h *harness) api.RunDetail {
	b.Helper()
	ids := []uuid.UUID{seed.BigRunID}
	snap := h.db.Snapshot()
	run, folds := snap.GetRun(b.Context(), ids), snap.ListFolds(b.Context(), ids)
	snap.Send(b.Context())
	defer snap.Close()
	var detail api.RunDetail
	var err error
	if detail.Run, err = db.First(run.QueryRow); err != nil {
		b.Fatal(err)
	}
	if detail.Folds, err = db.First(folds.Query); err != nil || len(detail.Folds) != 312 {
		b.Fatalf("the large run has %d folds, want 312 (%v)", len(detail.Folds), err)
	}
	return detail
}

// sink is a client that takes everything at once.
type sink struct {
	header http.Header
	status int
	bytes  int64
}

func (s *sink) Header() http.Header    { return s.header }
func (s *sink) WriteHeader(status int) { s.status = status }
func (s *sink) Write(p []byte) (int, error) {
	s.bytes += int64(len(p))
	return len(p), nil
}

// BenchmarkRoutes answers each route, one request after the other, without a network: the time is the handler's and
// PostgreSQL's, the allocations are the handler's and the driver's.
func BenchmarkRoutes(b *testing.B) {
	h := scaled(b)
	simulations, err := h.db.SearchSimulations(b.Context(), db.SearchSimulationsParams{
		MetricKeys: []string{metricquery.Column("run_id", seed.BigRunID.String()).Key}, MetricWanted: []bool{true},
		MetricLows: []float64{0}, MetricHighs: []float64{0}, PageSize: 1,
	})
	if err != nil || len(simulations) != 1 {
		b.Fatalf("the large run has %d simulations, want 1 (%v)", len(simulations), err)
	}
	for _, route := range []struct{ name, path string }{
		{"DatasetByID", "/api/indicators/datasets/" + simulations[0].DatasetID.String()},
		{"Datasets50", "/api/indicators/datasets"},
		{"Runs200", "/api/walkforward/runs"},
		{"RunWith312Folds", "/api/walkforward/runs/" + seed.BigRunID.String()},
		{"Simulations200", "/api/tradesim/runs"},
		{"SimulationWithBuckets", "/api/tradesim/runs/" + simulations[0].SimulationID.String()},
	} {
		b.Run(route.name, func(b *testing.B) {
			req := httptest.NewRequest(http.MethodGet, route.path, nil)
			w := &sink{header: http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				clear(w.header)
				w.status, w.bytes = 0, 0
				h.http.ServeHTTP(w, req)
				if w.status != http.StatusOK {
					b.Fatalf("%s answers %d", route.path, w.status)
				}
			}
			b.SetBytes(w.bytes)
		})
	}
}

// BenchmarkEncodeRunWith312Folds makes the JSON of one large run, without a database: with the generated encoders,
// which copy JSONB as it came, and with encoding/json, which parses each value again.
func BenchmarkEncodeRunWith312Folds(b *testing.B) {
	detail := bigRun(b, scaled(b))
	if text := detail.AppendJSON(nil); !json.Valid(text) || !bytes.Contains(text, detail.Folds[311].Metrics) {
		b.Fatal("the generated encoders do not pass JSONB on as it came")
	}
	b.Run("generated", func(b *testing.B) {
		var buf []byte
		b.ReportAllocs()
		for b.Loop() {
			buf = detail.AppendJSON(buf[:0])
		}
		b.SetBytes(int64(len(buf)))
	})
	b.Run("encoding/json", func(b *testing.B) {
		var buf bytes.Buffer
		encoder := json.NewEncoder(&buf)
		b.ReportAllocs()
		for b.Loop() {
			buf.Reset()
			if err := encoder.Encode(&detail); err != nil {
				b.Fatal(err)
			}
		}
		b.SetBytes(int64(buf.Len()))
	})
}
