package testdb

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"foldbook/internal/devstack"
)

// ThroughPooler tells whether TEST_PGBOUNCER is set: then tests of the API reach PostgreSQL through Pooler.
func ThroughPooler() bool { return os.Getenv("TEST_PGBOUNCER") != "" }

// Pooler starts a PgBouncer in transaction mode before the server of a test's database, and
// returns the address of the database through it. It is stopped when the test ends. The test is skipped where PgBouncer
// is not installed, unless TEST_PGBOUNCER is set: then it fails. settings are lines for the section pgbouncer.
func Pooler(t testing.TB, database, settings string) string {
	t.Helper()
	program, err := exec.LookPath("pgbouncer")
	if err != nil && ThroughPooler() {
		t.Fatalf("TEST_PGBOUNCER is set, but: %v", err)
	} else if err != nil {
		t.Skipf("PgBouncer is not installed: %v", err)
	}
	config, err := pgx.ParseConfig(database)
	if err != nil {
		t.Fatal(err)
	}
	port := unusedPort(t)
	password := ""
	if config.Password != "" {
		password = " password=" + config.Password
	}
	text := fmt.Sprintf("[databases]\n* = host=%s port=%d user=%s%s\n[pgbouncer]\nlisten_addr=127.0.0.1\nlisten_port=%d\n"+
		"unix_socket_dir=\nauth_type=any\npool_mode=transaction\ndefault_pool_size=8\nmax_client_conn=500\n%s\n",
		config.Host, config.Port, config.User, password, port, settings)
	file, err := os.CreateTemp("", "pgbouncer-*.ini")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Remove(file.Name()) })
	_, err = file.WriteString(text)
	if err = errors.Join(err, file.Chmod(0o644), file.Close()); err != nil { // it is read by the user of the servers
		t.Fatal(err)
	}
	process, err := devstack.StartServer(exec.CommandContext(context.Background(), program, file.Name()), syscall.SIGKILL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := process.Stop(5*time.Second, syscall.SIGTERM); err != nil {
			t.Error(err)
		}
	})
	u := url.URL{Scheme: "postgres", User: url.User("any"), Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)),
		Path: "/" + config.Database}
	waitForPooler(t, u.String())
	return u.String()
}

func waitForPooler(t testing.TB, address string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, address)
		if err == nil {
			_ = conn.Close(ctx)
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("PgBouncer does not answer: %v", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func unusedPort(t testing.TB) int {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()                     //nolint:errcheck // nothing was sent
	return listener.Addr().(*net.TCPAddr).Port //nolint:forcetypeassert // of tcp4
}
