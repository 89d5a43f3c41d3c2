package api

import (
	"encoding/json"
	"errors"
	"strconv"

	"github.com/labstack/echo/v4"

	"foldbook/db"
)

// serializer is Echo's JSON: rows encode themselves into a pooled buffer, small answers go through encoding/json.
type serializer struct{}

// Buffers larger than keptBuffer are left to the garbage collector, so that one large answer does not stay for ever.
const keptBuffer = 1 << 20

// buffers keeps what up to eight answers at a time need. It is no sync.Pool, because that is emptied by each collection,
// and large answers collect so often that nearly each one would grow its buffer from nothing.
var buffers = make(chan []byte, 8)

// Serialize writes the answer in one piece, with its length.
func (serializer) Serialize(c echo.Context, v any, _ string) error {
	var b []byte
	select {
	case b = <-buffers:
	default:
	}
	if a, ok := v.(db.Appender); ok {
		b = a.AppendJSON(b)
	} else {
		text, err := json.Marshal(v)
		if err != nil {
			return err
		}
		b = append(b, text...)
	}
	b = append(b, '\n')
	c.Response().Header().Set(echo.HeaderContentLength, strconv.Itoa(len(b)))
	_, err := c.Response().Write(b)
	if cap(b) <= keptBuffer {
		select {
		case buffers <- b[:0]:
		default:
		}
	}
	return err
}

// Deserialize is part of Echo's interface; bodies are not read through it.
func (serializer) Deserialize(echo.Context, any) error {
	return errors.New("bodies are not bound")
}

// list is rows as a JSON array.
type list[T any, P interface {
	*T
	db.Appender
}] []T

// AppendJSON appends the rows.
func (l list[T, P]) AppendJSON(b []byte) []byte { return db.AppendRows[T, P](b, l) }

// AppendJSON appends {"run": …, "folds": […]}.
func (d *RunDetail) AppendJSON(b []byte) []byte {
	b = append(b, `{"run":`...)
	b = d.Run.AppendJSON(b)
	b = append(b, `,"folds":`...)
	b = db.AppendRows(b, d.Folds)
	return append(b, '}')
}

// AppendJSON appends {"run": …, "buckets": […]}.
func (d *SimulationDetail) AppendJSON(b []byte) []byte {
	b = append(b, `{"run":`...)
	b = d.Run.AppendJSON(b)
	b = append(b, `,"buckets":`...)
	b = db.AppendRows(b, d.Buckets)
	return append(b, '}')
}
