package events

import (
	"testing"
	"time"

	"foldbook/db"
	"foldbook/internal/testdb"
)

func TestMain(m *testing.M) { testdb.Main(m) }

// events.md: old events are removed, each with a number that no other one gets, and those that are younger stay.
func TestOldEventsAreRemoved(t *testing.T) {
	t.Parallel()
	store, err := db.Open(db.Config{URL: testdb.NewURL(t), PoolSize: 2, ConnectTimeout: 10 * time.Second, AcquireTimeout: 30 * time.Second, StatementTimeout: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	const old, young = 5*batch + 3, 2 // more than are removed at once
	_, err = store.Pool.Exec(t.Context(), `INSERT INTO events (topic, kind, subject_id, at)
		SELECT 'runs', 'changed', gen_random_uuid(), now() - CASE WHEN n <= $1 THEN interval '61 minutes' ELSE interval '59 minutes' END
		FROM generate_series(1, $1 + $2::int) AS n`, old, young)
	if err != nil {
		t.Fatal(err)
	}
	h := New(&Hub{Store: store, Log: testdb.Log(t), Keep: time.Hour})
	for range 2 { // the second finds nothing to remove
		if err := h.sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		at, err := store.GetEventPosition(t.Context(), 0)
		if err != nil || at.Seq != old+young || at.Next != old+1 {
			t.Errorf("the last event is %d and the first one kept is %d, %v; want %d and %d", at.Seq, at.Next, err, old+young, old+1)
		}
		rows, err := store.ListEvents(t.Context(), db.ListEventsParams{PageSize: page})
		if err != nil || len(rows) != young {
			t.Errorf("%d events are kept, %v", len(rows), err)
		}
	}
}
