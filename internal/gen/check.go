package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/pb33f/libopenapi"
	schemas "github.com/pb33f/libopenapi-validator/schema_validation"
	"gopkg.in/yaml.v3"
)

// checkSpec finds what is wrong with the API description: its YAML, its references and names, then all that OpenAPI's own schema
// rules out. It looks at the staged document, and reports the lines of the one that a person edits.
func checkSpec() error {
	text, err := os.ReadFile(filepath.Join(staging, specFile))
	if err != nil {
		return err
	}
	edited, err := os.ReadFile(specFile)
	if err != nil {
		return err
	}
	c := specCheck{names: map[string]bool{}, staged: blockLines(text), edited: blockLines(edited)}
	doc, err := libopenapi.NewDocument(text)
	if err != nil {
		return c.syntax(err)
	}
	var tree yaml.Node
	if err := yaml.Unmarshal(text, &tree); err != nil {
		return c.syntax(err)
	}
	c.root = tree.Content[0]
	c.walk(c.root, "")
	if len(c.problems) == 0 {
		c.openAPI(doc)
	}
	return errors.Join(c.problems...)
}

type specCheck struct {
	root     *yaml.Node
	names    map[string]bool // operation ids
	problems []error
	staged   []int // the lines between which members are generated, in the document that is looked at
	edited   []int // and in the one that a person edits
}

// blockLines are the lines at which generated parts begin and end.
func blockLines(text []byte) (lines []int) {
	n := 0
	for line := range bytes.Lines(text) {
		n++
		if mark := bytes.TrimSpace(line); bytes.HasPrefix(mark, []byte("# BEGIN ")) || bytes.HasPrefix(mark, []byte("# END ")) {
			lines = append(lines, n)
		}
	}
	return lines
}

func (c *specCheck) fail(line, column int, format string, args ...any) {
	if i, _ := slices.BinarySearch(c.staged, line); i > 0 {
		line += c.edited[i-1] - c.staged[i-1]
	}
	c.problems = append(c.problems, problem{specFile, line, column, fmt.Sprintf(format, args...)})
}

var yamlPlace = regexp.MustCompile(`(?s)L(\d+)\.C(\d+): (.*)$`)

// syntax places what the YAML parsers say.
func (c *specCheck) syntax(err error) error {
	if m := yamlPlace.FindStringSubmatch(err.Error()); m != nil {
		line, _ := strconv.Atoi(m[1])
		column, _ := strconv.Atoi(m[2])
		c.fail(line, column, "%s", m[3])
	} else if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		line, _ := strconv.Atoi(m[1])
		c.fail(line, 1, "%s", m[2])
	} else {
		c.fail(1, 1, "%v", err)
	}
	return errors.Join(c.problems...)
}

var schemaTypes = []string{"string", "number", "integer", "boolean", "object", "array", "null"}

// walk looks for what neither parser complains about: a key that is there twice, a reference to nothing, two operations of one
// name, a type that JSON Schema does not have.
func (c *specCheck) walk(n *yaml.Node, key string) {
	if n.Kind != yaml.MappingNode {
		for _, child := range n.Content {
			c.walk(child, key)
		}
		return
	}
	seen := map[string]bool{}
	for i := 0; i < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if seen[k.Value] {
			c.fail(k.Line, k.Column, "%s is there twice", k.Value)
		}
		seen[k.Value] = true
		switch {
		case key == "example" || key == "examples" || key == "properties": // the keys are anybody's
		case k.Value == "$ref" && !c.resolves(v.Value):
			c.fail(v.Line, v.Column, "there is no %s", v.Value)
		case k.Value == "operationId" && c.names[v.Value]:
			c.fail(v.Line, v.Column, "another operation has the operationId %s", v.Value)
		case k.Value == "operationId":
			c.names[v.Value] = true
			if !hasKey(n, "security") {
				c.fail(k.Line, k.Column, "%s says nothing about who may call it: add security: *read, *write, *admin or *metrics", v.Value)
			}
		case k.Value == "type" && v.Kind == yaml.ScalarNode && !slices.Contains(schemaTypes, v.Value):
			c.fail(v.Line, v.Column, "%s is no type of a schema: there are %s", v.Value, strings.Join(schemaTypes, ", "))
		}
		if k.Value != "example" && k.Value != "value" && k.Value != "securitySchemes" { // those are no schemas
			c.walk(v, k.Value)
		}
	}
}

func hasKey(n *yaml.Node, key string) bool {
	for i := 0; i < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return true
		}
	}
	return false
}

// resolves follows a reference within the document.
func (c *specCheck) resolves(ref string) bool {
	path, ok := strings.CutPrefix(ref, "#/")
	if !ok {
		return false
	}
	n := c.root
	for part := range strings.SplitSeq(path, "/") {
		part = strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
		i := 0
		for ; n.Kind == yaml.MappingNode && i < len(n.Content) && n.Content[i].Value != part; i += 2 {
		}
		if n.Kind != yaml.MappingNode || i >= len(n.Content) {
			return false
		}
		n = n.Content[i+1]
	}
	return true
}

// openAPI validates the document against the schema of OpenAPI 3.1.
func (c *specCheck) openAPI(doc libopenapi.Document) {
	if _, err := doc.BuildV3Model(); err != nil {
		c.fail(1, 1, "%v", err)
		return
	}
	_, found := schemas.ValidateOpenAPIDocument(doc)
	for _, f := range found {
		for _, e := range f.SchemaValidationErrors {
			c.fail(e.Line, e.Column, "%s: %s", e.FieldPath, e.Reason)
		}
		if len(f.SchemaValidationErrors) == 0 {
			c.fail(f.SpecLine, f.SpecCol, "%s", f.Reason)
		}
	}
}
