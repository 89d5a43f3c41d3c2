package rows

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
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
		return &Fault{Row: j.rowOr(), What: "ends early", Syntax: true}
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
		if err == io.EOF { //nolint:errorlint // as io.Reader has it
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
		return &Fault{Row: -1, What: "is empty", Syntax: true}
	case c != '{':
		return &Fault{Row: -1, What: `must be an object, {"rows": […]}`, Syntax: bytes.IndexByte([]byte(`"[-0123456789tfn`), c) < 0}
	}
	j.pos++
	j.names = map[string]bool{}
	for member := 0; ; member++ {
		if c, err = j.next(); err != nil {
			return err
		}
		if c == '}' && member == 0 {
			return &Fault{Row: -1, What: "has no rows"}
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
				return &Fault{Row: -1, Column: "rows", What: "must be an array"}
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
			return &Fault{Row: -1, What: "has no rows"}
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
		return "", &Fault{Row: -1, Column: string(name), What: "is there twice", Syntax: true}
	}
	if len(j.names) == MaxColumns {
		return "", &Fault{Row: -1, What: "has too many fields"}
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
		return &Fault{Row: -1, What: fmt.Sprintf("goes on after its JSON document, at byte %d", j.offset+int64(j.pos)), Syntax: true}
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
		return &Fault{Row: j.rowOr(), What: fmt.Sprintf("%s, at byte %d", err, j.offset+int64(j.pos)), Syntax: true}
	}
	return err
}

// unexpected is the fault of bytes that cannot be there; rest begins with them and ends where the memory ends.
func (j *jsonReader) unexpected(rest []byte) error {
	if len(rest) == 0 {
		return j.fill()
	}
	at := j.offset + int64(j.end-len(rest))
	what := "is not JSON: unexpected " + strconv.QuoteRune(rune(rest[0]))
	if c, n := utf8.DecodeRune(rest); c == utf8.RuneError && n == 1 {
		what = "is not UTF-8"
	} else {
		what = "is not JSON: unexpected " + strconv.QuoteRune(c)
	}
	return &Fault{Row: j.rowOr(), What: fmt.Sprintf("%s, at byte %d", what, at), Syntax: true}
}

// skip reads over a value.
func skip(b []byte) (int, error) {
	n, err := extent(b)
	if err != nil {
		return 0, err
	}
	if !jsontext.Value(b[:n]).IsValid() {
		return 0, errNotValue
	}
	return n, nil
}

// extent is the length of the value at the beginning of b, if it is one.
func extent(b []byte) (int, error) {
	depth := 0
	for i := 0; i < len(b); {
		switch c := b[i]; c {
		case '"':
			n, err := text(b[i:])
			if err != nil {
				return 0, err
			}
			i += n
		case '{', '[':
			depth++
			i++
			continue
		case '}', ']':
			if depth--; depth < 0 {
				return 0, errNotValue
			}
			i++
		case ',', ':', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return 0, errNotValue
			}
			i++
			continue
		default:
			for i < len(b) && bytes.IndexByte([]byte(",:]}{[\" \t\r\n"), b[i]) < 0 {
				i++
			}
			if i == len(b) {
				return 0, errMore
			}
		}
		if depth == 0 {
			return i, nil
		}
	}
	return 0, errMore
}

// text is the length of the text at the beginning of b, with its quotes.
func text(b []byte) (int, error) {
	for i := 1; i < len(b); i++ {
		switch b[i] {
		case '"':
			return i + 1, nil
		case '\\':
			i++
		}
	}
	return 0, errMore
}

