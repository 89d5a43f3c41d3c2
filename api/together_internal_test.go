package api

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
)

// crowd asks one handler, whose reads end when the test says so.
type crowd struct {
	*testing.T
	together together
	handler  echo.HandlerFunc
	reads    atomic.Int64
	begun    chan int64               // the number of each read as it begins
	outcome  chan func(n int64) error // what a read that was begun does next, given its number
	answers  sync.WaitGroup
}

func newCrowd(t *testing.T) *crowd {
	c := &crowd{T: t, together: together{reads: map[string]*turn{}}, begun: make(chan int64, 100), outcome: make(chan func(int64) error)}
	c.handler = c.together.middleware(func(ctx echo.Context) error {
		n := c.reads.Add(1)
		c.begun <- n
		if err := (<-c.outcome)(n); err != nil {
			return err
		}
		text := fmt.Appendf(nil, "read %d", n)
		ctx.Response().Header().Set("X-Row-Count", "1")
		ctx.Response().Header().Set("X-Mine", "1")
		share(ctx, text)
		return sendWhole(ctx, text)
	})
	return c
}

// ask returns where the answer will be: its text, or how it failed.
func (c *crowd) ask(address string) <-chan string {
	answer := make(chan string, 1)
	c.answers.Go(func() {
		rec := httptest.NewRecorder()
		if err := c.handler(echo.New().NewContext(httptest.NewRequest(http.MethodGet, address, nil), rec)); err != nil {
			answer <- err.Error()
			return
		}
		if rec.Header().Get("X-Row-Count") != "1" {
			c.Error("an answer lacks its headers")
		}
		answer <- rec.Body.String()
	})
	return answer
}

// waiting waits until so many stand in line behind the read of an address.
func (c *crowd) waiting(address string, n int) {
	c.Helper()
	soon(c.T, func() bool {
		c.together.mu.Lock()
		defer c.together.mu.Unlock()
		next := c.together.reads[http.MethodGet+address+"\n"]
		return next != nil && next.others+1 == n
	})
}

func soon(t *testing.T, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it does not come to that")
		}
	}
}

func (c *crowd) want(answer <-chan string, want string) {
	c.Helper()
	if got := <-answer; got != want {
		c.Errorf("the answer is %q, want %q", got, want)
	}
}

// empty waits for all answers and looks for what is left behind.
func (c *crowd) empty() {
	c.Helper()
	c.answers.Wait()
	if len(c.together.reads) > 0 {
		c.Errorf("%d reads are left", len(c.together.reads))
	}
}

func good(int64) error { return nil }

// Those who wait share a read that began after they had asked; whoever asks for something else does not wait.
func TestTogether(t *testing.T) {
	t.Parallel()
	c := newCrowd(t)
	first := c.ask("/a")
	<-c.begun
	var others []<-chan string
	for range 5 {
		others = append(others, c.ask("/a"))
	}
	c.waiting("/a", 5)
	elsewhere := c.ask("/b")
	if n := <-c.begun; n != 2 {
		t.Errorf("read %d begins, want another address's", n)
	}
	c.outcome <- good
	c.outcome <- good
	c.want(first, "read 1")
	c.want(elsewhere, "read 2")
	if n := <-c.begun; n != 3 {
		t.Errorf("read %d begins for those who waited", n)
	}
	late := c.ask("/a")
	c.waiting("/a", 1)
	c.outcome <- good
	for _, other := range others {
		c.want(other, "read 3")
	}
	<-c.begun
	c.outcome <- good
	c.want(late, "read 4")
	c.empty()
}

// When a read fails, so do not those who waited for it: each reads for itself. When it panics, nobody hangs.
func TestTogetherFailure(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(int64) error{
		"error": func(n int64) error { return fmt.Errorf("failed %d", n) },
		"gone":  func(int64) error { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCrowd(t)
			inner := c.handler
			c.handler = func(ctx echo.Context) (err error) {
				defer func() {
					if p := recover(); p != nil {
						err = fmt.Errorf("failed %d", c.reads.Load())
					}
				}()
				return inner(ctx)
			}
			first := c.ask("/a")
			<-c.begun
			second := c.ask("/a")
			c.waiting("/a", 1)
			third := c.ask("/a")
			c.waiting("/a", 2)
			c.outcome <- fail
			c.want(first, "failed 1")
			<-c.begun
			c.outcome <- fail
			c.want(second, "failed 2")
			<-c.begun
			c.outcome <- good
			c.want(third, "read 3")
			c.empty()
		})
	}
}

// A stream, which is not shared, lets the next begin as soon as it is known to be one.
func TestTogetherStream(t *testing.T) {
	t.Parallel()
	g := together{reads: map[string]*turn{}}
	release, streaming := make(chan struct{}), make(chan struct{}, 2)
	h := g.middleware(func(c echo.Context) error {
		share(c, nil)
		streaming <- struct{}{}
		<-release
		return nil
	})
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			_ = h(echo.New().NewContext(httptest.NewRequest(http.MethodGet, "/", nil), httptest.NewRecorder()))
		})
	}
	<-streaming
	<-streaming
	close(release)
	all.Wait()
}

// Nobody waits long for a read that hangs.
func TestTogetherPatience(t *testing.T) {
	t.Parallel()
	c := newCrowd(t)
	first := c.ask("/a")
	<-c.begun
	second := c.ask("/a")
	c.waiting("/a", 1)
	third := c.ask("/a")
	for n := int64(2); n <= 3; n++ {
		if got := <-c.begun; got != n {
			t.Errorf("read %d begins, want %d", got, n)
		}
	}
	for range 3 {
		c.outcome <- good
	}
	for _, answer := range []<-chan string{first, second, third} {
		<-answer
	}
	c.empty()
}
