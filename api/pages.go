package api

import (
	"bytes"
	"embed"
	"fmt"
	"hash/crc32"
	"mime"
	"net/http"
	"path"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/labstack/echo/v4"
	"github.com/swaggest/swgui/v5/static"

	"foldbook/api/spec"
	"foldbook/console"
	"foldbook/internal/access"
)

//go:embed pages
var pages embed.FS

// GetHome serves GET /: the console, to browsers.
func (s *Server) GetHome(c echo.Context, params spec.GetHomeParams) error {
	if !strings.Contains(c.Request().Header.Get("Accept"), echo.MIMETextHTML) {
		return echo.ErrNotFound
	}
	return s.GetConsoleFile(c, "index.html", spec.GetConsoleFileParams(params))
}

// GetConsoleFile serves GET /console/:file: what the console consists of.
func (s *Server) GetConsoleFile(c echo.Context, file string, params spec.GetConsoleFileParams) error {
	data, err := console.Files.ReadFile("dist/" + file)
	if err != nil {
		return echo.ErrNotFound
	}
	return sendFile(c, consolePolicy, file, data, params.IfNoneMatch)
}

// StartSession serves POST /api/session: the credential that let the request in becomes a cookie, for the console.
func (s *Server) StartSession(c echo.Context) error {
	if s.Gate != nil {
		cookie, err := access.NewSession(c.Request())
		if err != nil {
			return err
		}
		c.SetCookie(cookie)
	}
	return c.NoContent(http.StatusNoContent)
}

// EndSession serves DELETE /api/session.
func (s *Server) EndSession(c echo.Context) error {
	c.SetCookie(access.EndSession(c.Request()))
	return c.NoContent(http.StatusNoContent)
}

// GetDocs serves GET /docs: the reference, which reads /openapi.json with the token that is typed in.
func (s *Server) GetDocs(c echo.Context, params spec.GetDocsParams) error {
	return sendPage(c, "docs.html", params.IfNoneMatch)
}

// GetDocsFile serves GET /docs/:file: what the pages consist of.
func (s *Server) GetDocsFile(c echo.Context, file string, params spec.GetDocsFileParams) error {
	return sendPage(c, file, params.IfNoneMatch)
}

// pagePolicy lets a page run its own scripts and call its own origin, and nothing else.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// consolePolicy also keeps its scripts from making markup of texts, which Swagger UI does.
const consolePolicy = pagePolicy + "; require-trusted-types-for 'script'"

// sendPage sends a file of the pages or of Swagger UI, which are there compressed.
func sendPage(c echo.Context, file string, ifNoneMatch *string) error {
	data, err := pages.ReadFile("pages/" + file)
	if err == nil {
		return sendFile(c, pagePolicy, file, data, ifNoneMatch)
	}
	packed, err := static.FS.ReadFile(file + ".gz")
	if err != nil {
		return echo.ErrNotFound
	}
	if pageUnchanged(c, pagePolicy, packed, ifNoneMatch) {
		return nil
	}
	media := mime.TypeByExtension(path.Ext(file))
	if takesGzip(c) {
		c.Response().Header().Set("Content-Encoding", "gzip")
		return c.Blob(http.StatusOK, media, packed)
	}
	plain, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return err
	}
	return c.Stream(http.StatusOK, media, plain)
}

// pageUnchanged sets the headers of a file, and answers 304 to who has it.
func pageUnchanged(c echo.Context, policy string, data []byte, ifNoneMatch *string) bool {
	header := c.Response().Header()
	header.Set("Content-Security-Policy", policy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cache-Control", "no-cache") // asks each time whether it is the same
	header.Set("Vary", "Accept, Accept-Encoding")
	return unchanged(c, ifNoneMatch, fmt.Sprintf(`"%08x"`, crc32.ChecksumIEEE(data)))
}

func takesGzip(c echo.Context) bool {
	return strings.Contains(c.Request().Header.Get("Accept-Encoding"), "gzip")
}

func sendFile(c echo.Context, policy, file string, data []byte, ifNoneMatch *string) error {
	if pageUnchanged(c, policy, data, ifNoneMatch) {
		return nil
	}
	media := mime.TypeByExtension(path.Ext(file))
	if !takesGzip(c) {
		return c.Blob(http.StatusOK, media, data)
	}
	header := c.Response().Header()
	header.Set("Content-Encoding", "gzip")
	header.Set("Content-Type", media)
	packed := gzip.NewWriter(c.Response())
	if _, err := packed.Write(data); err != nil {
		return err
	}
	return packed.Close()
}
