// Command foldbook serves the research data of a trading dashboard over HTTP, and cares for its database: schema
// migrations, sample data, settings. `foldbook -h` explains it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
	"github.com/joho/godotenv"

	"foldbook/internal/migrator"
	"foldbook/internal/transfer"
	"foldbook/questdb"
)

// Exit codes; the help of the command lists them.
const (
	exitOK       = 0
	exitFailed   = 1
	exitUsage    = 2 // wrong command line or settings
	exitDatabase = 3 // PostgreSQL, or for import and export the server, cannot be reached
	exitDataLoss = 4 // refused, because data would be lost
)

const about = `Serves the research data of a trading dashboard over HTTP: datasets, walk-forward runs and simulations from
PostgreSQL, series from QuestDB.

Examples:

	foldbook migrate up     bring the schema up to date
	foldbook serve          serve on http://127.0.0.1:33931
	foldbook import DIR     post the files of a directory to that server
	foldbook export all DIR write all that it has into a directory
	foldbook ls             list its runs; show and rm take a name, slug or id
	foldbook doctor         compare the two databases
	foldbook migrate -h     more about a command

Settings come from the environment and from a file .env in the working directory; the environment wins. POSTGRES_URL says where
the database is. In a clone in which make run is at work, its databases and its server are used unless others are named. "foldbook
config" prints all settings, .env.example explains them.

Exit codes: 0 done, 1 failed, 2 wrong command line or settings, 3 PostgreSQL, QuestDB, or the server to import into or export
from, cannot be reached, 4 refused because data would be lost.`

type cli struct {
	Serve   serveCmd   `cmd:"" help:"Serve the API until SIGTERM or Ctrl-C."`
	Migrate migrateCmd `cmd:"" help:"Bring the database schema up to date, or take it back."`
	Import  importCmd  `cmd:"" help:"Post files, or directories of them, to a server."`
	Export  exportCmd  `cmd:"" help:"Write what a server has as files that import takes back."`
	Ls      lsCmd      `cmd:"" help:"List runs, datasets or simulations of a server."`
	Show    showCmd    `cmd:"" help:"Show one of them."`
	Compare compareCmd `cmd:"" help:"Compare runs, side by side."`

	Leaderboard leaderboardCmd `cmd:"" help:"Rank the runs of a search, with what is left after so many trials."`

	Rm      rmCmd      `cmd:"" help:"Remove one of them, with its rows."`
	Seed    seedCmd    `cmd:"" help:"Store a search to try the leaderboard on."`
	Doctor  doctorCmd  `cmd:"" help:"Find what PostgreSQL and QuestDB do not agree about, and repair it."`
	Grants  grantsCmd  `cmd:"" help:"Print the SQL that gives a role the rights that the service needs."`
	Key     keyCmd     `cmd:"" help:"Make, list and end the keys of callers."`
	Config  configCmd  `cmd:"" help:"Print the effective settings, secrets masked."`
	Version versionCmd `cmd:"" help:"Print the version."`

	VersionFlag kong.VersionFlag `name:"version" help:"Print the version."`
}

// app is what a command works with.
type app struct {
	ctx      context.Context // ends with SIGTERM or Ctrl-C
	in       io.Reader
	out, err io.Writer
	env      map[string]string
	dotenv   []string // the names in the file .env
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr, os.Environ())
	stop()
	os.Exit(code)
}

// run is the whole command. It returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer, environ []string) int {
	if len(args) == 0 {
		args = []string{"--help"}
	}
	a := &app{ctx: ctx, in: os.Stdin, out: stdout, err: stderr, env: map[string]string{}}
	command, code := parse(args, stdout, stderr)
	if command == nil {
		return code
	}
	if err := a.readEnv(".env", environ); err != nil {
		_, _ = fmt.Fprintf(stderr, "foldbook: %v\n", err)
		return exitUsage
	}
	if err := a.readStack(filepath.Join(".dev", "env")); err != nil {
		_, _ = fmt.Fprintf(stderr, "foldbook: %v\n", err)
		return exitUsage
	}
	if err := command.Run(a); err != nil {
		_, _ = fmt.Fprintf(stderr, "foldbook: %v\n", err)
		return exitCode(err)
	}
	return exitOK
}

