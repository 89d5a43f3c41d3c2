package api

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"foldbook/db"
)

const (
	// slowest is the bytes a second that a body has to arrive with, once the patience with it is used up.
	slowest = 64 << 10
	// smallBody is the size up to which a body is taken without asking whether others are in memory.
	smallBody = 64 << 10
	// mediumBody is the size from which it needs room among the large ones. Both grow by doubling.
	mediumBody = 4 << 20
)

// The room for bodies, over all requests: 64 MiB for those that are no larger than mediumBody, or not yet known to be, and
// 96 MiB for the others. They are apart, so that what waits to become a large one cannot keep a large one waiting.
const (
	mediumShare, mediumShares = smallBody, 1024
	largeShare, largeShares   = 1 << 20, 96
)

// shares are what room is divided in. One request at a time collects those it needs, so that no two can wait for each
// other.
type shares struct {
	collecting chan struct{}
	taken      chan struct{}
}

func newShares(n int) *shares {
	return &shares{make(chan struct{}, 1), make(chan struct{}, n)}
}

// take waits for n shares and returns how they are given back.
func (s *shares) take(ctx context.Context, n int) (giveBack func(), err error) {
	got := 0
	giveBack = func() {
		for range got {
			<-s.taken
		}
	}
	select {
	case s.collecting <- struct{}{}:
		defer func() { <-s.collecting }()
	case <-ctx.Done():
		return nil, busyOr(ctx.Err())
	}
	for ; got < n; got++ {
		select {
		case s.taken <- struct{}{}:
		case <-ctx.Done():
			giveBack()
			return nil, busyOr(ctx.Err())
		}
	}
	return giveBack, nil
}

// arrival watches a body arrive: it has to keep a pace, and a large one has to wait for room. The connection's own limit
// for a whole request would cut large bodies on slow ways, or wait for ever for those who send a byte now and then.
type arrival struct {
	rec   *recorder // nil: nobody watches
	rc    *http.ResponseController
	in    io.Reader
	until time.Time
}

func arrivalOf(w http.ResponseWriter) *arrival {
	a := &arrival{rc: http.NewResponseController(w)}
	if res, ok := w.(*echo.Response); ok {
		a.rec, _ = res.Writer.(*recorder)
	}
	if a.rec != nil {
		a.until = time.Now().Add(a.rec.server.ReadTimeout)
	}
	return a
}

func (a *arrival) of(in io.Reader) io.Reader {
	if a.rec == nil {
		return in
	}
	a.in = in
	return a
}

// Read gives the sender a second more for each 64 KiB.
func (a *arrival) Read(p []byte) (int, error) {
	_ = a.rc.SetReadDeadline(a.until) // a connection that has none, as in tests, needs no limit
	n, err := a.in.Read(p)
	a.until = a.until.Add(time.Duration(n) * time.Second / slowest)
	return n, err
}

// room waits until a body of less than most bytes has room to grow. The room is given back at the end of the request.
func (a *arrival) room(ctx context.Context, most int64) error {
	if a.rec == nil {
		return nil
	}
	server, began := a.rec.server, time.Now()
	ctx, cancel := context.WithTimeout(ctx, server.WriteTimeout)
	defer cancel()
	pool, n := server.medium, (min(most, mediumBody)-1)/mediumShare+1
	if len(a.rec.giveBack) > 0 { // the second time
		pool, n = server.large, (most-2)/largeShare+1
	}
	giveBack, err := pool.take(ctx, int(n))
	if err != nil {
		return err
	}
	a.rec.giveBack = append(a.rec.giveBack, giveBack)
	a.until = a.until.Add(time.Since(began)) // for which the sender cannot be blamed
	return nil
}

func busyOr(err error) error {
	if err == context.DeadlineExceeded { //nolint:errorlint // it is that of a context, as it is
		return db.ErrPoolBusy
	}
	return err
}
