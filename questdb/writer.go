package questdb

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Writer encodes rows of one table in QuestDB's line protocol while they are sent. It is for one goroutine.
type Writer struct {
	table  *Table
	out    *io.PipeWriter
	line   []byte         // what is not sent yet
	name   string         // of the table, as the protocol has it
	order  []encoded      // the columns in the order in which they came
	places map[string]int // of the columns in order, by the names that were used
	next   int            // the one of order that is likely to be next
	open   bool           // a row is in progress
	fields bool           // and has a cell that is no symbol
	filled bool           // and has a cell
	rows   int64
	err    error // the first thing that is wrong
}

const (
	// sendSize is how many bytes are sent at a time.
	sendSize = 64 << 10
	// writeRetry is how long rows are sent again when their answer was lost.
	writeRetry = time.Second
	// lastMicros is the last time of the line protocol, which counts nanoseconds: 2262-04-11.
	lastMicros = math.MaxInt64 / 1000
)

// encoded is a column as the line protocol names it.
type encoded struct {
	column string
	text   string
	kind   Kind
	symbol bool
}

// Write sends the rows that fill writes as one transaction: all are stored or none, however many they are, and they need no memory.
// It waits until reads see them, for at most the context. When the answer was lost, rows of a table with deduplication are sent
// again: fill has to be able to run more than once. Errors: that of fill, ErrNoColumn, ErrUnavailable, ErrUnanswered (stored or not),
// ErrNotVisible (stored), ErrSuspended (stored), and a *Refused.
func (c *Client) Write(ctx context.Context, t *Table, fill func(*Writer) error) (rows int64, err error) {
	if t.Designated == "" {
		return 0, fmt.Errorf("%w: the table has no designated timestamp", ErrNoColumn)
	}
	began, lost := time.Now(), false
	for pause := 20 * time.Millisecond; ; pause *= 2 {
		rows, err = c.send(ctx, t, fill)
		unanswered := errors.Is(err, ErrUnanswered)
		lost = lost || unanswered
		again := t.Dedup && (unanswered || errors.Is(err, errUnsent))
		if !again || time.Since(began)+pause > writeRetry || sleep(ctx, pause) != nil {
			break
		}
	}
	if err != nil && lost { // whatever the last attempt met
		return 0, fmt.Errorf("%w: %w", ErrUnanswered, err)
	}
	if err != nil || rows == 0 {
		return 0, err
	}
	if c.cfg.Wrote != nil {
		c.cfg.Wrote(rows)
	}
	err = c.waitApplied(ctx, t)
	if err != nil && !errors.Is(err, ErrSuspended) {
		err = fmt.Errorf("%w: %w", ErrNotVisible, err)
	}
	return rows, err
}

// errUnsent is the error of rows that found no connection, so that none is stored.
var errUnsent = errors.New("the rows are not sent")

// send sends the rows once.
func (c *Client) send(ctx context.Context, t *Table, fill func(*Writer) error) (int64, error) {
	body, out := io.Pipe()
	w := &Writer{table: t, out: out, name: escape(t.Name, " ,=", true), places: make(map[string]int, len(t.Columns))}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base.JoinPath("write").String()+"?precision=u", body)
	if err != nil {
		return 0, errors.New("the request of the rows cannot be made")
	}
	if c.cfg.User != "" {
		req.SetBasicAuth(c.cfg.User, c.cfg.Password)
	}
	filled := make(chan error, 1)
	go func() {
		err := w.end(fill(w))
		filled <- err
		out.CloseWithError(err) // after an error the request is cut, and nothing of it is stored
	}()
	res, err := c.once.RoundTrip(req)
	_ = body.Close()
	if wrong := <-filled; wrong != nil && !errors.Is(wrong, io.ErrClosedPipe) {
		if err == nil {
			_ = res.Body.Close()
		}
		return 0, wrong
	}
	if err != nil && isConnecting(err) {
		return 0, fmt.Errorf("%w: %w", errUnsent, failure(ctx, err, "", false))
	} else if err != nil {
		return 0, fmt.Errorf("write rows: %w: %w", ErrUnanswered, failure(ctx, err, "", false))
	}
	defer res.Body.Close() //nolint:errcheck // it has been read
	return w.rows, writeAnswer(ctx, res)
}

