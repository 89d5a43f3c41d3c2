package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"foldbook/internal/migrator"
)

const (
	watchEvery = 100 * time.Millisecond
	specDir    = "api/spec/" // of the API description
)

// fileState tells whether a file was written.
type fileState struct {
	modified time.Time
	size     int64
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
		if w.files[path] != state {
			paths = append(paths, path)
		}
		delete(w.files, path)
	}
	paths = slices.AppendSeq(paths, maps.Keys(w.files)) // those that are gone
	w.files = now
	slices.Sort(paths)
	return paths
}

// skipGenerated takes note of what was generated, and leaves what a person edited meanwhile to the next call of changed.
func (w *watcher) skipGenerated() {
	for _, path := range w.changed() {
		if !strings.Contains(path, ".gen.") && path != specDir+"openapi.yaml" {
			w.files[path] = fileState{}
		}
	}
}

func (w *watcher) scan() map[string]fileState {
	files := make(map[string]fileState, len(w.files))
	_ = filepath.WalkDir(w.root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil // removed while we look
		}
		if d.IsDir() {
			if path != w.root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "node_modules") {
				return fs.SkipDir
			}
			return nil
		}
		rel, err := filepath.Rel(w.root, path)
		if err != nil || !isGo(rel) && !isInput(rel) {
			return nil
		}
		if info, err := d.Info(); err == nil {
			files[rel] = fileState{info.ModTime(), info.Size()}
		}
		return nil
	})
	return files
}

// isGo reports whether the server is built from the file.
func isGo(path string) bool {
	return strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go")
}

// isInput reports whether code is generated from the file, or by it.
func isInput(path string) bool {
	return isSQL(path) || isGenerator(path) || path == specDir+"openapi.yaml" || path == specDir+"oapi-codegen.yaml"
}

// isGenerator reports whether make generate is built from the file.
func isGenerator(path string) bool { return strings.HasPrefix(path, "internal/gen/") && isGo(path) }

// isSQL reports whether the file may change what a query does.
func isSQL(path string) bool { return isQuery(path) || isMigration(path) || path == "sqlc.yaml" }

