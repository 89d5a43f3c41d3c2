package main

import (
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"golang.org/x/term"

	"foldbook/internal/migrator"
)

// Colours of a terminal.
const (
	red    = "31"
	green  = "32"
	yellow = "33"
	dim    = "2"
)

// printer prints what the migrator reports: results to out, remarks to err.
type printer struct {
	out, err io.Writer
	colour   bool
}

func newPrinter(a *app) *printer {
	return &printer{out: a.out, err: a.err, colour: isTerminal(a.out) && a.env["NO_COLOR"] == "" && a.env["TERM"] != "dumb"}
}

func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd())) // /dev/null is a device, too, but no terminal
}

func (p *printer) paint(colour, text string) string {
	if !p.colour || colour == "" {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

func (p *printer) line(text string) { _, _ = fmt.Fprintln(p.out, text) }

func (p *printer) note(text string) { _, _ = fmt.Fprintln(p.err, text) }

var outcomeColours = map[migrator.Outcome]string{migrator.Done: green, migrator.RolledBack: yellow, migrator.NotRun: red}

// step prints one migration, and in a dry run its SQL.
func (p *printer) step(s migrator.Step) {
	mark := fmt.Sprintf("%-11s", s.Outcome)
	text := fmt.Sprintf("%s %-4s %s", p.paint(outcomeColours[s.Outcome], mark), s.Direction, s.File)
	switch {
	case s.Outcome != migrator.NotRun:
		text += fmt.Sprintf(" (%s)", s.Took.Round(100*time.Microsecond))
	case !s.Transactional:
		text += ": printed only, it cannot run in a transaction (marked NO TRANSACTION)"
	default:
		text += ": printed only, it follows one that cannot run in a transaction"
	}
	p.line(text)
	if s.Outcome == migrator.Done {
		return
	}
	p.line(p.paint(dim, s.SQL(s.Direction)) + "\n")
}

// losses prints what undoing takes, a table a line.
func (p *printer) losses(losses []migrator.Loss) {
	if len(losses) == 0 {
		p.line("no rows would be lost")
		return
	}
	p.line(p.paint(red, "this loses:"))
	w := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	for _, l := range losses {
		what, of := "row", l.Table
		if l.Column != "" {
			what, of = "value", l.Table+"."+l.Column
		}
		if l.Count != 1 {
			what += "s"
		}
		_, _ = fmt.Fprintf(w, "  %s\t%d %s\n", of, l.Count, what)
	}
	_ = w.Flush() // to the terminal; there is nobody else to tell
}
