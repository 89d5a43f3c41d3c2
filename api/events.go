package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"foldbook/api/spec"
	"foldbook/db"
	"foldbook/internal/events"
)

const (
	pingClients = 15 * time.Second // proxies end a connection that is silent for long
	eventPage   = 500
)

// ListenEvents serves GET /api/events: server-sent events until the client leaves or the service stops.
func (s *Server) ListenEvents(c echo.Context, params spec.ListenEventsParams) error {
	wants, err := eventFilter(params)
	if err != nil {
		return err
	}
	after := int64(-1)
	if params.LastEventID != nil {
		if after, err = strconv.ParseInt(*params.LastEventID, 10, 64); err != nil || after < 0 {
			return spec.InvalidParameter("Last-Event-ID", "is not the id of an event")
		}
	}
	l, err := s.Events.Listen(c.Request().Context())
	if errors.Is(err, events.ErrFull) {
		return errOverloaded
	} else if err != nil {
		return err
	}
	defer s.Events.Leave(l)
	s.inFlight.Add(-1) // listeners have a bound of their own
	defer s.inFlight.Add(1)
	ctx := c.Request().Context()
	if rec, ok := c.Response().Writer.(*recorder); ok {
		ctx = rec.client
	}
	out := eventWriter{c.Response(), c.Request().Method == http.MethodHead}
	if err := out.begin(l.Start, after); err != nil || out.head {
		return err
	}
	if after >= 0 {
		if err := s.replay(ctx, out, l.Start, after, wants); err != nil {
			return err
		}
	}
	s.Events.Wake() // what waits for a number is for this listener too
	return s.follow(ctx, out, l, wants)
}

// tellEvents says from which event on to listen so as to miss nothing that happens after a list is read.
func (s *Server) tellEvents(c echo.Context) {
	if seq, ok := s.Events.Last(c.Request().Context()); ok {
		c.Response().Header().Set("X-Event-Seq", strconv.FormatInt(seq, 10))
	}
}

// follow sends what happens.
func (s *Server) follow(ctx context.Context, out eventWriter, l *events.Listener, wants func(*events.Event) bool) error {
	ping := time.NewTicker(pingClients)
	defer ping.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case <-s.drained:
			return nil
		case <-ping.C:
			err = out.write(": ping\n\n")
		case page, open := <-l.Events:
			if !open { // he is too slow, or events are missing: he comes again and learns which
				return nil
			}
			err = out.events(page, wants)
		}
		if err != nil {
			return nil // the client has left
		}
	}
}

// replay sends the events after one number up to another, or says that they are not there any more.
func (s *Server) replay(ctx context.Context, out eventWriter, until, after int64, wants func(*events.Event) bool) error {
	if after == until {
		return nil
	}
	at, err := s.DB.GetEventPosition(ctx, after)
	if err != nil {
		return cut(err)
	}
	if after > until || at.Next != after+1 {
		return out.write(fmt.Sprintf("id: %d\nevent: reset\ndata: {\"seq\":%d}\n\n", until, until))
	}
	for after < until {
		size := int32(min(eventPage, until-after)) //nolint:gosec // bounded
		rows, err := s.DB.ListEvents(ctx, db.ListEventsParams{After: after, PageSize: size})
		if err != nil || len(rows) == 0 {
			return cut(err)
		}
		after = rows[len(rows)-1].Seq
		if err := out.events(rows, wants); err != nil {
			return err
		}
	}
	return nil
}

// cut ends a stream that cannot go on: the client comes again.
func cut(err error) error {
	if err == nil {
		err = errors.New("events were removed while they were read")
	}
	return fmt.Errorf("replay events: %w", err)
}

// eventFilter is what topic= and id= leave.
func eventFilter(params spec.ListenEventsParams) (func(*events.Event) bool, error) {
	var topics []spec.EventTopic
	if params.Topic != nil {
		topics = *params.Topic
	}
	for _, topic := range topics {
		switch topic {
		case spec.TopicDatasets, spec.TopicRuns, spec.TopicSimulations, spec.TopicJobs, spec.TopicAnnotations:
		default:
			return nil, spec.InvalidParameter("topic", "is not datasets, runs, simulations, jobs or annotations")
		}
	}
	ids, err := queryIDs("id", params.ID)
	if err != nil {
		return nil, err
	}
	among := func(id *uuid.UUID) bool { return id != nil && slices.Contains(ids, *id) }
	return func(e *events.Event) bool {
		return (topics == nil || slices.Contains(topics, spec.EventTopic(e.Topic))) &&
			(ids == nil || among(&e.SubjectID) || among(e.RunID) || among(e.DatasetID))
	}, nil
}

// eventWriter writes server-sent events. The recorder below it gives the client its time for each.
type eventWriter struct {
	*echo.Response
	head bool
}

// begin sends the head of the answer and where it begins.
func (w eventWriter) begin(start, after int64) error {
	header := w.Header()
	header.Set(echo.HeaderContentType, "text/event-stream")
	header.Set(echo.HeaderCacheControl, "no-store")
	header.Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	if w.head {
		return nil
	}
	id := start
	if after >= 0 {
		id = after
	}
	return w.write(fmt.Sprintf("id: %d\nevent: hello\ndata: {\"seq\":%d}\n\n", id, start))
}

// events sends those that are wanted, in one piece.
func (w eventWriter) events(page []events.Event, wants func(*events.Event) bool) error {
	var b []byte
	for i := range page {
		if e := &page[i]; wants(e) {
			b = fmt.Appendf(b, "id: %d\nevent: %s\ndata: ", e.Seq, e.Topic)
			b = append(e.AppendJSON(b), "\n\n"...)
		}
	}
	if b == nil {
		return nil
	}
	return w.write(string(b))
}

func (w eventWriter) write(text string) error {
	if _, err := w.Write([]byte(text)); err != nil {
		return err
	}
	return http.NewResponseController(w.Response).Flush()
}
