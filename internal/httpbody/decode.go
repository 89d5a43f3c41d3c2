package httpbody

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"foldbook/api/spec"
)

// ValidationError says what is wrong with a body, and where.
type ValidationError struct {
	Code spec.ErrorCode
	Path string // of the value in the body, such as folds[17].test_end_idx; empty for all of it
	What string
}

// Error returns the message for the caller.
func (e *ValidationError) Error() string {
	if e.Path == "" {
		return "the body " + e.What
	}
	return e.Path + ": " + e.What
}

// Unwrap returns the answer, so that errors.As finds a *spec.Problem in a ValidationError.
func (e *ValidationError) Unwrap() error {
	return spec.NewProblem(http.StatusBadRequest, e.Code, e.Error())
}

// Invalid is the error of a value that is valid JSON but not what the request accepts.
func Invalid(path, what string) *ValidationError {
	return &ValidationError{spec.ErrorCodeInvalidBody, path, what}
}

func invalidJSON(path, what string) *ValidationError {
	return &ValidationError{spec.ErrorCodeInvalidJSON, path, what}
}

// DecodeJSON decodes a text that is one JSON document into the struct v.
func DecodeJSON(body []byte, v any, opts ...json.Options) *ValidationError {
	if f := scan(body); f != nil {
		return f
	}
	dec := jsontext.NewDecoder(bytes.NewBuffer(body)) // a bytes.Buffer is decoded in place
	if dec.PeekKind() == jsontext.KindNull {
		return Invalid("", "must be an object")
	}
	if err := json.UnmarshalDecode(dec, v, opts...); err != nil {
		return validationError(body, err)
	}
	if rest := bytes.TrimLeft(body[dec.InputOffset():], " \t\r\n"); len(rest) > 0 {
		return invalidJSON("", "goes on after its JSON document, at byte "+strconv.Itoa(len(body)-len(rest)))
	}
	return nil
}

// validationError translates an error of the decoder.
func validationError(body []byte, err error) *ValidationError {
	var own *ValidationError
	var syntax *jsontext.SyntacticError
	var semantic *json.SemanticError
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &syntax):
		return syntaxError(body, syntax)
	case errors.As(err, &semantic):
		what := "must be " + typeName(semantic.GoType)
		switch {
		case errors.Is(semantic.Err, json.ErrUnknownName):
			what = "is not a field that this request takes"
		case errors.Is(semantic.Err, strconv.ErrRange):
			what = "is out of range"
		}
		return Invalid(pathOf(body, semantic.JSONPointer), what)
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return invalidJSON("", "is empty")
	}
	return invalidJSON("", "ends early")
}

func syntaxError(body []byte, err *jsontext.SyntacticError) *ValidationError {
	path, at := pathOf(body, err.JSONPointer), err.ByteOffset
	if at > 0 && bytes.HasPrefix(body[min(at, int64(len(body)))-1:], []byte("-Infinity")) {
		at--
	}
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
	case Nonfinite(rest) != "":
		what = NotJSON(Nonfinite(rest))
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

// Raw is JSON that goes to PostgreSQL unchanged. It is a slice of the body.
type Raw []byte

// UnmarshalJSONFrom keeps the value; null is no value.
func (r *Raw) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	v, err := dec.ReadValue()
	if *r = Raw(v); v.Kind() == jsontext.KindNull {
		*r = nil
	}
	return err
}
