package rows

import (
	"bytes"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

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
			return 0, &FaultError{Row: j.rowOr(), Column: c.Name, What: "is not a JSON text", Syntax: true}
		}
		return n, j.setTextCell(c, value)
	case first == '{' || first == '[' || first == 't' || first == 'f':
		return 0, j.fault(c.Name, "must be "+wanted(c))
	}
	return 0, j.unexpected(b)
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
	digits, whole := i-start, true
	if i < len(b) && (digits == 0 || (digits > 1 && b[start] == '0')) {
		return 0, j.unexpected(b[i:])
	}
	if i < len(b) && b[i] == '.' {
		whole = false
		i++
		from := i
		for i < len(b) && b[i]-'0' < 10 {
			i++
		}
		if i < len(b) && i == from {
			return 0, j.unexpected(b[i:])
		}
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
	}
	if i == len(b) {
		return 0, errMore
	}
	if whole && digits <= 18 && c.wantsInt() {
		v := int64(mantissa)
		if negative {
			v = -v
		}
		return i, j.setWhole(c, v)
	}
	return i, j.setNumberText(c, string(b[:i]))
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
