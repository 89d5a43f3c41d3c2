package questdb

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
)

// A read that found no server is tried once more, unless the first attempt took so long that the server must be down.
const (
	retryPause  = 20 * time.Millisecond // and as much again at random
	retryWithin = 500 * time.Millisecond
)

// query runs a read on the path of the client, and returns when its first row has arrived. It counts against the pool until
// the rows have ended.
func (c *Client) query(ctx context.Context, s *statement) (*Rows, error) {
	release, err := c.acquire(ctx, s.stream)
	if err != nil {
		return nil, err
	}
	return placed(ctx, release, func() (*Rows, error) {
		if c.pool == nil {
			return c.execQuery(ctx, s)
		}
		if s.err != nil {
			return nil, s.err
		}
		rows, err := c.pgQuery(ctx, c.pool, pgx.QueryExecModeCacheDescribe, s.bound.String(), s.args)
		if err == nil {
			rows.setTypes(s.types)
		}
		return rows, err
	})
}

// placed runs a read that holds a place until its rows have ended.
func placed(ctx context.Context, release func(), read func() (*Rows, error)) (*Rows, error) {
	began := time.Now()
	rows, err := read()
	if errors.Is(err, ErrUnavailable) && time.Since(began) < retryWithin &&
		sleep(ctx, retryPause+rand.N(retryPause)) == nil { //nolint:gosec // spreads load
		rows, err = read()
	}
	if err != nil || rows.ended {
		release()
		return rows, err
	}
	rows.release = release
	return rows, nil
}

type patient struct{}

// Patient is a context for reads that end an answer which has begun: they wait for a place in the pool as long as ctx allows.
func Patient(ctx context.Context) context.Context { return context.WithValue(ctx, patient{}, true) }

// acquire waits for a place in the pool. Long reads, which are as slow as their clients, leave some places to the others.
// Error: ErrBusy.
func (c *Client) acquire(ctx context.Context, stream bool) (release func(), err error) {
	limit := c.cfg.AcquireTimeout
	if ctx.Value(patient{}) != nil {
		limit = math.MaxInt64
	}
	wait, cancel := context.WithTimeoutCause(ctx, limit, ErrBusy)
	defer cancel()
	if stream && c.streams.Acquire(wait, 1) != nil {
		return nil, failure(wait, wait.Err(), "", false)
	}
	if c.slots.Acquire(wait, 1) != nil {
		if stream {
			c.streams.Release(1)
		}
		return nil, failure(wait, wait.Err(), "", false)
	}
	return func() {
		c.slots.Release(1)
		if stream {
			c.streams.Release(1)
		}
	}, nil
}

// sleep waits, unless the context ends before.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// each calls f for every row of a read. It is for small results.
func each(rows *Rows, err error, f func(*Rows)) error {
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		f(rows)
	}
	return rows.Err()
}
