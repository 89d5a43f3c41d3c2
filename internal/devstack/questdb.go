package devstack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// QuestDB is a running series store of this program's own, on two loopback ports below 32768 (above it, the system hands
// ports to outgoing connections) that stay the same from run to run while they are free. It ends with this program.
type QuestDB struct {
	program  QuestDBProgram
	quick    bool   // see StartTestQuestDB
	dir      string // QuestDB's root folder and questdb.log, questdb.pid, ports
	httpPort int
	pgPort   int
	proc     *Process
}

// StartQuestDB starts a server on the folder dir, which may be new, and waits until it answers queries. It runs as QuestDB
// comes, so that what is measured on it holds for an installation. The caller sees to it that dir is used once at a time.
func StartQuestDB(ctx context.Context, dir string, program QuestDBProgram) (*QuestDB, error) {
	return startQuestDB(ctx, &QuestDB{program: program, dir: dir})
}

// StartTestQuestDB starts a server for tests: it is ready sooner and takes about 200 MiB of memory, but with one worker and
// without the optimizing compiler it is two to five times slower than QuestDB is.
func StartTestQuestDB(ctx context.Context, dir string, program QuestDBProgram) (*QuestDB, error) {
	return startQuestDB(ctx, &QuestDB{program: program, dir: dir, quick: true})
}

func startQuestDB(ctx context.Context, q *QuestDB) (*QuestDB, error) {
	cred, err := serverUser()
	if err != nil {
		return nil, err
	}
	if q.dir, err = filepath.Abs(q.dir); err != nil {
		return nil, fmt.Errorf("start QuestDB: %w", err)
	}
	if err := makeDir(q.dir); err != nil {
		return nil, err
	}
	if err := makePrivateDir(q.root(), cred); err != nil { // QuestDB does not make it
		return nil, err
	}
	if err := q.start(ctx); err != nil {
		return nil, err
	}
	return q, nil
}

// HTTPURL returns the address of the HTTP interface, http://127.0.0.1:PORT.
func (q *QuestDB) HTTPURL() string { return fmt.Sprintf("http://127.0.0.1:%d", q.httpPort) }

// PGURL returns the connection string of the PostgreSQL wire interface, with QuestDB's default user and password.
func (q *QuestDB) PGURL() string {
	return fmt.Sprintf("postgres://admin:quest@127.0.0.1:%d/qdb?sslmode=disable", q.pgPort)
}

// The user of the PostgreSQL wire interface that may only read.
const (
	QuestDBReader         = "reader"
	QuestDBReaderPassword = "reader"
)

// PID returns the process id.
func (q *QuestDB) PID() int { return q.proc.PID() }

// LogFile returns the path of the server's log.
func (q *QuestDB) LogFile() string { return filepath.Join(q.dir, "questdb.log") }

// Done is closed when the server that runs now has ended, for whatever reason.
func (q *QuestDB) Done() <-chan struct{} { return q.proc.Done() }

// Stop ends the server in its own way; after 10 s it is killed.
func (q *QuestDB) Stop() error {
	if err := q.proc.Stop(stopPatience, syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop QuestDB: %w", err)
	}
	return nil
}

// Kill ends the server at once, as a crash would.
func (q *QuestDB) Kill() {
	_ = syscall.Kill(q.PID(), syscall.SIGKILL)
	<-q.Done()
}

// Freeze halts the server: it takes connections and answers nothing.
func (q *QuestDB) Freeze() { _ = syscall.Kill(q.PID(), syscall.SIGSTOP) }

// Thaw lets a frozen server go on.
func (q *QuestDB) Thaw() { _ = syscall.Kill(q.PID(), syscall.SIGCONT) }

// Restart starts the server anew on the same data and the same ports, after Stop or Kill or while it runs.
func (q *QuestDB) Restart(ctx context.Context) error {
	q.Thaw()
	if err := q.Stop(); err != nil {
		return err
	}
	return q.start(ctx)
}

func (q *QuestDB) root() string { return filepath.Join(q.dir, "root") }

// start tries again with other ports when the server ends at once: between finding a port free and binding it,
// somebody else may have taken it.
func (q *QuestDB) start(ctx context.Context) error {
	if err := StopOrphan(ctx, q.dir); err != nil {
		return err
	}
	portsFile := filepath.Join(q.dir, "ports")
	text, _ := os.ReadFile(portsFile)
	_, _ = fmt.Sscan(string(text), &q.httpPort, &q.pgPort)
	var err error
	for range 3 {
		if q.httpPort, err = freePort(q.httpPort); err != nil {
			return err
		}
		if q.pgPort, err = freePort(q.pgPort); err != nil {
			return err
		}
		if err = q.tryStart(ctx); err == nil {
			return os.WriteFile(portsFile, fmt.Appendf(nil, "%d %d\n", q.httpPort, q.pgPort), 0o644)
		}
		if !errors.Is(err, errEndedAtOnce) {
			return err
		}
		q.httpPort, q.pgPort = 0, 0
	}
	return err
}

var errEndedAtOnce = errors.New("it ended at once")

