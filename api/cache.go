package api

import (
	"bytes"
	"cmp"
	linked "container/list"
	"net/http"
	"strconv"
	"sync"

	"github.com/labstack/echo/v4"

	"foldbook/db"
	"foldbook/internal/paging"
	"foldbook/internal/rowstream"
)

// cacheable is an answer in one state of what it shows.
type cacheable struct {
	tag   string // the ETag of the state
	final bool   // the state no longer changes, so the answer may be kept
	body  db.Appender
}

// serveCached answers 304 when the caller has the current state, else from the cache when that has the current state, else
// with what read returns. It asks the database for the current state each time, so a cached answer is never stale. It does
// not ask when the caller sent no ETag and the cache is off.
func (s *Server) serveCached(
	c echo.Context, ifNoneMatch *string, current func() (tag string, err error), read func() (cacheable, error),
) error {
	key := cacheKey{encoding: cmp.Or(rowstream.Encoding(c.Request()), rowstream.Plain), uri: c.Request().URL.RequestURI()}
	if ifNoneMatch != nil || s.cache.full > 0 {
		tag, err := current()
		if err != nil {
			return err
		}
		if unchanged(c, ifNoneMatch, tag) {
			return nil
		}
		key.tag = tag
		if kept := s.cache.get(key); kept != nil {
			return kept.send(c)
		}
	}
	answer, err := read()
	if err != nil {
		return err
	}
	header := c.Response().Header()
	header.Set("ETag", answer.tag)
	if !answer.final || s.cache.full == 0 {
		return c.JSON(http.StatusOK, answer.body)
	}
	key.tag = answer.tag
	header.Set(echo.HeaderContentType, echo.MIMEApplicationJSON)
	return sendJSON(c, answer.body, func(encoding string, body []byte) {
		s.cache.put(&cachedAnswer{key, encoding, bytes.Clone(body)})
	})
}

// answerCache keeps answers about finished runs and simulations, so that only the first reader waits for reading, encoding
// and compression. It drops the least recently used first. It is off when full is 0.
type answerCache struct {
	full  int64 // bytes
	mu    sync.Mutex
	size  int64
	used  *linked.List // of *cachedAnswer, the most recently used first
	byKey map[cacheKey]*linked.Element
}

// cacheKey identifies an answer: the state that it shows, the encoding that the caller prefers, and the URI.
type cacheKey struct{ tag, encoding, uri string }

type cachedAnswer struct {
	key      cacheKey
	encoding string // of the body: a small one is not compressed though that was asked for
	body     []byte
}

func newAnswerCache(full int64) *answerCache {
	return &answerCache{full: full, used: linked.New(), byKey: map[cacheKey]*linked.Element{}}
}

func (c *answerCache) get(key cacheKey) *cachedAnswer {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.byKey[key]
	if !ok {
		return nil
	}
	c.used.MoveToFront(e)
	return e.Value.(*cachedAnswer) //nolint:forcetypeassert // the list holds nothing else
}

func (c *answerCache) put(a *cachedAnswer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.byKey[a.key]; ok || int64(len(a.body)) > c.full/8 {
		return
	}
	c.byKey[a.key] = c.used.PushFront(a)
	c.size += a.size()
	for c.size > c.full {
		old := c.used.Remove(c.used.Back()).(*cachedAnswer) //nolint:forcetypeassert // the list holds nothing else
		delete(c.byKey, old.key)
		c.size -= old.size()
	}
}

func (a *cachedAnswer) size() int64 {
	return int64(len(a.body) + len(a.key.tag) + len(a.key.encoding) + len(a.key.uri))
}

func (a *cachedAnswer) send(c echo.Context) error {
	header := c.Response().Header()
	if a.encoding != rowstream.Plain || len(a.body) >= rowstream.WorthIt {
		header.Add("Vary", "Accept-Encoding")
	}
	if a.encoding != rowstream.Plain {
		rowstream.SetEncoding(header, a.encoding)
	}
	header.Set(echo.HeaderContentLength, strconv.Itoa(len(a.body)))
	return c.Blob(http.StatusOK, echo.MIMEApplicationJSON, a.body)
}

// unchanged answers 304 when the caller has the state that tag names.
func unchanged(c echo.Context, ifNoneMatch *string, tag string) bool {
	c.Response().Header().Set("ETag", tag)
	if ifNoneMatch == nil || !paging.MatchesETag(*ifNoneMatch, tag) {
		return false
	}
	c.Response().Header().Add("Vary", "Accept-Encoding") // as the answer that it stands for
	c.Response().WriteHeader(http.StatusNotModified)
	return true
}
