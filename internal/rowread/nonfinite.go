package rowread

import (
	"bufio"
	"io"
	"slices"

	"foldbook/internal/httpbody"
)

// NonfiniteMark begins the text that a Finite has in the place of NaN and the like. No text that is stored has it.
const NonfiniteMark = "\x00"

// Finite reads JSON in which NaN, Infinity and -Infinity are texts: jsontext goes on after those.
type Finite struct {
	in              *bufio.Reader
	text, backslash bool   // within a text, and behind a backslash in it
	rest            []byte // of a text that stands for a number
}

// NewFinite makes one.
func NewFinite(in io.Reader) *Finite { return &Finite{in: bufio.NewReaderSize(in, 64<<10)} }

// Read reads on.
func (f *Finite) Read(p []byte) (n int, err error) {
	for n < len(p) {
		if len(f.rest) > 0 {
			m := copy(p[n:], f.rest)
			n, f.rest = n+m, f.rest[m:]
			continue
		}
		c, err := f.in.ReadByte()
		if err != nil {
			return n, err
		}
		switch {
		case f.backslash:
			f.backslash = false
		case f.text && c == '\\':
			f.backslash = true
		case c == '"':
			f.text = !f.text
		case !f.text && (c == 'N' || c == 'I' || c == '-'):
			_ = f.in.UnreadByte() // it was just read
			ahead, _ := f.in.Peek(len("-Infinity"))
			name := httpbody.Nonfinite(ahead)
			_, _ = f.in.Discard(max(1, len(name))) // they are in the buffer
			if name != "" {
				f.rest = []byte(`"\u0000` + name + `"`)
				continue
			}
		}
		p[n] = c
		n++
		if f.in.Buffered() == 0 { // the rest may take a while
			return n, nil
		}
	}
	return n, nil
}

// nullNonfinite notes that a cell is no finite number.
func (b *builder) nullNonfinite(column, name string) {
	if b.nonfinite++; b.nonfinite <= httpbody.MaxWarnings {
		b.warnings = append(b.warnings, b.invalid(column, "").place()+" is "+name+": it is stored as null")
	}
}

// allWarnings say which cells so far are null for that.
func (b *builder) allWarnings() []string {
	if more := b.nonfinite - httpbody.MaxWarnings; more > 0 {
		return append(slices.Clone(b.warnings), httpbody.MoreNonfinite(more))
	}
	return b.warnings
}
