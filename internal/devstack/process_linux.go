package devstack

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

func setDeathSignal(attr *syscall.SysProcAttr, sig syscall.Signal) { attr.Pdeathsig = sig }

// childrenOf returns the ids of the processes whose parent is pid.
func childrenOf(pid int) []int {
	var ids []int
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		if _, parent := readStat(path); parent == pid {
			if id, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// alive reports whether the process runs; one that has ended and waits to be reaped does not.
func alive(pid int) bool {
	state, _ := readStat(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	return state != 0 && state != 'Z' && state != 'X'
}

// worksIn reports whether the process has dir as its working directory, as a postmaster has its data directory.
func worksIn(pid int, dir string) bool {
	cwd, err := os.Readlink(filepath.Join("/proc", strconv.Itoa(pid), "cwd"))
	if err != nil {
		return false
	}
	real, err := filepath.EvalSymlinks(dir)
	return err == nil && cwd == real
}

// readStat reads state and parent from a /proc/PID/stat; both are zero when there is no such process.
func readStat(path string) (state byte, parent int) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, 0
	}
	// "1234 (name, with anything in it) S 1 ...": the last parenthesis ends the name.
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if len(fields) < 2 {
		return 0, 0
	}
	parent, _ = strconv.Atoi(string(fields[1]))
	return fields[0][0], parent
}
