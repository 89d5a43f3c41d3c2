package api

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/jackc/pgx/v5"
	"github.com/labstack/echo/v4"

	"foldbook/db"
)

// ListIndicatorDatasets serves GET /api/indicators/datasets: [dataset, …].
func (s *Server) ListIndicatorDatasets(c echo.Context, params ListIndicatorDatasetsParams) error {
	p, err := pageOf(params.Limit, params.Offset)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	var rows []db.IndicatorDataset
	if params.Symbol != nil {
		rows, err = s.DB.ListDatasetsBySymbol(ctx, db.ListDatasetsBySymbolParams{
			Symbol: *params.Symbol, Granularity: params.Granularity, Source: params.Source, PageSize: p.limit, PageOffset: p.offset,
		})
	} else {
		rows, err = s.DB.ListDatasets(ctx, db.ListDatasetsParams{
			Granularity: params.Granularity, Source: params.Source, PageSize: p.limit, PageOffset: p.offset,
		})
	}
	if err != nil {
		return fmt.Errorf("list data sets: %w", err)
	}
	return writeList(c, rows, p, func() (int64, error) {
		return s.DB.CountDatasets(ctx, db.CountDatasetsParams{Symbol: params.Symbol, Granularity: params.Granularity, Source: params.Source})
	})
}

// GetIndicatorDataset serves GET /api/indicators/datasets/:dataset_id: a dataset.
func (s *Server) GetIndicatorDataset(c echo.Context, datasetID string) error {
	id, err := pathID("dataset_id", datasetID)
	if err != nil {
		return err
	}
	row, err := s.DB.GetDataset(c.Request().Context(), id)
	if errors.Is(err, pgx.ErrNoRows) {
		return notFound("data set", id)
	} else if err != nil {
		return fmt.Errorf("get data set %s: %w", id, err)
	}
	return c.JSON(http.StatusOK, &row)
}
