// Package transfer moves datasets, runs and simulations between files and a foldbook server, over the server's API.
//
// A file holds one JSON document: the body of POST /api/datasets, /api/runs or /api/simulations. What Export writes,
// Import takes back, and the server then holds the same values to the last digit.
package transfer

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Kind is what a document is about.
type Kind string

// The kinds, in the order in which one needs the other.
const (
	Dataset    Kind = "dataset"
	Run        Kind = "run"
	Simulation Kind = "simulation"
)

// Kinds is all of them, parents first.
var Kinds = []Kind{Dataset, Run, Simulation}

// plural is the name of the kind in the paths and envelopes of the API.
func (k Kind) plural() string { return string(k) + "s" }

// RefusedError is an answer of the server that is not a success.
type RefusedError struct {
	Status  int
	Code    string        // for programs, such as invalid_body
	Message string        // for people; of a fault in a body it begins with the path of the value, as in folds[17].status
	After   time.Duration // what Retry-After asked for
}

func (e *RefusedError) Error() string {
	verb := "refuses it"
	if e.Status >= http.StatusInternalServerError {
		verb = "failed"
	}
	return fmt.Sprintf("the server %s (%d %s): %s", verb, e.Status, e.Code, e.Message)
}

// AwayError says that a server could not be reached, or was not ready, for as long as it was waited for.
type AwayError struct {
	Server string
	Waited time.Duration
	Err    error // the last failure
}

func (e *AwayError) Error() string {
	return fmt.Sprintf("%s is away, after trying for %s: %v", e.Server, e.Waited.Round(time.Second), e.Err)
}

func (e *AwayError) Unwrap() error { return e.Err }

// Client talks to one server. What can pass (no connection, 429, 502, 503, 504) is tried again for Wait, with growing
// pauses or those that the server asks for.
type Client struct {
	Wait time.Duration
	Note func(text string) // is told when a server is waited for; may be nil

	Token string // a key of the server, empty for none

	base *url.URL
	http *http.Client
}

// ErrServer says that the address of a server makes no sense.
var ErrServer = errors.New("is not the address of a server: write http://host:port")

// New returns a client of the server at an http or https URL.
func New(server string) (*Client, error) {
	u, err := url.Parse(server)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.RawQuery != "" {
		return nil, ErrServer
	}
	u.Path = strings.TrimSuffix(strings.TrimSuffix(u.Path, "/"), "/api")
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		// A server that refuses a large body should not have to read it first.
		ExpectContinueTimeout: time.Second,
		ResponseHeaderTimeout: 2 * time.Minute,
		TLSHandshakeTimeout:   10 * time.Second,
		IdleConnTimeout:       30 * time.Second, // below the server's
	}
	// A POST that follows a redirect becomes a GET; foldbook itself redirects nothing.
	asItIs := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Client{Wait: time.Minute, base: u, http: &http.Client{Transport: transport, CheckRedirect: asItIs}}, nil
}

// Server is the address without a password.
func (c *Client) Server() string {
	u := *c.base
	u.User = nil
	return u.String()
}

// maxAnswer is as much as is read of an answer to a write, or of one that is no success.
const maxAnswer = 1 << 20

// send makes one request. The caller closes the body of the answer, which is a success or 304.
func (c *Client) send(
	ctx context.Context, method, path string, query url.Values, change func(*http.Request) error,
) (*http.Response, error) {
	u := c.base.JoinPath(path)
	u.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, method, u.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("make a request: %w", err)
	}
	// Else the answer is compressed for the way, which takes longer than the way where this is used.
	req.Header.Set("Accept-Encoding", "identity")
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	if change != nil {
		if err := change(req); err != nil {
			return nil, err
		}
	}
	resp, err := c.http.Do(req)
	if err != nil {
		var wrapped *url.Error // its text has the URL, which may hold a password
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return nil, err
	}
	if resp.StatusCode/100 == 2 || resp.StatusCode == http.StatusNotModified {
		return resp, nil
	}
	defer func() { _ = resp.Body.Close() }()
	return nil, refusal(resp)
}

func refusal(resp *http.Response) error {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	e := &RefusedError{Status: resp.StatusCode}
	var answer struct{ Message, Code string }
	if err == nil && json.Unmarshal(body, &answer) == nil && answer.Message != "" {
		e.Message, e.Code = answer.Message, answer.Code
	} else { // not foldbook, perhaps a proxy before it
		e.Message, e.Code = "no reason is given; is this a foldbook server?", http.StatusText(resp.StatusCode)
	}
	if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && seconds > 0 {
		e.After = time.Duration(seconds) * time.Second
	}
	return e
}

