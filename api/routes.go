package api

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"foldbook/api/spec"
)

// olderRoutes begin the paths of the six routes that also answer under the trader prefixes.
var olderRoutes = []string{"/api/indicators/datasets", "/api/walkforward/runs", "/api/tradesim/runs"}

// OlderReads among Options.OpenReads is the six original routes.
const OlderReads = "older"

// routes registers the operations of openapi.yaml: package spec lists them, and a route without a handler does not compile.
func (s *Server) routes() {
	for _, prefix := range append([]string{""}, s.TraderPrefixes...) {
		spec.RegisterHandlersWithOptions(router{Echo: s.echo, server: s, prefix: prefix}, s, spec.RegisterHandlersOptions{BaseURL: prefix})
	}
}

// router answers HEAD wherever it answers GET; with a prefix it takes the older routes only.
type router struct {
	*echo.Echo
	server *Server
	prefix string
}

func (r router) GET(path string, h echo.HandlerFunc, m ...echo.MiddlewareFunc) *echo.Route {
	if r.prefix != "" && !isOlder(strings.TrimPrefix(path, r.prefix)) {
		return nil
	}
	described := pathParameter.ReplaceAllString(strings.TrimPrefix(path, r.prefix), "{$1}")
	operation := spec.OperationOf(http.MethodGet, described)
	if open := r.server.OpenReads; slices.Contains(open, described) || slices.Contains(open, OlderReads) && isOlder(described) {
		operation.Scope = spec.ScopeNone
	}
	// A wildcard in the middle of a path is a parameter to Echo's router.
	path = strings.ReplaceAll(path, "/*/", "/:trader/")
	r.add(http.MethodHead, path, operation, h, m)
	return r.add(http.MethodGet, path, operation, h, m)
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
	return r.add(method, path, spec.OperationOf(method, pathParameter.ReplaceAllString(path, "{$1}")), h, m)
}

// add registers a route with its scope, and with the check of its parameters and its type of body before the handler does anything.
func (r router) add(method, path string, operation spec.Operation, h echo.HandlerFunc, m []echo.MiddlewareFunc) *echo.Route {
	r.server.needs[method+" "+path] = need{operation.Scope, operation.Budget}
	return r.Add(method, path, func(c echo.Context) error {
		if err := operation.Check(c.Request()); err != nil {
			return err
		}
		return narrower(c, operation.Query, h(c))
	}, m...)
}

// narrower says of a request of rows that took too long how to ask for less.
func narrower(c echo.Context, known spec.Parameters, err error) error {
	if err == nil || !slices.Contains(known, "start_ts") || classify(c.Request().Context(), err) != errTimeout {
		return err
	}
	way := "give a shorter range with start_ts= and end_ts="
	if slices.Contains(known, "columns") {
		way = "name fewer columns with columns=, or " + way
	}
	return fmt.Errorf("%w: %w", spec.NewProblem(errTimeout.Status, errTimeout.Code, errTimeout.Message+": "+way), err)
}

// need is what a request needs to be answered: a scope, which is empty where there is no route, and a place in a budget.
type need struct {
	scope  spec.Scope
	budget spec.Budget
}

// needOf goes by the route that a request will take: the router itself says which, so that no spelling of a path leads around the check.
func (s *Server) needOf(r *http.Request) need {
	c := s.echo.AcquireContext()
	defer s.echo.ReleaseContext(c)
	c.Reset(r, nil)
	s.echo.Router().Find(r.Method, echo.GetPath(r), c)
	if n, ok := s.needs[r.Method+" "+c.Path()]; ok {
		return n
	}
	return need{budget: spec.BudgetReads}
}

var pathParameter = regexp.MustCompile(`:(\w+)`)

func isOlder(path string) bool {
	for _, older := range olderRoutes {
		if id, ok := strings.CutPrefix(path, older); ok && (id == "" || strings.LastIndexByte(id, '/') == 0) {
			return true
		}
	}
	return false
}
