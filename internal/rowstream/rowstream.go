// Package rowstream answers rows over HTTP as JSON, NDJSON, CSV, Arrow or Parquet, one row after the other: a long answer takes no
// more memory than a short one.
package rowstream

import (
	"net/http"
	"strconv"

	"foldbook/api/spec"
	"foldbook/questdb"
)

// Rows are read one after the other; *questdb.Rows implements it. Read a cell with the method for its field's kind; ok is false
// for NULL. Rows are for one goroutine.
type Rows interface {
	Next() bool
	Err() error // what ended the rows early; nil: they are whole
	Close()
	Int(i int) (v int64, ok bool)     // Int, Bool (0, 1), Time (microseconds since 1970)
	Float(i int) (v float64, ok bool) // Float
	Text(i int) (v []byte, ok bool)   // Text; good until the next row
}

// Field is one column of an answer.
type Field struct {
	Name   string
	Kind   questdb.Kind
	Millis bool // a Time that is sent as milliseconds since 1970
}

// Answer is rows and the members that are sent around them.
type Answer struct {
	Fields []Field
	Rows   Rows // Send closes them
	Format spec.Format
	File   string                         // what it is saved as, without its ending
	Layout Layout                         // JSON
	Record func(b []byte) []byte          // NDJSON: appends the row in place of its cells; nil for the cells
	Head   func(b []byte) []byte          // JSON: members before the columns, each followed by a comma
	End    func(count int64) (End, error) // called behind the last row
}

// End is the part of an answer that is known once all its rows were read.
type End struct {
	Total int64                 // NotCounted: it is not told
	Next  string                // cursor, empty for none
	Tail  func(b []byte) []byte // JSON: members behind count and total, each led by a comma; nil for none
}

// NotCounted is the total of an answer without one.
const NotCounted = -1

// encoder appends rows in one format.
type encoder interface {
	begin(b []byte) []byte
	row(b []byte, rows Rows, before int64) []byte // before: rows that the answer has before it
	end(b []byte, count int64, end End) []byte
}

// An answer of at most this many cells is sent in one piece; a longer one is streamed in parts of about partSize bytes.
const (
	wholeTextCells  = 12_000
	wholeArrowCells = 80_000
	partSize        = 128 << 10
	keptBuffer      = 2 << 20 // larger ones are left to the garbage collector
)

// buffers keeps the memory of some answers. It is no sync.Pool, which each collection empties.
var buffers = make(chan []byte, 8)

func takeBuffer() []byte {
	select {
	case b := <-buffers:
		return b
	default:
		return nil
	}
}

func giveBuffer(b []byte) {
	if cap(b) > keptBuffer {
		return
	}
	select {
	case buffers <- b[:0]:
	default:
	}
}

func (a *Answer) wholeRows() int64 {
	switch a.Format {
	case spec.Arrow, spec.Arrows, spec.Parquet:
		return int64(min(max(wholeArrowCells/len(a.Fields), 256), 16384))
	}
	return int64(min(max(wholeTextCells/len(a.Fields), 16), 4096))
}

func (a *Answer) encoder() encoder {
	switch a.Format {
	case spec.Arrow, spec.Arrows:
		return newArrowEncoder(a.Fields, int(a.wholeRows()), a.Format == spec.Arrow)
	case spec.Parquet:
		return newParquetEncoder(a.Fields, int(a.wholeRows()))
	case spec.Ndjson:
		if a.Record != nil {
			return &recordEncoder{a.Record}
		}
	case spec.JSON:
		return &envelope{newTextEncoder(a.Fields, spec.JSON, a.Layout.Shape == spec.ShapeArrays), a}
	}
	return newTextEncoder(a.Fields, a.Format, false)
}

