package rowstream

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
)

// Writer sends an answer, compressed if the caller accepts it: in one piece, or in parts when its length is not known.
type Writer struct {
	http.ResponseWriter
	Request  *http.Request
	Trailers []string // of an answer in parts

	packed io.WriteCloser // compresses into the writer itself; nil for no compression
	spool  *spool         // has the answer for a caller who wants its length or a part of it
}

var noTime time.Time

// Whole sends an answer in one piece.
func (w *Writer) Whole(b []byte) error {
	w.Header().Set("Accept-Ranges", "bytes")
	if w.wantsLength() {
		return w.serveBytes(b)
	}
	b, _, err := Compress(w.Header(), w.Request, b)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(http.StatusOK)
	_, err = w.Write(b)
	return err
}

// Begin begins an answer in parts, which Close ends.
func (w *Writer) Begin() error {
	// The limit for reading the request would end a longer stream, because the server goes on reading to notice a client that leaves.
	if err := http.NewResponseController(w.ResponseWriter).SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	header := w.Header()
	header.Add("Vary", "Accept-Encoding")
	header.Set("Accept-Ranges", "bytes")
	if w.wantsLength() {
		if s, err := newSpool(); err == nil { // else all of it is sent, which a server may always do
			w.spool = s
			return nil
		}
	}
	if len(w.Trailers) > 0 {
		header.Set("Trailer", strings.Join(w.Trailers, ", "))
	}
	switch encoding := Encoding(w.Request); encoding {
	case "gzip":
		SetEncoding(header, encoding)
		w.packed = newGzip(w)
	case "zstd":
		SetEncoding(header, encoding)
		z, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
			zstd.WithWindowSize(256<<10), zstd.WithLowerEncoderMem(true))
		if err != nil {
			return err
		}
		w.packed = z
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

// Part sends a part.
func (w *Writer) Part(b []byte) error {
	var err error
	switch {
	case len(b) == 0:
	case w.spool != nil:
		_, err = w.spool.Write(b)
	case w.packed != nil:
		_, err = w.packed.Write(b)
	default:
		_, err = w.Write(b)
	}
	return err
}

// Close ends an answer in parts.
func (w *Writer) Close() error {
	if w.spool != nil {
		return w.serve(w.spool.file, w.spool.sum)
	}
	if w.packed == nil {
		return nil
	}
	return w.packed.Close()
}

// Free gives back what an answer held, sent or not.
func (w *Writer) Free() {
	if w.spool != nil {
		_ = w.spool.file.Close()
	}
}
