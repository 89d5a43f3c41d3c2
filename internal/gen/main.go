// Command gen makes what `make generate` needs beyond sqlc and oapi-codegen, from their inputs, so that nothing is
// typed twice:
//
//	db/json.gen.go        JSON encoders of the row structs     from db/*.gen.go
//	db/rows.gen_test.go   one of each, for their test          from the same
//	api/openapi.yaml      the schemas of the rows              from sqlc's catalog (.dev/sqlc.json)
//	api/openapi.gen.json  the document as JSON                 from api/openapi.yaml
//	README.md             the table of settings                from .env.example
//
// It runs in the module's root, after sqlc and before oapi-codegen.
package main

import (
	"bytes"
	"fmt"
	"log"
	"os"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("gen: ")
	for _, step := range []func() error{encoders, rowSchemas, openapiJSON, settingsTable} {
		if err := step(); err != nil {
			log.Fatal(err)
		}
	}
}

// replaceBlock puts body between the line that starts with begin and the one that starts with end (indentation aside).
func replaceBlock(path, begin, end string, body []byte) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	i := bytes.Index(text, []byte(begin))
	if i < 0 {
		return fmt.Errorf("%s: no line %q", path, begin)
	}
	i += bytes.IndexByte(text[i:], '\n') + 1
	j := bytes.Index(text[i:], []byte(end))
	if j < 0 {
		return fmt.Errorf("%s: no line %q after %q", path, end, begin)
	}
	j += i
	j = bytes.LastIndexByte(text[:j], '\n') + 1
	return writeFile(path, bytes.Join([][]byte{text[:i], body, text[j:]}, nil))
}

// writeFile leaves a file alone that would not change, so that watchers and make see changes only.
func writeFile(path string, data []byte) error {
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, data) {
		return nil
	}
	return os.WriteFile(path, data, 0o644)
}
