package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"foldbook/api/spec"
	"foldbook/db"
	"foldbook/internal/paging"
	"foldbook/internal/series"
)

// ListIndicatorDatasets serves GET /api/indicators/datasets: [dataset, …].
func (s *Server) ListIndicatorDatasets(c echo.Context, params spec.ListIndicatorDatasetsParams) error {
	f := db.CountDatasetsParams{Symbol: params.Symbol, Granularity: granularityFilter(params.Granularity), Source: params.Source}
	p, err := olderLimits.Page("", params.Limit, params.Offset)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	var rows []db.IndicatorDataset
	if f.Symbol != nil {
		rows, err = s.DB.ListDatasetsBySymbol(ctx, db.ListDatasetsBySymbolParams{
			Symbol: *f.Symbol, Granularity: f.Granularity, Source: f.Source, PageSize: p.Limit, PageOffset: p.Offset,
		})
	} else {
		rows, err = s.DB.ListDatasets(ctx, db.ListDatasetsParams{
			Granularity: f.Granularity, Source: f.Source, PageSize: p.Limit, PageOffset: p.Offset,
		})
	}
	if err != nil {
		return fmt.Errorf("list datasets: %w", err)
	}
	return writeList(c, rows, p, params.Fields, func() (int64, error) { return s.DB.CountDatasets(ctx, f) })
}

// GetIndicatorDataset serves GET /api/indicators/datasets/:dataset_id: a dataset.
func (s *Server) GetIndicatorDataset(c echo.Context, datasetID string, params spec.GetIndicatorDatasetParams) error {
	id, err := s.datasetID(c, datasetID)
	if err != nil {
		return err
	}
	row, err := s.DB.GetDataset(c.Request().Context(), id)
	if err != nil {
		return notFound(err, "dataset", id)
	}
	if unchanged(c, params.IfNoneMatch, paging.ETag(row.Version, row.CreatedAt)) {
		return nil
	}
	return c.JSON(http.StatusOK, &row)
}

// ListDatasets serves GET /api/datasets: {"datasets": […], "count": …, "total": …, "next": …}.
func (s *Server) ListDatasets(c echo.Context, params spec.ListDatasetsParams) error {
	s.tellEvents(c)
	columns := (*db.ListDatasetSummariesRow)(nil).Columns()
	q, err := pageLimits.Request(paging.Params{
		Limit: params.Limit, Offset: params.Offset, Cursor: params.Cursor,
		Count: (*string)(params.Count), Fields: params.Fields, Format: params.Format,
	}, paging.Scope("/api/datasets", c.QueryParams()), columns)
	if err != nil {
		return err
	}
	if params.Include != nil && !params.Include.Valid() {
		return spec.InvalidParameter("include", "is not column_schema")
	}
	if params.Include == nil && params.Fields == nil {
		q.Shown = q.Without("column_schema", columns) // 90 % of a list, and no client's own business
	}
	f := db.CountDatasetSummariesParams{
		Symbol: params.Symbol, Granularity: granularityFilter(params.Granularity), Source: params.Source,
	}
	if f.Pattern, err = pattern(params.Search); err != nil {
		return err
	}
	ctx, w := c.Request().Context(), window{after: q.After}
	rows, err := s.DB.ListDatasetSummaries(ctx, db.ListDatasetSummariesParams{
		Symbol: f.Symbol, Granularity: f.Granularity, Source: f.Source, Pattern: f.Pattern,
		AfterAt: w.afterAt(), AfterID: w.cursor().ID, PageSize: q.Limit + 1, PageOffset: q.Offset,
	})
	if err != nil {
		return fmt.Errorf("list datasets: %w", err)
	}
	list := paging.NewList("datasets", rows, q, func(last *db.ListDatasetSummariesRow) paging.Cursor {
		return paging.Cursor{At: last.CreatedAt, ID: last.DatasetID}
	})
	return writeEnvelope(c, list, func(ctx context.Context, _ int64) (int64, error) { return s.DB.CountDatasetSummaries(ctx, f) })
}

// GetDataset serves GET /api/datasets/:dataset_id: a dataset in the shape of the current API.
func (s *Server) GetDataset(c echo.Context, datasetID string, params spec.GetDatasetParams) error {
	id, err := s.datasetID(c, datasetID)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	if params.IfNoneMatch != nil {
		v, err := s.DB.GetDatasetVersion(ctx, id)
		if err != nil {
			return notFound(err, "dataset", id)
		}
		if unchanged(c, params.IfNoneMatch, paging.ETag(v.Version, v.CreatedAt)) {
			return nil
		}
	}
	row, err := s.DB.GetDatasetSummary(ctx, id)
	if err != nil {
		return notFound(err, "dataset", id)
	}
	c.Response().Header().Set("ETag", paging.ETag(row.Version, row.CreatedAt))
	return c.JSON(http.StatusOK, &row)
}

// GetDatasetManifest serves GET /api/datasets/:dataset_id/manifest: the export manifest.
func (s *Server) GetDatasetManifest(c echo.Context, datasetID string, params spec.GetDatasetManifestParams) error {
	id, err := s.datasetID(c, datasetID)
	if err != nil {
		return err
	}
	row, err := s.DB.GetManifest(c.Request().Context(), id)
	if err != nil {
		return notFound(err, "dataset", id)
	}
	manifest, whole := s.withInterval(c.Request().Context(), id, row.Manifest)
	if whole && unchanged(c, params.IfNoneMatch, paging.ETag(row.Version, row.CreatedAt)) {
		return nil
	}
	return c.JSON(http.StatusOK, rawJSON(manifest))
}

// stepRows is the number of first rows from which the distance between the rows of a series is measured.
const stepRows = 100

// withInterval sets a bar interval that neither the exporter nor the granularity gives, to the median distance of the first
// rows. Without QuestDB it stays 0 and the manifest is incomplete: it will change without a new version.
func (s *Server) withInterval(ctx context.Context, id uuid.UUID, manifest json.RawMessage) (_ json.RawMessage, whole bool) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(manifest, &members); err != nil || string(members["bar_interval_ms"]) != "0" {
		return manifest, true
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	for _, bars := range []bool{true, false} {
		r, err := s.openDataset(ctx, id, bars)
		if err != nil {
			continue
		}
		if step, err := s.QuestDB.MedianStep(ctx, r.Selection(series.Range{}), stepRows); err == nil && step >= time.Millisecond {
			members["bar_interval_ms"] = json.RawMessage(strconv.FormatInt(step.Milliseconds(), 10))
			if filled, err := json.Marshal(members); err == nil {
				return filled, true
			}
		}
	}
	return manifest, false
}
