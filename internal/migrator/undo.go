package migrator

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"
)

// All as the count of Down undoes every migration.
const All = -1

// Consent is what the user allows an undo to do.
type Consent struct {
	DryRun bool // execute, report, roll back
	Yes    bool // lose data
}

// Down undoes the last n migrations, or All, in one transaction, and returns how many there were. It reports the
// losses and fails with ErrDataLoss, nothing changed, when there are some and the user did not consent.
func (m *Migrator) Down(ctx context.Context, n int, consent Consent) (int, error) {
	return m.undo(ctx, consent, func(known []Migration) []Step {
		var steps []Step
		for i, migration := range known {
			if n == All || i < n {
				steps = append(steps, Step{Migration: migration, Direction: Down})
			}
		}
		return steps
	})
}

// Redo undoes the last migration and applies it again, in one transaction, and returns 1, or 0 when none is applied.
// Losses are treated as Down does.
func (m *Migrator) Redo(ctx context.Context, consent Consent) (int, error) {
	steps, err := m.undo(ctx, consent, func(known []Migration) []Step {
		if len(known) == 0 {
			return nil
		}
		return []Step{{Migration: known[0], Direction: Down}, {Migration: known[0], Direction: Up}}
	})
	return steps / 2, err
}

func (m *Migrator) undo(ctx context.Context, consent Consent, plan func(known []Migration) []Step) (int, error) {
	count := 0
	err := m.locked(ctx, func(conn *sql.Conn) error {
		applied, err := m.applied(ctx, conn)
		if err != nil {
			return err
		}
		known, err := m.known(applied)
		if err != nil {
			return err
		}
		steps := plan(known)
		count = len(steps)
		free := slices.IndexFunc(steps, func(s Step) bool { return !s.Transactional })
		switch {
		case count == 0:
			return nil
		case consent.DryRun:
			return m.rehearse(ctx, conn, steps, true)
		case free < 0:
			return m.undoInTx(ctx, conn, steps, consent)
		case !consent.Yes:
			return fmt.Errorf("%s%s runs outside a transaction, so what it removes cannot be counted first: %w", folder, steps[free].File, ErrDataLoss)
		}
		m.note("%s%s runs outside a transaction: what is lost cannot be counted", folder, steps[free].File)
		for _, step := range steps {
			if err := m.apply(ctx, conn, step); err != nil {
				return err
			}
		}
		return nil
	})
	return count, err
}

// undoInTx counts and undoes in one transaction, so that no row can slip in between.
func (m *Migrator) undoInTx(ctx context.Context, conn *sql.Conn, steps []Step, consent Consent) error {
	took := make([]time.Duration, len(steps))
	err := inTx(ctx, conn, func(tx *sql.Tx) error {
		losses, err := m.measure(ctx, tx, steps, took)
		if err != nil {
			return err
		}
		if m.report.Losses != nil {
			m.report.Losses(losses)
		}
		if len(losses) > 0 && !consent.Yes {
			return ErrDataLoss
		}
		for _, step := range steps {
			if err := m.record(ctx, tx, step); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i, step := range steps {
		m.done(step, Done, took[i])
	}
	return nil
}

// rehearse executes the steps in a transaction that is rolled back. From the first step that cannot run in one, they
// are reported as not run: what follows may rely on it.
func (m *Migrator) rehearse(ctx context.Context, conn *sql.Conn, steps []Step, count bool) error {
	free := slices.IndexFunc(steps, func(s Step) bool { return !s.Transactional })
	if free < 0 {
		free = len(steps)
	}
	took := make([]time.Duration, len(steps))
	errRollback := errors.New("dry run")
	err := inTx(ctx, conn, func(tx *sql.Tx) error {
		if !count {
			if err := execAll(ctx, tx, steps[:free], took); err != nil {
				return err
			}
			return errRollback
		}
		losses, err := m.measure(ctx, tx, steps[:free], took)
		if err != nil {
			return err
		}
		if m.report.Losses != nil {
			m.report.Losses(losses)
		}
		return errRollback
	})
	if !errors.Is(err, errRollback) {
		return err
	}
	for i, step := range steps {
		if i < free {
			m.done(step, RolledBack, took[i])
		} else {
			m.done(step, NotRun, 0)
		}
	}
	return nil
}

// measure runs the steps and returns what the user tables hold less than before.
func (m *Migrator) measure(ctx context.Context, tx *sql.Tx, steps []Step, took []time.Duration) ([]Loss, error) {
	before, err := countTables(ctx, tx, m.store.Tablename(), true)
	if err != nil {
		return nil, err
	}
	if err := execAll(ctx, tx, steps, took); err != nil {
		return nil, err
	}
	after, err := countTables(ctx, tx, m.store.Tablename(), false)
	if err != nil {
		return nil, err
	}
	return compare(before, after), nil
}

func execAll(ctx context.Context, tx *sql.Tx, steps []Step, took []time.Duration) error {
	for i, step := range steps {
		start := time.Now()
		if err := exec(ctx, tx, step); err != nil {
			return err
		}
		took[i] = time.Since(start)
	}
	return nil
}
