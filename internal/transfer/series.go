package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"foldbook/internal/moment"
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

// answered is how the rows of an answer are read.
func answered() rowread.Options {
	return rowread.Options{
		Rows: batchRows, Texts: true, Memory: maxArrow, AnyUnit: true, Time: []string{"timestamp_ms"},
		Clock: moment.Reader{Unit: moment.Milliseconds, Sure: true},
	}
}

// maxArrow is the most bytes of one batch of an Arrow file; others write all rows as one.
const maxArrow = 2 << 30

// batchRows is how many rows are sent at a time.
const batchRows = 10_000

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
	return stem(document) + "." + name + ".arrow"
}

// ExportSeries writes the rows of something beside its document, a file for each series that it has, which Import takes
// back. It returns the files. One that is there from an earlier export is replaced, or removed when there are no rows.
func (c *Client) ExportSeries(ctx context.Context, of Ref, document string) (files []string, err error) {
	for _, name := range series[of.Kind] {
		r, file := Rows{of, name}, SeriesFile(document, name)
		err := c.save(ctx, file, plainly, nil, func(w io.Writer) error { return c.copySeries(ctx, r, w) })
		switch {
		case err == nil:
			files = append(files, file)
		case !errors.Is(err, errNoRows):
			return files, fmt.Errorf("export the %s: %w", r, err)
		default:
			if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
				return files, err
			}
		}
	}
	return files, nil
}

var errNoRows = &permanentError{errors.New("there are no rows")}

// copySeries copies the rows of one answer, batch by batch. Without rows it fails with errNoRows.
func (c *Client) copySeries(ctx context.Context, r Rows, w io.Writer) error {
	resp, err := c.send(ctx, http.MethodGet, r.path(), url.Values{"format": {"arrows"}}, nil)
	if refused := new(RefusedError); errors.As(err, &refused) && refused.Code == "measurement_not_found" {
		return errNoRows
	} else if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	in, out := rowread.New(rowread.Arrow, resp.Body, answered()), rowread.NewArrowWriter(w, r.about())
	for found := false; ; found = true {
		batch, err := in.Next()
		invalid := new(rowread.ValidationError)
		switch {
		case errors.Is(err, io.EOF) && !found:
			return errNoRows
		case errors.Is(err, io.EOF):
			return out.Close()
		case errors.As(err, &invalid) && !invalid.Syntax: // else it may be whole the next time
			return &permanentError{wordsOf(err)}
		case err != nil:
			return wordsOf(err)
		}
		if err := out.Write(batch); err != nil {
			return &permanentError{err}
		}
	}
}
