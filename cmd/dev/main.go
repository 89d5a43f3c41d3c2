// Command dev runs foldbook for development: its databases, migrations, sample data and server, in one terminal.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
)

const about = `Runs foldbook for development, with a PostgreSQL and a QuestDB of this clone's own. The Makefile calls it: make
run, make dev, make reset.

All it keeps is in .dev: data, logs and fetched programs. HOST and PORT say where the service listens (127.0.0.1:33931). With
POSTGRES_URL or QDB_HTTP_URL set, in the environment or in .env, that server is used and none is started. DEV_QUESTDB=off goes
without QuestDB.`

type cli struct {
	Run   runCmd   `cmd:"" help:"Start the databases, migrate, seed and serve, until Ctrl-C. Data is kept between runs."`
	Watch watchCmd `cmd:"" help:"The same, and have each change of the sources generated, built, migrated and served."`
	Seed  seedCmd  `cmd:"" help:"Store sample data in PostgreSQL and QuestDB, as run does."`
	With  withCmd  `cmd:"" help:"Run a command, as in dev with -- psql, with POSTGRES_URL and DATABASE_URL of a new, migrated database."`
	Reset resetCmd `cmd:"" help:"Remove .dev with all data, unless something runs there."`
}

func main() {
	var c cli
	app := kong.Parse(&c, kong.Name("dev"), kong.Description(about), kong.UsageOnError())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	// A second Ctrl-C does not wait: the kernel then stops the children. A second SIGTERM says nothing new: make passes
	// on the one that its whole process group was sent.
	context.AfterFunc(ctx, func() { signal.Reset(os.Interrupt) })
	app.BindTo(ctx, (*context.Context)(nil))
	err := app.Run()
	stop()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.ExitCode() > 0:
		os.Exit(exit.ExitCode()) // of dev with: the command has said what is wrong
	case err != nil:
		fmt.Fprintln(os.Stderr, "dev:", err)
		os.Exit(1)
	}
}

type runCmd struct{}

func (runCmd) Run(ctx context.Context) error { return serveStack(ctx, false) }

type watchCmd struct{}

func (watchCmd) Run(ctx context.Context) error { return serveStack(ctx, true) }

// serveStack starts all, follows the sources if that is wanted, and stops all when the context ends.
func serveStack(ctx context.Context, follow bool) (err error) {
	s, err := open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	w := newWatcher(s.root) // before the start, so that an edit during it is seen
	if follow {
		s.buildTools(ctx)
	}
	if err := s.up(ctx, follow); err != nil {
		if ctx.Err() != nil {
			return nil // interrupted
		}
		return err
	}
	if follow {
		s.say("watch", "sql/, migrations/, the API description and *.go: a change is generated, built and served")
		return s.watch(ctx, w)
	}
	select {
	case <-ctx.Done():
		s.say("\nstopping", "")
		return nil
	case <-s.server.Done():
		return fmt.Errorf("the server ended by itself: %s", s.server.HowEnded())
	case <-s.postgresDone():
		return fmt.Errorf("PostgreSQL ended by itself; its log is %s", s.postgres.LogFile())
	}
}

func round(d time.Duration) time.Duration {
	if d < time.Second {
		return d.Round(time.Millisecond)
	}
	return d.Round(100 * time.Millisecond)
}
