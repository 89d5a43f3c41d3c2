package main

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

// request is what is asked of a server over and over.
type request struct {
	paths   []string // in turn
	headers string   // lines that end in CR LF
	status  int      // that the answer has to have; 0: 200
}

func get(paths ...string) request { return request{paths: paths} }

// rate measures how often a server answers a request over so many connections.
func (s *stack) rate(address string, r request, connections int) measure {
	return func(ctx context.Context) (sample, error) { return load(ctx, address, r, connections, s.opts.For) }
}

// load sends r on every connection, each with one request at a time, for the span given or until the answer that is under way then.
// It shares the machine with the server, so it makes the bytes of the requests once.
func load(ctx context.Context, address string, r request, connections int, span time.Duration) (m sample, err error) {
	var requests [][]byte
	for _, path := range r.paths {
		requests = append(requests, []byte("GET "+path+" HTTP/1.1\r\nHost: "+address+"\r\n"+r.headers+"\r\n"))
	}
	clients, ctx := errgroup.WithContext(ctx)
	took, length := make([][]time.Duration, connections), make([]int64, connections)
	began := time.Now()
	for i := range connections {
		clients.Go(func() error {
			conn, err := (&net.Dialer{}).DialContext(ctx, "tcp4", address)
			if err != nil {
				return fmt.Errorf("connect: %w", err)
			}
			defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
			defer conn.Close() //nolint:errcheck // nothing is lost
			in := bufio.NewReaderSize(conn, 256<<10)
			for next, now := i*len(requests)/connections, time.Now(); len(took[i]) == 0 || now.Before(began.Add(span)); next++ {
				if _, err := conn.Write(requests[next%len(requests)]); err != nil {
					return fmt.Errorf("send a request: %w", err)
				}
				if length[i], err = receive(in, cmp.Or(r.status, http.StatusOK)); err != nil {
					return fmt.Errorf("receive an answer: %w", err)
				}
				done := time.Now()
				took[i], now = append(took[i], done.Sub(now)), done
			}
			return nil
		})
	}
	if err := clients.Wait(); err != nil {
		return m, err
	}
	m.took, m.bytes = slices.Sorted(slices.Values(slices.Concat(took...))), length[0]
	m.rate = float64(len(m.took)) / time.Since(began).Seconds()
	return m, nil
}

// receive reads one answer to its end and returns the length of its body.
func receive(in *bufio.Reader, status int) (int64, error) {
	res, err := http.ReadResponse(in, nil)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close() //nolint:errcheck // it is read to its end
	if res.StatusCode != status {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 300))
		return 0, fmt.Errorf("status %d: %s", res.StatusCode, text)
	}
	return io.Copy(io.Discard, res.Body)
}
