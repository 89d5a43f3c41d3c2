package series

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"foldbook/api/spec"
	"foldbook/db"
)

// Lease is the right to write the rows of a place, which one writer of all instances has at a time. It is a row in PostgreSQL and
// needs no open transaction.
type Lease struct {
	q      *db.Queries
	place  string
	holder uuid.UUID
}

// afterDeadline is how long a lease lasts beyond the deadline of its holder: what the holder has sent last may still arrive.
const afterDeadline = 5 * time.Second

// longestLease is that of a holder without a deadline.
const longestLease = 2 * time.Minute

var errLeased = &spec.Problem{Status: http.StatusServiceUnavailable, Code: spec.ErrorCodeDatabaseUnavailable,
	Message: "other requests are writing rows of the same table: nothing is stored, repeat the request"}

// Lease is one that nobody has taken yet.
func (p *Place) Lease(q *db.Queries) *Lease {
	name := p.Name
	if p.Shared && len(p.Where) > 0 && len(p.Where[0].Values) > 0 {
		name += "/" + p.Where[0].Values[0]
	}
	return &Lease{q, name, uuid.New()}
}

// Take waits for the lease until ctx ends. It may be called again after an error.
func (l *Lease) Take(ctx context.Context) error {
	waited := false
	for pause := 2 * time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		lasts := longestLease
		if deadline, ok := ctx.Deadline(); ok {
			lasts = time.Until(deadline) + afterDeadline
		}
		n, err := l.q.TakeRowLease(ctx, db.TakeRowLeaseParams{Place: l.place, Holder: l.holder, Seconds: lasts.Seconds()})
		switch {
		case err != nil && waited && errors.Is(ctx.Err(), context.DeadlineExceeded):
			return errLeased
		case err != nil:
			return fmt.Errorf("take the lease of %s: %w", l.place, err)
		case n > 0:
			return nil
		}
		waited = true
		select {
		case <-ctx.Done(): // which the next attempt says
		case <-time.After(pause/2 + rand.N(pause)): //nolint:gosec // spreads load
		}
	}
}

// Release gives the lease back, later if PostgreSQL does not answer now. After the deadline of ctx it is left to expire.
func (l *Lease) Release(ctx context.Context) {
	if ctx.Err() != nil || l.release(ctx) == nil {
		return
	}
	go func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), longestLease)
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
	_, err := l.q.ReleaseRowLease(ctx, db.ReleaseRowLeaseParams{Place: l.place, Holder: l.holder})
	return err
}

// Check fails when the lease has expired. It runs in a transaction, until whose end nobody else gets the lease.
func (l *Lease) Check(ctx context.Context, q *db.Queries) error {
	_, err := q.HoldsRowLease(ctx, db.HoldsRowLeaseParams{Place: l.place, Holder: l.holder})
	if errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("the lease of %s has expired", l.place)
	}
	return err
}
