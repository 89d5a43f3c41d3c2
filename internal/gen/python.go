package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

const pythonFile = "clients/python/src/foldbook/models.py"

// pythonTypes writes the types of the Python client: a TypedDict for each schema of the API description, and one for the query
// parameters of each GET.
func pythonTypes() error {
	text, err := os.ReadFile(filepath.Join(staging, specDir, "openapi.gen.json")) // which is YAML without aliases
	if err != nil {
		return err
	}
	var p pythonModels
	if err := yaml.Unmarshal(text, &p.doc); err != nil {
		return err
	}
	p.out.WriteString(pythonHead)
	for _, s := range p.doc.Components.Schemas {
		p.write(s.Name)
	}
	for _, path := range p.doc.Paths {
		if path.Value.Get != nil {
			p.query(*path.Value.Get)
		}
	}
	return stage(pythonFile, p.out.Bytes())
}

const pythonHead = `"""What the service takes and answers. Made by make generate from the API description: not for editing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, TypeAlias, TypedDict

Time: TypeAlias = "str | int | datetime"
`

type pythonModels struct {
	doc struct {
		Components struct {
			Schemas    named[schema]
			Parameters named[parameter]
		}
		Paths named[struct{ Get *operation }]
	}
	out     bytes.Buffer
	written []string
}

type schema struct {
	Ref         string `yaml:"$ref"`
	Type        anyOf
	Const       string
	Enum        []string
	Description string
	Properties  named[schema]
	Required    []string
	Items       *schema
	AllOf       []schema `yaml:"allOf"`
	OneOf       []schema `yaml:"oneOf"`
	AnyOf       []schema `yaml:"anyOf"`
	Additional  any      `yaml:"additionalProperties"`
}

type operation struct {
	OperationID string `yaml:"operationId"`
	Parameters  []parameter
}

type parameter struct {
	Ref, Name, In string
	Schema        schema
}

// UnmarshalYAML also reads a reference.
func (p *parameter) UnmarshalYAML(n *yaml.Node) error {
	var raw struct {
		Ref      string `yaml:"$ref"`
		Name, In string
		Schema   schema
	}
	err := n.Decode(&raw)
	*p = parameter(raw)
	return err
}

// anyOf is a type, or a list of them.
type anyOf []string

// UnmarshalYAML reads either.
func (a *anyOf) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		*a = anyOf{n.Value}
		return nil
	}
	return n.Decode((*[]string)(a))
}

// named is a mapping in its order.
type named[T any] []struct {
	Name  string
	Value T
}

// UnmarshalYAML keeps the order.
func (m *named[T]) UnmarshalYAML(n *yaml.Node) error {
	*m = make(named[T], len(n.Content)/2)
	for i := range *m {
		(*m)[i].Name = n.Content[2*i].Value
		if err := n.Content[2*i+1].Decode(&(*m)[i].Value); err != nil {
			return err
		}
	}
	return nil
}

func (m named[T]) find(name string) (found T) {
	for _, one := range m {
		if one.Name == name {
			return one.Value
		}
	}
	return found
}

func refName(ref string) string { return ref[strings.LastIndexByte(ref, '/')+1:] }

// write writes a schema once, after those that it extends.
func (p *pythonModels) write(name string) {
	if slices.Contains(p.written, name) {
		return
	}
	p.written = append(p.written, name)
	s := p.doc.Components.Schemas.find(name)
	bases, own := p.parts(s)
	if bases == nil && (len(own.Properties) == 0 || open(own)) {
		fmt.Fprintf(&p.out, "\n%s: TypeAlias = \"%s\"\n", name, pythonType(s))
		return
	}
	var optional, required named[schema]
	for _, member := range own.Properties {
		if slices.Contains(own.Required, member.Name) {
			required = append(required, member)
		} else {
			optional = append(optional, member)
		}
	}
	if len(required) > 0 && len(optional) > 0 { // of what a function takes as named arguments, some are others of its own
		p.class("Optional"+name, bases, "", false, optional)
		bases, optional = []string{"Optional" + name}, nil
	}
	p.class(name, bases, s.Description, len(optional) == 0, append(required, optional...))
}