func blank(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// cells reads one row, of which b has the {, and returns its length.
func (j *jsonReader) cells(b []byte) (int, error) {
	i := 1
	for k := 0; ; k++ {
		if i = blank(b, i); i == len(b) {
			return 0, errMore
		}
		if b[i] == '}' && k == 0 {
			return i + 1, nil
		}
		c, n, err := j.name(b[i:], k)
		if err != nil {
			return 0, err
		}
		if i = blank(b, i+n); i == len(b) {
			return 0, errMore
		}
		if n, err = j.cell(c, b[i:]); err != nil {
			return 0, err
		}
		if i = blank(b, i+n); i == len(b) {
			return 0, errMore
		}
		switch b[i] {
		case ',':
			i++
		case '}':
			return i + 1, nil
		default:
			return 0, j.unexpected(b[i:])
		}
	}
}

// name reads the name of the k-th cell and the colon behind it. Mostly it is that of the row before.
func (j *jsonReader) name(b []byte, k int) (*Column, int, error) {
	if k < len(j.order) {
		o := &j.order[k]
		if n := len(o.quoted); len(b) >= n && string(b[:n]) == o.quoted {
			if o.column.seen == j.attempt {
				return nil, 0, j.fault(o.column.Name, "is there twice")
			}
			o.column.seen = j.attempt
			return o.column, n, nil
		}
	}
	if b[0] != '"' {
		return nil, 0, j.unexpected(b)
	}
	n, err := text(b)
	if err != nil {
		return nil, 0, err
	}
	name := b[1 : n-1]
	if bytes.IndexByte(name, '\\') >= 0 || !utf8.Valid(name) {
		if name, err = jsontext.AppendUnquote(nil, b[:n]); err != nil {
			return nil, 0, j.syntax("has a name that is not a JSON text")
		}
	}
	c, err := j.column(string(name))
	if err != nil {
		return nil, 0, err
	}
	if err := j.meet(c, string(name)); err != nil {
		return nil, 0, err
	}
	i := blank(b, n)
	switch {
	case i == len(b):
		c.seen = 0
		return nil, 0, errMore
	case b[i] != ':':
		return nil, 0, j.unexpected(b[i:])
	case k < len(j.order):
		j.order[k] = named{string(b[:i+1]), c}
	case k == len(j.order):
		j.order = append(j.order, named{string(b[:i+1]), c})
	}
	return c, i + 1, nil
}

// cell reads a cell and returns its length.
func (j *jsonReader) cell(c *Column, b []byte) (int, error) {
	switch first := b[0]; {
	case c.skip && first != '-' && first-'0' >= 10:
		n, err := skip(b)
		return n, j.at(err)
	case first == '-' || first-'0' < 10:
		return j.number(c, b)
	case first == 'n':
		if len(b) < 4 {
			return 0, errMore
		}
		if string(b[:4]) != "null" {
			return 0, j.unexpected(b)
		}
		return 4, nil
	case first == '"':
		n, err := text(b)
		if err != nil {
			return 0, err
		}
		value, err := jsontext.AppendUnquote(nil, b[:n])
		if err != nil {
			return 0, &Fault{Row: j.rowOr(), Column: c.Name, What: "is not a JSON text", Syntax: true}
		}
		return n, j.setTextCell(c, value)
	case first == '{' || first == '[' || first == 't' || first == 'f':
		return 0, j.fault(c.Name, "must be "+wanted(c))
	}
	return 0, j.unexpected(b)
}

// wanted says what a cell of the column must be.
func wanted(c *Column) string {
	switch {
	case c.time:
		return "a whole number of milliseconds since the epoch"
	case c.Kind == Int:
		return "a whole number"
	case c.Kind == Text:
		return "a text"
	}
	return "a number"
}

// setTextCell sets a cell that is a text.
func (b *builder) setTextCell(c *Column, value []byte) error {
	switch {
	case c.skip:
		return nil
	case c.time:
		return b.setMoment(c.Name, string(value))
	case c.Kind == Text || (c.Kind == Any && b.o.Texts):
		if bytes.IndexByte(value, 0) >= 0 {
			return b.fault(c.Name, "has the character U+0000, which cannot be stored")
		}
		c.Kind = Text
		return b.setText(c, value)
	}
	return b.fault(c.Name, "must be "+wanted(c))
}

// number reads a cell that is a number.
func (j *jsonReader) number(c *Column, b []byte) (int, error) {
	i, negative := 0, false
	if b[0] == '-' {
		negative, i = true, 1
	}
	var mantissa uint64 // of all digits, as long as they fit
	start := i
	for i < len(b) && b[i]-'0' < 10 {
		mantissa = mantissa*10 + uint64(b[i]-'0')
		i++
	}
	digits, exponent, whole := i-start, 0, true
	if i < len(b) && (digits == 0 || (digits > 1 && b[start] == '0')) {
		return 0, j.unexpected(b[i:])
	}
	if i < len(b) && b[i] == '.' {
		whole = false
		i++
		from := i
		for i < len(b) && b[i]-'0' < 10 {
			mantissa = mantissa*10 + uint64(b[i]-'0')
			i++
		}
		if i < len(b) && i == from {
			return 0, j.unexpected(b[i:])
		}
		exponent = from - i
		digits += i - from
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		whole = false
		i++
		if i < len(b) && (b[i] == '-' || b[i] == '+') {
			i++
		}
		from := i
		for i < len(b) && b[i]-'0' < 10 {
			i++
		}
		if i < len(b) && i == from {
			return 0, j.unexpected(b[i:])
		}
		digits = 100 // the exponent is read below
	}
	if i == len(b) {
		return 0, errMore
	}
	if digits <= 18 { // then the mantissa fits
		if whole && c.wantsInt() {
			v := int64(mantissa) //nolint:gosec // below 10^18
			if negative {
				v = -v
			}
			return i, j.setWhole(c, v)
		}
		if mantissa <= 1<<53 && exponent >= -22 {
			v := float64(mantissa) // both are exact, so their quotient is rounded once
			if exponent < 0 {
				v /= powers[-exponent]
			}
			if negative {
				v = -v
			}
			if c.Kind == Float && !c.time {
				return i, j.setFloat(c, v)
			}
			return i, j.setNumber(c, v)
		}
	}
	return i, j.setNumberText(c, string(b[:i]))
}

var powers = [...]float64{1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22}

func (c *Column) wantsInt() bool { return c.time || c.Kind == Int }

func (b *builder) setWhole(c *Column, v int64) error {
	if c.time {
		return b.setTime(c.Name, v)
	}
	return b.setInt(c, v)
}

// setNumberText sets a cell that is a number in a text.
func (b *builder) setNumberText(c *Column, text string) error {
	if c.wantsInt() {
		if v, err := strconv.ParseInt(text, 10, 64); err == nil {
			if v == Null {
				return b.fault(c.Name, "is out of range")
			}
			return b.setWhole(c, v)
		}
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return b.fault(c.Name, "is out of range")
	}
	return b.setNumber(c, v)
}

// setNumber sets a cell that is a number.
func (b *builder) setNumber(c *Column, v float64) error {
	switch {
	case c.skip:
		return nil
	case c.wantsInt():
		if v != math.Trunc(v) || math.Abs(v) > 1<<53 {
			return b.fault(c.Name, "must be "+wanted(c))
		}
		return b.setWhole(c, int64(v))
	case c.label && v == math.Trunc(v) && math.Abs(v) <= 1<<53:
		return b.setText(c, strconv.AppendInt(nil, int64(v), 10))
	case c.Kind == Text:
		return b.fault(c.Name, "must be a text")
	}
	c.Kind = Float
	return b.setFloat(c, v)
}
