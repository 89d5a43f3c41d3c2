package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// pgbench runs the SQL of a route with nothing else around it: its rate is the limit of any client of this server.
type pgbench struct {
	program string
	version string
	url     string
	clients int
	scripts map[string]string // files by the route's name
}

// newPgbench writes the scripts of the routes. It returns nil where there is no pgbench.
func newPgbench(ctx context.Context, s *stack, routes []route, clients int) (*pgbench, error) {
	program := findProgram("pgbench", s.binDir())
	if program == "" {
		return nil, nil //nolint:nilnil // the limit is then unknown, which the report says
	}
	version, err := exec.CommandContext(ctx, program, "--version").Output()
	if err != nil {
		return nil, fmt.Errorf("ask pgbench for its version: %w", err)
	}
	all, err := statements(s.root)
	if err != nil {
		return nil, err
	}
	p := &pgbench{program: program, version: versionOf(string(version)), url: s.url, clients: clients, scripts: map[string]string{}}
	for i, r := range routes {
		if len(r.queries) == 0 {
			continue
		}
		text, err := r.script(all)
		if err != nil {
			return nil, fmt.Errorf("make the script of %s: %w", r.name, err)
		}
		p.scripts[r.name] = filepath.Join(s.scratch.Dir, fmt.Sprintf("%d.pgbench", i))
		if err := os.WriteFile(p.scripts[r.name], []byte(text), 0o644); err != nil {
			return nil, fmt.Errorf("write a script for pgbench: %w", err)
		}
	}
	return p, nil
}

// findProgram looks on PATH, beside the server and where distributions put it, newest version first.
func findProgram(name, beside string) string {
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	dirs := []string{beside}
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin", "/usr/local/opt/postgresql@*/bin",
	} {
		found, _ := filepath.Glob(pattern)
		slices.Reverse(found)
		dirs = append(dirs, found...)
	}
	for _, dir := range dirs {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path
		}
	}
	return ""
}

var tps = regexp.MustCompile(`(?m)^tps = ([0-9.]+)`)

// run returns how many times a second the route's queries were answered.
func (p *pgbench) run(ctx context.Context, r route, span time.Duration) (float64, error) {
	args := []string{
		"-n", "-M", "prepared", "-c", strconv.Itoa(p.clients), "-j", strconv.Itoa(min(2, p.clients)),
		"-T", strconv.Itoa(int(span.Seconds())), "-f", p.scripts[r.name],
	}
	for name, value := range r.args {
		args = append(args, "-D", name+"="+value)
	}
	cmd := exec.CommandContext(ctx, p.program, append(args, p.url)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("%w: %.1000s", err, out)
	}
	m := tps.FindSubmatch(out)
	if m == nil || strings.Contains(string(out), "aborted") {
		return 0, fmt.Errorf("no rate in its output: %.1000s", out)
	}
	return strconv.ParseFloat(string(m[1]), 64)
}

// versionOf returns "15.18" of "pgbench (PostgreSQL) 15.18 (Debian ...)".
func versionOf(text string) string {
	if fields := strings.Fields(text); len(fields) > 2 {
		return fields[2]
	}
	return strings.TrimSpace(text)
}
