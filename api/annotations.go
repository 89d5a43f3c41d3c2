package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/labstack/echo/v4"

	"foldbook/api/spec"
	"foldbook/db"
	"foldbook/internal/httpbody"
	"foldbook/internal/paging"
)

const mostAnnotations = 1000 // that are listed

// ListAnnotations serves GET /api/runs/:run_id/annotations: [{…}].
func (s *Server) ListAnnotations(c echo.Context, runID string, params spec.ListAnnotationsParams) error {
	id, err := pathID("run_id", runID)
	if err != nil {
		return err
	}
	s.tellEvents(c)
	rows, err := s.DB.ListAnnotations(c.Request().Context(), db.ListAnnotationsParams{
		RunID: id, FoldNumber: params.FoldNumber, PageSize: mostAnnotations,
	})
	if err != nil {
		return fmt.Errorf("list the annotations of run %s: %w", id, err)
	}
	return c.JSON(http.StatusOK, list[db.Annotation, *db.Annotation]{rows, db.AllFields})
}

// CreateAnnotation serves POST /api/runs/:run_id/annotations with the new note, or the one of the annotation_id that the body has.
func (s *Server) CreateAnnotation(c echo.Context, runID string, params spec.CreateAnnotationParams) error {
	id, err := pathID("run_id", runID)
	if err != nil {
		return err
	}
	p, err := s.readAnnotation(c)
	if err != nil {
		return err
	}
	p.RunID = id
	var row db.Annotation
	var status int
	err = s.write(c, isTrue(params.DryRun), func(ctx context.Context, q *db.Queries) error {
		if _, err := q.GetRunVersion(ctx, id); err != nil {
			return notFound(err, "run", id)
		}
		n, err := q.CountAnnotations(ctx, db.CountAnnotationsParams{RunID: id, AnnotationID: p.AnnotationID, PageSize: mostAnnotations})
		if err := room(n, err, mostAnnotations, "notes on the run"); err != nil {
			return err
		}
		row, err = q.CreateAnnotation(ctx, p)
		if status = createdStatus(row.Version == 1); errors.Is(err, pgx.ErrNoRows) {
			status = http.StatusOK
			if row, err = q.GetAnnotation(ctx, p.AnnotationID); err == nil && row.RunID != id {
				err = conflict("annotation_id: is a note on run "+row.RunID.String(), nil)
			}
		}
		return err
	})
	return answerSmall(c, err, isTrue(params.DryRun), status, paging.ETag(row.Version, row.CreatedAt), &row)
}

func (s *Server) readAnnotation(c echo.Context) (p db.CreateAnnotationParams, err error) {
	body := s.openBody(c, maxBody)
	defer body.Close()
	var posted struct {
		AnnotationID *string `json:"annotation_id"`
		CreatedAt    *string `json:"created_at"`
		Body         *string `json:"body"`
		FoldNumber   *int32  `json:"fold_number"`
		Author       *string `json:"author"`
	}
	if err := body.Decode(&posted, jsonv2.RejectUnknownMembers(true)); err != nil {
		return p, err
	}
	var f httpbody.Fields
	p = db.CreateAnnotationParams{
		AnnotationID: ownID(&f, "annotation_id", posted.AnnotationID), CreatedAt: f.Time("created_at", posted.CreatedAt),
		FoldNumber: posted.FoldNumber, Author: f.Name("author", posted.Author),
	}
	p.Body = httpbody.Required(&f, "body", posted.Body)
	checkNote(&f, &p.Body)
	if p.FoldNumber != nil && *p.FoldNumber < 0 {
		f.Fail("fold_number", "must not be below 0")
	}
	return p, f.Err()
}

// ownID is the id that a body gives its record, or a new one.
func ownID(f *httpbody.Fields, name string, text *string) uuid.UUID {
	if id := f.ID(name, text); id != uuid.Nil {
		return id
	}
	return uuid.New()
}

// room refuses one more of what a list has all of, where there are n others.
func room(n int64, err error, most int64, what string) error {
	if err == nil && n >= most {
		err = conflict(fmt.Sprintf("there are %d %s, and no more are kept: delete some", n, what), nil)
	}
	return err
}

