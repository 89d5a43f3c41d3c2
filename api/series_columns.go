package api

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"foldbook/api/spec"
	"foldbook/internal/series"
	"foldbook/questdb"
)

// roles are the numeric columns of a series that are features, and those that are targets.
func roles(r *series.Series) (features, targets []spec.SeriesColumn) {
	features, targets = []spec.SeriesColumn{}, []spec.SeriesColumn{}
	for _, c := range r.Own {
		if !series.IsNumeric(questdb.KindOf(c.Type)) {
			continue
		}
		switch series.Role(c) {
		case series.Feature:
			features = append(features, spec.SeriesColumn{Name: c.Name, Type: c.Type})
		case series.Target:
			targets = append(targets, spec.SeriesColumn{Name: c.Name, Type: c.Type})
		}
	}
	return features, targets
}

// ListFeatures serves GET /api/datasets/:dataset_id/features: {"dataset_id": …, "measurement": …, "features": […], "count": …}.
func (s *Server) ListFeatures(c echo.Context, datasetID string) error {
	r, id, err := s.datasetSeries(c, datasetID, false)
	if err != nil {
		return err
	}
	features, _ := roles(r)
	return c.JSON(http.StatusOK, spec.Features{DatasetID: id, Measurement: r.Table.Name, Features: features, Count: len(features)})
}

// ListIndicatorFeatures serves GET /api/indicators/datasets/:dataset_id/features: the same.
func (s *Server) ListIndicatorFeatures(c echo.Context, datasetID string) error {
	return s.ListFeatures(c, datasetID)
}

// ListTargets serves GET /api/datasets/:dataset_id/targets: {"dataset_id": …, "measurement": …, "targets": […], "count": …}.
func (s *Server) ListTargets(c echo.Context, datasetID string) error {
	r, id, err := s.datasetSeries(c, datasetID, false)
	if err != nil {
		return err
	}
	_, targets := roles(r)
	return c.JSON(http.StatusOK, spec.Targets{DatasetID: id, Measurement: r.Table.Name, Targets: targets, Count: len(targets)})
}

// ListIndicatorTargets serves GET /api/indicators/datasets/:dataset_id/targets: the same.
func (s *Server) ListIndicatorTargets(c echo.Context, datasetID string) error {
	return s.ListTargets(c, datasetID)
}
