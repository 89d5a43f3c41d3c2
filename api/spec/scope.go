package spec

// Scope is what a caller may do, and what an operation of the description needs.
type Scope string

// The scopes. Of read, write and admin each includes those before it; admin includes metrics as well.
const (
	ScopeNone    Scope = "none" // of an operation that everybody may call
	ScopeRead    Scope = "read"
	ScopeWrite   Scope = "write"
	ScopeAdmin   Scope = "admin"
	ScopeMetrics Scope = "metrics"
)

// Budget is a kind of requests that is limited for itself.
type Budget string

// The budgets. Operations belong to the first three: to that of x-budget, or else by their method.
const (
	BudgetReads    Budget = "reads"
	BudgetWrites   Budget = "writes"
	BudgetStreams  Budget = "streams"   // rows, charts, exports
	BudgetFailures Budget = "failures"  // credentials that do not hold
	BudgetInFlight Budget = "in_flight" // requests at the same time, of all callers together
)

// Includes tells whether a caller with this scope may do what needs the other. Any scope will do for a path that is no operation.
func (s Scope) Includes(needed Scope) bool {
	switch needed {
	case s, "":
		return true
	case ScopeRead:
		return s == ScopeWrite || s == ScopeAdmin
	case ScopeWrite, ScopeMetrics:
		return s == ScopeAdmin
	}
	return false
}
