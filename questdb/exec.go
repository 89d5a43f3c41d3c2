package questdb

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// maxExecSQL is the longest statement in a URL: beyond about 32,000 bytes QuestDB closes the connection without an answer.
const maxExecSQL = 30000

// execQuery runs a statement over /exec, with its values as literals, and returns when the first row has arrived. It does not
// count against the pool.
func (c *Client) execQuery(ctx context.Context, s *statement) (*Rows, error) {
	if s.err != nil {
		return nil, s.err
	}
	rows, err := c.exec(ctx, s.literal())
	if err == nil {
		rows.setTypes(s.types)
	}
	return rows, err
}

func (c *Client) exec(ctx context.Context, sql string) (*Rows, error) {
	a, err := c.get(ctx, "/exec?query=", sql)
	if err != nil {
		return nil, err
	}
	defer a.limit.Stop()
	res := a.res
	source := &execSource{ctx: a.ctx, cancel: a.cancel, sql: sql, body: res.Body}
	source.json = jsontext.NewDecoder(source, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if res.StatusCode != http.StatusOK && res.StatusCode != http.StatusBadRequest && res.StatusCode != http.StatusForbidden {
		_ = source.close(false)
		return nil, statusError(res.StatusCode)
	}
	rows := &Rows{source: source, json: true}
	if rows.Fields, err = source.head(); err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%w: status %d", ErrBroken, res.StatusCode)
	}
	if err != nil {
		_ = source.close(false)
		return nil, err
	}
	rows.peek()
	return rows, rows.err
}

// httpAnswer is an answer whose head has arrived. It ends with its context.
type httpAnswer struct {
	res    *http.Response
	ctx    context.Context
	cancel context.CancelCauseFunc
	limit  *time.Timer // to be stopped when as much is there as has to be within AnswerTimeout
}

// get asks for the result of a statement, and waits for the head of the answer.
func (c *Client) get(ctx context.Context, path, sql string) (a httpAnswer, err error) {
	escaped := url.QueryEscape(sql)
	if len(escaped) > maxExecSQL {
		return a, &Refused{Message: fmt.Sprintf("the statement is too long for QuestDB's HTTP interface: %d bytes of at most %d",
			len(escaped), maxExecSQL)}
	}
	a.ctx, a.cancel = context.WithCancelCause(ctx)
	a.limit = time.AfterFunc(c.cfg.AnswerTimeout, func() { a.cancel(errNoAnswer) })
	req, err := http.NewRequestWithContext(a.ctx, http.MethodGet, c.base.String()+path+escaped, nil)
	if err != nil {
		a.limit.Stop()
		a.cancel(nil)
		return a, ErrUnavailable
	}
	if c.cfg.User != "" {
		req.SetBasicAuth(c.cfg.User, c.cfg.Password)
	}
	if a.res, err = c.http.Do(req); err != nil { //nolint:bodyclose // the caller does
		a.limit.Stop()
		defer a.cancel(nil)
		return a, failure(a.ctx, err, sql, false)
	}
	return a, nil
}

// statusError is the error of an answer that is not QuestDB's JSON.
func statusError(status int) error {
	switch status {
	case http.StatusUnauthorized:
		return fmt.Errorf("%w: it does not accept the user or the password", ErrUnavailable)
	case http.StatusBadGateway, http.StatusServiceUnavailable:
		return fmt.Errorf("%w: status %d", ErrUnavailable, status)
	case http.StatusGatewayTimeout:
		return fmt.Errorf("%w: status %d", ErrTimeout, status)
	}
	return fmt.Errorf("%w: status %d", ErrBroken, status)
}

// do runs a statement that returns no rows, always over HTTP.
func (c *Client) do(ctx context.Context, s *statement) error {
	rows, err := c.execQuery(ctx, s)
	return each(rows, err, func(*Rows) {})
}

// Read is for the decoder. It bounds the length of one row, and of everything before the first row.
func (e *execSource) Read(b []byte) (int, error) {
	if e.budget <= 0 {
		return 0, errTooLarge
	}
	n, err := e.body.Read(b[:min(len(b), e.budget)])
	e.budget -= n
	e.cut = err
	return n, err
}

var errTooLarge = fmt.Errorf("%w: one row is larger than %d bytes", ErrBroken, maxRow)

// maxRow is far above the length of any row of the service.
const maxRow = 8 << 20

var _ io.Reader = (*execSource)(nil)
