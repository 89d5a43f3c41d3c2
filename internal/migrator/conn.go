package migrator

import (
	"context"
	"database/sql/driver"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// session is the one connection that a migrator works on. goose runs each migration in a transaction; while the migrator
// has one open itself, for a dry run or to undo several at once, the transactions of goose are savepoints in that.
type session struct {
	driver.Connector
	conn *pgx.Conn // for statements of the migrator's own, while goose is not at work
	inTx bool
}

// Connect opens the connection. Another one in place of a lost one would be without the lock and the transaction.
func (s *session) Connect(ctx context.Context) (driver.Conn, error) {
	if s.conn != nil {
		return nil, errors.New("the connection to PostgreSQL was lost")
	}
	c, err := s.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	own := &conn{c.(*stdlib.Conn), s} //nolint:forcetypeassert // pgx's connector makes no others
	s.conn = own.Conn.Conn()
	return own, nil
}

type conn struct {
	*stdlib.Conn
	session *session
}

// ResetSession keeps the connection while a transaction is open.
func (c *conn) ResetSession(context.Context) error { return nil }

// statementError is a failure with its statement.
type statementError struct {
	sql string
	err error
}

func (e *statementError) Error() string { return e.err.Error() }
func (e *statementError) Unwrap() error { return e.err }

// ExecContext names the statement that failed.
func (c *conn) ExecContext(ctx context.Context, sql string, args []driver.NamedValue) (driver.Result, error) {
	result, err := c.Conn.ExecContext(ctx, sql, args)
	if err != nil {
		return nil, &statementError{sql, err}
	}
	return result, nil
}

// BeginTx begins a transaction, or within one a savepoint.
func (c *conn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	if !c.session.inTx {
		return c.Conn.BeginTx(ctx, opts)
	}
	return savepoint{c}, c.savepoint("SAVEPOINT migration")
}

func (c *conn) savepoint(sql string) error {
	_, err := c.Conn.ExecContext(context.Background(), sql, nil)
	return err
}

type savepoint struct{ *conn }

func (s savepoint) Commit() error   { return s.savepoint("RELEASE SAVEPOINT migration") }
func (s savepoint) Rollback() error { return s.savepoint("ROLLBACK TO SAVEPOINT migration") }
