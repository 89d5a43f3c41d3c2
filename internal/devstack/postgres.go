package devstack

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

const (
	maxSocketPath = 103 // sun_path has 104 bytes on macOS, 108 on Linux, with the final zero
	socketName    = ".s.PGSQL.5432"
)

// Options say how a [Postgres] runs.
type Options struct {
	Binaries Binaries
	// Durable keeps what is committed through a crash, as a server in production does. Without it the server is as fast
	// as it gets and a crash of the machine ruins its data: for tests.
	Durable bool
}

// Postgres is a running server of this program's own. It listens on a unix socket only, in a folder that no other user
// can enter, and trusts whoever connects. It ends with this program.
type Postgres struct {
	server
	opts    Options
	dir     string // holds data, run and postgres.log
	sockets string
}

// StartPostgres starts a server on the folder dir and waits until it takes connections. A folder without a cluster
// gets one (superuser postgres, UTF-8, C locale). The caller sees to it that dir is used once at a time; a server that a
// killed program left behind in it is stopped first.
func StartPostgres(ctx context.Context, dir string, opts Options) (*Postgres, error) {
	cred, err := serverUser()
	if err != nil {
		return nil, err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, fmt.Errorf("start PostgreSQL: %w", err)
	}
	p := &Postgres{opts: opts, dir: dir, sockets: filepath.Join(dir, "run"), server: server{
		name: "PostgreSQL", log: filepath.Join(dir, "postgres.log"), cred: cred, stop: []syscall.Signal{syscall.SIGINT, syscall.SIGQUIT},
	}}
	if err := makeDir(dir); err != nil {
		return nil, err
	}
	if len(filepath.Join(p.sockets, socketName)) > maxSocketPath {
		if p.sockets, err = os.MkdirTemp("", "dev-"); err != nil {
			return nil, fmt.Errorf("make a folder for the socket: %w", err)
		}
	}
	if err := makePrivateDir(p.sockets, cred); err != nil {
		return nil, err
	}
	if !isDir(p.data()) {
		if err := p.initialize(ctx); err != nil {
			return nil, err
		}
	}
	if err := p.start(ctx); err != nil {
		p.removeSockets()
		return nil, err
	}
	return p, nil
}

// URL returns the connection string of a database, for pgx and libpq alike.
func (p *Postgres) URL(database string) string {
	// The port names the socket's file; it is written out because PGPORT would change the default.
	q := url.Values{"host": {p.sockets}, "port": {"5432"}}
	return "postgres://postgres@/" + url.PathEscape(database) + "?" + strings.ReplaceAll(q.Encode(), "%2F", "/")
}

// BinDir returns the folder of the server's programs.
func (p *Postgres) BinDir() string { return p.opts.Binaries.Dir }

// Stop ends the server: open connections are cut and transactions rolled back, and after 10 s it is less polite.
func (p *Postgres) Stop() error {
	err := p.server.Stop()
	p.removeSockets()
	return err
}

func (p *Postgres) removeSockets() {
	if p.sockets != filepath.Join(p.dir, "run") {
		_ = os.RemoveAll(p.sockets)
	}
}

// Restart starts the server anew on the same data and the same socket, after Stop or Kill or while it runs.
func (p *Postgres) Restart(ctx context.Context) error {
	if err := p.server.Stop(); err != nil {
		return err
	}
	if err := makePrivateDir(p.sockets, p.cred); err != nil {
		return err
	}
	return p.start(ctx)
}

func (p *Postgres) data() string { return filepath.Join(p.dir, "data") }

// initialize makes the cluster under another name first, so that a half-made one never has the real name.
func (p *Postgres) initialize(ctx context.Context) error {
	fresh := p.data() + ".init"
	if err := os.RemoveAll(fresh); err != nil {
		return fmt.Errorf("clear a half-made cluster: %w", err)
	}
	if err := makePrivateDir(fresh, p.cred); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(p.BinDir(), "initdb"), "-D", fresh,
		"-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions")
	var out bytes.Buffer
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = serverEnv(), fresh, &out, &out
	init, err := startAs(cmd, syscall.SIGKILL, p.cred)
	if err != nil {
		return fmt.Errorf("initdb: %w", err)
	}
	<-init.Done()
	if err := init.Err(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, bytes.TrimSpace(out.Bytes()))
	}
	if err := os.Rename(fresh, p.data()); err != nil {
		return fmt.Errorf("name the new cluster: %w", err)
	}
	return nil
}

func (p *Postgres) start(ctx context.Context) error {
	if err := StopOrphan(ctx, p.dir); err != nil {
		return err
	}
	cmd := exec.Command(filepath.Join(p.BinDir(), "postgres"), p.arguments()...)
	cmd.Env, cmd.Dir = serverEnv(), p.data()
	return p.run(ctx, cmd, p.ready)
}

func (p *Postgres) arguments() []string {
	args := []string{"-D", p.data(), "-k", p.sockets, "-p", "5432", "-h", ""}
	settings := []string{"shared_buffers=64MB"}
	if !p.opts.Durable {
		settings = []string{
			"shared_buffers=64MB", "max_connections=200", "fsync=off", "synchronous_commit=off", "full_page_writes=off",
			"wal_level=minimal", "max_wal_senders=0", "autovacuum=off", "max_wal_size=2GB", "checkpoint_timeout=1h", "jit=off",
		}
	}
	for _, s := range settings {
		args = append(args, "-c", s)
	}
	return args
}

// ready reports whether the pid file says that connections are taken: its eighth line is the server's state.
func (p *Postgres) ready(pid int) bool {
	text, _ := os.ReadFile(filepath.Join(p.dir, postmasterPID))
	lines := strings.Split(string(text), "\n")
	return len(lines) > 7 && lines[0] == strconv.Itoa(pid) && strings.TrimSpace(lines[7]) == "ready"
}

// serverEnv is the environment without what would change the server's settings; macOS needs a locale that is known.
func serverEnv() []string {
	env := []string{"LC_ALL=C"}
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "PG") && !strings.HasPrefix(kv, "LC_") {
			env = append(env, kv)
		}
	}
	return env
}
