package transfer_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"foldbook/internal/rowread"
	"foldbook/internal/transfer"
)

type quiet struct{}

func (quiet) Begin(int, int64)           {}
func (quiet) Sending(*transfer.Document) {}
func (quiet) Sent(int64)                 {}
func (quiet) Finished(transfer.Result)   {}

// A server that refuses the second batch of a file: what is stored is said, and --from-row goes on there. data-rules.md, Files
func TestGoesOnFromARow(t *testing.T) {
	t.Parallel()
	var first []int64 // time of each batch that came
	refuse := true
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		batch, err := rowread.New(rowread.Arrow, r.Body, rowread.Options{Rows: 1 << 20, Time: []string{"timestamp_ms"}}).Next()
		if err != nil {
			t.Error(err)
			return
		}
		first = append(first, batch.Times[0])
		if refuse && len(first) == 2 {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = fmt.Fprint(w, `{"code":"invalid_body","message":"no"}`)
			return
		}
		_, _ = fmt.Fprint(w, `{"success":true,"row_count":12345,"measurement":"m"}`)
	}))
	defer server.Close()
	var text strings.Builder
	text.WriteString("timestamp,close\n")
	for i := range 12_345 {
		fmt.Fprintf(&text, "%d,1\n", 134560000+i)
	}
	file := filepath.Join(t.TempDir(), "rows.csv")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	client, err := transfer.New(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	im := transfer.Import{Client: client, Watcher: quiet{}, Rows: &transfer.Rows{Of: transfer.Ref{Kind: transfer.Dataset, ID: "0a000000-0000-4000-8000-000000000001"}, Name: "ohlcv"}}
	_, err = im.Run(t.Context(), []string{file}, nil)
	const want = "10000 of its 12345 rows are stored: go on with --from-row 10000, or repeat the command, which stores nothing twice"
	if err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
	refuse, first, im.FromRow = false, nil, 10_000
	if s, err := im.Run(t.Context(), []string{file}, nil); err != nil || s.Stored != 1 || len(first) != 1 || first[0] != (134560000+10_000)*1e6 {
		t.Errorf("going on: %v, %v, batches of %v", s, err, first)
	}
}
