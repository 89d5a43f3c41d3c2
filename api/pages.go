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
)

//go:embed pages
var pages embed.FS

// GetHome serves GET /: a page with the ways on, to browsers.
func (s *Server) GetHome(c echo.Context) error {
	if !strings.Contains(c.Request().Header.Get("Accept"), echo.MIMETextHTML) {
		return echo.ErrNotFound
	}
	return sendPage(c, "home.html", nil)
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

// sendPage sends a file of the pages or of Swagger UI, which are there compressed.
func sendPage(c echo.Context, file string, ifNoneMatch *string) error {
	data, err := pages.ReadFile("pages/" + file)
	compressed := err != nil
	if compressed {
		if data, err = static.FS.ReadFile(file + ".gz"); err != nil {
			return echo.ErrNotFound
		}
	}
	header := c.Response().Header()
	header.Set("Content-Security-Policy", pagePolicy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cache-Control", "no-cache") // asks each time whether it is the same
	header.Set("Vary", "Accept, Accept-Encoding")
	if unchanged(c, ifNoneMatch, fmt.Sprintf(`"%08x"`, crc32.ChecksumIEEE(data))) {
		return nil
	}
	media := mime.TypeByExtension(path.Ext(file))
	if !compressed {
		return c.Blob(http.StatusOK, media, data)
	}
	if strings.Contains(c.Request().Header.Get("Accept-Encoding"), "gzip") {
		header.Set("Content-Encoding", "gzip")
		return c.Blob(http.StatusOK, media, data)
	}
	plain, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return err
	}
	return c.Stream(http.StatusOK, media, plain)
}
