package db

import (
	"encoding/hex"
	"encoding/json"
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

// The rows encode themselves (json.gen.go) because encoding/json validates and compacts each JSONB value again, which
// takes longer than everything else in a run detail. PostgreSQL's JSONB text is always valid JSON, so it is copied.

// Appender is what encodes itself; every pointer to a generated row does.
type Appender interface {
	AppendJSON(b []byte) []byte
}

// AppendRows appends rows as a JSON array.
func AppendRows[T any, P interface {
	*T
	Record
}](b []byte, rows []T) []byte {
	return AppendRowFields[T, P](b, rows, AllFields)
}

// AppendRowFields appends the wanted members of rows as a JSON array.
func AppendRowFields[T any, P interface {
	*T
	Record
}](b []byte, rows []T, wanted Fields) []byte {
	b = append(b, '[')
	for i := range rows {
		if i > 0 {
			b = append(b, ',')
		}
		b = P(&rows[i]).AppendFields(b, wanted)
	}
	return append(b, ']')
}

const hexDigits = "0123456789abcdef"

// appendString appends s as a JSON string; bytes that are not UTF-8 become U+FFFD.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c >= ' ' && c != '"' && c != '\\' {
				i++
				continue
			}
			b = append(b, s[start:i]...)
			switch c {
			case '"', '\\':
				b = append(b, '\\', c)
			case '\n':
				b = append(b, '\\', 'n')
			case '\r':
				b = append(b, '\\', 'r')
			case '\t':
				b = append(b, '\\', 't')
			default:
				b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
			}
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			b = append(b, s[start:i]...)
			b = append(b, "\uFFFD"...)
			start = i + size
		}
		i += size
	}
	b = append(b, s[start:]...)
	return append(b, '"')
}

func appendBool(b []byte, v bool) []byte { return strconv.AppendBool(b, v) }

func appendInt[T int32 | int64](b []byte, v T) []byte { return strconv.AppendInt(b, int64(v), 10) }

// AppendFloat appends the shortest text that gives v back, as encoding/json does; JSON has no NaN and no infinity, so
// those become null.
func AppendFloat(b []byte, v float64) []byte {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return append(b, `null`...)
	}
	format := byte('f')
	if abs := math.Abs(v); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(b, v, format, -1, 64)
}

// appendTime appends RFC 3339 in UTC; the fraction, when there is one, has three digits or six, because a client
// reads it digit by digit.
func appendTime(b []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	b = append(b, '"')
	b = appendDigits(b, year, 1000)
	b = appendDigits(append(b, '-'), int(month), 10)
	b = appendDigits(append(b, '-'), day, 10)
	b = appendDigits(append(b, 'T'), hour, 10)
	b = appendDigits(append(b, ':'), minute, 10)
	b = appendDigits(append(b, ':'), second, 10)
	if micros := t.Nanosecond() / 1000; micros%1000 != 0 {
		b = appendDigits(append(b, '.'), micros, 100_000)
	} else if micros != 0 {
		b = appendDigits(append(b, '.'), micros/1000, 100)
	}
	return append(b, 'Z', '"')
}

// appendDigits appends n from the digit that unit stands for down to the last.
func appendDigits(b []byte, n, unit int) []byte {
	for ; unit > 0; unit /= 10 {
		b = append(b, "0123456789"[n/unit%10])
	}
	return b
}

func appendUUID(b []byte, id uuid.UUID) []byte {
	b = append(b, '"')
	b = hex.AppendEncode(b, id[:4])
	for _, part := range [][]byte{id[4:6], id[6:8], id[8:10], id[10:]} {
		b = append(b, '-')
		b = hex.AppendEncode(b, part)
	}
	return append(b, '"')
}

func appendRaw(b []byte, raw json.RawMessage) []byte {
	if raw == nil {
		return append(b, `null`...)
	}
	return append(b, raw...)
}
