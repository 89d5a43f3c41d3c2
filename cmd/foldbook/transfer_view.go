package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"

	"foldbook/internal/transfer"
)

// barOn returns a progress bar when standard error is a terminal that can show one, else nil.
func barOn(a *app, total int64, bytes bool) *progressbar.ProgressBar {
	if !isTerminal(a.err) || a.env["TERM"] == "dumb" {
		return nil
	}
	return progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(a.err), progressbar.OptionShowBytes(bytes), progressbar.OptionShowCount(), progressbar.OptionSetWidth(24),
		progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish(), progressbar.OptionUseIECUnits(true),
		progressbar.OptionSetPredictTime(true), progressbar.OptionEnableColorCodes(false), progressbar.OptionUseANSICodes(true),
	)
}

// importView shows how an import goes: a bar on a terminal, a line for each file elsewhere, warnings on both.
type importView struct {
	*app
	dryRun     bool
	bar        *progressbar.ProgressBar // nil: lines
	files, nth int
}

// Begin is part of transfer.Watcher, like the three that follow.
func (v *importView) Begin(files int, bytes int64) {
	v.files = files
	v.bar = barOn(v.app, max(bytes, 1), true)
}

// Sending names the file in the bar.
func (v *importView) Sending(d *transfer.Document) {
	if v.bar != nil {
		v.bar.Describe(fmt.Sprintf("%d/%d %s", v.nth+1, v.files, filepath.Base(d.Name)))
	}
}

// Sent moves the bar.
func (v *importView) Sent(bytes int64) {
	if v.bar != nil {
		_ = v.bar.Set64(bytes)
	}
}

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
	case r.Document.Kind == transfer.Series:
		what = "stored "
	}
	text := fmt.Sprintf("%s  %s: %s", what, r.Name, r.Document.What())
	if r.Stored != "" {
		text += ", " + r.Stored
	}
	return text
}

// note prints a line above the bar.
func (v *importView) note(text string) {
	if v.bar != nil {
		_ = v.bar.Clear()
	}
	_, _ = fmt.Fprintln(v.err, text)
}

func (v *importView) end(s transfer.Summary) {
	if v.bar != nil {
		_ = v.bar.Clear()
	}
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
	*app
	bar  *progressbar.ProgressBar
	seen int
}

func (v *exportView) exported(r transfer.Ref, series []string, n, of int) {
	if v.seen == 0 {
		v.bar = barOn(v.app, int64(of), false)
	}
	v.seen++
	if v.bar == nil {
		_, _ = fmt.Fprintf(v.out, "written  %s\n", r.File())
		for _, file := range series {
			_, _ = fmt.Fprintf(v.out, "written  %s\n", filepath.Join(filepath.Dir(r.File()), filepath.Base(file)))
		}
		return
	}
	_ = v.bar.Set(n)
}

func (v *exportView) note(text string) {
	if v.bar != nil {
		_ = v.bar.Clear()
	}
	_, _ = fmt.Fprintln(v.err, text)
}

func (v *exportView) end() {
	if v.bar != nil {
		_ = v.bar.Clear()
	}
	_, _ = fmt.Fprintf(v.out, "%d written\n", v.seen)
}
