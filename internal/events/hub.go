// Package events numbers what changed in the order in which it became visible, and hands it to those who listen. Any instance may
// number; each reads the numbered events once for all of its listeners.
package events

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"foldbook/db"
)

const (
	pollEvery  = 250 * time.Millisecond // where nothing says sooner that there is something
	restEvery  = 10 * time.Millisecond  // between two batches, so that a burst of writes is numbered together
	sweepEvery = time.Minute
	pingEvery  = 10 * time.Second // a connection that listens and is dead would be silent
	batch      = 2000             // events that are numbered at once
	page       = 500              // and read
	lookEvery  = 1 * time.Second  // for the number that lists tell
)

// Event is one change.
type Event = db.ListEventsRow

// ErrFull is the error of a listener too many.
var ErrFull = errors.New("as many listen to events as may")

// Hub is the events of one process.
type Hub struct {
	Store     *db.DB
	Log       *slog.Logger
	ListenURL string        // a way to PostgreSQL itself, for LISTEN; empty: the hub polls
	Keep      time.Duration // how long events are kept
	Most      int           // listeners at a time
	Pages     int           // of up to 500 events, that wait for a listener; one who is further behind comes again and reads them

	wake    chan struct{}
	running atomic.Bool

	mu        sync.Mutex // held while events are read and handed out
	last      int64      // the listeners have all events up to here
	listeners map[*Listener]struct{}
	count     atomic.Int32 // of listeners

	looked struct {
		sync.Mutex
		at  time.Time
		seq int64
	}
}

// Listener receives events.
type Listener struct {
	// Events has those after Start, in pages that all listeners share. It is closed when the listener is too slow, or when events are missing.
	Events chan []Event
	Start  int64
}

// New makes a hub, which hands nothing out until it runs.
func New(h *Hub) *Hub {
	h.wake, h.listeners = make(chan struct{}, 1), map[*Listener]struct{}{}
	return h
}

// Wake says that this process has written something.
func (h *Hub) Wake() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// Run numbers and hands out events until ctx ends.
func (h *Hub) Run(ctx context.Context) {
	h.running.Store(true)
	defer h.running.Store(false)
	if h.ListenURL != "" {
		go h.listen(ctx)
	}
	poll, sweep := time.NewTicker(pollEvery), time.NewTicker(sweepEvery)
	defer poll.Stop()
	defer sweep.Stop()
	pending, failing := true, false // another instance may have left some
	for {
		select {
		case <-ctx.Done():
			return
		case <-sweep.C:
			if err := h.sweep(ctx); err != nil && ctx.Err() == nil {
				h.Log.Warn("old events cannot be removed", "cause", err.Error())
			}
			continue
		case <-h.wake:
		case <-poll.C:
			if !pending && h.count.Load() == 0 {
				continue
			}
		}
		more, err := h.step(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			h.Log.Warn("events are not handed out until PostgreSQL answers", "cause", err.Error())
		}
		pending, failing = more || err != nil, err != nil
		select {
		case <-ctx.Done():
		case <-time.After(restEvery):
		}
	}
}

// step numbers what is there and hands it out. more tells that another instance was numbering, which may have missed some.
func (h *Hub) step(ctx context.Context) (more bool, err error) {
	more, err = h.number(ctx)
	if err == nil && h.count.Load() > 0 {
		err = h.handOut(ctx)
	}
	return more, err
}

func (h *Hub) number(ctx context.Context) (more bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, pingEvery)
	defer cancel()
	for n := int64(batch); n == batch; {
		err := h.Store.InTx(ctx, false, func(q *db.Queries) error {
			locked, err := q.LockEvents(ctx)
			if err != nil || !locked {
				n, more = 0, err == nil
				return err
			}
			row, err := q.NumberEvents(ctx, batch)
			n = row.Numbered
			return err
		})
		if err != nil {
			return more, fmt.Errorf("number events: %w", err)
		}
	}
	return more, nil
}

