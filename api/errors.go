package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/labstack/echo/v4"

	"foldbook/db"
)

// apiError is an answer that is not a success. The message is for the caller; a cause stays in the log.
type apiError struct {
	status  int
	code    ErrorCode
	message string
}

func (e *apiError) Error() string { return e.message }

var (
	errInternal = &apiError{http.StatusInternalServerError, ErrorCodeInternal, "the service failed; its log has the cause under this request_id"}
	errTimeout  = &apiError{http.StatusGatewayTimeout, ErrorCodeTimeout, "the request took too long"}
	errAway     = &apiError{http.StatusServiceUnavailable, ErrorCodeDatabaseUnavailable, "the database cannot be reached"}
	errBusy     = &apiError{http.StatusServiceUnavailable, ErrorCodeDatabaseUnavailable, "the database is busy"}
)

func invalidParameter(name, what string) error {
	return &apiError{http.StatusBadRequest, ErrorCodeInvalidParameter, "parameter " + name + " " + what}
}

func notFound(what string, id fmt.Stringer) error {
	return &apiError{http.StatusNotFound, ErrorCodeNotFound, what + " " + id.String() + " does not exist"}
}

// statusClientGone is logged for a request whose client left before the answer.
const statusClientGone = 499

// writeError is Echo's error handler: the one place where an error becomes an answer.
func (s *Server) writeError(err error, c echo.Context) {
	rec, ok := c.Response().Writer.(*recorder)
	if !ok || c.Response().Committed {
		panic(http.ErrAbortHandler) // begun answers are cut, so that they cannot look whole
	}
	ctx := c.Request().Context()
	answer := classify(ctx, err)
	// A client that only stopped sending still reads: without a status it would take an empty 200 for a success.
	if errors.Is(ctx.Err(), context.Canceled) && answer.status >= http.StatusInternalServerError {
		rec.WriteHeader(statusClientGone)
		return
	}
	if answer.status >= http.StatusInternalServerError {
		rec.cause = err
	}
	writeErrorBody(rec, answer, rec.id)
}

func writeErrorBody(w http.ResponseWriter, e *apiError, id string) {
	body, err := json.Marshal(Error{Error: e.message, Message: e.message, Code: e.code, RequestID: id, Details: map[string]any{}})
	if err != nil {
		panic(err) // texts only: they always encode
	}
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	if e.status == http.StatusServiceUnavailable || e.status == http.StatusGatewayTimeout {
		header.Set("Retry-After", "1")
	}
	w.WriteHeader(e.status)
	_, _ = w.Write(body) // a client that left needs no answer
}

// classify maps any error to the answer it becomes.
func classify(ctx context.Context, err error) *apiError {
	var own *apiError
	var fromEcho *echo.HTTPError
	var fromPostgres *pgconn.PgError
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &fromEcho):
		return classifyEcho(fromEcho)
	case errors.Is(err, pgx.ErrNoRows):
		return &apiError{http.StatusNotFound, ErrorCodeNotFound, "there is no such thing"}
	case errors.Is(err, db.ErrPoolBusy):
		return errBusy
	case errors.As(err, &fromPostgres):
		return classifyPostgres(fromPostgres)
	case ctx.Err() != nil:
		return errTimeout
	case lostConnection(err):
		return errAway
	}
	return errInternal
}

func classifyEcho(e *echo.HTTPError) *apiError {
	switch e.Code {
	case http.StatusNotFound:
		return &apiError{e.Code, ErrorCodeNotFound, "there is no such route"}
	case http.StatusMethodNotAllowed:
		return &apiError{e.Code, ErrorCodeMethodNotAllowed, "the route does not take this method"}
	case http.StatusBadRequest:
		// The generated wrappers report a parameter that does not bind: texts always do, numbers may not.
		text, _ := strings.CutPrefix(fmt.Sprint(e.Message), "Invalid format for parameter ")
		name, cause, _ := strings.Cut(text, ":")
		if strings.Contains(cause, "multiple values") {
			return &apiError{e.Code, ErrorCodeInvalidParameter, "parameter " + name + " is given more than once"}
		}
		return &apiError{e.Code, ErrorCodeInvalidParameter, "parameter " + name + " is not a whole number"}
	}
	return errInternal
}

// SQLSTATEs that have an answer of their own: see PostgreSQL's appendix of error codes.
func classifyPostgres(e *pgconn.PgError) *apiError {
	switch {
	case e.Code == "57014": // query_canceled: statement_timeout
		return errTimeout
	case unavailable(e.Code):
		return errAway
	case e.Code == "55P03", e.Code == "40001", e.Code == "40P01": // lock_not_available, serialization_failure, deadlock_detected
		return errBusy
	case strings.HasPrefix(e.Code, "22"): // data exceptions: NUL in a text, bytes that are not UTF-8, numbers out of range
		return &apiError{http.StatusBadRequest, ErrorCodeInvalidParameter, "a parameter has a value that cannot be stored or compared"}
	}
	return errInternal
}

// unavailable tells the SQLSTATEs of a server that is stopping, starting, full or gone.
func unavailable(code string) bool {
	switch code {
	case "57P01", "57P02", "57P03", "53300":
		return true
	}
	return strings.HasPrefix(code, "08")
}

// lostConnection tells errors of the way to PostgreSQL from errors of a query.
func lostConnection(err error) bool {
	var connect *pgconn.ConnectError
	var network net.Error
	return errors.As(err, &connect) || errors.As(err, &network) || errors.Is(err, io.EOF) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) || pgconn.SafeToRetry(err)
}

// passing tells errors that are likely gone at the next try: a lost connection, and once for each prepared statement
// the plan that a change of the schema made stale.
func passing(err error) bool {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return unavailable(e.Code) || e.Code == "0A000"
	}
	var own *apiError
	var fromEcho *echo.HTTPError
	if errors.As(err, &own) || errors.As(err, &fromEcho) || errors.Is(err, db.ErrPoolBusy) {
		return false
	}
	return lostConnection(err)
}
