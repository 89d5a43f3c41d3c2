package questdb

import "errors"

// What can go wrong. No message carries SQL, an address or a password, save that of a Refused.
var (
	ErrInvalidName = errors.New("not a name of a table or column")
	ErrNoTable     = errors.New("no such table")
	ErrNoColumn    = errors.New("no such column")
	ErrUnavailable = errors.New("QuestDB cannot be reached")               // refused, reset, no answer to a connection attempt
	ErrBusy        = errors.New("no free connection to QuestDB")           // the pool is full
	ErrTimeout     = errors.New("QuestDB took too long")                   // a deadline of the caller or of QuestDB
	ErrBroken      = errors.New("QuestDB's answer cannot be used")         // cut off, not JSON, an error in the middle
	ErrSuspended   = errors.New("QuestDB has suspended the table")         // its WAL is not applied until an operator resumes it
	ErrNotVisible  = errors.New("the rows are stored but not yet visible") // the wait for the WAL ended
)

// Refused is a statement that QuestDB does not take, in its own words: for pass-through only.
type Refused struct {
	Message  string
	Position int // in the statement, in characters
}

func (e *Refused) Error() string { return e.Message }
