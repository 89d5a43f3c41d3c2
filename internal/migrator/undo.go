package migrator

import (
	"context"
	"fmt"
	"slices"

	"github.com/pressly/goose/v3"
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
	err := m.locked(ctx, func() error {
		known, err := m.known(ctx)
		if err != nil {
			return err
		}
		steps := plan(known)
		count = len(steps)
		free := slices.IndexFunc(steps, func(s Step) bool { return !s.Transactional })
		switch {
		case count == 0:
			return nil
		case consent.DryRun, free < 0:
			return m.together(ctx, steps, true, consent)
		case !consent.Yes:
			return fmt.Errorf("%s%s runs outside a transaction, so what it removes cannot be counted first: %w",
				folder, steps[free].File, ErrDataLoss)
		}
		m.report.Note(folder + steps[free].File + " runs outside a transaction: what is lost cannot be counted")
		return m.run(ctx, steps, m.report.Step)
	})
	return count, err
}

// together runs steps in one transaction. A dry run is rolled back, and stops before a step that cannot run in one: what
// follows that may rely on it. With count, what is lost is counted in the transaction, so that no row can slip in between.
func (m *Migrator) together(ctx context.Context, steps []Step, count bool, consent Consent) error {
	free := slices.IndexFunc(steps, func(s Step) bool { return !s.Transactional })
	if free < 0 {
		free = len(steps)
	}
	var ran []Step
	err := m.inTx(ctx, func() (commit bool, err error) {
		var before, after []table
		if count {
			if before, err = countTables(ctx, m.session.conn, true); err != nil {
				return false, err
			}
		}
		if err := m.run(ctx, steps[:free], func(step Step) { ran = append(ran, step) }); err != nil {
			return false, err
		}
		if count {
			if after, err = countTables(ctx, m.session.conn, false); err != nil {
				return false, err
			}
			losses := compare(before, after)
			m.report.Losses(losses)
			if len(losses) > 0 && !consent.Yes && !consent.DryRun {
				return false, ErrDataLoss
			}
		}
		if consent.DryRun {
			return false, nil
		}
		return true, m.record(ctx, ran)
	})
	if err != nil {
		return err
	}
	for _, step := range ran {
		if consent.DryRun {
			step.Outcome = RolledBack
		}
		m.report.Step(step)
	}
	for _, step := range steps[free:] {
		step.Outcome = NotRun
		m.report.Step(step)
	}
	return nil
}

// record notes steps that ran unrecorded in the version table.
func (m *Migrator) record(ctx context.Context, steps []Step) error {
	for _, step := range steps {
		sql := "DELETE FROM " + goose.DefaultTablename + " WHERE version_id = $1"
		if step.Direction == Up {
			sql = "INSERT INTO " + goose.DefaultTablename + " (version_id, is_applied) VALUES ($1, true)"
		}
		if _, err := m.session.conn.Exec(ctx, sql, step.Version); err != nil {
			return fmt.Errorf("record migration %s: %w", step.File, err)
		}
	}
	return nil
}

// inTx runs f in a transaction of the session, in which those of goose are savepoints.
func (m *Migrator) inTx(ctx context.Context, f func() (commit bool, err error)) error {
	if _, err := m.session.conn.Exec(ctx, "BEGIN"); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	m.session.inTx = true
	defer func() { m.session.inTx = false }()
	commit, err := f()
	if err != nil || !commit {
		_, _ = m.session.conn.Exec(context.WithoutCancel(ctx), "ROLLBACK") // a lost session was rolled back by the server
		return err
	}
	if _, err := m.session.conn.Exec(ctx, "COMMIT"); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}
