package paging

import (
	"fmt"
	"slices"

	"foldbook/api/spec"
	"foldbook/db"
)

// Shown is which members of its records a list sends.
type Shown struct {
	Partial bool      // the caller named them
	omitted db.Fields // so that all are sent unless something is said
}

// ShownOf reads the members that are wanted, nil for all; an unknown one is refused with the nearest.
func ShownOf(named *[]string, columns []db.Column) (s Shown, err error) {
	if named == nil {
		return s, nil
	}
	s = Shown{Partial: true, omitted: db.AllFields}
	for _, name := range *named {
		i := slices.IndexFunc(columns, func(c db.Column) bool { return c.Name == name })
		if i < 0 {
			known := make(spec.Parameters, len(columns))
			for i, c := range columns {
				known[i] = c.Name
			}
			problem := spec.InvalidParameter("fields",
				fmt.Sprintf("names %q, which these records do not have: %s", spec.Short(name), known.Hint(name, "they have ")))
			problem.Details = map[string]any{"known": known}
			return s, problem
		}
		s.omitted &^= 1 << i
	}
	return s, nil
}

// Without leaves a member out that is only sent when it is asked for.
func (s Shown) Without(name string, columns []db.Column) Shown {
	s.omitted |= 1 << slices.IndexFunc(columns, func(c db.Column) bool { return c.Name == name })
	return s
}

// Fields are the members that are sent.
func (s Shown) Fields() db.Fields { return ^s.omitted }
