package db

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"
)

// pgx converts a uuid.UUID through its text, and a json.RawMessage or a pointer to a number through reflection. It plans that
// again for each result, which takes a tenth of the CPU time of a small route. So these codecs read the types of our rows
// directly from the wire. All other types go to pgx's own codecs.

// jsonbCodec passes JSONB on as the bytes PostgreSQL sent. It belongs to one connection.
type jsonbCodec struct {
	*pgtype.JSONBCodec
	room []byte // what is left of the piece of memory that values are copied to
}

// roomSize is the memory that is allocated at a time: the 624 values of a run with 312 folds would be as many allocations.
const roomSize = 32 << 10

func (c *jsonbCodec) PlanScan(m *pgtype.Map, oid uint32, format int16, target any) pgtype.ScanPlan {
	if _, ok := target.(*json.RawMessage); ok && format == pgtype.TextFormatCode {
		return scanRaw{c}
	}
	return c.JSONBCodec.PlanScan(m, oid, format, target)
}

type scanRaw struct{ codec *jsonbCodec }

// Scan copies, because pgx uses src again for the next message. NULL is nil.
func (s scanRaw) Scan(src []byte, dst any) error {
	raw := dst.(*json.RawMessage) //nolint:forcetypeassert // PlanScan has looked
	if src == nil {
		*raw = nil
		return nil
	}
	room := s.codec.room
	if len(src) > cap(room) {
		room = make([]byte, 0, max(roomSize, len(src)))
	}
	n := copy(room[:len(src)], src)
	*raw = room[:n:n] // so that what is appended to one value does not run into the next
	s.codec.room = room[n:n]
	return nil
}

// nullable reads a column that may be NULL into a pointer.
type nullable[T any] struct {
	pgtype.Codec
	read func([]byte) T
	size int // of a value in the binary format, in bytes
}

func (c nullable[T]) PlanScan(m *pgtype.Map, oid uint32, format int16, target any) pgtype.ScanPlan {
	if _, ok := target.(**T); ok && format == pgtype.BinaryFormatCode {
		return c
	}
	return c.Codec.PlanScan(m, oid, format, target)
}

// Scan is the plan for pointers.
func (c nullable[T]) Scan(src []byte, dst any) error {
	p := dst.(**T) //nolint:forcetypeassert // PlanScan has looked
	if src == nil {
		*p = nil
		return nil
	}
	if len(src) != c.size {
		return fmt.Errorf("a number of %d bytes, want %d", len(src), c.size)
	}
	*p = new(c.read(src))
	return nil
}

var (
	nullableInt4   = nullable[int32]{pgtype.Int4Codec{}, func(b []byte) int32 { return int32(binary.BigEndian.Uint32(b)) }, 4}
	nullableInt8   = nullable[int64]{pgtype.Int8Codec{}, func(b []byte) int64 { return int64(binary.BigEndian.Uint64(b)) }, 8}
	nullableFloat8 = nullable[float64]{pgtype.Float8Codec{},
		func(b []byte) float64 { return math.Float64frombits(binary.BigEndian.Uint64(b)) }, 8}
)

// uuidCodec takes and gives uuid.UUID in the binary format.
type uuidCodec struct{ pgtype.UUIDCodec }

func (c uuidCodec) PlanScan(m *pgtype.Map, oid uint32, format int16, target any) pgtype.ScanPlan {
	if _, ok := target.(*uuid.UUID); ok && format == pgtype.BinaryFormatCode {
		return scanUUID{}
	}
	return c.UUIDCodec.PlanScan(m, oid, format, target)
}

func (c uuidCodec) PlanEncode(m *pgtype.Map, oid uint32, format int16, value any) pgtype.EncodePlan {
	if _, ok := value.(uuid.UUID); ok && format == pgtype.BinaryFormatCode {
		return encodeUUID{}
	}
	return c.UUIDCodec.PlanEncode(m, oid, format, value)
}

type scanUUID struct{}

func (scanUUID) Scan(src []byte, dst any) error {
	if src == nil {
		return errors.New("cannot scan NULL into uuid.UUID")
	}
	id := dst.(*uuid.UUID) //nolint:forcetypeassert // PlanScan has looked
	if copy(id[:], src) != len(src) || len(src) != len(id) {
		return fmt.Errorf("a uuid of %d bytes", len(src))
	}
	return nil
}

type encodeUUID struct{}

func (encodeUUID) Encode(value any, buf []byte) ([]byte, error) {
	id := value.(uuid.UUID) //nolint:forcetypeassert // PlanEncode has looked
	return append(buf, id[:]...), nil
}
