package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"

	"foldbook/api/spec"
	"foldbook/internal/access"
	"foldbook/internal/observe"
	"foldbook/internal/series"
)

// serve is what every request goes through before Echo routes it: id, CORS, deadline, panic, log line. It is one plain
// net/http function, because the small routes answer in the time that a chain of middlewares takes.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	rec := &recorder{ResponseWriter: w, request: r, id: requestID(r), client: r.Context(), conn: http.NewResponseController(w),
		patience: s.StreamWriteTimeout, draining: &s.draining, from: s.Proxies.Client(r)}
	header := w.Header()
	header.Set("X-Request-Id", rec.id)
	s.browsers.Allow(header, r)
	if s.draining.Load() {
		header.Set("Connection", "close")
	}
	_ = rec.conn.SetWriteDeadline(time.Time{}) // that of the answer before this request
	if refused := s.browsers.Check(r); refused != nil {
		writeErrorBody(rec, refused, rec.id)
		s.log(r, rec, start)
		return
	}
	if r.Method == http.MethodOptions {
		s.browsers.Preflight(header, r)
		rec.WriteHeader(http.StatusNoContent)
		s.log(r, rec, start)
		return
	}
	defer s.inFlight.Add(-1)
	if err := s.admit(rec, r, s.inFlight.Add(1)); err != nil {
		s.refuse(rec, r, err)
		s.log(r, rec, start)
		return
	}
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		ctx, cancel := context.WithTimeout(r.Context(), s.RequestTimeout)
		defer cancel()
		r = r.WithContext(ctx)
	}
	defer func() {
		if p := recover(); p != nil {
			s.recovered(rec, p)
		}
		s.log(r, rec, start)
		if rec.aborted {
			panic(http.ErrAbortHandler)
		}
	}()
	s.echo.ServeHTTP(rec, r)
}

// admit tells who sends a request, one of so many at a time. Its error is the answer to who may not, or not now.
func (s *Server) admit(rec *recorder, r *http.Request, inFlight int64) (err error) {
	needs := s.needOf(r)
	if s.InFlight > 0 && inFlight > s.InFlight && needs.budget != "" {
		return errOverloaded
	}
	if s.Gate != nil {
		if rec.caller, err = s.Gate.Check(r, needs.scope, rec.from); err != nil {
			return err
		}
	}
	return s.Limits[needs.budget].Take(rec.caller, rec.from)
}

// refuse answers a request that is not let in, or whose key cannot be looked up.
func (s *Server) refuse(rec *recorder, r *http.Request, err error) {
	answer := classify(r.Context(), err)
	if challenge := access.Challenge(answer); challenge != "" {
		rec.Header().Set("WWW-Authenticate", challenge)
	}
	if budget, ok := answer.Details["budget"].(spec.Budget); ok {
		s.Metrics.Refused(budget)
	} else if answer.Status >= http.StatusInternalServerError {
		rec.cause = err
	}
	writeErrorBody(rec, answer, rec.id)
}

// recovered answers a request whose handler panicked. It cuts an answer that had begun, so that it cannot look complete.
func (s *Server) recovered(rec *recorder, p any) {
	if err, ok := p.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
		rec.panicked = true
		rec.cause = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
	}
	if rec.status != 0 {
		rec.aborted = true
		return
	}
	writeErrorBody(rec, errInternal, rec.id)
}

// recorder notes what the log line says about an answer.
type recorder struct {
	http.ResponseWriter
	request  *http.Request // as it came
	id       string
	client   context.Context // ends when the client leaves, and not before
	route    string
	caller   *access.Caller // nil: nobody was asked
	from     netip.Addr
	status   int
	bytes    int64
	cause    error // of an answer that failed
	aborted  bool
	panicked bool // other than to abort

	conn     *http.ResponseController
	patience time.Duration // for the client to take each part of an answer
	draining *atomic.Bool
}

// DrainPatience is the patience once the service stops: a client that reads nothing does not hold it up.
const DrainPatience = 3 * time.Second

