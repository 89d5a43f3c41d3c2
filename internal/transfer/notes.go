package transfer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
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
)

// What people add to what programs export. It comes after runs and simulations, and before rows.
const (
	Notes      Kind = "notes" // on a run and its folds, with its artifacts
	Comparison Kind = "comparison"
)

// runNotes is the document of what people keep with a run. The bytes of its artifacts are in files of a directory beside it.
type runNotes struct {
	Run         string           `json:"notes_of_run"`
	Annotations []jsontext.Value `json:"annotations"`
	Artifacts   []artifact       `json:"artifacts"`
}

type artifact struct {
	Name      string `json:"name"`
	MediaType string `json:"media_type"`
	Size      int64  `json:"size"`
	SHA256    string `json:"sha256"`
}

// stem is the path of a document without what says of which kind it is.
func stem(document string) string {
	for _, ext := range extensions {
		document = strings.TrimSuffix(document, ext)
	}
	return strings.TrimSuffix(document, ".notes")
}

func notesFile(document string) string    { return stem(document) + ".notes.json" }
func artifactsDir(document string) string { return stem(document) + ".artifacts" }

// file is where an artifact is kept beside a document.
func (a artifact) file(document string) (string, error) {
	if a.Name != filepath.Base(a.Name) || !filepath.IsLocal(a.Name) || a.Name == "." {
		return "", &permanentError{fmt.Errorf("artifact %q does not have the name of a file", a.Name)}
	}
	return filepath.Join(artifactsDir(document), a.Name), nil
}

// ExportNotes writes the notes and artifacts of a run beside its document, if it has any, and returns the files.
func (c *Client) ExportNotes(ctx context.Context, run Ref, document string) (files []string, err error) {
	for range maxChanges {
		if files, err = c.exportNotes(ctx, run, document); !errors.Is(err, errChanged) {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("export the notes and artifacts of %s: %w", run, err)
	}
	return files, nil
}

func (c *Client) exportNotes(ctx context.Context, run Ref, document string) (files []string, err error) {
	n, file := runNotes{Run: run.ID}, notesFile(document)
	if n.Annotations, err = c.list(ctx, run.Path()+"/annotations", omit("run_id", "version", "updated_at")); err != nil {
		return nil, err
	}
	text, err := c.Call(ctx, http.MethodGet, run.Path()+"/artifacts", nil)
	if err != nil {
		return nil, err
	} else if json.Unmarshal(text, &n.Artifacts) != nil {
		return nil, errNoFoldbook
	}
	if len(n.Annotations)+len(n.Artifacts) == 0 {
		if err := os.Remove(file); !errors.Is(err, os.ErrNotExist) { // of an earlier export
			return nil, err
		}
		return nil, nil
	}
	files = []string{file}
	for _, a := range n.Artifacts {
		path, err := a.file(document)
		if err == nil {
			err = os.MkdirAll(filepath.Dir(path), 0o755) //nolint:gosec // as any directory that a user makes
		}
		if err == nil {
			err = c.save(ctx, path, plainly, nil, func(w io.Writer) error { return c.copyArtifact(ctx, run, a, w) })
		}
		if err != nil {
			return nil, err
		}
		files = append(files, path)
	}
	return files, c.save(ctx, file, plainly, nil, func(w io.Writer) error { return json.MarshalWrite(w, &n) })
}

// list returns the elements of an answer, in a shape.
func (c *Client) list(ctx context.Context, path string, s shape) (list []jsontext.Value, err error) {
	text, err := c.Call(ctx, http.MethodGet, path, nil)
	if err != nil {
		return nil, err
	} else if json.Unmarshal(text, &list) != nil {
		return nil, errNoFoldbook
	}
	for i, v := range list {
		var b bytes.Buffer
		if err := s.object(jsontext.NewEncoder(&b), jsontext.NewDecoder(bytes.NewReader(v))); err != nil {
			return nil, err
		}
		list[i] = bytes.TrimSpace(b.Bytes())
	}
	return list, nil
}

func (a artifact) path(run Ref) string { return run.Path() + "/artifacts/" + url.PathEscape(a.Name) }

// copyArtifact copies the bytes of an artifact, if they are still those that the list told of.
func (c *Client) copyArtifact(ctx context.Context, run Ref, a artifact, w io.Writer) error {
	resp, err := c.send(ctx, http.MethodGet, a.path(run), nil, nil)
	if isMissing(err) {
		return &permanentError{errChanged}
	} else if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	hash := sha256.New()
	if _, err := io.Copy(io.MultiWriter(w, hash), resp.Body); err != nil {
		return err
	}
	if hex.EncodeToString(hash.Sum(nil)) != a.SHA256 {
		return &permanentError{errChanged}
	}
	return nil
}

// exportComparisons writes the saved comparisons whose runs are all in the export, and says which are not.
func (c *Client) exportComparisons(ctx context.Context, dir string, runs []Ref) (written []Ref, err error) {
	list, err := c.list(ctx, "/api/"+Comparison.plural(), omit("version", "updated_at"))
	if err != nil || len(list) == 0 {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(dir, Comparison.plural()), 0o755); err != nil { //nolint:gosec // as the others
		return nil, err
	}
	for _, v := range list {
		var row struct {
			ID     string   `json:"comparison_id"`
			Name   string   `json:"name"`
			RunIDs []string `json:"run_ids"`
		}
		if err := json.Unmarshal(v, &row); err != nil {
			return written, errNoFoldbook
		}
		missing := slices.IndexFunc(row.RunIDs, func(id string) bool { return !slices.Contains(runs, Ref{Run, id}) })
		if missing >= 0 {
			if c.Note != nil {
				c.Note(fmt.Sprintf("comparison %q is left out: its run %s is not in the export", row.Name, row.RunIDs[missing]))
			}
			continue
		}
		ref := Ref{Comparison, row.ID}
		err := c.save(ctx, filepath.Join(dir, ref.File()), plainly, nil, func(w io.Writer) error {
			_, err := w.Write(append(v, '\n'))
			return err
		})
		if err != nil {
			return written, err
		}
		written = append(written, ref)
	}
	return written, nil
}

// postNotes sends the notes and artifacts of a run, once all artifacts are seen to be what was exported. It can be done again: notes
// have their ids, and artifacts their names.
func (im *Import) postNotes(ctx context.Context, d *Document, _ int64) (a answer, err error) {
	n, err := d.readNotes()
	if err != nil {
		return a, err
	}
	a.notes, a.artifacts = len(n.Annotations), len(n.Artifacts)
	run := Ref{Run, n.Run}
	for i, note := range n.Annotations {
		_, _, err := im.postItem(ctx, run.Path()+"/annotations", func(req *http.Request) error {
			req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(note)), int64(len(note))
			req.Header.Set("Content-Type", "application/json")
			return nil
		})
		if err != nil {
			return a, fmt.Errorf("annotations[%d]: %w", i, err)
		}
	}
	for _, f := range n.Artifacts {
		got, _, err := im.postItem(ctx, f.path(run), func(req *http.Request) error {
			path, err := f.file(d.path)
			if err != nil {
				return err
			}
			file, err := os.Open(path) //nolint:gosec // below the document that the user names
			if err != nil {
				return err
			}
			req.Body, req.ContentLength = file, f.Size
			req.Header.Set("Content-Type", f.MediaType)
			return nil
		})
		if err == nil && got.SHA256 != f.SHA256 {
			err = errors.New("the server has other bytes of it than the export")
		}
		if err != nil {
			return a, fmt.Errorf("artifact %s: %w", f.Name, err)
		}
	}
	return a, nil
}

