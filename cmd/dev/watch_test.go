package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// What is edited or removed while code is generated is seen afterwards, and what was generated is not taken for an edit.
func TestEditWhileGenerating(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	write := func(path, text string) {
		t.Helper()
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("sql/a.sql", "SELECT 1")
	write("sql/gone.sql", "SELECT 1")
	w := newWatcher(root)
	write("sql/a.sql", "SELECT 12")
	write("db/a.sql.gen.go", "package db")
	write("api/spec/openapi.yaml", "openapi: 3.1.0")
	if err := os.Remove(filepath.Join(root, "sql/gone.sql")); err != nil {
		t.Fatal(err)
	}
	w.skipGenerated()
	if got := w.changed(); !slices.Equal(got, []string{"sql/a.sql", "sql/gone.sql"}) {
		t.Errorf("changed are %q, want the edit and the removal", got)
	}
	if got := w.changed(); len(got) > 0 {
		t.Errorf("once more changed are %q, want none", got)
	}
}
