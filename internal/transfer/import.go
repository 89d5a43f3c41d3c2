package transfer

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"foldbook/internal/candlefile"
)

// Import posts files to a server.
type Import struct {
	Client    *Client
	DryRun    bool  // the server does everything and takes it back
	Again     bool  // also what the journal says is stored
	Replace   bool  // also what is final and would lose something
	KeepGoing bool  // past files that the server refuses
	Rows      *Rows // the files are rows of this; nil: they say themselves what they are
	File      candlefile.Options
	FromRow   int64  // rows before it are checked, and not sent
	Journal   string // file; empty: beside each directory that is imported, named like it with .imported, and none for single files
	Watcher   Watcher
}

// Watcher is told how an import goes.
type Watcher interface {
	Begin(files int, bytes int64)
	Sending(d *Document)
	Sent(bytes int64) // so far, of all files; it may come from another goroutine
	Finished(r Result)
}

// Result is how it went with one file.
type Result struct {
	Name     string
	Document *Document // nil when the file could not be read
	Skipped  bool      // the journal says that it is stored
	Created  bool      // else updated
	Stored   string    // what the server has of it now, such as "312 folds"; may be empty
	Warnings []string
	Err      error
}

// Summary counts the files of an import, and lists those that failed.
type Summary struct {
	Stored, Skipped int
	Failed          []Result
}

// Run imports files, directories of files and, as "-", standard input: datasets first, then runs, then simulations. It
// ends with the first failure, unless KeepGoing is set; those that it goes past are in the summary.
func (im *Import) Run(ctx context.Context, paths []string, stdin io.Reader) (s Summary, err error) {
	docs, err := im.gather(&s, paths, stdin)
	defer func() { err = errors.Join(err, closeAll(docs)) }()
	if err != nil {
		return s, err
	}
	slices.SortStableFunc(docs, func(a, b *Document) int {
		return cmp.Compare(order(a.Kind), order(b.Kind))
	})
	var total, done int64
	for _, d := range docs {
		total += d.Size
	}
	im.Watcher.Begin(len(docs), total)
	coming := map[string]bool{} // ids of what a dry run would have stored by now
	for _, d := range docs {
		r := im.one(ctx, d, done, coming)
		done += d.Size
		im.Watcher.Sent(done)
		if ctx.Err() != nil {
			return s, interrupted(r, s.Stored+s.Skipped, len(docs))
		}
		if err := im.count(&s, r); err != nil {
			return s, err
		}
	}
	return s, nil
}

// interrupted says what is stored, when the import ends in the middle of a file.
func interrupted(r Result, done, files int) error {
	text := fmt.Sprintf("interrupted at %s, with %d of %d files done", r.Name, done, files)
	if part := new(PartialError); errors.As(r.Err, &part) {
		text += ": " + part.stored()
	}
	return errors.New(text)
}

// order is that in which one needs the other.
func order(k Kind) int {
	return slices.Index(append(slices.Clone(Kinds), Notes, Comparison, Series), k)
}

func (im *Import) count(s *Summary, r Result) error {
	im.Watcher.Finished(r)
	var away *AwayError
	switch {
	case r.Err == nil && r.Skipped:
		s.Skipped++
	case r.Err == nil:
		s.Stored++
	case !im.KeepGoing || errors.As(r.Err, &away):
		return fmt.Errorf("%s: %w", r.Name, r.Err)
	default:
		s.Failed = append(s.Failed, r)
	}
	return nil
}

// gather finds and inspects all files. On an error the documents so far are returned with it, to be closed.
func (im *Import) gather(s *Summary, paths []string, stdin io.Reader) (docs []*Document, err error) {
	var common *journal
	if im.Journal != "" {
		if common, err = openJournal(im.Journal); err != nil {
			return nil, err
		}
	}
	for _, path := range paths {
		files, kept := []string{path}, common
		info, err := os.Stat(path)
		switch {
		case path == "-":
			d, err := im.spool(stdin)
			if d != nil {
				docs = append(docs, d)
			}
			if err != nil {
				return docs, fmt.Errorf("standard input: %w", err)
			}
			continue
		case err != nil:
			return docs, err
		case info.IsDir():
			if files, err = find(path); err != nil {
				return docs, err
			}
			if len(files) == 0 {
				return docs, fmt.Errorf("%s: there are no files named *%s in it", path, strings.Join(extensions, ", *"))
			}
			if kept == nil {
				if kept, err = openJournal(journalOf(path)); err != nil {
					return docs, err
				}
			}
		}
		for _, file := range files {
			d, err := im.inspect(file, file)
			if err == nil {
				d.journal = kept
				docs = append(docs, d)
			} else if err := im.count(s, Result{Name: file, Err: err}); err != nil {
				return docs, err
			}
		}
	}
	return docs, nil
}

// journalOf is the journal beside a directory.
func journalOf(dir string) string {
	if whole, err := filepath.Abs(dir); err == nil { // which has a name, unlike "." and ".."
		dir = whole
	}
	return filepath.Clean(dir) + ".imported"
}

const stdinName = "standard input"

// spool copies standard input to a temporary file: its kind and length have to be known before it is sent.
func (im *Import) spool(stdin io.Reader) (*Document, error) {
	file, err := os.CreateTemp("", "foldbook-import-*")
	if err != nil {
		return nil, err
	}
	_, err = io.Copy(file, stdin)
	if err = errors.Join(err, file.Close()); err == nil {
		var d *Document
		if d, err = im.inspect(stdinName, file.Name()); err == nil {
			d.temporary = true
			return d, nil
		}
	}
	return nil, errors.Join(err, os.Remove(file.Name()))
}

