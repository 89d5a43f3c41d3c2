package main

import (
	"context"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// A stop waits for what was begun, a moment for connections that have sent nothing yet, and not for idle ones.
func TestStopWaitsForRequests(t *testing.T) {
	t.Parallel()
	const limit = 3 * time.Second
	for state, want := range map[http.ConnState]time.Duration{http.StateActive: limit, http.StateNew: silentTime, http.StateIdle: 0} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			conn, peer := net.Pipe()
			defer conn.Close()
			defer peer.Close()
			open := connections{states: map[net.Conn]http.ConnState{}}
			open.track(conn, state)
			began := time.Now()
			open.wait(ctx)
			if took := time.Since(began); took != want {
				t.Errorf("%s: the stop waited %s, want %s", state, took, want)
			}
		})
	}
}

// A log line appears by itself after a moment.
func TestLogLineAppears(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out safeBuffer
		f := newFlusher(&out)
		defer f.close()
		if _, err := f.Write([]byte("a line\n")); err != nil || out.String() != "" {
			t.Errorf("the line is %q, %v; want it held back", out.String(), err)
		}
		time.Sleep(flushEvery)
		synctest.Wait()
		if out.String() != "a line\n" {
			t.Errorf("after %s the log is %q, want the line", flushEvery, out.String())
		}
	})
}
