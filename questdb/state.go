package questdb

import (
	"context"
	"strconv"
)

// State names the state of a table's rows: every write makes another one. It is empty for a table without a write-ahead log, whose
// states QuestDB does not count.
func (c *Client) State(ctx context.Context, t *Table) (state string, err error) {
	rows, err := c.query(ctx, new(statement).
		add("select t.id, w.writerTxn from tables() t join wal_tables() w on t.table_name = w.name where t.table_name = ").value(t.Name))
	err = each(rows, err, func(r *Rows) {
		id, _ := r.Int(0)
		n, _ := r.Int(1)
		state = strconv.FormatInt(id, 10) + "." + strconv.FormatInt(n, 10)
	})
	return state, err
}
