package access

import (
	"fmt"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"foldbook/api/spec"
)

const (
	// burst is for how long a caller may save up what he does not ask: a page may ask for much at once.
	burst = 10 * time.Second
	// maxBuckets bounds the callers that a Limiter remembers: those that it saw last, and up to as many before them.
	maxBuckets = 10_000
)

// Limiter is a token bucket for each of many callers. Nil is no limit.
type Limiter struct {
	budget spec.Budget
	limit  rate.Limit
	mu     sync.Mutex
	recent map[string]*rate.Limiter
	older  map[string]*rate.Limiter // dropped when recent is full
}

// NewLimiter allows each caller so many requests a second of a budget; 0 is no limit.
func NewLimiter(budget spec.Budget, perSecond float64) *Limiter {
	if perSecond <= 0 {
		return nil
	}
	return &Limiter{budget: budget, limit: rate.Limit(perSecond), recent: map[string]*rate.Limiter{}}
}

// Take takes a token of a caller, or of an address where nobody is asked who calls. Its error is the answer to a request too many.
func (l *Limiter) Take(caller *Caller, from netip.Addr) error {
	if l == nil {
		return nil
	}
	who := bucketOf(from)
	if caller != nil {
		who = caller.ID
	}
	bucket, now := l.bucket(who), time.Now()
	if bucket.AllowN(now, 1) {
		return nil
	}
	return l.refuse(bucket, now)
}

// left refuses an address that has no token, and takes none.
func (l *Limiter) left(from netip.Addr) error {
	if l == nil {
		return nil
	}
	if bucket, now := l.bucket(bucketOf(from)), time.Now(); bucket.TokensAt(now) < 1 {
		return l.refuse(bucket, now)
	}
	return nil
}

// charge takes a token also where there is none, which those to come pay for.
func (l *Limiter) charge(from netip.Addr) {
	if l != nil {
		l.bucket(bucketOf(from)).Reserve()
	}
}

func (l *Limiter) bucket(who string) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	if bucket, ok := l.recent[who]; ok {
		return bucket
	}
	bucket, ok := l.older[who]
	if !ok {
		bucket = rate.NewLimiter(l.limit, max(1, int(float64(l.limit)*burst.Seconds())))
	}
	if len(l.recent) >= maxBuckets {
		l.older, l.recent = l.recent, map[string]*rate.Limiter{}
	}
	l.recent[who] = bucket
	return bucket
}

// refuse says after how many whole seconds the request is let through.
func (l *Limiter) refuse(bucket *rate.Limiter, now time.Time) error {
	wait := bucket.ReserveN(now, 1)
	delay := wait.DelayFrom(now)
	wait.CancelAt(now)
	seconds := max(1, int((delay+time.Second-1)/time.Second))
	what := fmt.Sprintf("more than %v %s a second", float64(l.limit), l.budget)
	if l.budget == spec.BudgetFailures {
		what = "too many credentials of this address did not hold"
	}
	p := spec.NewProblem(http.StatusTooManyRequests, spec.ErrorCodeRateLimited, fmt.Sprintf("%s: repeat this in %d s", what, seconds))
	p.Details = map[string]any{"retry_after": seconds, "budget": l.budget}
	return p
}
