package api_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"foldbook/api"
	"foldbook/internal/testdb"
)

// wire is a connection to the service, for requests that no client of net/http would send.
type wire struct {
	t    *testing.T
	conn *net.TCPConn
	read *bufio.Reader
}

func dial(t *testing.T, server *httptest.Server) *wire {
	t.Helper()
	conn, err := net.Dial("tcp4", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return &wire{t, conn.(*net.TCPConn), bufio.NewReader(conn)}
}

func (w *wire) send(format string, args ...any) {
	w.t.Helper()
	if _, err := fmt.Fprintf(w.conn, format, args...); err != nil {
		w.t.Fatal(err)
	}
}

// answer reads the next answer, of an error its code.
func (w *wire) answer() (status int, text string) {
	w.t.Helper()
	res, err := http.ReadResponse(w.read, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

// A body that ends early, however it does, is refused, and nothing of it is stored.
func TestCutOffOnTheWire(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.store("/api/datasets", datasetBody(newDataset, "btc25_1"), 201)
	before := h.counts()
	server := httptest.NewServer(h.http)
	defer server.Close()
	body := runBody(312)
	const head = "POST /api/runs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
	for _, n := range []int{0, 1, len(body) / 3, len(body) / 2, len(body) - 1} {
		w := dial(t, server)
		w.send("%sContent-Length: %d\r\n\r\n%s", head, len(body), body[:n])
		if err := w.conn.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if status, text := w.answer(); status != 400 || !strings.Contains(text, `"code":"invalid_json"`) || !strings.Contains(text, "ends early") {
			t.Errorf("%d of %d bytes: %d %s", n, len(body), status, text)
		}
		w = dial(t, server)
		w.send("%sTransfer-Encoding: chunked\r\n\r\n%x\r\n%s", head, len(body), body[:n])
		if err := w.conn.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if status, text := w.answer(); status != 400 || !strings.Contains(text, `"code":"invalid_json"`) {
			t.Errorf("%d of %d bytes in a chunk: %d %s", n, len(body), status, text)
		}
		w = dial(t, server) // and with a reset, which leaves nobody to answer
		w.send("%sContent-Length: %d\r\n\r\n%s", head, len(body), body[:n])
		if err := w.conn.SetLinger(0); err != nil {
			t.Fatal(err)
		}
		_ = w.conn.Close()
	}
	// A length that is shorter than the document cuts it as well; the rest is no request.
	w := dial(t, server)
	w.send("%sContent-Length: %d\r\nConnection: close\r\n\r\n%s", head, len(body)/2, body)
	if status, text := w.answer(); status != 400 || !strings.Contains(text, "cut off") {
		t.Errorf("half of the body by its length: %d %s", status, text)
	}
	if diff := cmp.Diff(before, h.counts()); diff != "" {
		t.Errorf("bodies that ended early left (-before +after):\n%s", diff)
	}
	w = dial(t, server)
	w.send("%sContent-Length: %d\r\n\r\n%s", head, len(body), body)
	if status, text := w.answer(); status != 201 || !strings.Contains(text, `"folds_stored":312`) {
		t.Errorf("the whole of it: %d %s", status, text)
	}
}

// A client that has only stopped sending does not take an empty answer for a success.
func TestHalfClosedRead(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.storeAll(2, 2)
	server := httptest.NewServer(h.http)
	defer server.Close()
	defer h.lock("walkforward_folds")() // before the server closes, which waits for its requests
	w := dial(t, server)
	w.send("GET /api/runs/%s HTTP/1.1\r\nHost: localhost\r\n\r\n", newRun)
	if err := w.conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if status, text := w.answer(); status < 400 {
		t.Errorf("%d %q", status, text)
	}
}

// What is too large is refused as early as it shows: by its length before it is sent, by what has come otherwise.
func TestTooLargeOnTheWire(t *testing.T) {
	t.Parallel()
	testdb.Slow(t)
	h := newHarness(t)
	h.store("/api/datasets", datasetBody(newDataset, "btc25_1"), 201)
	before := h.counts()
	server := httptest.NewServer(h.http)
	defer server.Close()
	const limit = 64 << 20
	for _, path := range []string{"/api/runs", "/api/datasets", "/api/simulations", "/api/runs/" + newRun + "/folds"} {
		w := dial(t, server)
		w.send("POST %s HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", path, limit+1)
		if status, text := w.answer(); status != 413 || !strings.Contains(text, `"code":"body_too_large"`) || !strings.Contains(text, strconv.Itoa(limit)) {
			t.Errorf("%s, one byte too many by its length: %d %s, want 413 and no 100", path, status, text)
		}
	}

	w := dial(t, server) // a body without end, in chunks
	w.send("POST /api/runs HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
	chunk := "100000\r\n" + strings.Repeat(" ", 1<<20) + "\r\n"
	sent := 0
	for ; sent < 2*limit; sent += 1 << 20 {
		if _, err := io.WriteString(w.conn, chunk); err != nil {
			break // the service has closed
		}
	}
	if sent >= 2*limit {
		t.Errorf("%d bytes were taken", sent)
	}

	packed := map[string][]byte{}
	var b bytes.Buffer
	g := gzip.NewWriter(&b)
	blanks := bytes.Repeat([]byte(" "), 1<<20)
	for range 200 {
		_, _ = g.Write(blanks)
	}
	_ = g.Close()
	packed["gzip"] = b.Bytes()
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	packed["zstd"] = z.EncodeAll(bytes.Repeat(blanks, 200), nil)
	for encoding, body := range packed {
		if len(body) > 1<<20 {
			t.Fatalf("%s: %d bytes", encoding, len(body))
		}
		if status, a := h.send(http.MethodPost, "/api/runs", string(body), "Content-Encoding", encoding); status != 413 || a["code"] != "body_too_large" {
			t.Errorf("200 MiB in %d bytes of %s: %d %v", len(body), encoding, status, a)
		}
	}
	if diff := cmp.Diff(before, h.counts()); diff != "" {
		t.Errorf("bodies that are too large left (-before +after):\n%s", diff)
	}
}

// A client that asks before it sends is told to go on, and is not when the body would be refused.
func TestExpectContinue(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	server := httptest.NewServer(h.http)
	defer server.Close()
	client := &http.Client{Transport: &http.Transport{ExpectContinueTimeout: 30 * time.Second}}
	defer client.CloseIdleConnections()
	for round, want := range []int{http.StatusCreated, http.StatusOK} {
		continued := false
		trace := &httptrace.ClientTrace{Got100Continue: func() { continued = true }}
		req, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), http.MethodPost, server.URL+"/api/datasets", strings.NewReader(datasetBody(newDataset, "btc25_1")))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Expect", "100-continue")
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body := readBody(t, res)
		if res.StatusCode != want || !continued {
			t.Errorf("round %d: %d, told to go on: %v, %s", round, res.StatusCode, continued, body)
		}
	}
}

// A body near the limit is stored, plain and packed.
func TestLargeBody(t *testing.T) {
	t.Parallel()
	testdb.Slow(t)
	h := newHarness(t)
	h.store("/api/datasets", datasetBody(newDataset, "btc25_1"), 201)
	const size, folds = 60 << 20, 312
	var curve strings.Builder
	for i := 0; curve.Len() < size/folds-600; i++ {
		curve.WriteString(strconv.FormatFloat(1/float64(i+3), 'g', -1, 64) + ",")
	}
	list := make([]string, folds)
	for i := range list {
		list[i] = strings.Replace(foldBody(i), `"hit_rate"`, `"curve": [`+curve.String()+`1], "hit_rate"`, 1)
	}
	body := strings.Replace(runBody(0), `"folds": []`, `"folds": [`+strings.Join(list, ",")+`]`, 1)
	if len(body) < size*95/100 || len(body) > 64<<20 {
		t.Fatalf("%d bytes", len(body))
	}
	server := httptest.NewServer(h.http)
	defer server.Close()
	res, err := http.Post(server.URL+"/api/runs", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if text := readBody(t, res); res.StatusCode != 201 || !strings.Contains(text, `"folds_stored":312`) {
		t.Fatalf("%d %s", res.StatusCode, text)
	}
	var values int
	if err := h.db.Pool.QueryRow(t.Context(), `SELECT sum(jsonb_array_length(metrics -> 'curve')) FROM walkforward_folds`).Scan(&values); err != nil {
		t.Fatal(err)
	}
	if want := (strings.Count(curve.String(), ",") + 1) * folds; values != want {
		t.Errorf("%d values, want %d", values, want)
	}
}

// A sender that only drips is cut off; one that keeps the pace may take longer than the limit for a request.
func TestSlowSenders(t *testing.T) {
	t.Parallel()
	h := newHarness(t, func(o *api.Options) { o.ReadTimeout = 400 * time.Millisecond })
	h.store("/api/datasets", datasetBody(newDataset, "btc25_1"), 201)
	server := httptest.NewServer(h.http)
	defer server.Close()
	body := runBody(312)
	const head = "POST /api/runs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
	drips := make([]*wire, 20)
	began := time.Now()
	for i := range drips {
		drips[i] = dial(t, server)
		drips[i].send(head, len(body))
	}
	stop := make(chan struct{})
	dripping := make(chan struct{})
	go func() {
		defer close(dripping)
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			case <-tick.C:
				for _, w := range drips {
					_, _ = w.conn.Write([]byte(body[n : n+1])) // which fails once it is cut off
				}
			}
		}
	}()
	for _, w := range drips {
		if status, text := w.answer(); status != 400 || !strings.Contains(text, "ends early") {
			t.Errorf("a dripping body: %d %s", status, text)
		}
	}
	close(stop)
	<-dripping
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("dripping bodies were cut off after %s", took)
	}

	w := dial(t, server)
	w.send(head, len(body))
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for rest := body; rest != ""; {
		n := min(len(rest), 32<<10)
		w.send("%s", rest[:n])
		rest = rest[n:]
		<-tick.C
	}
	if status, text := w.answer(); status != 201 || !strings.Contains(text, `"folds_stored":312`) {
		t.Errorf("a slow body: %d %s", status, text)
	}
}
