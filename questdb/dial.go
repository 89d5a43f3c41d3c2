package questdb

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
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

// stallConn ends a read when the other side has sent nothing for a while, because a frozen server keeps its connections open.
// The reader's own time between two reads does not count.
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
	n, err := c.Conn.Read(b)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		_ = c.Close() // whoever tidies up would only wait for the silent server again
	}
	return n, err
}

// SetReadDeadline also ends a read in progress, which is how a query is cancelled.
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

// closeOnCancel cancels a query by closing its connection, which QuestDB notices within milliseconds. By default pgx sends a
// cancel request on another connection and reads the rest of the answer for up to 15 s; but while QuestDB sends, it does not
// look at other connections, so the query would go on.
type closeOnCancel struct {
	conn net.Conn
}

func (h closeOnCancel) HandleCancel(context.Context) {
	conn := h.conn
	if secure, ok := conn.(*tls.Conn); ok { // which would first write a farewell
		conn = secure.NetConn()
	}
	_ = conn.Close()
}

func (closeOnCancel) HandleUnwatchAfterCancel() {}
