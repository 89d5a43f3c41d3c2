package devstack

import (
	"errors"
	"fmt"
	"os/exec"
	"runtime"
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

// Stop sends the signal and waits for the end; after each span of patience without one it goes on to the next of
// the harder signals, and to SIGKILL at last.
func (p *Process) Stop(patience time.Duration, signals ...syscall.Signal) error {
	for _, sig := range append(signals, syscall.SIGKILL) {
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
