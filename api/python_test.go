package api_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"foldbook/internal/devstack"
	"foldbook/internal/testdb"
)

// The Python client's own tests hold on the service with PostgreSQL and QuestDB, and it is built with its types.
func TestPythonClient(t *testing.T) {
	t.Parallel()
	program := python(t)
	url := live(t, appendHarness(t))
	tests := exec.CommandContext(t.Context(), program, "-W", "error::SyntaxWarning", "-c", `
import sys, unittest
run = unittest.main(module=None, argv=["unittest", "discover", "--start-directory", "tests"], exit=False)
if not run.result.wasSuccessful():
    sys.exit(1)`+pythonEnd)
	wheel := exec.CommandContext(t.Context(), program, "-c", `
import glob, sys, zipfile, hatchling.build
name = hatchling.build.build_wheel(sys.argv[1])
files = zipfile.ZipFile(sys.argv[1] + "/" + name).namelist()
missing = {"foldbook/py.typed", "foldbook/models.py", "foldbook/client.py"} - set(files)
assert not missing, files`, t.TempDir())
	for _, cmd := range []*exec.Cmd{tests, wheel} {
		cmd.Dir, cmd.Env = "../clients/python", append(os.Environ(), "FOLDBOOK_SERVER="+url, "PYTHONPATH=src")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v: %v\n%s", cmd.Args[:4], err, out)
		}
	}
}

var pythonOnce = sync.OnceValues(func() (program string, err error) {
	root, err := devstack.Root()
	if err != nil {
		return "", err
	}
	venv := filepath.Join(root, ".dev", "venv")
	program = filepath.Join(venv, "bin", "python")
	wanted := filepath.Join(root, "clients", "python", "requirements.txt")
	text, err := os.ReadFile(wanted)
	if err != nil {
		return "", err
	}
	installed := filepath.Join(venv, "requirements.txt")
	if there, err := os.ReadFile(installed); err == nil && bytes.Equal(there, text) {
		return program, nil
	}
	for _, args := range [][]string{
		{"python3", "-m", "venv", venv}, {program, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", wanted},
	} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			return "", &exec.Error{Name: string(out), Err: err}
		}
	}
	return program, os.WriteFile(installed, text, 0o600)
})

// pythonEnd ends a script that has succeeded without ending the threads of pyarrow and polars, which now and then abort the process
// there: "terminate called without an active exception".
const pythonEnd = "\nimport os\nsys.stdout.flush()\nsys.stderr.flush()\nos._exit(0)\n"

// python is a Python with what clients/python/requirements.txt pins, in an environment of its own below .dev.
func python(t *testing.T) string {
	t.Helper()
	testdb.Slow(t)
	program, err := pythonOnce()
	switch {
	case err != nil && os.Getenv("CI") != "":
		t.Fatalf("no Python with the packages of the client: %v", err)
	case err != nil:
		t.Skipf("no Python with the packages of the client: %v", err)
	}
	return program
}

// The cells of docs/python.md work in their order and print what stands below them.
func TestPythonWalkThrough(t *testing.T) {
	t.Parallel()
	program := python(t)
	runCells(t, program, "../docs/python.md", "http://127.0.0.1:33931", live(t, appendHarness(t)), "demo_py", slug(t))
}

// runCells runs the cells of Python of a page in one process, as in a notebook; here are pairs of what is written there and what it is here.
func runCells(t *testing.T, program, path string, here ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, append([]string{"-W", "error::DeprecationWarning:__main__", "-c", `
import ast, contextlib, io, re, sys
path, *here = sys.argv[1:]
text = open(path, encoding="utf-8").read()
for there, value in zip(here[::2], here[1::2]):
    text = text.replace(there, value)
cells = re.findall("~~~python\n(.*?)~~~\n~~~\n(.*?)~~~".replace("~", chr(96)), text, re.S)
assert len(cells) == text.count(chr(96) * 3 + "python") > 0, "a cell has no output below it"
names = {}
for code, want in cells:
    *statements, last = ast.parse(code).body
    with contextlib.redirect_stdout(io.StringIO()) as out:
        if not isinstance(last, ast.Expr):
            statements.append(last)
        exec(compile(ast.Module(statements, []), "cell", "exec"), names)
        value = eval(compile(ast.Expression(last.value), "cell", "eval"), names) if isinstance(last, ast.Expr) else None
        if value is not None:
            print(value)
    assert out.getvalue() == want, f"{code}\nprints\n{out.getvalue()}not\n{want}"` + pythonEnd, path}, here...)...)
	cmd.Env = append(os.Environ(), "PYTHONPATH=../clients/python/src")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
