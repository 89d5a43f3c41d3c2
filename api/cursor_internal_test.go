package api

import (
	"math"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"foldbook/internal/series"
)

func testCursors() []cursor {
	at := time.Date(2026, 1, 2, 13, 0, 0, 123456000, time.UTC)
	return []cursor{
		{At: at, ID: uuid.MustParse(runID)},
		{At: at, ID: uuid.MustParse(runID), Value: 0.0009110000100918114},
		{At: at, ID: uuid.MustParse(runID), Value: math.Copysign(0, -1)},
		{At: time.UnixMicro(-1).UTC(), Missing: true},
	}
}

func TestCursor(t *testing.T) {
	t.Parallel()
	const scope = "/api/runs?status=COMPLETED&sort=-created_at"
	for _, c := range testCursors() {
		text := c.encode(scope)
		got, err := decodeCursor(text, scope)
		if diff := cmp.Diff(c, got); err != nil || diff != "" {
			t.Errorf("%v (-want +got)\n%s", err, diff)
		}
		bad := []string{"", "x", text + "A", text[:len(text)-1], text[1:], text + "=", text + "\n", text[:8] + "\n" + text[8:], text[:8] + "\n" + text[9:]}
		for i := range len(text) {
			for _, c := range []byte("A_z9") {
				if text[i] != c {
					bad = append(bad, text[:i]+string(c)+text[i+1:])
				}
			}
		}
		for _, b := range bad {
			_, err := decodeCursor(b, scope)
			wantFault(t, err, http.StatusBadRequest, "invalid_parameter", "parameter cursor is ")
		}
		_, err = decodeCursor(text, scope+" ")
		wantFault(t, err, http.StatusBadRequest, "invalid_parameter", "parameter cursor is altered, or of a list with other filters")
	}
}

func FuzzCursor(f *testing.F) {
	for _, c := range testCursors() {
		f.Add(c.encode("scope"), "scope")
	}
	f.Fuzz(func(t *testing.T, text, scope string) {
		c, err := decodeCursor(text, scope)
		if err != nil {
			wantFault(t, err, http.StatusBadRequest, "invalid_parameter", "parameter cursor ")
		} else if c.encode(scope) != text {
			t.Fatalf("%q and %q are one cursor", text, c.encode(scope))
		}
	})
}

func TestPosition(t *testing.T) {
	t.Parallel()
	p := series.Position{At: 1704240000000123, Sent: 7}
	text := encodePosition(p, "scope")
	if got, err := decodePosition(text, "scope"); err != nil || got != p {
		t.Errorf("%v comes back as %v %v", p, got, err)
	}
	if _, err := decodePosition(text, "other"); err == nil {
		t.Error("a cursor is good for another series")
	}
	for i := range text {
		if _, err := decodePosition(text[:i]+string(text[i]^1)+text[i+1:], "scope"); err == nil {
			t.Errorf("a cursor altered at %d is good", i)
		}
	}
}
