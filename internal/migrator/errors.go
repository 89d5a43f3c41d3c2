package migrator

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// folder is where migrations are in the repository; messages name files as a person would open them.
const folder = "migrations/"

var (
	// ErrDataLoss is returned when rows or values would be lost and that was not agreed to. Nothing was changed.
	ErrDataLoss = errors.New("data would be lost")
	// ErrBusy is returned when another migrator did not finish in time.
	ErrBusy = errors.New("another migrator is still at work")
	// ErrUnknownVersion is returned when the database has a migration that this binary lacks.
	ErrUnknownVersion = errors.New("the database is newer than this binary")
)

// ConnectError is returned when PostgreSQL cannot be reached or refuses the login. Its text holds no password.
type ConnectError struct {
	Address  string
	Database string
	User     string
	Err      error
}

func (e *ConnectError) Error() string {
	return fmt.Sprintf("PostgreSQL at %s (database %q, user %q) cannot be reached: %s", e.Address, e.Database, e.User, reason(e.Err))
}

// Unwrap returns the cause.
func (e *ConnectError) Unwrap() error { return e.Err }

// NewConnectError describes a failed attempt to connect with cfg.
func NewConnectError(cfg *pgx.ConnConfig, err error) error {
	address := net.JoinHostPort(cfg.Host, strconv.Itoa(int(cfg.Port)))
	if strings.HasPrefix(cfg.Host, "/") {
		address = "socket " + cfg.Host
	}
	return &ConnectError{Address: address, Database: cfg.Database, User: cfg.User, Err: err}
}

// reason is the innermost cause: pgx reports one line for each address and each TLS attempt.
func reason(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		if strings.HasPrefix(pg.Message, "unsupported startup parameter") {
			return pg.Message + ". It is a pooler such as PgBouncer: the service needs POSTGRES_POOLER=transaction, and foldbook migrate " +
				"needs PostgreSQL's own address"
		}
		return pg.Message
	}
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err.Error()
	}
	var connect *pgconn.ConnectError
	if errors.As(err, &connect) {
		err = connect.Unwrap()
	}
	first, _, _ := strings.Cut(err.Error(), "\n")
	return first
}

// Error is a failure of one migration, at a line of its file.
type Error struct {
	File    string
	Line    int
	Partial bool // the migration runs outside a transaction, so what stands before the line was done
	Err     error
}

func (e *Error) Error() string {
	text := fmt.Sprintf("%s%s:%d: %s", folder, e.File, e.Line, message(e.Err))
	if e.Partial {
		text += "\nThis migration runs outside a transaction: statements before this line stay done, and a failed\n" +
			"CREATE INDEX CONCURRENTLY leaves an invalid index to drop."
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// message is what a person needs of a PostgreSQL error: text, SQLSTATE, detail and hint.
func message(err error) string {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return err.Error()
	}
	text := fmt.Sprintf("%s (SQLSTATE %s)", pg.Message, pg.Code)
	if pg.Detail != "" {
		text += "\nDetail: " + pg.Detail
	}
	if pg.Hint != "" {
		text += "\nHint: " + pg.Hint
	}
	if pg.Code == "55P03" {
		text += "\nHint: another session uses the table; stop it, or try again"
	}
	return text
}

// failure locates an error of goose in the statement that caused it.
func failure(step Step, err error) error {
	var statement *statementError
	if !errors.As(err, &statement) {
		return &Error{File: step.File, Line: step.unread(err), Err: err}
	}
	offset := 0
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Position > 0 { // counted in characters from 1; absent when execution failed, not parsing
		offset = int(pg.Position) - 1
	}
	return &Error{File: step.File, Line: step.line(step.Direction, statement.sql, offset), Partial: !step.Transactional, Err: statement.err}
}
