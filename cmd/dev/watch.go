package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const watchEvery = 500 * time.Millisecond

// fileState tells whether a file's content changed; a rewrite with the same content, as generation does, is none.
type fileState struct {
	modified time.Time
	size     int64
	sum      [sha256.Size]byte
}

// watcher knows the sources as they were last looked at.
type watcher struct {
	root  string
	files map[string]fileState // by path below root
}

func newWatcher(root string) *watcher {
	w := &watcher{root: root}
	w.files = w.scan()
	return w
}

// changed returns the sources that were changed, added or removed since it was last called.
func (w *watcher) changed() []string {
	now := w.scan()
	var paths []string
	for path, state := range now {
		if old, ok := w.files[path]; !ok || old.sum != state.sum {
			paths = append(paths, path)
		}
	}
	for path := range w.files {
		if _, ok := now[path]; !ok {
			paths = append(paths, path)
		}
	}
	w.files = now
	slices.Sort(paths)
	return paths
}

func (w *watcher) scan() map[string]fileState {
	files := make(map[string]fileState, len(w.files))
	_ = filepath.WalkDir(w.root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil // removed while we look
		}
		name := d.Name()
		if d.IsDir() {
			if path != w.root && (strings.HasPrefix(name, ".") || name == "testdata") {
				return fs.SkipDir
			}
			return nil
		}
		rel, err := filepath.Rel(w.root, path)
		if err != nil || !isGo(rel) && !isInput(rel) {
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return nil
		}
		state := fileState{modified: info.ModTime(), size: info.Size()}
		if old, ok := w.files[rel]; ok && old.modified.Equal(state.modified) && old.size == state.size {
			state.sum = old.sum
		} else if text, err := os.ReadFile(path); err == nil {
			state.sum = sha256.Sum256(text)
		}
		files[rel] = state
		return nil
	})
	return files
}

// isGo reports whether the server is built from the file.
func isGo(path string) bool {
	return strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go")
}

// isInput reports whether code is generated from the file.
func isInput(path string) bool {
	dir, name := filepath.Split(path)
	switch dir {
	case "sql/", "migrations/":
		return strings.HasSuffix(name, ".sql")
	}
	return path == "sqlc.yaml" || path == filepath.Join("api", "spec", "openapi.yaml")
}

// watch follows the sources until ctx ends. What fails is shown and waits for the next change; the server that runs stays.
func (s *stack) watch(ctx context.Context, w *watcher) error {
	poll := time.NewTicker(watchEvery)
	defer poll.Stop()
	server := s.server.Done()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.postgresDone():
			return fmt.Errorf("PostgreSQL ended by itself; its log is %s", s.postgres.LogFile())
		case <-server:
			s.say("server", "ended by itself: "+howEnded(s.server.Err())+"; waiting for a change")
			server = nil
		case <-poll.C:
			paths := w.changed()
			if len(paths) == 0 {
				continue
			}
			if err := s.renew(ctx, w, paths); err != nil && ctx.Err() == nil {
				s.say("watch", err.Error())
			}
			server = s.server.Done()
			if s.server.Err() != nil {
				server = nil // said already
			}
		}
	}
}

// renew brings a change into the running server.
func (s *stack) renew(ctx context.Context, w *watcher, paths []string) error {
	began := time.Now()
	what := paths[0]
	if len(paths) > 1 {
		what = fmt.Sprintf("%s and %d more", what, len(paths)-1)
	}
	s.say("watch", what+" changed")
	if slices.ContainsFunc(paths, isInput) {
		if err := s.show(ctx, "generating", s.command("make", "--no-print-directory", "generate")); err != nil {
			return err
		}
		w.changed() // what was generated is part of this round
	}
	fresh := filepath.Join(".dev", "bin", "foldbook.new")
	if err := s.show(ctx, "building", s.command("go", "build", "-o", fresh, "./cmd/foldbook")); err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(s.root, fresh), filepath.Join(s.root, ".dev", "bin", "foldbook")); err != nil {
		return fmt.Errorf("put the new server in place: %w", err)
	}
	if err := s.show(ctx, "migrating", s.foldbook("migrate", "up")); err != nil {
		return err
	}
	if err := s.stopServer(); err != nil {
		return err
	}
	if err := s.serve(ctx); err != nil {
		return fmt.Errorf("%w; waiting for a change", err)
	}
	s.say("watch", "serving the change after "+round(time.Since(began)).String())
	return nil
}

func (s *stack) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = s.root, cleanEnv()
	return cmd
}

// show runs a command and prints what it says only when it fails.
func (s *stack) show(ctx context.Context, doing string, cmd *exec.Cmd) error {
	out, err := output(ctx, cmd)
	if err != nil {
		s.console.printf("%s", out)
		return fmt.Errorf("%s failed (%w); the running server is the old one", doing, err)
	}
	return nil
}
