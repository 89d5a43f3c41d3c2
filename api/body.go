package api

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"foldbook/api/spec"
	"foldbook/db"
)

// fault is what is wrong with a body, and where.
type fault struct {
	code spec.ErrorCode
	path string // of the value in the body, such as folds[17].test_end_idx; empty for all of it
	what string
}

func (f *fault) Error() string {
	if f.path == "" {
		return "the body " + f.what
	}
	return f.path + ": " + f.what
}

func (f *fault) answer() *spec.Problem {
	return &spec.Problem{Status: http.StatusBadRequest, Code: f.code, Message: f.Error()}
}

func invalidJSON(path, what string) *fault { return &fault{spec.ErrorCode("invalid_json"), path, what} }
func invalidBody(path, what string) *fault { return &fault{spec.ErrorCode("invalid_body"), path, what} }

// decodeBody reads exactly one JSON document into the struct v. Parts of it (see part) are not copied: they stay slices
// of the body, which is in memory once. Every error but a misuse is an *apiError: 413 body_too_large over limit bytes
// after decompression, 415 unsupported_encoding, 400 invalid_json for what is not one whole document, and 400
// invalid_body for a value of the wrong type, both with the path of the fault.
func decodeBody(w http.ResponseWriter, r *http.Request, limit int64, v any, opts ...json.Options) error {
	body, err := readBody(w, r, limit)
	if err != nil {
		return err
	}
	if f := decodeJSON(body, v, opts...); f != nil {
		return f.answer()
	}
	return nil
}

// maxWindow is what a decoder of zstd has to take from HTTP (RFC 9659), and all that this one takes.
const maxWindow = 8 << 20

// readBody reads a body into memory, at most limit bytes of it.
func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	in, err := openBody(w, r, limit)
	if err != nil {
		return nil, err
	}
	defer in.close()
	body, err := readUpTo(in.Reader, in.size, limit, func(most int64) error { return in.arriving.room(r.Context(), most) })
	if err != nil {
		return nil, in.fault(err)
	}
	return body, nil
}

// bodyReader is a body that is decompressed as it is read.
type bodyReader struct {
	io.Reader
	arriving *arrival
	size     int64 // -1: not known
	limit    int64
	encoding string
	close    func()
}

// openBody checks the headers of a body; limit bounds what comes in, before decompression.
func openBody(w http.ResponseWriter, r *http.Request, limit int64) (*bodyReader, error) {
	b := &bodyReader{arriving: arrivalOf(w), size: r.ContentLength, limit: limit, close: func() {}}
	if b.size > limit {
		return nil, b.fault(errTooLarge)
	}
	b.Reader = b.arriving.of(http.MaxBytesReader(w, r.Body, limit))
	b.encoding = strings.ToLower(strings.Join(r.Header.Values("Content-Encoding"), ","))
	var err error
	switch b.encoding {
	case "", "identity":
	case "gzip":
		b.size = -1
		b.Reader, err = gzip.NewReader(b.Reader)
	case "zstd":
		b.size = -1
		var d *zstd.Decoder
		d, err = zstd.NewReader(b.Reader, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		if err == nil {
			b.Reader, b.close = d, d.Close
		}
	default:
		return nil, &spec.Problem{Status: http.StatusUnsupportedMediaType, Code: spec.ErrorCode("unsupported_encoding"), Message: "a body is read as it is, as gzip or as zstd"}
	}
	if err != nil {
		return nil, b.fault(err)
	}
	return b, nil
}

// fault is the answer to an error of the reader.
func (b *bodyReader) fault(err error) error {
	var over *http.MaxBytesError
	switch {
	case errors.Is(err, db.ErrPoolBusy):
		return err
	case errors.As(err, &over), errors.Is(err, errTooLarge):
		return &spec.Problem{Status: http.StatusRequestEntityTooLarge, Code: spec.ErrorCodeBodyTooLarge, Message: fmt.Sprintf("the body is larger than %d bytes", b.limit)}
	case errors.Is(err, zstd.ErrWindowSizeExceeded):
		return invalidJSON("", fmt.Sprintf("is zstd with a window of more than %d bytes", maxWindow)).answer()
	case damaged(err):
		return invalidJSON("", "is not "+b.encoding+", or is damaged").answer()
	}
	// The client left, or was too slow: nobody reads this, but nothing is stored.
	return invalidJSON("", "ends early").answer()
}

// damaged tells compressed data that does not decompress from a body that ends early.
func damaged(err error) bool {
	if errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) {
		return true
	}
	for _, e := range []error{
		zstd.ErrReservedBlockType, zstd.ErrCompressedSizeTooBig, zstd.ErrBlockTooSmall, zstd.ErrUnexpectedBlockSize,
		zstd.ErrMagicMismatch, zstd.ErrWindowSizeTooSmall, zstd.ErrDecoderSizeExceeded, zstd.ErrUnknownDictionary,
		zstd.ErrFrameSizeExceeded, zstd.ErrFrameSizeMismatch, zstd.ErrCRCMismatch,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return strings.Contains(err.Error(), "corrupt")
}

var errTooLarge = errors.New("too large")

// readUpTo reads all of r; size is its length if that is known, else -1. Memory follows what has arrived, not what was
// announced. Before it grows beyond smallBody and mediumBody, room is asked for what it can grow to.
func readUpTo(r io.Reader, size, limit int64, room func(most int64) error) ([]byte, error) {
	last := limit + 1
	if size >= 0 {
		last = size + 1 // one byte more, so that the end is seen without growing
	}
	buf := make([]byte, 0, min(last, smallBody))
	for {
		if len(buf) == cap(buf) {
			if int64(len(buf)) >= last {
				return nil, errTooLarge
			}
			next := min(2*int64(cap(buf)), last)
			if size >= 0 && len(buf) >= mediumBody {
				next = last
			} else if size >= 0 {
				next = min(mediumBody, last)
			}
			if len(buf) == smallBody || len(buf) == mediumBody {
				if err := room(last); err != nil {
					return nil, err
				}
			}
			buf = append(make([]byte, 0, next), buf...)
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if errors.Is(err, io.EOF) {
			if int64(len(buf)) > limit {
				return nil, errTooLarge
			}
			return buf, nil
		} else if err != nil {
			return nil, err
		}
	}
}

// decodeJSON decodes a text that is one JSON document into the struct v.
func decodeJSON(body []byte, v any, opts ...json.Options) *fault {
	if f := scan(body); f != nil {
		return f
	}
	dec := jsontext.NewDecoder(bytes.NewBuffer(body)) // a bytes.Buffer is decoded in place
	if dec.PeekKind() == jsontext.KindNull {
		return invalidBody("", "must be an object")
	}
	if err := json.UnmarshalDecode(dec, v, opts...); err != nil {
		return faultOf(body, err)
	}
	if rest := bytes.TrimLeft(body[dec.InputOffset():], " \t\r\n"); len(rest) > 0 {
		return invalidJSON("", "goes on after its JSON document, at byte "+strconv.Itoa(len(body)-len(rest)))
	}
	return nil
}

// faultOf says in words of the service what the decoder said in its own.
func faultOf(body []byte, err error) *fault {
	var own *fault
	var syntax *jsontext.SyntacticError
	var semantic *json.SemanticError
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &syntax):
		return syntaxFault(body, syntax)
	case errors.As(err, &semantic):
		what := "must be " + typeName(semantic.GoType)
		switch {
		case errors.Is(semantic.Err, json.ErrUnknownName):
			what = "is not a field that this request takes"
		case errors.Is(semantic.Err, strconv.ErrRange):
			what = "is out of range"
		}
		return invalidBody(pathOf(body, semantic.JSONPointer), what)
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return invalidJSON("", "is empty")
	}
	return invalidJSON("", "ends early")
}

