package db

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

// point is the DBTX of reads of one row by its key. Those that come while others are on their way to PostgreSQL go
// together as soon as these are back, on one connection and in one round trip; a read that is alone goes at once. To be
// woken up for a row costs the service more than PostgreSQL needs to find it, so with 64 callers at a time this doubles
// the rate, and it leaves connections to the queries that take longer. What one of them does wrong, such as a
// statement that is refused, fails all that travel with it: it is not for queries that depend on what a caller writes.
type point struct {
	pooled
	mu      sync.Mutex
	waiting []*lookup
	trips   int // under way
}

const (
	mostTrips   = 2
	mostPerTrip = 64
	// tripTimeout ends a trip to a server that hangs, if its callers would wait longer.
	tripTimeout = 10 * time.Second
)

// QueryRow returns a row that is fetched when it is scanned.
func (p *point) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	return &lookup{point: p, ctx: ctx, sql: sql, args: args, done: make(chan struct{})}
}

// lookup is one read. It is in one of three states, which decide who may touch dest.
type lookup struct {
	point *point
	ctx   context.Context //nolint:containedctx // of the one call that it stands for
	sql   string
	args  []any
	dest  []any
	state atomic.Int32
	err   error
	done  chan struct{}
}

const (
	expected  int32 = iota // the row is on its way
	arrived                // it is being read into dest
	abandoned              // the caller has gone
)

// Scan fetches the row into dest.
func (l *lookup) Scan(dest ...any) error {
	if err := l.ctx.Err(); err != nil {
		return err
	}
	l.dest = dest
	l.point.add(l)
	select {
	case <-l.done:
		return l.err
	case <-l.ctx.Done():
		if l.state.CompareAndSwap(expected, abandoned) {
			return l.ctx.Err()
		}
		<-l.done
		return l.err
	}
}

func (p *point) add(l *lookup) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting = append(p.waiting, l)
	if p.trips < mostTrips {
		p.trips++
		go p.travel()
	}
}

// travel makes trips until nobody waits.
func (p *point) travel() {
	for {
		p.mu.Lock()
		n := min(len(p.waiting), mostPerTrip)
		if n == 0 {
			p.trips--
			p.mu.Unlock()
			return
		}
		trip := p.waiting[:n:n]
		p.waiting = p.waiting[n:]
		p.mu.Unlock()
		p.fetch(trip)
	}
}

// fetch makes one trip for those who still wait. It ends when the last of them has gone, so that a connection that hangs
// does not hold up those who come later.
func (p *point) fetch(trip []*lookup) {
	trip = slices.DeleteFunc(trip, func(l *lookup) bool { return l.state.Load() == abandoned })
	if len(trip) == 0 {
		return
	}
	latest := time.Now().Add(tripTimeout)
	var end time.Time
	for _, l := range trip {
		deadline, ok := l.ctx.Deadline()
		if !ok || deadline.After(latest) {
			deadline = latest
		}
		if deadline.After(end) {
			end = deadline
		}
	}
	ctx, cancel := context.WithDeadline(context.Background(), end)
	defer cancel()
	var batch pgx.Batch
	for _, l := range trip {
		batch.Queue(l.sql, l.args...)
	}
	results := p.SendBatch(ctx, &batch)
	for _, l := range trip {
		l.receive(results.Query())
	}
	_ = results.Close() // each read has its own error
}

func (l *lookup) receive(rows pgx.Rows, err error) {
	defer close(l.done)
	found := false
	if err == nil {
		defer rows.Close()
		found, err = rows.Next(), rows.Err()
	}
	if !l.state.CompareAndSwap(expected, arrived) {
		return
	}
	switch {
	case err != nil:
		l.err = err
	case !found:
		l.err = pgx.ErrNoRows
	default:
		l.err = rows.Scan(l.dest...)
	}
}
