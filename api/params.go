package api

import (
	"net/http"
	"strconv"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"foldbook/db"
)

const (
	defaultLimit = 1000
	maxLimit     = 5000
)

// page is the part of a list that is asked for.
type page struct {
	limit  int32
	offset int64
}

func pageOf(limit *Limit, offset *Offset) (page, error) {
	p := page{limit: defaultLimit}
	if limit != nil {
		if *limit < 0 {
			return p, invalidParameter("limit", "is below 0")
		}
		p.limit = int32(min(*limit, maxLimit))
	}
	if offset != nil {
		if *offset < 0 {
			return p, invalidParameter("offset", "is below 0")
		}
		p.offset = *offset
	}
	return p, nil
}

// pathID reads the id in a path.
func pathID(name, text string) (uuid.UUID, error) {
	id, err := parseUUID(text)
	if err != nil {
		return id, &apiError{http.StatusBadRequest, ErrorCodeInvalidID, name + " is not a UUID"}
	}
	return id, nil
}

// queryID reads an optional id in a query.
func queryID(name string, text *string) (*uuid.UUID, error) {
	if text == nil {
		return nil, nil
	}
	id, err := parseUUID(*text)
	if err != nil {
		return nil, invalidParameter(name, "is not a UUID")
	}
	return &id, nil
}

// parseUUID takes the canonical form only; uuid.Parse knows several more.
func parseUUID(text string) (uuid.UUID, error) {
	if len(text) != 36 {
		return uuid.Nil, strconv.ErrSyntax
	}
	return uuid.Parse(text)
}

func queryStatus(status *Status) (*string, error) {
	if status == nil {
		return nil, nil
	}
	if !status.Valid() {
		return nil, invalidParameter("status", "is not a status: PENDING, QUEUED, RUNNING, COMPLETED, INCOMPLETE, FAILED or CANCELLED")
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