const (
	firstPause = 200 * time.Millisecond
	maxPause   = 5 * time.Second
)

// retry calls f until it succeeds, fails for good, or has failed for c.Wait.
func (c *Client) retry(ctx context.Context, f func() error) error {
	began, pause := time.Now(), firstPause
	for {
		err := f()
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case !passing(err):
			return err
		}
		wait := pause
		var refused *RefusedError
		if errors.As(err, &refused) {
			wait = max(wait, refused.After)
		}
		if since := time.Since(began); since+wait > c.Wait {
			return &AwayError{c.Server(), since, err}
		}
		if c.Note != nil {
			c.Note(fmt.Sprintf("%s is away, trying again: %v", c.Server(), err))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
		pause = min(2*pause, maxPause)
	}
}

// passing tells failures after which the same request can succeed.
func passing(err error) bool {
	var refused *RefusedError
	if errors.As(err, &refused) {
		switch refused.Status {
		case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return true
		}
		return false
	}
	var own *permanentError
	var certificate *tls.CertificateVerificationError
	var local *fs.PathError
	return !errors.As(err, &own) && !errors.As(err, &certificate) && !errors.As(err, &local)
}

// permanentError is a failure that trying again does not mend.
type permanentError struct{ err error }

func (e *permanentError) Error() string { return e.err.Error() }
func (e *permanentError) Unwrap() error { return e.err }

// Call makes a request without a body and returns the JSON of its answer.
func (c *Client) Call(ctx context.Context, method, path string, query url.Values) (answer []byte, err error) {
	err = c.retry(ctx, func() error {
		resp, err := c.send(ctx, method, path, query, nil)
		if err != nil {
			return err
		}
		defer func() { _ = resp.Body.Close() }()
		answer, err = io.ReadAll(resp.Body)
		return err
	})
	return answer, err
}

// Post stores a record, whose repeat changes nothing.
func (c *Client) Post(ctx context.Context, path string, record any) error {
	text, err := json.Marshal(record)
	if err != nil {
		return fmt.Errorf("encode for %s: %w", path, err)
	}
	return c.retry(ctx, func() error {
		resp, err := c.send(ctx, http.MethodPost, path, nil, func(req *http.Request) error {
			req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
			req.Header.Set("Content-Type", "application/json")
			return nil
		})
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, resp.Body)
		return errors.Join(err, resp.Body.Close())
	})
}

// Find returns what has an id, the slug of a dataset, or the name of a run or simulation.
func (c *Client) Find(ctx context.Context, name string) (found []Ref, err error) {
	if id, err := uuid.Parse(name); err == nil {
		for _, kind := range []Kind{Run, Simulation, Dataset} {
			ref := Ref{kind, id.String()}
			if _, err = c.Call(ctx, http.MethodGet, ref.Path(), nil); !isMissing(err) {
				return []Ref{ref}, err
			}
		}
		return nil, nil
	}
	for _, of := range []struct {
		kind  Kind
		path  string
		query url.Values
	}{
		{Dataset, "/api/datasets/" + url.PathEscape(name), nil},
		{Run, "/api/runs", url.Values{"name": {name}, "fields": {"run_id"}}},
		{Simulation, "/api/simulations", url.Values{"name": {name}, "fields": {"simulation_id"}}},
	} {
		body, err := c.Call(ctx, http.MethodGet, of.path, of.query)
		if isMissing(err) {
			continue
		}
		var answer struct {
			DatasetID   string              `json:"dataset_id"`
			Runs        []map[string]string `json:"runs"`
			Simulations []map[string]string `json:"simulations"`
		}
		if err = errors.Join(err, json.Unmarshal(body, &answer)); err != nil {
			return nil, err
		}
		if answer.DatasetID != "" {
			found = append(found, Ref{Dataset, answer.DatasetID})
		}
		for _, row := range append(answer.Runs, answer.Simulations...) {
			found = append(found, Ref{of.kind, row[string(of.kind)+"_id"]})
		}
	}
	return found, nil
}

func isMissing(err error) bool {
	var refused *RefusedError
	return errors.As(err, &refused) && refused.Status == http.StatusNotFound
}
