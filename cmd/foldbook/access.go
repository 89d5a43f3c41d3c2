package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"

	"foldbook/api"
	"foldbook/api/spec"
	"foldbook/db"
	"foldbook/internal/access"
)

// The values of AUTH_MODE.
const (
	authOff  = "off"
	authKeys = "keys"
	authJWT  = "jwt"
)

// shortestToken is the length of a token that nobody guesses.
const shortestToken = 16

// checkAccess adds what is wrong with the settings of callers. It shows no token.
func (c config) checkAccess(add func(ok bool, format string, args ...any)) {
	for _, mode := range c.AuthMode {
		add(slices.Contains([]string{authOff, authKeys, authJWT}, mode) && (mode != authOff || len(c.AuthMode) == 1),
			"AUTH_MODE=%q is none of off, keys, jwt and keys,jwt", strings.Join(c.AuthMode, ","))
	}
	tokens := slices.Concat(c.AuthTokens, c.AuthReadTokens)
	add(len(tokens) == 0 || slices.Contains(c.AuthMode, authKeys),
		"AUTH_TOKENS and AUTH_READ_TOKENS need AUTH_MODE=keys, without which nobody is asked for them")
	for _, token := range tokens {
		add(len(token) >= shortestToken,
			"AUTH_TOKENS or AUTH_READ_TOKENS has a token of %d characters: at least %d, as openssl rand -hex 16 makes them",
			len(token), shortestToken)
	}
	if slices.Contains(c.AuthMode, authJWT) {
		add((c.JWTKeyFile == "") != (c.JWTJWKSURL == ""), "AUTH_MODE=jwt needs the keys of the issuer: AUTH_JWT_KEY_FILE, or AUTH_JWT_JWKS_URL")
		add(c.JWTJWKSURL == "" || isHTTP(c.JWTJWKSURL), "AUTH_JWT_JWKS_URL is not a URL: write https://issuer.example/.well-known/jwks.json")
		add(c.JWTIssuer != "" && c.JWTAudience != "", "AUTH_MODE=jwt needs AUTH_JWT_ISSUER and AUTH_JWT_AUDIENCE, which each token has to name")
		for _, algorithm := range c.JWTAlgorithms {
			add(slices.Contains(access.Algorithms, algorithm),
				"AUTH_JWT_ALGORITHMS has %q: write some of %s", algorithm, strings.Join(access.Algorithms, ", "))
		}
	}
	for _, path := range c.AuthOpenReads {
		add(path == api.OlderReads || spec.Reads(path),
			"AUTH_OPEN_READS has %q: write older, or paths as in openapi.yaml, like /api/datasets/{dataset_id}, separated by commas", path)
	}
}

// checkLimits adds what is wrong with the settings of limits.
func (c config) checkLimits(add func(ok bool, format string, args ...any)) {
	for _, limit := range []struct {
		name  string
		value float64
	}{
		{"LIMIT_READS", c.LimitReads}, {"LIMIT_WRITES", c.LimitWrites}, {"LIMIT_STREAMS", c.LimitStreams}, {"LIMIT_FAILURES", c.LimitFailures},
	} {
		add(limit.value == 0 || limit.value >= 0.001 && limit.value <= 1e6,
			"%s=%v is neither 0 nor from 0.001 to 1000000", limit.name, limit.value)
	}
	add(c.LimitInFlight >= 0 && c.LimitInFlight <= 1e6, "LIMIT_IN_FLIGHT=%d is outside 0 to 1000000", c.LimitInFlight)
	_, err := c.proxies()
	add(err == nil, "TRUSTED_PROXIES %v: write addresses and networks like 127.0.0.1,10.0.0.0/8, separated by commas", err)
}

// limits are those of each caller.
func (c config) limits() map[spec.Budget]*access.Limiter {
	return map[spec.Budget]*access.Limiter{
		spec.BudgetReads:   access.NewLimiter(spec.BudgetReads, c.LimitReads),
		spec.BudgetWrites:  access.NewLimiter(spec.BudgetWrites, c.LimitWrites),
		spec.BudgetStreams: access.NewLimiter(spec.BudgetStreams, c.LimitStreams),
	}
}

// proxies are those whose word on the address of a client is believed.
func (c config) proxies() (proxies access.Proxies, err error) {
	for _, text := range c.TrustedProxies {
		network, err := netip.ParsePrefix(text)
		if addr, err2 := netip.ParseAddr(text); err2 == nil {
			network, err = addr.Prefix(addr.BitLen())
		}
		if err != nil {
			return nil, fmt.Errorf("has %q", text)
		}
		proxies = append(proxies, network)
	}
	return proxies, nil
}

// checkExposure refuses to let other machines in without a credential, unless it is said in so many words that this is meant.
func (c config) checkExposure() error {
	ip := net.ParseIP(c.Host)
	if !slices.Contains(c.AuthMode, authOff) || c.AuthOffBeyondLoopback || c.Host == "localhost" || ip != nil && ip.IsLoopback() {
		return nil
	}
	return configError{fmt.Sprintf("HOST=%s can be reached from other machines, and AUTH_MODE=off lets everybody there read, change "+
		"and delete everything: "+
		"set AUTH_MODE=keys and make a key (foldbook key create), or AUTH_OFF_BEYOND_LOOPBACK=true if that is meant", c.Host)}
}

// gate is who is let in; nil lets everybody in.
func (c config) gate(ctx context.Context, keys *db.DB, log *slog.Logger) (*access.Gate, error) {
	if slices.Contains(c.AuthMode, authOff) {
		return nil, nil
	}
	gate := &access.Gate{Failures: access.NewLimiter(spec.BudgetFailures, c.LimitFailures)}
	if slices.Contains(c.AuthMode, authJWT) {
		var err error
		if gate.JWT, err = access.NewJWT(ctx, access.JWTConfig{
			Algorithms: c.JWTAlgorithms, KeyFile: c.JWTKeyFile, JWKSURL: c.JWTJWKSURL, Issuer: c.JWTIssuer, Audience: c.JWTAudience,
			ScopeClaim: c.JWTScopeClaim, Log: log,
		}); err != nil {
			return nil, err
		}
	}
	if slices.Contains(c.AuthMode, authKeys) {
		gate.Keys = access.NewKeys(keys)
	}
	for i, token := range c.AuthTokens {
		gate.AddToken(token, fmt.Sprintf("token %d of AUTH_TOKENS", i+1), spec.ScopeAdmin)
	}
	for i, token := range c.AuthReadTokens {
		gate.AddToken(token, fmt.Sprintf("token %d of AUTH_READ_TOKENS", i+1), spec.ScopeRead)
	}
	return gate, nil
}
