package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// row is the schema of a row.
type row struct{ schema, query, goType, example, flat, asked string }

// rows are the schemas of table rows: a name, the query whose columns they have, the struct that carries its tags, and the
// anchors of the description's examples: of the row alone, and with other members beside its own. The member asked is there only when
// a caller asks for it.
var rows = []row{
	{"IndicatorDataset", "GetDataset", "IndicatorDataset", "dataset", "", ""},
	{"WalkforwardRun", "GetRun", "GetRunRow", "run", "runFlat", ""},
	{"WalkforwardFold", "ListFolds", "WalkforwardFold", "fold", "", ""},
	{"SimulationRun", "GetSimulation", "SimulationRun", "simulation", "", ""},
	{"SimulationTradeBucket", "ListBuckets", "SimulationTradeBucket", "bucket", "", ""},
	{"DatasetSummary", "GetDatasetSummary", "GetDatasetSummaryRow", "summary", "", ""},
	{"ListedDataset", "ListDatasetSummaries", "ListDatasetSummariesRow", "", "", "column_schema"},
	{"SimulationSummary", "GetSimulationSummary", "GetSimulationSummaryRow", "", "simulationFlat", ""},
	{"SimulationTrade", "ListTradePage", "ListTradePageRow", "trade", "", ""},
	{"Job", "GetJob", "JobDetail", "job", "", ""},
	{"Event", "ListEvents", "ListEventsRow", "", "", ""},
	{"Annotation", "GetAnnotation", "Annotation", "annotation", "", ""},
	{"SavedComparison", "GetComparison", "Comparison", "savedComparison", "", ""},
	{"Artifact", "ListArtifacts", "ListArtifactsRow", "artifact", "", ""},
}

// The rows' schemas are between these lines of the description.
const (
	rowsBegin = "    # BEGIN rows"
	rowsEnd   = "    # END rows"
)

// catalog is the part of sqlc's json output that the schemas need.
type catalog struct {
	Catalog struct {
		Schemas []struct{ Tables []table }
	}
	Queries []struct {
		Name     string
		Filename string
		Columns  []column
		Params   []struct{ Column column }
	}
}

type table struct {
	Rel     ident
	Comment string
	Columns []column
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

func readCatalog() (*catalog, error) {
	text, err := os.ReadFile(filepath.Join(staging, ".dev", "sqlc.json"))
	if err != nil {
		return nil, err
	}
	cat := &catalog{}
	if err := json.Unmarshal(text, cat); err != nil {
		return nil, fmt.Errorf("read sqlc's catalog: %w", err)
	}
	return cat, nil
}

// sqlcOutput is what sqlc made: its catalog, and the structs that it wrote for rows.
type sqlcOutput struct {
	catalog *catalog
	structs map[string][]field
}

func readOutput() (made sqlcOutput, err error) {
	if made.catalog, err = readCatalog(); err == nil {
		made.structs, err = rowStructs()
	}
	return made, err
}

func rowSchemas(made sqlcOutput) error {
	var b bytes.Buffer
	for _, r := range rows {
		columns, err := made.catalog.columns(r.query)
		if err != nil {
			return locateSource(r.schema, err.Error())
		}
		if err := made.catalog.writeSchema(&b, r, columns, made.structs[r.goType]); err != nil {
			return err
		}
	}
	return replaceBlock(specFile, rowsBegin, rowsEnd, b.Bytes())
}

func (c *catalog) writeSchema(b *bytes.Buffer, r row, columns []column, fields []field) error {
	fmt.Fprintf(b, "    %s:\n      type: object\n", r.schema)
	if description := c.table(columns[0].Table).Comment; description != "" {
		fmt.Fprintf(b, "      description: %s\n", strconv.Quote(description))
	}
	b.WriteString("      required:\n")
	for _, f := range fields {
		if !f.optional && f.key != r.asked {
			fmt.Fprintf(b, "        - %s\n", f.key)
		}
	}
	b.WriteString("      properties:\n")
	for _, f := range fields {
		i := slices.IndexFunc(columns, func(col column) bool { return col.Name == f.column })
		if i < 0 {
			return locateSource(r.schema, fmt.Sprintf("%s has no column %s, which %s has", r.query, f.column, r.goType))
		}
		col := columns[i]
		p := property{key: f.key, column: col, nullable: !col.NotNull && !f.optional}
		if col.Table != nil {
			p.table = col.Table.Name
		}
		if err := p.write(b, "        "); err != nil {
			return c.locate(r.goType, col.Name, err.Error())
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
	return nil, fmt.Errorf("there is no query %s in sql/, which this schema has its columns from", query)
}

func (c *catalog) columnComment(col column) string {
	for _, tc := range c.table(col.Table).Columns {
		if tc.Name == col.OriginalName || tc.Name == col.Name {
			return tc.Comment
		}
	}
	return col.Comment
}

func (c *catalog) table(name *ident) table {
	for _, s := range c.Catalog.Schemas {
		for _, t := range s.Tables {
			if name != nil && t.Rel.Name == name.Name {
				return t
			}
		}
	}
	return table{}
}

// locate finds what a person wrote for a field of a row struct: the column of a table, or else the query.
func (c *catalog) locate(goType, key, what string) error {
	for _, q := range c.Queries {
		for _, col := range q.Columns {
			switch {
			case col.Name != key || q.Name+"Row" != goType && strings.HasSuffix(goType, "Row"):
			case col.Table != nil && col.Table.Name != "":
				return locateColumn(col.Table.Name, cmp.Or(col.OriginalName, col.Name), what)
			case strings.HasSuffix(goType, "Row"):
				return locateQuery(q.Filename, q.Name, what)
			}
		}
	}
	return fmt.Errorf("%s: %s", goType, what)
}
