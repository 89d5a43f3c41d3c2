package devstack

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// Processes that end remove their folders while others make theirs.
func TestScratchComesAndGoes(t *testing.T) {
	t.Parallel()
	home := filepath.Join(t.TempDir(), "home")
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				scratch, err := NewScratch(t.Context(), home)
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := os.Stat(scratch.Dir); err != nil {
					t.Error(err)
				}
				if err := scratch.Remove(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}
