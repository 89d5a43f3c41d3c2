package api

import (
	"bytes"
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

	"foldbook/api/spec"
	"foldbook/db"
	"foldbook/internal/httpbody"
)

var (
	errInternal = spec.NewProblem(http.StatusInternalServerError, spec.ErrorCodeInternal,
		"the service failed; its log has the cause under this request_id")
	errTimeout = spec.NewProblem(http.StatusGatewayTimeout, spec.ErrorCodeTimeout,
		"the request took too long")
	errAway = spec.NewProblem(http.StatusServiceUnavailable, spec.ErrorCodeDatabaseUnavailable,
		"the database cannot be reached")
	errUnknownOutcome = spec.NewProblem(http.StatusServiceUnavailable, spec.ErrorCodeDatabaseUnavailable,
		"the database was lost while it stored this: repeat the request, which stores it once")
	errSchema = spec.NewProblem(http.StatusServiceUnavailable, spec.ErrorCodeDatabaseUnavailable,
		"the schema of the database is not that of this build: /readyz says more")
	errForeign = spec.NewProblem(http.StatusNotFound, spec.ErrorCodeNotFound,
		"this route belongs to the trading engine: foldbook stores results")
	errOverloaded = &spec.Problem{Status: http.StatusServiceUnavailable, Code: spec.ErrorCodeOverloaded,
		Message: "the service answers as many requests as it can", Details: map[string]any{"budget": spec.BudgetInFlight}}
	errBusy = spec.NewProblem(http.StatusServiceUnavailable, spec.ErrorCodeDatabaseUnavailable,
		"the database is busy")
)

// notFound is the error of a read of one thing: 404 when there is no row.
func notFound(err error, what string, id fmt.Stringer) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, pgx.ErrNoRows):
		return spec.NoSuch(what, id)
	}
	return fmt.Errorf("read %s %s: %w", what, id, err)
}

// statusClientGone is logged for a request whose client left before the answer.
const statusClientGone = 499

// writeError is Echo's error handler: the one place where an error becomes an answer.
func (s *Server) writeError(err error, c echo.Context) {
	rec, ok := c.Response().Writer.(*recorder)
	if !ok || c.Response().Committed {
		if ok {
			rec.cause = err
		}
		panic(http.ErrAbortHandler) // begun answers are cut, so that they cannot look whole
	}
	ctx := c.Request().Context()
	answer := classify(ctx, err)
	if answer.Status == http.StatusNotFound && rec.route == "" && isForeign(c.Request().URL.Path) {
		answer = errForeign
	}
	if answer == errSchema && s.checkSchema(ctx) == up {
		answer = errInternal // the query is wrong, and /readyz would not say what to do
	}
	// A client that only stopped sending still reads: without a status it would take an empty 200 for a success. It gets the
	// error of its request, such as a body that is cut off, like any other client.
	if errors.Is(ctx.Err(), context.Canceled) && answer.Status >= http.StatusInternalServerError {
		rec.WriteHeader(statusClientGone)
		return
	}
	if answer.Status >= http.StatusInternalServerError {
		rec.cause = err
	}
	writeErrorBody(rec, answer, rec.id)
}

func writeErrorBody(w http.ResponseWriter, e *spec.Problem, id string) {
	details := e.Details
	if details == nil {
		details = map[string]any{}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // clients show the body as it is, and \u003e= is no operator to a reader
	if err := enc.Encode(spec.Error{Error: e.Message, Message: e.Message, Code: e.Code, RequestID: id, Details: details}); err != nil {
		panic(err) // texts and numbers only: they always encode
	}
	body := bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	header := w.Header()
	header.Del("ETag") // of what was looked at before it failed
	header.Set("Content-Type", "application/json")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	if e.Code == spec.ErrorCodeRemovalPending || e.Status == http.StatusTooManyRequests || e.Status == http.StatusServiceUnavailable ||
		e.Status == http.StatusGatewayTimeout {
		seconds, ok := details["retry_after"].(int)
		if !ok {
			seconds = 1
		}
		header.Set("Retry-After", strconv.Itoa(seconds))
	}
	w.WriteHeader(e.Status)
	_, _ = w.Write(body) // a client that left needs no answer
}

// classify maps any error to the answer it becomes.
func classify(ctx context.Context, err error) *spec.Problem {
	var own *spec.Problem
	var fromEcho *echo.HTTPError
	var fromPostgres *pgconn.PgError
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, new(tableTakenError)):
		return spec.NewProblem(http.StatusConflict, spec.ErrorCodeConflict, err.Error())
	case seriesAnswer(err) != nil:
		return seriesAnswer(err)
	case errors.As(err, &fromEcho):
		return classifyEcho(fromEcho)
	case errors.Is(err, pgx.ErrNoRows):
		return spec.NewProblem(http.StatusNotFound, spec.ErrorCodeNotFound, "there is no such record")
	case errors.Is(err, db.ErrPoolBusy), errors.Is(err, httpbody.ErrBusy):
		return errBusy
	case errors.As(err, &fromPostgres):
		return classifyPostgres(fromPostgres)
	case errors.Is(err, db.ErrUnknownOutcome):
		return errUnknownOutcome
	case errors.Is(err, db.ErrSilent):
		return errAway
	case ctx.Err() != nil, tooSlow(err):
		return errTimeout
	case lostConnection(err):
		return errAway
	}
	return errInternal
}

