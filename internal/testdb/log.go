package testdb

import (
	"log/slog"
	"sync"
	"testing"
)

// Log is a log of warnings and errors that is shown when the test fails: an answer that a user sees does not say the cause.
func Log(t testing.TB) *slog.Logger {
	out := &output{t: t}
	t.Cleanup(func() {
		out.Lock()
		defer out.Unlock()
		out.t = nil // a goroutine of a server may outlive the test, whose output is closed then
	})
	return slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

type output struct {
	sync.Mutex
	t testing.TB
}

func (o *output) Write(line []byte) (int, error) {
	o.Lock()
	defer o.Unlock()
	if o.t == nil {
		return len(line), nil
	}
	return o.t.Output().Write(line)
}
