package questdb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// execSource reads an answer of /exec as it arrives: {"query", "columns", "timestamp", "dataset": [[…]], "count"}. When
// something goes wrong after the first rows were sent, "error" follows at the end, with status 200.
type execSource struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	sql    string
	body   io.ReadCloser
	json   *jsontext.Decoder
	budget int
	values []jsontext.Value // of the row
	cells  [][]byte         // the same, nil for null
	begun  bool             // a row was read
	cut    error            // of the last read of the body
	err    error            // what is wrong, or io.EOF at the end of a whole answer
}

// head reads to the first row. An answer without "dataset", to a statement that reads nothing, has no fields.
func (e *execSource) head() ([]Field, error) {
	e.budget = maxRow
	var fields []Field
	if token, err := e.json.ReadToken(); err != nil || token.Kind() != '{' {
		return nil, e.broken(err)
	}
	if err := e.members(&fields); err != nil {
		return nil, err
	}
	e.cells = make([][]byte, len(fields))
	return fields, nil
}

// members reads members of the object until the rows begin, or to its end.
func (e *execSource) members(fields *[]Field) error {
	refused, position := "", 0
	isRefused := false
	for {
		name, err := e.json.ReadToken()
		if err != nil {
			return e.broken(err)
		}
		if name.Kind() == '}' {
			break
		}
		key := name.String()
		if key == "dataset" && e.json.PeekKind() == '[' && fields != nil {
			_, err := e.json.ReadToken()
			return e.ok(err)
		}
		value, err := e.json.ReadValue()
		if err != nil {
			return e.broken(err)
		}
		switch key {
		case "columns":
			if fields != nil {
				if *fields, err = execFields(value); err != nil {
					return e.broken(err)
				}
			}
		case "error":
			isRefused = true
			_ = json.Unmarshal(value, &refused)
		case "position":
			position, _ = strconv.Atoi(strings.Trim(string(value), `"`))
		}
	}
	if isRefused {
		e.err = refusal(refused, e.sql, position)
		if as := new(Refused); e.begun && errors.As(e.err, &as) { // a statement that gave rows is no bad statement
			e.err = fmt.Errorf("%w: it ends with an error", ErrBroken)
		}
		return e.err
	}
	if _, err := e.json.ReadToken(); !errors.Is(err, io.EOF) {
		return e.broken(err)
	}
	e.err = io.EOF
	return nil
}

func execFields(columns []byte) ([]Field, error) {
	var list []struct {
		Name     string `json:"name"`
		Type     string `json:"type"`
		ElemType string `json:"elemType"`
		Dim      int    `json:"dim"`
	}
	if err := json.Unmarshal(columns, &list); err != nil {
		return nil, err
	}
	fields := make([]Field, len(list))
	for i, c := range list {
		if c.Type == "ARRAY" {
			c.Type = c.ElemType + strings.Repeat("[]", max(1, min(c.Dim, 32)))
		}
		fields[i] = Field{Name: c.Name, Kind: KindOf(c.Type), Type: c.Type}
	}
	return fields, nil
}

func (e *execSource) next() ([][]byte, bool) {
	if e.err != nil {
		return nil, false
	}
	e.budget = maxRow
	if e.json.PeekKind() != '[' {
		if token, err := e.json.ReadToken(); err != nil || token.Kind() != ']' {
			_ = e.broken(err)
			return nil, false
		}
		_ = e.members(nil)
		return nil, false
	}
	row, err := e.json.ReadValue()
	if err != nil {
		_ = e.broken(err)
		return nil, false
	}
	e.begun = true
	if err := json.Unmarshal(row, &e.values, jsontext.AllowInvalidUTF8(true)); err != nil || len(e.values) != len(e.cells) {
		_ = e.broken(nil)
		return nil, false
	}
	for i, value := range e.values {
		if e.cells[i] = value; value.Kind() == 'n' {
			e.cells[i] = nil
		}
	}
	return e.cells, true
}

// broken keeps the error; nil stands for a malformed answer.
func (e *execSource) broken(err error) error {
	var syntax *jsontext.SyntacticError
	if e.cut != nil && !errors.Is(e.cut, io.EOF) {
		err = e.cut // between two rows, the decoder says that a comma is missing
	}
	switch {
	case errors.Is(err, errTooLarge):
		e.err = errTooLarge
	case context.Cause(e.ctx) != nil:
		e.err = failure(e.ctx, err, e.sql, true)
	case err == nil:
		e.err = fmt.Errorf("%w: it is not the JSON of a result", ErrBroken)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		e.err = fmt.Errorf("%w: it is cut", ErrBroken)
	case errors.As(err, &syntax):
		e.err = fmt.Errorf("%w: it is not JSON at byte %d", ErrBroken, syntax.ByteOffset)
	default:
		e.err = failure(e.ctx, err, e.sql, true)
	}
	return e.err
}

func (e *execSource) ok(err error) error {
	if err != nil {
		return e.broken(err)
	}
	return nil
}

func (e *execSource) close(whole bool) error {
	if !whole {
		e.cancel(nil) // QuestDB notices that nobody listens
	}
	_ = e.body.Close()
	e.cancel(nil)
	if errors.Is(e.err, io.EOF) {
		return nil
	}
	return e.err
}

// jsonFloat reads a number of /exec; a FLOAT has the digits of 32 bits.
func jsonFloat(cell []byte, columnType string) (float64, bool) {
	bits := 64
	if columnType == "FLOAT" {
		bits = 32
	}
	v, err := strconv.ParseFloat(string(cell), bits)
	return v, err == nil && !math.IsInf(v, 0)
}

func jsonInt(cell []byte, kind Kind) (int64, bool) {
	switch kind {
	case Bool:
		if cell[0] == 't' {
			return 1, true
		}
		return 0, true
	case Time:
		t, err := time.Parse(time.RFC3339Nano, strings.Trim(string(cell), `"`))
		return t.UnixMicro(), err == nil
	}
	v, err := strconv.ParseInt(string(cell), 10, 64)
	return v, err == nil
}

// jsonText removes the quotes and escapes of a string, in scratch if it has escapes. Other values stay unchanged.
func jsonText(cell, scratch []byte) (text, grown []byte) {
	if cell[0] != '"' {
		return cell, scratch
	}
	if bytes.IndexByte(cell, '\\') < 0 {
		return cell[1 : len(cell)-1], scratch
	}
	begin := len(scratch)
	scratch, _ = jsontext.AppendUnquote(scratch, cell)
	return scratch[begin:], scratch
}
