package api

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"foldbook/api/spec"
)

// maxName is the length in bytes of names, such as a symbol or a measurement: they are indexed, and an entry of an
// index takes 2,700 bytes at most, for all its columns.
const maxName = 1000

// fields checks the values of one object of a body. It keeps the first fault; what the checks return after that is of
// no use.
type fields struct {
	path  string            // of the object; for an element of a list it is asked of the decoder
	dec   *jsontext.Decoder // that has just read the element of a list, else nil
	extra *unknown          // of all elements of a list
	fault *fault
}

// ignore notes fields of an element that the service does not know.
func (f *fields) ignore(names unknown) {
	for name := range names {
		if *f.extra == nil {
			*f.extra = unknown{}
		}
		if len(*f.extra) < 5*maxWarnings {
			(*f.extra)[name] = skipped{}
		}
	}
}

func (f *fields) fail(name, what string) {
	if f.fault != nil {
		return
	}
	path := f.path
	if f.dec != nil {
		path = elementPath(f.dec)
	}
	f.fault = invalidBody(joinPath(path, name), what)
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

func need[T any](f *fields, name string, v *T) T {
	if v == nil {
		f.fail(name, "is missing")
		v = new(T)
	}
	return *v
}

// id returns uuid.Nil for what is not there.
func (f *fields) id(name string, text *string) uuid.UUID {
	if text == nil || *text == "" {
		return uuid.Nil
	}
	id, err := parseUUID(*text)
	if err != nil {
		f.fail(name, "must be a UUID")
	}
	return id
}

func (f *fields) needID(name string, text *string) uuid.UUID {
	if text == nil || *text == "" {
		f.fail(name, "is missing")
	}
	return f.id(name, text)
}

// name returns nil for what is not there or empty.
func (f *fields) name(name string, text *string) *string {
	if text == nil || *text == "" {
		return nil
	}
	if len(*text) > maxName {
		f.fail(name, fmt.Sprintf("is longer than %d bytes", maxName))
	}
	return text
}

func (f *fields) count(name string, n *int64) *int64 {
	if n != nil && *n < 0 {
		f.fail(name, "must not be below 0")
	}
	return n
}

func (f *fields) oneOf(name string, text *string, allowed ...string) *string {
	text = f.name(name, text)
	if text != nil && !slices.Contains(allowed, *text) {
		f.fail(name, "must be one of "+strings.Join(allowed, ", "))
	}
	return text
}

func (f *fields) status(text *string) *string {
	return f.oneOf("status", text, string(spec.StatusPENDING), string(spec.StatusQUEUED), string(spec.StatusRUNNING), string(spec.StatusCOMPLETED), string(spec.StatusINCOMPLETE),
		string(spec.StatusFAILED), string(spec.StatusCANCELLED))
}

// time reads RFC 3339; an empty text is no time.
func (f *fields) time(name string, text *string) *time.Time {
	if text == nil || *text == "" {
		return nil
	}
	var t time.Time
	if err := t.UnmarshalText([]byte(*text)); err != nil {
		f.fail(name, "must be a time such as 2025-11-10T01:30:00Z")
		return nil
	}
	return f.inRange(name, t)
}

// leastMilliseconds is in 1973: what is below it is seconds, as a rule, and would be a time in 1970.
const leastMilliseconds = 100_000_000_000

// milliseconds reads milliseconds since the epoch; 0 is no time.
func (f *fields) milliseconds(name string, ms *int64) *time.Time {
	if ms = f.epoch(name, ms); ms == nil || *ms == 0 {
		return nil
	}
	return f.inRange(name, time.UnixMilli(*ms))
}

// epoch checks the unit of milliseconds since the epoch.
func (f *fields) epoch(name string, ms *int64) *int64 {
	if ms != nil && *ms < leastMilliseconds && *ms != 0 {
		f.fail(name, fmt.Sprintf("must be milliseconds since the epoch, which are not below %d", int64(leastMilliseconds)))
	}
	return ms
}

// inRange refuses times whose year does not have four digits, in which the service writes it.
func (f *fields) inRange(name string, t time.Time) *time.Time {
	if t = t.UTC(); t.Year() < 1 || t.Year() > 9999 {
		f.fail(name, "is out of range")
	}
	return &t
}

// moment reads a time that is given in either form.
func (f *fields) moment(name string, v part) *time.Time {
	switch jsontext.Value(v).Kind() {
	case jsontext.KindInvalid: // not there
		return nil
	case jsontext.KindNumber:
		if ms, err := strconv.ParseInt(string(v), 10, 64); err == nil {
			return f.milliseconds(name, &ms)
		}
	case jsontext.KindString:
		if text, err := jsontext.AppendUnquote(nil, v); err == nil {
			s := string(text)
			return f.time(name, &s)
		}
	}
	f.fail(name, "must be a whole number of milliseconds since the epoch or a time such as 2025-11-10T01:30:00Z")
	return nil
}

// object and array return nil for what is not there.
func (f *fields) object(name string, v part) []byte { return f.kind(name, v, '{') }
func (f *fields) array(name string, v part) []byte  { return f.kind(name, v, '[') }

func (f *fields) kind(name string, v part, kind byte) []byte {
	if v != nil {
		if wrong := checkKind(name, jsontext.Value(v), kind); wrong != nil {
			f.fail(name, wrong.what)
		}
	}
	return v
}

func orElse[T any](v *T, other T) T {
	if v == nil {
		return other
	}
	return *v
}

func orJSON(v []byte, other string) []byte {
	if v == nil {
		return []byte(other)
	}
	return v
}

// unknown are the names of fields that the service does not know.
type unknown map[string]skipped

type skipped struct{}

// UnmarshalJSONFrom reads over a value.
func (*skipped) UnmarshalJSONFrom(dec *jsontext.Decoder) error { return dec.SkipValue() }

// maxWarnings is how many unknown fields are named in an answer.
const maxWarnings = 20

// warnings names the unknown fields of the object at a path, in order.
func (u unknown) warnings(path string) []string {
	var all []string
	for i, name := range slices.Sorted(maps.Keys(u)) {
		if i == maxWarnings {
			return append(all, fmt.Sprintf("%d more unknown fields are ignored", len(u)-maxWarnings))
		}
		all = append(all, "unknown field "+joinPath(path, fieldName(name))+" is ignored")
	}
	return all
}
