package db

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
)

// pooled is the pool behind a pooler such as PgBouncer in transaction mode, which may run each transaction on another server
// connection, so nothing that is set for a session holds. Each statement is a transaction that sets its own limits, in one
// round trip. It is planned for its parameters, because a pooler keeps no prepared statements.
type pooled struct {
	*pgxpool.Pool
	limits string
}

// limits is a statement that sets the limits of a transaction, in milliseconds.
func limits(statement, lock int64) string {
	return fmt.Sprintf("SELECT set_config('statement_timeout', '%d', true), set_config('lock_timeout', '%d', true), "+
		"set_config('idle_in_transaction_session_timeout', '%d', true)", statement, lock, idleLimit)
}

func (p pooled) send(ctx context.Context, sql string, args []any) (pgx.BatchResults, error) {
	var batch pgx.Batch
	batch.Queue("BEGIN")
	batch.Queue(p.limits)
	batch.Queue(sql, args...)
	batch.Queue("COMMIT")
	results := p.SendBatch(ctx, &batch)
	for range 2 {
		if _, err := results.Exec(); err != nil {
			return nil, errors.Join(err, results.Close())
		}
	}
	return results, nil
}

func (p pooled) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	results, err := p.send(ctx, sql, args)
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	tag, err := results.Exec()
	return tag, errors.Join(err, results.Close())
}

func (p pooled) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	results, err := p.send(ctx, sql, args)
	if err != nil {
		return nil, err
	}
	rows, err := results.Query()
	if err != nil {
		return nil, errors.Join(err, results.Close())
	}
	return &pooledRows{Rows: rows, results: results}, nil
}

func (p pooled) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	rows, err := p.Query(ctx, sql, args...)
	if err != nil {
		return failedRow{err}
	}
	return pooledRow{rows}
}

// pooledRows ends the transaction with the rows.
type pooledRows struct {
	pgx.Rows
	results pgx.BatchResults
	commit  error
}

// Next moves to the next row, and closes the rows after the last one.
func (r *pooledRows) Next() bool {
	if r.Rows.Next() {
		return true
	}
	r.Close()
	return false
}

// Close ends the rows and the transaction.
func (r *pooledRows) Close() {
	if r.Rows.Close(); r.results != nil {
		r.commit, r.results = r.results.Close(), nil
	}
}

// Err is what ended the rows early, or kept the transaction from its end.
func (r *pooledRows) Err() error {
	if err := r.Rows.Err(); err != nil {
		return err
	}
	return r.commit
}

type pooledRow struct{ pgx.Rows }

// Scan reads the one row.
func (r pooledRow) Scan(dest ...any) error {
	defer r.Close()
	if !r.Next() {
		if err := r.Err(); err != nil {
			return err
		}
		return pgx.ErrNoRows
	}
	if err := r.Rows.Scan(dest...); err != nil {
		return err
	}
	r.Close()
	return r.Err()
}

// registerParameters names the types of parameters, which pgx asks the server for where statements are prepared.
func registerParameters(m *pgtype.Map) {
	m.RegisterDefaultPgType(uuid.UUID{}, "uuid")
	m.RegisterDefaultPgType([]uuid.UUID{}, "_uuid")
}
