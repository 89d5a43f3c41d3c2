// Package spec is the interface of the service as its clients see it: the OpenAPI description, what is generated from it
// (the route interface, the types of parameters and of small answers), and the answer that is not a success.
package spec

import (
	_ "embed"
	"fmt"
	"net/http"
	"strconv"

	"github.com/google/uuid"
)

// DocumentYAML and DocumentJSON are the description of the interface.
var (
	//go:embed openapi.yaml
	DocumentYAML []byte
	//go:embed openapi.gen.json
	DocumentJSON []byte
)

// Problem is an answer that is not a success, as an error. Any package may return one; package api writes it to the client.
type Problem struct { //nolint:errname // it is what a client gets
	Status  int
	Code    ErrorCode
	Message string // for the caller; a cause stays in the log
	Details map[string]any
}

// Error returns the message.
func (p *Problem) Error() string { return p.Message }

// NewProblem makes an answer without details.
func NewProblem(status int, code ErrorCode, message string) *Problem {
	return &Problem{Status: status, Code: code, Message: message}
}

// InvalidParameter is the answer to a parameter that has a wrong value.
func InvalidParameter(name, what string) *Problem {
	return NewProblem(http.StatusBadRequest, ErrorCodeInvalidParameter, "parameter "+name+" "+what)
}

// NoSuch is the answer about one thing that does not exist.
func NoSuch(what string, id fmt.Stringer) *Problem {
	return NewProblem(http.StatusNotFound, ErrorCodeNotFound, what+" "+id.String()+" does not exist")
}

// ParseUUID takes the canonical form only; uuid.Parse knows several more.
func ParseUUID(text string) (uuid.UUID, error) {
	if len(text) != 36 {
		return uuid.Nil, strconv.ErrSyntax
	}
	return uuid.Parse(text)
}
