package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/labstack/echo/v4"

	"foldbook/api/spec"
	"foldbook/internal/rowstream"
	"foldbook/questdb"
)

// streamClock limits the time of an answer of rows: until its first row that of any read, and StreamTimeout for the whole.
type streamClock struct {
	context.Context
	cancel context.CancelFunc
	begun  func() bool // the first row is there
}

// streamClock has to be cancelled. It ends when the client leaves.
func (s *Server) streamClock(c echo.Context) *streamClock {
	short := c.Request().Context()
	client := short
	if rec, ok := c.Response().Writer.(*recorder); ok {
		client = rec.client
	}
	ctx, cancel := context.WithTimeout(client, s.StreamTimeout)
	return &streamClock{ctx, cancel, context.AfterFunc(short, cancel)}
}

func (s *Server) writer(c echo.Context) *rowstream.Writer {
	return &rowstream.Writer{ResponseWriter: c.Response(), Request: c.Request()}
}

// send answers rows.
func (s *Server) send(c echo.Context, clock *streamClock, a *rowstream.Answer) error {
	return a.Send(s.writer(c), func() { clock.begun() })
}

// sendParquet passes on the file that QuestDB makes.
func (s *Server) sendParquet(c echo.Context, clock *streamClock, a *rowAnswer) error {
	if a.at.Numbered || a.at.After != nil {
		return spec.InvalidParameter("format", "parquet cannot be combined with cursor, start_index or end_index")
	}
	name := a.series.Table.Name
	scan := questdb.Scan{Selection: a.series.Selection(a.at.Range), Desc: a.at.Desc, Offset: a.at.Offset, Limit: a.at.Limit}
	var names []string
	for _, column := range a.columns {
		scan.Columns, names = append(scan.Columns, column.Source), append(names, column.Name)
	}
	file, err := a.series.Client.Parquet(clock, scan, names)
	if err != nil {
		return fmt.Errorf("export %s: %w", name, err)
	}
	defer func() { _ = file.Close() }()
	b := make([]byte, 64<<10)
	n, err := io.ReadFull(file, b)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("export %s: %w", name, err)
	}
	clock.begun()
	header := c.Response().Header()
	header.Set(echo.HeaderContentType, rowstream.MediaType(spec.Parquet))
	header.Set(echo.HeaderContentDisposition, `attachment; filename="`+name+`.parquet"`)
	if c.Request().Method == http.MethodHead && rowstream.Encoding(c.Request()) != "" {
		c.Response().WriteHeader(http.StatusOK)
		return nil
	}
	out := s.writer(c)
	defer out.Free()
	err = out.Begin()
	for err == nil {
		if err = out.Part(b[:n]); err == nil {
			n, err = file.Read(b)
		}
	}
	if !errors.Is(err, io.EOF) {
		return fmt.Errorf("export %s: %w", name, err)
	}
	if err := out.Part(b[:n]); err != nil {
		return err
	}
	return out.Close()
}
