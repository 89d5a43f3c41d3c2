package devstack

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// helperDir in the environment makes the test binary a program that runs a server on that folder until it is ended.
const helperDir = "DEVSTACK_TEST_HELPER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(helperDir); dir != "" {
		os.Exit(runHelper(dir))
	}
	os.Exit(m.Run())
}

func runHelper(dir string) int {
	ctx := context.Background()
	state, err := testState()
	if err != nil {
		fmt.Println(err)
		return 1
	}
	b, err := FindPostgres(ctx, state, nil)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	p, err := StartPostgres(ctx, dir, Options{Binaries: b})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("pid", p.PID())
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 0
}

func testState() (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	return StateDir(root)
}

// scratch returns a folder that the servers' user can reach, which t.TempDir's are not when root runs the tests.
func scratch(t *testing.T) string {
	t.Helper()
	state, err := testState()
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewScratch(t.Context(), filepath.Join(state, "test"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Remove(); err != nil {
			t.Error(err)
		}
	})
	return s.Dir
}

func binaries(t *testing.T) Binaries {
	t.Helper()
	if testing.Short() {
		t.Skip("it starts a server, and -short is given")
	}
	state, err := testState()
	if err != nil {
		t.Fatal(err)
	}
	b, err := FindPostgres(t.Context(), state, nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func startIn(t *testing.T, dir string, opts Options) *Postgres {
	t.Helper()
	p, err := StartPostgres(t.Context(), dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func query(t *testing.T, p *Postgres, sql string) (answer string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), p.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if err := conn.QueryRow(t.Context(), sql).Scan(&answer); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return answer
}

func execute(t *testing.T, p *Postgres, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), p.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(pollEvery) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 30 s: %s", what)
		}
	}
}

func TestPostgresKeepsWhatWasCommittedThroughAKill(t *testing.T) {
	t.Parallel()
	dir := scratch(t)
	p := startIn(t, dir, Options{Binaries: binaries(t), Durable: true})
	execute(t, p, "CREATE TABLE kept (i int); INSERT INTO kept VALUES (42)")
	url := p.URL("postgres")
	p.Kill()
	if left := childrenOf(p.PID()); len(left) > 0 {
		t.Errorf("the server's processes %v outlived it", left)
	}
	if err := p.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := query(t, p, "SELECT i::text FROM kept"); got != "42" {
		t.Errorf("after the restart the row holds %s, want 42", got)
	}
	if p.URL("postgres") != url {
		t.Errorf("the restart moved the server from %s to %s", url, p.URL("postgres"))
	}
	if err := p.Restart(t.Context()); err != nil {
		t.Fatalf("restart of a running server: %v", err)
	}
	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, postmasterPID)); err == nil {
		t.Error("the stopped server left its pid file")
	}
}

func TestPostgresIsClosedToOthers(t *testing.T) {
	t.Parallel()
	dir := scratch(t)
	p := startIn(t, dir, Options{Binaries: binaries(t)})
	if got := query(t, p, "SHOW listen_addresses"); got != "" {
		t.Errorf("it listens on %q, want the unix socket only", got)
	}
	info, err := os.Stat(filepath.Join(dir, "run"))
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o700 {
		t.Errorf("the socket's folder has mode %o, want 700", got)
	}
	if os.Geteuid() == 0 {
		if st, ok := info.Sys().(*syscall.Stat_t); !ok || st.Uid == 0 {
			t.Errorf("root runs the server as itself")
		}
	}
}