// parse returns the command to run, or nil and the exit code when there is none.
func parse(args []string, stdout, stderr io.Writer) (command *kong.Context, code int) {
	type exit int
	defer func() { // kong asks to exit from within, after it has printed help
		switch r := recover().(type) {
		case nil:
		case exit:
			command, code = nil, int(r)
		default:
			panic(r)
		}
	}()
	parser, err := kong.New(&cli{},
		kong.Name("foldbook"),
		kong.Description(about),
		kong.Writers(stdout, stderr),
		kong.Vars{"version": versionText()},
		kong.Exit(func(code int) { panic(exit(code)) }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true, WrapUpperBound: 100}),
	)
	if err != nil {
		panic(err)
	}
	command, err = parser.Parse(serverLast(args))
	if err != nil {
		path := "foldbook"
		var at *kong.ParseError
		if errors.As(err, &at) && at.Context != nil && at.Context.Command() != "" {
			path += " " + strings.Fields(at.Context.Command())[0]
		}
		_, _ = fmt.Fprintf(stderr, "foldbook: %v\nRun \"%s -h\" for help.\n", err, path)
		return nil, exitUsage
	}
	return command, exitOK
}

// serverLast moves --server behind the command that it is of: people write it in front as well.
func serverLast(args []string) []string {
	switch {
	case len(args) > 2 && args[0] == "--server":
		return slices.Concat(args[2:3], args[:2], args[3:])
	case len(args) > 1 && strings.HasPrefix(args[0], "--server="):
		return slices.Concat(args[1:2], args[:1], args[2:])
	}
	return args
}

// readEnv fills a.env with environ over the file's settings. The file need not exist.
func (a *app) readEnv(file string, environ []string) error {
	dotenv, err := godotenv.Read(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		var path *fs.PathError
		if errors.As(err, &path) {
			return err
		}
		// The parser's own text quotes the file, which holds passwords.
		return fmt.Errorf("%s cannot be read: a line is not NAME=value (quote values with spaces or #)", file)
	}
	maps.Copy(a.env, dotenv)
	a.dotenv = slices.Sorted(maps.Keys(dotenv))
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		a.env[name] = value
	}
	for name, value := range dotenv { // such as PGSSLROOTCERT, which the driver itself looks for
		if _, ok := os.LookupEnv(name); !ok && strings.HasPrefix(name, "PG") {
			if err := os.Setenv(name, value); err != nil {
				return fmt.Errorf("set %s: %w", name, err)
			}
		}
	}
	return nil
}

// readStack fills in where make run has its databases and its server, from the file that it keeps while it runs. A server that
// the settings name, in whatever way, stays that one.
func (a *app) readStack(file string) error {
	stack, err := godotenv.Read(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return fmt.Errorf("read %s: %w", file, err)
	}
	given := func(prefixes ...string) bool {
		for name, value := range a.env {
			if value != "" && slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(name, prefix) }) {
				return true
			}
		}
		return false
	}
	for _, prefixes := range [][]string{
		{"POSTGRES_URL", "PGHOST", "PGPORT", "PGDATABASE", "PGSERVICE"}, {"QDB_HTTP_URL", "QDB_PG_URL", "QDB_READONLY"}, {"FOLDBOOK_SERVER"},
	} {
		if given(prefixes...) {
			continue
		}
		for name, value := range stack {
			if slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(name, prefix) }) {
				a.env[name] = value
			}
		}
	}
	return nil
}

func exitCode(err error) int {
	var bad configError
	var usage usageError
	var connect *migrator.ConnectError
	var away *transfer.AwayError
	switch {
	case errors.As(err, &bad), errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &connect), errors.As(err, &away), errors.Is(err, questdb.ErrUnavailable):
		return exitDatabase
	case errors.Is(err, migrator.ErrDataLoss):
		return exitDataLoss
	}
	return exitFailed
}

// usageError is a command line that parses and makes no sense.
type usageError string

func (e usageError) Error() string { return string(e) }
