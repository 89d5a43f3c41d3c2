package devstack

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"
)

const (
	startPatience = 60 * time.Second // crash recovery on a slow disk included
	stopPatience  = 10 * time.Second
	pollEvery     = 5 * time.Millisecond
)

// server is what [Postgres] and [QuestDB] have in common.
type server struct {
	name string // for messages
	log  string
	cred *syscall.Credential
	stop []syscall.Signal // from polite to hard
	proc *Process
}

// run starts the program with its output appended to the log, and returns when ready does. ready is called again and again while it
// returns false. A server that is not ready in time is stopped, and the error shows the end of its log.
func (s *server) run(ctx context.Context, cmd *exec.Cmd, ready func(pid int) bool) error {
	log, err := os.OpenFile(s.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("open the log of %s: %w", s.name, err)
	}
	defer log.Close() //nolint:errcheck // the child has its own descriptor
	from, err := log.Seek(0, io.SeekEnd)
	if err != nil {
		return fmt.Errorf("open the log of %s: %w", s.name, err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	proc, err := startAs(cmd, s.stop[0], s.cred)
	if err != nil {
		return fmt.Errorf("start %s: %w", s.name, err)
	}
	if err := proc.WaitFor(ctx, startPatience, func() bool { return ready(proc.PID()) }); err != nil {
		_ = proc.Stop(stopPatience, s.stop...)
		return fmt.Errorf("start %s: %w; its log %s ends:\n%s", s.name, err, s.log, tail(s.log, from))
	}
	s.proc = proc
	return nil
}

// PID returns the id of the server's process, of PostgreSQL's postmaster.
func (s *server) PID() int { return s.proc.PID() }

// LogFile returns the path of the server's log.
func (s *server) LogFile() string { return s.log }

// Done is closed when the server that runs now has ended, for whatever reason.
func (s *server) Done() <-chan struct{} { return s.proc.Done() }

// Stop ends the server in its own way, and after 10 s less politely.
func (s *server) Stop() error {
	s.Thaw() // a stopped process would not hear the signal
	if err := s.proc.Stop(stopPatience, s.stop...); err != nil {
		return fmt.Errorf("stop %s: %w", s.name, err)
	}
	return nil
}

// Kill ends the server with all its processes at once, as a crash or a lack of memory would. It returns when all are gone.
func (s *server) Kill() {
	_ = syscall.Kill(s.PID(), syscall.SIGSTOP) // so that it starts no more children
	children := childrenOf(s.PID())
	for _, id := range append(children, s.PID()) {
		_ = syscall.Kill(id, syscall.SIGKILL)
	}
	<-s.Done()
	for _, id := range children {
		for alive(id) {
			time.Sleep(pollEvery)
		}
	}
}

// Freeze halts the server with all its processes: connections stay open and nothing is answered.
func (s *server) Freeze() { s.signal(syscall.SIGSTOP) }

// Thaw lets a frozen server go on.
func (s *server) Thaw() { s.signal(syscall.SIGCONT) }

func (s *server) signal(sig syscall.Signal) {
	_ = syscall.Kill(s.PID(), sig)
	for _, id := range childrenOf(s.PID()) {
		_ = syscall.Kill(id, sig)
	}
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
