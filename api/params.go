package api

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"foldbook/api/spec"
	"foldbook/db"
	"foldbook/internal/series"
)

// limits of a kind of list: how many items it answers unless told, and at most.
type limits struct{ usual, most int64 }

var (
	olderLimits = limits{1000, 5000}
	pageLimits  = limits{50, 1000}
	tradeLimits = limits{1000, 50000}
	foldLimits  = limits{1 << 30, 1 << 30}
)

// page is the part of a list that is asked for.
type page struct {
	limit  int32
	offset int64
}

func pageOf(l limits, limit, offset *int64) (page, error) { return pageOfNamed(l, "", limit, offset) }

// pageOfNamed reads a page whose parameters have a prefix.
func pageOfNamed(l limits, prefix string, limit, offset *int64) (page, error) {
	p := page{limit: int32(l.usual)} //nolint:gosec // at most 1<<30
	if limit != nil {
		if *limit < 0 {
			return p, spec.InvalidParameter(prefix+"limit", "is below 0")
		}
		p.limit = int32(min(*limit, l.most)) //nolint:gosec // at most 1<<30
	}
	if offset != nil {
		if *offset < 0 {
			return p, spec.InvalidParameter(prefix+"offset", "is below 0")
		}
		p.offset = *offset
	}
	return p, nil
}

// pathID reads the id in a path.
func pathID(name, text string) (uuid.UUID, error) {
	id, err := spec.ParseUUID(text)
	if err != nil {
		return id, &spec.Problem{Status: http.StatusBadRequest, Code: spec.ErrorCodeInvalidID, Message: name + " is not a UUID"}
	}
	return id, nil
}

// queryID reads an optional id in a query.
func queryID(name string, text *string) (*uuid.UUID, error) {
	if text == nil {
		return nil, nil
	}
	id, err := spec.ParseUUID(*text)
	if err != nil {
		return nil, spec.InvalidParameter(name, "is not a UUID")
	}
	return &id, nil
}

func orElse[T any](v *T, other T) T {
	if v == nil {
		return other
	}
	return *v
}

// pattern is search as the pattern of an infix match.
func pattern(search *string) (*string, error) {
	if search == nil || *search == "" {
		return nil, nil
	}
	if len(*search) > 200 {
		return nil, spec.InvalidParameter("search", "is longer than 200 bytes")
	}
	return new("%" + likeSpecial.Replace(*search) + "%"), nil
}

var likeSpecial = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

func queryStatus(status *spec.Status) (*string, error) {
	if status == nil {
		return nil, nil
	}
	if !status.Valid() {
		return nil, spec.InvalidParameter("status", "is not a status: PENDING, QUEUED, RUNNING, COMPLETED, INCOMPLETE, FAILED or CANCELLED")
	}
	return (*string)(status), nil
}

// writeList answers a bare array with the number of rows that match in X-Total-Count; they are counted only when the
// page does not tell.
func writeList[T any, P interface {
	*T
	db.Appender
}](c echo.Context, rows []T, p page, count func() (int64, error)) error {
	total := p.offset + int64(len(rows))
	if len(rows) == int(p.limit) || (len(rows) == 0 && p.offset > 0) {
		var err error
		if total, err = count(); err != nil {
			return err
		}
	}
	c.Response().Header().Set("X-Total-Count", strconv.FormatInt(total, 10))
	return c.JSON(http.StatusOK, list[T, P](rows))
}

// granularityFilter writes a bar length as it is stored, so that 240m finds what was posted as that.
func granularityFilter(text *string) *string {
	if text == nil {
		return nil
	}
	canonical := series.CanonicalGranularity(*text)
	return &canonical
}
