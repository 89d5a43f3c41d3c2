package main

import (
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"foldbook/internal/testdb"
)

// docs/access.md, Limits: a thousand clients whose heads and bodies trickle do not slow others down.
func TestSlowClients(t *testing.T) {
	t.Parallel()
	url := testdb.NewURL(t)
	seeded(t, url)
	s := startProcess(t, "POSTGRES_URL="+url, "LOG_LEVEL=error", "READ_HEADER_TIMEOUT=2m", "READ_TIMEOUT=2m")
	s.waitFor(t, "/readyz", http.StatusOK)
	const dataset = `{"dataset_id": "0d000000-0000-4000-8000-00000000000d", "dataset_slug": "slow", "symbol": "x", "granularity": "1h", "source": "x"}`
	typical := func() time.Duration {
		var took []time.Duration
		for i := range 200 {
			began := time.Now()
			if i%2 == 0 {
				if code, body := s.get("/api/runs?limit=1"); code != http.StatusOK {
					t.Fatalf("a read: %d %s", code, body)
				}
			} else {
				res, err := http.Post(s.url+"/api/datasets?dry_run=true", "application/json", strings.NewReader(dataset))
				if err != nil {
					t.Fatal(err)
				}
				_ = res.Body.Close()
				if res.StatusCode/100 != 2 {
					t.Fatalf("a write: %d", res.StatusCode)
				}
			}
			took = append(took, time.Since(began))
		}
		slices.Sort(took)
		return took[len(took)/2]
	}
	typical() // connections and caches
	alone := typical()
	begin := []string{
		"GET /api/runs HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
		"POST /api/datasets HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 60000000\r\n\r\n{\"metadata\": \"",
		"POST /api/runs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
		"POST /api/datasets/x/ohlcv/append HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\nContent-Length: 60000000\r\n\r\n",
	}
	var slow []net.Conn
	for i := range 1000 {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		_, _ = fmt.Fprint(conn, begin[i%len(begin)])
		slow = append(slow, conn)
	}
	var trickle sync.WaitGroup
	var sent atomic.Int64
	ended := make(chan struct{})
	trickle.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-ended:
				return
			case <-time.After(time.Millisecond): // each of them a byte a second
				n, _ := slow[i%len(slow)].Write([]byte("x"))
				sent.Add(int64(n))
			}
		}
	})
	beside := typical()
	close(ended)
	trickle.Wait()
	t.Logf("a request takes %s alone, and %s beside 1000 slow clients, which sent %d bytes", alone, beside, sent.Load())
	if beside > 10*alone+20*time.Millisecond { // it would wait for minutes
		t.Errorf("a request takes %s alone, and %s beside slow clients", alone, beside)
	}
}
