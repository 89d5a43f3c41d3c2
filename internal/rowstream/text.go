package rowstream

import (
	"encoding/json"
	"math"
	"strconv"
	"time"

	"foldbook/api/spec"
	"foldbook/db"
	"foldbook/questdb"
)

// textEncoder writes rows as text. A cell looks the same in all formats, except for the quotes of texts.
type textEncoder struct {
	fields []Field
	format spec.Format
	before [][]byte // what stands before each cell
	after  string   // what stands behind a row
}

// newTextEncoder prepares the separators between the cells of a row.
func newTextEncoder(fields []Field, format spec.Format, arrays bool) *textEncoder {
	e := &textEncoder{fields: fields, format: format, before: make([][]byte, len(fields))}
	first, named := "{", true
	switch {
	case format == spec.Csv:
		first, e.after, named = "", "\n", false
	case format == spec.Ndjson:
		e.after = "}\n"
	case arrays:
		first, e.after, named = "[", "]", false
	default:
		e.after = "}"
	}
	for i, f := range fields {
		b := []byte(first)
		if i > 0 {
			b = []byte{','}
		}
		if named {
			b = append(AppendText(b, []byte(f.Name)), ':')
		}
		e.before[i] = b
	}
	return e
}

// begin appends the first line of CSV.
func (e *textEncoder) begin(b []byte) []byte {
	if e.format != spec.Csv {
		return b
	}
	for i, f := range e.fields {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendCSVText(b, []byte(f.Name))
	}
	return append(b, '\n')
}

func (e *textEncoder) row(b []byte, rows Rows, before int64) []byte {
	if e.format == spec.JSON && before > 0 {
		b = append(b, ',')
	}
	for i := range e.fields {
		b = e.cell(append(b, e.before[i]...), rows, i)
	}
	return append(b, e.after...)
}

// cell appends one cell.
func (e *textEncoder) cell(b []byte, rows Rows, i int) []byte {
	var ok bool
	switch f := &e.fields[i]; f.Kind {
	case questdb.Float:
		var x float64
		if x, ok = rows.Float(i); ok {
			if ok = x-x == 0; ok { // QuestDB has no NaN and no infinity, but what is computed may be one
				b = AppendFloat(b, x)
			}
		}
	case questdb.Text:
		var text []byte
		if text, ok = rows.Text(i); ok && e.format == spec.Csv {
			b = appendCSVText(b, text)
		} else if ok {
			b = AppendText(b, text)
		}
	default:
		var n int64
		if n, ok = rows.Int(i); ok {
			b = e.number(b, f, n)
		}
	}
	if !ok && e.format != spec.Csv {
		b = append(b, "null"...)
	}
	return b
}

func (e *textEncoder) end(b []byte, _ int64, _ End) []byte { return b }

// number appends a cell of a kind that is read as an integer.
func (e *textEncoder) number(b []byte, f *Field, n int64) []byte {
	switch {
	case f.Kind == questdb.Bool:
		return strconv.AppendBool(b, n != 0)
	case f.Kind != questdb.Time:
		return strconv.AppendInt(b, n, 10)
	case f.Millis:
		return strconv.AppendInt(b, Millis(n), 10)
	}
	if e.format != spec.Csv {
		b = append(b, '"')
	}
	b = time.UnixMicro(n).UTC().AppendFormat(b, time.RFC3339Nano)
	if e.format != spec.Csv {
		b = append(b, '"')
	}
	return b
}

// Millis is the millisecond that contains a microsecond.
func Millis(micros int64) int64 {
	if micros < 0 {
		return (micros - 999) / 1000
	}
	return micros / 1000
}

// AppendFloat appends the shortest text that reads back as x, as encoding/json does. Numbers of at most four decimals,
// such as prices, are found by trying, which takes a quarter of the time.
func AppendFloat(b []byte, x float64) []byte {
	const scale, most = 1e4, 1e15 // below most two such decimals never are the same float
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

// AppendText appends a JSON string.
func AppendText(b, text []byte) []byte {
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

// appendCSVText appends a field of CSV, quoted where necessary. An empty text is quoted too, because an empty field is NULL.
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
