package seed

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

// client talks to the service. What is sent may be sent twice, so a service that does not answer is asked again after each pause.
type client struct {
	base   string
	http   *http.Client
	pauses []time.Duration
}

func newClient(base string) *client {
	return &client{
		base: strings.TrimSuffix(base, "/"), http: &http.Client{Timeout: time.Minute},
		pauses: []time.Duration{200 * time.Millisecond, 400 * time.Millisecond, 600 * time.Millisecond, 800 * time.Millisecond},
	}
}

// refusal is an answer that is not a success.
type refusal struct {
	Status  int `json:"-"`
	Code    string
	Message string
}

func (e *refusal) Error() string { return fmt.Sprintf("%d %s: %s", e.Status, e.Code, e.Message) }

// call sends a request and lets read take the body of the answer; body is sent as JSON, unless it is nil.
func (c *client) call(ctx context.Context, method, path string, body any, read func(*json.Decoder) error) error {
	var in io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("encode for %s: %w", path, err)
		}
		in = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, in)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	answer := json.NewDecoder(res.Body)
	if res.StatusCode/100 != 2 {
		refused := &refusal{Status: res.StatusCode}
		_ = answer.Decode(refused) // a proxy's answer has no message
		return fmt.Errorf("%s %s: %w", method, path, refused)
	}
	if err := read(answer); err != nil {
		return fmt.Errorf("%s %s: read the answer: %w", method, path, err)
	}
	return nil
}

// settle makes the service hold a piece. It ends at once when the caller made a mistake.
func (c *client) settle(ctx context.Context, p piece) error {
	for _, pause := range c.pauses {
		err := c.store(ctx, p)
		refused := new(refusal)
		if err == nil || errors.As(err, &refused) && refused.Status < http.StatusInternalServerError {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return c.store(ctx, p)
}

// store sends the piece, unless the service holds it, and reads it back.
func (c *client) store(ctx context.Context, p piece) error {
	differs, err := p.check(ctx)
	refused := new(refusal)
	if errors.As(err, &refused) && refused.Status == http.StatusNotFound {
		differs, err = "it is not there", nil
	}
	if err != nil || differs == "" {
		return err
	}
	if err := c.call(ctx, http.MethodPost, p.path, p.body, func(*json.Decoder) error { return nil }); err != nil {
		return err
	}
	if differs, err = p.check(ctx); err == nil && differs != "" {
		err = errors.New("what is read back is not what was sent: " + differs)
	}
	return err
}
