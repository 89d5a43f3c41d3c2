package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"foldbook/internal/testdb"
)

func TestMain(m *testing.M) { testdb.Main(m) }

// edited is a folder of migrations and the database that follows it.
type edited struct {
	schema
	said []string
}

func newEdited(t *testing.T) *edited {
	t.Helper()
	e := &edited{schema: schema{url: testdb.EmptyURL(t), folder: t.TempDir()}}
	e.say = func(text string) { e.said = append(e.said, strings.Join(strings.Fields(text), " ")) }
	return e
}

func (e *edited) write(t *testing.T, file, up, down string) {
	t.Helper()
	text := "-- +goose Up\n" + up + "\n-- +goose Down\n" + down + "\n"
	if err := os.WriteFile(filepath.Join(e.folder, file), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// follow syncs, and requires what is said, and the columns of the table that the migrations are about.
func (e *edited) follow(t *testing.T, said []string, columns string) {
	t.Helper()
	e.said = nil
	if _, err := e.sync(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(said, e.said); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := e.columns(t); got != columns {
		t.Errorf("the table has the columns %q, want %q", got, columns)
	}
}

func (e *edited) columns(t *testing.T) (columns string) {
	t.Helper()
	err := testdb.Connect(t, e.url).QueryRow(t.Context(), "SELECT coalesce(string_agg(attname, ' ' ORDER BY attnum), '') "+
		"FROM pg_attribute WHERE attrelid = to_regclass('note') AND attnum > 0 AND NOT attisdropped").Scan(&columns)
	if err != nil {
		t.Fatal(err)
	}
	return columns
}

// While migrations are edited, added, emptied and removed, the database follows.
func TestSchemaFollowsTheFiles(t *testing.T) {
	t.Parallel()
	e := newEdited(t)
	e.write(t, "00001_note.sql", "CREATE TABLE note (id bigint);", "DROP TABLE note;")
	e.write(t, "00002_text.sql", "", "")
	e.follow(t, []string{"applied 00001_note.sql"}, "id") // and what has no statements yet is not applied
	e.write(t, "00002_text.sql", "ALTER TABLE note ADD COLUMN text text;", "ALTER TABLE note DROP COLUMN text;")
	e.follow(t, []string{"applied 00002_text.sql"}, "id text")
	if _, err := testdb.Connect(t, e.url).Exec(t.Context(), "INSERT INTO note (id, text) VALUES (1, 'x')"); err != nil {
		t.Fatal(err)
	}
	e.write(t, "00002_text.sql", "-- a comment alone\nALTER TABLE note ADD COLUMN text text;", "ALTER TABLE note DROP COLUMN text;")
	e.follow(t, nil, "id text")
	e.write(t, "00002_text.sql", "ALTER TABLE note ADD COLUMN body text;", "ALTER TABLE note DROP COLUMN body;")
	e.follow(t, []string{"lost 1 values of note.text", "undone 00002_text.sql", "applied 00002_text.sql"}, "id body")
	if err := os.Remove(filepath.Join(e.folder, "00002_text.sql")); err != nil { // as another branch does
		t.Fatal(err)
	}
	e.follow(t, []string{"undone 00002_text.sql"}, "id")
}

// A migration that fails leaves what was applied before.
func TestSchemaGoesBack(t *testing.T) {
	t.Parallel()
	e := newEdited(t)
	e.write(t, "00001_note.sql", "CREATE TABLE note (id bigint);\nINSERT INTO note VALUES (1);", "DROP TABLE note;")
	e.write(t, "00002_text.sql", "ALTER TABLE note ADD COLUMN text text;", "ALTER TABLE note DROP COLUMN text;")
	e.follow(t, []string{"applied 00001_note.sql", "applied 00002_text.sql"}, "id text")
	e.write(t, "00002_text.sql", "ALTER TABLE note ADD COLUMN text text NOT NULL;", "ALTER TABLE note DROP COLUMN text;")
	_, err := e.sync(t.Context(), true)
	if err == nil || !strings.HasPrefix(err.Error(), `migrations/00002_text.sql:2: column "text" of relation "note" contains null values`) {
		t.Errorf("got %v, want the place of the failure", err)
	}
	if got := e.columns(t); got != "id text" {
		t.Errorf("the table has the columns %q, want those from before", got)
	}
}

// make run undoes nothing: it says what is ahead, and how to go on.
func TestSchemaAhead(t *testing.T) {
	t.Parallel()
	e := newEdited(t)
	e.write(t, "00001_note.sql", "CREATE TABLE note (id bigint);", "DROP TABLE note;")
	e.follow(t, []string{"applied 00001_note.sql"}, "id")
	e.write(t, "00001_note.sql", "CREATE TABLE note (number bigint);", "DROP TABLE note;")
	_, err := e.sync(t.Context(), false)
	var ahead aheadError
	if !errors.As(err, &ahead) || !strings.Contains(err.Error(), "make dev undoes them") || !strings.Contains(err.Error(), "make reset") {
		t.Errorf("got %v, want that the database is ahead, and the ways back", err)
	}
	if got := e.columns(t); got != "id" {
		t.Errorf("the table has the columns %q, want it untouched", got)
	}
}
