package devstack

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

func TestQuestDBComesBackOnTheSamePortsAfterAKill(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it starts a server, and -short is given")
	}
	state, err := testState()
	if err != nil {
		t.Fatal(err)
	}
	program, err := FindQuestDB(t.Context(), state, nil)
	if err != nil {
		if os.Getenv("REQUIRE_QUESTDB") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	q, err := StartQuestDB(t.Context(), scratch(t), program, true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := q.Stop(); err != nil {
			t.Error(err)
		}
	})
	http, pg := q.HTTPURL(), q.PGURL()
	checkQuestDB(t, q)
	q.Kill()
	if err := q.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	checkQuestDB(t, q)
	if q.HTTPURL() != http || q.PGURL() != pg {
		t.Errorf("the restart moved it from %s, %s to %s, %s", http, pg, q.HTTPURL(), q.PGURL())
	}
	if log, err := os.ReadFile(q.LogFile()); err != nil || strings.Contains(string(log), "not recognized") {
		t.Errorf("QuestDB does not know all settings (%v):\n%s", err, log)
	}
}

func checkQuestDB(t *testing.T, q *QuestDB) {
	t.Helper()
	if status, body := Answer(t.Context(), q.HTTPURL()+"/exec?query=select%201"); status != http.StatusOK {
		t.Errorf("%s answers a query with %d %s", q.HTTPURL(), status, body)
	}
	conn, err := pgx.Connect(t.Context(), q.PGURL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var one int
	if err := conn.QueryRow(t.Context(), "SELECT 1").Scan(&one); err != nil || one != 1 {
		t.Errorf("over the PostgreSQL wire it answers %d, %v", one, err)
	}
}

func TestFreePortKeepsTheWantedOneWhileItIsFree(t *testing.T) {
	t.Parallel()
	port, err := freePort(0)
	if err != nil {
		t.Fatal(err)
	}
	if port < 20000 || port > 32767 {
		t.Errorf("got port %d, want one outside the range of outgoing connections", port)
	}
	// A child that another test is just starting may hold a copy of the closed socket until it runs its program.
	const patience = 5 * time.Second
	var l net.Listener
	for deadline := time.Now().Add(patience); ; {
		if l, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	if other, err := freePort(port); err != nil || other == port {
		t.Errorf("a taken port gives %d, %v, want another", other, err)
	}
	_ = l.Close()
	for deadline := time.Now().Add(patience); ; {
		again, err := freePort(port)
		if err == nil && again == port {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the freed port %d gives %d, %v", port, again, err)
		}
	}
}
