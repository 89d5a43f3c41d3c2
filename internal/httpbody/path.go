package httpbody

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// maxPath is the length at which a path in a message is cut: names come from the body.
const maxPath = 200

// pathOf writes a JSON pointer into a document as a path: folds[17].metrics."a b". A pointer alone does not tell an
// index from a name of digits, so the document is read along with it, up to the error.
func pathOf(body []byte, p jsontext.Pointer) string {
	dec := jsontext.NewDecoder(bytes.NewBuffer(body), jsontext.AllowDuplicateNames(true))
	var b strings.Builder
	for name := range p.Tokens() {
		inArray := dec.PeekKind() == jsontext.KindBeginArray
		_, err := dec.ReadToken()
		switch {
		case inArray:
			b.WriteString("[" + name + "]")
			for n, _ := strconv.Atoi(name); n > 0 && err == nil; n-- {
				err = dec.SkipValue()
			}
		default:
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			b.WriteString(fieldName(name))
			for t, err := dec.ReadToken(); err == nil && t.Kind() == jsontext.KindString && t.String() != name; t, err = dec.ReadToken() {
				if err = dec.SkipValue(); err != nil {
					break
				}
			}
		}
		if b.Len() > maxPath {
			break
		}
	}
	return Shorten(b.String())
}

// Shorten cuts a name from a request, so that it fits in a message.
func Shorten(s string) string {
	if len(s) <= maxPath {
		return s
	}
	return strings.ToValidUTF8(s[:maxPath], "") + "…"
}

// fieldName quotes a name that is not an identifier.
func fieldName(s string) string {
	if s != "" && (s[0] < '0' || s[0] > '9') && strings.Trim(s, "_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") == "" {
		return Shorten(s)
	}
	return strconv.Quote(Shorten(s))
}

func joinPath(a, b string) string {
	if a == "" || b == "" || b[0] == '[' {
		return a + b
	}
	return a + "." + b
}

// elementPath is the path of the element that the decoder has just read: of a list at the top, or one level below it.
func elementPath(dec *jsontext.Decoder) string {
	p := dec.StackPointer()
	list := ""
	if parent := p.Parent(); parent != "" {
		list = fieldName(parent.LastToken())
	}
	return list + "[" + p.LastToken() + "]"
}
