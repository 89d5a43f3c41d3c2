package api

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"

	"foldbook/api/spec"
	"foldbook/db"
	"foldbook/questdb"
)

// rowField is one column of an answer.
type rowField struct {
	name   string
	kind   questdb.Kind
	millis bool // a Time that is sent as milliseconds since 1970
}

// textEncoder writes rows as text. What a cell looks like is the same in all formats, but for what is put around texts.
type textEncoder struct {
	fields []rowField
	format spec.Format
	arrays bool // JSON rows are arrays
	before []string
	after  string
}

// newTextEncoder prepares what stands between the cells of a row.
func newTextEncoder(fields []rowField, format spec.Format, arrays bool) *textEncoder {
	e := &textEncoder{fields: fields, format: format, arrays: arrays, before: make([]string, len(fields))}
	for i, f := range fields {
		var b strings.Builder
		switch {
		case format == spec.Csv && i > 0:
			b.WriteByte(',')
		case format == spec.Csv:
		case i > 0:
			b.WriteByte(',')
		case arrays:
			b.WriteByte('[')
		default:
			b.WriteByte('{')
		}
		if format != spec.Csv && !arrays {
			b.Write(appendJSONText(nil, []byte(f.name)))
			b.WriteByte(':')
		}
		e.before[i] = b.String()
	}
	switch {
	case format == spec.Csv:
		e.after = "\n"
	case format == spec.Ndjson:
		e.after = "}\n"
	case arrays:
		e.after = "]"
	default:
		e.after = "}"
	}
	return e
}

// rows appends all rows of a batch; start is how many rows the answer has before them. It may run for several batches at once.
func (e *textEncoder) rows(b []byte, batch *questdb.Batch, start int64) []byte {
	for row := range batch.N {
		if e.format == spec.JSON && start+int64(row) > 0 {
			b = append(b, ',')
		}
		for i := range batch.Columns {
			b = append(b, e.before[i]...)
			v := &batch.Columns[i]
			switch {
			case v.Null(row):
				if e.format != spec.Csv {
					b = append(b, "null"...)
				}
			case v.Kind == questdb.Float:
				b = e.float(b, v.Floats[row])
			case v.Kind == questdb.Text:
				b = e.text(b, v.Cell(row))
			case v.Kind == questdb.Int:
				b = strconv.AppendInt(b, v.Ints[row], 10)
			case v.Kind == questdb.Bool:
				b = strconv.AppendBool(b, v.Ints[row] != 0)
			case e.fields[i].millis:
				b = strconv.AppendInt(b, millis(v.Ints[row]), 10)
			default:
				b = e.time(b, v.Ints[row])
			}
		}
		b = append(b, e.after...)
	}
	return b
}

// header is the first line of CSV.
func (e *textEncoder) header(b []byte) []byte {
	for i, f := range e.fields {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendCSVText(b, []byte(f.name))
	}
	return append(b, '\n')
}

func (e *textEncoder) text(b, cell []byte) []byte {
	if e.format == spec.Csv {
		return appendCSVText(b, cell)
	}
	return appendJSONText(b, cell)
}

func (e *textEncoder) time(b []byte, micros int64) []byte {
	if e.format != spec.Csv {
		b = append(b, '"')
	}
	b = time.UnixMicro(micros).UTC().AppendFormat(b, time.RFC3339Nano)
	if e.format != spec.Csv {
		b = append(b, '"')
	}
	return b
}

func (e *textEncoder) float(b []byte, x float64) []byte {
	if math.IsNaN(x) || math.IsInf(x, 0) { // QuestDB has none, but what is computed may be
		if e.format != spec.Csv {
			b = append(b, "null"...)
		}
		return b
	}
	return appendFloat(b, x)
}

// millis is the millisecond that a microsecond is in.
func millis(micros int64) int64 {
	if micros < 0 {
		return (micros - 999) / 1000
	}
	return micros / 1000
}

// appendFloat appends the shortest text that reads back as x, as encoding/json does. Numbers of at most four decimals,
// such as prices, are found by trying, which takes a quarter of the time.
func appendFloat(b []byte, x float64) []byte {
	const scale, digits, most = 1e4, 4, 1e15 // below most two such decimals never are the same float
	if scaled := math.RoundToEven(x * scale); math.Abs(scaled) < most && scaled/scale == x && (scaled != 0 || !math.Signbit(x)) {
		n := int64(scaled)
		if n < 0 {
			b, n = append(b, '-'), -n
		}
		whole, rest := n/scale, n%scale
		b = strconv.AppendInt(b, whole, 10)
		if rest == 0 {
			return b
		}
		b = append(b, '.', byte('0'+rest/1000), byte('0'+rest/100%10), byte('0'+rest/10%10), byte('0'+rest%10))
		for b[len(b)-1] == '0' {
			b = b[:len(b)-1]
		}
		return b
	}
	return db.AppendFloat(b, x)
}

// appendJSONText appends a JSON string.
func appendJSONText(b, text []byte) []byte {
	for _, c := range text {
		if c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			quoted, err := json.Marshal(string(text))
			if err != nil {
				panic(err) // any string encodes
			}
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, text...)
	return append(b, '"')
}

// appendCSVText appends a field of CSV, quoted where it has to be: an empty text too, for nothing at all is NULL.
func appendCSVText(b, text []byte) []byte {
	plain := len(text) > 0 && text[0] != ' ' && text[len(text)-1] != ' '
	for _, c := range text {
		if c == '"' || c == ',' || c == '\n' || c == '\r' {
			plain = false
		}
	}
	if plain {
		return append(b, text...)
	}
	b = append(b, '"')
	for _, c := range text {
		if c == '"' {
			b = append(b, '"')
		}
		b = append(b, c)
	}
	return append(b, '"')
}
