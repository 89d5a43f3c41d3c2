package db

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Snapshot runs several batch queries in one round trip on one state of the database:
//
//	snap := d.Snapshot()
//	run, folds := snap.GetRun(ctx, ids), snap.ListFolds(ctx, ids)
//	snap.Send(ctx)
//	defer snap.Close()
//	r, err := First(run.QueryRow)
//	fs, err := First(folds.Query)
//
// Only :batchone and :batchmany queries can be part of it, and their results are read in the order of the calls.
type Snapshot struct {
	*Queries
	pool    *pgxpool.Pool
	batch   pgx.Batch
	results pgx.BatchResults
	heads   int   // statements before the queries
	err     error // of one of these
}

// Snapshot starts an empty snapshot; nothing is sent yet.
func (d *DB) Snapshot() *Snapshot {
	s := &Snapshot{pool: d.Pool}
	s.Queries = New(queue{s})
	s.batch.Queue("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
	if d.pooler != nil {
		s.batch.Queue(d.pooler.limits)
	}
	s.heads = s.batch.Len()
	return s
}

// Send sends the queries. An error shows when the results are read.
func (s *Snapshot) Send(ctx context.Context) {
	s.batch.Queue("COMMIT")
	s.results = s.pool.SendBatch(ctx, &s.batch)
	for range s.heads {
		if s.err == nil {
			_, s.err = s.results.Exec()
		}
	}
}

// Close ends the snapshot and gives the connection back.
func (s *Snapshot) Close() { _ = s.results.Close() } // whatever COMMIT of a read says, the results were read

// First returns what a generated batch result hands to its callback, for a batch of one.
func First[T any](read func(func(int, T, error))) (T, error) {
	var result T
	var err error
	read(func(_ int, t T, e error) { result, err = t, e })
	return result, err
}

// queue is the DBTX of a snapshot: it keeps the batches that the generated functions make until Send.
type queue struct{ s *Snapshot }

var errNotBatch = errors.New("a snapshot takes batch queries only")

func (q queue) SendBatch(_ context.Context, b *pgx.Batch) pgx.BatchResults {
	q.s.batch.QueuedQueries = append(q.s.batch.QueuedQueries, b.QueuedQueries...)
	return part(q)
}

func (queue) Exec(context.Context, string, ...any) (pgconn.CommandTag, error) {
	return pgconn.CommandTag{}, errNotBatch
}

func (queue) Query(context.Context, string, ...any) (pgx.Rows, error) { return nil, errNotBatch }

func (queue) QueryRow(context.Context, string, ...any) pgx.Row { return failedRow{errNotBatch} }

func (queue) CopyFrom(context.Context, pgx.Identifier, []string, pgx.CopyFromSource) (int64, error) {
	return 0, errNotBatch
}

type failedRow struct{ err error }

func (r failedRow) Scan(...any) error { return r.err }

// part is the results of one generated function within the snapshot's.
type part struct{ s *Snapshot }

func (p part) Exec() (pgconn.CommandTag, error) { return pgconn.CommandTag{}, errNotBatch }
func (p part) Close() error                     { return nil }
func (p part) Tx() pgx.Tx                       { return nil }

func (p part) Query() (pgx.Rows, error) {
	if p.s.err != nil {
		return nil, p.s.err
	}
	return p.s.results.Query()
}

func (p part) QueryRow() pgx.Row {
	if p.s.err != nil {
		return failedRow{p.s.err}
	}
	return p.s.results.QueryRow()
}
