package questdb

import "context"

// Spec is a table to be written to: its designated timestamp is "timestamp", it has a WAL, and rows with the same
// timestamp and Key columns replace each other. With no Key column at all it keeps every row.
type Spec struct {
	Name        string
	PartitionBy string   // MONTH, YEAR
	Dedup       bool     // by timestamp and the columns that are a Key
	Columns     []Column // all but the timestamp: name, type, whether it is a Key
}

// Ensure makes the table, or adds the columns that it lacks; a table without deduplication gets that of the spec. A column
// that has another type there keeps it. It is safe to call from several processes at once.
// Errors: ErrInvalidName, and those of a read.
func (c *Client) Ensure(ctx context.Context, s Spec) (*Table, error) { panic("not built") }

// Drop removes a table if it is there.
func (c *Client) Drop(ctx context.Context, name string) error { panic("not built") }

// Writer collects rows of one table in memory and sends them as one transaction over HTTP (ILP). It is for one goroutine.
type Writer struct{}

// Writer starts an empty batch.
func (c *Client) Writer(t *Table) (*Writer, error) { panic("not built") }

// Symbol, Float, Int and Text set cells of the row in progress, symbols first; Row ends it at a time in microseconds since 1970.
// A float that is not finite is left out, which makes it NULL. What is wrong shows in Flush.
func (w *Writer) Symbol(column, value string) { panic("not built") }

// Float sets a cell of a DOUBLE column.
func (w *Writer) Float(column string, v float64) { panic("not built") }

// Int sets a cell of a LONG column.
func (w *Writer) Int(column string, v int64) { panic("not built") }

// Text sets a cell of a VARCHAR column.
func (w *Writer) Text(column, v string) { panic("not built") }

// Row ends a row. Times before 2001-09-09 and after 2286 are refused in Flush: they are milliseconds or nanoseconds taken for microseconds.
func (w *Writer) Row(micros int64) { panic("not built") }

// Len is the number of rows that wait.
func (w *Writer) Len() int { panic("not built") }

// Flush stores the rows, all or none, and waits until reads see them, for at most the context. A batch whose answer was
// lost is sent again only into a table with deduplication.
// Errors: ErrUnavailable, ErrTimeout, ErrNotVisible (stored), ErrSuspended (stored), and a *Refused.
func (w *Writer) Flush(ctx context.Context) error { panic("not built") }

// Close frees the batch, sent or not.
func (w *Writer) Close() { panic("not built") }
