package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/labstack/echo/v4"

	"foldbook/api/spec"
	"foldbook/db"
	"foldbook/internal/ingest"
)

// removal is a request to delete something with all below it.
type removal struct {
	what, name, id       string // "run", "run_id" and the id in the path
	spec.DeleteRunParams        // those of the other routes are the same
}

// removed is what a delete took out of PostgreSQL.
type removed struct {
	below   map[string]int64   // records by kind
	touched []uuid.UUID        // datasets whose versions are raised
	places  []db.ListPlacesRow // of the rows in QuestDB
}

// remove runs f, which deletes what r names, and has a job remove its rows from QuestDB. The answer tells how many records of each kind
// there were, and how many rows and tables.
func (s *Server) remove(c echo.Context, r removal, f func(context.Context, *db.Queries, uuid.UUID) (removed, error)) error {
	id, err := pathID(r.name, r.id)
	if err != nil {
		return err
	}
	size, err := s.measure(c.Request().Context(), id)
	if err != nil {
		return err
	}
	answer := spec.Deleted{Success: true, ID: id, DryRun: isTrue(r.DryRun)}
	err = s.write(c, answer.DryRun, func(ctx context.Context, q *db.Queries) error {
		gone, err := f(ctx, q, id)
		if err != nil {
			return err
		}
		if err := touchDatasets(ctx, q, gone.touched...); err != nil {
			return err
		}
		answer.Deleted, answer.Warnings = gone.below, []string{}
		if s.QuestDB == nil {
			return nil
		}
		removals, err := ingest.Remove(ctx, q, gone.places)
		size.tell(&answer, removals)
		return err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return spec.NoSuch(r.what, id)
	} else if err != nil {
		return fmt.Errorf("delete %s %s: %w", r.what, id, err)
	}
	return c.JSON(http.StatusOK, answer)
}

// measured is what QuestDB has of a record and all below it, by place.
type measured []ingest.Size

// measureTimeout bounds how long a write of a record waits for a count of its rows.
const measureTimeout = 2 * time.Second

// measure counts the rows of a record and all below it; nil when QuestDB does not tell.
func (s *Server) measure(ctx context.Context, id uuid.UUID) (measured, error) {
	if s.QuestDB == nil {
		return nil, nil
	}
	places, err := s.DB.ListPlaces(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("list the tables of %s: %w", id, err)
	}
	ctx, cancel := context.WithTimeout(ctx, measureTimeout)
	defer cancel()
	size, err := ingest.Measure(ctx, s.QuestDB, places)
	if err != nil {
		s.Log.Warn("rows are deleted without a count", "cause", err.Error())
		return nil, nil
	}
	return size, nil
}

// adopted says which rows a record that was just stored has found in QuestDB: their writer put them there before.
func (s *Server) adopted(c echo.Context, id uuid.UUID) (warnings []string) {
	if s.QuestDB == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), measureTimeout)
	defer cancel()
	places, err := s.DB.ListPlaces(ctx, id)
	var sizes []ingest.Size
	if err == nil {
		sizes, err = ingest.Measure(ctx, s.QuestDB, places)
	}
	if err != nil {
		warnings = []string{"whether QuestDB has rows of it already could not be found out"}
	}
	for i, r := range ingest.Removals(places)[:len(sizes)] {
		if sizes[i].Rows > 0 {
			warnings = append(warnings, fmt.Sprintf("%d rows of %s that table %s had before belong to it now", sizes[i].Rows, r.Kind, r.Table))
		}
	}
	return warnings
}

// tell completes the answer with what goes and what does not.
func (m measured) tell(answer *spec.Deleted, removals []ingest.Removal) {
	known := len(m) == len(removals) // else QuestDB does not answer, or a record was stored meanwhile
	rows, tables := int64(0), int64(0)
	for i, r := range removals {
		own := known && m[i].Tables > 0
		switch {
		case r.Kept && own:
			answer.Warnings = append(answer.Warnings, "table "+r.Table+" is kept: another record names it")
			continue
		case r.Taken:
			answer.Warnings = append(answer.Warnings, "rows in table "+r.Table+" are kept: another record goes by their name")
			known = false
		}
		if i < len(m) {
			rows, tables = rows+m[i].Rows, tables+m[i].Tables
		}
	}
	if known {
		answer.Deleted["rows"], answer.Deleted["tables"] = rows, tables
	} else {
		answer.Warnings = append(answer.Warnings, "the rows in QuestDB are removed once it answers; they could not be counted")
	}
}