// answerSmall answers a write with the record, or with why there is none.
func answerSmall(c echo.Context, err error, dryRun bool, status int, etag string, row any) error {
	if err != nil {
		return err
	}
	if !dryRun {
		c.Response().Header().Set("ETag", etag)
	}
	return c.JSON(status, row)
}

func checkNote(f *httpbody.Fields, text *string) {
	if text != nil && *text == "" {
		f.Fail("body", "must not be empty")
	}
	atMost(f, "body", text, mostNotes)
}

// GetAnnotation serves GET /api/annotations/:annotation_id.
func (s *Server) GetAnnotation(c echo.Context, annotationID string, params spec.GetAnnotationParams) error {
	id, err := pathID("annotation_id", annotationID)
	if err != nil {
		return err
	}
	row, err := s.DB.GetAnnotation(c.Request().Context(), id)
	if err != nil {
		return notFound(err, "annotation", id)
	}
	if unchanged(c, params.IfNoneMatch, paging.ETag(row.Version, row.CreatedAt)) {
		return nil
	}
	return c.JSON(http.StatusOK, &row)
}

// PatchAnnotation serves PATCH /api/annotations/:annotation_id with the note as it is then.
func (s *Server) PatchAnnotation(c echo.Context, annotationID string, params spec.PatchAnnotationParams) error {
	id, err := pathID("annotation_id", annotationID)
	if err != nil {
		return err
	}
	body := s.openBody(c, maxBody)
	defer body.Close()
	var b struct {
		Body   *string `json:"body"`
		Author *string `json:"author"`
	}
	if err := body.Decode(&b, jsonv2.RejectUnknownMembers(true)); err != nil {
		return err
	}
	var f httpbody.Fields
	checkNote(&f, b.Body)
	atMost(&f, "author", b.Author, mostName)
	if b.Body == nil && b.Author == nil {
		return httpbody.Invalid("", "changes nothing: it takes body and author")
	} else if f.Err() != nil {
		return f.Err()
	}
	var row db.Annotation
	err = s.write(c, false, func(ctx context.Context, q *db.Queries) error {
		was, err := q.LockAnnotation(ctx, id)
		if err = checkTag(err, "annotation", id, params.IfMatch, was.Version, was.CreatedAt); err == nil {
			row, err = q.PatchAnnotation(ctx, db.PatchAnnotationParams{AnnotationID: id, Body: b.Body, Author: b.Author})
		}
		return err
	})
	return answerSmall(c, err, false, http.StatusOK, paging.ETag(row.Version, row.CreatedAt), &row)
}

// DeleteAnnotation serves DELETE /api/annotations/:annotation_id.
func (s *Server) DeleteAnnotation(c echo.Context, annotationID string, params spec.DeleteAnnotationParams) error {
	return s.removeSmall(c, "annotation", annotationID, func(ctx context.Context, q *db.Queries, id uuid.UUID) (int64, error) {
		was, err := q.LockAnnotation(ctx, id)
		if err := checkTag(err, "annotation", id, params.IfMatch, was.Version, was.CreatedAt); err != nil {
			return 0, err
		}
		return q.DeleteAnnotation(ctx, id)
	})
}

// checkTag goes on after the lock of a row: it has to be there, and to be the one that the caller expects.
func checkTag(err error, what string, id uuid.UUID, ifMatch *string, version int64, created time.Time) error {
	if err != nil {
		return notFound(err, what, id)
	}
	return paging.CheckMatch(ifMatch, what, paging.ETag(version, created))
}

// removeSmall removes what has nothing below it and no rows in QuestDB.
func (s *Server) removeSmall(c echo.Context, what, path string, remove func(context.Context, *db.Queries, uuid.UUID) (int64, error)) error {
	id, err := pathID(what+"_id", path)
	if err != nil {
		return err
	}
	answer := spec.Deleted{Success: true, ID: id, Warnings: []string{}}
	err = s.write(c, false, func(ctx context.Context, q *db.Queries) error {
		n, err := remove(ctx, q, id)
		answer.Deleted = map[string]int64{what + "s": n}
		return err
	})
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, answer)
}
