package api

import (
	"context"
	"fmt"
	"net/http"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/google/uuid"
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

func (s *Server) readComparison(c echo.Context) (p db.PatchComparisonParams, err error) {
	body := s.openBody(c, maxBody)
	defer body.Close()
	var b comparisonFields
	if err := body.Decode(&b, jsonv2.RejectUnknownMembers(true)); err != nil {
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

// CreateComparison serves POST /api/comparisons with the new comparison.
func (s *Server) CreateComparison(c echo.Context) error {
	given, err := s.readComparison(c)
	if err != nil {
		return err
	}
	if given.Name == nil {
		return httpbody.Invalid("name", "is missing")
	}
	p := db.CreateComparisonParams{
		ComparisonID: uuid.New(), Name: *given.Name, RunIds: orJSON(given.RunIds, "[]"), Settings: orJSON(given.Settings, "{}"),
	}
	var row db.Comparison
	err = s.write(c, false, func(ctx context.Context, q *db.Queries) (err error) {
		row, err = q.CreateComparison(ctx, p)
		return err
	})
	if err != nil {
		return err
	}
	c.Response().Header().Set("ETag", paging.ETag(row.Version, row.CreatedAt))
	return c.JSON(http.StatusCreated, &row)
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
	p, err := s.readComparison(c)
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
	if err != nil {
		return err
	}
	c.Response().Header().Set("ETag", paging.ETag(row.Version, row.CreatedAt))
	return c.JSON(http.StatusOK, &row)
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