// parts are the schemas that one extends, which are written before it, and what it has itself.
func (p *pythonModels) parts(s schema) (bases []string, own schema) {
	if s.AllOf == nil {
		return nil, s
	}
	for _, part := range s.AllOf {
		if part.Ref == "" {
			own.Properties, own.Required = append(own.Properties, part.Properties...), append(own.Required, part.Required...)
			continue
		}
		p.write(refName(part.Ref))
		bases = append(bases, refName(part.Ref))
	}
	return bases, own
}

func (p *pythonModels) class(name string, bases []string, description string, total bool, members named[schema]) {
	if len(bases) == 0 {
		bases = []string{"TypedDict"}
	}
	if !total {
		bases = append(bases, "total=False")
	}
	fmt.Fprintf(&p.out, "\n\nclass %s(%s):\n", name, strings.Join(bases, ", "))
	sentence, _, _ := strings.Cut(description, ". ")
	if sentence != "" {
		fmt.Fprintf(&p.out, "    \"\"\"%s.\"\"\"\n\n", strings.TrimSuffix(strings.ReplaceAll(sentence, `\`, `\\`), "."))
	}
	for _, member := range members {
		fmt.Fprintf(&p.out, "    %s: %s\n", member.Name, pythonType(member.Value))
	}
	if len(members) == 0 && sentence == "" {
		p.out.WriteString("    pass\n")
	}
}

// pythonType is how a value is annotated. Objects that have no name, or more members than are described, are plain dicts.
func pythonType(s schema) string {
	union := slices.Concat(s.OneOf, s.AnyOf)
	switch {
	case s.Ref != "":
		return refName(s.Ref)
	case s.Const != "":
		return "Literal['" + s.Const + "']"
	case len(s.Enum) > 0:
		quoted := make([]string, len(s.Enum))
		for i, value := range s.Enum {
			quoted[i] = "'" + value + "'"
		}
		return "Literal[" + strings.Join(quoted, ", ") + "]"
	case len(union) > 0 && union[0].Required == nil: // else it says which members have to be there
		kinds := make([]string, len(union))
		for i, one := range union {
			kinds[i] = pythonType(one)
		}
		return strings.Join(slices.Compact(kinds), " | ")
	}
	kinds := make([]string, len(s.Type))
	for i, kind := range s.Type {
		switch kind {
		case "array":
			kinds[i] = "list[Any]"
			if s.Items != nil {
				kinds[i] = "list[" + pythonType(*s.Items) + "]"
			}
		default:
			kinds[i] = plainTypes[kind]
		}
	}
	if len(kinds) == 0 {
		return "Any"
	}
	return strings.Join(kinds, " | ")
}

var plainTypes = map[string]string{
	"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None", "object": "dict[str, Any]",
}

// open tells whether an object has more members than are described.
func open(s schema) bool { return s.Additional != nil && s.Additional != false }

var isTime = regexp.MustCompile(`(^|_)(ts|timestamp)$`)

// query writes the query parameters of a GET, without those that the client sets, and with, which Python keeps for itself.
func (p *pythonModels) query(o operation) {
	var members named[schema]
	for _, one := range o.Parameters {
		if one.Ref != "" {
			one = p.doc.Components.Parameters.find(refName(one.Ref))
		}
		if one.In != "query" || slices.Contains([]string{"format", "shape", "with"}, one.Name) {
			continue
		}
		switch {
		case isTime.MatchString(one.Name):
			one.Schema = schema{Ref: "Time"}
		case one.Name == "columns":
			one.Schema = schema{Ref: "Sequence[str]"}
		case one.Schema.Items != nil && one.Schema.Items.Ref != "":
			one.Schema = schema{OneOf: []schema{*one.Schema.Items, {Ref: "Sequence[" + pythonType(*one.Schema.Items) + "]"}}}
		case one.Schema.Items != nil:
			one.Schema = schema{Ref: "Sequence[" + pythonType(*one.Schema.Items) + "]"} // a text is one, too
		}
		members = append(members, struct {
			Name  string
			Value schema
		}{one.Name, one.Schema})
	}
	if members != nil {
		p.class(o.OperationID+"Query", nil, "", false, members)
	}
}
