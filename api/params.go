package api

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"foldbook/api/spec"
	"foldbook/internal/paging"
	"foldbook/internal/series"
)

var (
	olderLimits = paging.Limits{Usual: 1000, Most: 5000}
	pageLimits  = paging.Limits{Usual: 50, Most: 1000}
	tradeLimits = paging.Limits{Usual: 1000, Most: 50000}
	foldLimits  = paging.Limits{Usual: 1 << 30, Most: 1 << 30}
)

// pathID reads the id in a path.
func pathID(name, text string) (uuid.UUID, error) {
	id, err := spec.ParseUUID(text)
	if err != nil {
		return id, spec.NewProblem(http.StatusBadRequest, spec.ErrorCodeInvalidID, name+" is not a UUID")
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
func writeList[T any, P paging.Row[T]](c echo.Context, rows []T, p paging.Page, count func() (int64, error)) error {
	total := p.Offset + int64(len(rows))
	if len(rows) == int(p.Limit) || (len(rows) == 0 && p.Offset > 0) {
		var err error
		if total, err = count(); err != nil {
			return err
		}
	}
	c.Response().Header().Set("X-Total-Count", strconv.FormatInt(total, 10))
	return c.JSON(http.StatusOK, list[T, P](rows))
}

// writeEnvelope answers a page with the total that count finds, and a link to the next page.
func writeEnvelope[T any, P paging.Row[T]](c echo.Context, list *paging.List[T, P], count func(most int64) (int64, error)) error {
	if err := list.SetTotal(count); err != nil {
		return err
	}
	if link := list.Link(c.Request().URL); link != "" {
		c.Response().Header().Set("Link", link)
	}
	return c.JSON(http.StatusOK, list)
}

// granularityFilter writes a bar length in the stored form, so that 240m finds datasets that were posted with 240m.
func granularityFilter(text *string) *string {
	if text == nil {
		return nil
	}
	canonical := series.CanonicalGranularity(*text)
	return &canonical
}
