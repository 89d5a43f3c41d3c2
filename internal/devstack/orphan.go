package devstack

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	postmasterPID = "data/postmaster.pid"
	questdbPID    = "questdb.pid"
)

// StopOrphan ends the server that a killed program left on the folder dir of [StartPostgres] or [StartQuestDB], if it
// still runs, and removes the pid file of one that is gone: PostgreSQL itself refuses to start when that id belongs to
// any other process of the same user by now. The caller has to be sure that no living program uses dir.
func StopOrphan(ctx context.Context, dir string) error {
	return errors.Join(
		stopOrphan(ctx, filepath.Join(dir, postmasterPID), filepath.Join(dir, "data"), syscall.SIGINT, syscall.SIGQUIT),
		stopOrphan(ctx, filepath.Join(dir, questdbPID), filepath.Join(dir, "root"), syscall.SIGTERM, syscall.SIGKILL),
	)
}

func stopOrphan(ctx context.Context, pidFile, home string, polite, hard syscall.Signal) error {
	text, err := os.ReadFile(pidFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the pid file: %w", err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, _ := strconv.Atoi(first)
	began := time.Now()
	for pid > 1 && alive(pid) && worksIn(pid, home) {
		sig := polite
		if time.Since(began) > stopPatience {
			sig = hard
		}
		if err := syscall.Kill(pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("stop the server that was left behind: %w", err)
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := os.Remove(pidFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove a stale pid file: %w", err)
	}
	return nil
}
