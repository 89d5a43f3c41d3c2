package api_test

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"foldbook/db"
)

// docs/access.md, The console: who has logged in is let in by the cookie, from pages of the service alone.
func TestSession(t *testing.T) {
	t.Parallel()
	h, keys := guarded(t)
	ask := func(method, path, cookie string, header ...string) *http.Response {
		req := httptest.NewRequest(method, "http://foldbook.example"+path, nil)
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		if cookie != "" {
			req.Header.Set("Cookie", cookie)
		}
		w := httptest.NewRecorder()
		h.http.ServeHTTP(w, req)
		return w.Result()
	}
	login := func(key string, header ...string) string {
		res := ask(http.MethodPost, "/api/session", "", append(header, "Authorization", "Bearer "+key)...)
		if res.StatusCode != http.StatusNoContent || len(res.Cookies()) != 1 {
			t.Fatalf("log in: %d %v", res.StatusCode, res.Cookies())
		}
		return res.Header.Get("Set-Cookie")
	}

	set := login(keys["write"], "Origin", "https://foldbook.example", "Sec-Fetch-Site", "same-origin")
	if !strings.HasSuffix(set, "; HttpOnly; Secure; SameSite=Strict") || strings.Contains(set, keys["write"]) || strings.Contains(set, "Path") {
		t.Errorf("the cookie is %s", set)
	}
	if plain := login(keys["write"], "Origin", "http://foldbook.example"); strings.Contains(plain, "Secure") {
		t.Errorf("without TLS the cookie is %s, which no browser would keep", plain)
	}
	cookie, _, _ := strings.Cut(set, ";")
	for _, tc := range []struct {
		method string
		status int
		header []string
	}{
		{"GET", 200, []string{"Sec-Fetch-Site", "same-origin"}},
		{"GET", 200, []string{"Sec-Fetch-Site", "none"}}, // its user opens the address
		{"GET", 200, nil}, // plain HTTP to another machine
		{"GET", 401, []string{"Sec-Fetch-Site", "same-site"}}, // another port of the machine
		{"GET", 401, []string{"Sec-Fetch-Site", "cross-site"}},
		{"GET", 401, []string{"Origin", "http://evil.example"}},
		{"DELETE", 404, []string{"Sec-Fetch-Site", "same-origin", "Origin", "http://foldbook.example"}},
		{"DELETE", 404, []string{"Origin", "http://foldbook.example"}},
		{"DELETE", 401, nil},
		{"DELETE", 401, []string{"Sec-Fetch-Site", "none"}},
		{"DELETE", 403, []string{"Sec-Fetch-Site", "cross-site"}},
		{"DELETE", 403, []string{"Origin", "http://foldbook.example:8080"}},
	} {
		path := "/api/runs"
		if tc.method == "DELETE" {
			path += "/" + newRun
		}
		if res := ask(tc.method, path, cookie, tc.header...); res.StatusCode != tc.status {
			t.Errorf("%s with %v: %d, want %d", tc.method, tc.header, res.StatusCode, tc.status)
		}
	}

	own := []string{"Sec-Fetch-Site", "same-origin"}
	short := h.key(db.CreateAccessKeyParams{Scope: "read"})
	cookie, _, _ = strings.Cut(login(short), ";")
	if res := ask(http.MethodDelete, "/api/runs/"+newRun, cookie, own...); res.StatusCode != http.StatusForbidden {
		t.Errorf("DELETE with a key that reads: %d", res.StatusCode)
	}
	for name, bad := range map[string]string{"no text": "foldbook_session=", "no base64": "foldbook_session=!!", "the key itself": "foldbook_session=" + keys["admin"]} {
		if res := ask(http.MethodGet, "/api/runs", bad, own...); res.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: %d", name, res.StatusCode)
		}
	}
	if res := ask(http.MethodGet, "/api/runs", cookie, "Sec-Fetch-Site", "same-origin", "Authorization", "Bearer "+keys["wrong"]); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("a header that does not hold beside a cookie: %d", res.StatusCode)
	}
	for _, kind := range []string{"wrong", "expired", "revoked", "metrics"} {
		if res := ask(http.MethodPost, "/api/session", "", "X-API-Key", keys[kind]); res.StatusCode < 400 || len(res.Cookies()) != 0 {
			t.Errorf("log in with a key that is %s: %d %v", kind, res.StatusCode, res.Cookies())
		}
	}
	if res := ask(http.MethodDelete, "/api/session", cookie, own...); res.StatusCode != http.StatusNoContent || res.Cookies()[0].MaxAge >= 0 {
		t.Errorf("log out: %d %v", res.StatusCode, res.Cookies())
	}
}

// A key that expires or is revoked ends the session: nothing is kept but the key.
func TestSessionOfEndedKey(t *testing.T) {
	t.Parallel()
	h, keys := guarded(t)
	for _, kind := range []string{"expired", "revoked"} {
		cookie := "foldbook_session=" + base64.RawURLEncoding.EncodeToString([]byte(keys[kind]))
		if res := h.get("/api/runs", "Cookie", cookie, "Sec-Fetch-Site", "same-origin"); res.StatusCode != http.StatusUnauthorized {
			t.Errorf("a cookie with a key that is %s: %d", kind, res.StatusCode)
		}
	}
}
