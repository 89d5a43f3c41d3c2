package main

import (
	"strings"
	"testing"

	"foldbook/internal/devstack"
	"foldbook/internal/testdb"
)

// A column that is added in SQL is in the types of the TypeScript client by make generate alone, and tsc names the places that use
// one that is gone.
func TestClientTypes(t *testing.T) {
	l := copyRepository(t)
	root, err := devstack.Root()
	if err != nil {
		t.Fatal(err)
	}
	const packages = "/clients/typescript/node_modules"
	testdb.Program(t, root+packages+"/.bin/tsc") // make client installs it
	l.shell(t, `ln -s "$1$2" ".$2"`, root, packages)
	l.shell(t, migration("ALTER TABLE indicator_datasets ADD COLUMN note text;", "ALTER TABLE indicator_datasets DROP COLUMN note;"))
	l.shell(t, `cat > clients/typescript/src/use.ts`+" <<'END'\n"+`import type { components } from "./schema.gen.js";
export const note = (older: components["schemas"]["IndicatorDataset"]): string | null => older.note;
export const same = (current: components["schemas"]["DatasetSummary"]): string | null => current.note;
END`)
	const compile = `make -s generate && cd clients/typescript && { node_modules/.bin/tsc --noEmit || true; }`
	if said := l.shell(t, compile); said != "" {
		t.Errorf("with the column, tsc says\n%s", said)
	}
	l.shell(t, `rm migrations/00999_edit.sql`)
	if said := l.shell(t, compile); strings.Count(said, "Property 'note' does not exist") != 2 {
		t.Errorf("without the column, tsc says\n%s", said)
	}
	if said := l.shell(t, `git status --porcelain`); said != "?? clients/typescript/src/use.ts\n" {
		t.Errorf("make generate leaves\n%s", said)
	}
}
