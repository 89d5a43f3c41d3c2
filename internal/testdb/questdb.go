package testdb

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
	Slow(t)
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
	quest.QuestDB, quest.scratch, quest.missing, quest.err = newQuestDB()
}

// newQuestDB starts an empty server. missing says why there cannot be one.
func newQuestDB() (server *devstack.QuestDB, scratch *devstack.Scratch, missing, err error) {
	state, err := stateDir()
	if err != nil {
		return nil, nil, nil, err
	}
	ctx := context.Background()
	program, err := devstack.FindQuestDB(ctx, state, nil)
	if err != nil {
		return nil, nil, err, nil
	}
	home := filepath.Join(state, "test")
	lock, err := devstack.LockScratch(home)
	if err != nil {
		return nil, nil, nil, err
	}
	scratch, err = devstack.NewScratch(ctx, home)
	if err = errors.Join(err, lock.Close()); err != nil {
		return nil, scratch, nil, err
	}
	server, err = devstack.StartTestQuestDB(ctx, scratch.Dir, program)
	return server, scratch, nil, err
}

// PrivateQuestDB starts a QuestDB for this test alone, which nobody else writes to and which it may kill. It is skipped
// where QuestDB is.
func PrivateQuestDB(t testing.TB) *devstack.QuestDB {
	t.Helper()
	QuestDB(t)
	server, scratch, _, err := newQuestDB()
	t.Cleanup(func() {
		if server != nil {
			err = errors.Join(err, server.Stop())
		}
		if scratch != nil {
			err = errors.Join(err, scratch.Remove())
		}
		if err != nil {
			t.Errorf("stop the private QuestDB: %v", err)
		}
	})
	if err != nil {
		t.Fatalf("start a private QuestDB: %v", err)
	}
	return server
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
