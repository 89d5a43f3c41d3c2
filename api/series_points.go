package api

import (
	"fmt"
	"strconv"

	"github.com/labstack/echo/v4"

	"foldbook/api/spec"
	"foldbook/internal/chart"
	"foldbook/internal/rowstream"
	"foldbook/internal/series"
)

const (
	maxPixels      = 20_000
	pointsPerPixel = 4
)

// pixelsOf is the number of pixel columns to downsample for, 0 for no downsampling.
func pixelsOf(points, width *int64, at rowRange) (int64, error) {
	var pixels int64
	switch {
	case points == nil && width == nil:
		return 0, nil
	case points != nil && width != nil:
		return 0, spec.InvalidParameter("points", "cannot be combined with width")
	case width != nil:
		if pixels = *width; pixels < 1 || pixels > maxPixels {
			return 0, spec.InvalidParameter("width", "is not from 1 to "+strconv.Itoa(maxPixels))
		}
	default:
		if pixels = *points / pointsPerPixel; pixels < 1 || pixels > maxPixels {
			return 0, spec.InvalidParameter("points", "is not from "+strconv.Itoa(pointsPerPixel)+" to "+strconv.Itoa(pointsPerPixel*maxPixels))
		}
	}
	if at.Desc || at.Numbered || at.limited || at.Offset != 0 || at.After != nil {
		return 0, spec.InvalidParameter("points or width", "cannot be combined with desc, limit, offset, cursor, start_index or end_index")
	}
	return pixels, nil
}

// listPoints answers rows downsampled for a chart.
func (s *Server) listPoints(c echo.Context, a *rowAnswer) error {
	clock := s.streamClock(c)
	defer clock.cancel()
	if a.format == spec.Parquet {
		return spec.InvalidParameter("format", "parquet cannot be combined with points or width")
	}
	a.at.Limit = -1
	grid, err := a.grid(clock)
	if err != nil {
		return err
	}
	scan, err := a.series.Scan(clock, a.columns, a.at.Range)
	if err != nil {
		return err
	}
	fields := series.Fields(a.columns)
	points := chart.NewM4(a.adapted(scan), fields, grid)
	return s.send(c, clock, &rowstream.Answer{
		Fields: fields, Rows: points, Format: a.format, File: a.series.Table.Name, Layout: a.layout,
		Head: func(b []byte) []byte {
			return appendGrid(a.begin(b), a.pixels, grid)
		},
		End: func(count int64) (rowstream.End, error) {
			return a.finish(clock, count, rowstream.End{Total: points.Total()})
		},
	})
}

// appendGrid appends where the pixel columns are.
func appendGrid(b []byte, pixels int64, grid chart.Grid) []byte {
	b = rowstream.AppendNumber(b, "pixel_columns", pixels)
	b = rowstream.AppendNumber(b, "pixel_start_us", grid.Start)
	return rowstream.AppendNumber(b, "pixel_width_us", grid.Step)
}

// grid divides the requested time range, or that of the rows, into pixel columns.
func (a *rowAnswer) grid(clock *streamClock) (chart.Grid, error) {
	bounds, err := a.series.Client.Bounds(clock, a.series.Selection(a.at.Range))
	if err != nil {
		return chart.Grid{}, fmt.Errorf("find the bounds of %s: %w", a.series.Table.Name, err)
	}
	first, last := bounds.First, bounds.Last
	if !a.at.From.IsZero() {
		first = a.at.From
	}
	if !a.at.To.IsZero() {
		last = a.at.To
	}
	return chart.NewGrid(max(0, first.UnixMicro()), max(0, last.UnixMicro(), first.UnixMicro()), a.pixels), nil
}
