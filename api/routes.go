package api

import (
	"net/http"
	"regexp"
	"strings"

	"github.com/labstack/echo/v4"

	"foldbook/api/spec"
)

// olderRoutes begin the paths of the six routes that also answer under the trader prefixes.
var olderRoutes = []string{"/api/indicators/datasets", "/api/walkforward/runs", "/api/tradesim/runs"}

// routes registers the operations of openapi.yaml: package spec lists them, and a route without a handler does not compile.
func (s *Server) routes() {
	for _, prefix := range append([]string{""}, s.TraderPrefixes...) {
		spec.RegisterHandlersWithOptions(router{Echo: s.echo, prefix: prefix}, s, spec.RegisterHandlersOptions{BaseURL: prefix})
	}
}

// router answers HEAD wherever it answers GET; with a prefix it takes the older routes only.
type router struct {
	*echo.Echo
	prefix string
}

func (r router) GET(path string, h echo.HandlerFunc, m ...echo.MiddlewareFunc) *echo.Route {
	if r.prefix != "" && !isOlder(strings.TrimPrefix(path, r.prefix)) {
		return nil
	}
	h = checked(http.MethodGet, strings.TrimPrefix(path, r.prefix), h)
	// A wildcard in the middle of a path is a parameter to Echo's router.
	path = strings.ReplaceAll(path, "/*/", "/:trader/")
	r.HEAD(path, h, m...)
	return r.Echo.GET(path, h, m...)
}

// The older routes only read, so nothing is written under a prefix.

func (r router) POST(path string, h echo.HandlerFunc, m ...echo.MiddlewareFunc) *echo.Route {
	return r.write(http.MethodPost, path, h, m)
}

func (r router) PUT(path string, h echo.HandlerFunc, m ...echo.MiddlewareFunc) *echo.Route {
	return r.write(http.MethodPut, path, h, m)
}

func (r router) PATCH(path string, h echo.HandlerFunc, m ...echo.MiddlewareFunc) *echo.Route {
	return r.write(http.MethodPatch, path, h, m)
}

func (r router) DELETE(path string, h echo.HandlerFunc, m ...echo.MiddlewareFunc) *echo.Route {
	return r.write(http.MethodDelete, path, h, m)
}

func (r router) write(method, path string, h echo.HandlerFunc, m []echo.MiddlewareFunc) *echo.Route {
	if r.prefix != "" {
		return nil
	}
	return r.Add(method, path, checked(method, path, h), m...)
}

var pathParameter = regexp.MustCompile(`:(\w+)`)

// checked refuses a request with a parameter or a type of body that openapi.yaml does not have for the route, before the handler does anything.
func checked(method, path string, h echo.HandlerFunc) echo.HandlerFunc {
	operation := spec.OperationOf(method, pathParameter.ReplaceAllString(path, "{$1}"))
	return func(c echo.Context) error {
		if err := operation.Check(c.Request()); err != nil {
			return err
		}
		return h(c)
	}
}

func isOlder(path string) bool {
	for _, older := range olderRoutes {
		if id, ok := strings.CutPrefix(path, older); ok && (id == "" || strings.LastIndexByte(id, '/') == 0) {
			return true
		}
	}
	return false
}
