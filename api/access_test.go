package api_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"foldbook/api"
	"foldbook/api/spec"
	"foldbook/db"
	"foldbook/internal/access"
)

var parameter = regexp.MustCompile(`:(\w+)`)

const adminToken, readToken = "admin-token-0123456789", "read-token-0123456789"

// guarded is a harness that asks for credentials, with a key of each kind.
func guarded(t *testing.T, change ...func(*api.Options)) (*harness, map[string]string) {
	t.Helper()
	h := newHarness(t, append([]func(*api.Options){func(o *api.Options) {
		o.Gate = &access.Gate{Keys: access.NewKeys(o.DB)}
		o.Gate.AddToken(adminToken, "an admin's token", spec.ScopeAdmin)
		o.Gate.AddToken(readToken, "a reader's token", spec.ScopeRead)
	}}, change...)...)
	past := time.Now().Add(-time.Minute)
	keys := map[string]string{
		"none": "", "malformed": "fb_short", "wrong": "fb_00000000_" + strings.Repeat("x", 43), "a token beside": adminToken + "x",
		"expired": h.key(db.CreateAccessKeyParams{Scope: "admin", ExpiresAt: &past}), "revoked": h.key(db.CreateAccessKeyParams{Scope: "admin"}),
		"read": h.key(db.CreateAccessKeyParams{Scope: "read"}), "write": h.key(db.CreateAccessKeyParams{Scope: "write"}), "admin": h.key(db.CreateAccessKeyParams{Scope: "admin"}),
		"admin token": adminToken, "read token": readToken, "metrics": h.key(db.CreateAccessKeyParams{Scope: "metrics"}),
	}
	right := keys["admin"]
	keys["wrong secret"] = right[:len(right)-1] + map[bool]string{true: "A", false: "B"}[right[len(right)-1] != 'A']
	h.revoke(keys["revoked"])
	return h, keys
}

// key stores a key.
func (h *harness) key(params db.CreateAccessKeyParams) string {
	h.t.Helper()
	key, id, hash := access.NewKey()
	params.KeyID, params.SecretHash = id, hash
	if _, err := h.db.CreateAccessKey(h.t.Context(), params); err != nil {
		h.t.Fatal(err)
	}
	return key
}

func (h *harness) revoke(key string) {
	h.t.Helper()
	if _, err := h.db.RevokeAccessKey(h.t.Context(), db.RevokeAccessKeyParams{KeyID: key[3:11]}); err != nil {
		h.t.Fatal(err)
	}
}