// handOut reads what is numbered since the last time.
func (h *Hub) handOut(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	at, err := h.Store.GetEventPosition(ctx, h.last)
	for err == nil && at.Seq != h.last {
		var rows []Event
		if at.Seq > h.last {
			rows, err = h.Store.ListEvents(ctx, db.ListEventsParams{After: h.last, PageSize: page})
		}
		if err != nil {
			break
		}
		if len(rows) == 0 || rows[0].Seq != h.last+1 { // the database is an older one, or events were removed before they were read
			h.last = at.Seq
			for l := range h.listeners {
				h.drop(l)
			}
			break
		}
		h.last = rows[len(rows)-1].Seq
		for l := range h.listeners {
			h.give(l, rows)
		}
	}
	if err != nil {
		return fmt.Errorf("read events: %w", err)
	}
	return nil
}

func (h *Hub) give(l *Listener, rows []Event) {
	select {
	case l.Events <- rows:
	default:
		h.drop(l)
	}
}

// drop ends a listener, who comes again with the number of the last event that he has.
func (h *Hub) drop(l *Listener) {
	if _, there := h.listeners[l]; there {
		delete(h.listeners, l)
		h.count.Add(-1)
		close(l.Events)
	}
}

// Listen adds a listener, who gets what comes after Start.
func (h *Hub) Listen(ctx context.Context) (*Listener, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.listeners) >= h.Most {
		return nil, ErrFull
	}
	if len(h.listeners) == 0 { // nobody has followed until now
		at, err := h.Store.GetEventPosition(ctx, h.last)
		if err != nil {
			return nil, fmt.Errorf("look for the last event: %w", err)
		}
		h.last = at.Seq
	}
	l := &Listener{Events: make(chan []Event, h.Pages), Start: h.last}
	h.listeners[l] = struct{}{}
	h.count.Add(1)
	return l, nil
}

// Leave ends a listener.
func (h *Hub) Leave(l *Listener) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.drop(l)
}

// Last is the number of an event that everything which a later read finds comes after, or is in it. ok is false where the hub does not run.
func (h *Hub) Last(ctx context.Context) (seq int64, ok bool) {
	if !h.running.Load() {
		return 0, false
	}
	h.looked.Lock()
	defer h.looked.Unlock()
	if time.Since(h.looked.at) > lookEvery {
		at, err := h.Store.GetEventPosition(ctx, 0)
		if err != nil {
			return 0, false
		}
		h.looked.at, h.looked.seq = time.Now(), at.Seq
	}
	return h.looked.seq, true
}

// sweep removes events that are too old, and numbers the others before, so that none is removed without a number.
func (h *Hub) sweep(ctx context.Context) error {
	if _, err := h.number(ctx); err != nil {
		return err
	}
	for {
		n, err := h.Store.DeleteOldEvents(ctx, db.DeleteOldEventsParams{PageSize: 5 * batch, MaxSeconds: h.Keep.Seconds()})
		if err != nil || n < 5*batch {
			return err
		}
	}
}

// listen wakes the hub when another instance has numbered events.
func (h *Hub) listen(ctx context.Context) {
	for ctx.Err() == nil {
		err := h.hear(ctx)
		h.Log.Debug("events are polled until PostgreSQL is listened to again", "cause", fmt.Sprint(err))
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

func (h *Hub) hear(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, h.ListenURL)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if _, err := conn.Exec(ctx, "LISTEN foldbook_events"); err != nil {
		return err
	}
	for {
		wait, cancel := context.WithTimeout(ctx, pingEvery)
		_, err := conn.WaitForNotification(wait)
		silent := wait.Err() != nil
		cancel()
		switch {
		case err == nil:
			h.Wake()
		case ctx.Err() != nil || !silent:
			return err
		default:
			ping, cancel := context.WithTimeout(ctx, pingEvery)
			err := conn.Ping(ping)
			cancel()
			if err != nil {
				return err
			}
		}
	}
}
