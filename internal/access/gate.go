// Package access decides which requests are answered, before any route is called: to which host names, for which pages of browsers,
// and for which holders of keys and tokens.
package access

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"foldbook/api/spec"
)

// Caller is who sent a request.
type Caller struct {
	ID    string // for logs and limits; it is no secret
	Scope spec.Scope
}

// Gate tells who sends a request. The zero value lets nobody in.
type Gate struct {
	Keys     *Keys    // nil: none are taken
	JWT      *JWT     // nil: none are taken
	Failures *Limiter // of credentials that do not hold, for each address
	tokens   []token
}

type token struct {
	hash   [sha256.Size]byte
	caller Caller
}

// AddToken lets the holder of a text of the settings in.
func (g *Gate) AddToken(text, id string, scope spec.Scope) {
	g.tokens = append(g.tokens, token{sha256.Sum256([]byte(text)), Caller{ID: id, Scope: scope}})
}

// Check returns who sends a request that needs a scope, from an address; spec.ScopeNone is a route that is open to everybody. Its
// error is the answer to somebody who may not.
func (g *Gate) Check(r *http.Request, needed spec.Scope, from netip.Addr) (*Caller, error) {
	if needed == spec.ScopeNone {
		return nil, nil
	}
	secret, err := credential(r)
	if err != nil {
		return nil, err
	}
	if err := g.Failures.left(from); err != nil {
		return nil, err
	}
	caller, err := g.identify(r.Context(), secret)
	if refused := new(spec.Problem); errors.As(err, &refused) && refused.Status == http.StatusUnauthorized {
		g.Failures.charge(from)
	}
	if err != nil {
		return nil, err
	}
	if !caller.Scope.Includes(needed) {
		p := spec.NewProblem(http.StatusForbidden, spec.ErrorCodeForbidden,
			fmt.Sprintf("this needs the scope %s, and %s has %s", needed, caller.ID, caller.Scope))
		p.Details = map[string]any{"scope": needed}
		return caller, p
	}
	return caller, nil
}

func (g *Gate) identify(ctx context.Context, secret string) (*Caller, error) {
	hash := sha256.Sum256([]byte(secret))
	var found *Caller
	for i := range g.tokens { // all of them, so that the time says nothing
		if subtle.ConstantTimeCompare(g.tokens[i].hash[:], hash[:]) == 1 {
			found = &g.tokens[i].caller
		}
	}
	switch {
	case found != nil:
		return found, nil
	case g.Keys != nil && isKey(secret):
		return g.Keys.caller(ctx, secret)
	case g.JWT != nil && strings.Count(secret, ".") == 2:
		return g.JWT.caller(secret)
	}
	return nil, unauthorized("the credential is not valid")
}

// credential is what a request sends in one of the three headers, or in several of them the same, or else in the cookie of a session.
func credential(r *http.Request) (string, error) {
	var sent []string
	for _, value := range r.Header["Authorization"] {
		scheme, secret, _ := strings.Cut(value, " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return "", unauthorized("Authorization is not Bearer, followed by a key or a token")
		}
		sent = append(sent, strings.TrimSpace(secret))
	}
	sent = append(append(sent, r.Header["X-Api-Key"]...), r.Header["X-Stage1-Token"]...)
	sent = slices.Compact(sent)
	if len(sent) == 0 {
		sent = append(sent, sessionOf(r))
	}
	switch {
	case len(sent) == 1 && sent[0] == "":
		return "", unauthorized("this needs a credential: send a key as Authorization: Bearer, X-API-Key or X-Stage1-Token")
	case len(sent) > 1:
		return "", unauthorized("the request has several credentials")
	}
	return sent[0], nil
}

func unauthorized(message string) *spec.Problem {
	return spec.NewProblem(http.StatusUnauthorized, spec.ErrorCodeUnauthorized, message)
}

// Challenge is the header WWW-Authenticate of a refusal, empty where it takes none.
func Challenge(p *spec.Problem) string {
	switch {
	case p.Status == http.StatusUnauthorized && strings.HasPrefix(p.Message, "this needs"):
		return `Bearer realm="foldbook"`
	case p.Status == http.StatusUnauthorized:
		return fmt.Sprintf(`Bearer realm="foldbook", error="invalid_token", error_description=%q`, p.Message)
	case p.Details["scope"] != nil:
		return fmt.Sprintf(`Bearer realm="foldbook", error="insufficient_scope", scope="%v"`, p.Details["scope"])
	}
	return ""
}
