package access

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
)

// sessionCookie has the credential of who has logged in on the console.
const sessionCookie = "foldbook_session"

// NewSession returns the cookie for the credential that a request was let in with. It has no Path, so that a browser sends it to the
// addresses beside that of the request alone, below the prefix of a proxy too.
func NewSession(r *http.Request) (*http.Cookie, error) {
	secret, err := credential(r)
	if err != nil {
		return nil, err
	}
	return session(r, base64.RawURLEncoding.EncodeToString([]byte(secret)), 0), nil
}

// EndSession returns the cookie that takes the one of NewSession away.
func EndSession(r *http.Request) *http.Cookie { return session(r, "", -1) }

func session(r *http.Request, value string, maxAge int) *http.Cookie {
	secure := r.TLS != nil || strings.HasPrefix(r.Header.Get("Origin"), "https://") // a proxy may have the certificate
	//nolint:gosec // Secure is as said above
	return &http.Cookie{Name: sessionCookie, Value: value, MaxAge: maxAge, Secure: secure, HttpOnly: true, SameSite: http.SameSiteStrictMode}
}

// sessionOf returns the credential of the cookie, empty where there is none or where the request does not come from a page of the
// service. A browser attaches a cookie whoever makes it send a request, so the cookie alone proves nothing.
func sessionOf(r *http.Request) string {
	cookie, err := r.Cookie(sessionCookie)
	if err != nil || !ownPage(r) {
		return ""
	}
	secret, err := base64.RawURLEncoding.DecodeString(cookie.Value)
	if err != nil {
		return ""
	}
	return string(secret)
}

// ownPage tells whether a browser says that a page of the service sends the request, or a reader who opens an address. Over plain HTTP
// to another machine browsers say only the origin, and only of writes; the cookie is SameSite=Strict there.
func ownPage(r *http.Request) bool {
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead
	site, origin := r.Header.Get("Sec-Fetch-Site"), r.Header.Get("Origin")
	switch {
	case site != "":
		return site == "same-origin" || site == "none" && reads
	case origin != "":
		from, err := url.Parse(origin)
		return err == nil && from.Host == r.Host
	}
	return reads
}
