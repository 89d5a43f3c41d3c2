package transfer

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"foldbook/internal/rowread"
)

// Series is rows in QuestDB that belong to something on the server. They come after all documents.
const Series Kind = "series"

// Rows names the series of something: ohlcv and indicators of a dataset, predictions of a run, trace of a simulation.
type Rows struct {
	Of   Ref
	Name string // empty: ohlcv or indicators, by what columns the file has
}

// names of the series of each kind.
var series = map[Kind][]string{Dataset: {"ohlcv", "indicators"}, Run: {"predictions"}, Simulation: {"trace"}}

func (r Rows) String() string {
	name := r.Name
	if name == "ohlcv" {
		name = "bars"
	}
	return fmt.Sprintf("%s of %s %s", name, r.Of.Kind, r.Of.ID)
}

// path is where the rows are read, and where they are written.
func (r Rows) path() string { return "/api/" + r.Of.Kind.plural() + "/" + r.Of.ID + "/" + r.Name }

func (r Rows) appendPath() string {
	if r.Of.Kind == Dataset {
		return r.path() + "/append"
	}
	return r.path()
}

// about is how an exported file names what it belongs to.
func (r Rows) about() map[string]string {
	return map[string]string{"foldbook.kind": string(r.Of.Kind), "foldbook.id": r.Of.ID, "foldbook.series": r.Name}
}

func rowsOf(about map[string]string) (r Rows, ok bool) {
	r = Rows{Ref{Kind(about["foldbook.kind"]), about["foldbook.id"]}, about["foldbook.series"]}
	_, err := uuid.Parse(r.Of.ID)
	return r, err == nil && slices.Contains(series[r.Of.Kind], r.Name)
}

// readOptions are how files are read: anything that names its times.
func readOptions(batch int) rowread.Options {
	return rowread.Options{Rows: batch, Texts: true, Time: []string{"timestamp_ms", "timestamp", "timestamp_unix"}, AnyUnit: true,
		Memory: maxArrow}
}

// maxArrow is the most bytes of one batch of an Arrow file; others write all rows as one.
const maxArrow = 2 << 30

// batchRows is how many rows are sent at a time.
const batchRows = 10_000

// formatOf recognises the format by the first bytes, because standard input has no name.
func formatOf(head []byte) rowread.Format {
	text := bytes.TrimLeft(head, " \t\r\n")
	switch {
	case bytes.HasPrefix(head, []byte{0xff, 0xff, 0xff, 0xff}):
		return rowread.Arrow
	case !bytes.HasPrefix(text, []byte{'{'}):
		return rowread.CSV
	}
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

// sniffed is as much as the format is recognised by.
const sniffed = 4096

// inspectSeries sees to whom the rows of a file belong, unless that is given.
func (im *Import) inspectSeries(d *Document, text io.Reader) error {
	d.Kind = Series
	head, err := io.ReadAll(io.LimitReader(text, sniffed))
	if err != nil {
		return err
	}
	d.format = formatOf(head)
	if im.Rows != nil {
		d.rows = *im.Rows
		d.ids[string(d.rows.Of.Kind)+"_id"] = d.rows.Of.ID
		return nil
	}
	about, err := rowread.About(io.MultiReader(bytes.NewReader(head), text))
	if err != nil {
		return err
	}
	var ok bool
	if d.rows, ok = rowsOf(about); !ok {
		return errors.New("is rows, and does not say whose: name it with --dataset, --run or --simulation")
	}
	d.ids[string(d.rows.Of.Kind)+"_id"] = d.rows.Of.ID
	return nil
}

// postSeries sends the rows of a file in batches. It can be done again after any of them: the server stores nothing twice.
func (im *Import) postSeries(ctx context.Context, d *Document, before int64) (a answer, err error) {
	file, err := d.reopen()
	if err != nil {
		return a, err
	}
	defer func() { _ = file.Close() }()
	body := &sending{file: file, sent: func(n int64) { im.Watcher.Sent(before + n) }}
	text, _, done, err := decompress(bufio.NewReaderSize(body, 64<<10))
	if err != nil {
		return a, err
	}
	defer done()
	reader := rowread.New(d.format, text, readOptions(batchRows))
	for {
		batch, err := reader.Next()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return a, wordsOf(err)
		}
		if d.rows.Name == "" {
			d.rows.Name = guess(batch)
		}
		got, err := im.postBatch(ctx, d.rows, batch)
		if err != nil {
			return a, fmt.Errorf("in the batch that begins with rows[%d]: %w", a.rows, err)
		}
		a.rows += int64(len(batch.Times))
		a.Measurement, a.RowCount = got.Measurement, got.RowCount
	}
	a.Created = false
	if a.rows == 0 {
		return a, errors.New("has no rows")
	}
	return a, nil
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
	var body bytes.Buffer
	out := rowread.NewArrowWriter(&body, nil)
	if err := errors.Join(out.Write(batch), out.Close()); err != nil {
		return a, err
	}
	query := url.Values{}
	if im.DryRun {
		query.Set("dry_run", "true")
	}
	err = im.Client.retry(ctx, func() error {
		resp, err := im.Client.send(ctx, http.MethodPost, to.appendPath(), query, func(req *http.Request) {
			req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(body.Bytes())), int64(body.Len())
			req.Header.Set("Content-Type", "application/vnd.apache.arrow.stream")
		})
		if err != nil {
			return err
		}
		defer func() { _ = resp.Body.Close() }()
		return a.read(resp.Body)
	})
	return a, err
}

