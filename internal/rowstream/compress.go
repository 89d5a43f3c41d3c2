package rowstream

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// WorthIt is the smallest size of an answer that is compressed when the caller accepts it.
const WorthIt = 1 << 10

// Encoding picks the supported encoding that the caller prefers; zstd when it has no preference.
func Encoding(r *http.Request) string {
	best, bestQ := "", 0.0
	for entry := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, params, _ := strings.Cut(strings.TrimSpace(entry), ";")
		q := Quality(params)
		if (name == "gzip" || name == "zstd") && q > 0 && (q > bestQ || (q == bestQ && name == "zstd")) {
			best, bestQ = name, q
		}
	}
	return best
}

// Quality reads the q=0.5 of a header's entry, as far as its tenths, which is enough to compare two; without one it is 1.
func Quality(params string) float64 {
	value, ok := strings.CutPrefix(strings.ReplaceAll(params, " ", ""), "q=")
	switch {
	case !ok || strings.HasPrefix(value, "1"):
		return 1
	case len(value) > 2 && strings.HasPrefix(value, "0.") && value[2] >= '0' && value[2] <= '9':
		return float64(value[2]-'0') / 10
	default:
		return 0
	}
}

var (
	gzips = sync.Pool{New: func() any {
		w, err := gzip.NewWriterLevel(nil, gzip.BestSpeed)
		if err != nil {
			panic(err) // a constant level
		}
		return w
	}}
	zstds = sync.OnceValue(func() *zstd.Encoder {
		w, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(2))
		if err != nil {
			panic(err) // constant options
		}
		return w
	})
)

// pooledGzip returns its writer to the pool when it is closed.
type pooledGzip struct{ *gzip.Writer }

func newGzip(to io.Writer) io.WriteCloser {
	w := gzips.Get().(*gzip.Writer) //nolint:forcetypeassert // the pool holds nothing else
	w.Reset(to)
	return pooledGzip{w}
}

// Close ends the compressed text.
func (w pooledGzip) Close() error {
	defer gzips.Put(w.Writer)
	return w.Writer.Close()
}

// compressed returns b in an encoding.
func compressed(encoding string, b []byte) ([]byte, error) {
	if encoding == "zstd" {
		return zstds().EncodeAll(b, make([]byte, 0, len(b)/4)), nil
	}
	var out bytes.Buffer
	out.Grow(len(b) / 4)
	w := gzips.Get().(*gzip.Writer) //nolint:forcetypeassert // the pool holds nothing else
	defer gzips.Put(w)
	w.Reset(&out)
	if _, err := w.Write(b); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// Compress compresses a whole answer if it is large enough and the caller accepts it. It sets the headers and returns the encoding.
func Compress(header http.Header, r *http.Request, b []byte) (_ []byte, used string, err error) {
	if len(b) < WorthIt {
		return b, Plain, nil
	}
	header.Add("Vary", "Accept-Encoding")
	encoding := Encoding(r)
	if encoding == "" {
		return b, Plain, nil
	}
	if b, err = compressed(encoding, b); err != nil {
		return nil, "", err
	}
	SetEncoding(header, encoding)
	return b, encoding, nil
}

// Plain is the encoding of an answer that is not compressed.
const Plain = "identity"

// SetEncoding marks an answer as compressed; its ETag is not that of the plain bytes.
func SetEncoding(header http.Header, encoding string) {
	header.Set("Content-Encoding", encoding)
	if tag := header.Get("ETag"); tag != "" {
		header.Set("ETag", strings.TrimSuffix(tag, `"`)+"-"+encoding+`"`)
	}
}
