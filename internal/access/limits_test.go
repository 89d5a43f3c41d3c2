package access_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"foldbook/api/spec"
	"foldbook/internal/access"
)

// retryAfter is the seconds of a refusal, 0 of none.
func retryAfter(t *testing.T, err error) time.Duration {
	t.Helper()
	refused := new(spec.Problem)
	if err == nil {
		return 0
	}
	if !errors.As(err, &refused) || refused.Status != http.StatusTooManyRequests || refused.Code != spec.ErrorCodeRateLimited {
		t.Fatalf("got %v", err)
	}
	return time.Duration(refused.Details["retry_after"].(int)) * time.Second
}

// docs/access.md, Limits: Retry-After is exact: the request is let through after it, and was not a second before.
func TestLimiter(t *testing.T) {
	t.Parallel()
	for _, rate := range []float64{0.001, 0.03, 0.5, 1, 3, 7.7, 100, 1e4} {
		synctest.Test(t, func(t *testing.T) {
			l, caller := access.NewLimiter(spec.BudgetReads, rate), &access.Caller{ID: "key a"}
			random := rand.New(rand.NewPCG(1, uint64(rate*1000)))
			refusals := 0
			for range 500 {
				wait := retryAfter(t, l.Take(caller, netip.Addr{}))
				if wait == 0 {
					continue
				}
				refusals++
				if refusals%10 == 0 { // else a client that does not wait
					time.Sleep(time.Duration(random.Int64N(int64(wait))))
					again := retryAfter(t, l.Take(caller, netip.Addr{}))
					if again > wait {
						t.Errorf("%v: after some of %s: %s", rate, wait, again)
					}
					if again > time.Second {
						time.Sleep(again - time.Second)
						if retryAfter(t, l.Take(caller, netip.Addr{})) == 0 {
							t.Errorf("%v: let through a second before the %s had passed", rate, again)
						}
						time.Sleep(time.Second)
						if left := retryAfter(t, l.Take(caller, netip.Addr{})); left != 0 {
							t.Errorf("%v: refused after the %s: %s more", rate, again, left)
						}
					}
				} else if refusals%7 == 0 {
					time.Sleep(wait)
					if left := retryAfter(t, l.Take(caller, netip.Addr{})); left != 0 {
						t.Errorf("%v: refused after the %s: %s more", rate, wait, left)
					}
				}
			}
			if refusals == 0 && rate < 10 {
				t.Errorf("%v: nothing was refused", rate)
			}
			for range 1000 * max(1, int(rate*10)/1000) { // whatever others do
				_ = l.Take(caller, netip.Addr{})
			}
			if err := l.Take(&access.Caller{ID: "key b"}, netip.Addr{}); err != nil {
				t.Errorf("%v: another caller: %v", rate, err)
			}
		})
	}
}

// A minute of a client that never waits gets what the budget gives, and no more.
func TestLimiterRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, passed := access.NewLimiter(spec.BudgetReads, 5), 0
		for range 60_000 {
			if l.Take(nil, netip.MustParseAddr("192.0.2.1")) == nil {
				passed++
			}
			time.Sleep(time.Millisecond)
		}
		if passed < 349 || passed > 350 { // 50 at once, 5 a second
			t.Errorf("%d of 60,000 were let through", passed)
		}
	})
}

