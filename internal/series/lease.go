package series

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"foldbook/api/spec"
	"foldbook/db"
)

// Lease is the right to write the rows of some places, which one writer of all instances has at a time. It is a row in PostgreSQL for
// each place and needs no open transaction.
type Lease struct {
	q      *db.Queries
	places []string // sorted, so that two who need the same places do not wait for each other
	taken  int      // how many of them
	holder uuid.UUID
	stop   context.CancelFunc // ends the renewing; nil while none is taken
}

// A lease is renewed while its holder lives, and ends soon after a holder that was killed.
const (
	leaseLasts = 10 * time.Second
	renewEvery = 2 * time.Second
)

// How long a writer waits before it tries again.
const (
	firstPause   = 2 * time.Millisecond
	longestPause = 50 * time.Millisecond
)

var errLeased = &spec.Problem{Status: http.StatusServiceUnavailable, Code: spec.ErrorCodeDatabaseUnavailable,
	Message: "other requests are writing rows of the same table: nothing is stored, repeat the request"}

// Lease is one that nobody has taken yet.
func (p *Place) Lease(q *db.Queries) *Lease {
	name := p.Name
	if p.Shared && len(p.Where) > 0 && len(p.Where[0].Values) > 0 {
		name += "/" + p.Where[0].Values[0]
	}
	return &Lease{q: q, places: []string{name}, holder: uuid.New()}
}

// LeaseOf keeps all writers of these owners out of a table, whether it is their own, shared, or not there yet.
func LeaseOf(q *db.Queries, table string, owners ...string) *Lease {
	l := &Lease{q: q, places: []string{table}, holder: uuid.New()}
	for _, owner := range owners {
		l.places = append(l.places, table+"/"+owner)
	}
	slices.Sort(l.places)
	return l
}

// Take waits for the lease until ctx ends. It may be called again after an error; a part that was taken is kept until Release.
func (l *Lease) Take(ctx context.Context) error {
	waited, pause := false, firstPause
	for l.taken < len(l.places) {
		place := l.places[l.taken]
		n, err := l.q.TakeRowLease(ctx, db.TakeRowLeaseParams{Place: place, Holder: l.holder, Seconds: leaseLasts.Seconds()})
		switch {
		case err != nil && waited && errors.Is(ctx.Err(), context.DeadlineExceeded):
			return errLeased
		case err != nil:
			return fmt.Errorf("take the lease of %s: %w", place, err)
		case n > 0:
			if l.taken++; l.stop == nil {
				var held context.Context
				held, l.stop = context.WithCancel(ctx)
				go l.renew(held)
			}
			pause = firstPause
			continue
		}
		waited = true
		select {
		case <-ctx.Done(): // which the next attempt says
		case <-time.After(pause/2 + rand.N(pause)): //nolint:gosec // spreads load
		}
		pause = min(2*pause, longestPause)
	}
	return nil
}

// renew keeps the lease until ctx ends. What fails is tried again: nobody can take the lease while PostgreSQL is away.
func (l *Lease) renew(ctx context.Context) {
	tick := time.NewTicker(renewEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			_ = l.q.RenewRowLease(ctx, db.RenewRowLeaseParams{Places: l.places, Holder: l.holder, Seconds: leaseLasts.Seconds()})
		}
	}
}

// Release gives the lease back, later if PostgreSQL does not answer now. After the deadline of ctx it is left to expire: what was
// sent last may still arrive.
func (l *Lease) Release(ctx context.Context) {
	if l.stop == nil {
		return
	}
	l.stop()
	if ctx.Err() != nil || l.release(ctx) == nil {
		return
	}
	go func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaseLasts)
		defer cancel()
		for ctx.Err() == nil && l.release(ctx) != nil {
			select {
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
		}
	}()
}

func (l *Lease) release(ctx context.Context) error {
	_, err := l.q.ReleaseRowLease(ctx, db.ReleaseRowLeaseParams{Places: l.places, Holder: l.holder})
	return err
}

// Check fails when the lease of a single place has expired. It runs in a transaction, until whose end nobody else gets the lease.
func (l *Lease) Check(ctx context.Context, q *db.Queries) error {
	_, err := q.HoldsRowLease(ctx, db.HoldsRowLeaseParams{Place: l.places[0], Holder: l.holder})
	if errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("the lease of %s has expired", l.places[0])
	}
	return err
}
