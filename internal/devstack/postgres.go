package devstack

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	maxSocketPath = 103 // sun_path has 104 bytes on macOS, 108 on Linux, with the final zero
	socketName    = ".s.PGSQL.5432"
	startPatience = 60 * time.Second // crash recovery on a slow disk included
	stopPatience  = 10 * time.Second
	pollEvery     = 5 * time.Millisecond
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
	opts    Options
	dir     string // holds data, run and postgres.log
	sockets string
	cred    *syscall.Credential
	proc    *Process
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
	p := &Postgres{opts: opts, dir: dir, cred: cred, sockets: filepath.Join(dir, "run")}
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

// PID returns the postmaster's process id.
func (p *Postgres) PID() int { return p.proc.PID() }

// LogFile returns the path of the server's log.
func (p *Postgres) LogFile() string { return filepath.Join(p.dir, "postgres.log") }

// Done is closed when the server that runs now has ended, for whatever reason.
func (p *Postgres) Done() <-chan struct{} { return p.proc.Done() }

// Stop ends the server: open connections are cut and transactions rolled back, and after 10 s it is less polite.
func (p *Postgres) Stop() error {
	p.Thaw() // a stopped process would not hear the signal
	err := p.proc.Stop(stopPatience, syscall.SIGINT, syscall.SIGQUIT)
	p.removeSockets()
	if err != nil {
		return fmt.Errorf("stop PostgreSQL: %w", err)
	}
	return nil
}

func (p *Postgres) removeSockets() {
	if p.sockets != filepath.Join(p.dir, "run") {
		_ = os.RemoveAll(p.sockets)
	}
}

// Kill ends the server with all its processes at once, as a crash or a lack of memory would. It returns when all are gone.
func (p *Postgres) Kill() {
	pid := p.PID()
	_ = syscall.Kill(pid, syscall.SIGSTOP) // so that it starts no more children
	children := childrenOf(pid)
	for _, id := range append(children, pid) {
		_ = syscall.Kill(id, syscall.SIGKILL)
	}
	<-p.Done()
	for _, id := range children {
		for alive(id) {
			time.Sleep(pollEvery)
		}
	}
}

// Freeze halts the server with all its processes: connections stay open and nothing is answered.
func (p *Postgres) Freeze() {
	_ = syscall.Kill(p.PID(), syscall.SIGSTOP)
	for _, id := range childrenOf(p.PID()) {
		_ = syscall.Kill(id, syscall.SIGSTOP)
	}
}

// Thaw lets a frozen server go on.
func (p *Postgres) Thaw() {
	for _, id := range append(childrenOf(p.PID()), p.PID()) {
		_ = syscall.Kill(id, syscall.SIGCONT)
	}
}

// Restart starts the server anew on the same data and the same socket, after Stop or Kill or while it runs.
func (p *Postgres) Restart(ctx context.Context) error {
	select {
	case <-p.Done():
	default:
		p.Thaw()
		if err := p.proc.Stop(stopPatience, syscall.SIGINT, syscall.SIGQUIT); err != nil {
			return fmt.Errorf("stop PostgreSQL: %w", err)
		}
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
	logFile, err := os.OpenFile(p.LogFile(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("open the server's log: %w", err)
	}
	defer logFile.Close() //nolint:errcheck // the child has its own descriptor
	from, err := logFile.Seek(0, io.SeekEnd)
	if err != nil {
		return fmt.Errorf("open the server's log: %w", err)
	}
	cmd := exec.Command(filepath.Join(p.BinDir(), "postgres"), p.arguments()...)
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = serverEnv(), p.data(), logFile, logFile
	if p.proc, err = startAs(cmd, syscall.SIGINT, p.cred); err != nil {
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	if err := p.waitReady(ctx); err != nil {
		_ = p.proc.Stop(stopPatience, syscall.SIGINT, syscall.SIGQUIT)
		return fmt.Errorf("start PostgreSQL: %w; its log %s ends:\n%s", err, p.LogFile(), tail(p.LogFile(), from))
	}
	return nil
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

// waitReady waits until the pid file says that connections are taken: its eighth line is the server's state.
func (p *Postgres) waitReady(ctx context.Context) error {
	deadline := time.NewTimer(startPatience)
	defer deadline.Stop()
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for {
		text, _ := os.ReadFile(filepath.Join(p.dir, postmasterPID))
		lines := strings.Split(string(text), "\n")
		if len(lines) > 7 && lines[0] == strconv.Itoa(p.PID()) && strings.TrimSpace(lines[7]) == "ready" {
			return nil
		}
		select {
		case <-poll.C:
		case <-p.Done():
			return fmt.Errorf("it ended at once: %w", p.proc.Err())
		case <-deadline.C:
			return fmt.Errorf("not ready within %s", startPatience)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
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

// tail returns the end of what a file holds from an offset on, at most 4 KiB of it.
func tail(path string, from int64) string {
	text, err := os.ReadFile(path)
	if err != nil || from >= int64(len(text)) {
		return ""
	}
	text = text[from:]
	return string(bytes.TrimSpace(text[max(0, len(text)-4096):]))
}
