package console_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"foldbook/console"
	"foldbook/internal/testdb"
)

const packages = "../clients/typescript/node_modules/" // make client installs them

// The files that are committed are what the sources make.
func TestBuilt(t *testing.T) {
	t.Parallel()
	builder := "../.dev/bin/tools/esbuild" // make console installs it
	if found, _ := filepath.Glob(builder + "-v*"); found != nil {
		builder = found[0]
	}
	testdb.Program(t, builder)
	dir := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "make", "-s", "-C", "..", "console", "CONSOLE="+dir).CombinedOutput(); err != nil {
		t.Fatalf("make console: %v\n%s", err, out)
	}
	for _, file := range files(t) {
		made, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Error(err)
		} else if committed, _ := console.Files.ReadFile("dist/" + file); !bytes.Equal(made, committed) {
			t.Errorf("dist/%s is not what the sources make: run make console and commit it", file)
		}
	}
}

// The page is small enough for a slow line.
func TestSize(t *testing.T) {
	t.Parallel()
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	for _, file := range files(t) {
		data, err := console.Files.ReadFile("dist/" + file)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = w.Write(data)
	}
	_ = w.Close()
	const budget = 60_000
	if packed.Len() > budget {
		t.Errorf("%d bytes when compressed, the budget is %d", packed.Len(), budget)
	}
	t.Logf("%d bytes when compressed", packed.Len())
}

// The page fits the types that are made of the description of the API.
func TestTypes(t *testing.T) {
	t.Parallel()
	testdb.Slow(t)
	tsc := testdb.Program(t, packages+".bin/tsc")
	if out, err := exec.CommandContext(t.Context(), tsc, "-p", ".").CombinedOutput(); err != nil {
		t.Errorf("tsc: %v\n%s", err, out)
	}
}

// The libraries are those of the packages, as lib/README.md has their sums.
func TestLibraries(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("lib/README.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile(`(?m)^\| (\S+) \| (\S+) [\d.]+, (\S+) \| .* \| ([0-9a-f]{64}) \|$`).FindAllStringSubmatch(string(text), -1)
	if len(rows) != 7 {
		t.Fatalf("%d libraries", len(rows))
	}
	for _, row := range rows {
		data, err := os.ReadFile("lib/" + row[1])
		if sum := sha256.Sum256(data); err != nil || hex.EncodeToString(sum[:]) != row[4] {
			t.Errorf("lib/%s is not what its sum is of (%v)", row[1], err)
		}
		original, err := os.ReadFile(packages + row[2] + "/" + row[3])
		if err == nil && !bytes.Equal(data, original) {
			t.Errorf("lib/%s differs from %s of %s", row[1], row[3], row[2])
		}
	}
}

func files(t *testing.T) (names []string) {
	t.Helper()
	entries, err := console.Files.ReadDir("dist")
	if err != nil || len(entries) == 0 {
		t.Fatalf("%v, %d files", err, len(entries))
	}
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	if !strings.Contains(strings.Join(names, " "), "index.html") {
		t.Fatalf("no page among %v", names)
	}
	return names
}
