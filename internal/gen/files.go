package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// owned are the patterns of the files that are generated as a whole: one that was not made this time is removed.
var owned = []string{"db/*.gen.go", "db/*.gen_test.go"}

// inputs are the parts of the repository that the staging folder shows to sqlc.
var inputs = []string{"migrations", "sql", "sqlc.yaml"}

// stage writes a generated file, named from the root, into the staging folder.
func stage(path string, data []byte) error {
	return os.WriteFile(filepath.Join(staging, path), data, 0o644)
}

// install puts what was made in place of the old files. It leaves a file alone that did not change, so that watchers
// and make see changes only.
func install() error {
	var made []string
	err := filepath.WalkDir(staging, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(staging, path)
		if err != nil || slices.Contains(inputs, rel) || strings.HasPrefix(rel, ".dev") {
			return err
		}
		made = append(made, rel)
		return nil
	})
	if err != nil {
		return err
	}
	for _, path := range made {
		data, err := os.ReadFile(filepath.Join(staging, path))
		if err != nil {
			return err
		}
		if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, data) {
			continue
		}
		if err := os.Rename(filepath.Join(staging, path), path); err != nil {
			return err
		}
	}
	var errs []error
	for _, pattern := range owned {
		present, err := filepath.Glob(pattern)
		errs = append(errs, err)
		for _, path := range present {
			if !slices.Contains(made, path) {
				errs = append(errs, os.Remove(path))
			}
		}
	}
	return errors.Join(errs...)
}

// replaceBlock stages a file with body between the line that starts with begin and the one that starts with end
// (indentation aside).
func replaceBlock(path, begin, end string, body []byte) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	i := bytes.Index(text, []byte(begin))
	if i < 0 {
		return problem{path, 1, 1, fmt.Sprintf("there is no line %q", begin)}
	}
	i += bytes.IndexByte(text[i:], '\n') + 1
	j := bytes.Index(text[i:], []byte(end))
	if j < 0 {
		return problem{path, 1, 1, fmt.Sprintf("there is no line %q after %q", end, begin)}
	}
	j += i
	j = bytes.LastIndexByte(text[:j], '\n') + 1
	return stage(path, bytes.Join([][]byte{text[:i], body, text[j:]}, nil))
}
