package dbtest_test

import (
	"testing"

	"foldbook/db/dbtest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

func TestNewGivesEachTestItsOwnMigratedDatabase(t *testing.T) {
	t.Parallel()
	for range 8 {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			pool := dbtest.New(t)
			if _, err := pool.Exec(t.Context(), "INSERT INTO indicator_datasets (questdb_tag) VALUES ('same')"); err != nil {
				t.Fatal(err)
			}
			var rows int
			if err := pool.QueryRow(t.Context(), "SELECT count(*) FROM indicator_datasets").Scan(&rows); err != nil {
				t.Fatal(err)
			}
			if rows != 1 {
				t.Errorf("got %d data sets, want only the one of this test", rows)
			}
		})
	}
}

func TestQuestDB(t *testing.T) {
	t.Parallel()
	q := dbtest.QuestDB(t)
	t.Log(q.HTTPURL(), q.PGURL())
}
