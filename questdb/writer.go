package questdb

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"time"

	ilp "github.com/questdb/go-questdb-client/v4"
)

// Writer collects rows of one table in memory and sends them as one transaction over HTTP (ILP). It is for one goroutine.
type Writer struct {
	client *Client
	table  *Table
	order  []columnKind   // the columns in the order in which they came
	places map[string]int // of the columns in order, by the names that were used
	next   int            // the one of order that is likely to be next
	sender ilp.LineSender // nil before the first row and after Flush
	open   bool           // a row is in progress
	filled bool           // and has a cell
	rows   int
	err    error // the first thing that is wrong
}

const (
	// maxBatch is the most bytes of a batch: far more than a caller should keep in memory.
	maxBatch = 1 << 30
	// writeRetry is how long a batch is sent again when its answer was lost.
	writeRetry = time.Second
	// lastMicros is the last time of the line protocol, which counts nanoseconds: 2262-04-11.
	lastMicros = math.MaxInt64 / 1000
)

type columnKind struct {
	column string
	kind   Kind
}

// Writer starts an empty batch.
func (c *Client) Writer(t *Table) (*Writer, error) {
	w := &Writer{client: c, table: t, places: make(map[string]int, len(t.Columns))}
	if t.Designated == "" {
		return nil, fmt.Errorf("%w: the table has no designated timestamp", ErrNoColumn)
	}
	return w, nil
}

// start begins a row, and the batch with it.
func (w *Writer) start() bool {
	if w.err != nil || w.open {
		return w.err == nil
	}
	if w.sender == nil {
		if w.sender, w.err = w.client.sender(w.table.Dedup); w.err != nil {
			return false
		}
	}
	w.sender.Table(w.table.Name)
	w.open, w.filled = true, false
	return true
}

// sender is an encoder of the line protocol that can send its rows. It sends them once, and again only where a repeat is
// harmless.
func (c *Client) sender(repeatable bool) (ilp.LineSender, error) {
	options := []ilp.LineSenderOption{
		ilp.WithHttp(), ilp.WithAddress(c.base.Host + c.base.Path), ilp.WithProtocolVersion(ilp.ProtocolVersion2), ilp.WithAutoFlushDisabled(),
		ilp.WithMaxBufferSize(maxBatch), ilp.WithHttpTransport(c.once),
	}
	if c.base.Scheme == "https" {
		options = append(options, ilp.WithTls())
	}
	if c.cfg.User != "" {
		options = append(options, ilp.WithBasicAuth(c.cfg.User, c.cfg.Password))
	}
	retry := time.Duration(0)
	if repeatable {
		retry = writeRetry
	}
	sender, err := ilp.NewLineSender(context.Background(), append(options, ilp.WithRetryTimeout(retry))...)
	if err != nil {
		return nil, errors.New("the writer for QuestDB cannot be made")
	}
	return sender, nil
}

// kind is the kind of a column that gets a cell. The column has to exist: QuestDB would add it with a type of its own choice.
func (w *Writer) kind(column string) Kind {
	w.filled = true
	// Rows mostly have their cells in the same order, and comparing a name with itself takes no time.
	if w.next == len(w.order) {
		w.next = 0
	}
	if w.next < len(w.order) && w.order[w.next].column == column {
		w.next++
		return w.order[w.next-1].kind
	}
	i, ok := w.places[column]
	if !ok {
		c, found := w.table.Column(column)
		if !found {
			w.fail(fmt.Errorf("%w: %q", ErrNoColumn, clip(column)))
		}
		i = len(w.order)
		w.places[column] = i
		w.order = append(w.order, columnKind{column, KindOf(c.Type)})
	}
	w.next = i + 1
	return w.order[i].kind
}

func (w *Writer) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

// Symbol sets a cell of a SYMBOL column in the row in progress; in each row symbols come first. Flush returns any error.
func (w *Writer) Symbol(column, value string) {
	if w.start() {
		w.kind(column)
		w.sender.Symbol(column, value)
	}
}

