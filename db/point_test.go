package db_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"foldbook/db"
)

// Each caller gets its own row, however many travel together, and nobody else's absence or departure.
func TestPointReadsTogether(t *testing.T) {
	t.Parallel()
	store := open(t, func(c *db.Config) { c.PoolSize = 2 })
	ids := make([]uuid.UUID, 40)
	for i := range ids {
		ids[i] = uuid.New()
		row := bareDataset(ids[i])
		row.Symbol = strconv.Itoa(i)
		if _, err := store.UpsertDataset(t.Context(), row); err != nil {
			t.Fatal(err)
		}
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	var callers sync.WaitGroup
	for range 5 {
		for i, id := range ids {
			callers.Go(func() {
				if row, err := store.Point.GetDataset(t.Context(), id); err != nil || row.DatasetID != id || row.Symbol != strconv.Itoa(i) {
					t.Errorf("got data set %s, %q (%v), want %s, %d", row.DatasetID, row.Symbol, err, id, i)
				}
			})
			callers.Go(func() {
				if _, err := store.Point.GetDataset(t.Context(), uuid.New()); !errors.Is(err, pgx.ErrNoRows) {
					t.Errorf("got %v for an unknown id, want no rows", err)
				}
			})
			callers.Go(func() {
				if _, err := store.Point.GetDataset(gone, id); err != nil && !errors.Is(err, context.Canceled) {
					t.Errorf("got %v for a caller that left, want its own end", err)
				}
			})
		}
	}
	callers.Wait()
	noneAcquired(t, store)
}

// A read that begins after a write was acknowledged sees it, though others are under way.
func TestPointReadsWhatWasWritten(t *testing.T) {
	t.Parallel()
	store := open(t)
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			row := bareDataset(uuid.New())
			for i := range 50 {
				row.Symbol = fmt.Sprint(i)
				if _, err := store.UpsertDataset(t.Context(), row); err != nil {
					t.Error(err)
					return
				}
				if got, err := store.Point.GetDataset(t.Context(), row.DatasetID); err != nil || got.Symbol != row.Symbol {
					t.Errorf("got symbol %q (%v) after %q was stored", got.Symbol, err, row.Symbol)
				}
			}
		})
	}
	callers.Wait()
}

// A trip that does not get through holds up its own callers only for as long as they want to wait, and no one after them.
func TestPointReadsWaitNoLongerThanTheirCaller(t *testing.T) {
	t.Parallel()
	store := open(t, func(c *db.Config) { c.PoolSize, c.AcquireTimeout = 1, time.Minute })
	held, err := store.Pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var callers sync.WaitGroup
	for range 20 {
		callers.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			if _, err := store.Point.GetDataset(ctx, uuid.New()); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v, want the caller's deadline", err)
			}
		})
	}
	callers.Wait()
	for deadline := time.Now().Add(5 * time.Second); store.Pool.Stat().CanceledAcquireCount() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Error("a trip is still under way though its callers have gone")
			break
		}
	}
	held.Release()
	if _, err := store.Point.GetDataset(t.Context(), uuid.New()); !errors.Is(err, pgx.ErrNoRows) {
		t.Errorf("got %v when the connection is back, want no rows", err)
	}
}
