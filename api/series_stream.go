package api

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"foldbook/api/spec"
	"foldbook/questdb"
)

// rowSource gives the rows of an answer one batch after the other.
type rowSource interface {
	// fill adds rows to a batch until it has n, and says whether there may be more.
	fill(b *questdb.Batch, n int) (more bool, err error)
	close()
}

// rowAnswer is an answer of rows.
type rowAnswer struct {
	fields []rowField
	source rowSource
	format spec.Format
	file   string                            // what it is saved as, without its ending
	key    string                            // JSON: of the rows
	arrays bool                              // JSON: rows are arrays
	head   func(b []byte) []byte             // JSON: members before the columns, each followed by a comma
	end    func(count int64) (rowEnd, error) // called behind the last row
}

// rowEnd is what is known of an answer once all its rows were read.
type rowEnd struct {
	total int64                 // notCounted: it is not told
	next  string                // cursor, empty for none
	tail  func(b []byte) []byte // JSON: members behind count and total, each led by a comma; nil for none
}

const notCounted = -1

// rowEncoder writes one format.
type rowEncoder interface {
	begin(b []byte) []byte
	rows(b []byte, batch *questdb.Batch, start int64) []byte
	finish(b []byte, count int64, end rowEnd) []byte
}

// A chunk is a batch on its way to the client. Many cells make it slow to begin and large in memory, few make it slow as a whole.
const (
	textCells   = 12_000
	arrowCells  = 80_000
	chunksAhead = 4 // one is filled, two are encoded, one is sent
)

type chunk struct {
	batch questdb.Batch
	text  []byte
	start int64 // rows before it
	err   error
	ready chan struct{} // closed when the text is there
}

// chunks keeps the memory of chunks for the next answer.
var chunks = make(chan *chunk, 2*chunksAhead)

func takeChunk(kinds []questdb.Kind) *chunk {
	var k *chunk
	select {
	case k = <-chunks:
	default:
		k = new(chunk)
	}
	k.batch.Reset(kinds)
	k.text, k.err, k.ready = k.text[:0], nil, make(chan struct{})
	return k
}

func (k *chunk) free() {
	if cap(k.text) > 2*keptBuffer {
		return
	}
	select {
	case chunks <- k:
	default:
	}
}

func (a *rowAnswer) kinds() []questdb.Kind {
	kinds := make([]questdb.Kind, len(a.fields))
	for i, f := range a.fields {
		kinds[i] = f.kind
	}
	return kinds
}

func (a *rowAnswer) rowsAtOnce() int {
	if a.format == spec.Arrow {
		return min(max(arrowCells/len(a.fields), 256), 16384)
	}
	return min(max(textCells/len(a.fields), 16), 4096)
}

func (a *rowAnswer) encoder() rowEncoder {
	switch a.format {
	case spec.Arrow:
		return newArrowEncoder(a.fields)
	case spec.JSON:
		return &envelope{newTextEncoder(a.fields, spec.JSON, a.arrays), a}
	}
	return newTextEncoder(a.fields, a.format, false)
}

// writeRows answers rows. What fits into one chunk is sent in one piece, with its length; more is streamed. An error
// before the first row is answered as any other.
func (s *Server) writeRows(c echo.Context, clock *streamClock, a *rowAnswer) error {
	defer a.source.close()
	kinds, encoder := a.kinds(), a.encoder()
	first := takeChunk(kinds)
	defer first.free()
	more, err := a.source.fill(&first.batch, a.rowsAtOnce())
	if err != nil {
		return err
	}
	clock.begun()
	first.text = encoder.rows(encoder.begin(first.text), &first.batch, 0)
	count := int64(first.batch.N)
	header := c.Response().Header()
	header.Set(echo.HeaderContentType, mediaTypeOf(a.format))
	if a.format != spec.JSON && a.format != spec.Ndjson {
		header.Set(echo.HeaderContentDisposition, `attachment; filename="`+a.file+"."+string(a.format)+`"`)
	}
	if !more {
		end, err := a.end(count)
		if err != nil {
			return err
		}
		first.text = encoder.finish(first.text, count, end)
		a.counted(header, count, end)
		return sendWhole(c, first.text)
	}
	if c.Request().Method == http.MethodHead {
		c.Response().WriteHeader(http.StatusOK)
		return nil
	}
	if a.format != spec.JSON {
		header.Set("Trailer", "X-Row-Count, X-Total-Count, X-Next-Cursor")
	}
	out, err := s.streamTo(c)
	if err == nil {
		err = out.write(first.text)
	}
	if err != nil {
		return err
	}
	p := &pump{a: a, encoder: encoder, kinds: kinds, count: count}
	if err := p.run(clock, out); err != nil {
		return err
	}
	end, err := a.end(p.count)
	if err != nil {
		return err
	}
	a.counted(header, p.count, end)
	if err := out.write(encoder.finish(first.text[:0], p.count, end)); err != nil {
		return err
	}
	return out.close()
}

