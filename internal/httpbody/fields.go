package httpbody

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"foldbook/api/spec"
	"foldbook/internal/moment"
)

// MaxName is the most bytes of a name, such as a symbol or a measurement. Names are indexed, and all columns of an index entry
// together have room for 2,700 bytes.
const MaxName = 1000

// Fields checks the values of one object of a body. It keeps the first error; values that the checks return after that must
// not be used.
type Fields struct {
	Path  string            // of the object; for an element of a list the decoder knows it
	dec   *jsontext.Decoder // that has just read the element of a list, else nil
	extra *Unknown          // of all elements of a list
	err   *ValidationError
}

// Err returns the first error.
func (f *Fields) Err() error {
	if f.err == nil {
		return nil
	}
	return f.err
}

// Ignore notes fields of an element that the service does not know.
func (f *Fields) Ignore(names Unknown) {
	for name := range names {
		if *f.extra == nil {
			*f.extra = Unknown{}
		}
		if len(*f.extra) < 5*MaxWarnings {
			(*f.extra)[name] = skipped{}
		}
	}
}

// Fail notes that a field has a wrong value.
func (f *Fields) Fail(name, what string) {
	if f.err != nil {
		return
	}
	path := f.Path
	if f.dec != nil {
		path = elementPath(f.dec)
	}
	f.err = Invalid(joinPath(path, name), what)
}

// Required returns the value of a field that has to be there.
func Required[T any](f *Fields, name string, v *T) T {
	if v == nil {
		f.Fail(name, "is missing")
		v = new(T)
	}
	return *v
}

// ID returns uuid.Nil for a missing value.
func (f *Fields) ID(name string, text *string) uuid.UUID {
	if text == nil || *text == "" {
		return uuid.Nil
	}
	id, err := spec.ParseUUID(*text)
	if err != nil {
		f.Fail(name, "must be a UUID")
	}
	return id
}

// RequiredID returns an id that has to be there.
func (f *Fields) RequiredID(name string, text *string) uuid.UUID {
	if text == nil || *text == "" {
		f.Fail(name, "is missing")
	}
	return f.ID(name, text)
}

// Reference returns the id of another record, which has to be given, or uuid.Nil for a slug in its place.
func (f *Fields) Reference(name string, text *string) uuid.UUID {
	id, _ := spec.ParseUUID(Required(f, name, f.Name(name, text)))
	return id
}

// Name returns nil for a missing or empty text.
func (f *Fields) Name(name string, text *string) *string {
	if text == nil || *text == "" {
		return nil
	}
	if len(*text) > MaxName {
		f.Fail(name, fmt.Sprintf("is longer than %d bytes", MaxName))
	}
	return text
}

// Count refuses numbers below 0.
func (f *Fields) Count(name string, n *int64) *int64 {
	if n != nil && *n < 0 {
		f.Fail(name, "must not be below 0")
	}
	return n
}

// OneOf refuses texts that are not among those allowed.
func (f *Fields) OneOf(name string, text *string, allowed ...string) *string {
	text = f.Name(name, text)
	if text != nil && !slices.Contains(allowed, *text) {
		f.Fail(name, "must be one of "+strings.Join(allowed, ", "))
	}
	return text
}

// Time reads a time that is a text; an empty one is no time.
func (f *Fields) Time(name string, text *string) *time.Time {
	if text == nil || *text == "" {
		return nil
	}
	t, err := (&moment.Reader{Unit: moment.Milliseconds, Old: true}).Text(*text)
	return f.read(name, t, err)
}

// Milliseconds reads milliseconds since the epoch; 0 is no time.
func (f *Fields) Milliseconds(name string, ms *int64) *time.Time {
	if ms == nil || *ms == 0 {
		return nil
	}
	t, err := (&moment.Reader{Unit: moment.Milliseconds}).Number(*ms)
	return f.read(name, t, err)
}

// Epoch checks milliseconds since the epoch, which stay a number.
func (f *Fields) Epoch(name string, ms *int64) *int64 {
	f.Milliseconds(name, ms)
	return ms
}

func (f *Fields) read(name string, t time.Time, err error) *time.Time {
	if err != nil {
		f.Fail(name, err.Error())
		return nil
	}
	return &t
}

