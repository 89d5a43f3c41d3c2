package paging

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"foldbook/api/spec"
)

func testCursors() []Cursor {
	at := time.Date(2026, 1, 2, 13, 0, 0, 123456000, time.UTC)
	return []Cursor{
		{At: at, ID: uuid.UUID{0x2f, 0x6b, 15: 1}},
		{At: at, ID: uuid.UUID{0x2f, 0x6b, 15: 1}, Value: 0.0009110000100918114},
		{At: at, ID: uuid.UUID{0x2f, 0x6b, 15: 1}, Value: math.Copysign(0, -1)},
		{At: time.UnixMicro(-1).UTC(), Missing: true},
	}
}

func wantInvalid(t *testing.T, err error, message string) {
	t.Helper()
	answer := new(spec.Problem)
	if !errors.As(err, &answer) || answer.Status != 400 || answer.Code != spec.ErrorCodeInvalidParameter || !strings.HasPrefix(answer.Message, message) {
		t.Errorf("got %v, want 400 invalid_parameter %q…", err, message)
	}
}

func TestCursor(t *testing.T) {
	t.Parallel()
	const scope = "/api/runs?status=COMPLETED&sort=-created_at"
	for _, c := range testCursors() {
		text := c.Encode(scope)
		got, err := DecodeCursor(text, scope)
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
			_, err := DecodeCursor(b, scope)
			wantInvalid(t, err, "parameter cursor is ")
		}
		_, err = DecodeCursor(text, scope+" ")
		wantInvalid(t, err, "parameter cursor is altered, or of a list with other filters")
	}
}

func FuzzCursor(f *testing.F) {
	for _, c := range testCursors() {
		f.Add(c.Encode("scope"), "scope")
	}
	f.Fuzz(func(t *testing.T, text, scope string) {
		c, err := DecodeCursor(text, scope)
		if err != nil {
			wantInvalid(t, err, "parameter cursor ")
		} else if c.Encode(scope) != text {
			t.Fatalf("%q and %q are one cursor", text, c.Encode(scope))
		}
	})
}

func TestPosition(t *testing.T) {
	t.Parallel()
	p := Position{At: 1704240000000123, Sent: 7}
	text := p.Encode("scope")
	if got, err := DecodePosition(text, "scope"); err != nil || got != p {
		t.Errorf("%v comes back as %v %v", p, got, err)
	}
	if _, err := DecodePosition(text, "other"); err == nil {
		t.Error("a cursor is good for another series")
	}
	for i := range text {
		if _, err := DecodePosition(text[:i]+string(text[i]^1)+text[i+1:], "scope"); err == nil {
			t.Errorf("a cursor altered at %d is good", i)
		}
	}
}
