package db_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"foldbook/db"
)

func TestCodecs(t *testing.T) {
	t.Parallel()
	store := open(t)
	id := uuid.MustParse("2f6bd1c2-8c7e-4f0e-9a53-6a1d1b2c3d01")
	jsonb := `{"a": 0.10000000000000001, "b": [1, null]}` // as PostgreSQL writes it, spaces and all digits

	// The prepared form asks for uuid in binary, the simple protocol for everything in text.
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement, pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol} {
		t.Run(mode.String(), func(t *testing.T) {
			t.Parallel()
			var plain uuid.UUID
			var pointer, null *uuid.UUID
			var text string
			var list []uuid.UUID
			var raw json.RawMessage
			var decoded map[string]any
			nullRaw := json.RawMessage("old")
			err := store.Pool.QueryRow(t.Context(), `SELECT $1::uuid, $2::uuid, $3::uuid, $1::uuid, ARRAY[$1::uuid], $4::jsonb, NULL::jsonb, $4::jsonb`,
				mode, id, &id, (*uuid.UUID)(nil), json.RawMessage(jsonb),
			).Scan(&plain, &pointer, &null, &text, &list, &raw, &nullRaw, &decoded)
			if err != nil {
				t.Fatal(err)
			}
			if plain != id || pointer == nil || *pointer != id || null != nil || text != id.String() || !cmp.Equal(list, []uuid.UUID{id}) {
				t.Errorf("uuids come back as %s, %v, %v, %s, %v", plain, pointer, null, text, list)
			}
			var i4 *int32
			var i8, nullInt *int64
			var f8 *float64
			var plainInt int64
			err = store.Pool.QueryRow(t.Context(), `SELECT -7::int4, -9007199254740993::int8, NULL::int8, 0.1::float8, 5::int8`, mode).Scan(&i4, &i8, &nullInt, &f8, &plainInt)
			if err != nil {
				t.Fatal(err)
			}
			if i4 == nil || *i4 != -7 || i8 == nil || *i8 != -9007199254740993 || nullInt != nil || f8 == nil || *f8 != 0.1 || plainInt != 5 {
				t.Errorf("numbers come back as %v, %v, %v, %v, %d", i4, i8, nullInt, f8, plainInt)
			}
			if string(raw) != jsonb || nullRaw != nil {
				t.Errorf("JSONB comes back as %s and %s, want %s and nothing", raw, nullRaw, jsonb)
			}
			if want := map[string]any{"a": 0.1, "b": []any{1.0, nil}}; !cmp.Equal(decoded, want) {
				t.Errorf("JSONB decodes to %v, want %v", decoded, want)
			}
		})
	}
	t.Run("NULL is no UUID", func(t *testing.T) {
		t.Parallel()
		var id uuid.UUID
		if err := store.Pool.QueryRow(t.Context(), "SELECT NULL::uuid").Scan(&id); err == nil {
			t.Errorf("NULL is read as %s", id)
		}
	})
}

// What is read has to stay when the connection's buffer is used again.
func TestRawIsACopy(t *testing.T) {
	t.Parallel()
	store := open(t, func(c *db.Config) { c.PoolSize = 1 })
	rows, err := store.Pool.Query(t.Context(), `SELECT jsonb_build_object('n', n) FROM generate_series(1, 5000) AS n ORDER BY n`)
	if err != nil {
		t.Fatal(err)
	}
	got, err := pgx.CollectRows(rows, pgx.RowTo[json.RawMessage])
	if err != nil {
		t.Fatal(err)
	}
	for i, raw := range got {
		var row struct{ N int }
		if err := json.Unmarshal(raw, &row); err != nil || row.N != i+1 {
			t.Fatalf("row %d reads %s (%v)", i+1, raw, err)
		}
	}
}
