package main

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

// silentTime is how long a stop waits for connections that were opened and have sent no request yet.
const silentTime = 500 * time.Millisecond

// connections knows what the connections of a server are doing. http.Server.Shutdown alone would drop a request whose
// head arrives just after it began, on a connection that was accepted before.
type connections struct {
	mu     sync.Mutex
	states map[net.Conn]http.ConnState
}

// track is the server's ConnState hook.
func (c *connections) track(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if state == http.StateClosed || state == http.StateHijacked {
		delete(c.states, conn)
		return
	}
	c.states[conn] = state
}

// hurry gives the clients of all open answers this long to take what is on its way to them.
func (c *connections) hurry(patience time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn, state := range c.states {
		if state == http.StateActive {
			_ = conn.SetWriteDeadline(time.Now().Add(patience))
		}
	}
}

// wait returns when every request that was begun is answered, or when ctx ends. The listener is closed before.
func (c *connections) wait(ctx context.Context) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for began := time.Now(); c.busy(time.Since(began) < silentTime); {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (c *connections) busy(countNew bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, state := range c.states {
		if state == http.StateActive || countNew && state == http.StateNew {
			return true
		}
	}
	return false
}
