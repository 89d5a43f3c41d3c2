package rowstream

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"hash"
	"io"
	"net/http"
	"os"
	"time"

	"foldbook/api/spec"
)

// Data frame libraries ask for the length of an address (HEAD) and then for parts of it (Range). The length of a long answer is known
// only when it was made, so for those requests it is made into a file that has no name any more, and served from there.

// spool is the file of one answer.
type spool struct {
	file *os.File
	sum  hash.Hash
	size int64
}

// maxSpool bounds the disk that one request takes.
const maxSpool = 2 << 30

func newSpool() (*spool, error) {
	file, err := os.CreateTemp("", "foldbook-rows-*")
	if err != nil {
		return nil, err
	}
	_ = os.Remove(file.Name()) // it lives until it is closed
	return &spool{file: file, sum: sha256.New()}, nil
}

func (s *spool) Write(b []byte) (int, error) {
	if s.size += int64(len(b)); s.size > maxSpool {
		return 0, spec.NewProblem(http.StatusRequestedRangeNotSatisfiable, spec.ErrorCodeInvalidParameter,
			"the answer is longer than 2 GiB: read it as a whole, without HEAD and Range, or name a limit or a range of time")
	}
	s.sum.Write(b)
	return s.file.Write(b)
}

// wantsLength tells that the caller asks for the length or a part of the answer, which is sent as it is.
func (w *Writer) wantsLength() bool {
	return Encoding(w.Request) == "" && (w.Request.Method == http.MethodHead || w.Request.Header.Get("Range") != "")
}

// serve sends the wanted part. The ETag lets a caller notice that the rows are others than in its last request.
func (w *Writer) serve(content io.ReadSeeker, sum hash.Hash) error {
	w.Header().Set("ETag", `"`+base64.RawURLEncoding.EncodeToString(sum.Sum(nil)[:15])+`"`)
	return ServeContent(w.ResponseWriter, w.Request, noTime, content)
}

// ServeContent is http.ServeContent with the refusal of a range as an error, for the shape of all errors.
func ServeContent(w http.ResponseWriter, r *http.Request, modified time.Time, content io.ReadSeeker) error {
	part := &partWriter{ResponseWriter: w}
	http.ServeContent(part, r, "", modified, content)
	if part.refused {
		w.Header().Del("Content-Disposition")
		return spec.NewProblem(http.StatusRequestedRangeNotSatisfiable, spec.ErrorCodeInvalidParameter,
			"Range begins behind the end of the answer")
	}
	return nil
}

func (w *Writer) serveBytes(b []byte) error {
	sum := sha256.New()
	sum.Write(b)
	return w.serve(bytes.NewReader(b), sum)
}

// partWriter leaves the refusal of a range to the handler, which says it in the shape of all errors.
type partWriter struct {
	http.ResponseWriter
	refused bool
}

// WriteHeader passes on every status but that of a refusal.
func (p *partWriter) WriteHeader(status int) {
	if p.refused = status == http.StatusRequestedRangeNotSatisfiable; !p.refused {
		p.ResponseWriter.WriteHeader(status)
	}
}

// Write leaves out the text of a refusal.
func (p *partWriter) Write(b []byte) (int, error) {
	if p.refused {
		return len(b), nil
	}
	return p.ResponseWriter.Write(b)
}
