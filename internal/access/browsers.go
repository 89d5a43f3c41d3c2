package access

import (
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"

	"foldbook/api/spec"
)

// AnyOrigin as an origin is every one, for reads.
const AnyOrigin = "*"

// Browsers keeps the pages of other origins from what a browser could do in their name. A browser reaches every address that
// its user reaches, the loopback too, so this holds with and without credentials.
type Browsers struct {
	hosts   []string
	origins []string
	writes  *http.CrossOriginProtection
}

// NewBrowsers takes the host names that the service answers to beside those of the loopback, and the origins whose pages may call
// it. Pages of an origin that is listed may write, those that are only let in by AnyOrigin may not.
func NewBrowsers(hosts, origins []string) *Browsers {
	b := &Browsers{hosts: hosts, origins: origins, writes: http.NewCrossOriginProtection()}
	for _, origin := range origins {
		if origin != AnyOrigin {
			_ = b.writes.AddTrustedOrigin(origin) // the settings were checked; an origin that is none matches no request
		}
	}
	return b
}

// Check returns the answer to a request that no page may send, or nil.
func (b *Browsers) Check(r *http.Request) *spec.Problem {
	if !b.knows(r) {
		return spec.NewProblem(http.StatusMisdirectedRequest, spec.ErrorCodeMisdirected, fmt.Sprintf(
			"the service does not answer to the host name %s: call it as localhost or 127.0.0.1, or add the name to ALLOWED_HOSTS",
			spec.Short(hostname(r.Host))))
	}
	if b.writes.Check(r) != nil {
		return spec.NewProblem(http.StatusForbidden, spec.ErrorCodeForbidden, fmt.Sprintf(
			"pages of the origin %s may not write: add it to CORS_ORIGINS if they are to", spec.Short(origin(r))))
	}
	return nil
}

// knows tells a name that is meant from one that somebody's DNS server has rebound to an address of this machine. Behind other
// addresses than the loopback the names are checked where they are configured.
func (b *Browsers) knows(r *http.Request) bool {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	if !ok || len(b.hosts) == 0 && !local.IP.IsLoopback() {
		return true
	}
	name := hostname(r.Host)
	if ip := net.ParseIP(name); ip != nil && (ip.IsLoopback() || ip.Equal(local.IP)) {
		return true
	}
	return name == "localhost" || name == "" || slices.ContainsFunc(b.hosts, func(known string) bool { return strings.EqualFold(known, name) })
}

// hostname is the name or the address of a Host header: without port, brackets and the dot at the end.
func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
}

func origin(r *http.Request) string {
	if origin := r.Header.Get("Origin"); origin != "" {
		return origin
	}
	return "of another site" // a browser that tells the site and not the origin
}

// Allow sets the headers by which a browser lets a page read an answer.
func (b *Browsers) Allow(header http.Header, r *http.Request) {
	if slices.Contains(b.origins, AnyOrigin) {
		header.Set("Access-Control-Allow-Origin", "*")
	} else {
		header.Add("Vary", "Origin")
		origin := r.Header.Get("Origin")
		if origin == "" || !slices.Contains(b.origins, origin) {
			return
		}
		header.Set("Access-Control-Allow-Origin", origin)
	}
	header.Set("Access-Control-Expose-Headers",
		"X-Total-Count, X-Request-Id, Content-Disposition, Retry-After, ETag, Link, X-Row-Count, X-Next-Cursor, X-Event-Seq")
}

// Preflight sets the headers by which a browser lets a page send a request. A page that may not write is told so when it asks.
func (b *Browsers) Preflight(header http.Header, r *http.Request) {
	methods := "GET, POST, PUT, PATCH, DELETE, OPTIONS"
	asked := r.WithContext(r.Context()) // a copy
	if asked.Method = r.Header.Get("Access-Control-Request-Method"); asked.Method != "" && b.writes.Check(asked) != nil {
		methods = "GET, HEAD, OPTIONS"
	}
	header.Set("Access-Control-Allow-Methods", methods)
	header.Set("Access-Control-Allow-Headers",
		"Content-Type, X-Stage1-Token, Authorization, If-Match, If-None-Match, X-API-Key, Last-Event-ID")
	header.Set("Access-Control-Max-Age", "7200")
}
