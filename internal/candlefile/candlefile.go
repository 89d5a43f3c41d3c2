// Package candlefile reads the files that other programs write as rows. It sees the container, the layout and the names of the
// columns where they are plain, and says what it found where they are not.
package candlefile

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"golang.org/x/text/encoding/unicode"

	"foldbook/internal/moment"
	"foldbook/internal/rowread"
)

// Options say of a file what it does not say itself.
type Options struct {
	Time       string         // name of the column of times, or of two with a comma between them: the date and the time of day
	TimeFormat string         // how times are written, as strptime has it
	Zone       *time.Location // of times without a zone; nil: UTC
	Columns    []string       // names of the columns, in order; - leaves one out
	Skip       int            // lines before the first that counts
	Delimiter  rune           // between cells
}

// timeNames are the names that a column of times may have, in the order of preference.
var timeNames = []string{
	"timestamp_ms", "timestamp", "timestamp_unix", "unix", "open_time", "open time", "opentime", "datetime", "date_time", "date time",
	"gmt time", "ts", "epoch", "date", "time",
}

// clock is how the times are read.
func (o Options) clock() moment.Reader {
	return moment.Reader{Zone: o.Zone, Layout: goLayout(o.TimeFormat)}
}

// File is a file that can be read.
type File struct {
	*rowread.Reader
	Notes []string // what was left out or has another name now

	timeName string // of CSV whose times have no layout that is given
}

// Next reads the next batch, as a rowread.Reader does.
func (f *File) Next() (*rowread.Batch, error) {
	batch, err := f.Reader.Next()
	if bad := new(rowread.ValidationError); f.timeName != "" && errors.As(err, &bad) && bad.Column == f.timeName &&
		(strings.Contains(bad.What, "is not a time") || strings.Contains(bad.What, "reads as the date")) {
		bad.What += "; --time-format says how times are written, such as %d/%m/%Y %H:%M"
	}
	return batch, err
}

// known are the beginnings of files that are recognised, and not read.
var known = []struct{ begin, what string }{
	{"PAR1", "is a Parquet file: write it as Arrow (feather) or CSV"},
	{"FEA1", "is a Feather file of version 1: write it as version 2, which is an Arrow file"},
	{"PK\x03\x04", "is a ZIP file, or a workbook: unpack it, or save it as CSV"},
	{"\x89HDF", "is an HDF5 file: write it as Arrow (feather) or CSV"},
	{"SQLite format 3", "is an SQLite database: write its rows as CSV"},
}

const sampled = 64 << 10

// Open begins to read a file that is not compressed. r says how its rows are read, but for the time.
func Open(in io.Reader, o Options, r rowread.Options) (*File, error) {
	head := bufio.NewReaderSize(in, sampled)
	begin, err := head.Peek(16)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	r.AnyUnit, r.Clock, r.Time, r.Nonfinite = true, o.clock(), timeNames, true
	if o.Time != "" {
		r.Time = strings.Split(o.Time, ",")
	}
	for _, k := range known {
		if bytes.HasPrefix(begin, []byte(k.begin)) {
			return nil, errors.New(k.what)
		}
	}
	switch {
	case bytes.HasPrefix(begin, []byte("ARROW1\x00\x00")), bytes.HasPrefix(begin, []byte{0xff, 0xff, 0xff, 0xff}):
		return &File{Reader: rowread.New(rowread.Arrow, head, r)}, nil
	case bytes.HasPrefix(begin, []byte{0xff, 0xfe}), bytes.HasPrefix(begin, []byte{0xfe, 0xff}):
		text := unicode.UTF16(unicode.LittleEndian, unicode.ExpectBOM).NewDecoder().Reader(head)
		head = bufio.NewReaderSize(text, sampled)
	case bytes.HasPrefix(begin, []byte("\ufeff")):
		_, _ = head.Discard(3)
	}
	return openText(head, o, r)
}

// openText begins to read a file that is text.
func openText(in *bufio.Reader, o Options, r rowread.Options) (*File, error) {
	sample, err := in.Peek(sampled)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	text := bytes.TrimLeft(sample, " \t\r\n")
	switch {
	case bytes.HasPrefix(text, []byte{'{'}):
		return &File{Reader: rowread.New(jsonFormat(text), in, r)}, nil
	case !bytes.HasPrefix(text, []byte{'['}):
		records, err := newLines(in, sample, o)
		if err != nil {
			return nil, err
		}
		return openRecords(records, o, r)
	case bytes.HasPrefix(bytes.TrimLeft(text[1:], " \t\r\n"), []byte{'['}):
		return openRecords(newArrays(in), o, r)
	}
	rows := io.MultiReader(strings.NewReader(`{"rows":`), in, strings.NewReader("}"))
	return &File{Reader: rowread.New(rowread.JSON, rows, r)}, nil
}

// openRecords begins to read a file whose rows are lists of cells.
func openRecords(from records, o Options, r rowread.Options) (*File, error) {
	t, err := newTable(from, o)
	if err != nil {
		return nil, err
	}
	r.Time = []string{t.timeName}
	f := &File{Reader: rowread.New(rowread.CSV, t, r), Notes: t.notes}
	if o.TimeFormat == "" {
		f.timeName = t.timeName
	}
	return f, nil
}

// directives of strptime and what Go has for them: those of one digit read two as well.
var directives = strings.NewReplacer(
	".%f", "", "%f", "", "%Y", "2006", "%y", "06", "%m", "1", "%d", "2", "%H", "15", "%I", "3", "%M", "4", "%S", "5",
	"%p", "PM", "%b", "Jan", "%B", "January", "%a", "Mon", "%A", "Monday", "%j", "002", "%z", "-0700", "%Z", "MST", "%%", "%",
	"%F", "2006-1-2", "%T", "15:4:5",
)

func goLayout(format string) string { return directives.Replace(format) }

// CheckFormat refuses what is no format of times.
func CheckFormat(format string) error {
	layout := goLayout(format)
	if layout == format || strings.Contains(strings.ReplaceAll(format, "%%", ""), "%") && strings.Contains(layout, "%") {
		return fmt.Errorf("%q is no format of times: such as %%Y%%m%%d %%H:%%M or %%d.%%m.%%Y", format)
	}
	return nil
}
