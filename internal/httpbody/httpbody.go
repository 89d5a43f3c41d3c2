// Package httpbody reads the bodies of requests. It bounds their size, the memory of all of them together and the time that
// each may take to arrive; it decompresses them and decodes strict JSON. A validation error has the path of the value, such
// as folds[17].test_end_idx.
package httpbody

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/sync/semaphore"

	"foldbook/api/spec"
)

const (
	// minRate is the bytes a second that a body has to arrive with, once the receiver's timeout is used up.
	minRate = 64 << 10
	// smallBody is the size up to which a body needs no memory budget.
	smallBody = 64 << 10
	// mediumBody is the size from which a body needs the budget of large ones as well.
	mediumBody = 4 << 20
	// The memory budgets of all requests together. There are two, so that a body that waits to become a large one cannot
	// block a large one.
	mediumBudget, largeBudget = 64 << 20, 96 << 20
	// maxWaiting is what bodies may wait for beside largeBudget: on a busy machine a body of 60 MiB takes 20 s to store, and what waits
	// longer than wait is refused after all of it.
	maxWaiting = largeBudget
	// maxWindow is the window that every decoder of zstd over HTTP has to support (RFC 9659), and the most that is accepted.
	maxWindow = 8 << 20
)

// ErrBusy is the error of a body that did not get its memory budget in time.
var ErrBusy = errors.New("too many bodies are in memory")

var errTooLarge = errors.New("too large")

// Receiver opens the bodies of requests. All bodies of a server share one.
type Receiver struct {
	timeout, wait time.Duration
	medium, large *semaphore.Weighted
	waiting, held atomic.Int64 // bytes that bodies wait for, and have
}

// NewReceiver makes a receiver. A body has to arrive within timeout, and a second more for each 64 KiB, and waits for its
// memory budget for at most wait.
func NewReceiver(timeout, wait time.Duration) *Receiver {
	return &Receiver{timeout: timeout, wait: wait, medium: semaphore.NewWeighted(mediumBudget), large: semaphore.NewWeighted(largeBudget)}
}

// Held is how many bytes of the memory budgets are held now.
func (l *Receiver) Held() int64 { return l.held.Load() }

// Body is the body of one request, decompressed as it is read. The first error stays.
type Body struct {
	receiver      *Receiver
	ctx           context.Context // of the request
	conn          *connection
	in            io.Reader // decompresses conn
	closeIn       func()
	encoding      string
	size          int64 // -1: not known
	limit         int64
	read          int64
	medium, large int64    // bytes of the budgets that it holds
	nonfinite     bool     // NaN and the like are null
	warnings      []string // which of them there were
	grows         int64    // how many bytes of memory a byte of it takes
	err           error
}

