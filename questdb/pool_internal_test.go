package questdb

import "testing"

// What a read leaves in the pool works, also when it was ended although all its rows had come.
func TestPoolAfterHalfARead(t *testing.T) {
	t.Parallel()
	c := bothPaths(t)[0]
	for read := range 20 {
		rows, err := c.query(t.Context(), new(statement).add("select x from long_sequence(5)"))
		if err != nil {
			t.Fatal(err)
		}
		for range read % 6 {
			rows.Next()
		}
		rows.Close()
		for _, conn := range c.pool.AcquireAllIdle(t.Context()) {
			if err := conn.Ping(t.Context()); err != nil {
				t.Errorf("after %d of 5 rows: %v", read%6, err)
			}
			conn.Release()
		}
	}
}
