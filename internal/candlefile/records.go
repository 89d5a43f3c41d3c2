package candlefile

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"foldbook/internal/rowread"
)

// records is the rows of a file as lists of cells.
type records interface {
	next() ([]string, error)
	where() string    // the place of the last one, for messages
	decimals() string // separators that numbers may have beside the point
}

// lines is the lines of a text file.
type lines struct {
	csv   *csv.Reader
	comma rune
	skip  int
}

func newLines(in *bufio.Reader, sample []byte, o Options) (*lines, error) {
	for range o.Skip {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return nil, fmt.Errorf("has no more than %d lines, all of which are skipped", o.Skip)
		}
		sample = sample[min(len(line), len(sample)):]
	}
	l := &lines{csv: csv.NewReader(in), comma: o.Delimiter, skip: o.Skip}
	if l.comma == 0 {
		l.comma = delimiterOf(string(sample))
	}
	l.csv.Comma, l.csv.Comment, l.csv.FieldsPerRecord, l.csv.ReuseRecord = l.comma, '#', -1, true
	return l, nil
}

// delimiterOf finds what is between the cells: what two lines below the top have the same number of.
func delimiterOf(sample string) rune {
	var last, before string
	n := 0
	for line := range strings.Lines(sample) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' && n < 4 {
			before, last, n = last, line, n+1
		}
	}
	for _, comma := range "\t;|" {
		count := strings.Count(last, string(comma))
		if count > 0 && (n == 1 || strings.Count(before, string(comma)) == count) {
			return comma
		}
	}
	return ','
}

func (l *lines) next() ([]string, error) {
	record, err := l.csv.Read()
	if parse := new(csv.ParseError); errors.As(err, &parse) {
		what := fmt.Sprintf("is not CSV: %s, in line %d", parse.Err, parse.Line+l.skip)
		return nil, &rowread.ValidationError{Row: -1, What: what, Syntax: true}
	}
	return record, err
}

func (l *lines) where() string {
	line, _ := l.csv.FieldPos(0)
	return fmt.Sprintf("line %d", line+l.skip)
}

func (l *lines) decimals() string {
	if l.comma == ',' {
		return ""
	}
	return ","
}

// arrays is the arrays within an array of JSON: [[1704067200000, 1, 2, 0.5, 1.5, 10], …].
type arrays struct {
	dec *jsontext.Decoder
	n   int
	row []string
}

func newArrays(in io.Reader) *arrays {
	a := &arrays{dec: jsontext.NewDecoder(rowread.NewFinite(in))}
	_, _ = a.dec.ReadToken() // the bracket that was seen
	return a
}

func (a *arrays) next() ([]string, error) {
	switch a.dec.PeekKind() {
	case jsontext.KindEndArray:
		return nil, io.EOF
	case jsontext.KindBeginArray:
	default:
		_, err := a.dec.ReadToken()
		return nil, a.wrong(err)
	}
	value, err := a.dec.ReadValue()
	if err != nil {
		return nil, a.wrong(err)
	}
	a.n++
	a.row = a.row[:0]
	dec := jsontext.NewDecoder(bytes.NewReader(value))
	_, _ = dec.ReadToken()
	for dec.PeekKind() != jsontext.KindEndArray {
		cell, err := dec.ReadToken()
		switch {
		case err != nil:
			return nil, a.wrong(err)
		case cell.Kind() == jsontext.KindBeginArray, cell.Kind() == jsontext.KindBeginObject:
			return nil, a.wrong(nil)
		}
		a.row = append(a.row, strings.TrimPrefix(cell.String(), rowread.NonfiniteMark)) // which is missing then
	}
	return a.row, nil
}

func (a *arrays) wrong(err error) error {
	if syntax := new(jsontext.SyntacticError); err != nil && !errors.As(err, &syntax) {
		return err
	}
	what := fmt.Sprintf("is not an array of numbers and texts, at byte %d", a.dec.InputOffset())
	return &rowread.ValidationError{Row: int64(a.n), What: what, Syntax: true}
}

func (a *arrays) where() string    { return fmt.Sprintf("array %d", a.n-1) }
func (a *arrays) decimals() string { return "" }

// jsonFormat tells one document with rows from one row a line.
func jsonFormat(text []byte) rowread.Format {
	dec := jsontext.NewDecoder(bytes.NewReader(text))
	for dec.StackDepth() <= 1 {
		t, err := dec.ReadToken()
		if err != nil {
			break
		}
		if t.Kind() == jsontext.KindString && t.String() == "rows" && dec.PeekKind() == jsontext.KindBeginArray {
			return rowread.JSON
		}
	}
	return rowread.NDJSON
}