// readNotes reads the document, and looks whether its artifacts are there and whole.
func (d *Document) readNotes() (n runNotes, err error) {
	file, err := d.reopen()
	if err != nil {
		return n, err
	}
	defer func() { _ = file.Close() }()
	text, _, done, err := decompress(newReader(file))
	if err != nil {
		return n, err
	}
	defer done()
	if err := json.UnmarshalRead(text, &n); err != nil {
		return n, fmt.Errorf("is not what an export writes of notes: %w", err)
	}
	for _, a := range n.Artifacts {
		if err := a.check(d.path); err != nil {
			return n, fmt.Errorf("artifact %s: %w", a.Name, err)
		}
	}
	return n, nil
}

// check compares the file of an artifact with what the document says of it.
func (a artifact) check(document string) error {
	path, err := a.file(document)
	if err != nil {
		return err
	}
	file, err := os.Open(path) //nolint:gosec // below the document that the user names
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	hash := sha256.New()
	n, err := io.Copy(hash, file)
	if err != nil {
		return err
	}
	if n != a.Size || hex.EncodeToString(hash.Sum(nil)) != a.SHA256 {
		return fmt.Errorf("%s is not what was exported: it has %d bytes with the SHA-256 %x, not %d with %s",
			path, n, hash.Sum(nil), a.Size, a.SHA256)
	}
	return nil
}

// postItem sends a note, an artifact or a comparison. The answer is the record.
func (im *Import) postItem(ctx context.Context, path string, set func(*http.Request) error) (got artifact, created bool, err error) {
	err = im.send(ctx, path, false, set, func(resp *http.Response) error {
		text, err := io.ReadAll(resp.Body)
		var row map[string]jsontext.Value
		if err == nil && (json.Unmarshal(text, &row) != nil || row["created_at"] == nil || json.Unmarshal(text, &got) != nil) {
			err = errNoFoldbook
		}
		created = resp.StatusCode == http.StatusCreated
		return err
	})
	return got, created, err
}

// postComparison sends a saved comparison.
func (im *Import) postComparison(ctx context.Context, d *Document, before int64) (a answer, err error) {
	_, a.Created, err = im.postItem(ctx, "/api/"+Comparison.plural(), im.body(d, before))
	return a, err
}
