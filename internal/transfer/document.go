package transfer

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Document is a file that can be posted.
type Document struct {
	Name   string // as the user knows it
	Kind   Kind
	Size   int64  // bytes of the file
	SHA256 string // of these bytes, in hex

	path      string // of the file that is read
	modified  time.Time
	temporary bool   // the file is a copy
	encoding  string // Content-Encoding of its bytes
	ids       map[string]string
	journal   *journal // nil: none is kept

	rows Rows // of a file of rows
}

// ID is the id of what the document is about, as far as the document says.
func (d *Document) ID() string {
	switch d.Kind {
	case Series:
		return d.rows.Of.ID
	case Notes:
		return d.ids[notesOf]
	}
	return d.ids[string(d.Kind)+"_id"]
}

// What names what the document is about.
func (d *Document) What() string {
	switch d.Kind {
	case Series:
		return d.rows.String()
	case Notes:
		return "notes of run " + d.ID()
	}
	return fmt.Sprintf("%s %s", d.Kind, d.ID())
}

// notesOf is the member that a document of notes alone has.
const notesOf = "notes_of_run"

// extensions of the files that are taken from a directory.
var extensions = []string{".json", ".json.gz", ".json.zst", ".arrow"}

// find returns the files below a directory that are to be imported, in the order of their names. Hidden ones are not, nor
// artifacts.
func find(dir string) (files []string, err error) {
	err = filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case path != dir && (strings.HasPrefix(entry.Name(), ".") || entry.IsDir() && areArtifacts(path)):
			if entry.IsDir() {
				return filepath.SkipDir
			}
		case !entry.IsDir() && slices.ContainsFunc(extensions, func(ext string) bool { return strings.HasSuffix(entry.Name(), ext) }):
			files = append(files, path)
		}
		return nil
	})
	return files, err
}

// areArtifacts recognises the directory beside a document of notes.
func areArtifacts(dir string) bool {
	document, ok := strings.CutSuffix(dir, ".artifacts")
	_, err := os.Stat(notesFile(document))
	return ok && err == nil
}

// inspect reads a file once, in bounded memory: what it is about, its size and its hash. Whether it is right is the
// server's to say; only that it is a dataset, a run, a simulation or rows has to be seen here.
func (im *Import) inspect(name, path string) (*Document, error) {
	file, err := os.Open(path) //nolint:gosec // the user names it
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	hash := sha256.New()
	count := &counter{}
	raw := newReader(io.TeeReader(file, io.MultiWriter(hash, count)))
	text, encoding, done, err := decompress(raw)
	if err != nil {
		return nil, err
	}
	d := &Document{Name: name, path: path, modified: info.ModTime(), encoding: encoding, ids: map[string]string{}}
	if magic, _ := raw.Peek(4); im.Rows != nil || encoding == "" && (bytes.Equal(magic, arrowMagic) || string(magic) == "ARRO") {
		err = im.inspectSeries(d, text)
	} else {
		err = d.inspectDocument(text)
	}
	done()
	if err != nil {
		return nil, err
	}
	_, err = io.Copy(io.Discard, raw) // what follows counts too
	d.Size, d.SHA256 = count.n, hex.EncodeToString(hash.Sum(nil))
	return d, err
}

// arrowMagic is what an Arrow stream begins with; a file begins with ARROW1.
var arrowMagic = []byte{0xff, 0xff, 0xff, 0xff}

// inspectDocument sees what a document is about, as far as it can be read.
func (d *Document) inspectDocument(text io.Reader) error {
	keys := map[string]bool{}
	wrong := d.scan(jsontext.NewDecoder(text, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)), keys, true)
	var syntax *jsontext.SyntacticError
	if d.Kind = kindOf(keys); d.Kind != "" {
		return nil
	} else if wrong != nil && !errors.As(wrong, &syntax) {
		return wrong
	}
	return errors.New("is not a dataset, run or simulation: a JSON object with dataset_slug, run_id or simulation_id at the top level")
}

// reopen opens the file to send it, if it is still the one that was inspected.
func (d *Document) reopen() (*os.File, error) {
	file, err := os.Open(d.path)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && (info.Size() != d.Size || !info.ModTime().Equal(d.modified)) {
		err = &permanentError{errors.New("has changed since it was first read")}
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// sending is the body of a request: it tells how much of the file was taken.
type sending struct {
	file *os.File
	sent func(total int64)
	n    int64
}

func (s *sending) Read(p []byte) (int, error) {
	n, err := s.file.Read(p)
	if s.n += int64(n); n > 0 {
		s.sent(s.n)
	}
	return n, err
}

// Close closes the file.
func (s *sending) Close() error { return s.file.Close() }

func newReader(r io.Reader) *bufio.Reader { return bufio.NewReaderSize(r, 64<<10) }

// decompress recognises compression by the first bytes, because standard input has no name.
func decompress(raw *bufio.Reader) (text io.Reader, encoding string, done func(), err error) {
	magic, err := raw.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, "", nil, err
	}
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(raw)
		if err != nil {
			return nil, "", nil, fmt.Errorf("read as gzip: %w", err)
		}
		return z, "gzip", func() { _ = z.Close() }, nil
	case bytes.Equal(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(raw, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, "", nil, fmt.Errorf("read as zstd: %w", err)
		}
		return z, "zstd", z.Close, nil
	}
	return raw, "", func() {}, nil
}

// scan notes the names at the top of a document, and those in its members run and simulation, which hold the fields in
// the nested form of an upload. It stops at the first thing that is not JSON.
func (d *Document) scan(dec *jsontext.Decoder, keys map[string]bool, top bool) error {
	if t, err := dec.ReadToken(); err != nil || t.Kind() != jsontext.KindBeginObject {
		return err
	}
	for {
		t, err := dec.ReadToken()
		if err != nil || t.Kind() != jsontext.KindString {
			return err
		}
		name, next := t.String(), dec.PeekKind()
		keys[name] = true
		switch {
		case top && (name == "run" || name == "simulation") && next == jsontext.KindBeginObject:
			err = d.scan(dec, keys, false)
		case (strings.HasSuffix(name, "_id") || name == notesOf) && next == jsontext.KindString:
			if t, err = dec.ReadToken(); err == nil {
				d.ids[name] = strings.ToLower(t.String())
			}
		default:
			err = dec.SkipValue()
		}
		if err != nil {
			return err
		}
	}
}

// kindOf goes from what only a simulation has to what all have: a simulation names its run, a run its dataset.
func kindOf(keys map[string]bool) Kind {
	has := func(names ...string) bool { return slices.ContainsFunc(names, func(n string) bool { return keys[n] }) }
	switch {
	case has(notesOf):
		return Notes
	case has("simulation_id", "simulation", "trades", "buckets"):
		return Simulation
	case has("run_id", "run", "folds"):
		return Run
	case has("comparison_id"):
		return Comparison
	case has("dataset_slug", "dataset_id"):
		return Dataset
	}
	return ""
}

// counter counts the bytes that are written to it.
type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}
