package devstack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// Process is a child that does not outlive this program: where the system can do it, the kernel sends the death signal
// when the program ends in any way. It is in a process group of its own, so that a terminal's Ctrl-C does not reach it
// and the order of stopping stays in the program's hand.
type Process struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error
}

// Start runs cmd as a [Process] whose death signal is death.
func Start(cmd *exec.Cmd, death syscall.Signal) (*Process, error) {
	return startAs(cmd, death, nil)
}

// StartServer is Start as the user that the databases run as: many servers refuse root.
func StartServer(cmd *exec.Cmd, death syscall.Signal) (*Process, error) {
	cred, err := serverUser()
	if err != nil {
		return nil, err
	}
	return startAs(cmd, death, cred)
}

func startAs(cmd *exec.Cmd, death syscall.Signal, cred *syscall.Credential) (*Process, error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: cred}
	setDeathSignal(cmd.SysProcAttr, death)
	p := &Process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		// The death signal comes when the thread that forked ends, so this one has to live as long as the child.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		p.err = cmd.Wait()
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	return p, nil
}

// ErrEnded is what [Process.WaitFor] returns when the process ends instead.
var ErrEnded = errors.New("it ended at once")

// WaitFor calls ready every few milliseconds until that returns true, the process ends, or patience or the context does.
func (p *Process) WaitFor(ctx context.Context, patience time.Duration, ready func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for !ready() {
		select {
		case <-poll.C:
		case <-p.Done():
			return fmt.Errorf("%w: %s", ErrEnded, p.HowEnded())
		case <-ctx.Done():
			return fmt.Errorf("it is not ready: %w", ctx.Err())
		}
	}
	return nil
}

// Answer asks an address of this machine and returns the status and the start of the answer; 0 when there is none.
func Answer(ctx context.Context, url string) (status int, body string) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, ""
	}
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{Proxy: nil, DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		return 0, ""
	}
	defer res.Body.Close() //nolint:errcheck // only read
	text, _ := io.ReadAll(io.LimitReader(res.Body, 4096))
	return res.StatusCode, strings.TrimSpace(string(text))
}

// PID returns the process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err says how the process ended, as [exec.Cmd.Wait] does; nil while it runs.
func (p *Process) Err() error {
	select {
	case <-p.done:
		return p.err
	default:
		return nil
	}
}

// HowEnded says how the process ended, in words.
func (p *Process) HowEnded() string {
	if err := p.Err(); err != nil {
		return err.Error()
	}
	return "exit status 0"
}

// Stop sends the signal and waits for the end; after each span of patience without one it goes on to the next of
// the harder signals, and to SIGKILL at last.
func (p *Process) Stop(patience time.Duration, signals ...syscall.Signal) error {
	for _, sig := range append(signals, syscall.SIGKILL) {
		select {
		case <-p.done: // its id may be another's
			return nil
		default:
		}
		if err := syscall.Kill(p.PID(), sig); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("signal process %d: %w", p.PID(), err)
		}
		select {
		case <-p.done:
			return nil
		case <-time.After(patience):
		}
	}
	return fmt.Errorf("process %d does not end", p.PID())
}