// Send writes the answer in the goroutine of the handler: nothing is handed over, so a small answer costs little, and QuestDB
// still sends a long one while it is encoded. begun is called when the first row has arrived. The caller answers an error
// before that; a later one has cut the answer.
func (a *Answer) Send(w *Writer, begun func()) error {
	defer a.Rows.Close()
	if a.Format == spec.JSON && a.Layout.Shape == spec.ShapeColumns {
		return a.sendColumns(w, begun)
	}
	e := a.encoder()
	b := e.begin(takeBuffer())
	defer func() { giveBuffer(b) }()
	count, whole := int64(0), a.wholeRows()
	more := a.Rows.Next()
	for ; more && count < whole; more = a.Rows.Next() {
		b = e.row(b, a.Rows, count)
		count++
	}
	if err := a.Rows.Err(); err != nil {
		return err
	}
	begun()
	header := w.Header()
	header.Set("Content-Type", a.mediaType())
	if a.Format != spec.JSON && a.Format != spec.Ndjson {
		header.Set("Content-Disposition", `attachment; filename="`+a.File+"."+string(a.Format)+`"`)
	}
	if !more {
		end, err := a.End(count)
		if err != nil {
			return err
		}
		b = e.end(b, count, end)
		a.setCounts(header, count, end)
		return w.Whole(b)
	}
	if w.Request.Method == http.MethodHead && !w.wantsLength() {
		w.WriteHeader(http.StatusOK)
		return nil
	}
	if a.Format != spec.JSON {
		w.Trailers = []string{"X-Row-Count", "X-Total-Count", "X-Next-Cursor"}
	}
	defer w.Free()
	if err := w.Begin(); err != nil {
		return err
	}
	for ; more; more = a.Rows.Next() {
		if len(b) >= partSize {
			if err := w.Part(b); err != nil {
				return err
			}
			b = b[:0]
		}
		b = e.row(b, a.Rows, count)
		count++
	}
	if err := a.Rows.Err(); err != nil {
		return err
	}
	end, err := a.End(count)
	if err != nil {
		return err
	}
	a.setCounts(header, count, end)
	b = e.end(b, count, end)
	if err := w.Part(b); err != nil {
		return err
	}
	return w.Close()
}

// setCounts sets the headers, or trailers, with the counts.
func (a *Answer) setCounts(header http.Header, count int64, end End) {
	if a.Format == spec.JSON {
		return
	}
	header.Set("X-Row-Count", strconv.FormatInt(count, 10))
	if end.Total != NotCounted {
		header.Set("X-Total-Count", strconv.FormatInt(end.Total, 10))
	}
	if end.Next != "" {
		header.Set("X-Next-Cursor", end.Next)
	}
}

// recordEncoder writes a line for each row.
type recordEncoder struct{ append func(b []byte) []byte }

func (e *recordEncoder) begin(b []byte) []byte                { return b }
func (e *recordEncoder) row(b []byte, _ Rows, _ int64) []byte { return append(e.append(b), '\n') }
func (e *recordEncoder) end(b []byte, _ int64, _ End) []byte  { return b }

// envelope is a JSON object around the rows.
type envelope struct {
	*textEncoder
	a *Answer
}

func (e *envelope) begin(b []byte) []byte { return append(e.a.open(b), '[') }

// open appends the members before the rows.
func (a *Answer) open(b []byte) []byte {
	b = append(b, '{')
	b = a.Head(b)
	b = append(b, `"columns":[`...)
	for i, f := range a.Fields {
		if i > 0 {
			b = append(b, ',')
		}
		b = AppendText(b, []byte(f.Name))
	}
	b = append(b, `],"`...)
	b = append(b, a.Layout.Key...)
	return append(b, `":`...)
}

func (e *envelope) end(b []byte, count int64, end End) []byte {
	return end.close(append(b, ']'), count)
}

// close appends the members behind the rows.
func (end End) close(b []byte, count int64) []byte {
	b = append(b, `,"count":`...)
	b = strconv.AppendInt(b, count, 10)
	if end.Total != NotCounted {
		b = append(b, `,"total":`...)
		b = strconv.AppendInt(b, end.Total, 10)
	}
	if end.Tail != nil {
		b = end.Tail(b)
	}
	return append(b, "}\n"...)
}

// AppendMember appends "name":"text", followed by a comma.
func AppendMember(b []byte, name, text string) []byte {
	b = AppendText(b, []byte(name))
	b = append(b, ':')
	b = AppendText(b, []byte(text))
	return append(b, ',')
}

// AppendNumber appends "name":n, followed by a comma.
func AppendNumber(b []byte, name string, n int64) []byte {
	b = AppendText(b, []byte(name))
	b = append(b, ':')
	b = strconv.AppendInt(b, n, 10)
	return append(b, ',')
}
