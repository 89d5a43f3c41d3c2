package migrator_test

import (
	"fmt"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"foldbook/internal/migrator"
)

func TestParse(t *testing.T) {
	t.Parallel()
	got, err := migrator.Parse(fstest.MapFS{
		"00002_b.sql": file("-- +goose NO TRANSACTION\n-- +goose Up\nSELECT 2;\n"),
		"00001_a.sql": file("-- about it\n\n-- +goose Up\n-- why\nSELECT 1; -- one\nSELECT\n    ';' AS semicolon\n  , 2;\n-- +goose StatementBegin\nSELECT 3;\nSELECT 4;\n-- +goose StatementEnd\n-- +goose Down\nSELECT 5;\n"),
	})
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, m := range got {
		lines = append(lines, fmt.Sprintf("%d %s %t: %s | %s", m.Version, m.File, m.Transactional, m.SQL(migrator.Up), m.SQL(migrator.Down)))
	}
	want := []string{
		"1 00001_a.sql true: SELECT 1; -- one\nSELECT\n    ';' AS semicolon\n  , 2;\nSELECT 3;\nSELECT 4; | SELECT 5;",
		"2 00002_b.sql false: SELECT 2; | ",
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestParseErrors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ file, text, want string }{
		"no number":  {"a.sql", "", "migrations/a.sql: the name of a migration starts with its number and an underscore"},
		"own commit": {"1_a.sql", "-- +goose Up\nSELECT 1;\ncommit;\n", "migrations/1_a.sql:3: a migration cannot steer its own transaction; mark it -- +goose NO TRANSACTION"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := migrator.Parse(fstest.MapFS{c.file: file(c.text)})
			if err == nil || err.Error() != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
	function := "-- +goose Up\n-- +goose StatementBegin\nCREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$\nBEGIN\n  RETURN 1;\nEND;\n$$;\n-- +goose StatementEnd\n"
	if _, err := migrator.Parse(fstest.MapFS{"1_a.sql": file(function)}); err != nil {
		t.Errorf("the END of a function: %v", err)
	}
	_, err := migrator.Parse(fstest.MapFS{"1_a.sql": file("-- +goose Up\n"), "01_b.sql": file("-- +goose Up\n")})
	if err == nil {
		t.Error("two files of one number: got no error")
	}
}
