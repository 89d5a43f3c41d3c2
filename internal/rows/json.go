package rows

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// jsonReader reads rows by hand: a row is a flat object whose names are, row after row, those of the row before it, and
// its cells are numbers. A general decoder takes several times as long. What it takes is what RFC 8259 and jsontext take.
type jsonReader struct {
	*builder
	in    io.Reader
	lines bool // the rows follow each other without an object around them
	state jsonState
	names map[string]bool // at the top of the object

	buf      []byte
	pos, end int   // what is read and not yet used
	offset   int64 // of buf in the input
	eof      bool

	order []named // the columns of the row before, in its order
}

type jsonState uint8

const (
	begin  jsonState = iota
	first            // behind the [
	inRows           // behind a row
	behind           // behind the ]
)

// named is a name as it is written, and its column.
type named struct {
	quoted string // with its quotes and the : behind it
	column *Column
}

// errMore says that the input goes on behind what is in memory.
var errMore = errors.New("more")

// fill reads on, so that what begins at pos is all there in the end.
func (j *jsonReader) fill() error {
	if j.eof {
		return &FaultError{Row: j.rowOr(), What: "ends early", Syntax: true}
	}
	j.offset += int64(j.pos)
	n := copy(j.buf, j.buf[j.pos:j.end])
	j.pos, j.end = 0, n
	if n >= len(j.buf)/2 { // else a long row would be read again and again
		j.buf = append(make([]byte, 0, max(64<<10, 2*len(j.buf))), j.buf[:n]...)
		j.buf = j.buf[:cap(j.buf)]
	}
	for j.end < len(j.buf) {
		n, err := j.in.Read(j.buf[j.end:])
		j.end += n
		if err == io.EOF {
			j.eof = true
			return nil
		} else if err != nil {
			return err
		}
	}
	return nil
}

func (j *jsonReader) rowOr() int64 {
	if j.state == begin || j.state == behind {
		return -1
	}
	return j.before + int64(len(j.times))
}

// step calls f at pos until all that it needs is in memory. f returns how much it used.
func (j *jsonReader) step(f func(b []byte) (int, error)) error {
	for {
		n, err := f(j.buf[j.pos:j.end])
		if err != errMore { //nolint:errorlint // never wrapped
			j.pos += n
			return err
		}
		if err := j.fill(); err != nil {
			return err
		}
	}
}

// next is the next byte that is no blank, which it does not use; 0 is the end.
func (j *jsonReader) next() (byte, error) {
	for {
		j.pos += blank(j.buf[j.pos:j.end], 0)
		switch {
		case j.pos < j.end:
			return j.buf[j.pos], nil
		case j.eof:
			return 0, nil
		}
		if err := j.fill(); err != nil {
			return 0, err
		}
	}
}

func (j *jsonReader) read() error {
	if j.lines {
		return j.readLines()
	}
	if j.state == begin {
		if err := j.toRows(); err != nil {
			return err
		}
	}
	for !j.full() {
		c, err := j.next()
		if err != nil {
			return err
		}
		switch {
		case c == ']':
			j.pos++
			j.state = behind
			return j.toEnd()
		case c == 0:
			return j.fill()
		case j.state == inRows && c != ',':
			return j.unexpected(j.buf[j.pos:j.end])
		case j.state == inRows:
			j.pos++
			if c, err = j.next(); err != nil {
				return err
			}
		}
		if err := j.row(c); err != nil {
			return err
		}
		j.state = inRows
	}
	return nil
}

func (j *jsonReader) readLines() error {
	for !j.full() {
		from := j.offset + int64(j.pos)
		c, err := j.next()
		switch {
		case err != nil:
			return err
		case c == 0:
			return io.EOF
		case j.state == inRows && !j.newLine(from):
			return j.syntax("does not begin on a line of its own")
		}
		j.state = inRows
		if err := j.row(c); err != nil {
			return err
		}
	}
	return nil
}

// newLine tells whether the blanks from an offset to pos have a line end. Those that are no more in memory are longer
// than any that are meant otherwise.
func (j *jsonReader) newLine(from int64) bool {
	if from < j.offset {
		return true
	}
	return bytes.IndexByte(j.buf[from-j.offset:j.pos], '\n') >= 0
}

// row reads a row that begins with c.
func (j *jsonReader) row(c byte) error {
	if c == 0 {
		return j.fill()
	}
	if c != '{' {
		if bytes.IndexByte([]byte(`"[-0123456789tfn`), c) >= 0 {
			return j.fault("", "must be an object")
		}
		return j.unexpected(j.buf[j.pos:j.end])
	}
	if len(j.times) == 0 && j.before == 0 && j.o.AnyUnit {
		if err := j.step(j.lookForTime); err != nil {
			return err
		}
	}
	for {
		n, err := j.cells(j.buf[j.pos:j.end])
		if err == nil {
			j.pos += n
			return j.endRow()
		}
		if err != errMore { //nolint:errorlint // never wrapped
			return err
		}
		if err := j.fill(); err != nil {
			return err
		}
		j.attempt++ // sets the same cells again
	}
}

