package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"foldbook/internal/devstack"
)

// loop is make dev at work on a copy of the repository, as somebody who edits it has it.
type loop struct {
	dir, address string
	out          lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) from(n int) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()[n:]
}

// loopPatience bounds an edit: the first one compiles nearly everything.
const loopPatience = 10 * time.Minute

// startLoop starts make dev in a copy of the repository.
func startLoop(t *testing.T) *loop {
	t.Helper()
	l := copyRepository(t)
	l.start(t)
	return l
}

// copyRepository lends the copy the tools and programs of this one. The test is skipped unless LOOP_TEST is set, as make loop-test
// does: it takes minutes.
func copyRepository(t *testing.T) *loop {
	t.Helper()
	if os.Getenv("LOOP_TEST") == "" {
		t.Skip("LOOP_TEST is not set: make loop-test")
	}
	root, err := devstack.Root()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "foldbook-loop-")
	if err != nil {
		t.Fatal(err)
	}
	l := &loop{dir: dir}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	l.shell(t, `chmod 755 . && cd "$1" && git ls-files -co --exclude-standard -z | tar cf - --null -T - | tar xf - -C "$2" && cd "$2" &&
		mkdir -p .dev/bin && cp -a "$1/.dev/bin/tools" .dev/bin/ && { [ ! -d "$1/.dev/cache" ] || cp -a "$1/.dev/cache" .dev/; } && git init -q . && git add -A &&
		git commit -qm start`, root, dir)
	return l
}

func (l *loop) start(t *testing.T) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.address = listener.Addr().String()
	_ = listener.Close()
	_, port, _ := net.SplitHostPort(l.address)
	cmd := exec.Command("make", "dev")
	cmd.Dir, cmd.Env = l.dir, append(cleanEnv(), "PORT="+port, "HOST=127.0.0.1", "POSTGRES_URL=", "QDB_HTTP_URL=", "NPM=")
	cmd.Stdout, cmd.Stderr = &l.out, &l.out
	dev, err := devstack.Start(cmd, syscall.SIGTERM)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := dev.Stop(20*time.Second, syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("make dev printed:\n%s", l.out.from(0))
		}
	})
	l.await(t, 0, "watch     sql/")
}

func (l *loop) shell(t *testing.T, script string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", append([]string{"-euo", "pipefail", "-c", script, "bash"}, args...)...)
	cmd.Dir = l.dir
	cmd.Env = append(cleanEnv(), "GIT_AUTHOR_NAME=loop", "GIT_AUTHOR_EMAIL=loop@localhost", "GIT_COMMITTER_NAME=loop", "GIT_COMMITTER_EMAIL=loop@localhost")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return string(out)
}

// await waits until one of the texts stands in what make dev printed after the first n bytes, and returns all of that.
func (l *loop) await(t *testing.T, n int, texts ...string) string {
	t.Helper()
	for deadline := time.Now().Add(loopPatience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		said := l.out.from(n)
		for _, text := range texts {
			if strings.Contains(said, text) {
				return said
			}
		}
	}
	t.Fatalf("make dev does not say %q, but\n%s", texts, l.out.from(n))
	return ""
}

// awaitLine waits for the end of the last line.
func (l *loop) awaitLine(t *testing.T, n int) string {
	t.Helper()
	for !strings.HasSuffix(l.out.from(n), "\n") {
		time.Sleep(time.Millisecond)
	}
	return l.out.from(n)
}

// ends are what make dev says when it is done with an edit.
var ends = []string{"serving the change", "the running server is the old one", "waiting for a change"}

// fresh begins a script that is to find the copy as it was: the edit before and the next one are one change, which make dev has to
// follow as well, and half as much is built.
const fresh = "git reset -q --hard && git clean -fdq\n"

// edit runs a script in the copy and returns what make dev says of the change, without the server's log.
func (l *loop) edit(t *testing.T, script string) string {
	t.Helper()
	return l.editWith(t, func() { l.shell(t, script) })
}

// editWith waits until make dev is done with all of the change: it may have begun in the midst of it.
func (l *loop) editWith(t *testing.T, change func()) string {
	t.Helper()
	n := len(l.out.from(0))
	change()
	for {
		l.await(t, n, ends...)
		said := l.awaitLine(t, n)
		n = len(l.out.from(0))
		time.Sleep(10 * watchEvery) // in which make dev sees whether there is more
		if !strings.Contains(l.out.from(n), " changed") {
			return regexp.MustCompile(`(?m)^time=.*\n`).ReplaceAllString(said, "")
		}
	}
}

// restore brings the copy back to what it was, and requires that it is served.
func (l *loop) restore(t *testing.T) {
	t.Helper()
	if l.shell(t, "git status --porcelain") == "" {
		return
	}
	if said := l.edit(t, fresh); !strings.Contains(said, ends[0]) {
		t.Errorf("make dev says, of what it has served before,\n%s", said)
	}
}

func (l *loop) get(ctx context.Context, path string) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+l.address+path, nil)
	if err != nil {
		return 0, "", err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return res.StatusCode, string(body), err
}

// works requires that the server is ready and its routes answer.
func (l *loop) works(t *testing.T) {
	t.Helper()
	for _, path := range []string{"/readyz", "/api/datasets", "/api/indicators/datasets", "/api/runs", "/api/simulations"} {
		if status, body, err := l.get(t.Context(), path); err != nil || status != http.StatusOK {
			t.Errorf("%s: %d %.300s %v", path, status, body, err)
		}
	}
}

// place is a pattern in which % stands for the line and the column of a message.
func place(pattern string) *regexp.Regexp {
	return regexp.MustCompile("(?m)^" + strings.ReplaceAll(pattern, "%", `:\d+:\d+: `))
}

// migration is the script that writes one.
func migration(up, down string) string {
	return fmt.Sprintf("printf -- '-- +goose Up\\n%%s\\n-- +goose Down\\n%%s\\n' %q %q > migrations/00999_edit.sql", up, down)
}
