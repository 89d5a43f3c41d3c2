package questdb

import (
	"context"
	"net"
	"sync"
	"time"
)

// dialer opens connections to QuestDB for both protocols.
type dialer struct {
	connect, stall time.Duration
}

func (d dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{Timeout: d.connect}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &stallConn{Conn: conn, stall: d.stall}, nil
}

// stallConn ends a read for which the other side has sent nothing for a while: a frozen server keeps its connections open.
// How long the reader takes between two reads does not count.
type stallConn struct {
	net.Conn
	stall time.Duration

	mu    sync.Mutex
	given time.Time // the deadline that the owner has set; zero for none
}

func (c *stallConn) Read(b []byte) (int, error) {
	c.mu.Lock()
	deadline := time.Now().Add(c.stall)
	if !c.given.IsZero() && c.given.Before(deadline) {
		deadline = c.given
	}
	err := c.Conn.SetReadDeadline(deadline)
	c.mu.Unlock()
	if err != nil {
		return 0, err
	}
	return c.Conn.Read(b)
}

// SetReadDeadline also ends a read in progress: that is how a cancelled query is told.
func (c *stallConn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.given = t
	return c.Conn.SetReadDeadline(t)
}

func (c *stallConn) SetDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.given = t
	return c.Conn.SetDeadline(t)
}
