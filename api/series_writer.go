package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/labstack/echo/v4"
)

// streamClock is the time that an answer of rows may take: as long as any read until its first row is there, and
// StreamTimeout for all of it.
type streamClock struct {
	context.Context
	cancel context.CancelFunc
	begun  func() bool // the first row is there
}

// streamClock has to be cancelled. It ends when the client leaves.
func (s *Server) streamClock(c echo.Context) *streamClock {
	short := c.Request().Context()
	client := short
	if rec, ok := c.Response().Writer.(*recorder); ok {
		client = rec.client
	}
	ctx, cancel := context.WithTimeout(client, s.StreamTimeout)
	return &streamClock{ctx, cancel, context.AfterFunc(short, cancel)}
}

// rowWriter sends an answer of unknown length. Each write has a time limit of its own, so that a client that no longer
// reads is dropped.
type rowWriter struct {
	to       *echo.Response
	conn     *http.ResponseController
	patience time.Duration
	packed   io.WriteCloser // compresses into the writer itself; nil for no compression
}

func (s *Server) streamTo(c echo.Context) (*rowWriter, error) {
	w := &rowWriter{to: c.Response(), conn: http.NewResponseController(c.Response()), patience: s.StreamWriteTimeout}
	// The limit for reading the request would end a stream that is longer: the server goes on reading, to see the client leave.
	if err := w.conn.SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return nil, err
	}
	header := w.to.Header()
	header.Add("Vary", "Accept-Encoding")
	switch encoding := encodingOf(c.Request()); encoding {
	case "gzip":
		setEncoding(header, encoding)
		w.packed = newGzip(w)
	case "zstd":
		setEncoding(header, encoding)
		z, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
			zstd.WithWindowSize(256<<10), zstd.WithLowerEncoderMem(true))
		if err != nil {
			return nil, err
		}
		w.packed = z
	}
	w.to.WriteHeader(http.StatusOK)
	return w, nil
}

// Write sends bytes as they are.
func (w *rowWriter) Write(b []byte) (int, error) {
	if err := w.conn.SetWriteDeadline(time.Now().Add(w.patience)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, err
	}
	return w.to.Write(b)
}

func (w *rowWriter) write(b []byte) error {
	var err error
	switch {
	case len(b) == 0:
	case w.packed != nil:
		_, err = w.packed.Write(b)
	default:
		_, err = w.Write(b)
	}
	return err
}

func (w *rowWriter) close() error {
	if w.packed == nil {
		return nil
	}
	return w.packed.Close()
}
