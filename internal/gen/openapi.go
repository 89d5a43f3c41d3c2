package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"

	"github.com/go-json-experiment/json/jsontext"
	"gopkg.in/yaml.v3"
)

// openapiJSON writes the API description once more as JSON, keys in the order of the YAML.
func openapiJSON() error {
	text, err := os.ReadFile(filepath.Join(staging, specFile))
	if err != nil {
		return err
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return err
	}
	var out bytes.Buffer
	e := jsontext.NewEncoder(&out, jsontext.WithIndent(" "), jsontext.PreserveRawStrings(true))
	if err := writeNode(e, doc.Content[0]); err != nil {
		return err
	}
	return stage(specDir+"/openapi.gen.json", out.Bytes())
}

func writeNode(e *jsontext.Encoder, n *yaml.Node) error {
	begin, end := jsontext.BeginObject, jsontext.EndObject
	switch n.Kind {
	case yaml.AliasNode:
		return writeNode(e, n.Alias)
	case yaml.ScalarNode:
		var v any
		if err := n.Decode(&v); err != nil {
			return problem{specFile, n.Line, n.Column, err.Error()}
		}
		text, err := json.Marshal(v)
		if err != nil {
			return problem{specFile, n.Line, n.Column, err.Error()}
		}
		return e.WriteValue(text)
	case yaml.SequenceNode:
		begin, end = jsontext.BeginArray, jsontext.EndArray
	}
	if err := e.WriteToken(begin); err != nil {
		return err
	}
	for i, c := range n.Content {
		write := func() error { return writeNode(e, c) }
		if n.Kind == yaml.MappingNode && i%2 == 0 { // a key, which may look like a number
			write = func() error { return e.WriteToken(jsontext.String(c.Value)) }
		}
		if err := write(); err != nil {
			return err
		}
	}
	return e.WriteToken(end)
}