// writtenAtOnce is how much of an answer a client has to take within its patience.
const writtenAtOnce = 128 << 10

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.extend()
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	written := 0
	for {
		part := b[written:min(written+writtenAtOnce, len(b))]
		r.extend()
		n, err := r.ResponseWriter.Write(part)
		written += n
		r.bytes += int64(n)
		if err != nil || written == len(b) {
			return written, err
		}
	}
}

// extend gives the client its time for the next part.
func (r *recorder) extend() {
	patience := r.patience
	if r.draining.Load() {
		patience = min(patience, DrainPatience)
	}
	_ = r.conn.SetWriteDeadline(time.Now().Add(patience))
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// requestID keeps the caller's id when it fits a header and a log line, and makes one otherwise.
func requestID(r *http.Request) string {
	if id := r.Header.Get("X-Request-Id"); id != "" && len(id) <= 64 && !slices.ContainsFunc([]byte(id), func(c byte) bool {
		return (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && c != '.' && c != '_' && c != '-'
	}) {
		return id
	}
	var b [16]byte
	const digits = "0123456789abcdef"
	for i, n := 0, rand.Uint64(); i < len(b); i, n = i+1, n>>4 { //nolint:gosec // an id to find a log line by, not a secret
		b[i] = digits[n&15]
	}
	return string(b[:])
}

// log writes the one line of a request: at error level, with the cause, when the service failed. An answer that was cut
// because its client stopped reading is no failure.
func (s *Server) log(r *http.Request, rec *recorder, start time.Time) {
	took := time.Since(start)
	s.Metrics.Request(r.Method, rec.route, rec.status, took)
	if rec.aborted {
		s.Metrics.Aborted(rec.client.Err() != nil)
	}
	level := slog.LevelInfo
	switch {
	case rec.status >= http.StatusInternalServerError || rec.panicked || rec.aborted && rec.client.Err() == nil:
		level = slog.LevelError
	case quiet(r.URL.Path):
		level = slog.LevelDebug
	}
	if !s.Log.Enabled(r.Context(), level) {
		return
	}
	attrs := [11]slog.Attr{
		slog.String("request_id", rec.id),
		slog.String("method", r.Method),
		slog.String("route", rec.route),
		slog.String("path", r.URL.Path),
		slog.Int("status", rec.status),
		slog.Float64("duration_ms", float64(took.Microseconds())/1000),
		slog.Int64("bytes", rec.bytes),
		slog.Any("client", rec.from),
	}
	n := 8
	if rec.caller != nil {
		attrs[n] = slog.String("caller", rec.caller.ID)
		n++
	}
	if id := observe.TraceID(r); id != "" {
		attrs[n] = slog.String("trace_id", id)
		n++
	}
	if rec.cause != nil {
		attrs[n] = slog.String("cause", rec.cause.Error())
		n++
	}
	s.Log.LogAttrs(r.Context(), level, "request", attrs[:n]...)
}

// retryReads repeats a read whose connection to PostgreSQL was lost, so that a restart of the server goes unnoticed. It
// also notes the route for the log line.
func (s *Server) retryReads(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if rec, ok := c.Response().Writer.(*recorder); ok {
			rec.route = c.Path()
			rec.request.Pattern = rec.route // by which a span is named
		}
		r := c.Request()
		if strings.ContainsAny(r.URL.RawQuery, "%;") {
			// A part that cannot be parsed would be dropped, and a filter with it.
			if _, err := url.ParseQuery(r.URL.RawQuery); err != nil {
				return spec.NewProblem(http.StatusBadRequest, spec.ErrorCodeInvalidParameter, "the query of the URL is malformed")
			}
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			return next(c)
		}
		err := retry(r.Context(), func(err error) bool { return transient(err) && !c.Response().Committed }, func() error { return next(c) })
		if unknown := new(series.UnknownColumnError); errors.As(err, &unknown) && s.QuestDB.Forget(unknown.Table) {
			return next(c) // another process may have added the column
		}
		return err
	}
}

// pauses are the waits before the tries after the first.
var pauses = []time.Duration{50 * time.Millisecond, 150 * time.Millisecond, 300 * time.Millisecond}

// retry calls f again after errors that are transient.
func retry(ctx context.Context, again func(error) bool, f func() error) error {
	err := f()
	for _, pause := range pauses {
		if err == nil || !again(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
		err = f()
	}
	return err
}
