package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// request is what is asked of a service over and over.
type request struct {
	path    string
	more    []string // other paths that are asked for in turn with it
	headers string   // lines that end in CR LF
	status  int      // that the answer has to have; 0: 200
}

// rate measures how often a service answers a request over so many connections.
func (s *stack) rate(v *service, r request, connections int) measure {
	return func(ctx context.Context) (sample, error) { return load(ctx, v.address, r, connections, s.opts.For) }
}

// load sends r on every connection, each with one request at a time, for the span given. An answer of another status
// ends it with an error. It shares the machine with the service, so it does as little as can be: the request's bytes
// are made once, and of an answer it reads the status and the length and discards the rest.
func load(ctx context.Context, address string, r request, connections int, span time.Duration) (sample, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	var requests [][]byte
	for _, path := range append([]string{r.path}, r.more...) {
		requests = append(requests, []byte("GET "+path+" HTTP/1.1\r\nHost: "+address+"\r\n"+r.headers+"\r\n"))
	}
	clients := make([]*client, connections)
	for i := range clients {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp4", address)
		if err != nil {
			return sample{}, fmt.Errorf("connect: %w", err)
		}
		defer conn.Close() //nolint:errcheck // nothing is lost
		clients[i] = &client{
			conn:     conn,
			requests: requests,
			next:     i * len(requests) / connections,
			status:   []byte("HTTP/1.1 " + strconv.Itoa(r.status) + " "),
			buf:      make([]byte, 256<<10),
			took:     make([]time.Duration, 0, 1<<16),
		}
	}
	ctx, cancel := context.WithCancelCause(ctx) // the cause is the first client's error
	defer cancel(nil)
	stop := context.AfterFunc(ctx, func() {
		for _, c := range clients {
			_ = c.conn.Close()
		}
	})
	var all sync.WaitGroup
	began := time.Now()
	for _, c := range clients {
		all.Go(func() {
			if err := c.ask(began.Add(span)); err != nil {
				cancel(err)
			}
		})
	}
	all.Wait()
	elapsed := time.Since(began)
	if !stop() {
		return sample{}, context.Cause(ctx)
	}
	m := sample{bytes: int64(clients[0].length)}
	for _, c := range clients {
		m.took = append(m.took, c.took...)
	}
	slices.Sort(m.took)
	m.rate = float64(len(m.took)) / elapsed.Seconds()
	return m, nil
}

// client is one connection that is kept.
type client struct {
	conn     net.Conn
	requests [][]byte
	next     int    // of these
	status   []byte // that an answer begins with
	buf      []byte
	took     []time.Duration
	length   int // of the last body
}

// ask sends one request after the other until the time given.
func (c *client) ask(until time.Time) error {
	for now := time.Now(); now.Before(until); {
		if _, err := c.conn.Write(c.requests[c.next]); err != nil {
			return fmt.Errorf("send a request: %w", err)
		}
		c.next = (c.next + 1) % len(c.requests)
		if err := c.receive(); err != nil {
			return fmt.Errorf("receive an answer: %w", err)
		}
		done := time.Now()
		c.took = append(c.took, done.Sub(now))
		now = done
	}
	return nil
}

var (
	notModified   = []byte("HTTP/1.1 304 ")
	contentLength = []byte("\r\nContent-Length: ")
	chunked       = []byte("\r\nTransfer-Encoding: chunked")
	endOfHead     = []byte("\r\n\r\n")
	lastChunk     = []byte("0\r\n\r\n") // QuestDB writes two zeros
)

// receive reads one answer, which has to be of a stated length, or in chunks that fit into the buffer, or without a body.
func (c *client) receive() error {
	have, head := 0, -1
	for head < 0 {
		if have == len(c.buf) {
			return errors.New("its head does not end")
		}
		n, err := c.conn.Read(c.buf[have:])
		if err != nil {
			return err
		}
		have += n
		head = bytes.Index(c.buf[:have], endOfHead)
	}
	if !bytes.HasPrefix(c.buf[:head], c.status) {
		return fmt.Errorf("%.300q", c.buf[:have])
	}
	if bytes.HasPrefix(c.buf[:head], notModified) {
		c.length = 0
		return nil
	}
	if bytes.Contains(c.buf[:head], chunked) {
		for !bytes.HasSuffix(c.buf[:have], lastChunk) {
			if have == len(c.buf) {
				return errors.New("it is too long")
			}
			n, err := c.conn.Read(c.buf[have:])
			if err != nil {
				return err
			}
			have += n
		}
		c.length = have - head - len(endOfHead)
		return nil
	}
	_, rest, found := bytes.Cut(c.buf[:head], contentLength)
	if !found {
		return fmt.Errorf("no length: %q", c.buf[:head])
	}
	if end := bytes.IndexByte(rest, '\r'); end >= 0 {
		rest = rest[:end]
	}
	length, err := strconv.Atoi(string(rest))
	if err != nil {
		return fmt.Errorf("its length: %w", err)
	}
	for left := head + len(endOfHead) + length - have; left > 0; {
		n, err := c.conn.Read(c.buf[:min(left, len(c.buf))])
		if err != nil {
			return err
		}
		left -= n
	}
	c.length = length
	return nil
}
