package db

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// ErrSilent is returned by a transaction whose server does not answer any more.
var ErrSilent = errors.New("the server does not answer")

// A transaction may take long, for its size or for locks. A server that is frozen cannot be told from that, save by asking it:
// a transaction that takes longer than askAfter asks whenever so much time has passed, and gives up without an answer within answerIn.
const (
	askAfter = 500 * time.Millisecond
	answerIn = 4 * time.Second
)

// watch closes the connection of a transaction when the server does not answer. stop ends that, and tells whether it came to it:
// after stop the connection may be somebody else's.
func (d *DB) watch(ctx context.Context, conn *pgx.Conn) (stop func() bool) {
	ctx, cancel := context.WithCancel(ctx)
	var mu sync.Mutex
	silent := false
	timer := time.AfterFunc(askAfter, func() {
		for ctx.Err() == nil {
			answers := d.answers(ctx)
			mu.Lock()
			if silent = !answers && ctx.Err() == nil; silent {
				_ = conn.PgConn().Conn().Close() // which ends what waits for it
			}
			mu.Unlock()
			if silent {
				return
			}
			select {
			case <-ctx.Done():
			case <-time.After(askAfter):
			}
		}
	})
	return func() bool {
		timer.Stop()
		mu.Lock()
		defer mu.Unlock()
		cancel()
		return silent
	}
}

// answers asks the server on a connection of its own. One that has gone, or is full, is found out by the transaction itself.
func (d *DB) answers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, answerIn)
	defer cancel()
	config := d.Pool.Config().ConnConfig
	config.ConnectTimeout = answerIn // a busy server may take longer than a request should wait for a connection
	conn, err := pgx.ConnectConfig(ctx, config)
	if err == nil {
		err = conn.Ping(ctx)
		_ = conn.Close(context.WithoutCancel(ctx)) // it is not needed any more
	}
	return !errors.Is(err, context.DeadlineExceeded) && !pgconn.Timeout(err)
}