func syntaxFault(body []byte, err *jsontext.SyntacticError) *fault {
	path, at := pathOf(body, err.JSONPointer), err.ByteOffset
	rest := body[min(at, int64(len(body))):]
	what := "is not JSON"
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		at, what = int64(len(body)), "is cut off: the body ends early"
		if path == "" {
			what = "ends early"
		}
	case errors.Is(err, jsontext.ErrDuplicateName):
		what = "is there twice"
	case errors.Is(err, jsontext.ErrNonStringName):
		what = "has a name that is not a text"
	case bytes.HasPrefix(rest, []byte(`\u`)):
		what = "has a lone surrogate"
	case len(rest) > 0:
		if c, n := utf8.DecodeRune(rest); c == utf8.RuneError && n == 1 {
			what = "is not UTF-8"
		} else {
			what += ": unexpected " + strconv.QuoteRune(c)
		}
	}
	return invalidJSON(path, fmt.Sprintf("%s, at byte %d", what, at))
}

func typeName(t reflect.Type) string {
	if t == nil {
		return "of another type"
	}
	switch t.Kind() {
	case reflect.Pointer:
		return typeName(t.Elem())
	case reflect.Int32, reflect.Int64:
		return "a whole number"
	case reflect.Float64:
		return "a number"
	case reflect.String:
		return "a text"
	case reflect.Slice:
		return "an array"
	}
	return "an object"
}

// maxPath is the length at which a path in a message is cut: names come from the body.
const maxPath = 200

// pathOf writes a JSON pointer into a document as a path: folds[17].metrics."a b". A pointer alone does not tell an
// index from a name of digits, so the document is followed along it, which reads nothing behind the fault.
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
	return shorten(b.String())
}

func shorten(s string) string {
	if len(s) <= maxPath {
		return s
	}
	return strings.ToValidUTF8(s[:maxPath], "") + "…"
}

// fieldName quotes a name that is not an identifier.
func fieldName(s string) string {
	if s != "" && (s[0] < '0' || s[0] > '9') && strings.Trim(s, "_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") == "" {
		return shorten(s)
	}
	return strconv.Quote(shorten(s))
}

// part is JSON that goes to PostgreSQL as the bytes that came. It is a slice of the body.
type part []byte

// UnmarshalJSONFrom keeps the value; null is no value.
func (p *part) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	v, err := dec.ReadValue()
	if *p = part(v); v.Kind() == jsontext.KindNull {
		*p = nil
	}
	return err
}
