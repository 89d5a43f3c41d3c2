//go:build !linux

package devstack

import (
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// setDeathSignal does nothing: only Linux can tie a child to its parent. What a killed parent left running is found by
// its pid file and stopped by the next start.
func setDeathSignal(*syscall.SysProcAttr, syscall.Signal) {}

// childrenOf returns the ids of the processes whose parent is pid.
func childrenOf(pid int) []int {
	out, _ := exec.Command("pgrep", "-P", strconv.Itoa(pid)).Output()
	var ids []int
	for _, field := range strings.Fields(string(out)) {
		if id, err := strconv.Atoi(field); err == nil {
			ids = append(ids, id)
		}
	}
	return ids
}

// alive reports whether the process runs.
func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }

// worksIn reports whether the process is a server that was started on dir.
func worksIn(pid int, dir string) bool {
	out, err := exec.Command("ps", "-p", strconv.Itoa(pid), "-o", "command=").Output()
	return err == nil && strings.Contains(string(out), dir)
}
