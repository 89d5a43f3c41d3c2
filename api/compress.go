package api

import (
	"bytes"
	"cmp"
	linked "container/list"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/labstack/echo/v4"
)

// worthIt is the size from which an answer is compressed when the caller asks for it.
const worthIt = 1 << 10

// encodingOf picks the encoding that the caller likes best of those there are; zstd when it does not care.
func encodingOf(r *http.Request) string {
	best, bestQ := "", 0.0
	for entry := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, params, _ := strings.Cut(strings.TrimSpace(entry), ";")
		q := quality(params)
		if (name == "gzip" || name == "zstd") && q > 0 && (q > bestQ || (q == bestQ && name == "zstd")) {
			best, bestQ = name, q
		}
	}
	return best
}

// quality reads q=0.5 of a header's entry in tenths, which is all that is needed to compare two; none is 1.
func quality(params string) float64 {
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

// pooledGzip gives its writer back when it is closed.
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

// squeeze compresses a whole answer when that is worth it and asked for, and says in its headers, and to the caller, how.
func squeeze(c echo.Context, b []byte) (_ []byte, used string, err error) {
	if len(b) < worthIt {
		return b, plain, nil
	}
	header := c.Response().Header()
	header.Add("Vary", "Accept-Encoding")
	encoding := encodingOf(c.Request())
	if encoding == "" {
		return b, plain, nil
	}
	if b, err = compressed(encoding, b); err != nil {
		return nil, "", err
	}
	setEncoding(header, encoding)
	return b, encoding, nil
}

// setEncoding marks an answer as compressed; its ETag is not that of the plain bytes.
func setEncoding(header http.Header, encoding string) {
	header.Set("Content-Encoding", encoding)
	if tag := header.Get("ETag"); tag != "" {
		header.Set("ETag", strings.TrimSuffix(tag, `"`)+"-"+encoding+`"`)
	}
}

// bodyCache keeps answers of what is final, so that each reader after the first gets them without their being read,
// encoded and compressed again. A key names the state it belongs to, which is asked of the database each
// time, so an answer can be forgotten but never be stale. The least recently used go first. It is off when full is 0.
type bodyCache struct {
	full int64 // bytes
	mu   sync.Mutex
	size int64
	used *linked.List // of *cachedBody, the most recently used first
	byID map[string]*linked.Element
}

type cachedBody struct {
	key  string
	body []byte
}

func newBodyCache(full int64) *bodyCache {
	return &bodyCache{full: full, used: linked.New(), byID: map[string]*linked.Element{}}
}

func (c *bodyCache) get(key string) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.byID[key]
	if !ok {
		return nil
	}
	c.used.MoveToFront(e)
	return e.Value.(*cachedBody).body //nolint:forcetypeassert // the list holds nothing else
}

func (c *bodyCache) put(key string, body []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.byID[key]; ok || int64(len(body)) > c.full/8 {
		return
	}
	c.byID[key] = c.used.PushFront(&cachedBody{key, body})
	c.size += int64(len(body) + len(key))
	for c.size > c.full {
		e := c.used.Back()
		old := c.used.Remove(e).(*cachedBody) //nolint:forcetypeassert // the list holds nothing else
		delete(c.byID, old.key)
		c.size -= int64(len(old.body) + len(old.key))
	}
}

// cacheKey is where a handler leaves for the serializer under which key the answer may be kept.
const cacheKey = "cache"

// plain is the encoding of an answer that is not compressed.
const plain = "identity"

// known answers from what the caller or the cache has of the state that tag names: 304, or the body.
func (s *Server) known(c echo.Context, ifNoneMatch *string, tag string) (bool, error) {
	if unchanged(c, ifNoneMatch, tag) {
		return true, nil
	}
	if s.bodies.full == 0 {
		return false, nil
	}
	encoding := cmp.Or(encodingOf(c.Request()), plain)
	key := encoding + " " + tag + " " + c.Request().URL.RequestURI()
	body := s.bodies.get(key)
	if body == nil {
		c.Set(cacheKey, key)
		return false, nil
	}
	return true, writeKept(c, encoding, body)
}

// asks tells whether a caller wants what the version alone can answer.
func (s *Server) asks(ifNoneMatch *string) bool { return ifNoneMatch != nil || s.bodies.full > 0 }

// final keeps the answer of what no longer changes, when the state it shows is the one that was looked for.
func final(c echo.Context, status, tag string) {
	key, _ := c.Get(cacheKey).(string)
	if statusRank[status] != finalRank || !strings.Contains(key, " "+tag+" ") {
		c.Set(cacheKey, "")
	}
	c.Response().Header().Set("ETag", tag)
}

func writeKept(c echo.Context, encoding string, body []byte) error {
	header := c.Response().Header()
	if encoding != plain || len(body) >= worthIt {
		header.Add("Vary", "Accept-Encoding")
	}
	if encoding != plain {
		setEncoding(header, encoding)
	}
	header.Set(echo.HeaderContentLength, strconv.Itoa(len(body)))
	return c.Blob(http.StatusOK, echo.MIMEApplicationJSON, body)
}
