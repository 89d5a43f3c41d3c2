package api

import (
	"context"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// TestClosedConnection: a connection that is lost while rows arrive ends in an error that pgx does not call safe to retry.
// A read is repeated all the same, and its answer is 503, never 500.
func TestClosedConnection(t *testing.T) {
	t.Parallel()
	err := fmt.Errorf("list folds: %w", pgconn.ErrConnClosed)
	if pgconn.SafeToRetry(err) {
		t.Fatal("the error says that the statement did not run: it is not the one that this test is about")
	}
	if !transient(err) {
		t.Error("the read is not repeated")
	}
	if answer := classify(context.Background(), err); answer != errAway {
		t.Errorf("got %d %s, want %d %s", answer.Status, answer.Code, errAway.Status, errAway.Code)
	}
}
