package api

import (
	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"foldbook/api/spec"
	"foldbook/internal/rowstream"
	"foldbook/questdb"
)

// GetIndexMap serves GET /api/datasets/:dataset_id/index_map: {"measurement": …, "start_index": …, "end_index": …, "rows":
// [{"index": …, "timestamp_ms": …}]}.
func (s *Server) GetIndexMap(c echo.Context, datasetID string, params spec.GetIndexMapParams) error {
	format, err := indexMapFormat(c, params)
	if err != nil {
		return err
	}
	found, _, err := s.datasetSeries(c, datasetID, params.Type != nil && *params.Type == spec.Ohlcv)
	if err != nil {
		return err
	}
	layout, err := rowstream.LayoutOf(params.Shape, format, objectRows)
	if err != nil {
		return err
	}
	clock := s.streamClock(c)
	defer clock.cancel()
	first, end := *params.StartIdx, *params.EndIdx
	rows, err := found.Index(clock, first, end)
	if err != nil {
		return err
	}
	return s.send(c, clock, &rowstream.Answer{
		Fields: []rowstream.Field{{Name: "index", Kind: questdb.Int}, found.TimeColumn().Field},
		Rows:   rows, Format: format, File: found.Table.Name, Layout: layout,
		Head: func(b []byte) []byte {
			b = rowstream.AppendNumber(rowstream.AppendMember(b, "measurement", found.Table.Name), "start_index", first)
			return rowstream.AppendNumber(b, "end_index", end)
		},
		End: func(count int64) (rowstream.End, error) { return rowstream.End{Total: count}, nil },
	})
}

// indexMapFormat checks the parameters.
func indexMapFormat(c echo.Context, params spec.GetIndexMapParams) (spec.Format, error) {
	format, err := rowstream.FormatOf(params.Format, c.Request(), spec.JSON)
	switch {
	case err != nil:
		return format, err
	case format == spec.Parquet:
		return format, spec.InvalidParameter("format", "parquet is not available for numbered rows")
	case params.StartIdx == nil || *params.StartIdx < 0:
		return format, spec.InvalidParameter("start_idx", "is missing or below 0")
	case params.EndIdx == nil || *params.EndIdx <= *params.StartIdx:
		return format, spec.InvalidParameter("end_idx", "is missing or not above start_idx")
	case params.Type != nil && !params.Type.Valid():
		return format, spec.InvalidParameter("type", "is not indicator or ohlcv")
	}
	return format, nil
}

// listAligned answers the indicators at times that have a bar.
func (s *Server) listAligned(c echo.Context, id uuid.UUID, a *rowAnswer) error {
	if a.at.Numbered {
		return spec.InvalidParameter("aligned", "cannot be combined with start_index or end_index: the numbers are those of all rows")
	}
	if a.format == spec.Parquet {
		return spec.InvalidParameter("format", "parquet cannot be combined with aligned")
	}
	bars, err := s.openDataset(c.Request().Context(), id, true)
	if err != nil {
		return err
	}
	a.at.With = bars
	return s.listRows(c, a)
}
