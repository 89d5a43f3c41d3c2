package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"foldbook/internal/testdb"
)

// service is a foldbook serve in this process.
type service struct {
	url  string
	log  *safeBuffer
	stop context.CancelFunc // as SIGTERM
	code chan int
	pid  int // of startProcess
}

type safeBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// freePort is below the range from which the system takes ports of outgoing connections.
func freePort(t *testing.T) int {
	t.Helper()
	for range 100 {
		port := 20000 + rand.IntN(12000)
		if l, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			_ = l.Close()
			return port
		}
	}
	t.Fatal("no free port")
	return 0
}

func start(t *testing.T, port int, environ ...string) *service {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	s := &service{url: fmt.Sprintf("http://127.0.0.1:%d", port), log: &safeBuffer{}, stop: stop, code: make(chan int, 1)}
	go func() {
		s.code <- run(ctx, []string{"serve"}, s.log, s.log, append(environ, fmt.Sprintf("PORT=%d", port)))
	}()
	t.Cleanup(func() {
		stop()
		select {
		case <-s.code:
		case <-time.After(15 * time.Second):
			t.Error("the service does not stop")
		}
	})
	return s
}

// get returns the status and the body; 0 when there is no answer.
func (s *service) get(path string) (int, string) {
	resp, err := http.Get(s.url + path)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(body)
}

// waitFor polls until path answers with status, and returns how long that took.
func (s *service) waitFor(t *testing.T, path string, status int) (body string, took time.Duration) {
	t.Helper()
	began := time.Now()
	last := ""
	for time.Since(began) < testdb.Patience {
		code, body := s.get(path)
		if code == status {
			return body, time.Since(began)
		}
		last = fmt.Sprint(code, " ", body)
		time.Sleep(10 * time.Millisecond) // between two looks
	}
	t.Fatalf("%s does not answer %d but %s\n%s", path, status, last, s.log)
	return "", 0
}

func (s *service) waitForLog(t *testing.T, text string) {
	t.Helper()
	for began := time.Now(); !strings.Contains(s.log.String(), text); time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > testdb.Patience {
			t.Fatalf("the log does not say %q\n%s", text, s.log)
		}
	}
}

func TestServeAndStopUnderLoad(t *testing.T) {
	t.Parallel()
	url := testdb.NewURL(t)
	seeded(t, url)
	const notice = 3 * time.Second // the machine may be a busy one
	environ := []string{"POSTGRES_URL=" + url, "SHUTDOWN_NOTICE=" + notice.String(), "QDB_HTTP_URL=http://127.0.0.1:1", "QDB_ILP_HOST=old", "QDB_ILP_PORT=9009", "LOG_FORMAT=json"}
	s := start(t, freePort(t), environ...)
	s.waitFor(t, "/readyz", http.StatusOK)
	for _, text := range []string{`"datasets":2,"runs":8,"simulations":8`, `"msg":"listening","address":"http://127.0.0.1:`, "QuestDB is away", "QDB_ILP_HOST and QDB_ILP_PORT are recognised and not used"} {
		s.waitForLog(t, text)
	}

	var answered atomic.Int64
	var stopped atomic.Pointer[time.Time]
	var clients sync.WaitGroup
	begun := make(chan struct{}, 64)
	for range 8 {
		clients.Go(func() {
			client := &http.Client{Transport: &http.Transport{}}
			for {
				began := time.Now()
				resp, err := client.Get(s.url + "/api/walkforward/runs")
				if at := stopped.Load(); err != nil && at != nil && began.Sub(*at) > notice-100*time.Millisecond {
					return // refused: the notice is over
				}
				if err != nil {
					t.Errorf("a request was lost: %v", err)
					return
				}
				if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
					t.Errorf("got status %d and %v, want a whole answer", resp.StatusCode, err)
				}
				_ = resp.Body.Close()
				answered.Add(1)
				select {
				case begun <- struct{}{}:
				default:
				}
			}
		})
	}
	for range cap(begun) {
		<-begun
	}
	began := time.Now()
	stopped.Store(&began)
	s.stop()
	s.waitFor(t, "/readyz", http.StatusServiceUnavailable) // while it still answers
	clients.Wait()
	code := <-s.code
	s.code <- code
	if took := time.Since(began); code != exitOK || took > 10*time.Second {
		t.Errorf("exit code %d after %s, want 0 within 10 s", code, took)
	}
	t.Logf("%d answers, none broken", answered.Load())
	if !strings.Contains(s.log.String(), `"msg":"stopped"`) {
		t.Errorf("the last line is missing\n%s", s.log)
	}
}

