package api

import (
	"context"
	"errors"
	"testing"
	"time"

	"foldbook/db"
)

func TestShares(t *testing.T) {
	t.Parallel()
	const all = 8
	s := newShares(all)
	most, err := s.take(t.Context(), all-1)
	if err != nil {
		t.Fatal(err)
	}
	last, err := s.take(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	// One that does not get all that it needs in time keeps nothing.
	last()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := s.take(ctx, 2); !errors.Is(err, db.ErrPoolBusy) {
		t.Errorf("got %v, want that it is busy", err)
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	if _, err := s.take(gone, all); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that the client left", err)
	}
	waiting := make(chan error, 1)
	go func() {
		giveBack, err := s.take(t.Context(), all)
		if err == nil {
			giveBack()
		}
		waiting <- err
	}()
	most()
	if err := <-waiting; err != nil {
		t.Error(err)
	}
	if len(s.taken) != 0 || len(s.collecting) != 0 {
		t.Errorf("%d shares are still taken", len(s.taken))
	}
}
