package api

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
)

// together answers those who ask for the same rows at the same time with one read. Who comes while such a read is under way
// waits until it has ended: what it has read may be older than what the newcomer has just written. Then the first of
// those who wait reads for all of them. So an answer is never older than its request, and a chart that many look at costs
// one read at a time rather than one for each. It is for routes that answer with writeRows, and the same to everybody.
type together struct {
	mu    sync.Mutex
	reads map[string]*turn // by what is asked for: the turn behind the read that is under way; nil: nobody waits yet
}

// turn is one read.
type turn struct {
	of     *together
	what   string
	begin  chan struct{} // closed when the first may read
	done   chan struct{} // closed when the others need not wait any more
	others int           // who wait for it
	ended  bool
	header http.Header // of the answer; nil: everybody has to read
	text   []byte
}

const (
	// turnPatience is how long anybody waits for others. Sharing is for reads whose cost is that there are many of them; one
	// that takes longer may have met a server that hangs, and nobody should learn of that late.
	turnPatience = 100 * time.Millisecond
	turnKey      = "turn"
)

// wholeHeaders are those that writeRows sets.
var wholeHeaders = []string{echo.HeaderContentType, echo.HeaderContentDisposition, "X-Row-Count", "X-Total-Count", "X-Next-Cursor"}

func (g *together) middleware(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		t, first := g.join(r.Method + r.RequestURI + "\n" + r.Header.Get(echo.HeaderAccept))
		if !first {
			if !wait(r.Context(), t.done) || t.header == nil {
				return next(c)
			}
			for name, values := range t.header {
				c.Response().Header()[name] = values
			}
			return sendWhole(c, t.text)
		}
		if t.begin != nil && !wait(r.Context(), t.begin) {
			t.leave()
		}
		defer t.end(nil, nil)
		c.Set(turnKey, t)
		return next(c)
	}
}

// join begins a read, or waits in line for the next one, as the first there or behind the first.
func (g *together) join(what string) (t *turn, first bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	next, reading := g.reads[what]
	switch {
	case !reading:
		g.reads[what] = nil
		return &turn{of: g, what: what}, true
	case next == nil:
		t = &turn{of: g, what: what, begin: make(chan struct{}), done: make(chan struct{})}
		g.reads[what] = t
		return t, true
	}
	next.others++
	return next, false
}

// wait returns whether what is waited for has come.
func wait(ctx context.Context, until <-chan struct{}) bool {
	patience := time.NewTimer(turnPatience)
	defer patience.Stop()
	select {
	case <-until:
		return true
	case <-patience.C:
	case <-ctx.Done():
	}
	return false
}

// leave ends the turn of a first who reads without waiting any more, unless it has just come.
func (t *turn) leave() {
	t.of.mu.Lock()
	defer t.of.mu.Unlock()
	if t.of.reads[t.what] == t {
		t.of.reads[t.what], t.ended = nil, true
		close(t.done)
	}
}

// end hands the answer to those who wait for it, or tells them that it is none to share, and lets the next begin.
func (t *turn) end(header http.Header, text []byte) {
	t.of.mu.Lock()
	defer t.of.mu.Unlock()
	if t.ended {
		return
	}
	t.ended = true
	if t.others > 0 && text != nil {
		t.header, t.text = http.Header{}, slices.Clone(text) // the buffer has other uses once it was sent
		for _, name := range wholeHeaders {
			if values := header[name]; values != nil {
				t.header[name] = values
			}
		}
	}
	if t.done != nil {
		close(t.done)
	}
	if next := t.of.reads[t.what]; next != nil {
		close(next.begin)
		t.of.reads[t.what] = nil
	} else {
		delete(t.of.reads, t.what)
	}
}

// share ends the turn of a request, if it has one, with the answer or, for nil, with none that others could have.
func share(c echo.Context, text []byte) {
	if t, ok := c.Get(turnKey).(*turn); ok {
		t.end(c.Response().Header(), text)
	}
}
