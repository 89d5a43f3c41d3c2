// Package questdb is a thin client of QuestDB, the store of the series.
package questdb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Config says where QuestDB's HTTP interface is. User and Password are for HTTP basic authentication, empty for none.
type Config struct {
	HTTPURL        string
	User, Password string
}

// Client talks to one QuestDB. It is made without connecting, so it outlives any outage.
type Client struct {
	exec           string // URL of /exec
	user, password string
	http           *http.Client
}

// New makes a client. It fails on a URL that is not http or https.
func New(cfg Config) (*Client, error) {
	u, err := url.Parse(cfg.HTTPURL)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, errors.New("the QuestDB URL is not an http:// or https:// address")
	}
	transport := &http.Transport{
		DialContext:           (&net.Dialer{Timeout: time.Second}).DialContext,
		ResponseHeaderTimeout: 2 * time.Second,
		IdleConnTimeout:       30 * time.Second,
		MaxIdleConnsPerHost:   2,
	}
	return &Client{
		exec:     strings.TrimSuffix(u.String(), "/") + "/exec",
		user:     cfg.User,
		password: cfg.Password,
		http:     &http.Client{Transport: transport},
	}, nil
}

// Ping returns nil when QuestDB answers a query. A server that only accepts connections, or that answers 200 with an
// error in the body, as QuestDB does, is not up. Errors carry neither the password nor the server's text.
func (c *Client) Ping(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.exec+"?query="+url.QueryEscape("select 1 one"), nil)
	if err != nil {
		return fmt.Errorf("ping QuestDB: %w", err)
	}
	if c.user != "" {
		req.SetBasicAuth(c.user, c.password)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("ping QuestDB: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	var answer struct {
		Dataset [][]int `json:"dataset"`
		Error   string  `json:"error"`
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("ping QuestDB: status %d", res.StatusCode)
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, 64<<10)).Decode(&answer); err != nil {
		return fmt.Errorf("ping QuestDB: read the answer: %w", err)
	}
	if answer.Error != "" || len(answer.Dataset) != 1 {
		return errors.New("ping QuestDB: it answers, but not the query")
	}
	return nil
}
