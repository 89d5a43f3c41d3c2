package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// errChanged says that what is exported was written while it was read.
var errChanged = errors.New("it is being changed again and again while it is read")

const (
	maxChanges = 5      // reads of something that changes meanwhile
	tradePage  = "5000" // trades of one request: a few hundred bytes each
	listPage   = "200"
)

// Export writes a document as the body that Import takes: one line, without what the server adds. All of it is of one
// state of the database; memory does not grow with it. See save for the file.
func (c *Client) Export(ctx context.Context, of Ref, file string, out io.Writer) (err error) {
	for range maxChanges {
		err = c.save(ctx, file, packed(file), out, func(w io.Writer) error {
			return c.write(ctx, jsontext.NewEncoder(w, jsontext.AllowDuplicateNames(true), jsontext.PreserveRawStrings(true)), of)
		})
		if !errors.Is(err, errChanged) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("export %s %s: %w", of.Kind, of.ID, err)
	}
	return nil
}

// write does it once.
func (c *Client) write(ctx context.Context, enc *jsontext.Encoder, of Ref) error {
	path := source[of.Kind] + of.ID
	resp, err := c.send(ctx, http.MethodGet, path, nil, nil)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	dec := jsontext.NewDecoder(resp.Body, jsontext.AllowDuplicateNames(true))
	if err := shapes[of.Kind].copy(enc, dec); err != nil {
		return err
	}
	if of.Kind == Simulation {
		if err := c.writeTrades(ctx, enc, path+"/trades"); err != nil {
			return err
		}
		if err := c.unchanged(ctx, path, resp.Header.Get("ETag")); err != nil {
			return err
		}
	}
	return enc.WriteToken(jsontext.EndObject)
}

// unchanged makes sure that answers read one after the other are of one state.
func (c *Client) unchanged(ctx context.Context, path, etag string) error {
	resp, err := c.send(ctx, http.MethodGet, path, nil, func(req *http.Request) error {
		req.Header.Set("If-None-Match", etag)
		return nil
	})
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusNotModified {
		return &permanentError{errChanged}
	}
	return nil
}

func (c *Client) writeTrades(ctx context.Context, enc *jsontext.Encoder, path string) error {
	if err := errors.Join(enc.WriteToken(jsontext.String("trades")), enc.WriteToken(jsontext.BeginArray)); err != nil {
		return err
	}
	trade := func(dec *jsontext.Decoder) error { return tradeShape.object(enc, dec) }
	if err := c.pages(ctx, path, url.Values{"limit": {tradePage}}, "trades", trade); err != nil {
		return err
	}
	return enc.WriteToken(jsontext.EndArray)
}

// pages reads a list page by page and calls item at the beginning of each of its items.
func (c *Client) pages(ctx context.Context, path string, query url.Values, name string, item func(*jsontext.Decoder) error) error {
	query.Set("count", "none")
	for {
		resp, err := c.send(ctx, http.MethodGet, path, query, nil)
		if err != nil {
			return err
		}
		next, err := page(resp.Body, name, item)
		if err = errors.Join(err, resp.Body.Close()); err != nil || next == "" {
			return err
		}
		query.Set("cursor", next)
	}
}

// page reads one answer and returns the cursor of the next, empty on the last page.
func page(body io.Reader, name string, item func(*jsontext.Decoder) error) (next string, err error) {
	dec := jsontext.NewDecoder(body, jsontext.AllowDuplicateNames(true))
	err = members(dec, func(member string) error {
		switch {
		case member == name && dec.PeekKind() == jsontext.KindBeginArray:
			return elements(dec, func() error { return item(dec) })
		case member == "next":
			v, err := dec.ReadValue()
			next = textOf(v)
			return cutOff(err)
		}
		return cutOff(dec.SkipValue())
	})
	return next, err
}

// Ref names something on the server.
type Ref struct {
	Kind Kind
	ID   string
}

func (r Ref) String() string { return string(r.Kind) + " " + r.ID }

// Path is where the server has it.
func (r Ref) Path() string { return "/api/" + r.Kind.plural() + "/" + r.ID }

// List returns everything on the server, parents first.
func (c *Client) List(ctx context.Context) (all []Ref, err error) {
	for _, kind := range Kinds {
		before := len(all)
		err := c.retry(ctx, func() error {
			all = all[:before]
			return c.pages(ctx, "/api/"+kind.plural(), url.Values{"limit": {listPage}}, kind.plural(), func(dec *jsontext.Decoder) error {
				var row map[string]jsontext.Value
				err := json.UnmarshalDecode(dec, &row)
				all = append(all, Ref{kind, textOf(row[string(kind)+"_id"])})
				return cutOff(err)
			})
		})
		if err != nil {
			return nil, fmt.Errorf("list the %ss: %w", kind, err)
		}
	}
	return all, nil
}