// Open begins to read a body. Limit is its largest size, before and after decompression. Errors of Read and Decode are
// answers: 413 body_too_large, 415 unsupported_encoding, 400 invalid_json and invalid_body, or ErrBusy.
func (l *Receiver) Open(w http.ResponseWriter, r *http.Request, limit int64) *Body {
	b := &Body{
		receiver: l, ctx: r.Context(), closeIn: func() {}, size: r.ContentLength, limit: limit, grows: 1,
		encoding: strings.ToLower(strings.Join(r.Header.Values("Content-Encoding"), ",")),
	}
	if b.size > limit {
		return b.fail(errTooLarge)
	}
	b.conn = &connection{
		Reader: http.MaxBytesReader(w, r.Body, limit), controller: http.NewResponseController(w), deadline: time.Now().Add(l.timeout),
	}
	var err error
	switch b.encoding {
	case "", "identity":
		b.in, b.encoding = b.conn, ""
	case "gzip":
		b.size = -1
		b.in, err = gzip.NewReader(b.conn)
	case "zstd":
		b.size = -1
		var d *zstd.Decoder
		d, err = zstd.NewReader(b.conn, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		if err == nil {
			b.in, b.closeIn = d, d.Close
		}
	default:
		b.err = spec.NewProblem(http.StatusUnsupportedMediaType, spec.ErrorCodeUnsupportedEncoding, "a body is read as it is, as gzip or as zstd")
		return b
	}
	if err != nil {
		return b.fail(err)
	}
	return b
}

// Grows says how many bytes of memory a byte of the body may take: the budgets count them.
func (b *Body) Grows(n int64) *Body {
	b.grows = n
	return b
}

// Close ends the reading and releases the memory budget. Values that were decoded from the body must not be used any more.
func (b *Body) Close() {
	b.closeIn()
	b.receiver.medium.Release(b.medium)
	b.receiver.large.Release(b.large)
	b.receiver.held.Add(-b.medium - b.large)
	b.medium, b.large = 0, 0
}

// Read reads decompressed bytes.
func (b *Body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.in.Read(p)
	b.read += int64(n)
	if b.read > b.limit {
		err = errTooLarge
	} else if wait := b.acquire(); wait != nil {
		b.err = wait
		return n, wait
	}
	if err != nil && err != io.EOF {
		return n, b.fail(err).err
	}
	return n, err
}

// Failure is the answer to a body that could not be read to its end: its own error, or that it ends early.
func (b *Body) Failure() error {
	if b.err == nil {
		b.fail(io.ErrUnexpectedEOF)
	}
	return b.err
}

func (b *Body) fail(err error) *Body {
	var over *http.MaxBytesError
	switch {
	case errors.As(err, &over), errors.Is(err, errTooLarge):
		b.err = spec.NewProblem(http.StatusRequestEntityTooLarge, spec.ErrorCodeBodyTooLarge,
			fmt.Sprintf("the body is larger than %d bytes", b.limit))
	case errors.Is(err, zstd.ErrWindowSizeExceeded):
		b.err = invalidJSON("", fmt.Sprintf("is zstd with a window of more than %d bytes", maxWindow))
	case b.encoding != "" && b.conn.err == nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
		b.err = invalidJSON("", "is not "+b.encoding+", or is damaged")
	default: // the client left or was too slow
		b.err = invalidJSON("", "ends early")
	}
	return b
}

// acquire waits for memory when the body has reached smallBody, and again when it has reached mediumBody.
func (b *Body) acquire() error {
	most := b.limit
	if b.size >= 0 {
		most = b.size
	}
	if b.read >= smallBody && b.medium == 0 {
		n := min(most, mediumBody) * b.grows
		if err := b.wait(b.receiver.medium, n); err != nil {
			return err
		}
		b.medium = n
		b.receiver.held.Add(n)
	}
	if b.read >= mediumBody && b.large == 0 {
		n := min(most*b.grows, largeBudget)
		if err := b.wait(b.receiver.large, n); err != nil {
			return err
		}
		b.large = n
		b.receiver.held.Add(n)
	}
	return nil
}

func (b *Body) wait(budget *semaphore.Weighted, n int64) error {
	if budget.TryAcquire(n) {
		return nil
	}
	defer b.receiver.waiting.Add(-n)
	if b.receiver.waiting.Add(n) > maxWaiting {
		return ErrBusy
	}
	began := time.Now()
	ctx, cancel := context.WithTimeout(b.ctx, b.receiver.wait)
	defer cancel()
	err := budget.Acquire(ctx, n)
	if errors.Is(err, context.DeadlineExceeded) {
		return ErrBusy
	}
	b.conn.deadline = b.conn.deadline.Add(time.Since(began)) // for which the sender cannot be blamed
	return err
}

// Decode reads exactly one JSON document into the struct v. Values of type Raw are not copied: they stay slices of the
// body, which is in memory once.
func (b *Body) Decode(v any, opts ...json.Options) error {
	text, err := b.readAll()
	if err != nil {
		return err
	}
	if b.nonfinite {
		text, b.warnings = nullNonfinite(text)
	}
	if wrong := DecodeJSON(text, v, opts...); wrong != nil {
		return wrong
	}
	return nil
}

// readAll reads the whole body. The buffer grows with the bytes that arrive, not with the announced length: Read waits for the
// memory budget before the buffer exceeds smallBody, and again before it exceeds mediumBody.
func (b *Body) readAll() ([]byte, error) {
	most := b.limit + 1
	if b.size >= 0 {
		most = b.size + 1 // one byte more, so that the end is seen without growing
	}
	buf := make([]byte, 0, min(most, smallBody))
	for {
		n, err := b.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if err == io.EOF { //nolint:errorlint // readers return it as it is
			return buf, nil
		} else if err != nil {
			return nil, err
		}
		if len(buf) < cap(buf) {
			continue
		}
		grown := min(2*int64(cap(buf)), most)
		if b.size >= 0 && cap(buf) >= mediumBody {
			grown = most
		} else if b.size >= 0 {
			grown = min(mediumBody, most)
		}
		if grown <= int64(cap(buf)) { // more than was announced
			return nil, b.fail(errTooLarge).err
		}
		buf = append(make([]byte, 0, grown), buf...)
	}
}

// connection is a body as it arrives. A fixed time limit for a whole request would either cut large bodies on slow networks,
// or let a client hold a connection by sending a byte now and then.
type connection struct {
	io.Reader
	controller *http.ResponseController
	deadline   time.Time
	ended      bool
	err        error // other than the end
}

// Read gives the sender a second more for each 64 KiB. At the end net/http lifts the limit, and a later read must not set it
// again: when it expired, the client would seem to have left.
func (c *connection) Read(p []byte) (int, error) {
	if c.ended {
		return 0, io.EOF
	}
	_ = c.controller.SetReadDeadline(c.deadline) // a connection that has none, as in tests, needs no limit
	n, err := c.Reader.Read(p)
	c.deadline = c.deadline.Add(time.Duration(n) * time.Second / minRate)
	if c.ended = err == io.EOF; !c.ended {
		c.err = err
	}
	return n, err
}
