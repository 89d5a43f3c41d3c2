package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/labstack/echo/v4"

	"foldbook/api/spec"
	"foldbook/db"
	"foldbook/internal/httpbody"
	"foldbook/internal/paging"
)

const mostComparisons = 1000 // that are listed

// comparisonFields is a comparison as it is posted or patched.
type comparisonFields struct {
	Name     *string      `json:"name"`
	RunIDs   *[]string    `json:"run_ids"`
	Settings httpbody.Raw `json:"settings"`
}

// postedComparison is a comparison as it is posted.
type postedComparison struct {
	comparisonFields
	ComparisonID *string `json:"comparison_id"`
	CreatedAt    *string `json:"created_at"`
}

// readComparison reads the body of a write, and returns what it has of fields; b is, or is around, them.
func (s *Server) readComparison(c echo.Context, into any, b *comparisonFields) (p db.PatchComparisonParams, err error) {
	body := s.openBody(c, maxBody)
	defer body.Close()
	if err := body.Decode(into, jsonv2.RejectUnknownMembers(true)); err != nil {
		return p, err
	}
	var f httpbody.Fields
	atMost(&f, "name", b.Name, mostName)
	if b.Name != nil && *b.Name == "" {
		f.Fail("name", "must not be empty")
	}
	p.Name = b.Name
	if b.RunIDs != nil {
		ids := []uuid.UUID{}
		for i, text := range *b.RunIDs {
			ids = append(ids, f.RequiredID(fmt.Sprintf("run_ids[%d]", i), &text))
		}
		if len(ids) > mostCompared {
			f.Fail("run_ids", fmt.Sprintf("has more than %d", mostCompared))
		}
		if p.RunIds, err = jsonv2.Marshal(ids); err != nil {
			return p, err
		}
	}
	if settings := f.Object("settings", b.Settings); settings != nil {
		p.Settings = append([]byte{}, settings...) // it is used after the body is closed
	}
	return p, f.Err()
}

// ListComparisons serves GET /api/comparisons: [{…}].
func (s *Server) ListComparisons(c echo.Context) error {
	s.tellEvents(c)
	rows, err := s.DB.ListComparisons(c.Request().Context(), mostComparisons)
	if err != nil {
		return fmt.Errorf("list comparisons: %w", err)
	}
	return c.JSON(http.StatusOK, list[db.Comparison, *db.Comparison]{rows, db.AllFields})
}

// CreateComparison serves POST /api/comparisons with the new comparison, or the one of the comparison_id that the body has.
func (s *Server) CreateComparison(c echo.Context, params spec.CreateComparisonParams) error {
	var posted postedComparison
	given, err := s.readComparison(c, &posted, &posted.comparisonFields)
	if err != nil {
		return err
	}
	var f httpbody.Fields
	p := db.CreateComparisonParams{
		ComparisonID: ownID(&f, "comparison_id", posted.ComparisonID), CreatedAt: f.Time("created_at", posted.CreatedAt),
		Name: httpbody.Required(&f, "name", given.Name), RunIds: orJSON(given.RunIds, "[]"), Settings: orJSON(given.Settings, "{}"),
	}
	if f.Err() != nil {
		return f.Err()
	}
	var row db.Comparison
	var status int
	err = s.write(c, isTrue(params.DryRun), func(ctx context.Context, q *db.Queries) error {
		n, err := q.CountComparisons(ctx, db.CountComparisonsParams{ComparisonID: p.ComparisonID, PageSize: mostComparisons})
		if err := room(n, err, mostComparisons, "saved comparisons"); err != nil {
			return err
		}
		row, err = q.CreateComparison(ctx, p)
		if status = createdStatus(row.Version == 1); errors.Is(err, pgx.ErrNoRows) {
			status = http.StatusOK
			row, err = q.GetComparison(ctx, p.ComparisonID)
		}
		return err
	})
	return answerSmall(c, err, isTrue(params.DryRun), status, paging.ETag(row.Version, row.CreatedAt), &row)
}

// GetComparison serves GET /api/comparisons/:comparison_id.
func (s *Server) GetComparison(c echo.Context, comparisonID string, params spec.GetComparisonParams) error {
	id, err := pathID("comparison_id", comparisonID)
	if err != nil {
		return err
	}
	row, err := s.DB.GetComparison(c.Request().Context(), id)
	if err != nil {
		return notFound(err, "comparison", id)
	}
	if unchanged(c, params.IfNoneMatch, paging.ETag(row.Version, row.CreatedAt)) {
		return nil
	}
	return c.JSON(http.StatusOK, &row)
}

// PatchComparison serves PATCH /api/comparisons/:comparison_id with the comparison as it is then.
func (s *Server) PatchComparison(c echo.Context, comparisonID string, params spec.PatchComparisonParams) error {
	id, err := pathID("comparison_id", comparisonID)
	if err != nil {
		return err
	}
	var b comparisonFields
	p, err := s.readComparison(c, &b, &b)
	if err != nil {
		return err
	}
	if p.Name == nil && p.RunIds == nil && p.Settings == nil {
		return httpbody.Invalid("", "changes nothing: it takes name, run_ids and settings")
	}
	p.ComparisonID = id
	var row db.Comparison
	err = s.write(c, false, func(ctx context.Context, q *db.Queries) error {
		was, err := q.LockComparison(ctx, id)
		if err = checkTag(err, "comparison", id, params.IfMatch, was.Version, was.CreatedAt); err == nil {
			row, err = q.PatchComparison(ctx, p)
		}
		return err
	})
	return answerSmall(c, err, false, http.StatusOK, paging.ETag(row.Version, row.CreatedAt), &row)
}

// DeleteComparison serves DELETE /api/comparisons/:comparison_id.
func (s *Server) DeleteComparison(c echo.Context, comparisonID string, params spec.DeleteComparisonParams) error {
	return s.removeSmall(c, "comparison", comparisonID, func(ctx context.Context, q *db.Queries, id uuid.UUID) (int64, error) {
		was, err := q.LockComparison(ctx, id)
		if err := checkTag(err, "comparison", id, params.IfMatch, was.Version, was.CreatedAt); err != nil {
			return 0, err
		}
		return q.DeleteComparison(ctx, id)
	})
}
