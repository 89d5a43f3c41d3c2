package api_test

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"foldbook/api"
	"foldbook/db"
)

// roundTrips counts what is sent to PostgreSQL: statements, batches and COPY.
type roundTrips struct{ n atomic.Int64 }

func (r *roundTrips) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	r.n.Add(1)
	return ctx
}

func (r *roundTrips) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (r *roundTrips) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	r.n.Add(1)
	return ctx
}

func (r *roundTrips) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}
func (r *roundTrips) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData)     {}

func (r *roundTrips) TraceCopyFromStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceCopyFromStartData) context.Context {
	r.n.Add(1)
	return ctx
}

func (r *roundTrips) TraceCopyFromEnd(context.Context, *pgx.Conn, pgx.TraceCopyFromEndData) {}

// A request makes no more round trips to PostgreSQL than are stated here, BEGIN and COMMIT included.
func TestRoundTrips(t *testing.T) {
	t.Parallel()
	var trips roundTrips
	h := newHarness(t, func(o *api.Options) {
		config := o.DB.Pool.Config()
		config.ConnConfig.Tracer = &trips
		pool, err := pgxpool.NewWithConfig(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(pool.Close)
		o.DB = db.Wrap(pool)
	})
	another := strings.NewReplacer(newRun, "0b000000-0000-4000-8000-0000000000ff", newSim, "0c000000-0000-4000-8000-0000000000ff")
	got := map[string]int64{}
	ask := func(what, method, path, body string) {
		t.Helper()
		trips.n.Store(0)
		if method == http.MethodGet {
			if res := h.get(path); res.StatusCode != http.StatusOK {
				t.Errorf("%s: %d", what, res.StatusCode)
			}
		} else if status, answer := h.send(method, path, body); status >= 300 {
			t.Errorf("%s: %d %v", what, status, answer)
		}
		got[what] = trips.n.Load()
	}
	ask("create a dataset", http.MethodPost, "/api/datasets", datasetBody(newDataset, "btc25_1"))
	ask("create a run", http.MethodPost, "/api/runs", runBody(3))
	ask("replace a run", http.MethodPost, "/api/runs?replace=true", runBody(2))
	ask("create a simulation", http.MethodPost, "/api/simulations", simulationBody(3))
	ask("replace a simulation", http.MethodPost, "/api/simulations?replace=true", simulationBody(2))
	ask("create another run", http.MethodPost, "/api/runs", another.Replace(runBody(3)))
	ask("change a run", http.MethodPatch, "/api/runs/"+newRun, `{"summary_metrics": {"more": 1}}`)
	ask("change a simulation", http.MethodPatch, "/api/simulations/"+newSim, `{"summary_metrics": {"more": 1}}`)
	ask("run in detail", http.MethodGet, "/api/walkforward/runs/"+newRun, "")
	ask("list of runs", http.MethodGet, "/api/walkforward/runs", "")
	ask("runs of the current API", http.MethodGet, "/api/runs", "")
	ask("search by a metric", http.MethodGet, "/api/runs?metric=summary_metrics.more%3D1", "")
	ask("tear sheet", http.MethodGet, "/api/simulations/"+newSim+"/tearsheet", "")
	ask("tear sheet of stored returns", http.MethodGet, "/api/simulations/"+newSim+"/tearsheet", "")
	ask("compare runs", http.MethodGet, "/api/runs/compare?ids="+newRun, "")
	want := map[string]int64{
		"create a dataset": 5, "create a run": 6, "replace a run": 7, "create a simulation": 7, "replace a simulation": 9, "create another run": 6,
		"change a run": 5, "change a simulation": 5, "run in detail": 2, "list of runs": 1, "runs of the current API": 1, "search by a metric": 2,
		"tear sheet": 5, "tear sheet of stored returns": 4, "compare runs": 3,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("round trips (-want +got):\n%s", diff)
	}
}
