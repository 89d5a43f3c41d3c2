package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"foldbook/api/spec"
	"foldbook/db"
	"foldbook/internal/rowstream"
)

const (
	maxArtifact   = 16 << 20
	mostArtifacts = 1000 // that are listed
	artifactPart  = 1 << 20
)

// ListArtifacts serves GET /api/runs/:run_id/artifacts: [{…}], without the bytes.
func (s *Server) ListArtifacts(c echo.Context, runID string) error {
	id, err := pathID("run_id", runID)
	if err != nil {
		return err
	}
	rows, err := s.DB.ListArtifacts(c.Request().Context(), db.ListArtifactsParams{RunID: id, PageSize: mostArtifacts})
	if err != nil {
		return fmt.Errorf("list the artifacts of run %s: %w", id, err)
	}
	return c.JSON(http.StatusOK, list[db.ListArtifactsRow, *db.ListArtifactsRow]{rows, db.AllFields})
}

// StoreArtifact serves POST /api/runs/:run_id/artifacts/:name, whose body is the artifact itself.
func (s *Server) StoreArtifact(c echo.Context, runID, name string, params spec.StoreArtifactParams) error {
	id, name, err := artifactOf(runID, name)
	if err != nil {
		return err
	}
	media, _, err := mime.ParseMediaType(c.Request().Header.Get(echo.HeaderContentType))
	if err != nil || !strings.Contains(media, "/") || strings.Contains(media, "*") {
		media = echo.MIMEOctetStream
	}
	if err := acquire(c.Request().Context(), s.appends); err != nil {
		return err
	}
	defer s.appends.Release(1)
	data, err := io.ReadAll(http.MaxBytesReader(c.Response(), c.Request().Body, maxArtifact))
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		return spec.NewProblem(http.StatusRequestEntityTooLarge, spec.ErrorCodeBodyTooLarge, "an artifact has at most 16 MiB")
	} else if err != nil {
		return spec.NewProblem(http.StatusBadRequest, spec.ErrorCodeInvalidBody, "the body ends early")
	}
	digest := sha256.Sum256(data)
	p := db.StoreArtifactParams{
		RunID: id, Name: name, MediaType: media, Size: int64(len(data)), Sha256: hex.EncodeToString(digest[:]), Data: data,
	}
	var row db.StoreArtifactRow
	err = s.write(c, isTrue(params.DryRun), func(ctx context.Context, q *db.Queries) error {
		if _, err := q.GetRunVersion(ctx, id); err != nil {
			return notFound(err, "run", id)
		}
		n, err := q.CountArtifacts(ctx, db.CountArtifactsParams{RunID: id, Name: name, PageSize: mostArtifacts})
		if err := room(n, err, mostArtifacts, "artifacts of the run"); err != nil {
			return err
		}
		row, err = q.StoreArtifact(ctx, p)
		return err
	})
	return answerSmall(c, err, isTrue(params.DryRun), http.StatusCreated, `"`+row.Sha256+`"`, &row)
}

// artifactOf reads the path of an artifact. Its name goes into a header and, by an export, into the name of a file.
func artifactOf(runID, name string) (uuid.UUID, string, error) {
	id, err := pathID("run_id", runID)
	if err != nil {
		return id, "", err
	}
	odd := func(r rune) bool { return r < ' ' || strings.ContainsRune("/\\\"\x7f", r) }
	if name == "" || len(name) > mostName || name[0] == '.' || !utf8.ValidString(name) || strings.ContainsFunc(name, odd) {
		return id, "", spec.InvalidParameter("name", "is not the name of a file: at most 200 bytes without /, \\, quotes and "+
			"control characters, and no dot at its beginning")
	}
	return id, name, nil
}

// GetArtifact serves GET /api/runs/:run_id/artifacts/:name: the artifact itself, also in ranges. A browser saves it, and runs nothing
// of it.
func (s *Server) GetArtifact(c echo.Context, runID, name string, _ spec.GetArtifactParams) error {
	id, name, err := artifactOf(runID, name)
	if err != nil {
		return err
	}
	row, err := s.DB.GetArtifact(c.Request().Context(), db.GetArtifactParams{RunID: id, Name: name})
	if err != nil {
		return notFound(err, "artifact", artifactName(name))
	}
	header := c.Response().Header()
	header.Set(echo.HeaderContentType, row.MediaType)
	header.Set(echo.HeaderContentDisposition, mime.FormatMediaType("attachment", map[string]string{"filename": name}))
	header.Set(echo.HeaderContentSecurityPolicy, "sandbox; default-src 'none'")
	header.Set(echo.HeaderXContentTypeOptions, "nosniff")
	header.Set("ETag", `"`+row.Sha256+`"`) // and no Last-Modified: two may be stored in one second
	file := &artifactFile{of: db.GetArtifactPartParams{RunID: id, Name: name, Sha256: row.Sha256, PartSize: artifactPart}, size: row.Size,
		next: func(p db.GetArtifactPartParams) ([]byte, error) {
			return s.DB.GetArtifactPart(c.Request().Context(), p)
		}}
	if err := rowstream.ServeContent(c.Response(), c.Request(), time.Time{}, io.NewSectionReader(file, 0, row.Size)); err != nil {
		return err
	}
	return file.err
}

// artifactFile reads an artifact a part at a time, so that those who download have a part each in memory. When the artifact is
// replaced or deleted meanwhile, reading fails.
type artifactFile struct {
	of   db.GetArtifactPartParams
	size int64
	next func(db.GetArtifactPartParams) ([]byte, error)
	from int64 // where part begins
	part []byte
	err  error
}

// ReadAt implements io.ReaderAt, for one reader.
func (f *artifactFile) ReadAt(p []byte, at int64) (n int, err error) {
	for ; n < len(p) && at < f.size; at = f.from + int64(len(f.part)) {
		if at < f.from || at >= f.from+int64(len(f.part)) {
			f.of.Begin = int32(at) + 1 //nolint:gosec // at is below 16 MiB
			if f.part, f.err = f.next(f.of); f.err != nil {
				return n, fmt.Errorf("read %s from byte %d: %w", f.of.Name, at, f.err)
			}
			f.from = at
		}
		n += copy(p[n:], f.part[at-f.from:])
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

type artifactName string

func (n artifactName) String() string { return string(n) }

// DeleteArtifact serves DELETE /api/runs/:run_id/artifacts/:name.
func (s *Server) DeleteArtifact(c echo.Context, runID, name string) error {
	id, name, err := artifactOf(runID, name)
	if err != nil {
		return err
	}
	answer := spec.Deleted{Success: true, ID: id, Deleted: map[string]int64{}, Warnings: []string{}}
	err = s.write(c, false, func(ctx context.Context, q *db.Queries) error {
		n, err := q.DeleteArtifact(ctx, db.DeleteArtifactParams{RunID: id, Name: name})
		if err == nil && n == 0 {
			return spec.NoSuch("artifact", artifactName(name))
		}
		answer.Deleted["artifacts"] = n
		return err
	})
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, answer)
}