func TestPostgresFreezeAndThaw(t *testing.T) {
	t.Parallel()
	p := startIn(t, scratch(t), Options{Binaries: binaries(t)})
	conn, err := pgx.Connect(t.Context(), p.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	p.Freeze()
	answered := make(chan error, 1)
	go func() { answered <- conn.Ping(context.Background()) }()
	select {
	case err := <-answered:
		t.Fatalf("the frozen server answered: %v", err)
	case <-time.After(200 * time.Millisecond):
	}
	p.Thaw()
	if err := <-answered; err != nil {
		t.Errorf("the thawed server did not answer what was asked meanwhile: %v", err)
	}
}

func TestPostgresInADeepFolder(t *testing.T) {
	t.Parallel()
	deep := filepath.Join(scratch(t), strings.Repeat("deep", 30))
	p := startIn(t, deep, Options{Binaries: binaries(t)})
	query(t, p, "SELECT 'ok'")
	sockets := p.sockets
	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(sockets); err == nil {
		t.Errorf("the folder %s of the socket was left behind", sockets)
	}
}

func TestStalePIDFileOfAnotherProcess(t *testing.T) {
	t.Parallel()
	dir := scratch(t)
	p := startIn(t, dir, Options{Binaries: binaries(t)})
	p.Kill()
	cred, err := serverUser()
	if err != nil {
		t.Fatal(err)
	}
	// The crashed server's id now belongs to another process of the same user.
	other, err := startAs(exec.Command("sleep", "600"), syscall.SIGKILL, cred)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Stop(time.Second, syscall.SIGTERM)
	file := filepath.Join(dir, postmasterPID)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text = []byte(strings.Replace(string(text), strconv.Itoa(p.PID()), strconv.Itoa(other.PID()), 1))
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := p.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	query(t, p, "SELECT 'ok'")
	if !alive(other.PID()) {
		t.Error("the start ended a process that is not its server")
	}
}

func TestKilledProgramLeavesNoServer(t *testing.T) {
	t.Parallel()
	dir := scratch(t)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), helperDir+"="+dir)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	var pid int
	if _, err := fmt.Sscanf(line, "pid %d", &pid); err != nil {
		t.Fatalf("the helper says %q", line)
	}
	family := append(childrenOf(pid), pid)
	if len(family) < 3 {
		t.Fatalf("the helper's server has only the processes %v", family)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()

	p := startIn(t, dir, Options{Binaries: binaries(t)}) // right behind it, the old server may still be stopping
	query(t, p, "SELECT 'ok'")
	for _, id := range family {
		eventually(t, fmt.Sprintf("process %d ends", id), func() bool { return !alive(id) })
	}
}

func TestAnotherMajorVersionIsAccepted(t *testing.T) {
	t.Parallel()
	for _, dir := range distributionDirs() {
		b, err := inspect(t.Context(), dir)
		if err != nil {
			continue
		}
		p := startIn(t, scratch(t), Options{Binaries: b})
		if got := query(t, p, "SHOW server_version"); !strings.HasPrefix(got, b.Version) {
			t.Errorf("the server in %s is %s, not %s", dir, got, b.Version)
		}
		return
	}
	t.Skip("no distribution's PostgreSQL of version 14 or later is installed")
}

func TestInspectRefusesAFolderWithoutServer(t *testing.T) {
	t.Parallel()
	if b, err := inspect(t.Context(), t.TempDir()); err == nil {
		t.Errorf("an empty folder passes for %+v", b)
	}
}

func TestLockIsForOne(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	first, err := Lock(path, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Lock(path, false); !errors.Is(err, ErrLocked) {
		t.Errorf("the second lock gives %v, want ErrLocked", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second, err := Lock(path, false)
	if err != nil {
		t.Fatalf("the freed lock: %v", err)
	}
	_ = second.Close()
}

func TestFailedFetchIsRemembered(t *testing.T) {
	t.Parallel()
	cache, calls := t.TempDir(), 0
	fail := func() error { calls++; return errors.New("no network") }
	for range 3 {
		if err := rememberFailure(cache, "it", nil, fail); err == nil || !strings.Contains(err.Error(), "no network") {
			t.Errorf("the failed fetch gives %v, want its reason", err)
		}
	}
	if calls != 1 {
		t.Errorf("fetched %d times, want once", calls)
	}
	if _ = rememberFailure(cache, "it", func(string) {}, fail); calls != 2 {
		t.Error("a person who asks again is refused")
	}
}

func TestChangedArchiveIsRefused(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "archive.txz")
	if err := os.WriteFile(file, []byte("not what was pinned"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := checkSum(file, questdbSum); err == nil {
		t.Error("a file with another content passes the check")
	}
	if err := takeJar(file, filepath.Join(t.TempDir(), "questdb.jar")); err == nil {
		t.Error("a file with another content passes for QuestDB's jar")
	}
}
