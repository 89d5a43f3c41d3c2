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

// quest is the server that the tests of this process share.
var quest struct {
	sync.Once
	questServer
}

type questServer struct {
	*devstack.QuestDB
	scratch *devstack.Scratch
	missing error // no Java or no jar
	err     error
}

// QuestDB returns a QuestDB that the tests of this process share; it starts with the first call and is empty then. The
// test is skipped, with the reason, where there is no Java or no jar, unless REQUIRE_QUESTDB is 1: then it fails.
func QuestDB(t testing.TB) *devstack.QuestDB {
	t.Helper()
	Slow(t)
	quest.Do(func() { quest.questServer = newQuestDB() })
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

// newQuestDB starts an empty server.
func newQuestDB() (q questServer) {
	_, state, err := devstack.Dirs()
	if err != nil {
		return questServer{err: err}
	}
	ctx := context.Background()
	program, err := devstack.FindQuestDB(ctx, state, nil)
	if err != nil {
		return questServer{missing: err}
	}
	if q.scratch, q.err = devstack.NewScratch(ctx, filepath.Join(state, "test")); q.err == nil {
		q.QuestDB, q.err = devstack.StartQuestDB(ctx, q.scratch.Dir, program, true)
	}
	return q
}

// stop ends the server, if there is one, and removes its folder.
func (q questServer) stop() (err error) {
	if q.QuestDB != nil {
		err = q.Stop()
	}
	if q.scratch != nil {
		err = errors.Join(err, q.scratch.Remove())
	}
	return err
}

// PrivateQuestDB starts a QuestDB for this test alone, which nobody else writes to and which it may kill. It is skipped
// where QuestDB is.
func PrivateQuestDB(t testing.TB) *devstack.QuestDB {
	t.Helper()
	QuestDB(t)
	q := newQuestDB()
	t.Cleanup(func() {
		if err := q.stop(); err != nil {
			t.Errorf("stop the private QuestDB: %v", err)
		}
	})
	if q.err != nil {
		t.Fatalf("start a private QuestDB: %v", q.err)
	}
	return q.QuestDB
}