// Moment reads a time that is a number or a text. Those of QuestDB begin in 1970; others may be older.
func (f *Fields) Moment(name string, v Raw, old bool) *time.Time {
	r := moment.Reader{Unit: moment.Milliseconds, Old: old}
	switch text, _ := jsontext.AppendUnquote(nil, v); jsontext.Value(v).Kind() {
	case jsontext.KindInvalid: // not there
		return nil
	case jsontext.KindNumber:
		if string(v) == "0" {
			return nil
		}
		t, err := r.Text(string(v))
		return f.read(name, t, err)
	case jsontext.KindString:
		if len(text) == 0 {
			return nil
		}
		t, err := r.Text(string(text))
		return f.read(name, t, err)
	}
	f.Fail(name, "must be a whole number of milliseconds since the epoch or a time such as 2025-11-10T01:30:00Z")
	return nil
}

// Word reads a text or a number as text, empty for a missing value. raw is the value as it is.
func (f *Fields) Word(name string, v Raw) (text string, raw []byte) {
	switch jsontext.Value(v).Kind() {
	case jsontext.KindInvalid: // not there
		return "", nil
	case jsontext.KindNumber:
		return string(v), v
	case jsontext.KindString:
		unquoted, err := jsontext.AppendUnquote(nil, v)
		if text = string(unquoted); err == nil && len(text) <= MaxName {
			return text, v
		}
	}
	f.Fail(name, fmt.Sprintf("must be a number, or a text of at most %d bytes", MaxName))
	return "", nil
}

// Object returns nil for a missing value.
func (f *Fields) Object(name string, v Raw) []byte {
	if v != nil && jsontext.Value(v).Kind() != jsontext.KindBeginObject {
		f.Fail(name, "must be an object")
	}
	return v
}

// Array returns nil for a missing value. All elements have to be of one kind, which what names.
func (f *Fields) Array(name string, v Raw, kind jsontext.Kind, what string) []byte {
	if v == nil {
		return nil
	}
	dec := jsontext.NewDecoder(bytes.NewReader(v), jsontext.AllowDuplicateNames(true))
	if open, err := dec.ReadToken(); err != nil || open.Kind() != jsontext.KindBeginArray {
		f.Fail(name, "must be an array")
		return v
	}
	for dec.PeekKind() == kind {
		if err := dec.SkipValue(); err != nil { // it was read before
			f.Fail(name, err.Error())
		}
	}
	if dec.PeekKind() != jsontext.KindEndArray {
		f.Fail(name, "must have "+what+" alone")
	}
	return v
}

// NotNull is a value that may be absent but not null: null could only mean no change, or the removal of a required value.
type NotNull[T any] struct{ Value *T }

// UnmarshalJSONFrom refuses null.
func (n *NotNull[T]) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	if dec.PeekKind() == jsontext.KindNull {
		return Invalid(fieldName(dec.StackPointer().LastToken()), "must not be null")
	}
	n.Value = new(T)
	return json.UnmarshalDecode(dec, n.Value)
}

// NotEmpty refuses an empty text for the same reason as null.
func (f *Fields) NotEmpty(name string, text NotNull[string]) *string {
	if text.Value != nil && *text.Value == "" {
		f.Fail(name, "must not be empty")
	}
	return text.Value
}

// Unknown are the names of fields that the service does not know.
type Unknown map[string]skipped

type skipped struct{}

// UnmarshalJSONFrom reads over a value.
func (*skipped) UnmarshalJSONFrom(dec *jsontext.Decoder) error { return dec.SkipValue() }

// MaxWarnings is how many unknown fields, or other values, are named in an answer.
const MaxWarnings = 20

// Warnings names the unknown fields of the object at a path, in order.
func (u Unknown) Warnings(path string) []string {
	var all []string
	for i, name := range slices.Sorted(maps.Keys(u)) {
		if i == MaxWarnings {
			return append(all, fmt.Sprintf("%d more unknown fields are ignored", len(u)-MaxWarnings))
		}
		all = append(all, "unknown field "+joinPath(path, fieldName(name))+" is ignored")
	}
	return all
}
