package access

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/time/rate"

	"foldbook/api/spec"
)

// Algorithms are those of which a setting may pin some. None has a shared secret, so that no public key can be taken for one.
var Algorithms = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}

// JWTConfig says which JSON Web Tokens are taken.
type JWTConfig struct {
	Algorithms []string
	KeyFile    string // a public key or certificate in PEM, or a JWK set in JSON
	JWKSURL    string // where a JWK set is fetched from, now and then; one of the two
	Issuer     string
	Audience   string
	ScopeClaim string // words in a text, or a list of texts
	Log        *slog.Logger
}

const (
	// jwtSkew is how far the clock of an issuer may be off.
	jwtSkew = 30 * time.Second
	// maxJWT is longer than any token with a few claims.
	maxJWT = 8 << 10
	// jwksRefresh is how often a JWK set is fetched, and jwksUnknown how often at most because of a key id that it does not have.
	jwksRefresh, jwksUnknown = 15 * time.Minute, 30 * time.Second
)

// JWT lets the holders of JSON Web Tokens in.
type JWT struct {
	parser *jwt.Parser
	keys   jwt.Keyfunc
	claim  string
}

// NewJWT reads or fetches the keys. One at an address may be away for now. What a token itself names, such as jku, x5u or jwk, is
// never looked at. The fetching ends with ctx.
func NewJWT(ctx context.Context, cfg JWTConfig) (*JWT, error) {
	keys, err := cfg.keys(ctx)
	if err != nil {
		return nil, err
	}
	return &JWT{keys: keys, claim: cfg.ScopeClaim, parser: jwt.NewParser(
		jwt.WithValidMethods(cfg.Algorithms), jwt.WithIssuer(cfg.Issuer), jwt.WithAudience(cfg.Audience),
		jwt.WithExpirationRequired(), jwt.WithLeeway(jwtSkew), jwt.WithStrictDecoding(),
	)}, nil
}

func (cfg JWTConfig) keys(ctx context.Context) (jwt.Keyfunc, error) {
	if cfg.JWKSURL != "" {
		startAnyway := true
		set, err := keyfunc.NewDefaultOverrideCtx(ctx, []string{cfg.JWKSURL}, keyfunc.Override{
			RefreshErrorHandlerFunc: func(string) func(context.Context, error) { return cfg.failed },
			HTTPTimeout:             5 * time.Second, NoErrorReturnFirstHTTPReq: &startAnyway, RefreshInterval: jwksRefresh,
			RefreshUnknownKID: rate.NewLimiter(rate.Every(jwksUnknown), 1), RateLimitWaitMax: time.Second / 2,
		})
		if err != nil {
			return nil, errors.New("AUTH_JWT_JWKS_URL cannot be used") // the error quotes it, and it may hold a secret
		}
		return set.Keyfunc, nil
	}
	text, err := os.ReadFile(cfg.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("read the key of tokens: %w", err)
	}
	if block, _ := pem.Decode(text); block != nil {
		key, err := publicKey(block)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", cfg.KeyFile, err)
		}
		return func(*jwt.Token) (any, error) { return key, nil }, nil
	}
	set, err := keyfunc.NewJWKSetJSON(text)
	if err != nil {
		return nil, fmt.Errorf("%s is neither a public key in PEM nor a JWK set: %w", cfg.KeyFile, err)
	}
	return set.Keyfunc, nil
}

// failed notes that a JWK set could not be fetched. It shows nothing of the address, which may hold a secret.
func (cfg JWTConfig) failed(ctx context.Context, err error) {
	cause := "the answer is no JWK set"
	if sent := new(url.Error); errors.As(err, &sent) {
		cause = sent.Err.Error()
	}
	cfg.Log.WarnContext(ctx, "the JWK set at AUTH_JWT_JWKS_URL cannot be fetched", "cause", cause)
}

func publicKey(block *pem.Block) (any, error) {
	switch block.Type {
	case "PUBLIC KEY":
		return x509.ParsePKIXPublicKey(block.Bytes)
	case "CERTIFICATE":
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		return certificate.PublicKey, nil
	}
	return nil, fmt.Errorf("has a %s, and a PUBLIC KEY or a CERTIFICATE is needed", block.Type)
}

func (j *JWT) caller(text string) (*Caller, error) {
	if len(text) > maxJWT {
		return nil, unauthorized("the token is too long")
	}
	claims := jwt.MapClaims{}
	_, err := j.parser.ParseWithClaims(text, claims, j.keys)
	switch {
	case errors.Is(err, jwt.ErrTokenExpired):
		return nil, unauthorized("the token has expired")
	case err != nil:
		return nil, unauthorized("the token is not valid") // why is for nobody who made it up
	}
	subject, _ := claims.GetSubject()
	caller := &Caller{ID: "subject " + spec.Short(subject)}
	scopes := words(claims[j.claim])
	for _, scope := range []spec.Scope{spec.ScopeMetrics, spec.ScopeRead, spec.ScopeWrite, spec.ScopeAdmin} { // the highest
		if slices.Contains(scopes, string(scope)) {
			caller.Scope = scope
		}
	}
	return caller, nil
}

// words are the texts of a claim of scopes: one text with blanks between them (RFC 8693), or a list.
func words(claim any) []string {
	switch claim := claim.(type) {
	case string:
		return strings.Fields(claim)
	case []any:
		var list []string
		for _, v := range claim {
			if text, ok := v.(string); ok {
				list = append(list, text)
			}
		}
		return list
	}
	return nil
}
