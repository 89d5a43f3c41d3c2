package api

import (
	"encoding/json"
	"errors"
	"strconv"
	"sync"

	"github.com/labstack/echo/v4"

	"foldbook/db"
)

// serializer is Echo's JSON: rows encode themselves into a pooled buffer, small answers go through encoding/json.
type serializer struct{}

// buffers larger than this are left to the garbage collector, so that one large answer does not stay for ever.
const keptBuffer = 1 << 20

var buffers = sync.Pool{New: func() any { return new([]byte) }}

// Serialize writes the answer in one piece, with its length.
func (serializer) Serialize(c echo.Context, v any, _ string) error {
	buf := buffers.Get().(*[]byte) //nolint:forcetypeassert // the pool holds nothing else
	b := (*buf)[:0]
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
		*buf = b
		buffers.Put(buf)
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
