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
