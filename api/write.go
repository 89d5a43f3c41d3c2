package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/labstack/echo/v4"
	"golang.org/x/sync/semaphore"

	"foldbook/api/spec"
	"foldbook/db"
	"foldbook/internal/httpbody"
	"foldbook/internal/series"
	"foldbook/questdb"
)

// maxBody is the largest body that is read, after decompression.
const maxBody = 64 << 20

// change is what the parameters of a write ask for beside its body.
type change struct {
	dryRun  bool
	ifMatch *string
	replace bool     // of what is final
	shared  []string // tables of other datasets in which QuestDB tells the rows of each apart
}

func isTrue(b *bool) bool { return b != nil && *b }

// removalPatience is how long a record waits for the removal of what was in its tables before.
const removalPatience = 3 * time.Second

// write runs f in one transaction, and again when a lost connection or a conflict with another transaction interrupted it
// before COMMIT, or while a removal is in its way: f must be able to run more than once. When the answer to COMMIT was lost, the caller
// repeats the request, which stores nothing twice because it carries its ids.
func (s *Server) write(c echo.Context, dryRun bool, f func(ctx context.Context, q *db.Queries) error) error {
	ctx := c.Request().Context()
	for deadline := time.Now().Add(removalPatience); ; {
		err := s.transact(ctx, dryRun, f)
		if pending := new(spec.Problem); !errors.As(err, &pending) || pending.Code != spec.ErrorCodeRemovalPending || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// claim refuses a record while a removal is to be done in one of its tables, or when one that it did not have before is that of a dataset
// or of another kind of record, unless it is shared. It ends the transaction of a write.
func (ch change) claim(ctx context.Context, q *db.Queries, kind series.Kind, id uuid.UUID, before ...string) error {
	free := slices.Concat(before, ch.shared, []string{tableUses[kind].shared})
	row, err := q.ClaimPlaces(ctx, db.ClaimPlacesParams{ID: id, Kind: int32(kind), Free: free})
	switch {
	case err != nil:
		return fmt.Errorf("look for removals: %w", err)
	case row.Removing == "" && row.Taken != "":
		return tableTakenError{kind, row.Taken, row.TakenBy, row.TakenKind}
	}
	return removalPending(row.Removing)
}

// tableUses are by kind what names a table, and the table that all records of the kind may share.
var tableUses = [...]struct{ record, field, shared, tag string }{
	series.Bars:        {"dataset", "indicator_measurement or ohlcv_measurement", questdb.SharedIndicators, "dataset"},
	series.Indicators:  {"dataset", "indicator_measurement or ohlcv_measurement", questdb.SharedIndicators, "dataset"},
	series.Predictions: {"run", "prediction_measurement", questdb.SharedPredictions, "run_id"},
	series.Trace:       {"simulation", "questdb_namespace", questdb.SharedTraces, "simulation_id"},
}

// tableTakenError is the error of a record of a kind whose table another record has.
type tableTakenError struct {
	kind        series.Kind
	table, name string
	by          int32 // the kind of the other one
}

func (t tableTakenError) Error() string {
	use := tableUses[t.kind]
	return fmt.Sprintf("table %s is that of %s %s: name another one as %s. Several %ss share %s, or a table that has a SYMBOL column %s",
		t.table, tableUses[t.by].record, t.name, use.field, use.record, use.shared, use.tag)
}

// claimTable refuses an import into a table that is still to be removed.
func claimTable(ctx context.Context, q *db.Queries, table string) error {
	removing, err := q.ClaimTable(ctx, table)
	if err != nil {
		return fmt.Errorf("look for removals: %w", err)
	}
	return removalPending(removing)
}

func removalPending(table string) error {
	if table == "" {
		return nil
	}
	return spec.NewProblem(http.StatusConflict, spec.ErrorCodeRemovalPending,
		"rows of a deleted record are still to be removed from table "+table+": repeat the request later; /api/health shows what is pending")
}

// writeTagged is write for an f that returns the new ETag, which is sent unless it is a dry run.
func (s *Server) writeTagged(c echo.Context, dryRun bool, f func(ctx context.Context, q *db.Queries) (string, error)) error {
	var tag string
	err := s.write(c, dryRun, func(ctx context.Context, q *db.Queries) (err error) {
		tag, err = f(ctx, q)
		return err
	})
	if err == nil && !dryRun {
		c.Response().Header().Set("ETag", tag)
	}
	return err
}

// openBody begins to read a body of at most limit bytes. Values that are decoded from it may be used until it is closed.
func (s *Server) openBody(c echo.Context, limit int64) *httpbody.Body {
	b := s.receiver.Open(c.Response(), c.Request(), limit)
	switch value, given := c.QueryParams()["nonfinite"]; {
	case given && value[0] == "null":
		b.TakeNonfinite()
	case given:
		b.Refuse(spec.InvalidParameter("nonfinite", "is not null"))
	}
	return b
}

// acquire waits for a semaphore. When the time of ctx is over, the database is busy.
func acquire(ctx context.Context, from *semaphore.Weighted) error {
	err := from.Acquire(ctx, 1)
	if errors.Is(err, context.DeadlineExceeded) {
		return db.ErrPoolBusy
	}
	return err
}

// transact is write as a part of a request. It waits for other writes for at most WriteTimeout, and then works for at most as long.
func (s *Server) transact(ctx context.Context, dryRun bool, f func(ctx context.Context, q *db.Queries) error) error {
	queue, leave := context.WithTimeout(ctx, s.WriteTimeout)
	defer leave()
	if err := acquire(queue, s.writes); err != nil {
		return err
	}
	defer s.writes.Release(1)
	ctx, cancel := context.WithTimeout(ctx, s.WriteTimeout)
	defer cancel()
	began := time.Now()
	again := func(err error) bool { return repeatable(err) && time.Since(began) <= s.RequestTimeout }
	err := retry(ctx, again, func() error {
		return s.DB.InTx(ctx, dryRun, func(q *db.Queries) error { return f(ctx, q) })
	})
	if err == nil {
		s.Events.Wake()
	}
	return err
}

// errRaced is the error of a write that found no row to lock, but then one to replace: another transaction created it meanwhile.
var errRaced = errors.New("another transaction created it meanwhile")

// repeatable recognises errors after which the same transaction can succeed: transient ones, and a row that another
// transaction created between the check and the write, which the next check finds.
func repeatable(err error) bool {
	switch {
	case errors.Is(err, db.ErrUnknownOutcome): // it may be stored
		return false
	case errors.Is(err, errRaced):
		return true
	}
	var e *pgconn.PgError
	if errors.As(err, &e) {
		switch e.Code {
		case "40001", "40P01":
			return true
		case "23505":
			return e.ConstraintName == db.DatasetSlugKey
		}
	}
	return transient(err)
}

// replaceRows stores the rows of a parent by COPY, in the pieces that each hands out, after remove has deleted the old rows of
// a parent that is not new. It returns what remove does.
func replaceRows[R any](
	ctx context.Context, parent uuid.UUID, isNew bool, remove func(context.Context, uuid.UUID) (int64, error),
	each func(uuid.UUID, func([]R) error) error, store func(context.Context, []R) (int64, error),
) (removed int64, err error) {
	if !isNew {
		if removed, err = remove(ctx, parent); err != nil {
			return removed, err
		}
	}
	return removed, each(parent, func(rows []R) error {
		_, err := store(ctx, rows)
		return err
	})
}

// sameID refuses a PUT whose body has another id than its path.
func sameID(name string, path *uuid.UUID, body uuid.UUID) error {
	if path == nil || *path == body {
		return nil
	}
	return spec.NewProblem(http.StatusBadRequest, spec.ErrorCodeInvalidBody, name+": is not the id in the path")
}

// status of an answer to a write that created, or not.
func createdStatus(created bool) int {
	if created {
		return http.StatusCreated
	}
	return http.StatusOK
}

// statusRank orders statuses: a run or simulation moves from a lower one to a higher one, and the last four are final.
var statusRank = map[string]int{"PENDING": 0, "QUEUED": 1, "RUNNING": 2, "COMPLETED": 3, "INCOMPLETE": 3, "FAILED": 3, "CANCELLED": 3}

const finalRank = 3

func isFinal(status string) bool { return statusRank[status] == finalRank }

// checkFinal refuses to store a record over one in a final state that would lose something. lost names it: fields, or a number of rows
// below. A caller who names the state that he replaces knows what he does.
func (ch change) checkFinal(what, from, to string, lost ...string) error {
	if !isFinal(from) || ch.replace || ch.ifMatch != nil {
		return nil
	}
	lost = slices.DeleteFunc(lost, func(s string) bool { return s == "" })
	if !isFinal(to) {
		lost = append(lost, "the status, which would become "+to)
	}
	if len(lost) == 0 {
		return nil
	}
	return &spec.Problem{
		Status: http.StatusConflict, Code: spec.ErrorCodeFinal, Details: map[string]any{"status": from, "lost": lost},
		Message: "the stored " + what + " is " + from + ", which is final, and would lose " + strings.Join(lost,
			"; ") + ": replace=true, or If-Match, replaces it",
	}
}

// rows says how many there are; nothing of none.
func rows(n int64, what string) string {
	if n <= 0 {
		return ""
	}
	return fmt.Sprintf("%d %s", n, what)
}

// checkTransition refuses a change of status that goes back, or away from a final one.
func checkTransition(from string, to *string, force bool) error {
	if to == nil || *to == from || force || (statusRank[from] < finalRank && statusRank[*to] >= statusRank[from]) {
		return nil
	}
	return conflict("status "+from+" does not become "+*to+" without force=true", nil)
}

func conflict(message string, details map[string]any) error {
	return &spec.Problem{Status: http.StatusConflict, Code: spec.ErrorCodeConflict, Message: message, Details: details}
}

// dependants refuses to delete a record with others below it, unless cascade is true.
func dependants(what string, cascade *bool, below map[string]int64) error {
	details := map[string]any{}
	for kind, n := range below {
		if n > 0 {
			details[kind] = n
		}
	}
	if len(details) == 0 || isTrue(cascade) {
		return nil
	}
	return conflict("the "+what+" has others below it: details count them, cascade=true removes them as well", details)
}
