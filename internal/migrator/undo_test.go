package migrator_test

import (
	"errors"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"foldbook/internal/migrator"
	"foldbook/internal/testdb"
	"foldbook/migrations"
)

func TestDownRefusesToLoseRows(t *testing.T) {
	t.Parallel()
	url := testdb.NewURL(t)
	conn := testdb.Connect(t, url)
	exec(t, conn, fixtures)
	m, r := open(t, url, migrations.FS)
	files, err := migrator.Parse(migrations.FS)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Down(t.Context(), len(files)-6, migrator.Consent{Yes: true}); err != nil { // to the one that makes simulation_trades
		t.Fatal(err)
	}
	before := schema(t, conn)
	r.steps = nil
	if _, err := m.Down(t.Context(), 1, migrator.Consent{}); !errors.Is(err, migrator.ErrDataLoss) {
		t.Fatalf("got %v, want ErrDataLoss", err)
	}
	if diff := cmp.Diff([]migrator.Loss{{Table: "simulation_trades", Count: 5}}, r.losses); diff != "" {
		t.Errorf("losses (-want +got):\n%s", diff)
	}
	if len(r.steps) != 0 {
		t.Errorf("a refused down reported %q as done", r.steps)
	}
	if _, err := m.Redo(t.Context(), migrator.Consent{}); !errors.Is(err, migrator.ErrDataLoss) {
		t.Errorf("redo: got %v, want ErrDataLoss", err)
	}
	if diff := cmp.Diff(before, schema(t, conn)); diff != "" {
		t.Errorf("a refused down changed the database:\n%s", diff)
	}

	exec(t, conn, "DELETE FROM simulation_trades")
	if n, err := m.Redo(t.Context(), migrator.Consent{}); err != nil || n != 1 {
		t.Errorf("redo of an empty table: got %d, %v", n, err)
	}
	if n, err := m.Down(t.Context(), 1, migrator.Consent{}); err != nil || n != 1 {
		t.Errorf("down of an empty table: got %d, %v", n, err)
	}
	if n, err := m.Down(t.Context(), 1, migrator.Consent{Yes: true}); err != nil || n != 1 {
		t.Errorf("down with consent: got %d, %v", n, err)
	}
}

func TestDownCountsCascadesAndColumns(t *testing.T) {
	t.Parallel()
	url := testdb.EmptyURL(t)
	fsys := fstest.MapFS{
		"00001_tables.sql": file(`-- +goose Up
CREATE TABLE parent (id int PRIMARY KEY);
CREATE TABLE child (id int PRIMARY KEY, parent_id int NOT NULL REFERENCES parent ON DELETE CASCADE);
-- +goose Down
DROP TABLE child;
DROP TABLE parent;
`),
		"00002_seven.sql": file(`-- +goose Up
INSERT INTO parent VALUES (7);
-- +goose Down
DELETE FROM parent WHERE id = 7;
`),
		"00003_note.sql": file(`-- +goose Up
ALTER TABLE child ADD COLUMN note text;
ALTER TABLE child RENAME TO kid;
-- +goose Down
ALTER TABLE kid RENAME TO child;
ALTER TABLE child DROP COLUMN note;
`),
	}
	m, r := open(t, url, fsys)
	if _, err := m.Up(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	exec(t, testdb.Connect(t, url), "INSERT INTO kid VALUES (1, 7, 'a'), (2, 7, NULL), (3, 7, 'b')")

	if _, err := m.Down(t.Context(), 1, migrator.Consent{}); !errors.Is(err, migrator.ErrDataLoss) {
		t.Fatalf("got %v, want ErrDataLoss", err)
	}
	if diff := cmp.Diff([]migrator.Loss{{Table: "kid", Column: "note", Count: 2}}, r.losses); diff != "" {
		t.Errorf("dropping a column (-want +got):\n%s", diff)
	}
	if _, err := m.Down(t.Context(), 1, migrator.Consent{Yes: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Down(t.Context(), 1, migrator.Consent{}); !errors.Is(err, migrator.ErrDataLoss) {
		t.Fatalf("got %v, want ErrDataLoss", err)
	}
	if diff := cmp.Diff([]migrator.Loss{{Table: "child", Count: 3}, {Table: "parent", Count: 1}}, r.losses); diff != "" {
		t.Errorf("deleting a parent (-want +got):\n%s", diff)
	}
}

func TestNoTransaction(t *testing.T) {
	t.Parallel()
	url := testdb.EmptyURL(t)
	fsys := fstest.MapFS{
		"00001_a.sql":     file("-- +goose Up\nCREATE TABLE a (id int);\n-- +goose Down\nDROP TABLE a;\n"),
		"00002_index.sql": file("-- +goose NO TRANSACTION\n-- +goose Up\nCREATE INDEX CONCURRENTLY a_idx ON a (id);\n-- +goose Down\nDROP INDEX CONCURRENTLY a_idx;\n"),
		"00003_b.sql":     file("-- +goose Up\nCREATE TABLE b (id int);\n-- +goose Down\nDROP TABLE b;\n"),
	}
	m, r := open(t, url, fsys)
	if _, err := m.Up(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"rolled back up 00001_a.sql", "not run up 00002_index.sql", "not run up 00003_b.sql"}, r.steps); diff != "" {
		t.Errorf("dry run (-want +got):\n%s", diff)
	}
	if n, err := m.Up(t.Context(), false); err != nil || n != 3 {
		t.Fatalf("up: got %d, %v", n, err)
	}
	if _, err := m.Down(t.Context(), 2, migrator.Consent{}); !errors.Is(err, migrator.ErrDataLoss) {
		t.Errorf("got %v, want a refusal, since the loss cannot be counted", err)
	}
	if n, err := m.Down(t.Context(), migrator.All, migrator.Consent{Yes: true}); err != nil || n != 3 {
		t.Errorf("reset: got %d, %v", n, err)
	}
}
