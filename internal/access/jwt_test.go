package access_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"foldbook/api/spec"
	"foldbook/internal/access"
)

const issuer, audience = "https://issuer.example", "foldbook"

func claims(change func(jwt.MapClaims)) jwt.MapClaims {
	c := jwt.MapClaims{"iss": issuer, "aud": audience, "sub": "exporter", "exp": time.Now().Add(time.Hour).Unix(), "scope": "openid write"}
	if change != nil {
		change(c)
	}
	return c
}

func signed(t *testing.T, method jwt.SigningMethod, key any, header map[string]any, c jwt.MapClaims) string {
	t.Helper()
	token := jwt.NewWithClaims(method, c)
	for name, value := range header {
		token.Header[name] = value
	}
	text, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func jwkOf(kid string, key *rsa.PublicKey) map[string]any {
	return map[string]any{"kty": "RSA", "kid": kid, "alg": "RS256", "use": "sig", "n": base64.RawURLEncoding.EncodeToString(key.N.Bytes()),
		"e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(key.E)).Bytes())}
}

// docs/access.md, JSON Web Tokens: what is taken, and every way to get in without the key.
func TestJWT(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	elliptic, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var baited atomic.Int64 // requests to the address that tokens name
	bait := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		baited.Add(1)
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": []any{jwkOf("evil", &other.PublicKey)}})
	}))
	defer bait.Close()
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	file := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(file, public, 0o600); err != nil {
		t.Fatal(err)
	}
	tokens, err := access.NewJWT(t.Context(), access.JWTConfig{Algorithms: []string{"RS256"}, KeyFile: file, Log: slog.New(slog.DiscardHandler), Issuer: issuer, Audience: audience, ScopeClaim: "scope"})
	if err != nil {
		t.Fatal(err)
	}
	good := signed(t, jwt.SigningMethodRS256, key, nil, claims(nil))
	part := strings.Split(good, ".")
	unsigned := signed(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, nil, claims(nil))
	payload := base64.RawURLEncoding.EncodeToString([]byte(`{"iss":"https://issuer.example","aud":"foldbook","exp":9999999999,"scope":"admin"}`))
	rs := func(c func(jwt.MapClaims)) string { return signed(t, jwt.SigningMethodRS256, key, nil, claims(c)) }
	for name, tc := range map[string]struct {
		token string
		want  int // 0: it is let in
	}{
		"good":                                {good, 0},
		"scopes in a list":                    {rs(func(c jwt.MapClaims) { c["scope"] = []string{"write"} }), 0},
		"expired within the skew":             {rs(func(c jwt.MapClaims) { c["exp"] = time.Now().Add(-20 * time.Second).Unix() }), 0},
		"one of several audiences":            {rs(func(c jwt.MapClaims) { c["aud"] = []string{"x", audience} }), 0},
		"expired":                             {rs(func(c jwt.MapClaims) { c["exp"] = time.Now().Add(-40 * time.Second).Unix() }), 401},
		"no expiry":                           {rs(func(c jwt.MapClaims) { delete(c, "exp") }), 401},
		"not yet valid":                       {rs(func(c jwt.MapClaims) { c["nbf"] = time.Now().Add(time.Minute).Unix() }), 401},
		"another issuer":                      {rs(func(c jwt.MapClaims) { c["iss"] = "https://evil.example" }), 401},
		"no issuer":                           {rs(func(c jwt.MapClaims) { delete(c, "iss") }), 401},
		"another audience":                    {rs(func(c jwt.MapClaims) { c["aud"] = "grafana" }), 401},
		"no audience":                         {rs(func(c jwt.MapClaims) { delete(c, "aud") }), 401},
		"the scope of a reader":               {rs(func(c jwt.MapClaims) { c["scope"] = "read" }), 403},
		"no scope":                            {rs(func(c jwt.MapClaims) { delete(c, "scope") }), 403},
		"a scope that only contains the word": {rs(func(c jwt.MapClaims) { c["scope"] = "overwrite nowrite" }), 403},
		"unsigned (alg none)":                 {unsigned, 401},
		"unsigned (alg NONE)":                 {base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"NONE"}`)) + "." + payload + ".", 401},
		"the public key as a secret (HS256)":  {signed(t, jwt.SigningMethodHS256, public, nil, claims(nil)), 401},
		"an algorithm that is not pinned":     {signed(t, jwt.SigningMethodRS512, key, nil, claims(nil)), 401},
		"an algorithm of another kind":        {signed(t, jwt.SigningMethodES256, elliptic, nil, claims(nil)), 401},
		"another key":                         {signed(t, jwt.SigningMethodRS256, other, nil, claims(nil)), 401},
		"another key behind jku":              {signed(t, jwt.SigningMethodRS256, other, map[string]any{"jku": bait.URL, "kid": "evil"}, claims(nil)), 401},
		"another key behind x5u":              {signed(t, jwt.SigningMethodRS256, other, map[string]any{"x5u": bait.URL, "kid": bait.URL}, claims(nil)), 401},
		"another key in jwk":                  {signed(t, jwt.SigningMethodRS256, other, map[string]any{"jwk": jwkOf("evil", &other.PublicKey)}, claims(nil)), 401},
		"other claims under a signature":      {part[0] + "." + payload + "." + part[2], 401},
		"no signature":                        {part[0] + "." + part[1] + ".", 401},
		"dots":                                {strings.Repeat(".", 7000), 401},
		"two dots":                            {"..", 401},
		"very long":                           {part[0] + "." + strings.Repeat("A", 20<<10) + "." + part[2], 401},
		"a fourth part":                       {good + ".x", 401},
	} {
		gate := &access.Gate{JWT: tokens}
		caller, err := gate.Check(request(t, http.Header{"Authorization": {"Bearer " + tc.token}}), spec.ScopeWrite, netip.Addr{})
		got := 0
		refused := new(spec.Problem)
		if errors.As(err, &refused) {
			got = refused.Status
		} else if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got != tc.want || got == 0 && (caller.ID != "subject exporter" || caller.Scope != spec.ScopeWrite) {
			t.Errorf("%s: %d %v, want %d", name, got, err, tc.want)
		}
		if errors.As(err, &refused) && tc.want == 401 && !strings.Contains(access.Challenge(refused), "invalid_token") {
			t.Errorf("%s: WWW-Authenticate is %s", name, access.Challenge(refused))
		}
	}
	if n := baited.Load(); n != 0 {
		t.Errorf("%d requests went to an address that a token named", n)
	}
}

// Keys that change at the address of the settings, and that are away when the service starts.
func TestJWKS(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	var fetched atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if fetched.Add(1) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable) // it is away when the service starts
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": []any{jwkOf("second", &key.PublicKey)}})
	}))
	defer server.Close()
	tokens, err := access.NewJWT(t.Context(), access.JWTConfig{Algorithms: []string{"RS256"}, JWKSURL: server.URL, Log: slog.New(slog.DiscardHandler), Issuer: issuer, Audience: audience, ScopeClaim: "scope"})
	if err != nil {
		t.Fatal(err)
	}
	gate := &access.Gate{JWT: tokens}
	check := func(kid string) error {
		_, err := gate.Check(request(t, http.Header{"X-Api-Key": {signed(t, jwt.SigningMethodRS256, key, map[string]any{"kid": kid}, claims(nil))}}), spec.ScopeRead, netip.Addr{})
		return err
	}
	if err := check("second"); err != nil {
		t.Errorf("the key that came later: %v", err)
	}
	for range 20 {
		if check("unknown") == nil {
			t.Error("a key that is not there is taken")
		}
	}
	if n := fetched.Load(); n > 3 {
		t.Errorf("unknown keys made the service fetch the set %d times", n)
	}
}

func request(t *testing.T, header http.Header) *http.Request {
	return (&http.Request{Method: http.MethodGet, Header: header}).WithContext(t.Context())
}
