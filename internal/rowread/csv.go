package rowread

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// csvReader reads CSV as RFC 4180 has it, with a header.
type csvReader struct {
	*builder
	in     io.Reader
	csv    *csv.Reader
	header []*Column
}

func (r *csvReader) read() error {
	if r.csv == nil {
		if err := r.begin(); err != nil {
			return err
		}
	}
	for !r.full() {
		record, err := r.csv.Read()
		if err != nil {
			return r.wrong(err)
		}
		for i, cell := range record {
			if err := r.cell(r.header[i], cell); err != nil {
				return err
			}
		}
		if err := r.endRow(); err != nil {
			return err
		}
	}
	return nil
}

func (r *csvReader) begin() error {
	in := bufio.NewReaderSize(r.in, 64<<10)
	if mark, err := in.Peek(3); err == nil && string(mark) == "\ufeff" {
		_, _ = in.Discard(3)
	}
	r.csv = csv.NewReader(in)
	r.csv.ReuseRecord = true
	record, err := r.csv.Read()
	if errors.Is(err, io.EOF) {
		return &ValidationError{Row: -1, What: "is empty", Syntax: true}
	} else if err != nil {
		return r.wrong(err)
	}
	names := slices.Clone(record)
	if len(names) > maxNames {
		return &ValidationError{Row: -1, What: fmt.Sprintf("has %d columns: %d are taken", len(names), MaxColumns)}
	}
	for i, name := range names {
		names[i] = strings.TrimSpace(name)
	}
	if err := r.chooseTime(names); err != nil {
		return err
	}
	for i, name := range names {
		if name == "" { // pandas writes an index without a name first, others end their lines with a comma
			r.header = append(r.header, &Column{skip: true, blank: i > 0})
			continue
		}
		c, err := r.column(name)
		if err == nil {
			err = r.meet(c, name)
		}
		if err != nil {
			return r.inHeader(err)
		}
		c.whole = true
		r.header = append(r.header, c)
	}
	return nil
}

// inHeader says that a validation error is about no row.
func (b *builder) inHeader(err error) error {
	var f *ValidationError
	if errors.As(err, &f) {
		f.Row = -1
	}
	return err
}

// wrong is an error of the CSV reader in the words of the package.
func (r *csvReader) wrong(err error) error {
	var parse *csv.ParseError
	if !errors.As(err, &parse) {
		return err // of the input, or its end
	}
	what := "is not CSV: " + parse.Err.Error()
	if errors.Is(err, csv.ErrFieldCount) {
		what = fmt.Sprintf("has another number of cells than the header, which has %d", len(r.header))
	}
	return r.syntax(fmt.Sprintf("%s, in line %d", what, parse.Line))
}

func (r *csvReader) cell(c *Column, text string) error {
	text = strings.TrimSpace(text)
	switch {
	case c.blank && text != "":
		return r.invalid("", "has a cell in a column without a name")
	case c.skip:
		return nil
	}
	n, missing, err := ReadCell(text)
	switch {
	case missing:
		return nil
	case c.time, c.Kind == Text && !c.label && !c.open, errors.Is(err, strconv.ErrSyntax):
		return r.csvText(c, text)
	case err != nil:
		return r.invalid(c.Name, "is out of range")
	}
	return r.setNumber(c, n)
}

func (r *csvReader) csvText(c *Column, text string) error {
	if !utf8.ValidString(text) {
		return &ValidationError{Row: r.before + int64(len(r.times)), Column: c.Name, What: "is not UTF-8", Syntax: true}
	}
	return r.setTextCell(c, []byte(text))
}