// lookForTime finds the column of the time in the first row, which it does not use.
func (j *jsonReader) lookForTime(b []byte) (int, error) {
	n, err := extent(b)
	if err != nil {
		return 0, err
	}
	var names map[string]any
	if !jsontext.Value(b[:n]).IsValid() {
		return 0, nil // the faults of rows are found elsewhere
	}
	names = namesOf(b[:n])
	return 0, j.chooseTime(func(name string) bool { _, ok := names[name]; return ok })
}

func namesOf(b []byte) map[string]any {
	names := map[string]any{}
	dec := jsontext.NewDecoder(bytes.NewReader(b))
	if _, err := dec.ReadToken(); err != nil {
		return names
	}
	for dec.PeekKind() == jsontext.KindString {
		t, err := dec.ReadToken()
		if err != nil {
			return names
		}
		names[t.String()] = nil
		if dec.SkipValue() != nil {
			return names
		}
	}
	return names
}

// toRows reads to the beginning of the rows.
func (j *jsonReader) toRows() error {
	c, err := j.next()
	switch {
	case err != nil:
		return err
	case c == 0:
		return &FaultError{Row: -1, What: "is empty", Syntax: true}
	case c != '{':
		return &FaultError{Row: -1, What: `must be an object, {"rows": […]}`, Syntax: bytes.IndexByte([]byte(`"[-0123456789tfn`), c) < 0}
	}
	j.pos++
	j.names = map[string]bool{}
	for member := 0; ; member++ {
		if c, err = j.next(); err != nil {
			return err
		}
		if c == '}' && member == 0 {
			return &FaultError{Row: -1, What: "has no rows"}
		}
		name, err := j.memberName()
		if err != nil {
			return err
		}
		if c, err = j.next(); err != nil {
			return err
		}
		if name == "rows" {
			if c != '[' {
				if c == 0 {
					return j.fill()
				}
				return &FaultError{Row: -1, Column: "rows", What: "must be an array"}
			}
			j.pos++
			j.state = first
			return nil
		}
		if err := j.step(skip); err != nil {
			return j.at(err)
		}
		if c, err = j.next(); err != nil {
			return err
		}
		switch c {
		case ',':
			j.pos++
		case '}':
			return &FaultError{Row: -1, What: "has no rows"}
		default:
			return j.unexpected(j.buf[j.pos:j.end])
		}
	}
}

// memberName reads a name at the top and the colon behind it.
func (j *jsonReader) memberName() (string, error) {
	c, err := j.next()
	if err != nil {
		return "", err
	}
	if c == 0 {
		return "", j.fill()
	}
	if c != '"' {
		return "", j.unexpected(j.buf[j.pos:j.end])
	}
	var name []byte
	err = j.step(func(b []byte) (int, error) {
		n, err := text(b)
		if err != nil {
			return 0, err
		}
		if name, err = jsontext.AppendUnquote(nil, b[:n]); err != nil {
			return 0, errNotText
		}
		return n, nil
	})
	if err != nil {
		return "", j.at(err)
	}
	if j.names[string(name)] {
		return "", &FaultError{Row: -1, Column: string(name), What: "is there twice", Syntax: true}
	}
	if len(j.names) == MaxColumns {
		return "", &FaultError{Row: -1, What: "has too many fields"}
	}
	j.names[string(name)] = true
	if c, err = j.next(); err != nil {
		return "", err
	}
	if c != ':' {
		return "", j.unexpected(j.buf[j.pos:j.end])
	}
	j.pos++
	return string(name), nil
}

// toEnd reads what is behind the rows.
func (j *jsonReader) toEnd() error {
	for {
		c, err := j.next()
		if err != nil {
			return err
		}
		if c == '}' {
			break
		}
		if c != ',' {
			return j.unexpected(j.buf[j.pos:j.end])
		}
		j.pos++
		if _, err := j.memberName(); err != nil {
			return err
		}
		if _, err = j.next(); err != nil {
			return err
		}
		if err := j.step(skip); err != nil {
			return j.at(err)
		}
	}
	j.pos++
	if c, err := j.next(); err != nil {
		return err
	} else if c != 0 {
		return &FaultError{Row: -1, What: fmt.Sprintf("goes on after its JSON document, at byte %d", j.offset+int64(j.pos)), Syntax: true}
	}
	return io.EOF
}

var (
	errNotText  = errors.New("is not a JSON text")
	errNotValue = errors.New("is not JSON")
)

// at makes a fault of what is wrong with a value.
func (j *jsonReader) at(err error) error {
	if errors.Is(err, errNotText) || errors.Is(err, errNotValue) {
		return &FaultError{Row: j.rowOr(), What: fmt.Sprintf("%s, at byte %d", err, j.offset+int64(j.pos)), Syntax: true}
	}
	return err
}

// unexpected is the fault of bytes that cannot be there; rest begins with them and ends where the memory ends.
func (j *jsonReader) unexpected(rest []byte) error {
	if len(rest) == 0 {
		return j.fill()
	}
	at := j.offset + int64(j.end-len(rest))
	c, n := utf8.DecodeRune(rest)
	what := "is not JSON: unexpected " + strconv.QuoteRune(c)
	if c == utf8.RuneError && n == 1 {
		what = "is not UTF-8"
	}
	return &FaultError{Row: j.rowOr(), What: fmt.Sprintf("%s, at byte %d", what, at), Syntax: true}
}
