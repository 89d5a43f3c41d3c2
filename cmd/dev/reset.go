package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"foldbook/internal/devstack"
)

type resetCmd struct{}

func (c *resetCmd) Run(ctx context.Context) error {
	root, state, err := devstack.Dirs()
	if err != nil {
		return err
	}
	lock, err := lockState(state)
	if err != nil {
		return err
	}
	defer lock.Close() //nolint:errcheck // frees the lock
	for _, home := range []string{"test", "with"} {
		if dir := devstack.ScratchInUse(filepath.Join(state, home)); dir != "" {
			return fmt.Errorf("a server runs in %s: let its tests end first", dir)
		}
	}
	databases, _ := filepath.Glob(filepath.Join(state, "pg*"))
	for _, dir := range append(databases, filepath.Join(state, "questdb")) {
		if err := devstack.StopOrphan(ctx, dir); err != nil {
			return err
		}
	}
	dev := filepath.Join(root, ".dev")
	if err := errors.Join(os.RemoveAll(state), os.RemoveAll(dev)); err != nil {
		return fmt.Errorf("remove the state: %w", err)
	}
	fmt.Println("removed", dev)
	if state != dev {
		fmt.Println("removed", state)
	}
	return nil
}