// writeAnswer is the error that QuestDB answers with.
func writeAnswer(ctx context.Context, res *http.Response) error {
	switch {
	case res.StatusCode < http.StatusMultipleChoices:
		return nil
	case res.StatusCode == http.StatusUnauthorized, res.StatusCode == http.StatusForbidden:
		return statusError(res.StatusCode)
	case res.StatusCode >= http.StatusInternalServerError:
		return fmt.Errorf("%w: %w", ErrUnanswered, statusError(res.StatusCode))
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err != nil {
		return failure(ctx, err, "", true)
	}
	var refused struct{ Message string }
	if json.Unmarshal(text, &refused) != nil {
		refused.Message = string(text)
	}
	return &Refused{Message: refused.Message}
}

// end completes the rows after fill.
func (w *Writer) end(err error) error {
	if err == nil {
		err = w.err
	}
	if err == nil && w.open {
		err = &Refused{Message: "a row has no end"}
	}
	if err == nil {
		_, err = w.out.Write(w.line)
	}
	return err
}

// escape writes a name or text of the line protocol.
func escape(text, special string, lines bool) string {
	return string(appendEscaped(nil, text, special, lines))
}

func appendEscaped(to []byte, text, special string, lines bool) []byte {
	for i := range len(text) {
		b := text[i]
		if strings.IndexByte(special, b) >= 0 || lines && (b == '\n' || b == '\r' || b == '\\') {
			to = append(to, '\\')
		}
		to = append(to, b)
	}
	return to
}

// start begins a row if there is none.
func (w *Writer) start() bool {
	if w.err == nil && !w.open {
		w.line = append(w.line, w.name...)
		w.open, w.fields, w.filled = true, false, false
	}
	return w.err == nil
}

// column is a column that gets a cell. It has to exist: QuestDB would add it with a type of its own choice.
func (w *Writer) column(name string) *encoded {
	w.filled = true
	// Rows mostly have their cells in the same order, and comparing a name with itself takes no time.
	if w.next == len(w.order) {
		w.next = 0
	}
	if w.next < len(w.order) && w.order[w.next].column == name {
		w.next++
		return &w.order[w.next-1]
	}
	i, ok := w.places[name]
	if !ok {
		c, found := w.table.Column(name)
		if !found {
			w.fail(fmt.Errorf("%w: %q", ErrNoColumn, clip(name)))
		}
		i = len(w.order)
		w.places[name] = i
		w.order = append(w.order, encoded{name, escape(c.Name, " ,=", true) + "=", KindOf(c.Type), c.Type == "SYMBOL"})
	}
	w.next = i + 1
	return &w.order[i]
}

// field begins a cell that is no symbol.
func (w *Writer) field(c *encoded) {
	separator := byte(',')
	if !w.fields {
		separator, w.fields = ' ', true
	}
	w.line = append(append(w.line, separator), c.text...)
}

func (w *Writer) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

// Symbol sets a cell of a SYMBOL column in the row in progress; in each row symbols come first.
func (w *Writer) Symbol(column, value string) {
	if !w.start() {
		return
	}
	c := w.column(column)
	if w.fields || !c.symbol {
		w.fail(&Refused{Message: fmt.Sprintf("column %q: a symbol comes before the other cells, into a column of symbols", column)})
		return
	}
	w.line = append(append(w.line, ','), c.text...)
	w.line = appendEscaped(w.line, value, " ,=", true)
}

// Float sets a cell of a DOUBLE column; a LONG one takes whole numbers. A value that is not finite is left out, so it is NULL.
func (w *Writer) Float(column string, v float64) {
	if v-v != 0 || !w.start() {
		return
	}
	c := w.column(column)
	if c.kind == Int {
		if v != math.Trunc(v) || math.Abs(v) >= 1<<63 {
			w.fail(&Refused{Message: fmt.Sprintf("column %q holds whole numbers, and %v is none", column, v)})
			return
		}
		w.whole(c, int64(v))
		return
	}
	w.double(c, v)
}

func (w *Writer) double(c *encoded, v float64) {
	w.field(c)
	w.line = binary.LittleEndian.AppendUint64(append(w.line, '=', 16), math.Float64bits(v)) // a binary double
}

func (w *Writer) whole(c *encoded, v int64) {
	w.field(c)
	w.line = append(strconv.AppendInt(w.line, v, 10), 'i')
}

// Int sets a cell of a LONG column, or of a DOUBLE one.
func (w *Writer) Int(column string, v int64) {
	if w.start() {
		w.whole(w.column(column), v)
	}
}

// Bool sets a cell of a BOOLEAN column.
func (w *Writer) Bool(column string, v bool) {
	if w.start() {
		w.field(w.column(column))
		w.line = append(w.line, "ft"[b2i(v)])
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Time sets a cell of a TIMESTAMP column, in microseconds since 1970.
func (w *Writer) Time(column string, micros int64) {
	if w.start() {
		w.field(w.column(column))
		w.line = append(strconv.AppendInt(w.line, micros, 10), 't')
	}
}

// Text sets a cell of a VARCHAR column.
func (w *Writer) Text(column, v string) {
	if w.start() {
		w.field(w.column(column))
		w.line = append(appendEscaped(append(w.line, '"'), v, `"`, true), '"')
	}
}

// Row ends a row at a time in microseconds since 1970. Times that QuestDB does not store are refused.
func (w *Writer) Row(micros int64) {
	if !w.start() {
		return
	}
	if micros < 0 || micros > lastMicros {
		w.fail(&Refused{Message: fmt.Sprintf("row %d: %d is not a time in microseconds between 1970 and 2262-04-11", w.rows, micros)})
		return
	}
	if i := slices.IndexFunc(w.table.Columns, func(c Column) bool { return KindOf(c.Type) == Float }); !w.filled && i >= 0 {
		w.double(w.column(w.table.Columns[i].Name), math.NaN()) // the line protocol has no row without a cell; NaN is NULL
	}
	w.line = append(strconv.AppendInt(append(w.line, ' '), micros, 10), 't', '\n')
	w.open = false
	w.rows++
	if len(w.line) >= sendSize {
		_, err := w.out.Write(w.line)
		w.fail(err)
		w.line = w.line[:0]
	}
}

// Err is the first thing that is wrong: the rows that follow are not sent.
func (w *Writer) Err() error { return w.err }