func (q *QuestDB) tryStart(ctx context.Context) error {
	cred, err := serverUser()
	if err != nil {
		return err
	}
	logFile, err := os.OpenFile(q.LogFile(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("open the server's log: %w", err)
	}
	defer logFile.Close() //nolint:errcheck // the child has its own descriptor
	from, err := logFile.Seek(0, io.SeekEnd)
	if err != nil {
		return fmt.Errorf("open the server's log: %w", err)
	}
	cmd := exec.Command(q.program.Java, append(q.javaOptions(), "-p", q.program.Jar, "-m", "io.questdb/io.questdb.ServerMain", "-d", q.root())...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = q.root(), logFile, logFile
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "QDB_") { // the product's settings begin like QuestDB's own
			cmd.Env = append(cmd.Env, kv)
		}
	}
	cmd.Env = append(cmd.Env, q.settings()...)
	if q.proc, err = startAs(cmd, syscall.SIGTERM, cred); err != nil {
		return fmt.Errorf("start QuestDB: %w", err)
	}
	if err := os.WriteFile(filepath.Join(q.dir, questdbPID), fmt.Appendln(nil, q.PID()), 0o644); err != nil {
		return errors.Join(fmt.Errorf("write the pid file: %w", err), q.Stop())
	}
	if err := q.waitReady(ctx); err != nil {
		_ = q.Stop()
		return fmt.Errorf("start QuestDB: %w; its log %s ends:\n%s", err, q.LogFile(), tail(q.LogFile(), from))
	}
	return nil
}

// javaOptions are those of QuestDB's launcher (core/src/main/bin/questdb.sh: -ea -Dnoebug -XX:+UnlockExperimentalVMOptions
// -XX:+AlwaysPreTouch -XX:+UseParallelGC) within a heap of 1 GiB, of which it would take a quarter of the machine's memory.
func (q *QuestDB) javaOptions() []string {
	// Java's temporary files stay in the folder too: after a kill they would be left in the system's.
	options := []string{"-XX:-UsePerfData", "-Djava.io.tmpdir=" + q.root()}
	if q.quick {
		return append(options, "-Xms64m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
	}
	return append(options, "-Xms128m", "-Xmx1g", "-ea", "-Dnoebug", "-XX:+UnlockExperimentalVMOptions", "-XX:+AlwaysPreTouch", "-XX:+UseParallelGC")
}

// settings are QuestDB's defaults but for where it listens, what it logs, and the disk that each column takes in advance.
func (q *QuestDB) settings() []string {
	settings := []string{
		fmt.Sprintf("QDB_HTTP_NET_BIND_TO=127.0.0.1:%d", q.httpPort),
		fmt.Sprintf("QDB_PG_NET_BIND_TO=127.0.0.1:%d", q.pgPort),
		"QDB_HTTP_MIN_ENABLED=false", "QDB_LINE_TCP_ENABLED=false", "QDB_LINE_UDP_ENABLED=false",
		"QDB_PG_READONLY_USER_ENABLED=true", "QDB_PG_READONLY_USER=" + QuestDBReader, "QDB_PG_READONLY_PASSWORD=" + QuestDBReaderPassword,
		"QDB_METRICS_ENABLED=false", "QDB_TELEMETRY_ENABLED=false",
		"QDB_LOG_W_STDOUT_LEVEL=ERROR", // at INFO, three lines for each query: more work than a small query itself, and a log that grows by megabytes a second
		"QDB_CAIRO_WRITER_DATA_APPEND_PAGE_SIZE=128k", "QDB_CAIRO_WAL_WRITER_DATA_APPEND_PAGE_SIZE=64k",
		"QDB_CAIRO_O3_COLUMN_MEMORY_SIZE=64k", "QDB_CAIRO_WAL_PURGE_INTERVAL=5s",
	}
	if q.quick {
		settings = append(settings,
			"QDB_SHARED_WORKER_COUNT=1", "QDB_HTTP_WORKER_COUNT=1", "QDB_QUERY_TIMEOUT=30s",
			"QDB_HTTP_NET_CONNECTION_LIMIT=32", "QDB_PG_NET_CONNECTION_LIMIT=32",
			"QDB_HTTP_RECEIVE_BUFFER_SIZE=128k", "QDB_HTTP_SEND_BUFFER_SIZE=256k",
			"QDB_PG_RECV_BUFFER_SIZE=128k", "QDB_PG_SEND_BUFFER_SIZE=256k",
		)
	}
	return settings
}

// waitReady waits until a query is answered.
func (q *QuestDB) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	poll := time.NewTicker(10 * pollEvery)
	defer poll.Stop()
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{Proxy: nil, DisableKeepAlives: true}}
	for {
		if answers(ctx, client, q.HTTPURL()+"/exec?query=select%201") {
			return nil
		}
		select {
		case <-poll.C:
		case <-q.Done():
			return fmt.Errorf("%w: %w", errEndedAtOnce, q.proc.Err())
		case <-ctx.Done():
			return fmt.Errorf("not ready: %w", ctx.Err())
		}
	}
}

func answers(ctx context.Context, client *http.Client, url string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	res, err := client.Do(req)
	if err != nil {
		return false
	}
	defer res.Body.Close() //nolint:errcheck // only the status matters
	return res.StatusCode == http.StatusOK
}

// freePort returns the wanted port when it is free on loopback, else another below 32768.
func freePort(wanted int) (int, error) {
	for try := range 100 {
		port := wanted
		if try > 0 || port == 0 {
			port = 20000 + rand.IntN(32768-20000)
		}
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			return port, l.Close()
		}
	}
	return 0, errors.New("find a free port: a hundred between 20000 and 32767 are taken")
}
