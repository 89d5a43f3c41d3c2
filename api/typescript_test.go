package api_test

import (
	"os"
	"os/exec"
	"testing"

	"foldbook/internal/testdb"
)

// The TypeScript client's own tests hold on the service with PostgreSQL and QuestDB, and their types fit.
func TestTypeScriptClient(t *testing.T) {
	testdb.Slow(t)
	t.Parallel()
	const client = "../clients/typescript"
	testdb.Program(t, client+"/node_modules/.bin/tsc") // make client installs it
	url := live(t, appendHarness(t))
	cmd := exec.CommandContext(t.Context(), "npm", "test", "--silent")
	cmd.Dir, cmd.Env = client, append(os.Environ(), "FOLDBOOK_URL="+url)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("npm test: %v\n%s", err, out)
	}
}
