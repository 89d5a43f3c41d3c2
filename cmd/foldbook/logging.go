package main

import (
	"bufio"
	"io"
	"log/slog"
	"sync"
	"time"
)

// flushEvery bounds how late a log line appears. Lines are written in groups, because one write a request costs
// a small route a tenth of its rate.
const flushEvery = 50 * time.Millisecond

// newLogger returns a logger and the function that writes out what is left and stops it.
func (c config) newLogger(w io.Writer) (*slog.Logger, func()) {
	buffered := newFlusher(w)
	opts := &slog.HandlerOptions{Level: c.LogLevel}
	var handler slog.Handler = slog.NewTextHandler(buffered, opts)
	if c.LogFormat == "json" {
		handler = slog.NewJSONHandler(buffered, opts)
	}
	return slog.New(handler), buffered.close
}

// flusher is a buffered writer that never holds text back for longer than flushEvery.
type flusher struct {
	mu   sync.Mutex
	buf  *bufio.Writer
	stop chan struct{}
	done sync.WaitGroup
}

func newFlusher(w io.Writer) *flusher {
	f := &flusher{buf: bufio.NewWriterSize(w, 32<<10), stop: make(chan struct{})}
	f.done.Go(func() {
		tick := time.NewTicker(flushEvery)
		defer tick.Stop()
		for {
			select {
			case <-f.stop:
				return
			case <-tick.C:
				f.flush()
			}
		}
	})
	return f
}

// Write takes one log line.
func (f *flusher) Write(line []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.buf.Write(line)
}

func (f *flusher) flush() {
	f.mu.Lock()
	defer f.mu.Unlock()
	_ = f.buf.Flush() // a log that cannot be written has nowhere to be reported
}

func (f *flusher) close() {
	close(f.stop)
	f.done.Wait()
	f.flush()
}