func isQuery(path string) bool { return filepath.Dir(path) == "sql" && filepath.Ext(path) == ".sql" }
func isMigration(path string) bool {
	return filepath.Dir(path) == "migrations" && filepath.Ext(path) == ".sql"
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
			s.say("server", "ended by itself: "+s.server.HowEnded()+"; waiting for a change")
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

// renew brings a change into the running server. Until the new one was seen to be ready, the old one stays.
func (s *stack) renew(ctx context.Context, w *watcher, paths []string) error {
	began := time.Now()
	paths = slices.DeleteFunc(paths, s.unwritten)
	if len(paths) == 0 {
		return nil
	}
	what := paths[0]
	if len(paths) > 1 {
		what = fmt.Sprintf("%s and %d more", what, len(paths)-1)
	}
	s.say("watch", what+" changed")
	s.unserved = append(s.unserved, paths...)
	for _, path := range paths {
		if isInput(path) {
			s.ungenerated = append(s.ungenerated, path)
		}
	}
	if err := s.prepare(ctx, w); err != nil {
		return err
	}
	undone, err := s.change(ctx)
	if err != nil {
		return s.failed(err)
	}
	if err := s.stopServer(); err != nil {
		return err
	}
	if err := s.serve(ctx); err != nil {
		return fmt.Errorf("%w; waiting for a change", err)
	}
	s.unserved = nil
	s.say("watch", "serving the change after "+round(time.Since(began)).String())
	if out, err := output(ctx, s.command("make", "-s", "types")); err != nil {
		s.printFailure(out)
		s.say("watch", "the types of the TypeScript client were not made")
	}
	if undone == 0 {
		return nil
	}
	seed := s.command("make", "seed") // as the sources are now
	seed.Env = append(seed.Env, s.env...)
	return s.show(ctx, "seeding", seed)
}

// prepare generates and builds, while PostgreSQL prepares the queries.
func (s *stack) prepare(ctx context.Context, w *watcher) error {
	if len(s.ungenerated) > 0 {
		if err := s.waitTools(ctx); err != nil {
			return err
		}
	}
	vetCtx, giveUp := context.WithCancel(ctx)
	vet := make(chan vetted, 1)
	go func() { vet <- s.vet(vetCtx) }()
	err := s.generate(ctx, w)
	if err == nil {
		err = s.show(ctx, "building", s.command("make", "quick"))
	}
	if err != nil {
		giveUp()
	}
	checked := <-vet
	giveUp()
	if err != nil {
		return err
	}
	if s.printFailure(checked.findings); checked.refused != nil {
		return s.failed(checked.refused)
	}
	return nil
}

// generate makes the generated files of the inputs that changed.
func (s *stack) generate(ctx context.Context, w *watcher) error {
	if len(s.ungenerated) == 0 {
		return nil
	}
	cmd := s.command("make", "-o", "tools", "generate-go")
	if !slices.ContainsFunc(s.ungenerated, func(path string) bool { return !isQuery(path) }) {
		cmd.Args = append(cmd.Args, "GENFLAGS=-queries")
	}
	if err := s.show(ctx, "generating", cmd); err != nil {
		return err
	}
	s.ungenerated = nil
	w.skipGenerated()
	return nil
}

// failed prints a cause, whose first line may begin with a place, and returns what that means.
func (s *stack) failed(cause error) error {
	s.console.printf("%v\n", cause)
	return errors.New("the running server is the old one")
}

// unwritten reports whether the file is a migration without statements, such as one that was just created.
func (s *stack) unwritten(path string) bool {
	if !isMigration(path) {
		return false
	}
	all, err := migrator.Parse(os.DirFS(filepath.Join(s.root, "migrations")))
	i := slices.IndexFunc(all, func(m migrator.Migration) bool { return m.File == filepath.Base(path) })
	if err != nil || i < 0 || !all[i].Empty() {
		return false
	}
	s.say("watch", path+" has no statements yet: nothing is applied")
	return true
}

// change migrates, tries the new server on the new schema and returns how many migrations were undone. When that server does not get
// ready, the schema goes back.
func (s *stack) change(ctx context.Context) (undone int, err error) {
	binary := filepath.Join(s.root, ".dev", "bin", "foldbook")
	fresh := binary + ".new"
	if s.postgres == nil { // somebody else's database: as in production, and nothing goes back
		if err := os.Rename(fresh, binary); err != nil {
			return 0, err
		}
		return 0, s.show(ctx, "migrating", s.foldbook("migrate", "up"))
	}
	schema := s.schema()
	done, err := schema.sync(ctx, true)
	if err != nil {
		return 0, err
	}
	if err := s.try(ctx, fresh); err != nil {
		after, readErr := schema.read()
		if readErr == nil {
			_, readErr = schema.replace(context.WithoutCancel(ctx), after, done.before, true)
		}
		return 0, errors.Join(fmt.Errorf("the new server does not work: %w", err), readErr)
	}
	return done.undone, os.Rename(fresh, binary)
}

// vetted is what became of the queries.
type vetted struct {
	findings []byte
	refused  error // not served
}

// vet lets PostgreSQL prepare every query after a change of SQL, when migrations changed on an empty database with the new schema: a
// query with a wrong type, or with a column that is gone, generates and builds. What PostgreSQL refuses is not served; a broken rule
// of sqlc.yaml is only shown.
func (s *stack) vet(ctx context.Context) vetted {
	if s.postgres == nil || !slices.ContainsFunc(s.unserved, isSQL) {
		return vetted{}
	}
	check := s.schema()
	if slices.ContainsFunc(s.unserved, isMigration) {
		check.url, check.say = s.postgres.URL(checkDatabase), func(string) {}
		err := createDatabase(ctx, s.postgres, checkDatabase, true)
		var now files
		if err == nil {
			now, err = check.read()
		}
		if err == nil {
			_, err = check.up(ctx, now)
		}
		if err != nil {
			return vetted{refused: err}
		}
	}
	cmd := s.command("make", "-o", "tools", "vet-queries")
	cmd.Env = append(cmd.Env, "DATABASE_URL="+check.url)
	out, err := output(ctx, cmd)
	if err == nil {
		return vetted{}
	}
	if !bytes.Contains(out, []byte("SQLSTATE")) {
		return vetted{findings: out}
	}
	return vetted{findings: out, refused: errors.New("PostgreSQL refuses queries")}
}

// checkDatabase is made anew for each vet.
const checkDatabase = "foldbook_check"

// buildTools builds what make generate runs, in the background: compiled for the first time it takes minutes.
func (s *stack) buildTools(ctx context.Context) {
	s.tools = make(chan struct{})
	go func() {
		defer close(s.tools)
		if exec.CommandContext(ctx, "make", "-q", "tools-built").Run() == nil {
			_, s.toolsErr = output(ctx, s.command("make", "-s", "tools"))
			return
		}
		s.say("tools", "sqlc and oapi-codegen are fetched and compiled beside, this once; an edit of SQL waits for them")
		began := time.Now()
		out, err := output(ctx, s.command("nice", "make", "-s", "tools"))
		if err != nil {
			s.toolsErr = fmt.Errorf("the tools of make generate cannot be built: %w\n%s", err, out)
			return
		}
		s.say("tools", "ready after "+round(time.Since(began)).String())
	}()
}

func (s *stack) waitTools(ctx context.Context) error {
	select {
	case <-s.tools:
	default:
		s.say("tools", "are not ready yet: generating waits for them")
		select {
		case <-s.tools:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if s.toolsErr != nil || !slices.ContainsFunc(s.ungenerated, isGenerator) {
		return s.toolsErr
	}
	return s.show(ctx, "building the generator", s.command("make", "-s", "tools"))
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
		s.printFailure(out)
		return fmt.Errorf("%s failed; the running server is the old one", doing)
	}
	return nil
}

// printFailure prints what a command said, without make's own line about its status.
func (s *stack) printFailure(out []byte) {
	for line := range bytes.Lines(out) {
		if !bytes.HasPrefix(line, []byte("make: *** ")) && !bytes.HasPrefix(line, []byte("# foldbook/")) {
			s.console.printf("%s", line)
		}
	}
}
