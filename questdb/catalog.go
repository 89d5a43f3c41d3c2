package questdb

import (
	"context"
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

// Column finds a column by its name, in any case, as QuestDB does.
func (t *Table) Column(name string) (Column, bool) {
	for _, c := range t.Columns {
		if strings.EqualFold(c.Name, name) {
			return c, true
		}
	}
	return Column{}, false
}

// First finds the first column of those names that the table has: what writers call one thing differs.
func (t *Table) First(names ...string) (Column, bool) {
	for _, name := range names {
		if c, ok := t.Column(name); ok {
			return c, true
		}
	}
	return Column{}, false
}

// Table looks a table up in the catalogue, of which it keeps what it saw for about 2 s; a change made through this client shows at once.
// Errors: ErrInvalidName, ErrNoTable, and those of a read.
func (c *Client) Table(ctx context.Context, name string) (*Table, error) { panic("not built") }

// Measurement is a table with what is in it.
type Measurement struct {
	Table
	Rows        int64
	First, Last time.Time // of the designated timestamp; zero when there is no row
}

// Measurements lists the tables whose names begin with prefix, by name, without their columns; QuestDB's own tables are left out.
func (c *Client) Measurements(ctx context.Context, prefix string) ([]Measurement, error) {
	panic("not built")
}

// Measurement is one of them, with its columns. Errors: ErrInvalidName, ErrNoTable, and those of a read.
func (c *Client) Measurement(ctx context.Context, name string) (*Measurement, error) {
	panic("not built")
}
