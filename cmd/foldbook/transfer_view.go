package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"

	"foldbook/internal/transfer"
)

// view writes lines, and shows a progress bar while standard error is a terminal that can show one.
type view struct {
	*app
	bar *progressbar.ProgressBar // nil: lines alone
}

func (v *view) begin(total int64, bytes bool) {
	if !isTerminal(v.err) || v.env["TERM"] == "dumb" {
		return
	}
	v.bar = progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(v.err), progressbar.OptionShowBytes(bytes), progressbar.OptionShowCount(), progressbar.OptionSetWidth(24),
		progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish(), progressbar.OptionUseIECUnits(true),
		progressbar.OptionSetPredictTime(true), progressbar.OptionEnableColorCodes(false), progressbar.OptionUseANSICodes(true),
	)
}

func (v *view) set(done int64) {
	if v.bar != nil {
		_ = v.bar.Set64(done)
	}
}

func (v *view) clear() {
	if v.bar != nil {
		_ = v.bar.Clear()
	}
}

// note prints a line above the bar.
func (v *view) note(text string) {
	v.clear()
	_, _ = fmt.Fprintln(v.err, text)
}

// importView shows how an import goes: a bar on a terminal, a line for each file elsewhere, warnings on both.
type importView struct {
	view
	dryRun     bool
	files, nth int
}

// Begin is part of transfer.Watcher, like the three that follow.
func (v *importView) Begin(files int, bytes int64) {
	v.files = files
	v.begin(max(bytes, 1), true)
}

// Sending names the file in the bar.
func (v *importView) Sending(d *transfer.Document) {
	if v.bar != nil {
		v.bar.Describe(fmt.Sprintf("%d/%d %s", v.nth+1, v.files, filepath.Base(d.Name)))
	}
}

// Sent moves the bar.
func (v *importView) Sent(bytes int64) { v.set(bytes) }

// Finished prints what became of a file.
func (v *importView) Finished(r transfer.Result) {
	v.nth++
	for _, w := range r.Warnings {
		v.note(fmt.Sprintf("%s: warning: %s", r.Name, w))
	}
	switch {
	case r.Err != nil:
		// The summary, or the error that ends the command, says why.
	case v.bar == nil:
		_, _ = fmt.Fprintln(v.out, v.line(r))
	}
}

func (v *importView) line(r transfer.Result) string {
	what := "updated"
	switch {
	case r.Skipped:
		return fmt.Sprintf("skipped  %s: it is stored already", r.Name)
	case r.Created:
		what = "created"
	case r.Document.Kind == transfer.Series, r.Document.Kind == transfer.Notes:
		what = "stored "
	}
	text := fmt.Sprintf("%s  %s: %s", what, r.Name, r.Document.What())
	if r.Stored != "" {
		text += ", " + r.Stored
	}
	return text
}

func (v *importView) end(s transfer.Summary) {
	v.clear()
	for _, r := range s.Failed {
		_, _ = fmt.Fprintf(v.err, "%s: %v\n", r.Name, r.Err)
	}
	parts := []string{fmt.Sprintf("%d stored", s.Stored)}
	if v.dryRun {
		parts[0] = fmt.Sprintf("%d would be stored (dry run: nothing was)", s.Stored)
	}
	if s.Skipped > 0 {
		parts = append(parts, fmt.Sprintf("%d skipped", s.Skipped))
	}
	if len(s.Failed) > 0 {
		parts = append(parts, fmt.Sprintf("%d failed", len(s.Failed)))
	}
	_, _ = fmt.Fprintln(v.out, strings.Join(parts, ", "))
}

// exportView shows how an export of everything goes.
type exportView struct {
	view
	dir  string
	seen int
}

func (v *exportView) exported(r transfer.Ref, beside []string, n, of int) {
	if v.seen++; v.seen == 1 {
		v.begin(int64(of), false)
	}
	if v.set(int64(n)); v.bar != nil {
		return
	}
	_, _ = fmt.Fprintf(v.out, "written  %s\n", r.File())
	for _, file := range beside {
		if name, err := filepath.Rel(v.dir, file); err == nil {
			file = name
		}
		_, _ = fmt.Fprintf(v.out, "written  %s\n", file)
	}
}

func (v *exportView) end() {
	v.clear()
	_, _ = fmt.Fprintf(v.out, "%d written\n", v.seen)
}
