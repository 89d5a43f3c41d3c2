package rowread

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"foldbook/internal/httpbody"
)

// jsonReader reads rows that are flat objects: the elements of the array "rows" of one object, or (NDJSON) one a line.
type jsonReader struct {
	*builder
	dec   *jsontext.Decoder
	lines bool
	begun bool
	names map[string]bool // members of the object around the rows
	about bool            // a validation error is about no row, but about what surrounds the rows
	order []named         // the columns of the previous row, in its order: mostly those of the next row too
	text  []byte          // scratch
}

// named is a column and its name as the rows write it.
type named struct {
	quoted string
	column *Column
}

// decoder leaves the checks of names and of UTF-8 to the reader, which has more to say about them.
func decoder(in io.Reader) *jsontext.Decoder {
	return jsontext.NewDecoder(in, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}

func newJSONReader(b *builder, in io.Reader, lines bool) *jsonReader {
	if in = bufio.NewReaderSize(in, 64<<10); b.o.Nonfinite {
		in = NewFinite(in)
	}
	return &jsonReader{builder: b, dec: decoder(in), lines: lines, names: map[string]bool{}}
}

func (j *jsonReader) read() error {
	if !j.begun && !j.lines {
		if err := j.toRows(); err != nil {
			return err
		}
	}
	j.begun = true
	for !j.full() {
		kind := j.dec.PeekKind()
		if j.lines && kind != 0 && !j.onNewLine() {
			return j.syntax("does not begin on a line of its own")
		}
		switch kind {
		case '{':
			if err := j.row(); err != nil {
				return err
			}
		case 'n', 't', 'f', '"', '0', '[':
			return j.invalid("", "must be an object")
		default: // the end of the rows, or what cannot be there
			if _, err := j.dec.ReadToken(); err != nil {
				return j.wrong(err)
			}
			return j.toEnd()
		}
	}
	return nil
}

// onNewLine reports whether a line ends between the previous row and the value that follows.
func (j *jsonReader) onNewLine() bool {
	rest := j.dec.UnreadBuffer()
	blanks := rest[:len(rest)-len(bytes.TrimLeft(rest, " \t\r\n"))]
	return j.before+int64(len(j.times)) == 0 || bytes.IndexByte(blanks, '\n') >= 0
}

func (j *jsonReader) row() error {
	if !j.o.AnyUnit || j.timeName != "" {
		return j.cells(j.dec)
	}
	row, err := j.dec.ReadValue()
	if err != nil {
		return j.wrong(err)
	}
	if err := j.chooseTime(namesOf(row)); err != nil {
		return err
	}
	return j.cells(decoder(bytes.NewReader(row)))
}

// namesOf returns the names of the members of an object.
func namesOf(object jsontext.Value) (names []string) {
	dec := decoder(bytes.NewReader(object))
	_, err := dec.ReadToken()
	for err == nil && dec.PeekKind() == '"' {
		var name jsontext.Token
		if name, err = dec.ReadToken(); err == nil {
			names = append(names, name.String())
			err = dec.SkipValue()
		}
	}
	return names
}

// cells reads one row.
func (j *jsonReader) cells(dec *jsontext.Decoder) error {
	if _, err := dec.ReadToken(); err != nil {
		return j.wrong(err)
	}
	for i := 0; dec.PeekKind() != '}'; i++ {
		name, err := dec.ReadValue()
		if err != nil {
			return j.wrong(err)
		}
		c, err := j.named(name, i)
		if err != nil {
			return err
		}
		cell, err := dec.ReadValue()
		if err != nil {
			return j.wrongCell(c.Name, err)
		}
		if err := j.cell(c, cell); err != nil {
			if dec.PeekKind() == 0 { // a number that was cut off may be a number too
				_, err = dec.ReadToken()
				return j.wrong(err)
			}
			return err
		}
	}
	if _, err := dec.ReadToken(); err != nil {
		return j.wrong(err)
	}
	return j.endRow()
}

// named returns the column of the i-th name of a row.
func (j *jsonReader) named(quoted jsontext.Value, i int) (*Column, error) {
	if i < len(j.order) && string(quoted) == j.order[i].quoted {
		c := j.order[i].column
		return c, j.meet(c, c.Name)
	}
	name, err := jsontext.AppendUnquote(j.text[:0], quoted)
	if err != nil {
		return nil, j.syntax("has a name that is not a JSON text")
	}
	c, err := j.column(string(name))
	if err != nil {
		return nil, err
	}
	if i == len(j.order) {
		j.order = append(j.order, named{})
	}
	if i < len(j.order) {
		j.order[i] = named{string(quoted), c}
	}
	return c, j.meet(c, string(name))
}

func (j *jsonReader) cell(c *Column, v jsontext.Value) error {
	switch kind := v.Kind(); {
	case c.skip:
		return j.skipped(v)
	case kind == '0':
		n, err := ReadNumber(string(v))
		if err != nil {
			return j.invalid(c.Name, "is out of range")
		}
		return j.setNumber(c, n)
	case kind == 'n':
		return nil
	case kind != '"':
		return j.must(c, string(v))
	}
	var err error
	if j.text, err = jsontext.AppendUnquote(j.text[:0], v); err != nil {
		return &ValidationError{Row: j.rowOr(), Column: c.Name, What: "is not a JSON text", Syntax: true}
	}
	if name, ok := bytes.CutPrefix(j.text, []byte(NonfiniteMark)); ok && httpbody.Nonfinite(name) != "" && j.o.Nonfinite {
		j.nullNonfinite(c.Name, string(name))
		return nil
	}
	if c.Kind == Any || c.open {
		if n, err := ReadNumber(string(j.text)); err == nil && !c.time && n.Exact {
			return j.invalid(c.Name, "is the number "+n.String()+" written as a text: write it without quotes")
		}
	}
	return j.setTextCell(c, j.text)
}

// skipped checks a value that nobody needs: the decoder has left out some of the checks.
func (j *jsonReader) skipped(v jsontext.Value) error {
	if v.IsValid() {
		return nil
	}
	return &ValidationError{Row: j.rowOr(), What: fmt.Sprintf("is not JSON, at byte %d", j.dec.InputOffset()-int64(len(v))), Syntax: true}
}

// toRows reads to the beginning of the rows.
func (j *jsonReader) toRows() error {
	j.about = true
	switch j.dec.PeekKind() {
	case '{':
		_, _ = j.dec.ReadToken() // it was peeked at
	case 'n', 't', 'f', '"', '0', '[':
		return &ValidationError{Row: -1, What: `must be an object, {"rows": […]}`}
	default:
		_, err := j.dec.ReadToken()
		if bad := new(jsontext.SyntacticError); errors.As(err, &bad) {
			return &ValidationError{Row: -1, What: `must be an object, {"rows": […]}`, Syntax: true}
		} else if errors.Is(err, io.EOF) {
			return &ValidationError{Row: -1, What: "is empty", Syntax: true}
		}
		return j.wrong(err)
	}
	for j.dec.PeekKind() != '}' {
		name, err := j.member()
		if err != nil {
			return err
		}
		kind := j.dec.PeekKind()
		if name == "rows" && kind != '[' && kind != 0 {
			return &ValidationError{Row: -1, Column: name, What: "must be an array"}
		}
		if name == "rows" {
			_, err := j.dec.ReadToken()
			j.about = err != nil
			return j.wrong(err)
		}
		if err := j.skip(); err != nil {
			return err
		}
	}
	return &ValidationError{Row: -1, What: "has no rows"}
}

// member reads the name of a member of the object around the rows.
func (j *jsonReader) member() (string, error) {
	quoted, err := j.dec.ReadValue()
	if err != nil {
		return "", j.wrong(err)
	}
	text, err := jsontext.AppendUnquote(nil, quoted)
	name := string(text)
	switch {
	case err != nil:
		return "", &ValidationError{Row: -1, What: fmt.Sprintf("is not a JSON text, at byte %d", j.dec.InputOffset()-int64(len(quoted))),
			Syntax: true}
	case j.names[name]:
		return "", &ValidationError{Row: -1, Column: name, What: "is there twice", Syntax: true}
	case len(j.names) == MaxColumns:
		return "", &ValidationError{Row: -1, What: "has too many fields"}
	}
	j.names[name] = true
	return name, nil
}

// skip reads over a value.
func (j *jsonReader) skip() error {
	v, err := j.dec.ReadValue()
	if err != nil {
		return j.wrong(err)
	}
	return j.skipped(v)
}

// toEnd reads what is behind the rows.
func (j *jsonReader) toEnd() error {
	j.about = true
	for j.dec.PeekKind() != '}' {
		if _, err := j.member(); err != nil {
			return err
		}
		if err := j.skip(); err != nil {
			return err
		}
	}
	if _, err := j.dec.ReadToken(); err != nil {
		return j.wrong(err)
	}
	if kind := j.dec.PeekKind(); kind == 0 {
		_, err := j.dec.ReadToken()
		if bad := new(jsontext.SyntacticError); !errors.As(err, &bad) {
			return j.wrong(err)
		}
	}
	rest := j.dec.UnreadBuffer()
	at := j.dec.InputOffset() + int64(len(rest)-len(bytes.TrimLeft(rest, " \t\r\n")))
	return &ValidationError{Row: -1, What: fmt.Sprintf("goes on after its JSON document, at byte %d", at), Syntax: true}
}

// rowOr is the row that a validation error is about.
func (j *jsonReader) rowOr() int64 {
	if j.about {
		return -1
	}
	return j.before + int64(len(j.times))
}

// wrong is an error of the decoder in the words of the package; those of the input, and its end, come back as they are.
func (j *jsonReader) wrong(err error) error { return j.wrongCell("", err) }

// wrongCell is wrong for the cell of a column.
func (j *jsonReader) wrongCell(column string, err error) error {
	bad := new(jsontext.SyntacticError)
	switch {
	case err == nil || err == io.EOF: //nolint:errorlint // the decoder's own
		return err
	case !errors.As(err, &bad):
		return errors.Unwrap(err)
	case errors.Is(bad.Err, io.ErrUnexpectedEOF):
		return &ValidationError{Row: j.rowOr(), What: "ends early", Syntax: true}
	}
	at, unread := bad.ByteOffset, j.dec.UnreadBuffer()
	i := min(max(at-j.dec.InputOffset(), 0), int64(len(unread)))
	if i > 0 && bytes.HasPrefix(unread[i-1:], []byte("-Infinity")) { // the decoder names the I
		i, at = i-1, at-1
	}
	rest := unread[i:]
	if next := bytes.TrimLeft(rest, ", \t\r\n"); len(next) > 0 && rest[0] == ',' && (next[0] == ']' || next[0] == '}') {
		at, rest = at+int64(len(rest)-len(next)), next // the decoder names the comma before them
	}
	if name := httpbody.Nonfinite(rest); name != "" {
		return &ValidationError{Row: j.rowOr(), Column: column, What: fmt.Sprintf("%s, at byte %d", httpbody.NotJSON(name), at), Syntax: true}
	}
	c, n := utf8.DecodeRune(rest)
	what := "is not JSON: unexpected " + strconv.QuoteRune(c)
	if c == utf8.RuneError && n <= 1 {
		what = "is not UTF-8"
	}
	return &ValidationError{Row: j.rowOr(), What: fmt.Sprintf("%s, at byte %d", what, at), Syntax: true}
}
