package testdb

import (
	"os"
	"os/exec"
	"testing"
)

// Program returns the path of a program that a test runs. The test is skipped where it is not installed, unless
// REQUIRE_PROGRAMS is 1: then it fails.
func Program(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	switch {
	case err != nil && os.Getenv("REQUIRE_PROGRAMS") == "1":
		t.Fatalf("REQUIRE_PROGRAMS is 1, but: %v", err)
	case err != nil:
		t.Skipf("%s is not installed: %v", name, err)
	}
	return path
}
