package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// The members of a body that a query stores are between two lines of the description, of which the first is
//
//	# BEGIN columns of QUERY: table TABLE, example EXAMPLE[, never null][, KEY=COLUMN …]
//
// There is one member for each parameter of the query, with the value that it has in an example. COLUMN goes by the name KEY, or by
// none when that is empty. What a person has written about a member beside the lines stands.
var uploadBlock = regexp.MustCompile(
	`(?m)^( +)# BEGIN columns of (\w+): table (\w+), example (\w+)(, never null)?(?:, (.*))?\n((?s:.*?))^ +# END columns$`)

// upload is one such block, with what stands around it.
type upload struct {
	indent, query, table string
	neverNull            bool
	keys                 map[string]string // of columns that have another name here
	examples             map[string]string // in YAML, by member
	written              []string          // members that a person has described
	required             string            // the line of those
}

// uploadSchemas makes the members of bodies.
func uploadSchemas(made sqlcOutput) error {
	read, err := os.ReadFile(filepath.Join(staging, specFile))
	if err != nil {
		return err
	}
	natural, err := naturalNumbers()
	if err != nil {
		return err
	}
	text := string(read)
	for _, at := range slices.Backward(uploadBlock.FindAllStringSubmatchIndex(text, -1)) {
		part := func(i int) string { return text[max(at[2*i], 0):max(at[2*i+1], 0)] }
		u := upload{
			indent: part(1), query: part(2), table: part(3), examples: exampleValues(text, part(4)), neverNull: part(5) != "",
			keys: map[string]string{},
		}
		for pair := range strings.FieldsSeq(part(6)) {
			key, column, _ := strings.Cut(pair, "=")
			u.keys[column] = key
		}
		u.lookAround(strings.Split(text[:at[0]], "\n"), strings.Split(text[at[1]:], "\n"))
		members, err := u.members(made.catalog, natural)
		if err != nil {
			return err
		}
		text = text[:at[14]] + members + text[at[15]:]
	}
	return stage(specFile, []byte(text))
}

// lookAround reads the lines before and after the block: the other members, and above them which are required.
func (u *upload) lookAround(before, after []string) {
	indent := len(u.indent)
	note := func(line string) (within bool) {
		if indentOf(line) == indent {
			key, _, _ := strings.Cut(strings.TrimSpace(line), ":")
			u.written = append(u.written, key)
		}
		return indentOf(line) >= indent || strings.TrimSpace(line) == ""
	}
	for _, line := range after {
		if !note(line) {
			break
		}
	}
	for _, line := range slices.Backward(before) {
		if !note(line) && indentOf(line) < indent-2 {
			break
		} else if strings.HasPrefix(strings.TrimSpace(line), "required: ") && indentOf(line) == indent-2 {
			u.required = line
		}
	}
}

func (u *upload) requires(key string) bool {
	return slices.Contains(strings.FieldsFunc(u.required, func(r rune) bool { return strings.ContainsRune(" ,[]", r) }), key)
}

func (u *upload) members(cat *catalog, natural map[string]bool) (string, error) {
	params, err := cat.params(u.query)
	if err != nil {
		return "", locate(specFile, "columns of "+u.query+":", err.Error())
	}
	var b bytes.Buffer
	columns := cat.table(&ident{Name: u.table}).Columns
	for _, param := range params {
		key, renamed := u.keys[param]
		if !renamed {
			key = param
		}
		if key == "" || slices.Contains(u.written, key) {
			continue
		}
		i := slices.IndexFunc(columns, func(c column) bool { return c.Name == param })
		if i < 0 {
			return "", locate(specFile, "columns of "+u.query+":", param+", which "+u.query+" takes, is no column of "+u.table)
		}
		p := property{
			key: key, table: u.table, column: columns[i], nullable: !u.neverNull && !u.requires(key),
			natural: natural[u.table+"."+param], example: u.examples[key],
		}
		if p.example == "" {
			p.example = plainValue(columns[i])
		}
		if err := p.write(&b, u.indent); err != nil {
			return "", locateColumn(u.table, param, err.Error())
		}
	}
	return b.String(), nil
}

// params are the names of the parameters of a query.
func (c *catalog) params(query string) (names []string, err error) {
	for _, q := range c.Queries {
		if q.Name == query {
			for _, p := range q.Params {
				names = append(names, p.Column.Name)
			}
			return names, nil
		}
	}
	return nil, fmt.Errorf("there is no query %s in sql/", query)
}

// exampleValues are the members of an example of the description that are on one line each.
func exampleValues(text, anchor string) map[string]string {
	values := map[string]string{}
	_, text, _ = strings.Cut(text, " &"+anchor+"\n")
	indent := indentOf(text)
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		if indentOf(line) < indent {
			break
		} else if indentOf(line) == indent && !strings.Contains(value, "*") {
			values[key] = value
		}
	}
	return values
}

var check = regexp.MustCompile(`(?i)(?:CREATE|ALTER) TABLE (\w+)|CHECK \((\w+) (?:>= 0|BETWEEN 0 )`)

// naturalNumbers are the columns, as table.column, that the migrations forbid to be below 0.
func naturalNumbers() (map[string]bool, error) {
	natural := map[string]bool{}
	files, err := filepath.Glob("migrations/*.sql")
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		up, _, _ := strings.Cut(string(text), "-- +goose Down")
		table := ""
		for _, m := range check.FindAllStringSubmatch(up, -1) {
			if m[1] != "" {
				table = m[1]
			} else {
				natural[table+"."+m[2]] = true
			}
		}
	}
	return natural, nil
}
