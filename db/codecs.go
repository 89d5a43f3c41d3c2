package db

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"
)

// pgx reads and writes a uuid.UUID by way of its text, and a json.RawMessage by way of an unmarshaler found by reflection.
// It plans that again for each result, which is a tenth of the CPU time of a small route, so these two types of every row
// go straight from the wire to Go. All other targets go to pgx's own codecs.

// jsonbCodec passes JSONB on as the bytes PostgreSQL sent.
type jsonbCodec struct{ *pgtype.JSONBCodec }

func (c jsonbCodec) PlanScan(m *pgtype.Map, oid uint32, format int16, target any) pgtype.ScanPlan {
	if _, ok := target.(*json.RawMessage); ok && format == pgtype.TextFormatCode {
		return scanRaw{}
	}
	return c.JSONBCodec.PlanScan(m, oid, format, target)
}

type scanRaw struct{}

// Scan copies, because pgx uses src again for the next message. NULL is nil.
func (scanRaw) Scan(src []byte, dst any) error {
	raw := dst.(*json.RawMessage) //nolint:forcetypeassert // PlanScan has looked
	if src == nil {
		*raw = nil
		return nil
	}
	*raw = append(json.RawMessage(nil), src...) // unlike make, append does not clear the memory first
	return nil
}

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
