package api_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
)

// However many ask for the same rows at once, nobody gets an answer from before what had been stored when they asked.
func TestConcurrentReadsAreNotOld(t *testing.T) {
	t.Parallel()
	h := appendHarness(t)
	name := slug(t)
	h.newSet(name, ownTables(name))
	h.store(indicatorsPath(), indicatorRows(0, 1), 200)
	var stored, read atomic.Int64
	stored.Store(1)
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				least := stored.Load()
				rec := httptest.NewRecorder()
				h.http.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/api/datasets/"+newDataset+"/indicators", nil))
				var answer struct {
					Rows         []json.RawMessage
					Count, Total int64
				}
				if err := json.Unmarshal(rec.Body.Bytes(), &answer); err != nil || rec.Code != http.StatusOK {
					t.Errorf("status %d, %v: %.200s", rec.Code, err, rec.Body)
					return
				}
				if answer.Total < least || answer.Count != answer.Total || int64(len(answer.Rows)) != answer.Total {
					t.Errorf("the answer has %d rows, said to be %d of %d; %d were stored before", len(answer.Rows), answer.Count, answer.Total, least)
				}
				read.Add(1)
			}
		})
	}
	for n := int64(1); n < 10; n++ {
		h.store(indicatorsPath(), indicatorRows(int(n), 1), 200)
		stored.Store(n + 1)
	}
	close(done)
	readers.Wait()
	if read.Load() < 4 {
		t.Errorf("only %d answers were read", read.Load())
	}
}