// guess takes rows with nothing but what bars have for bars.
func guess(batch *rowread.Batch) string {
	bars := []string{"open", "high", "low", "close", "volume"}
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

// FindDataset returns the id of the dataset with that id or slug.
func (c *Client) FindDataset(ctx context.Context, name string) (id string, err error) {
	if parsed, err := uuid.Parse(name); err == nil {
		return parsed.String(), nil
	}
	err = c.retry(ctx, func() error {
		resp, err := c.send(ctx, http.MethodGet, "/api/"+Dataset.plural()+"/"+url.PathEscape(name), nil, nil)
		if err != nil {
			return err
		}
		defer func() { _ = resp.Body.Close() }()
		var row map[string]jsontext.Value
		err = json.UnmarshalRead(resp.Body, &row)
		id = textOf(row["dataset_id"])
		return cutOff(err)
	})
	if err != nil {
		return "", fmt.Errorf("find the dataset %q on %s: %w", name, c.Server(), err)
	}
	return id, nil
}

// SeriesFile is where ExportSeries puts a series beside a document's file.
func SeriesFile(document, name string) string {
	stem := document
	for _, ext := range extensions {
		stem = strings.TrimSuffix(stem, ext)
	}
	return stem + "." + name + ".arrow"
}

// ExportSeries writes the rows of something beside its document, a file for each series that it has, which Import takes
// back. It returns the files. One that is there from an earlier export is replaced, or removed when there are no rows.
func (c *Client) ExportSeries(ctx context.Context, of Ref, document string) (files []string, err error) {
	for _, name := range series[of.Kind] {
		r, file := Rows{of, name}, SeriesFile(document, name)
		found, err := c.exportSeries(ctx, r, file)
		if err != nil {
			return files, fmt.Errorf("export the %s: %w", r, err)
		}
		if found {
			files = append(files, file)
		} else if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
			return files, err
		}
	}
	return files, nil
}

func (c *Client) exportSeries(ctx context.Context, r Rows, file string) (found bool, err error) {
	target, err := newTarget(file, nil)
	if err != nil {
		return false, err
	}
	err = c.retry(ctx, func() error {
		w, err := target.begin()
		if err != nil {
			return &permanentError{err}
		}
		if found, err = c.copySeries(ctx, r, w); err != nil {
			return err
		}
		return w.Close()
	})
	if err != nil || !found {
		return false, errors.Join(err, target.discard())
	}
	return true, target.finish()
}

// copySeries copies the rows of one answer, batch by batch.
func (c *Client) copySeries(ctx context.Context, r Rows, w io.Writer) (found bool, err error) {
	resp, err := c.send(ctx, http.MethodGet, r.path(), url.Values{"format": {"arrow"}}, nil)
	var refused *RefusedError
	if errors.As(err, &refused) && refused.Status == http.StatusNotFound && refused.Code == "measurement_not_found" {
		return false, nil
	} else if err != nil {
		return false, err
	}
	defer func() { _ = resp.Body.Close() }()
	in, out := rowread.New(rowread.Arrow, resp.Body, readOptions(batchRows)), rowread.NewArrowWriter(w, r.about())
	for {
		batch, err := in.Next()
		invalid := new(rowread.ValidationError)
		switch {
		case errors.Is(err, io.EOF):
			return found, out.Close()
		case errors.As(err, &invalid) && !invalid.Syntax: // else it may be whole the next time
			return false, &permanentError{wordsOf(err)}
		case err != nil:
			return false, wordsOf(err)
		}
		found = true
		if err := out.Write(batch); err != nil {
			return false, &permanentError{err}
		}
	}
}

// isSeriesFile tells the files of a directory that hold rows.
func isSeriesFile(name string) bool { return filepath.Ext(name) == ".arrow" }
