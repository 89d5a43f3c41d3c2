package devstack

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// Root returns the module's root: the closest folder at or above the working directory that holds a go.mod.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the module's root: %w", err)
	}
	for start := dir; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("find the module's root: no go.mod at or above %s", start)
		}
	}
}

// Dirs returns the module's root and its state folder.
func Dirs() (root, state string, err error) {
	if root, err = Root(); err == nil {
		state, err = StateDir(root)
	}
	return root, state, err
}

// StateDir returns the folder that holds everything the stack of the module at root keeps (programs, data, sockets,
// logs), and makes it. That is root/.dev, or, when the caller is root and the user that the servers run as may not
// enter it, a folder below /var/tmp whose name is a hash of root.
func StateDir(root string) (string, error) {
	dir := filepath.Join(root, ".dev")
	cred, err := serverUser()
	if err != nil {
		return "", err
	}
	if cred != nil && !enterable(root) {
		if dir, err = fallbackDir(root); err != nil {
			return "", err
		}
	}
	return dir, makeDir(dir)
}

// fallbackDir makes the folder below /var/tmp. Anybody may create names there, so one that is not root's own is refused.
func fallbackDir(root string) (string, error) {
	sum := sha256.Sum256([]byte(root))
	dir := filepath.Join("/var/tmp", "foldbook-dev-"+hex.EncodeToString(sum[:6]))
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("make the state folder: %w", err)
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return "", fmt.Errorf("look at the state folder: %w", err)
	}
	if st, ok := info.Sys().(*syscall.Stat_t); !ok || !info.IsDir() || st.Uid != 0 {
		return "", fmt.Errorf("the state folder %s exists and is not a folder of root's: remove it", dir)
	}
	return dir, nil
}

// enterable reports whether every user may enter dir and all its parents.
func enterable(dir string) bool {
	for {
		info, err := os.Stat(dir)
		if err != nil || info.Mode().Perm()&0o001 == 0 {
			return false
		}
		if dir == filepath.Dir(dir) {
			return true
		}
		dir = filepath.Dir(dir)
	}
}

// makeDir makes a folder that every user may enter, whatever the umask.
func makeDir(dir string) error {
	if info, err := os.Stat(dir); err == nil && info.Mode().Perm()&0o055 == 0o055 {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return fmt.Errorf("open folder to the servers' user: %w", err)
	}
	return nil
}

// makePrivateDir makes a folder that belongs to the servers' user alone.
func makePrivateDir(dir string, cred *syscall.Credential) error {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make folder: %w", err)
	}
	return giveTo(dir, cred)
}

func giveTo(path string, cred *syscall.Credential) error {
	if cred == nil {
		return nil
	}
	if err := os.Lchown(path, int(cred.Uid), int(cred.Gid)); err != nil {
		return fmt.Errorf("hand over to the servers' user: %w", err)
	}
	return nil
}

// serverUser returns whom the database servers run as when the caller is root (initdb and postgres refuse to run as
// root), and nil when the caller is somebody else.
func serverUser() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} { // initdb looks the user up, so a bare number will not do
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			continue
		}
		gid, err := strconv.ParseUint(u.Gid, 10, 32)
		if err != nil {
			continue
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("a database server cannot run as root, and there is no user postgres or nobody to run it as")
}

// Lock takes an exclusive lock on the file at path, which it creates when needed; the kernel frees it when the process
// ends. Without wait it fails with [ErrLocked] when another process has it.
func Lock(path string, wait bool) (*os.File, error) { return lock(path, os.O_CREATE|os.O_RDWR, wait) }

func lock(path string, flags int, wait bool) (*os.File, error) {
	f, err := os.OpenFile(path, flags, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	how := syscall.LOCK_EX
	if !wait {
		how |= syscall.LOCK_NB
	}
	for err = syscall.EINTR; errors.Is(err, syscall.EINTR); {
		err = syscall.Flock(int(f.Fd()), how)
	}
	if err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%w: %s", ErrLocked, path)
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return f, nil
}

// ErrLocked is what [Lock] returns when another process holds the lock.
var ErrLocked = errors.New("in use by another process")
