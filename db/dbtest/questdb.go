package dbtest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"foldbook/internal/devstack"
)

var (
	questOnce sync.Once
	quest     struct {
		*devstack.QuestDB
		scratch *devstack.Scratch
		missing error // no Java or no jar
		err     error
	}
)

// QuestDB returns a QuestDB that the tests of this process share; it starts with the first call and is empty then. The
// test is skipped, with the reason, where there is no Java or no jar, unless REQUIRE_QUESTDB is 1: then it fails.
func QuestDB(t testing.TB) *devstack.QuestDB {
	t.Helper()
	questOnce.Do(startQuestDB)
	switch {
	case quest.err != nil:
		t.Fatalf("start QuestDB: %v", quest.err)
	case quest.missing != nil && os.Getenv("REQUIRE_QUESTDB") == "1":
		t.Fatalf("REQUIRE_QUESTDB is 1, but: %v", quest.missing)
	case quest.missing != nil:
		t.Skipf("QuestDB cannot be started: %v", quest.missing)
	}
	return quest.QuestDB
}

func startQuestDB() {
	state, err := stateDir()
	if err != nil {
		quest.err = err
		return
	}
	ctx := context.Background()
	program, err := devstack.FindQuestDB(ctx, state, nil)
	if err != nil {
		quest.missing = err
		return
	}
	home := filepath.Join(state, "test")
	lock, err := devstack.LockScratch(home)
	if err != nil {
		quest.err = err
		return
	}
	quest.scratch, err = devstack.NewScratch(ctx, home)
	if err = errors.Join(err, lock.Close()); err != nil {
		quest.err = err
		return
	}
	quest.QuestDB, quest.err = devstack.StartQuestDB(ctx, quest.scratch.Dir, program)
}

func stopQuestDB() error {
	if quest.scratch == nil {
		return nil
	}
	var err error
	if quest.err == nil {
		err = quest.Stop()
	}
	return errors.Join(err, quest.scratch.Remove())
}