// counted sets the headers, or trailers, with the counts.
func (a *rowAnswer) counted(header http.Header, count int64, end rowEnd) {
	if a.format == spec.JSON {
		return
	}
	header.Set("X-Row-Count", strconv.FormatInt(count, 10))
	if end.total != notCounted {
		header.Set("X-Total-Count", strconv.FormatInt(end.total, 10))
	}
	if end.next != "" {
		header.Set("X-Next-Cursor", end.next)
	}
}

// pump moves rows from the source to the client: one goroutine reads, text is made of several batches at once, and the
// handler's goroutine sends it in the right order.
type pump struct {
	a       *rowAnswer
	encoder rowEncoder
	kinds   []questdb.Kind
	count   int64 // rows read
}

func (p *pump) run(clock *streamClock, out *rowWriter) error {
	order := make(chan *chunk, chunksAhead)
	places := make(chan struct{}, chunksAhead-1)
	stop := make(chan struct{})
	go func() {
		defer close(order)
		p.read(order, places, stop)
	}()
	var err error
	var text []byte // of a format whose batches have to be encoded one after the other
	for k := range order {
		<-k.ready
		if err == nil {
			err = k.err
		}
		if err == nil && p.a.format == spec.Arrow {
			text = p.encoder.rows(text[:0], &k.batch, k.start)
			err = out.write(text)
		} else if err == nil {
			err = out.write(k.text)
		}
		k.free()
		<-places
		if err != nil && stop != nil {
			close(stop)
			stop = nil
			clock.cancel() // ends the query that the reader may be waiting for
		}
	}
	return err
}

func (p *pump) read(order chan<- *chunk, places chan<- struct{}, stop <-chan struct{}) {
	for more := true; more; {
		select {
		case places <- struct{}{}:
		case <-stop:
			return
		}
		k := takeChunk(p.kinds)
		k.start = p.count
		p.guard(k, func() { more, k.err = p.a.source.fill(&k.batch, p.a.rowsAtOnce()) })
		p.count += int64(k.batch.N)
		failed := k.err != nil // behind order, the chunk is the next answer's as soon as this one was sent
		if failed || p.a.format == spec.Arrow {
			close(k.ready)
		} else {
			go func() {
				defer close(k.ready)
				p.guard(k, func() { k.text = p.encoder.rows(k.text, &k.batch, k.start) })
			}()
		}
		order <- k
		if failed {
			return
		}
	}
}

// guard keeps a mistake in one answer from ending the process, as the handler's own goroutine does.
func (p *pump) guard(k *chunk, f func()) {
	defer func() {
		if r := recover(); r != nil {
			k.err = fmt.Errorf("panic: %v", r)
		}
	}()
	f()
}

// envelope is a JSON object around the rows.
type envelope struct {
	*textEncoder
	a *rowAnswer
}

func (e *envelope) begin(b []byte) []byte {
	b = append(b, '{')
	b = e.a.head(b)
	b = append(b, `"columns":[`...)
	for i, f := range e.fields {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendJSONText(b, []byte(f.name))
	}
	b = append(b, `],"`...)
	b = append(b, e.a.key...)
	return append(b, `":[`...)
}

func (e *envelope) finish(b []byte, count int64, end rowEnd) []byte {
	b = append(b, `],"count":`...)
	b = strconv.AppendInt(b, count, 10)
	if end.total != notCounted {
		b = append(b, `,"total":`...)
		b = strconv.AppendInt(b, end.total, 10)
	}
	if end.tail != nil {
		b = end.tail(b)
	}
	return append(b, "}\n"...)
}

func (e *textEncoder) begin(b []byte) []byte {
	if e.format == spec.Csv {
		return e.header(b)
	}
	return b
}

func (e *textEncoder) finish(b []byte, _ int64, _ rowEnd) []byte { return b }

// sendWhole writes an answer in one piece, compressed when that is worth it and asked for.
func sendWhole(c echo.Context, b []byte) error {
	b, _, err := squeeze(c, b)
	if err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderContentLength, strconv.Itoa(len(b)))
	c.Response().WriteHeader(http.StatusOK)
	_, err = c.Response().Write(b)
	return err
}
