package paging

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"math"
	"time"

	"github.com/google/uuid"

	"foldbook/api/spec"
)

// Cursor is a position in a list: right after the row with these values.
type Cursor struct {
	At      time.Time // created_at, in microseconds
	ID      uuid.UUID
	Value   float64 // of the metric that the list is sorted by, if it is
	Missing bool    // the row has no such metric
	Key     string  // of the metric, where the order goes over several
}

// Position is a position in a series: after a number of rows of one time.
type Position struct {
	At   int64 // microseconds since 1970
	Sent int64 // rows of that time up to here
}

// The bytes of a cursor: version, payload, check. The payload is microseconds, id, missing, value and key of a Cursor, and
// both numbers of a Position.
const (
	cursorVersion, cursorSize     = 1, 1 + 8 + 16 + 1 + 8
	positionVersion, positionSize = 2, 1 + 8 + 8
	checkSize                     = 8
)

// Encode writes the cursor for URLs. The scope is the canonical text of the route, filters and sort of the list: a
// cursor is valid for that list only.
func (c Cursor) Encode(scope string) string {
	b := append(make([]byte, 0, cursorSize+checkSize), cursorVersion)
	b = binary.BigEndian.AppendUint64(b, uint64(c.At.UnixMicro()))
	b = append(b, c.ID[:]...)
	if c.Missing {
		b = append(b, 1)
	} else {
		b = append(b, 0)
	}
	b = binary.BigEndian.AppendUint64(b, math.Float64bits(c.Value))
	return seal(append(b, c.Key...), scope)
}

// DecodeCursor reads a cursor of the list with this scope; anything else is 400 invalid_parameter.
func DecodeCursor(text, scope string) (c Cursor, err error) {
	b, err := unseal(text, scope, cursorVersion, cursorSize, "is altered, or of a list with other filters or another sort")
	if err != nil {
		return c, err
	}
	c.At = time.UnixMicro(int64(binary.BigEndian.Uint64(b[1:9]))).UTC() //nolint:gosec // written the same way
	c.ID = uuid.UUID(b[9:25])
	c.Missing = b[25] == 1
	c.Value = math.Float64frombits(binary.BigEndian.Uint64(b[26:34]))
	c.Key = string(b[cursorSize : len(b)-checkSize])
	return c, nil
}

// Encode writes the position as a cursor for URLs.
func (p Position) Encode(scope string) string {
	b := append(make([]byte, 0, positionSize+checkSize), positionVersion)
	b = binary.BigEndian.AppendUint64(b, uint64(p.At))   //nolint:gosec // read the same way
	b = binary.BigEndian.AppendUint64(b, uint64(p.Sent)) //nolint:gosec // never below 0
	return seal(b, scope)
}

// DecodePosition reads a cursor of the series with this scope; anything else is 400 invalid_parameter.
func DecodePosition(text, scope string) (p Position, err error) {
	b, err := unseal(text, scope, positionVersion, positionSize, "is altered, or of a series with other filters")
	if err != nil {
		return p, err
	}
	p.At, p.Sent = int64(binary.BigEndian.Uint64(b[1:9])), int64(binary.BigEndian.Uint64(b[9:17])) //nolint:gosec // written the same way
	return p, nil
}

func seal(b []byte, scope string) string {
	check := checkOf(scope, b)
	return base64.RawURLEncoding.EncodeToString(append(b, check[:]...))
}

func unseal(text, scope string, version byte, least int, altered string) ([]byte, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	payload := len(b) - checkSize
	// Base64 ignores line breaks, so the length of the text is checked too.
	if err != nil || payload < least || len(text) != base64.RawURLEncoding.EncodedLen(len(b)) || b[0] != version {
		return nil, spec.InvalidParameter("cursor", "is not a cursor of this service")
	}
	if checkOf(scope, b[:payload]) != [checkSize]byte(b[payload:]) {
		return nil, spec.InvalidParameter("cursor", altered)
	}
	return b, nil
}

// checkOf finds accidents and edits. It needs no secret: a forged cursor only names a position at which a list may begin.
func checkOf(scope string, payload []byte) (check [checkSize]byte) {
	h := sha256.New()
	h.Write([]byte("foldbook cursor\x00"))
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(scope))))
	h.Write([]byte(scope))
	h.Write(payload)
	copy(check[:], h.Sum(nil))
	return check
}
