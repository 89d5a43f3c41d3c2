package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"

	"github.com/jackc/pgx/v5"
)

// theme is the head of a table.
type theme struct {
	title, about string
	peer         string // what the service is compared with
}

// row is a line of a table.
type row struct {
	what, ours, theirs, ratio string
	required, verdict         string // empty without a target
	p50, p99                  string // ms, over the answers of all rounds
	bytes                     int64
}

func (r *row) require(what string, met bool) {
	r.required, r.verdict = what, "MISSED"
	if met {
		r.verdict = "PASS"
	}
}

// report prints the tables and remembers what was missed.
type report struct {
	rounds  int
	targets int
	missed  []string
}

func (r *report) table(t theme, rows []row) {
	fmt.Printf("\n### %s\n\n%s\n\n", t.title, t.about)
	fmt.Printf("| what | foldbook | %s | ratio | required | | p50 ms | p99 ms | bytes |\n", t.peer)
	fmt.Println("|---|--:|--:|--:|--:|---|--:|--:|--:|")
	for _, w := range rows {
		length := ""
		if w.bytes > 0 {
			length = fmt.Sprint(w.bytes)
		}
		cells := []string{w.what, w.ours, w.theirs, w.ratio, w.required, w.verdict, w.p50, w.p99, length}
		fmt.Println("| " + strings.Join(cells, " | ") + " |")
		if w.verdict != "" {
			r.targets++
		}
		if w.verdict == "MISSED" {
			r.missed = append(r.missed, fmt.Sprintf("%s: %s: %s %s, required %s", t.title, w.what, w.ours, w.ratio, w.required))
		}
	}
}

// machine prints what all tables have in common.
func (r *report) machine(ctx context.Context, s *stack) error {
	conn, err := pgx.Connect(ctx, s.url)
	if err != nil {
		return fmt.Errorf("ask the server for its version: %w", err)
	}
	defer conn.Close(ctx) //nolint:errcheck // nothing is lost
	version, _, _ := strings.Cut(conn.PgConn().ParameterStatus("server_version"), " ")
	fmt.Printf("Machine: %d cores, %s, %s/%s, %s, PostgreSQL %s.\n",
		runtime.NumCPU(), cpuModel(), runtime.GOOS, runtime.GOARCH, runtime.Version(), version)
	fmt.Printf("Figures are medians of %d rounds in turns, ratios the medians of the rounds' own ratios.\n", r.rounds)
	return nil
}

func (r *report) summary() {
	fmt.Printf("\n%d of %d targets are met.\n", r.targets-len(r.missed), r.targets)
	for _, m := range r.missed {
		fmt.Println("- missed:", m)
	}
}

// cpuModel returns the processor's name where Linux tells it.
func cpuModel() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if key, value, _ := strings.Cut(line, ":"); strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown processor"
}
