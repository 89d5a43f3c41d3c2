package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
)

// rows are the schemas of table rows: a name, the query whose columns they have, and the struct that carries its tags.
var rows = []struct{ schema, query, goType string }{
	{"IndicatorDataset", "GetDataset", "IndicatorDataset"},
	{"WalkforwardRun", "GetRun", "GetRunRow"},
	{"WalkforwardFold", "ListFolds", "WalkforwardFold"},
	{"SimulationRun", "GetSimulation", "SimulationRun"},
	{"SimulationTradeBucket", "ListBuckets", "SimulationTradeBucket"},
	{"DatasetSummary", "GetDatasetSummary", "GetDatasetSummaryRow"},
	{"SimulationSummary", "GetSimulationSummary", "GetSimulationSummaryRow"},
	{"SimulationTrade", "ListTradePage", "ListTradePageRow"},
	{"Job", "GetJob", "Job"},
}

// catalog is the part of sqlc's json output that the schemas need.
type catalog struct {
	Catalog struct {
		Schemas []struct {
			Tables []struct {
				Rel     ident
				Comment string
				Columns []column
			}
		}
	}
	Queries []struct {
		Name    string
		Columns []column
	}
}

type ident struct{ Schema, Name string }

type column struct {
	Name         string
	OriginalName string `json:"original_name"`
	NotNull      bool   `json:"not_null"`
	Comment      string
	Table        *ident
	Type         ident
}

// jsonTypes gives type and format for each PostgreSQL type in use; a JSONB column is an object or an array, never a text.
var jsonTypes = map[string][2]string{
	"uuid":        {"string", "uuid"},
	"text":        {"string"},
	"bool":        {"boolean"},
	"boolean":     {"boolean"},
	"int4":        {"integer", "int32"},
	"integer":     {"integer", "int32"},
	"int8":        {"integer", "int64"},
	"bigint":      {"integer", "int64"},
	"float8":      {"number", "double"},
	"timestamptz": {"string", "date-time"},
	"jsonb":       {"object, array"},
}

func rowSchemas() error {
	text, err := os.ReadFile(".dev/sqlc.json")
	if err != nil {
		return err
	}
	var cat catalog
	if err := json.Unmarshal(text, &cat); err != nil {
		return fmt.Errorf("read sqlc's catalog: %w", err)
	}
	structs, err := rowStructs()
	if err != nil {
		return err
	}
	var b bytes.Buffer
	for _, r := range rows {
		columns, err := cat.columns(r.query)
		if err != nil {
			return err
		}
		tags := map[string]field{}
		for _, f := range structs[r.goType] {
			tags[f.key] = f
		}
		if err := writeSchema(&b, r.schema, cat.comment(columns[0].Table), columns, tags); err != nil {
			return fmt.Errorf("schema %s: %w", r.schema, err)
		}
	}
	return replaceBlock("api/openapi.yaml", "    # BEGIN rows", "    # END rows", b.Bytes())
}

func writeSchema(b *bytes.Buffer, name, description string, columns []column, tags map[string]field) error {
	fmt.Fprintf(b, "    %s:\n      type: object\n", name)
	if description != "" {
		fmt.Fprintf(b, "      description: %s\n", strconv.Quote(description))
	}
	b.WriteString("      required:\n")
	for _, c := range columns {
		if f, ok := tags[c.Name]; ok && !f.optional {
			fmt.Fprintf(b, "        - %s\n", c.Name)
		}
	}
	b.WriteString("      properties:\n")
	for _, c := range columns {
		f, ok := tags[c.Name]
		if !ok { // not part of the wire shape
			continue
		}
		typ, ok := jsonTypes[c.Type.Name]
		if !ok {
			return fmt.Errorf("column %s: no JSON type for %s", c.Name, c.Type.Name)
		}
		kind := typ[0]
		if !c.NotNull && !f.optional {
			kind += `, "null"`
		}
		if kind != typ[0] || c.Type.Name == "jsonb" {
			kind = "[" + kind + "]"
		}
		fmt.Fprintf(b, "        %s:\n          type: %s\n", c.Name, kind)
		if typ[1] != "" {
			fmt.Fprintf(b, "          format: %s\n", typ[1])
		}
		if c.Comment != "" {
			fmt.Fprintf(b, "          description: %s\n", strconv.Quote(c.Comment))
		}
	}
	return nil
}

// columns returns the columns of a query, each with the comment of the table column that it comes from.
func (c *catalog) columns(query string) ([]column, error) {
	for _, q := range c.Queries {
		if q.Name != query {
			continue
		}
		columns := q.Columns
		for i, col := range columns {
			columns[i].Comment = c.columnComment(col)
		}
		return columns, nil
	}
	return nil, fmt.Errorf("no query %s", query)
}

func (c *catalog) columnComment(col column) string {
	for _, s := range c.Catalog.Schemas {
		for _, t := range s.Tables {
			if col.Table == nil || t.Rel.Name != col.Table.Name {
				continue
			}
			for _, tc := range t.Columns {
				if tc.Name == col.OriginalName || tc.Name == col.Name {
					return tc.Comment
				}
			}
		}
	}
	return col.Comment
}

func (c *catalog) comment(table *ident) string {
	for _, s := range c.Catalog.Schemas {
		for _, t := range s.Tables {
			if table != nil && t.Rel.Name == table.Name {
				return t.Comment
			}
		}
	}
	return ""
}