// docs/access.md, Limits: addresses of one IPv6 network are one caller, and the table of callers is bounded.
func TestLimiterCallers(t *testing.T) {
	t.Parallel()
	l := access.NewLimiter(spec.BudgetReads, 0.0001) // a token in three hours: none comes while the test runs
	take := func(addr string) error { return l.Take(nil, netip.MustParseAddr(addr)) }
	for first, other := range map[string]string{"2001:db8::1": "2001:db8::2:3:4:5", "192.0.2.1": "192.0.2.1"} {
		if err := take(first); err != nil {
			t.Errorf("%s: %v", first, err)
		}
		if take(other) == nil {
			t.Errorf("%s is let through after %s", other, first)
		}
	}
	for _, other := range []string{"2001:db8:0:1::1", "192.0.2.2"} {
		if err := take(other); err != nil {
			t.Errorf("%s: %v", other, err)
		}
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for i := range 300_000 {
		if err := l.Take(&access.Caller{ID: fmt.Sprintf("subject %d", i)}, netip.Addr{}); err != nil {
			t.Fatal(err)
		}
		if i%1000 == 0 && take("192.0.2.1") == nil { // one who keeps coming is not forgotten
			t.Fatalf("let through again after %d others", i)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 40<<20 {
		t.Errorf("300,000 callers take %d bytes", grown)
	}
	runtime.KeepAlive(l)
}

// docs/access.md, Limits: wrong credentials of an address make it wait, right ones too; other addresses and requests without one do not.
func TestFailures(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gate := &access.Gate{Failures: access.NewLimiter(spec.BudgetFailures, 1)}
		gate.AddToken("right-0123456789", "a token", spec.ScopeRead)
		evil, other := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
		check := func(from netip.Addr, token string) int {
			header := http.Header{}
			if token != "" {
				header.Set("X-Api-Key", token)
			}
			_, err := gate.Check(request(t, header), spec.ScopeRead, from)
			if refused := new(spec.Problem); errors.As(err, &refused) {
				return refused.Status
			}
			return http.StatusOK
		}
		guesses := 0
		for range 3600 {
			for check(evil, "wrong-0123456789") == http.StatusUnauthorized {
				guesses++
			}
			if got := check(evil, "right-0123456789"); got != http.StatusTooManyRequests {
				t.Fatalf("the right one among them: %d", got)
			}
			if got := check(other, "right-0123456789"); got != http.StatusOK {
				t.Fatalf("another address: %d", got)
			}
			if got := check(evil, ""); got != http.StatusUnauthorized {
				t.Fatalf("without a credential: %d", got)
			}
			time.Sleep(time.Second)
		}
		if guesses > 3610 {
			t.Errorf("%d guesses in an hour", guesses)
		}
		time.Sleep(time.Second)
		for range 1000 {
			if got := check(evil, "right-0123456789"); got != http.StatusOK {
				t.Fatalf("the right one after a pause: %d", got)
			}
		}
	})
}

// docs/access.md, Limits: the address of a client behind proxies, and what he makes up.
func TestProxies(t *testing.T) {
	t.Parallel()
	ours := access.Proxies{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8"), netip.MustParsePrefix("127.0.0.1/32")}
	for _, tc := range []struct {
		peer string
		sent []string
		want string
	}{
		{"192.0.2.1:5", nil, "192.0.2.1"}, {"192.0.2.1:5", []string{"198.51.100.7"}, "192.0.2.1"},
		{"10.0.0.1:5", nil, "10.0.0.1"}, {"10.0.0.1:5", []string{"198.51.100.7"}, "198.51.100.7"}, {"[::ffff:10.0.0.1]:5", []string{"198.51.100.7"}, "198.51.100.7"},
		{"10.0.0.1:5", []string{"1.1.1.1, 198.51.100.7"}, "198.51.100.7"}, {"10.0.0.1:5", []string{"1.1.1.1", "198.51.100.7"}, "198.51.100.7"},
		{"10.0.0.1:5", []string{"1.1.1.1, 198.51.100.7, 10.0.0.2"}, "198.51.100.7"}, {"10.0.0.1:5", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		{"10.0.0.1:5", []string{"198.51.100.7, x"}, "10.0.0.1"}, {"10.0.0.1:5", []string{"198.51.100.7,"}, "10.0.0.1"}, {"10.0.0.1:5", []string{""}, "10.0.0.1"},
		{"[fd00::1]:5", []string{"2001:db8::7"}, "2001:db8::7"}, {"127.0.0.1:5", []string{"fe80::1%eth0"}, "fe80::1"}, {"@", []string{"198.51.100.7"}, "invalid IP"},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = tc.peer
		r.Header["X-Forwarded-For"] = tc.sent
		if got := ours.Client(r).String(); got != tc.want {
			t.Errorf("%s, %q: %s, want %s", tc.peer, tc.sent, got, tc.want)
		}
	}
}
