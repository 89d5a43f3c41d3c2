package httpbody

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"foldbook/api/spec"
)

// nonfinite are what Python and others write where JSON has no number.
var nonfinite = []string{"NaN", "Infinity", "-Infinity"}

// Nonfinite is the one of them at the start of b, or empty.
func Nonfinite(b []byte) string {
	for _, name := range nonfinite {
		if bytes.HasPrefix(b, []byte(name)) {
			return name
		}
	}
	return ""
}

// TakeNonfinite makes Decode read NaN, Infinity and -Infinity as null; Warnings names them.
func (b *Body) TakeNonfinite() { b.nonfinite = true }

// Refuse makes every read of the body answer with a problem.
func (b *Body) Refuse(p *spec.Problem) { b.err = p }

// TakesNonfinite tells whether TakeNonfinite was called.
func (b *Body) TakesNonfinite() bool { return b.nonfinite }

// NotJSON says what is wrong with a value that Nonfinite found, and what to do.
func NotJSON(name string) string {
	return "is " + name + ", which JSON does not have: send null, or nonfinite=null in the query, which takes it as null"
}

// MoreNonfinite is the warning behind those of the first MaxWarnings values.
func MoreNonfinite(more int) string {
	return fmt.Sprintf("%d more values that are no finite numbers are stored as null", more)
}

// Warnings says what Decode changed.
func (b *Body) Warnings() []string { return b.warnings }

// nullNonfinite returns a document with null in the place of what is no finite number, and warnings that name the first of them.
func nullNonfinite(b []byte) (clean []byte, warnings []string) {
	type place struct {
		at   int64
		name string
	}
	var places []place
	from := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			i += endOfText(b[i:])
		case 'N', 'I', '-':
			name := Nonfinite(b[i:])
			if name == "" {
				continue
			}
			if clean == nil {
				clean = make([]byte, 0, len(b)+len(b)/8)
			}
			clean = append(clean, b[from:i]...)
			places = append(places, place{int64(len(clean)), name})
			clean = append(clean, "null"...)
			i += len(name) - 1
			from = i + 1
		}
	}
	if clean == nil {
		return b, nil
	}
	clean = append(clean, b[from:]...)
	dec := jsontext.NewDecoder(bytes.NewBuffer(clean), jsontext.AllowDuplicateNames(true))
	for _, p := range places[:min(len(places), MaxWarnings)] {
		for dec.InputOffset() <= p.at {
			if _, err := dec.ReadToken(); err != nil { // which Decode will say
				return clean, nil
			}
		}
		warnings = append(warnings, stackPath(dec)+" is "+p.name+": it is stored as null")
	}
	if more := len(places) - MaxWarnings; more > 0 {
		warnings = append(warnings, MoreNonfinite(more))
	}
	return clean, warnings
}

// endOfText is the distance to the quote that ends the text at the start of b, or to the end of b.
func endOfText(b []byte) int {
	for i := 1; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return len(b)
}

// stackPath is the path of the value that the decoder has just read.
func stackPath(dec *jsontext.Decoder) string {
	var b strings.Builder
	level := 0
	for name := range dec.StackPointer().Tokens() {
		level++
		if kind, _ := dec.StackIndex(level); kind == jsontext.KindBeginArray {
			b.WriteString("[" + name + "]")
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		b.WriteString(fieldName(name))
	}
	return Shorten(b.String())
}
