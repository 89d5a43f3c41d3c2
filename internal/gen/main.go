// Command gen is `make generate`: it makes all generated files, so that nothing is typed twice.
//
//	db/*.gen.go                sqlc                              from sql/, migrations/ and sqlc.yaml
//	db/json.gen.go             JSON encoders of the row structs  from db/*.gen.go
//	db/rows.gen_test.go        one of each, for their test       from the same
//	api/spec/openapi.yaml      schemas of rows and bodies        from sqlc's catalog
//	api/spec/openapi.gen.json  the document as JSON              from api/spec/openapi.yaml
//	api/spec/server.gen.go     oapi-codegen                      from the same
//	clients/python/…/models.py the types of the Python client    from the same
//	docs/settings.md           the table of settings             from .env.example
//
// It runs in the module's root. Everything is made in a folder of its own and renamed into place at the end, so that a
// failure leaves the files as they were. What it prints of a failure starts with the file, the line and the column.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

const (
	staging  = ".dev/generate" // where everything is made first
	specDir  = "api/spec"
	specFile = specDir + "/openapi.yaml"
)

func main() {
	var tools tools
	flag.StringVar(&tools.sqlc, "sqlc", "sqlc", "the sqlc binary")
	flag.StringVar(&tools.oapiCodegen, "oapi-codegen", "oapi-codegen", "the oapi-codegen binary")
	vet := flag.Bool("vet", false, "let the server at DATABASE_URL prepare every query instead, and apply the rules of sqlc.yaml")
	flag.BoolVar(&tools.queriesOnly, "queries", false, "only sql/ has changed: look at the API description only when the rows are others")
	flag.Parse()
	step := generate
	if *vet {
		step = vetQueries
	}
	if err := step(tools); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

type tools struct {
	sqlc, oapiCodegen string
	queriesOnly       bool
}

func generate(tools tools) error {
	if err := os.RemoveAll(staging); err != nil {
		return err
	}
	for _, dir := range []string{"db", specDir, ".dev", "docs", filepath.Dir(pythonFile)} {
		if err := os.MkdirAll(filepath.Join(staging, dir), 0o755); err != nil {
			return err
		}
	}
	if err := checkMigrations(); err != nil {
		return err
	}
	if err := runSQLC(tools.sqlc); err != nil {
		return err
	}
	made, err := readOutput()
	if err != nil {
		return err
	}
	for _, step := range []func() error{
		func() error { return encoders(made) },
		func() error { return rowSchemas(made) },
		func() error { return uploadSchemas(made) },
		func() error { return generateSpec(tools, made) },
		settingsTable,
		install,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return os.RemoveAll(staging)
}

// generateSpec makes what comes from the API description with the schemas of the rows.
func generateSpec(tools tools, made sqlcOutput) error {
	if tools.queriesOnly {
		staged, err1 := os.ReadFile(filepath.Join(staging, specFile))
		present, err2 := os.ReadFile(specFile)
		if err := errors.Join(err1, err2); err != nil || bytes.Equal(staged, present) {
			return err
		}
	}
	for _, step := range []func() error{
		checkSpec,
		func() error { return examples(made) },
		openapiJSON,
		func() error { return runOAPICodegen(tools.oapiCodegen) },
		pythonTypes,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}
