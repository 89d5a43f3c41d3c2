package api_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"foldbook/db"
	"foldbook/internal/returns"
	"foldbook/internal/testdb"
)

// follow numbers the events and has the follower compute until nothing is left; it returns how often it stepped.
func (h *seriesHarness) follow(f *returns.Follower) (steps int) {
	h.t.Helper()
	err := h.db.InTx(h.t.Context(), false, func(q *db.Queries) error {
		if _, err := q.LockEvents(h.t.Context()); err != nil {
			return err
		}
		_, err := q.NumberEvents(h.t.Context(), 2000)
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	for ; ; steps++ {
		if done, err := f.Step(h.t.Context()); err != nil {
			h.t.Fatal(err)
		} else if done {
			return steps
		}
	}
}

// statistics.md, Daily returns: they are stored after each write of trades or bars, before somebody asks, and answers between the two are right.
func TestReturnsFollowWrites(t *testing.T) {
	t.Parallel()
	h := newSeries(t)
	bars := hourBars(h, "2024-01-01T00:00:00Z", 96) // each closes at its number
	dataset := uuid.MustParse(strings.Split(bars, "/")[3])
	run := testdb.Run(t, h.db.Queries, dataset, nil)
	f := &returns.Follower{Store: h.db, Loader: returns.Loader{DB: h.db.Queries, QuestDB: h.opts.QuestDB}, Log: testdb.Log(t),
		Ready: func(context.Context) bool { return true }}

	id := uuid.New()
	put := func(price float64, status int) {
		t.Helper()
		h.store("/api/simulations", fmt.Sprintf(`{"simulation_id": %q, "run_id": %q, "dataset_id": %q, "mode": "dual", "status": "COMPLETED", "questdb_namespace": %q, "trades": [%s]}`,
			id, run, dataset, h.table("nothing"), tradeOf(`"long"`, 40, price, midnight+29*hourMS, midnight+60*hourMS, "")), status)
	}
	stored := func(want float64) (at time.Time) {
		t.Helper()
		var first float64
		err := h.db.Pool.QueryRow(t.Context(), "SELECT returns[1], computed_at FROM simulation_returns WHERE simulation_id = $1", id).Scan(&first, &at)
		if err != nil || !close6(first, want) {
			t.Errorf("stored is %v, %v, want %v", first, err, want)
		}
		return at
	}
	answered := func(want float64) {
		t.Helper()
		var got sheet
		if h.read("/api/simulations/"+id.String()+"/tearsheet", &got); got.Basis != "mark" || !close6(got.Returns[0], want) {
			t.Errorf("the answer is %+v, want %v", got.Returns, want)
		}
	}

	put(30, 201)
	h.follow(f)
	at := stored(47.0/30 - 1)
	answered(47.0/30 - 1)
	if again := stored(47.0/30 - 1); !again.Equal(at) {
		t.Error("an answer stores what is stored")
	}
	put(40, 200)
	answered(47.0/40 - 1) // before the follower
	put(20, 200)
	h.follow(f)
	stored(47.0/20 - 1)
	bar := func(minute int) {
		t.Helper()
		h.store(bars+"/append", fmt.Sprintf(`{"rows": [{"timestamp": %d, "close": %d}]}`, midnight+47*hourMS+int64(minute)*60_000, minute), 200)
	}
	bar(45)
	h.follow(f)
	stored(45.0/20 - 1)

	h.exec(`INSERT INTO simulation_runs (run_id, dataset_id, mode) SELECT $1, $2, 'long' FROM generate_series(1, 120)`, run, dataset)
	bar(50)
	if steps := h.follow(f); steps != 3 || h.count("simulation_returns") != 121 {
		t.Errorf("%d steps, and %d simulations have returns", steps, h.count("simulation_returns"))
	}
	stored(50.0/20 - 1)
	if n := h.count("row_leases"); n != 0 || h.follow(f) != 0 {
		t.Errorf("%d leases are left, or something is computed again", n)
	}
}