// textOf is a JSON text without its quotes, empty for any other value.
func textOf(v jsontext.Value) string {
	text, err := jsontext.AppendUnquote(nil, v)
	if err != nil {
		return ""
	}
	return string(text)
}

// File is where ExportAll puts a document below its directory.
func (r Ref) File() string { return filepath.Join(r.Kind.plural(), r.ID+".json") }

// ExportAll writes everything on the server as files below a directory, which Import takes back. What is removed while
// it works is left out. done is called after each document, with the files beside it: notes, artifacts, and series if they are wanted.
func (c *Client) ExportAll(ctx context.Context, dir string, withSeries bool, done func(r Ref, beside []string, n, of int)) error {
	all, err := c.List(ctx)
	if err != nil {
		return err
	}
	for _, kind := range Kinds {
		if err := os.MkdirAll(filepath.Join(dir, kind.plural()), 0o755); err != nil { //nolint:gosec // as any directory that a user makes
			return err
		}
	}
	var exported []Ref
	for i, ref := range all {
		err := c.Export(ctx, ref, filepath.Join(dir, ref.File()), nil)
		var files []string
		if err == nil {
			files, err = c.beside(ctx, ref, filepath.Join(dir, ref.File()), withSeries)
		}
		if isMissing(err) {
			continue
		} else if err != nil {
			return err
		}
		exported = append(exported, ref)
		done(ref, files, i+1, len(all))
	}
	comparisons, err := c.exportComparisons(ctx, dir, exported)
	for _, ref := range comparisons {
		done(ref, nil, len(all), len(all))
	}
	return err
}

// beside writes what goes into files beside a document.
func (c *Client) beside(ctx context.Context, of Ref, document string, withSeries bool) (files []string, err error) {
	if of.Kind == Run {
		files, err = c.ExportNotes(ctx, of, document)
	}
	if err == nil && withSeries {
		var rows []string
		rows, err = c.ExportSeries(ctx, of, document)
		files = append(files, rows...)
	}
	return files, err
}

// save writes a file with fill, which begins again when the server was away. file "" is out itself. The file is complete or, after an
// error, as it was before.
func (c *Client) save(ctx context.Context, file string, pack packer, out io.Writer, fill func(io.Writer) error) error {
	part, err := newPart(file)
	if err != nil {
		return err
	}
	err = c.retry(ctx, func() error {
		w, err := begin(part, pack)
		if err != nil {
			return &permanentError{err}
		}
		if err := fill(w); err != nil {
			return err
		}
		return w.Close()
	})
	switch {
	case err != nil:
	case file != "":
		err = part.Sync()
	default:
		if _, err = part.Seek(0, io.SeekStart); err == nil {
			_, err = io.Copy(out, part)
		}
	}
	if err = errors.Join(err, part.Close()); err == nil && file != "" {
		return os.Rename(part.Name(), file)
	}
	return errors.Join(err, os.Remove(part.Name()))
}

// newPart is a hidden file beside the one that is asked for, or a temporary one before it is copied.
func newPart(file string) (*os.File, error) {
	if file == "" {
		return os.CreateTemp("", "foldbook-export-*")
	}
	name := filepath.Join(filepath.Dir(file), fmt.Sprintf(".%s.%d.part", filepath.Base(file), os.Getpid()))
	return os.OpenFile(name, os.O_CREATE|os.O_RDWR|os.O_TRUNC, 0o644) //nolint:gosec // as any file that a user writes
}

// packer is how a file is written.
type packer func(io.Writer) (io.WriteCloser, error)

// plainly writes what there is.
func plainly(w io.Writer) (io.WriteCloser, error) { return plain{w}, nil }

// packed compresses a file whose name ends in .gz or .zst.
func packed(file string) packer {
	switch {
	case strings.HasSuffix(file, ".gz"):
		return func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil }
	case strings.HasSuffix(file, ".zst"):
		return func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w, zstd.WithEncoderConcurrency(1)) }
	}
	return plainly
}

// begin empties the part of a file.
func begin(part *os.File, pack packer) (io.WriteCloser, error) {
	if _, err := part.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	if err := part.Truncate(0); err != nil {
		return nil, err
	}
	return pack(part)
}

type plain struct{ io.Writer }

func (plain) Close() error { return nil }
