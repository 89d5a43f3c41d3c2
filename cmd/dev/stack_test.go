package main

import (
	"os/exec"
	"path/filepath"
	"testing"

	"foldbook/internal/devstack"
	"foldbook/internal/testdb"
)

// QDB_PASSTHROUGH=true make run: foldbook migrate runs before QuestDB does, and checks the settings of its reader.
func TestMigrateWithPassthrough(t *testing.T) {
	t.Setenv("QDB_PASSTHROUGH", "true")
	t.Setenv("QDB_HTTP_URL", "")
	t.Setenv("QDB_READONLY_USER", "")
	module, err := devstack.Root()
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	binary := filepath.Join(root, ".dev", "bin", "foldbook")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "./cmd/foldbook")
	build.Dir = module
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	given := map[string]string{"POSTGRES_URL": testdb.EmptyURL(t)}
	s := &stack{root: root, given: given, env: append(questDBReader(given), "POSTGRES_URL="+given["POSTGRES_URL"])}
	if out, err := output(t.Context(), s.foldbook("migrate", "up")); err != nil {
		t.Errorf("foldbook migrate up: %v\n%s", err, out)
	}
}
