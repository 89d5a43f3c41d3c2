package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// client talks to the service.
type client struct {
	base   string
	http   *http.Client
	pauses []time.Duration // between the rounds of settle
}

func newClient(base string) *client {
	return &client{
		base: strings.TrimSuffix(base, "/"), http: &http.Client{Timeout: time.Minute},
		pauses: []time.Duration{200 * time.Millisecond, 400 * time.Millisecond, 600 * time.Millisecond, 800 * time.Millisecond},
	}
}

// refusal is an answer that is none of success.
type refusal struct {
	status  int
	code    string
	message string
}

func (e *refusal) Error() string { return fmt.Sprintf("%d %s: %s", e.status, e.code, e.message) }

// get reads an answer; numbers stay as they were sent.
func (c *client) get(ctx context.Context, path string) (map[string]any, error) {
	return c.call(ctx, http.MethodGet, path, nil)
}

func (c *client) post(ctx context.Context, path string, body any) (map[string]any, error) {
	return c.call(ctx, http.MethodPost, path, body)
}

func (c *client) call(ctx context.Context, method, path string, body any) (map[string]any, error) {
	var in io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("encode for %s: %w", path, err)
		}
		in = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, in)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	var answer map[string]any
	d := json.NewDecoder(res.Body)
	d.UseNumber()
	err = d.Decode(&answer)
	switch {
	case res.StatusCode/100 != 2:
		refused := &refusal{status: res.StatusCode}
		refused.code, _ = answer["code"].(string)
		refused.message, _ = answer["message"].(string)
		return nil, fmt.Errorf("%s %s: %w", method, path, refused)
	case err != nil:
		return nil, fmt.Errorf("%s %s: read the answer: %w", method, path, err)
	}
	return answer, nil
}

// settle sends something, reads it again and compares, until the two are the same: five rounds at most. A caller's
// mistake ends it at once; a service that is away, or has not all yet, is asked again, for all that is sent may be sent
// twice. check returns what differs, or nothing.
func (c *client) settle(ctx context.Context, send func() error, check func() (string, error)) error {
	for round := 0; ; round++ {
		err := send()
		if err == nil {
			var differs string
			if differs, err = check(); err == nil && differs == "" {
				return nil
			} else if err == nil {
				err = errors.New("what is read back is not what was sent: " + differs)
			}
		}
		refused := new(refusal)
		if round == len(c.pauses) || errors.As(err, &refused) && refused.status < 500 {
			return err
		}
		select {
		case <-time.After(c.pauses[round]):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
