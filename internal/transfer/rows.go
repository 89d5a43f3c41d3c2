package transfer

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"foldbook/internal/candlefile"
	"foldbook/internal/rowread"
)

// inspectSeries sees to whom the rows of a file belong, unless that is given.
func (im *Import) inspectSeries(d *Document, text io.Reader) error {
	d.Kind = Series
	if im.Rows != nil {
		d.rows = *im.Rows
	} else if about, err := rowread.About(text); err != nil {
		return err
	} else if rows, ok := rowsOf(about); ok {
		d.rows = rows
	} else {
		return errors.New("is rows, and does not say whose: name it with --dataset, --run or --simulation")
	}
	return nil
}

// rowFile is a file of rows that is being read.
type rowFile struct {
	*candlefile.File
	close func()
}

// openRows begins to read the rows of a file; kinds are those of its columns, as far as they are known.
func (im *Import) openRows(d *Document, sent func(int64), kinds map[string]rowread.Kind) (*rowFile, error) {
	file, err := d.reopen()
	if err != nil {
		return nil, err
	}
	text, _, done, err := decompress(newReader(&sending{file: file, sent: sent}))
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	o := rowread.Options{Rows: batchRows, Texts: true, Memory: maxArrow}
	o.Column = func(name string) (string, rowread.Kind, error) { return name, kinds[name], nil }
	f := &rowFile{close: func() { done(); _ = file.Close() }}
	if f.File, err = candlefile.Open(text, im.File, o); err != nil {
		f.close()
		return nil, wordsOf(err)
	}
	return f, nil
}

// checked is what a file holds.
type checked struct {
	rows     int64
	kinds    map[string]rowread.Kind
	warnings []string
}

// check reads all of a file, before the first of its rows is sent.
func (im *Import) check(d *Document) (c checked, err error) {
	f, err := im.openRows(d, func(int64) {}, nil)
	if err != nil {
		return c, err
	}
	defer f.close()
	var times []int64
	for {
		batch, err := f.Next()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return c, wordsOf(err)
		}
		if d.rows.Name == "" {
			d.rows.Name = guess(batch)
		}
		c.rows, c.warnings = c.rows+int64(len(batch.Times)), batch.Warnings
		times = append(times, batch.Times...)
	}
	if c.rows == 0 {
		return c, errors.New("has no rows")
	}
	c.warnings = append(f.Notes, c.warnings...)
	if c.kinds, err = f.Kinds(); err != nil {
		return c, wordsOf(err)
	}
	if w := repeated(times); w != "" && d.rows.Of.Kind == Dataset {
		c.warnings = append(c.warnings, w)
	}
	return c, nil
}

// repeated says how many rows have a time that another one has.
func repeated(times []int64) string {
	slices.Sort(times)
	n, first := 0, int64(0)
	for i := 1; i < len(times); i++ {
		if times[i] == times[i-1] {
			n++
			first = cmp.Or(first, times[i])
		}
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%d rows have the time of a row before them, which they replace: the first such time is %s",
		n, time.UnixMicro(first).UTC().Format(time.RFC3339Nano))
}

// PartialError says how much of a file was stored before an error.
type PartialError struct {
	Stored, Rows int64
	Err          error
}

func (e *PartialError) Error() string {
	return fmt.Sprintf("%v; %s", e.Err, e.stored())
}

func (e *PartialError) Unwrap() error { return e.Err }

func (e *PartialError) stored() string {
	if e.Stored == 0 {
		return fmt.Sprintf("none of its %d rows is stored", e.Rows)
	}
	return fmt.Sprintf("%d of its %d rows are stored: go on with --from-row %d, or repeat the command, which stores nothing twice",
		e.Stored, e.Rows, e.Stored)
}

// postSeries checks the rows of a file and sends them in batches. It can be done again after any of them: the server stores
// nothing twice.
func (im *Import) postSeries(ctx context.Context, d *Document, before int64) (a answer, err error) {
	c, err := im.check(d)
	if err != nil {
		return a, err
	}
	f, err := im.openRows(d, func(n int64) { im.Watcher.Sent(before + n) }, c.kinds)
	if err != nil {
		return a, err
	}
	defer f.close()
	a.Warnings = c.warnings
	for at := int64(0); at < c.rows; {
		batch, err := f.Next()
		if err != nil {
			return a, &PartialError{at, c.rows, wordsOf(err)}
		}
		end := at + int64(len(batch.Times))
		if end > im.FromRow {
			got, err := im.postBatch(ctx, d.rows, batch)
			if err != nil {
				return a, im.partial(at, c.rows, fmt.Errorf("in the batch that begins with rows[%d]: %w", at, err))
			}
			a.rows += end - at
			a.Measurement, a.RowCount = got.Measurement, got.RowCount
			for _, w := range got.Warnings {
				if !slices.Contains(a.Warnings, w) && len(a.Warnings) < 20 {
					a.Warnings = append(a.Warnings, w)
				}
			}
		}
		at = end
	}
	return a, nil
}

// partial says what is stored, unless nothing could be.
func (im *Import) partial(stored, rows int64, err error) error {
	if im.DryRun {
		return err
	}
	return &PartialError{stored, rows, err}
}

// wordsOf says of a file what a validation error says of a body.
func wordsOf(err error) error {
	invalid := new(rowread.ValidationError)
	if !errors.As(err, &invalid) {
		return err
	}
	if text, ok := strings.CutPrefix(invalid.Error(), "the body "); ok {
		return errors.New(text)
	}
	return invalid
}

func (im *Import) postBatch(ctx context.Context, to Rows, batch *rowread.Batch) (a answer, err error) {
	body, contentType, err := encode(batch)
	if err != nil {
		return a, err
	}
	return im.post(ctx, to.appendPath(), false, func(req *http.Request) error {
		req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		req.Header.Set("Content-Type", contentType)
		return nil
	})
}

// encode writes a batch as the body of a request.
func encode(batch *rowread.Batch) (body []byte, contentType string, err error) {
	if batch.Partial() {
		body, err = batch.AppendNDJSON(nil)
		return body, "application/x-ndjson", err
	}
	var buf bytes.Buffer
	out := rowread.NewArrowWriter(&buf, nil)
	err = errors.Join(out.Write(batch), out.Close())
	return buf.Bytes(), "application/vnd.apache.arrow.stream", err
}

// guess takes rows with nothing but what bars have for bars.
func guess(batch *rowread.Batch) string {
	bars := []string{
		"open", "high", "low", "close", "volume", "adj_close", "trades", "quote_volume", "close_time",
		"taker_buy_base_volume", "taker_buy_quote_volume", "tick_volume", "spread", "vwap", "tradecount",
	}
	if batch.Column("close") == nil || batch.Column("open") == nil {
		return "indicators"
	}
	for _, c := range batch.Columns {
		name := strings.ToLower(c.Name)
		if !slices.Contains(bars, name) && !strings.HasPrefix(name, "date") && !strings.HasPrefix(name, "time") {
			return "indicators"
		}
	}
	return "ohlcv"
}
