package questdb

import (
	"context"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
)

// maxStatements is how many statements of callers run at a time. They have connections of their own, so that they take none from
// what the service itself reads.
const maxStatements = 4

// Query runs one statement that a caller wrote, as Config.ReadOnlyUser if there is one: only then does QuestDB itself make
// sure that nothing is changed. The rows have to be closed.
// Errors: a *Refused when QuestDB refuses the statement, ErrUnavailable, ErrBusy, ErrTimeout, ErrBroken.
func (c *Client) Query(ctx context.Context, sql string) (*Rows, error) {
	if !utf8.ValidString(sql) || strings.ContainsRune(sql, 0) { // a zero byte would end the statement within its message
		return nil, &Refused{Message: "the statement is not text"}
	}
	if strings.TrimSpace(sql) == "" {
		return nil, &Refused{Message: "empty query"}
	}
	if !c.statements.TryAcquire(1) {
		return nil, ErrBusy
	}
	rows, err := placed(ctx, func() { c.statements.Release(1) }, func() (*Rows, error) {
		if c.callers == nil {
			return c.exec(ctx, sql)
		}
		// Described each time: statements differ, and a table may have changed.
		return c.pgQuery(ctx, c.callers, pgx.QueryExecModeDescribeExec, sql, nil)
	})
	if as := new(refusedAs); errors.As(err, &as) && !errors.Is(err, ErrTimeout) && !errors.Is(err, ErrBroken) {
		return nil, &as.refused
	}
	return rows, err
}
