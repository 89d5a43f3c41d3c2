package api

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"math"
	"time"

	"github.com/google/uuid"

	"foldbook/api/spec"
	"foldbook/internal/series"
)

// cursor is a position in a list: right behind the row with these values.
type cursor struct {
	At      time.Time // created_at, in microseconds
	ID      uuid.UUID
	Value   float64 // of the metric that the list is sorted by, if it is
	Missing bool    // the row has no such metric
}

// at, id and value are those of a cursor as the queries take them; of none, a query does not look at id and value.
func (c *cursor) at() *time.Time {
	if c == nil {
		return nil
	}
	return &c.At
}

func (c *cursor) id() uuid.UUID {
	if c == nil {
		return uuid.Nil
	}
	return c.ID
}

func (c *cursor) value() float64 {
	if c == nil {
		return 0
	}
	return c.Value
}

// The bytes of a cursor: version, microseconds, id, missing, value, check.
const (
	cursorVersion = 1
	cursorPayload = 1 + 8 + 16 + 1 + 8
	cursorCheck   = 8
)

// encode writes the cursor for URLs. The scope is the canonical text of the route, filters and sort of the list: a
// cursor is good for that list alone.
func (c cursor) encode(scope string) string {
	b := make([]byte, 0, cursorPayload+cursorCheck)
	b = append(b, cursorVersion)
	b = binary.BigEndian.AppendUint64(b, uint64(c.At.UnixMicro()))
	b = append(b, c.ID[:]...)
	if c.Missing {
		b = append(b, 1)
	} else {
		b = append(b, 0)
	}
	b = binary.BigEndian.AppendUint64(b, math.Float64bits(c.Value))
	check := checkOf(scope, b)
	return base64.RawURLEncoding.EncodeToString(append(b, check[:]...))
}

// decodeCursor reads a cursor of the list with this scope; anything else is 400 invalid_parameter.
func decodeCursor(text, scope string) (cursor, error) {
	const size = cursorPayload + cursorCheck
	var c cursor
	// Base64 ignores line breaks, so the length of the text is checked too.
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) != size || len(text) != base64.RawURLEncoding.EncodedLen(size) || b[0] != cursorVersion {
		return c, spec.InvalidParameter("cursor", "is not a cursor of this service")
	}
	if checkOf(scope, b[:cursorPayload]) != [cursorCheck]byte(b[cursorPayload:]) {
		return c, spec.InvalidParameter("cursor", "is altered, or of a list with other filters or another sort")
	}
	c.At = time.UnixMicro(int64(binary.BigEndian.Uint64(b[1:9]))).UTC() //nolint:gosec // written the same way
	c.ID = uuid.UUID(b[9:25])
	c.Missing = b[25] == 1
	c.Value = math.Float64frombits(binary.BigEndian.Uint64(b[26:34]))
	return c, nil
}

// checkOf finds accidents and edits. It is no secret: a forged cursor only names a position that a list may begin at.
func checkOf(scope string, payload []byte) (check [cursorCheck]byte) {
	h := sha256.New()
	h.Write([]byte("foldbook cursor\x00"))
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(scope))))
	h.Write([]byte(scope))
	h.Write(payload)
	copy(check[:], h.Sum(nil))
	return check
}

const (
	positionVersion = 2
	positionPayload = 1 + 8 + 8
)

// encodePosition writes a position in a series as a cursor for URLs.
func encodePosition(p series.Position, scope string) string {
	b := append(make([]byte, 0, positionPayload+cursorCheck), positionVersion)
	b = binary.BigEndian.AppendUint64(b, uint64(p.At))   //nolint:gosec // read the same way
	b = binary.BigEndian.AppendUint64(b, uint64(p.Sent)) //nolint:gosec // never below 0
	check := checkOf(scope, b)
	return base64.RawURLEncoding.EncodeToString(append(b, check[:]...))
}

// decodePosition reads a cursor of the series with this scope; anything else is 400 invalid_parameter.
func decodePosition(text, scope string) (series.Position, error) {
	const size = positionPayload + cursorCheck
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) != size || len(text) != base64.RawURLEncoding.EncodedLen(size) || b[0] != positionVersion {
		return series.Position{}, spec.InvalidParameter("cursor", "is not a cursor of this service")
	}
	if checkOf(scope, b[:positionPayload]) != [cursorCheck]byte(b[positionPayload:]) {
		return series.Position{}, spec.InvalidParameter("cursor", "is altered, or of a series with other filters")
	}
	return series.Position{
		At:   int64(binary.BigEndian.Uint64(b[1:9])),  //nolint:gosec // written the same way
		Sent: int64(binary.BigEndian.Uint64(b[9:17])), //nolint:gosec // written the same way
	}, nil
}
