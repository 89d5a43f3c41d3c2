package rowstream

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/klauspost/compress/zstd"
)

// Writer sends an answer, compressed if the caller accepts it: in one piece, or in parts when its length is not known.
type Writer struct {
	http.ResponseWriter
	Request *http.Request

	packed io.WriteCloser // compresses into the writer itself; nil for no compression
}

// Whole sends an answer in one piece.
func (w *Writer) Whole(b []byte) error {
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
	case w.packed != nil:
		_, err = w.packed.Write(b)
	default:
		_, err = w.Write(b)
	}
	return err
}

// Close ends an answer in parts.
func (w *Writer) Close() error {
	if w.packed == nil {
		return nil
	}
	return w.packed.Close()
}
