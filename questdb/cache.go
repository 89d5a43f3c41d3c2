package questdb

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	cacheFor  = 2 * time.Second
	cacheSize = 1000
)

// tableCache keeps what the catalogue said, by name in lower case. Its zero value is empty.
type tableCache struct {
	generation atomic.Int64 // of changes made by this client
	mu         sync.Mutex
	entries    map[string]cached
}

type cached struct {
	table *Table
	until time.Time
}

func (c *tableCache) get(name string, now time.Time) *Table {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.entries[name]; ok && now.Before(e.until) {
		return e.table
	}
	return nil
}

// put keeps a table that was looked up, unless this client has changed one since that generation.
func (c *tableCache) put(name string, t *Table, generation int64, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.generation.Load() != generation {
		return
	}
	if len(c.entries) >= cacheSize || c.entries == nil {
		c.entries = map[string]cached{}
	}
	c.entries[name] = cached{t, now.Add(cacheFor)}
}

// forget drops a table that this client has changed.
func (c *tableCache) forget(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.generation.Add(1)
	delete(c.entries, name)
}
