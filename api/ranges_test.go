package api_test

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// What a data frame library asks for first: the length of a long answer and parts of it, in every format; together the parts are the answer.
func TestRanges(t *testing.T) {
	t.Parallel()
	h := newSeries(t)
	server := h.listen()
	transport := &http.Transport{DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	ask := func(method, path, bytes string) (*http.Response, string) {
		req, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if bytes != "" {
			req.Header.Set("Range", "bytes="+bytes)
		}
		res, err := transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res, string(body)
	}
	base := h.longRows(20_000) + "/indicators?format="
	for _, query := range []string{"csv", "arrow", "arrows", "ndjson", "json", "parquet", "csv&limit=3", "arrow&limit=3"} {
		path := base + query
		_, whole := ask(http.MethodGet, path, "")
		head, none := ask(http.MethodHead, path, "")
		if head.StatusCode != 200 || head.Header.Get("Content-Length") != strconv.Itoa(len(whole)) || head.Header.Get("Accept-Ranges") != "bytes" || none != "" {
			t.Errorf("HEAD %s: %d, length %s of %d", query, head.StatusCode, head.Header.Get("Content-Length"), len(whole))
		}
		if strings.HasPrefix(query, "parquet") {
			continue // QuestDB writes another file each time
		}
		middle := len(whole) / 2
		for bytes, want := range map[string]string{
			"0-3": whole[:4], fmt.Sprintf("0-%d", middle): whole[:middle+1], fmt.Sprintf("%d-", middle): whole[middle:], "-10": whole[len(whole)-10:],
			"-262144": whole[max(0, len(whole)-262144):], "0-99999999": whole,
		} {
			res, got := ask(http.MethodGet, path, bytes)
			if res.StatusCode != http.StatusPartialContent || got != want || !strings.HasSuffix(res.Header.Get("Content-Range"), "/"+strconv.Itoa(len(whole))) || res.Header.Get("ETag") != head.Header.Get("ETag") {
				t.Errorf("%s, bytes %s: %d, %d bytes, %s", query, bytes, res.StatusCode, len(got), res.Header.Get("Content-Range"))
			}
		}
		res, text := ask(http.MethodGet, path, "99999999-")
		if res.StatusCode != http.StatusRequestedRangeNotSatisfiable || !strings.Contains(text, `"code":"invalid_parameter"`) || res.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s behind the end: %d %s %s", query, res.StatusCode, res.Header.Get("Content-Type"), text)
		}
	}
}
