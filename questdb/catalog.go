package questdb

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Column is a column as QuestDB's catalogue has it.
type Column struct {
	Name       string
	Type       string // DOUBLE, LONG, SYMBOL, TIMESTAMP, VARCHAR, …, in capitals
	Designated bool   // the table's designated timestamp
	Key        bool   // one of the deduplication keys
}

// Table is a table as QuestDB's catalogue has it.
type Table struct {
	Name        string // as it is in the catalogue
	Designated  string // name of the designated timestamp, empty for none
	PartitionBy string // NONE, HOUR, DAY, WEEK, MONTH, YEAR
	WAL, Dedup  bool
	Columns     []Column
}

// Column finds a column by its name, ignoring case as QuestDB does.
func (t *Table) Column(name string) (Column, bool) {
	for _, c := range t.Columns {
		if strings.EqualFold(c.Name, name) {
			return c, true
		}
	}
	return Column{}, false
}

// First finds the first of these names that the table has a column for: writers use different names for the same thing.
func (t *Table) First(names ...string) (Column, bool) {
	for _, name := range names {
		if c, ok := t.Column(name); ok {
			return c, true
		}
	}
	return Column{}, false
}

// Table looks up a table in the catalogue and caches it for about 2 s; a change made through this client shows at once. The
// result is shared: do not modify it. Errors: ErrInvalidName, ErrNoTable, and those of a read.
func (c *Client) Table(ctx context.Context, name string) (*Table, error) {
	name, err := tableName(name)
	if err != nil {
		return nil, err
	}
	if t := c.tables.get(name, time.Now()); t != nil {
		return t, nil
	}
	return c.lookUp(ctx, name, c.query)
}

// reader runs a read: Client.query, or Client.execQuery where it has to go over HTTP.
type reader func(context.Context, *statement) (*Rows, error)

// lookUp asks for a table, whose name is checked and in lower case, and keeps it.
func (c *Client) lookUp(ctx context.Context, name string, read reader) (*Table, error) {
	generation := c.tables.generation.Load()
	list, err := listTables(ctx, read, name)
	if err != nil {
		return nil, fmt.Errorf("look up a table: %w", err)
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%w: %s", ErrNoTable, name)
	}
	t := list[0]
	// The argument of the function has to be a literal.
	st := new(statement).add(`select "column", type, designated, upsertKey from table_columns(`).add(constant(textLiteral(t.Name))).add(")")
	rows, err := read(ctx, st)
	err = each(rows, err, func(r *Rows) {
		column, _ := r.Text(0)
		columnType, _ := r.Text(1)
		designated, _ := r.Int(2)
		key, _ := r.Int(3)
		t.Columns = append(t.Columns, Column{string(column), strings.ToUpper(string(columnType)), designated == 1, key == 1})
	})
	if err != nil {
		return nil, fmt.Errorf("look up the columns of a table: %w", err)
	}
	c.tables.put(name, t, generation, time.Now())
	return t, nil
}

// listTables reads tables without their columns: that one, or all when name is empty.
func listTables(ctx context.Context, read reader, name string) ([]*Table, error) {
	st := new(statement).add("select table_name, designatedTimestamp, partitionBy, walEnabled, dedup from tables()")
	if name != "" {
		st.add(" where lower(table_name) = ").value(name)
	}
	st.add(" order by lower(table_name)")
	var list []*Table
	rows, err := read(ctx, st)
	err = each(rows, err, func(r *Rows) {
		name, _ := r.Text(0)
		designated, _ := r.Text(1)
		partition, _ := r.Text(2)
		wal, _ := r.Int(3)
		dedup, _ := r.Int(4)
		list = append(list, &Table{Name: string(name), Designated: string(designated), PartitionBy: string(partition), WAL: wal == 1, Dedup: dedup == 1})
	})
	return list, err
}

// Measurement is a table with what is in it.
type Measurement struct {
	Table
	Rows        int64
	First, Last time.Time // of the designated timestamp; zero when there is no row
}

// Measurements lists the tables whose names begin with prefix, by name, without their columns; QuestDB's own tables are left out.
func (c *Client) Measurements(ctx context.Context, prefix string) ([]Measurement, error) {
	prefix = strings.ToLower(prefix)
	list, err := listTables(ctx, c.query, "")
	if err != nil {
		return nil, fmt.Errorf("list the tables: %w", err)
	}
	measurements := []Measurement{}
	for _, t := range list {
		if _, err := tableName(t.Name); err != nil || isOwn(t.Name) || !strings.HasPrefix(strings.ToLower(t.Name), prefix) {
			continue
		}
		t.Columns = []Column{{Name: t.Designated}}
		bounds, err := c.Bounds(ctx, Selection{Table: t})
		if errors.Is(err, ErrNoTable) { // it was dropped in between
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("measure a table: %w", err)
		}
		t.Columns = nil
		measurements = append(measurements, Measurement{*t, bounds.Rows, bounds.First, bounds.Last})
	}
	return measurements, nil
}

// isOwn recognises QuestDB's own tables.
func isOwn(name string) bool {
	return strings.HasPrefix(name, "sys.") || strings.HasPrefix(name, "telemetry") || strings.HasPrefix(name, "_query_trace")
}

// Measurement is one of them, with its columns. Errors: ErrInvalidName, ErrNoTable, and those of a read.
func (c *Client) Measurement(ctx context.Context, name string) (*Measurement, error) {
	t, err := c.Table(ctx, name)
	if err != nil {
		return nil, err
	}
	bounds, err := c.Bounds(ctx, Selection{Table: t})
	if err != nil {
		return nil, fmt.Errorf("measure a table: %w", err)
	}
	return &Measurement{*t, bounds.Rows, bounds.First, bounds.Last}, nil
}