func TestServeWithoutPostgres(t *testing.T) {
	t.Parallel()
	server := testdb.Private(t)
	server.Kill()
	s := start(t, freePort(t), "POSTGRES_URL="+server.URL("foldbook"), "QDB_HTTP_URL=off")
	s.waitFor(t, "/healthz", http.StatusOK)
	s.waitFor(t, "/readyz", http.StatusServiceUnavailable)
	if code, body := s.get("/api/indicators/datasets"); code != http.StatusServiceUnavailable {
		t.Errorf("got %d %s, want 503", code, body)
	}
	s.waitForLog(t, "PostgreSQL is away")
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, took := s.waitFor(t, "/api/indicators/datasets", http.StatusOK); took > 2*time.Second {
		t.Errorf("recovered after %s, want within 2 s", took)
	}
	s.waitForLog(t, "PostgreSQL checked")
}

func TestServeOnOlderSchema(t *testing.T) {
	t.Parallel()
	url := "POSTGRES_URL=" + testdb.EmptyURL(t)
	s := start(t, freePort(t), url, "QDB_HTTP_URL=off")
	s.waitForLog(t, "the schema is older than this build, so the service is not ready")
	body := ""
	for began := time.Now(); !strings.Contains(body, "migrate up"); { // a busy server may not answer in time, which is "down"
		if body, _ = s.waitFor(t, "/readyz", http.StatusServiceUnavailable); time.Since(began) > testdb.Patience {
			t.Fatalf("readyz says %s, want what to do", body)
		}
	}

	migrating := start(t, freePort(t), url, "QDB_HTTP_URL=off", "MIGRATE_ON_START=true")
	migrating.waitFor(t, "/readyz", http.StatusOK)
	migrating.waitForLog(t, "migration applied")
	s.waitFor(t, "/readyz", http.StatusOK)
}

func TestBusyPort(t *testing.T) {
	t.Parallel()
	for name, freed := range map[string]bool{"freed in time": true, "never freed": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			port := freePort(t)
			other, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = other.Close() })
			began := time.Now()
			s := start(t, port, "POSTGRES_URL="+testdb.NewURL(t), "QDB_HTTP_URL=off")
			if freed {
				s.waitForLog(t, "PostgreSQL checked")
				_ = other.Close()
				s.waitFor(t, "/healthz", http.StatusOK)
				return
			}
			code := <-s.code
			s.code <- code
			if want := fmt.Sprintf("port %d on 127.0.0.1 has been busy for 5s", port); code != exitFailed || !strings.Contains(s.log.String(), want) {
				t.Errorf("exit code %d after %s, want 1 and %q\n%s", code, time.Since(began), want, s.log)
			}
		})
	}
}

// What is wrong with the settings is said when the service starts: a password or role that PostgreSQL refuses, and a name in .env
// that is no setting.
func TestStartsWithWrongSettings(t *testing.T) {
	address, err := url.Parse(testdb.NewURL(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	address.User = url.UserPassword("nobody_here", "x")
	env := "POSTGRES_POOLSIZE=4\nLOG_LEVEL=info\nPGAPPNAME=x\n"
	if err := os.WriteFile(".env", []byte(env), 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, freePort(t), "POSTGRES_URL="+address.String(), "QDB_HTTP_URL=off")
	s.waitForLog(t, "PostgreSQL refuses the connection")
	for _, part := range []string{"name=POSTGRES_POOLSIZE", "nobody_here"} {
		s.waitForLog(t, part)
	}
	if log := s.log.String(); strings.Contains(log, "PGAPPNAME") || strings.Contains(log, "name=LOG_LEVEL") {
		t.Error(log)
	}
}
