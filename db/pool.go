package db

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// ErrPoolBusy is returned when no connection became free within the acquire timeout.
var ErrPoolBusy = errors.New("no free PostgreSQL connection")

// acquireLimit is the pool's tracer. It limits the wait for a connection. pgxpool alone would wait as long as the whole
// request may take, and a connection in the last millisecond of a request is useless.
type acquireLimit time.Duration

// TraceAcquireStart gives the wait a deadline of its own.
func (l acquireLimit) TraceAcquireStart(ctx context.Context, _ *pgxpool.Pool, _ pgxpool.TraceAcquireStartData) context.Context {
	wait, cancel := context.WithTimeout(ctx, time.Duration(l))
	return &acquireContext{wait, ctx, l, cancel}
}

// TraceAcquireEnd releases what belongs to the deadline.
func (acquireLimit) TraceAcquireEnd(ctx context.Context, _ *pgxpool.Pool, _ pgxpool.TraceAcquireEndData) {
	if wait, ok := ctx.(*acquireContext); ok {
		wait.cancel()
	}
}

// TraceQueryStart does nothing; pgx takes no tracer without it.
func (acquireLimit) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}

// TraceQueryEnd does nothing.
func (acquireLimit) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// acquireContext is the context of one wait for a connection.
type acquireContext struct {
	context.Context //nolint:containedctx // it is one
	caller          context.Context
	limit           acquireLimit
	cancel          context.CancelFunc
}

// Err is ErrPoolBusy when the limit ended the wait, and not the caller.
func (c *acquireContext) Err() error {
	err := c.Context.Err()
	if c.caller.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%w within %s: %w", ErrPoolBusy, time.Duration(c.limit), err)
	}
	return err
}

// customPlans is the pool with a plan made for the parameters of each query.
type customPlans struct{ *pgxpool.Pool }

func (p customPlans) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	return p.Pool.Query(ctx, sql, append([]any{pgx.QueryExecModeDescribeExec}, args...)...)
}

func (p customPlans) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	return p.Pool.QueryRow(ctx, sql, append([]any{pgx.QueryExecModeDescribeExec}, args...)...)
}
