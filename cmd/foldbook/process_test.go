package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"foldbook/internal/testdb"
)

// asProcess in the environment turns TestProcess into foldbook itself.
const asProcess = "FOLDBOOK_TEST_PROCESS"

// TestProcess is what startProcess runs: main, in a process that signals can be sent to.
func TestProcess(t *testing.T) {
	t.Parallel()
	if os.Getenv(asProcess) == "" {
		t.Skip("a helper of other tests")
	}
	go func() { // ends with the test that started it, whatever happens to that
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(3)
	}()
	os.Args = []string{"foldbook", "serve"}
	main()
}

// startProcess starts foldbook serve in a process of its own, without QuestDB unless environ names one. Its stop sends SIGTERM.
func startProcess(t *testing.T, environ ...string) *service {
	t.Helper()
	testdb.Slow(t)
	port := freePort(t)
	s := &service{url: fmt.Sprintf("http://127.0.0.1:%d", port), log: &safeBuffer{}, code: make(chan int, 1)}
	cmd := exec.Command(os.Args[0], "-test.run=^TestProcess$")
	cmd.Dir = t.TempDir() // no .env
	cmd.Env = slices.Concat([]string{asProcess + "=1", fmt.Sprintf("PORT=%d", port), "QDB_HTTP_URL=off"}, environ)
	cmd.Stdout, cmd.Stderr = s.log, s.log
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.pid = cmd.Process.Pid
	s.stop = func() { _ = cmd.Process.Signal(syscall.SIGTERM) }
	go func() {
		_ = cmd.Wait()
		s.code <- cmd.ProcessState.ExitCode()
	}()
	t.Cleanup(func() {
		_ = in.Close()
		<-s.code
	})
	return s
}

// exit waits for the end of the process and returns its code.
func (s *service) exit() int {
	code := <-s.code
	s.code <- code // for the cleanup
	return code
}

// quick requires that a path answers with the status within the limit.
func (s *service) quick(t *testing.T, path string, status int, limit time.Duration) {
	t.Helper()
	began := time.Now()
	code, body := s.get(path)
	if took := time.Since(began); code != status || took > limit {
		t.Errorf("%s answers %d after %s, want %d within %s\n%s", path, code, took, status, limit, body)
	}
}

// answer is one request of a load and what became of it.
type answer struct {
	path       string
	begun      time.Time
	took       time.Duration
	status     int
	retryAfter string
	body       []byte // of what is not 200
	err        error
}

// load is clients that ask one path after the other, without a pause, until they are stopped.
type load struct {
	clients   sync.WaitGroup
	ended     chan struct{}
	mu        sync.Mutex
	answers   []answer
	good, bad atomic.Int64
}

func (s *service) load(clients int, paths ...string) *load {
	l := &load{ended: make(chan struct{})}
	for n := range clients {
		l.clients.Go(func() {
			client := &http.Client{Transport: &http.Transport{}, Timeout: 20 * time.Second}
			defer client.CloseIdleConnections()
			for i := n; ; i++ {
				select {
				case <-l.ended:
					return
				default:
				}
				a := ask(client, s.url, paths[i%len(paths)])
				l.mu.Lock()
				l.answers = append(l.answers, a)
				l.mu.Unlock()
				if a.err == nil && a.status == http.StatusOK {
					l.good.Add(1)
				} else {
					l.bad.Add(1)
				}
				if a.err != nil {
					return
				}
			}
		})
	}
	return l
}

// ask reads the whole answer.
func ask(client *http.Client, url, path string) (a answer) {
	a.path, a.begun = path, time.Now()
	defer func() { a.took = time.Since(a.begun) }()
	resp, err := client.Get(url + path)
	if err != nil {
		a.err = err
		return a
	}
	defer func() { _ = resp.Body.Close() }()
	a.status, a.retryAfter = resp.StatusCode, resp.Header.Get("Retry-After")
	body, err := io.ReadAll(resp.Body)
	if err == nil && !json.Valid(body) {
		err = fmt.Errorf("the body is not JSON: %.200q", body)
	}
	if a.err = err; a.status != http.StatusOK {
		a.body = body
	}
	return a
}

// stop ends the clients and returns all answers.
func (l *load) stop() []answer {
	close(l.ended)
	l.clients.Wait()
	return l.answers
}

// until waits for a condition.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for began := time.Now(); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Since(began) > testdb.Patience {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

var innards = regexp.MustCompile(`(?i)sqlstate|pgx|postgres|socket|dial|lookup|\.go\b|/tmp|/run|select|relation`)

// standard requires of a failed answer the common form: JSON with message and code, nothing of the inside, and when to
// try again.
func (a answer) standard() error {
	var body struct {
		Message   string `json:"message"`
		Error     string `json:"error"`
		Code      string `json:"code"`
		RequestID string `json:"request_id"`
	}
	if err := json.Unmarshal(a.body, &body); err != nil {
		return fmt.Errorf("the body is not JSON: %w", err)
	}
	want := map[int]string{http.StatusServiceUnavailable: "database_unavailable", http.StatusGatewayTimeout: "timeout"}[a.status]
	switch {
	case want == "":
		return errors.New("in an outage the answer is 503 or 504")
	case body.Code != want:
		return fmt.Errorf("the code is %q, want %q", body.Code, want)
	case body.Message == "" || body.Message != body.Error || body.RequestID == "":
		return errors.New("message, error or request_id is missing")
	case innards.Match(a.body):
		return errors.New("it shows what is inside")
	case a.retryAfter == "":
		return errors.New("Retry-After is missing")
	}
	return nil
}

// inOutage requires of each answer that it was whole, came within 5 s and is 200 or a failure in the standard form; and
// of those that were asked for later than 2 s after the database was back, that they are good.
func inOutage(t *testing.T, answers []answer, back time.Time) {
	t.Helper()
	const longest, recovery = 5 * time.Second, 2 * time.Second
	kinds := map[int]int{}
	var lastBad, slowest time.Duration
	late, complaints := 0, 0
	for _, a := range answers {
		var wrong error
		kinds[a.status]++
		slowest = max(slowest, a.took)
		since := a.begun.Sub(back)
		switch {
		case a.err != nil:
			wrong = a.err
		case a.took > longest:
			wrong = fmt.Errorf("it took longer than %s", longest)
		case a.status != http.StatusOK:
			lastBad = max(lastBad, since)
			if wrong = a.standard(); wrong == nil && since > recovery {
				wrong = fmt.Errorf("it was asked for %s after the database was back", since)
			}
		case since > recovery:
			late++
		}
		if wrong != nil && complaints < 5 {
			complaints++
			t.Errorf("%s: %d after %s: %v\n%s", a.path, a.status, a.took, wrong, a.body)
		}
	}
	if late == 0 {
		t.Error("no good answer to what was asked for later than 2 s after the database was back")
	}
	t.Logf("answers by status: %v; the slowest took %s; the last bad one was asked for %s after the database was back", kinds, slowest, lastBad)
}
