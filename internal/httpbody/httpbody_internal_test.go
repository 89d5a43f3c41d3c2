package httpbody

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/klauspost/compress/zstd"
)

func open(text string, limit int64, encoding string) *Body {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(text))
	if encoding != "" {
		r.Header.Set("Content-Encoding", encoding)
	}
	return NewReceiver(time.Minute, time.Minute).Open(httptest.NewRecorder(), r, limit)
}

func packed(t *testing.T, encoding string, text []byte) string {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	switch encoding {
	case "gzip":
		w = gzip.NewWriter(&b)
	case "zstd":
		w, _ = zstd.NewWriter(&b)
	}
	if _, err := w.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestEncodings(t *testing.T) {
	t.Parallel()
	text := []byte(runWith(fold(0, ""), fold(1, "")))
	read := func(text, encoding string) error {
		b := open(text, 1<<20, encoding)
		defer b.Close()
		return b.Decode(new(document))
	}
	for _, encoding := range []string{"gzip", "zstd"} {
		whole := packed(t, encoding, text)
		if err := read(whole, strings.ToUpper(encoding)); err != nil {
			t.Errorf("%s: %v", encoding, err)
		}
		for n := range len(whole) - 1 {
			wantProblem(t, read(whole[:n], encoding), http.StatusBadRequest, "invalid_json", "the body ")
		}
		for n := range len(whole) - 1 {
			damaged := []byte(whole)
			damaged[n] ^= 0x55
			if err := read(string(damaged), encoding); err != nil { // gzip does not look at all of its header
				wantProblem(t, err, http.StatusBadRequest, "invalid_json", "the body ")
			}
		}
		wantProblem(t, read(string(text), encoding), http.StatusBadRequest, "invalid_json", "the body is not "+encoding)
	}
	for _, encoding := range []string{"br", "gzip, zstd", "deflate"} {
		wantProblem(t, read(string(text), encoding), http.StatusUnsupportedMediaType, "unsupported_encoding", "")
	}
}

func TestConnectionLost(t *testing.T) {
	t.Parallel()
	for _, encoding := range []string{"", "gzip"} {
		text := runWith(fold(0, ""))
		if encoding != "" {
			text = packed(t, encoding, []byte(text))
		}
		r := httptest.NewRequest(http.MethodPost, "/", io.MultiReader(strings.NewReader(text[:20]), iotest.ErrReader(errors.New("connection reset"))))
		r.Header.Set("Content-Encoding", encoding)
		b := NewReceiver(time.Minute, time.Minute).Open(httptest.NewRecorder(), r, 1<<20)
		wantProblem(t, b.Decode(new(document)), http.StatusBadRequest, "invalid_json", "the body ends early")
		b.Close()
	}
}

func TestLimitIsInclusive(t *testing.T) {
	t.Parallel()
	text := `{"status":"FAILED"}`
	for _, size := range []int64{int64(len(text)), -1} {
		for _, over := range []int64{0, 1} {
			r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(text))
			r.ContentLength = size
			b := NewReceiver(time.Minute, time.Minute).Open(httptest.NewRecorder(), r, int64(len(text))-over)
			if err := b.Decode(new(document)); (err != nil) != (over == 1) {
				t.Errorf("%d bytes announced, limit %d too low: %v", size, over, err)
			}
		}
	}
}

// allocated runs f and returns the bytes that it allocated; nothing else may run.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

//nolint:paralleltest // it measures what the whole process allocates
func TestTooLarge(t *testing.T) {
	if testing.Short() {
		t.Skip("slow with the race detector, which has nothing to find here")
	}
	const limit, small = 64 << 20, 1 << 20
	large := `{"a":"` + strings.Repeat("x", limit) + `"}`
	var err error
	if n := allocated(func() { err = open(large, limit, "").Decode(new(document)) }); n > 1<<20 {
		t.Errorf("a body that says that it is too large allocated %d", n)
	}
	wantProblem(t, err, http.StatusRequestEntityTooLarge, "body_too_large", "the body is larger than 67108864 bytes")
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(large))
	r.ContentLength = -1
	err = NewReceiver(time.Minute, time.Minute).Open(httptest.NewRecorder(), r, limit).Decode(new(document))
	wantProblem(t, err, http.StatusRequestEntityTooLarge, "body_too_large", "the body is larger than 67108864 bytes")
	for _, encoding := range []string{"gzip", "zstd"} {
		bomb := packed(t, encoding, make([]byte, 128<<20))
		n := allocated(func() { err = open(bomb, small, encoding).Decode(new(document)) })
		wantProblem(t, err, http.StatusRequestEntityTooLarge, "body_too_large", "the body is larger than 1048576 bytes")
		t.Logf("%s bomb of %d bytes: %d allocated", encoding, len(bomb), n)
		if n > 40<<20 {
			t.Errorf("a %s bomb allocated %d", encoding, n)
		}
	}
}

// A body that is larger than others leave memory for waits, gives up in time and then holds none; one that is closed
// makes room.
func TestMemoryBudget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const limit = 64 << 20
		l := NewReceiver(time.Hour, time.Second)
		send := func(ctx context.Context, size int) (*Body, error) {
			r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/", bytes.NewReader(make([]byte, size)))
			b := l.Open(httptest.NewRecorder(), r, limit)
			_, err := io.Copy(io.Discard, b)
			return b, err
		}
		first, err := send(t.Context(), 60<<20)
		if err != nil {
			t.Fatal(err)
		}
		second, err := send(t.Context(), 60<<20)
		if !errors.Is(err, ErrBusy) || !errors.Is(second.Failure(), ErrBusy) {
			t.Errorf("got %v, want that there is no memory", err)
		}
		gone, leave := context.WithCancel(t.Context())
		go func() {
			time.Sleep(time.Millisecond)
			leave()
		}()
		third, err := send(gone, 60<<20)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want that the client left", err)
		}
		if small, err := send(t.Context(), 1<<20); err != nil {
			t.Errorf("a small body beside them: %v", err)
		} else {
			small.Close()
		}
		go func() {
			time.Sleep(time.Millisecond)
			first.Close()
		}()
		fourth, err := send(t.Context(), 60<<20)
		if err != nil {
			t.Error(err)
		}
		for _, b := range []*Body{second, third, fourth} {
			b.Close()
		}
		if !l.medium.TryAcquire(mediumBudget) || !l.large.TryAcquire(largeBudget) {
			t.Error("some memory was not released")
		}
	})
}
