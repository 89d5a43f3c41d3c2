package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"foldbook/internal/migrator"
	"foldbook/migrations"
)

type migrateCmd struct {
	DryRun bool `help:"Execute the SQL in a transaction, print it, and roll back."`

	Up     upCmd     `cmd:"" help:"Apply all pending migrations."`
	Down   downCmd   `cmd:"" help:"Undo the last migration, or the last N."`
	Status statusCmd `cmd:"" help:"List migrations and when they were applied."`
	Reset  resetCmd  `cmd:"" help:"Undo all migrations."`
	Redo   redoCmd   `cmd:"" help:"Undo the last migration and apply it again."`
	Create createCmd `cmd:"" help:"Write a new, empty migration file."`
}

// Help is the text below the summary.
func (migrateCmd) Help() string {
	return `Each migration runs in a transaction of its own, one migrator at a time: a second one waits. A failure names file and line
and leaves nothing of that migration.

down, reset and redo first print what each table would lose, through cascades too, and refuse with exit code 4 unless --yes is given.

Examples:

	foldbook migrate status
	foldbook migrate up --dry-run
	foldbook migrate up
	foldbook migrate down 2 --yes`
}

type yesFlag struct {
	Yes bool `help:"Go on although data is lost."`
}

type upCmd struct{}

// Help is the text below the summary.
func (upCmd) Help() string {
	return `Examples:

	foldbook migrate up
	foldbook migrate up --dry-run    execute, print, roll back`
}

// Run applies what is pending.
func (upCmd) Run(a *app, m *migrateCmd) error {
	return a.migrate(m.DryRun, func(mig *migrator.Migrator, p *printer) error {
		n, err := mig.Up(a.ctx, m.DryRun)
		if err == nil && n == 0 {
			p.line("nothing to do: the schema is up to date")
		}
		return err
	})
}

type downCmd struct {
	yesFlag
	N int `arg:"" optional:"" default:"1" help:"How many migrations to undo."`
}

// Help is the text below the summary.
func (downCmd) Help() string {
	return `All N are undone in one transaction. What would be lost is counted in that same transaction.

Examples:

	foldbook migrate down
	foldbook migrate down 3 --dry-run
	foldbook migrate down --yes`
}

// Run undoes the last N.
func (c downCmd) Run(a *app, m *migrateCmd) error {
	if c.N < 1 {
		return usageError("N is at least 1; \"foldbook migrate reset\" undoes all")
	}
	return a.undo(m.DryRun, func(mig *migrator.Migrator) (int, error) {
		return mig.Down(a.ctx, c.N, migrator.Consent{DryRun: m.DryRun, Yes: c.Yes})
	})
}

type resetCmd struct{ yesFlag }

// Help is the text below the summary.
func (resetCmd) Help() string {
	return `Leaves a database without any table of foldbook's.

Examples:

	foldbook migrate reset --dry-run
	foldbook migrate reset --yes && foldbook migrate up`
}

// Run undoes all.
func (c resetCmd) Run(a *app, m *migrateCmd) error {
	return a.undo(m.DryRun, func(mig *migrator.Migrator) (int, error) {
		return mig.Down(a.ctx, migrator.All, migrator.Consent{DryRun: m.DryRun, Yes: c.Yes})
	})
}

type redoCmd struct{ yesFlag }

// Help is the text below the summary.
func (redoCmd) Help() string {
	return `Both happen in one transaction. Handy while a migration is being written.

Examples:

	foldbook migrate redo
	foldbook migrate redo --dry-run`
}

// Run undoes the last one and applies it again.
func (c redoCmd) Run(a *app, m *migrateCmd) error {
	return a.undo(m.DryRun, func(mig *migrator.Migrator) (int, error) {
		return mig.Redo(a.ctx, migrator.Consent{DryRun: m.DryRun, Yes: c.Yes})
	})
}

type statusCmd struct{}

// Help is the text below the summary.
func (statusCmd) Help() string {
	return `Changes nothing. A migration of the database that this binary lacks is listed as unknown.

Examples:

	foldbook migrate status`
}

// Run lists the migrations.
func (statusCmd) Run(a *app, m *migrateCmd) error {
	return a.migrate(m.DryRun, func(mig *migrator.Migrator, p *printer) error {
		list, err := mig.Status(a.ctx)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
		for _, s := range list {
			state := "pending"
			switch {
			case s.File == "":
				state = "unknown to this binary"
			case s.AppliedAt != nil:
				state = "applied " + s.AppliedAt.Format(time.RFC3339)
			}
			// Colour goes last in the line, for tabwriter would count it as width.
			_, _ = fmt.Fprintf(w, "%05d\t%s\t%s\n", s.Version, strings.TrimSuffix(s.File, ".sql"), p.paint(stateColours[state[:7]], state))
		}
		return w.Flush()
	})
}

var stateColours = map[string]string{"pending": yellow, "unknown": red, "applied": green}

type createCmd struct {
	Name string `arg:"" help:"What the migration is about: add_run_notes."`
	Dir  string `default:"migrations" help:"Folder of the migrations." type:"path"`
}

// Help is the text below the summary.
func (createCmd) Help() string {
	return `The file gets the next number and is applied once the binary is built again, for migrations are part of it.

Examples:

	foldbook migrate create add_run_notes
	foldbook migrate create add_run_notes --dry-run`
}

// Run writes the file.
func (c createCmd) Run(a *app, m *migrateCmd) error {
	if info, err := os.Stat(c.Dir); err != nil || !info.IsDir() {
		return usageError(fmt.Sprintf("there is no folder %s: run it in the repository, or name the folder with --dir", c.Dir))
	}
	existing, err := migrator.Parse(os.DirFS(c.Dir))
	if err != nil {
		return err
	}
	name, text, err := migrator.Next(existing, c.Name)
	if err != nil {
		return usageError(err.Error())
	}
	path := filepath.Join(c.Dir, name)
	if m.DryRun {
		_, err := fmt.Fprintf(a.out, "would write %s:\n\n%s", path, text)
		return err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644) //nolint:gosec // a source file, readable like the others
	if err != nil {
		return fmt.Errorf("create the migration: %w", err)
	}
	_, err = file.WriteString(text)
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("write the migration: %w", err)
	}
	_, err = fmt.Fprintln(a.out, path)
	return err
}

// migrate connects and runs f, printing what happens.
func (a *app) migrate(dryRun bool, f func(*migrator.Migrator, *printer) error) error {
	cfg, err := loadConfig(a.env)
	if err != nil {
		return err
	}
	p := newPrinter(a)
	report := migrator.Report{Step: p.step, Losses: p.losses, Note: p.note}
	mig, err := migrator.Open(a.ctx, cfg.postgres(), cfg.ConnectTimeout, migrations.FS, report)
	if err != nil {
		return err
	}
	defer func() { _ = mig.Close() }()
	if err := f(mig, p); err != nil {
		return err
	}
	if dryRun {
		p.line("dry run: nothing was changed")
	}
	return nil
}

func (a *app) undo(dryRun bool, f func(*migrator.Migrator) (int, error)) error {
	return a.migrate(dryRun, func(mig *migrator.Migrator, p *printer) error {
		n, err := f(mig)
		if errors.Is(err, migrator.ErrDataLoss) {
			return fmt.Errorf("refused, nothing was changed: %w; --yes goes on all the same", err)
		}
		if err == nil && n == 0 {
			p.line("nothing to do: no migration is applied")
		}
		return err
	})
}