// scopesOf are the scopes as openapi.yaml states them.
func scopesOf(t *testing.T) map[string]string {
	t.Helper()
	var document struct {
		Paths map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal(spec.DocumentJSON, &document); err != nil {
		t.Fatal(err)
	}
	scopes := map[string]string{}
	for path, methods := range document.Paths {
		for method, text := range methods {
			var operation struct{ Security []map[string][]string }
			if err := json.Unmarshal(text, &operation); err != nil {
				continue // the servers of a path
			}
			scope := "open"
			for _, alternative := range operation.Security {
				for _, scopes := range alternative {
					scope = scopes[0]
				}
			}
			scopes[strings.ToUpper(method)+" "+path] = scope
		}
	}
	return scopes
}

var includes = map[string]string{
	"none": "", "malformed": "", "wrong": "", "wrong secret": "", "a token beside": "", "expired": "", "revoked": "",
	"metrics": "metrics", "read": "read", "read token": "read", "write": "read write", "admin": "read write admin metrics", "admin token": "read write admin metrics",
}

// Every route of the router, with every kind of credential and every spelling of its path. docs/access.md, Scopes.
func TestAccessMatrix(t *testing.T) {
	t.Parallel()
	h, keys := guarded(t)
	h.api.Drain() // or who listens to events would get no end
	scopes := scopesOf(t)
	ids := strings.NewReplacer(":dataset_id", newDataset, ":run_id", newRun, ":simulation_id", newSim, ":job_id", newRun, ":name", "x", ":trader", "kraken")
	asked := 0
	for _, route := range h.api.EchoRoutes() {
		described := strings.TrimPrefix(route.Path, "/traders/:trader")
		method := route.Method
		if method == http.MethodHead {
			method = http.MethodGet
		}
		scope, ok := scopes[method+" "+parameter.ReplaceAllString(described, "{$1}")]
		if !ok {
			t.Errorf("%s %s is not in openapi.yaml, so it has no scope", route.Method, route.Path)
			continue
		}
		plain := ids.Replace(route.Path)
		if plain == "/" {
			continue // TestPages: its other spellings are those of all routes
		}
		last := strings.LastIndexByte(plain, '/') + 1
		for variant, path := range map[string]string{
			"plain": plain, "encoded": plain[:last] + "%" + hexOf(plain[last]) + plain[last+1:], "dots": "/%2e" + plain, "dot dot": "/x/%2e%2e" + plain, "encoded slash": plain[:last] + "%2f" + plain[last:],
			"two slashes": "/" + plain, "inner slashes": plain[:last] + "/" + plain[last:], "semicolon": plain + ";x=1", "trailing slash": plain + "/", "upper": strings.ToUpper(plain),
			"query": plain + "?token=" + adminToken + "&access_token=" + adminToken,
		} {
			for kind, key := range keys {
				asked++
				w := httptest.NewRecorder()
				req := httptest.NewRequest(route.Method, path, strings.NewReader("{}"))
				if key != "" {
					req.Header.Set([]string{"X-API-Key", "X-Stage1-Token"}[asked%2], key)
				}
				h.http.ServeHTTP(w, req)
				for strings.Contains(w.Body.String(), "the database, which has the keys, cannot be reached") { // within a second, on a busy machine
					w = httptest.NewRecorder()
					h.http.ServeHTTP(w, req)
				}
				where := route.Method + " " + path + " (" + variant + ", " + kind + ")"
				refused := w.Code == http.StatusUnauthorized || w.Code == http.StatusForbidden
				switch valid := includes[kind] != ""; {
				case scope == "open" && (variant == "plain" || variant == "query"):
					if refused {
						t.Errorf("%s: %d, and it is open", where, w.Code)
					}
				case scope == "open" && !valid && (w.Code == http.StatusOK || strings.HasSuffix(described, "/:file") && w.Code == http.StatusNotFound): // another spelling of an open route is one only if it leads there
				case !valid:
					if w.Code != http.StatusUnauthorized || w.Header().Get("WWW-Authenticate") == "" {
						t.Errorf("%s: %d %s, want 401", where, w.Code, w.Body)
					}
				case strings.Contains(includes[kind], scope):
					if refused || w.Code >= 500 && w.Code != http.StatusServiceUnavailable {
						t.Errorf("%s: %d %s", where, w.Code, w.Body)
					}
				case variant == "plain" || variant == "query":
					if w.Code != http.StatusForbidden || !strings.Contains(w.Header().Get("WWW-Authenticate"), "insufficient_scope") {
						t.Errorf("%s: %d %s, want 403", where, w.Code, w.Body)
					}
				case !refused && w.Code != http.StatusNotFound && w.Code != http.StatusMethodNotAllowed && scope != "open":
					t.Errorf("%s: %d %s: it leads around the check", where, w.Code, w.Body)
				}
			}
		}
	}
	if asked < 5000 {
		t.Errorf("%d requests only", asked)
	}
}

// Heads that are meant to break something get an answer of a client's fault, with credentials asked for and without.
func TestHostileHeads(t *testing.T) {
	t.Parallel()
	off := newHarness(t, limited())
	on, keys := guarded(t, limited())
	values := append(brokenValues(), "Bearer", "Bearer ", "Basic eDp4", "Bearer "+keys["admin"]+" x", keys["admin"]+","+keys["admin"], "a.b.c", "..", "%00", "' OR 1=1 --",
		"fb_\xff\xfe\xff\xfe\xff\xfe\xff\xfe_"+strings.Repeat("x", 43), "fb_abcdefgh_"+strings.Repeat("\xff", 43), "fb_abcdefgh_"+strings.Repeat("\x00", 43))
	for _, value := range values {
		for _, name := range []string{"Authorization", "X-Api-Key", "X-Stage1-Token", "X-Forwarded-For", "Origin", "Host", "X-Request-Id", "If-None-Match", "Accept", "Accept-Encoding", "Content-Type", "Traceparent"} {
			for _, h := range []*harness{off, on} {
				req := httptest.NewRequest(http.MethodGet, "/api/runs?limit=1", nil)
				if h.opts.Gate != nil && name != "Authorization" && !strings.HasPrefix(name, "X-") {
					req.Header.Set("X-Api-Key", keys["read"])
				}
				req.Header.Set(name, value)
				if name == "Host" {
					req.Host = value
				}
				w := httptest.NewRecorder()
				h.http.ServeHTTP(w, req)
				if w.Code >= 500 || w.Code == http.StatusOK && h.opts.Gate != nil && req.Header.Get("X-Api-Key") != keys["read"] {
					t.Errorf("%s: %.100q, with credentials %t: %d %.300s", name, value, h.opts.Gate != nil, w.Code, w.Body)
				}
			}
		}
	}
}

func hexOf(c byte) string { return string([]byte{"0123456789ABCDEF"[c>>4], "0123456789ABCDEF"[c&15]}) }
