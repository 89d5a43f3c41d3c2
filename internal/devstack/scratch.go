package devstack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Scratch is a folder for one throw-away server of this process. It counts as in use while the process lives.
type Scratch struct {
	Dir  string
	lock *os.File
}

// LockScratch makes the folder home that scratch folders are made in, and takes the lock that all who make some share.
// Closing the file frees it.
func LockScratch(home string) (*os.File, error) {
	if err := makeDir(home); err != nil {
		return nil, err
	}
	return Lock(filepath.Join(home, "lock"), true)
}

// NewScratch makes a folder below home and removes those of processes that were killed.
func NewScratch(ctx context.Context, home string) (*Scratch, error) {
	lock, err := LockScratch(home)
	if err != nil {
		return nil, err
	}
	defer lock.Close() //nolint:errcheck // frees the lock
	return NewScratchLocked(ctx, home)
}

// NewScratchLocked is [NewScratch] for a caller that holds [LockScratch].
func NewScratchLocked(ctx context.Context, home string) (*Scratch, error) {
	old, err := filepath.Glob(filepath.Join(home, "run_*"))
	if err != nil {
		return nil, err
	}
	for _, dir := range old {
		held, err := lockOld(dir)
		switch {
		case errors.Is(err, ErrLocked):
			continue
		case errors.Is(err, os.ErrNotExist): // whose it was is removing it, or ended meanwhile
			err = os.RemoveAll(dir)
		case err == nil:
			err = errors.Join(StopOrphan(ctx, dir), os.RemoveAll(dir), held.Close())
		}
		if err != nil {
			return nil, fmt.Errorf("remove what a killed process left: %w", err)
		}
	}
	dir, err := os.MkdirTemp(home, "run_")
	if err != nil {
		return nil, fmt.Errorf("make a scratch folder: %w", err)
	}
	if err := makeDir(dir); err != nil {
		return nil, err
	}
	lock, err := Lock(filepath.Join(dir, "lock"), false)
	return &Scratch{Dir: dir, lock: lock}, err
}

// lockOld takes the lock of a scratch folder that another process has made, and makes none: in a folder that is being
// removed, a new file would be in the way.
func lockOld(dir string) (*os.File, error) { return lock(filepath.Join(dir, "lock"), os.O_RDWR, false) }

// Remove removes the folder.
func (s *Scratch) Remove() error { return errors.Join(os.RemoveAll(s.Dir), s.lock.Close()) }

// ScratchInUse returns a folder below home that a living process uses, or "".
func ScratchInUse(home string) string {
	dirs, _ := filepath.Glob(filepath.Join(home, "run_*"))
	for _, dir := range dirs {
		held, err := lockOld(dir)
		if errors.Is(err, ErrLocked) {
			return dir
		}
		if err == nil {
			_ = held.Close()
		}
	}
	return ""
}
