package rowread

import (
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Partial tells whether rows lack cells of columns that other rows have. Arrow has only nulls for them, which are something else.
func (b *Batch) Partial() bool {
	for _, c := range b.Columns {
		for row := range b.Times {
			if !c.Given(row) {
				return true
			}
		}
	}
	return false
}

// AppendNDJSON writes rows as NDJSON, with the cells that each of them has. The time is the column timestamp_ms.
func (b *Batch) AppendNDJSON(out []byte) ([]byte, error) {
	for row, micros := range b.Times {
		out = time.UnixMicro(micros).UTC().AppendFormat(append(out, `{"timestamp_ms":"`...), time.RFC3339Nano)
		out = append(out, '"')
		for _, c := range b.Columns {
			if !c.Given(row) {
				continue
			}
			var err error
			if out, err = jsontext.AppendQuote(append(out, ','), c.Name); err != nil {
				return nil, err
			}
			out = append(out, ':')
			text, _ := c.Text(row)
			switch {
			case c.Missing(row):
				out = append(out, "null"...)
			case c.Kind == Float:
				out = strconv.AppendFloat(out, c.Float(row), 'g', -1, 64)
			case c.Kind == Int:
				out = strconv.AppendInt(out, c.Int(row), 10)
			default:
				if out, err = jsontext.AppendQuote(out, text); err != nil {
					return nil, err
				}
			}
		}
		out = append(out, "}\n"...)
	}
	return out, nil
}
