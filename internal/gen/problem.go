package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"foldbook/internal/migrator"
)

// problem is what is wrong at a place of a file that a person wrote.
type problem struct {
	file         string
	line, column int
	text         string
}

func (p problem) Error() string { return fmt.Sprintf("%s:%d:%d: %s", p.file, p.line, p.column, p.text) }

// at returns the problem at an offset into the text of a file.
func at(file, text string, offset int, what string) problem {
	before := text[:offset]
	return problem{file, 1 + strings.Count(before, "\n"), offset - strings.LastIndexByte(before, '\n'), what}
}

// checkMigrations finds what goose would not take; to sqlc its annotations are comments.
func checkMigrations() error {
	_, err := migrator.Parse(os.DirFS("migrations"))
	var wrong *migrator.Error
	if errors.As(err, &wrong) {
		return problem{"migrations/" + wrong.File, wrong.Line, 1, wrong.Err.Error()}
	}
	return err
}

// locateColumn finds the newest definition of a table's column in the migrations.
func locateColumn(table, column, what string) error {
	definition := regexp.MustCompile(`(?is)\b(?:CREATE|ALTER)\s+TABLE\s[^;]*?\b` + regexp.QuoteMeta(table) + `\b[^;]*?[\s(,]("?` +
		regexp.QuoteMeta(column) + `"?)\s`)
	files, err := filepath.Glob("migrations/*.sql")
	if err != nil {
		return err
	}
	for _, file := range slices.Backward(files) {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		up, _, _ := strings.Cut(string(text), "-- +goose Down")
		if m := definition.FindStringSubmatchIndex(up); m != nil {
			return at(file, up, m[2], what)
		}
	}
	return fmt.Errorf("%s.%s: %s", table, column, what)
}

// locateQuery finds a query by its annotation.
func locateQuery(file, name, what string) error {
	return locate("sql/"+file, "-- name: "+name+" ", what)
}

// locateSource finds a name in the list of row schemas.
func locateSource(schema, what string) error {
	return locate("internal/gen/rows.go", `{"`+schema+`"`, what)
}

// locate finds a text in a file.
func locate(file, text, what string) error {
	all, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	return at(file, string(all), max(strings.Index(string(all), text), 0), what)
}
