package questdb

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"unicode/utf16"

	"github.com/jackc/pgx/v5/pgconn"
)

// The errors of this package. Only the message of a Refused may contain SQL; none contains an address or a password. A context
// that its owner cancelled is reported as context.Canceled.
var (
	ErrInvalidName = errors.New("not a name of a table or column")
	ErrNoTable     = errors.New("no such table")
	ErrNoColumn    = errors.New("no such column")
	ErrWhole       = errors.New("the column has whole numbers that a double cannot hold")
	ErrUnavailable = errors.New("QuestDB cannot be reached")               // refused, reset, no answer to a connection attempt
	ErrBusy        = errors.New("no free connection to QuestDB")           // the pool is full
	ErrTimeout     = errors.New("QuestDB took too long")                   // a deadline of the caller or of QuestDB
	ErrBroken      = errors.New("QuestDB's answer cannot be used")         // cut off, not JSON, an error in the middle
	ErrSuspended   = errors.New("QuestDB has suspended the table")         // its WAL is not applied until an operator resumes it
	ErrUnanswered  = errors.New("QuestDB did not answer to the rows")      // which may be stored or not
	ErrNotVisible  = errors.New("the rows are stored but not yet visible") // the wait for the WAL ended
)

// Refused is the error of a statement that QuestDB refuses, with QuestDB's message. It may quote the statement, so only the
// author of the statement may see it.
type Refused struct { //nolint:errname // it reads better where it is made and asked for
	Message  string
	Position int // in the statement, in characters from 0
}

func (e *Refused) Error() string { return e.Message }

// errNoAnswer is the cause of a context whose read got no row in time.
var errNoAnswer = fmt.Errorf("%w: no answer", ErrTimeout)

// refusal turns an error message of QuestDB, which has no codes, into one of the errors above. Its position counts UTF-16
// units of the statement from 0.
func refusal(message, sql string, position int) error {
	for _, known := range []struct {
		text string
		err  error
	}{
		{"table does not exist", ErrNoTable},
		{"Invalid column", ErrNoColumn},
		{"timeout, query aborted", ErrTimeout},
		{"query aborted", ErrBroken}, // cancelled at the server
		{"cancelled by user", ErrBroken},
	} {
		if strings.Contains(message, known.text) {
			return &refusedAs{Refused{message, characters(sql, position)}, known.err}
		}
	}
	return &Refused{message, characters(sql, position)}
}

// refusedAs is a Refused that is also another error, whose message it has instead of QuestDB's.
type refusedAs struct { //nolint:errname // as Refused
	refused Refused
	err     error
}

func (e *refusedAs) Error() string { return e.err.Error() }
func (e *refusedAs) Unwrap() error { return e.err }

// characters is a position in UTF-16 units as one in characters.
func characters(sql string, position int) int {
	n := 0
	for _, r := range sql {
		if position <= 0 {
			break
		}
		position -= utf16.RuneLen(r)
		n++
	}
	return n
}

// failure turns a transport error into one of the errors above. ctx is that of the read; started says whether the answer had
// begun.
func failure(ctx context.Context, err error, sql string, started bool) error {
	if cause := context.Cause(ctx); cause != nil {
		if errors.Is(cause, context.DeadlineExceeded) {
			return fmt.Errorf("%w: %w", ErrTimeout, cause)
		}
		return cause
	}
	if refused := new(pgconn.PgError); errors.As(err, &refused) {
		if strings.Contains(refused.Message, "invalid username/password") {
			return fmt.Errorf("%w: it does not accept the user or the password", ErrUnavailable)
		}
		return refusal(refused.Message, sql, int(refused.Position)-1)
	}
	reason := ""
	if errno := syscall.Errno(0); errors.As(err, &errno) {
		reason = ": " + errno.Error()
	}
	var timeout net.Error
	isTimeout := errors.As(err, &timeout) && timeout.Timeout() || errors.Is(err, os.ErrDeadlineExceeded)
	switch {
	case isConnecting(err):
		return fmt.Errorf("%w: no connection%s", ErrUnavailable, reason)
	case isTimeout:
		return fmt.Errorf("%w: it sends nothing", ErrTimeout)
	case started:
		return fmt.Errorf("%w: it ends early%s", ErrBroken, reason)
	}
	return fmt.Errorf("%w: no answer%s", ErrUnavailable, reason)
}

// isConnecting reports whether err comes from an attempt to connect.
func isConnecting(err error) bool {
	var op *net.OpError
	var connect *pgconn.ConnectError
	return errors.As(err, &op) && op.Op == "dial" || errors.As(err, &connect)
}
