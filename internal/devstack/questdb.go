package devstack

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// QuestDB is a running series store of this program's own, on two loopback ports below 32768 (above it, the system hands
// ports to outgoing connections) that stay the same from run to run while they are free. It ends with this program.
type QuestDB struct {
	server
	program  QuestDBProgram
	quick    bool   // see StartQuestDB
	dir      string // QuestDB's root folder and questdb.log, questdb.pid, ports
	httpPort int
	pgPort   int
}

// StartQuestDB starts a server on the folder dir, which may be new, and waits until it answers queries. The caller sees to it that dir
// is used once at a time. It runs as QuestDB comes, so that what is measured on it holds for an installation. A quick one, for tests,
// is ready sooner and takes about 200 MiB of memory, but with one worker and without the optimizing compiler it is two to five times
// slower.
func StartQuestDB(ctx context.Context, dir string, program QuestDBProgram, quick bool) (*QuestDB, error) {
	cred, err := serverUser()
	if err != nil {
		return nil, err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, fmt.Errorf("start QuestDB: %w", err)
	}
	q := &QuestDB{program: program, dir: dir, quick: quick, server: server{
		name: "QuestDB", log: filepath.Join(dir, "questdb.log"), cred: cred, stop: []syscall.Signal{syscall.SIGTERM},
	}}
	if err := makeDir(dir); err != nil {
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

// Restart starts the server anew on the same data and the same ports, after Stop or Kill or while it runs.
func (q *QuestDB) Restart(ctx context.Context) error {
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
		if !errors.Is(err, ErrEnded) {
			return err
		}
		q.httpPort, q.pgPort = 0, 0
	}
	return err
}

func (q *QuestDB) tryStart(ctx context.Context) error {
	arguments := append(q.javaOptions(), "-p", q.program.Jar, "-m", "io.questdb/io.questdb.ServerMain", "-d", q.root())
	cmd := exec.Command(q.program.Java, arguments...)
	cmd.Dir = q.root()
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "QDB_") { // the product's settings begin like QuestDB's own
			cmd.Env = append(cmd.Env, kv)
		}
	}
	cmd.Env = append(cmd.Env, q.settings()...)
	noted := false // in the pid file
	return q.run(ctx, cmd, func(pid int) bool {
		noted = noted || os.WriteFile(filepath.Join(q.dir, questdbPID), fmt.Appendln(nil, pid), 0o644) == nil
		status, _ := Answer(ctx, q.HTTPURL()+"/exec?query=select%201")
		return noted && status == http.StatusOK
	})
}

// javaOptions are those of QuestDB's launcher (core/src/main/bin/questdb.sh: -ea -Dnoebug -XX:+UnlockExperimentalVMOptions
// -XX:+AlwaysPreTouch -XX:+UseParallelGC) within a heap of 1 GiB, of which it would take a quarter of the machine's memory.
func (q *QuestDB) javaOptions() []string {
	// Java's temporary files stay in the folder too: after a kill they would be left in the system's.
	options := []string{"-XX:-UsePerfData", "-Djava.io.tmpdir=" + q.root()}
	if q.quick {
		return append(options, "-Xms64m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
	}
	return append(options, "-Xms128m", "-Xmx1g", "-ea", "-Dnoebug", "-XX:+UnlockExperimentalVMOptions", "-XX:+AlwaysPreTouch",
		"-XX:+UseParallelGC")
}

// settings are QuestDB's defaults but for where it listens, what it logs, how long its workers look for work before they sleep, and the
// disk that each column takes in advance.
func (q *QuestDB) settings() []string {
	settings := []string{
		fmt.Sprintf("QDB_HTTP_NET_BIND_TO=127.0.0.1:%d", q.httpPort),
		fmt.Sprintf("QDB_PG_NET_BIND_TO=127.0.0.1:%d", q.pgPort),
		"QDB_HTTP_MIN_ENABLED=false", "QDB_LINE_TCP_ENABLED=false", "QDB_LINE_UDP_ENABLED=false",
		"QDB_PG_READONLY_USER_ENABLED=true", "QDB_PG_READONLY_USER=" + QuestDBReader, "QDB_PG_READONLY_PASSWORD=" + QuestDBReaderPassword,
		"QDB_METRICS_ENABLED=false", "QDB_TELEMETRY_ENABLED=false",
		"QDB_LOG_W_STDOUT_LEVEL=ERROR", // at INFO, three lines for each query are more work than a small query itself
		"QDB_CAIRO_WRITER_DATA_APPEND_PAGE_SIZE=128k", "QDB_CAIRO_WAL_WRITER_DATA_APPEND_PAGE_SIZE=64k",
		"QDB_CAIRO_O3_COLUMN_MEMORY_SIZE=64k", "QDB_CAIRO_WAL_PURGE_INTERVAL=5s",
	}
	// By default a worker yields 7,000 times before it naps, which is a fifth of what QuestDB takes of two cores in the tests.
	for _, workers := range []string{"SHARED", "HTTP", "WAL_APPLY", "MAT_VIEW_REFRESH", "VIEW_COMPILER", "EXPORT"} {
		name := "QDB_" + workers + "_WORKER_"
		settings = append(settings, name+"YIELD_THRESHOLD=10", name+"NAP_THRESHOLD=100", name+"SLEEP_THRESHOLD=1000")
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
