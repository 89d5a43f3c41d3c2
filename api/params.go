package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"foldbook/api/spec"
	"foldbook/internal/httpbody"
	"foldbook/internal/paging"
	"foldbook/internal/rowstream"
	"foldbook/internal/series"
)

// deepest is the most rows that an offset may skip: PostgreSQL reads each of them.
const deepest = 10_000

var (
	olderLimits = paging.Limits{Usual: 1000, Most: 5000, Deepest: deepest}
	pageLimits  = paging.Limits{Usual: 50, Most: 1000, Deepest: deepest}
	tradeLimits = paging.Limits{Usual: 1000, Most: 50000}
	// foldPageLimits bound a page of folds, of 2 kB or so each; without a page, a run has all its folds.
	foldPageLimits = paging.Limits{Usual: 1000, Most: 5000}
	foldLimits     = paging.Limits{Usual: 1 << 30, Most: 1 << 30}
)

// pathID reads the id in a path.
func pathID(name, text string) (uuid.UUID, error) {
	id, err := spec.ParseUUID(text)
	if err != nil {
		return id, spec.NewProblem(http.StatusBadRequest, spec.ErrorCodeInvalidID, name+" is not a UUID")
	}
	return id, nil
}

// datasetID reads the id of a dataset in a path, or looks up its slug.
func (s *Server) datasetID(c echo.Context, text string) (uuid.UUID, error) {
	if id, err := spec.ParseUUID(text); err == nil {
		return id, nil
	}
	var id uuid.UUID
	err := retry(c.Request().Context(), transient, func() (err error) { id, err = s.DB.GetDatasetID(c.Request().Context(), text); return err })
	return id, notFound(err, "dataset", slug(text))
}

// datasetIn is datasetID for the dataset_id of a body.
func (s *Server) datasetIn(c echo.Context, text string) (uuid.UUID, error) {
	id, err := s.datasetID(c, text)
	if answer := new(spec.Problem); errors.As(err, &answer) && answer.Status == http.StatusNotFound {
		err = spec.NewProblem(http.StatusConflict, spec.ErrorCodeUnknownDataset,
			"dataset_id: there is no dataset with the slug "+slug(text).String())
	}
	return id, err
}

// slug is a dataset's in a message.
type slug string

func (s slug) String() string { return httpbody.Shorten(string(s)) }

// whereAll adds the filters that the lists of runs and simulations share.
func (s *Server) whereAll(ctx context.Context, q *search, statuses *[]spec.Status, datasets, slugs, symbols *[]string) error {
	if statuses != nil {
		texts, err := queryStatus(statuses)
		if err != nil {
			return err
		}
		q.where("status", &texts)
	}
	q.where("dataset_slug", slugs)
	q.where("symbol", symbols)
	if datasets == nil {
		return nil
	}
	var ids []uuid.UUID
	found := []string{}
	for _, text := range *datasets {
		if id, err := spec.ParseUUID(text); err == nil {
			ids = append(ids, id)
		} else {
			found = append(found, text)
		}
	}
	if ids != nil {
		slugs, err := s.DB.ListDatasetSlugs(ctx, ids)
		if err != nil {
			return fmt.Errorf("list the slugs of datasets: %w", err)
		}
		found = append(found, slugs...)
	}
	q.where("dataset_slug", &found)
	return nil
}

// texts are ids as texts.
func texts(ids []uuid.UUID) []string {
	list := make([]string, len(ids))
	for i, id := range ids {
		list[i] = id.String()
	}
	return list
}

// queryIDs reads a list of ids in a query; nil when there is none.
func queryIDs(name string, texts *[]string) ([]uuid.UUID, error) {
	if texts == nil {
		return nil, nil
	}
	ids := []uuid.UUID{}
	for _, text := range *texts {
		id, err := spec.ParseUUID(text)
		if err != nil {
			return nil, spec.InvalidParameter(name, "is not a UUID, or several separated by commas")
		}
		ids = append(ids, id)
	}
	return ids, nil
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

func queryStatus(statuses *[]spec.Status) (texts []string, err error) {
	for _, status := range orElse(statuses, nil) {
		if !status.Valid() {
			return nil, spec.InvalidParameter("status", "is not a status: PENDING, QUEUED, RUNNING, COMPLETED, INCOMPLETE, FAILED or CANCELLED")
		}
		texts = append(texts, string(status))
	}
	return texts, nil
}

// writeList answers a bare array with the number of rows that match in X-Total-Count; they are counted only when the
// page does not tell.
func writeList[T any, P paging.Row[T]](
	c echo.Context, rows []T, p paging.Page, fields *[]string, count func() (int64, error),
) error {
	shown, err := paging.ShownOf(fields, P(nil).Columns())
	if err != nil {
		return err
	}
	total := p.Offset + int64(len(rows))
	if len(rows) == int(p.Limit) || (len(rows) == 0 && p.Offset > 0) {
		if total, err = count(); err != nil {
			return err
		}
	}
	c.Response().Header().Set("X-Total-Count", strconv.FormatInt(total, 10))
	return sendTagged(c, list[T, P]{rows, shown.Fields()}, shown.Partial)
}

// writeEnvelope answers a page with the total that count finds, and a link to the next page.
func writeEnvelope[T any, P paging.Row[T]](
	c echo.Context, list *paging.List[T, P], count func(ctx context.Context, most int64) (int64, error),
) error {
	c.Response().Header().Add("Vary", "Accept")
	format, err := rowstream.FormatOf(list.Request().Format, c.Request(), spec.JSON)
	if err != nil {
		return err
	}
	if err := list.SetTotal(c.Request().Context(), count); err != nil {
		return err
	}
	if link := list.Link(c.Request().URL); link != "" {
		c.Response().Header().Set("Link", link)
	}
	if format != spec.JSON {
		return sendTable(c, list, format)
	}
	return sendTagged(c, list, list.Partial())
}

// granularityFilter writes a bar length in the stored form, so that 240m finds datasets that were posted with 240m.
func granularityFilter(text *string) *string {
	if text == nil {
		return nil
	}
	canonical := series.CanonicalGranularity(*text)
	return &canonical
}