// Float sets a cell of a DOUBLE column; a LONG one takes whole numbers. A value that is not finite is left out, so it is NULL.
func (w *Writer) Float(column string, v float64) {
	if v-v != 0 || !w.start() {
		return
	}
	if w.kind(column) == Int {
		if v != math.Trunc(v) || math.Abs(v) >= 1<<63 {
			w.fail(&Refused{Message: fmt.Sprintf("column %q holds whole numbers, and %v is none", column, v)})
			return
		}
		w.sender.Int64Column(column, int64(v))
		return
	}
	w.sender.Float64Column(column, v)
}

// Int sets a cell of a LONG column, or of a DOUBLE one.
func (w *Writer) Int(column string, v int64) {
	if w.start() {
		w.kind(column)
		w.sender.Int64Column(column, v)
	}
}

// Text sets a cell of a VARCHAR column.
func (w *Writer) Text(column, v string) {
	if w.start() {
		w.kind(column)
		w.sender.StringColumn(column, v)
	}
}

// Row ends a row at a time in microseconds since 1970. Times that QuestDB does not store are refused in Flush.
func (w *Writer) Row(micros int64) {
	if !w.start() {
		return
	}
	if micros < 0 || micros > lastMicros {
		w.fail(&Refused{Message: fmt.Sprintf("row %d: %d is not a time in microseconds between 1970 and 2262-04-11", w.rows, micros)})
		return
	}
	if !w.filled { // the line protocol has no row without a cell, but NaN, which is stored as NULL
		for _, c := range w.table.Columns {
			if KindOf(c.Type) == Float {
				w.sender.Float64Column(c.Name, math.NaN())
				break
			}
		}
	}
	if err := w.sender.At(context.Background(), time.UnixMicro(micros)); err != nil {
		w.fail(&Refused{Message: fmt.Sprintf("row %d: %v", w.rows, err)})
	}
	w.open = false
	w.rows++
}

// Len is the number of rows that wait.
func (w *Writer) Len() int { return w.rows }

// Flush stores the rows, all or none, and waits until reads see them, for at most the context. A batch whose answer was
// lost is sent again only into a table with deduplication. After it, the batch is empty, whatever happened.
// Errors: ErrNoColumn, ErrUnavailable, ErrTimeout, ErrNotVisible (stored), ErrSuspended (stored), and a *Refused.
func (w *Writer) Flush(ctx context.Context) error {
	err, rows, sender := w.err, w.rows, w.sender
	if err == nil && w.open {
		err = &Refused{Message: "a row has no end"}
	}
	w.err, w.rows, w.sender, w.open = nil, 0, nil, false
	if sender == nil || err != nil || rows == 0 {
		closeSender(sender)
		return err
	}
	// The sender continues its attempts for a while after the context has ended; nothing waits for it.
	sent := make(chan error, 1)
	go func() {
		sent <- sender.Flush(ctx)
		closeSender(sender)
	}()
	select {
	case err = <-sent:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("write %d rows: %w", rows, sendFailure(ctx, err))
	}
	err = w.client.waitApplied(ctx, w.table)
	if err != nil && !errors.Is(err, ErrSuspended) {
		err = fmt.Errorf("%w: %w", ErrNotVisible, err)
	}
	return err
}

// Close frees the batch, sent or not.
func (w *Writer) Close() {
	closeSender(w.sender)
	w.err, w.rows, w.sender, w.open = nil, 0, nil, false
}

func closeSender(sender ilp.LineSender) {
	if sender != nil {
		_ = sender.Close(context.Background()) // it sends nothing: that is Flush's
	}
}

// sendFailure turns an error of the sender into one of this package.
func sendFailure(ctx context.Context, err error) error {
	refused := new(ilp.HttpError)
	if errors.As(err, &refused) {
		if refused.HttpStatus() == http.StatusUnauthorized || refused.HttpStatus() == http.StatusForbidden {
			return statusError(refused.HttpStatus())
		}
		return &Refused{Message: refused.Message}
	}
	if late := new(ilp.RetryTimeoutError); errors.As(err, &late) && late.LastErr != nil {
		err = late.LastErr
	}
	return failure(ctx, err, "", false)
}