func closeAll(docs []*Document) (err error) {
	for _, d := range docs {
		if d.temporary {
			err = errors.Join(err, os.Remove(d.path))
		}
		if d.journal != nil {
			err = errors.Join(err, d.journal.close())
			d.journal.file = nil // it is shared
		}
	}
	return err
}

// one imports one file; before is how many bytes were done before it.
func (im *Import) one(ctx context.Context, d *Document, before int64, coming map[string]bool) Result {
	var e entry
	if d.journal != nil {
		e = d.journal.entry(im.Client.Server(), d)
		if !im.Again && d.journal.has(e) {
			coming[d.ID()] = true
			return Result{Name: d.Name, Document: d, Skipped: true}
		}
	}
	im.Watcher.Sending(d)
	r := Result{Name: d.Name, Document: d}
	post := im.postDocument
	switch d.Kind {
	case Series:
		post = im.postSeries
	case Notes:
		post = im.postNotes
	case Comparison:
		post = im.postComparison
	}
	answer, err := post(ctx, d, before)
	switch {
	case err != nil && im.DryRun && d.parentIsComing(err, coming):
		if r.Created, r.Stored = true, "after what it belongs to"; d.Kind == Notes {
			r.Stored = answer.stored(Notes) + ", " + r.Stored
		}
	case err != nil:
		r.Err = err
		return r
	default:
		r.Created, r.Stored, r.Warnings = answer.Created, answer.stored(d.Kind), answer.warnings(d)
	}
	coming[d.ID()] = true
	if d.journal != nil && !im.DryRun {
		r.Err = d.journal.add(e)
	}
	return r
}

// parentIsComing tells whether a dry run was refused only because what it needs was not kept by the same dry run.
func (d *Document) parentIsComing(err error, coming map[string]bool) bool {
	var refused *RefusedError
	if !errors.As(err, &refused) {
		return false
	}
	switch refused.Code {
	case "not_found":
		return (d.Kind == Series || d.Kind == Notes) && coming[d.ID()]
	case "unknown_dataset":
		return coming[d.ids["dataset_id"]]
	case "unknown_run":
		return coming[d.ids["run_id"]]
	}
	return false
}

// answer is what the server says of a write.
type answer struct {
	Success       bool     `json:"success"`
	Created       bool     `json:"created"`
	Warnings      []string `json:"warnings"`
	MatchedBy     string   `json:"matched_by"`
	DatasetID     string   `json:"dataset_id"`
	FoldsStored   int      `json:"folds_stored"`
	BucketsStored int      `json:"buckets_stored"`
	TradesStored  int      `json:"trades_stored"`
	Measurement   string   `json:"measurement"`
	RowCount      int64    `json:"row_count"`

	rows             int64 // that were sent
	notes, artifacts int   // of a run
}

// read takes the body of a foldbook server's answer.
func (a *answer) read(body io.Reader) error {
	text, err := io.ReadAll(io.LimitReader(body, maxAnswer))
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if json.Unmarshal(text, a) != nil || !a.Success {
		return errNoFoldbook
	}
	return nil
}

func (a *answer) stored(kind Kind) string {
	switch kind {
	case Run:
		return fmt.Sprintf("%d folds", a.FoldsStored)
	case Simulation:
		return fmt.Sprintf("%d buckets, %d trades", a.BucketsStored, a.TradesStored)
	case Notes:
		return fmt.Sprintf("%d notes, %d artifacts", a.notes, a.artifacts)
	case Series:
		return fmt.Sprintf("%d rows sent, %d are in %s", a.rows, a.RowCount, a.Measurement)
	}
	return ""
}

func (a *answer) warnings(d *Document) []string {
	if a.MatchedBy == "" {
		return a.Warnings
	}
	return append(a.Warnings, fmt.Sprintf("the server has this dataset as %s, found by its %s; runs that name %s will be refused",
		a.DatasetID, a.MatchedBy, d.ID()))
}

// postDocument sends a file.
func (im *Import) postDocument(ctx context.Context, d *Document, before int64) (answer, error) {
	return im.post(ctx, "/api/"+d.Kind.plural(), im.Replace && d.Kind != Dataset, im.body(d, before))
}

// body makes a file the body of a request.
func (im *Import) body(d *Document, before int64) func(req *http.Request) error {
	return func(req *http.Request) error {
		file, err := d.reopen()
		if err != nil {
			return err
		}
		// The transport closes the file when it reads it no more, which may be after the answer.
		req.Body, req.ContentLength = &sending{file: file, sent: func(n int64) { im.Watcher.Sent(before + n) }}, d.Size
		req.Header.Set("Content-Type", "application/json")
		if d.encoding != "" {
			req.Header.Set("Content-Encoding", d.encoding)
		}
		if d.Size > 1<<20 {
			req.Header.Set("Expect", "100-continue")
		}
		return nil
	}
}

// post makes a request, whose body it sets, until the server has answered.
func (im *Import) post(ctx context.Context, path string, replace bool, set func(*http.Request) error) (a answer, err error) {
	err = im.send(ctx, path, replace, set, func(resp *http.Response) error { return a.read(resp.Body) })
	return a, err
}

func (im *Import) send(
	ctx context.Context, path string, replace bool, set func(*http.Request) error, read func(*http.Response) error,
) error {
	query := url.Values{}
	if im.DryRun {
		query.Set("dry_run", "true")
	}
	if replace {
		query.Set("replace", "true")
	}
	return im.Client.retry(ctx, func() error {
		resp, err := im.Client.send(ctx, http.MethodPost, path, query, set)
		if err != nil {
			return err
		}
		defer func() { _ = resp.Body.Close() }()
		return read(resp)
	})
}
