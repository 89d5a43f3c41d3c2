package questdb_test

import (
	"testing"

	"foldbook/db/dbtest"
	"foldbook/questdb"
)

// What is written right after a table was dropped and made anew, by whomever, must be there.
func TestWriteIntoATableMadeAnew(t *testing.T) {
	t.Parallel()
	server := dbtest.QuestDB(t)
	var clients [2]*questdb.Client
	for i := range clients {
		c, err := questdb.New(questdb.Config{HTTPURL: server.HTTPURL(), PGURL: server.PGURL()})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		clients[i] = c
	}
	writer, other := clients[0], clients[1]
	spec := questdb.TracesSpec("made_anew")
	for round := range 3 {
		table, err := writer.Ensure(t.Context(), spec)
		if err != nil {
			t.Fatal(err)
		}
		w, err := writer.Writer(table)
		if err != nil {
			t.Fatal(err)
		}
		w.Int("trade_index", int64(round))
		w.Row(1_500_000_000_000_000)
		if err := w.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n, err := writer.Count(t.Context(), questdb.Selection{Table: table}); n != 1 || err != nil {
			t.Errorf("round %d: 1 row was acknowledged, %d are there, %v", round, n, err)
		}
		if err := other.Drop(t.Context(), spec.Name); err != nil {
			t.Fatal(err)
		}
	}
}