func classifyEcho(e *echo.HTTPError) *spec.Problem {
	switch e.Code {
	case http.StatusNotFound:
		return spec.NewProblem(e.Code, spec.ErrorCodeNotFound, "there is no such route")
	case http.StatusMethodNotAllowed:
		return spec.NewProblem(e.Code, spec.ErrorCodeMethodNotAllowed, "the route does not take this method")
	case http.StatusBadRequest:
		// The generated wrappers report a parameter that cannot be parsed: texts always can, numbers may not.
		text, _ := strings.CutPrefix(fmt.Sprint(e.Message), "Invalid format for parameter ")
		name, cause, _ := strings.Cut(text, ":")
		what := "is not a whole number"
		switch {
		case strings.Contains(cause, "multiple values"):
			what = "is given more than once"
		case strings.Contains(cause, "ParseBool"):
			what = "is not true or false"
		case strings.Contains(cause, "ParseFloat"):
			what = "is not a number"
		}
		return spec.InvalidParameter(name, what)
	}
	return errInternal
}

// SQLSTATEs that have an answer of their own: see PostgreSQL's appendix of error codes.
func classifyPostgres(e *pgconn.PgError) *spec.Problem {
	switch {
	case e.Code == "57014": // query_canceled: statement_timeout
		return errTimeout
	case unavailable(e.Code):
		return errAway
	case e.Code == "42P01", e.Code == "42703", e.Code == "42883": // undefined_table, undefined_column, undefined_function
		return errSchema
	case e.Code == "55P03", e.Code == "40001", e.Code == "40P01": // lock_not_available, serialization_failure, deadlock_detected
		return errBusy
	case strings.HasPrefix(e.Code, "23"): // integrity constraints
		return classifyConstraint(e)
	case strings.HasPrefix(e.Code, "54"): // program limits: a document that is too deep
		return spec.NewProblem(http.StatusBadRequest, spec.ErrorCodeInvalidBody, "the body is too complex to be stored")
	case strings.HasPrefix(e.Code, "22"): // data exceptions: NUL in a text, bytes that are not UTF-8, numbers out of range
		return spec.NewProblem(http.StatusBadRequest, spec.ErrorCodeInvalidParameter, "a parameter has a value that cannot be stored or compared")
	}
	return errInternal
}

// classifyConstraint names the field that violates a constraint.
func classifyConstraint(e *pgconn.PgError) *spec.Problem {
	field, ok := db.FieldOf[e.ConstraintName]
	switch {
	case !ok:
		return errInternal
	case e.Code == "23503" && field == "dataset_id":
		return spec.NewProblem(http.StatusConflict, spec.ErrorCodeUnknownDataset, "dataset_id: there is no such dataset")
	case e.Code == "23503":
		return spec.NewProblem(http.StatusConflict, spec.ErrorCodeUnknownRun, "run_id: there is no such run")
	case e.Code == "23505":
		return spec.NewProblem(http.StatusConflict, spec.ErrorCodeConflict, field+": is another one's already")
	}
	return spec.NewProblem(http.StatusBadRequest, spec.ErrorCodeInvalidBody, field+": does not fit what is stored")
}

// unavailable recognises the SQLSTATEs of a server that is stopping, starting, full or gone.
func unavailable(code string) bool {
	switch code {
	case "57P01", "57P02", "57P03", "53300":
		return true
	}
	return strings.HasPrefix(code, "08")
}

// lostConnection distinguishes errors of the connection to PostgreSQL from errors of a query. The statement may have been
// executed all the same, so only reads, and transactions that are not committed yet, may be repeated.
func lostConnection(err error) bool {
	var connect *pgconn.ConnectError
	var network net.Error
	return errors.As(err, &connect) || errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed) || errors.Is(err, pgconn.ErrConnClosed) || pgconn.SafeToRetry(err)
}

// tooSlow distinguishes a server that did not answer in time from one that cannot be reached.
func tooSlow(err error) bool {
	var connect *pgconn.ConnectError
	return errors.Is(err, context.DeadlineExceeded) && !errors.As(err, &connect)
}

// transient recognises errors that the next try is unlikely to meet: a lost connection, and a prepared statement whose plan
// a change of the schema made stale, which happens once for each statement.
func transient(err error) bool {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return unavailable(e.Code) || e.Code == "0A000"
	}
	var own *spec.Problem
	var fromEcho *echo.HTTPError
	if errors.As(err, &own) || errors.As(err, &fromEcho) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, db.ErrSilent) ||
		seriesAnswer(err) != nil {
		return false
	}
	return lostConnection(err)
}
