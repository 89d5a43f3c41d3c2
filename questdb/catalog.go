package questdb

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
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

// Forget drops what is cached of a table, and tells whether there was anything: another process may have changed the table.
func (c *Client) Forget(name string) bool {
	name = strings.ToLower(name)
	cached := c.tables.get(name, time.Now()) != nil
	c.tables.forget(name)
	return cached
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
		list = append(list, &Table{Name: string(name), Designated: string(designated), PartitionBy: string(partition), WAL: wal == 1,
			Dedup: dedup == 1})
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
	list = slices.DeleteFunc(list, func(t *Table) bool {
		_, err := tableName(t.Name)
		t.Columns = []Column{{Name: t.Designated}}
		return err != nil || isOwn(t.Name) || !strings.HasPrefix(strings.ToLower(t.Name), prefix)
	})
	measurements := []Measurement{}
	for part := range slices.Chunk(list, measured) {
		found, err := c.measure(ctx, part)
		if err != nil {
			return nil, fmt.Errorf("measure tables: %w", err)
		}
		measurements = append(measurements, found...)
	}
	return measurements, nil
}

// measured is how many tables one statement counts.
const measured = 20

// measure counts tables with one statement. When one of them was dropped before or meanwhile, or the statement is too complex for
// QuestDB, which has no fixed measure of that, it counts the halves.
func (c *Client) measure(ctx context.Context, tables []*Table) ([]Measurement, error) {
	st := new(statement)
	for i, t := range tables {
		n := constant(strconv.Itoa(i))
		if i > 0 {
			st.add(" union all ")
		}
		st.add("(select " + n + " i, count() v from ").table(t).add(")")
		for _, end := range []constant{" limit 1)", " limit -1)"} {
			if t.Designated != "" {
				st.add(" union all (select "+n+" i, ").column(t, t.Designated).add("::timestamp::long v from ").table(t).add(end)
			}
		}
	}
	found := make([][]int64, len(tables))
	rows, err := c.query(ctx, st)
	err = each(rows, err, func(r *Rows) {
		i, _ := r.Int(0)
		v, _ := r.Int(1)
		found[i] = append(found[i], v)
	})
	refused := new(Refused)
	switch half := len(tables) / 2; {
	case errors.Is(err, ErrNoTable) && half == 0:
		return nil, nil
	case half > 0 && (errors.Is(err, ErrNoTable) || errors.Is(err, ErrBroken) || errors.As(err, &refused)):
		first, err := c.measure(ctx, tables[:half])
		if err != nil {
			return nil, err
		}
		rest, err := c.measure(ctx, tables[half:])
		return append(first, rest...), err
	case err != nil:
		return nil, err
	}
	list := make([]Measurement, len(tables))
	for i, t := range tables {
		list[i].Table, list[i].Rows = *t, found[i][0]
		list[i].Columns = nil
		if len(found[i]) == 3 {
			list[i].First, list[i].Last = time.UnixMicro(found[i][1]).UTC(), time.UnixMicro(found[i][2]).UTC()
		}
	}
	return list, nil
}

// Disk is how many bytes the tables take. Errors: those of a read.
func (c *Client) Disk(ctx context.Context) (int64, error) {
	return c.number(ctx, new(statement).add("select sum(diskSize) from table_storage()"))
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
