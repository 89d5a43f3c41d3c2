package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"

	"foldbook/internal/devstack"
)

type withCmd struct {
	Command []string `arg:"" passthrough:"" help:"The command and its arguments, after --."`
}

// Run returns the command's own error, so that dev ends with its status.
func (c *withCmd) Run(ctx context.Context) (err error) {
	command := c.Command
	if command[0] == "--" {
		command = command[1:]
	}
	if len(command) == 0 {
		return errors.New("with: no command given, as in: dev with -- psql")
	}
	root, state, err := devstack.Dirs()
	if err != nil {
		return err
	}
	binaries, err := devstack.FindPostgres(ctx, state, nil)
	if err != nil {
		return err
	}
	scratch, err := devstack.NewScratch(ctx, filepath.Join(state, "with"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, scratch.Remove()) }()
	// Durable: what is measured on it should hold for a real server.
	server, err := devstack.StartPostgres(ctx, scratch.Dir, devstack.Options{Binaries: binaries, Durable: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	if err := createDatabase(ctx, server, database, false); err != nil {
		return err
	}
	given, err := settings(filepath.Join(root, ".env"))
	if err != nil {
		return err
	}
	s := &stack{root: root, env: append(questDBReader(given), "POSTGRES_URL="+server.URL(database), "DATABASE_URL="+server.URL(database))}
	if err := s.show(ctx, "migrating", s.foldbook("migrate", "up")); err != nil {
		return err
	}
	return runForeground(ctx, command, s.env)
}

// runForeground leaves the terminal to the command: Ctrl-C reaches it directly, SIGTERM is passed on.
func runForeground(ctx context.Context, command, env []string) error {
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, os.Interrupt)
	defer signal.Stop(interrupts)
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), env...)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("with: %w", err)
	}
	defer context.AfterFunc(ctx, func() {
		select {
		case <-interrupts: // the terminal has told the command
		default:
			_ = cmd.Process.Signal(syscall.SIGTERM)
		}
	})()
	return cmd.Wait()
}
