package api_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"foldbook/api"
)

// unpacked is the body of an answer, decompressed if it is compressed.
func unpacked(t testing.TB, res *http.Response) string {
	t.Helper()
	var in io.Reader = res.Body
	switch res.Header.Get("Content-Encoding") {
	case "gzip":
		g, err := gzip.NewReader(in)
		if err != nil {
			t.Fatal(err)
		}
		in = g
	case "zstd":
		z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1))
		if err != nil {
			t.Fatal(err)
		}
		defer z.Close()
		in = z
	}
	text, err := io.ReadAll(in)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// An answer is compressed as the caller likes it best, and is byte for byte the plain one.
func TestCompression(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.storeAll(40, 200)
	paths := []string{
		"/api/runs/" + newRun, "/api/walkforward/runs/" + newRun, "/api/walkforward/runs/" + newRun + "/folds", "/traders/x/api/walkforward/runs/" + newRun, "/api/simulations/" + newSim + "/trades?limit=100",
		"/api/tradesim/runs/" + newSim + "/trades", "/openapi.json",
	}
	for _, path := range paths {
		plain := h.plain(http.MethodGet, path)
		text := readBody(t, plain)
		tag := plain.Header.Get("ETag")
		for accept, want := range map[string]string{
			"gzip": "gzip", "zstd": "zstd", "gzip, zstd": "zstd", "gzip, deflate, br, zstd": "zstd", "gzip;q=1.0, zstd;q=0.5": "gzip", "gzip; q=0.4, zstd; q=0.3": "gzip", "zstd;q=0, gzip": "gzip",
			"": "", "identity": "", "br": "", "deflate": "", "gzip;q=0": "", "gzip;q=0.0, zstd;q=0.000": "", "gzip;q=x": "", "*;q=0": "", "gzippy": "",
		} {
			for range 2 { // from the cache the second time, where there is one
				res := h.plain(http.MethodGet, path, "Accept-Encoding", accept)
				packed := readBody(t, res)
				wantTag := tag
				if want != "" && tag != "" {
					wantTag = strings.TrimSuffix(tag, `"`) + "-" + want + `"`
				}
				if res.StatusCode != 200 || res.Header.Get("Content-Encoding") != want || res.Header.Get("ETag") != wantTag || res.Header.Get("X-Total-Count") != plain.Header.Get("X-Total-Count") ||
					res.Header.Get("Content-Type") != plain.Header.Get("Content-Type") || !strings.Contains(strings.Join(res.Header.Values("Vary"), ","), "Accept-Encoding") {
					t.Errorf("%s, Accept-Encoding %q: %d %v, want %q and ETag %s", path, accept, res.StatusCode, res.Header, want, wantTag)
				}
				if n := res.Header.Get("Content-Length"); n != "" && n != strconv.Itoa(len(packed)) {
					t.Errorf("%s, Accept-Encoding %q: Content-Length %s of %d bytes", path, accept, n, len(packed))
				}
				if unpacked(t, res) != text || (want != "" && len(packed) >= len(text)) {
					t.Errorf("%s, Accept-Encoding %q: %d bytes, unpacked not the plain %d", path, accept, len(packed), len(text))
				}
				if wantTag == "" {
					continue
				}
				for _, have := range []string{wantTag, tag, "W/" + wantTag} {
					if again := h.plain(http.MethodGet, path, "Accept-Encoding", accept, "If-None-Match", have); again.StatusCode != 304 || readBody(t, again) != "" || again.Header.Get("Content-Encoding") != "" {
						t.Errorf("%s, Accept-Encoding %q, If-None-Match %s: %d %v", path, accept, have, again.StatusCode, again.Header)
					}
				}
			}
		}
	}
	for _, path := range []string{"/healthz", "/api/runs/" + newSim, "/api/runs?limit=0", "/api/datasets/" + newDataset + "/manifest"} {
		res := h.plain(http.MethodGet, path, "Accept-Encoding", "gzip, zstd")
		if n := len(readBody(t, res)); n < 1000 && res.Header.Get("Content-Encoding") != "" {
			t.Errorf("%s: %d bytes are compressed", path, n)
		}
	}
}

// HEAD answers the headers of GET, compressed or not, cached or not.
func TestHeadOfCompressed(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.storeAll(40, 2)
	server := httptest.NewServer(h.http)
	defer server.Close()
	client := &http.Client{Transport: &http.Transport{DisableCompression: true}}
	defer client.CloseIdleConnections()
	for _, accept := range []string{"", "gzip", "zstd"} {
		var headers []http.Header
		for _, method := range []string{"HEAD", "GET", "GET", "HEAD"} {
			req, err := http.NewRequestWithContext(t.Context(), method, server.URL+"/api/runs/"+newRun, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Accept-Encoding", accept)
			res, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(res.Body)
			if err != nil || res.StatusCode != 200 || (len(body) == 0) != (method == "HEAD") {
				t.Errorf("%s, Accept-Encoding %q: %d, %d bytes, %v", method, accept, res.StatusCode, len(body), err)
			}
			_ = res.Body.Close()
			headers = append(headers, res.Header)
		}
		for _, name := range []string{"Content-Length", "Content-Encoding", "ETag", "Vary", "Content-Type"} {
			for _, header := range headers {
				if header.Get(name) != headers[1].Get(name) || (name == "Content-Length" && header.Get(name) == "") {
					t.Errorf("Accept-Encoding %q: %s is %q, of GET %q", accept, name, header.Get(name), headers[1].Get(name))
				}
			}
		}
	}
}

// foldsOf reads how many folds an answer has; a cached one still has those that were taken away behind the service's back.
func foldsOf(t *testing.T, h *harness, path, encoding string) int {
	t.Helper()
	return strings.Count(unpacked(t, h.plain(http.MethodGet, path, "Accept-Encoding", encoding)), `"fold_number"`)
}

// The answer of a run that is final is kept for its version and no longer, and of one that is not, not at all.
func TestCachedBodies(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		status string
		size   int64
		cached bool
	}{
		"final": {"COMPLETED", 1 << 20, true}, "failed": {"FAILED", 1 << 20, true}, "not final": {"RUNNING", 1 << 20, false}, "no cache": {"COMPLETED", 0, false}, "too small a cache": {"COMPLETED", 2000, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t, func(o *api.Options) { o.BodyCache = tc.size })
			h.store("/api/datasets", datasetBody(newDataset, "btc25_1"), 201)
			h.store("/api/runs", strings.Replace(runBody(30), "COMPLETED", tc.status, 1), 201)
			for _, path := range []string{"/api/runs/" + newRun, "/api/walkforward/runs/" + newRun} {
				for _, encoding := range []string{"gzip", "zstd", ""} {
					if n := foldsOf(t, h, path, encoding); n != 30 {
						t.Fatalf("%s: %d folds", path, n)
					}
				}
			}
			h.exec(`DELETE FROM walkforward_folds WHERE fold_number >= 12`) // which no request can do without a new version
			want := 12
			if tc.cached {
				want = 30
			}
			for _, path := range []string{"/api/runs/" + newRun, "/api/walkforward/runs/" + newRun} {
				for encoding, n := range map[string]int{"gzip": want, "zstd": want, "": want} {
					if got := foldsOf(t, h, path, encoding); got != n {
						t.Errorf("%s, Accept-Encoding %q: %d folds, want %d", path, encoding, got, n)
					}
				}
			}
			// Another page of the folds is another answer.
			if got := foldsOf(t, h, "/api/runs/"+newRun+"?fold_limit=11", "gzip"); got != 11 {
				t.Errorf("a page of 11 folds has %d", got)
			}
			if status, a := h.send(http.MethodPatch, "/api/runs/"+newRun, `{"duration_ms": 7}`); status != 200 {
				t.Fatal(status, a)
			}
			for _, path := range []string{"/api/runs/" + newRun, "/api/walkforward/runs/" + newRun} {
				res := h.plain(http.MethodGet, path, "Accept-Encoding", "gzip")
				if body := unpacked(t, res); strings.Count(body, `"fold_number"`) != 12 || !strings.Contains(body, `"duration_ms":7`) {
					t.Errorf("%s after a change: %s", path, body)
				}
			}
			// The slug of the dataset is in the answer too.
			h.store("/api/datasets", datasetBody(newDataset, "renamed"), 200)
			if body := unpacked(t, h.plain(http.MethodGet, "/api/runs/"+newRun, "Accept-Encoding", "gzip")); !strings.Contains(body, `"dataset_slug":"renamed"`) {
				t.Errorf("after another name of the dataset: %s", body)
			}
		})
	}
}

// The cache is bounded: what was used least recently is forgotten first.
func TestCacheIsBounded(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(4, 6))
	h := newHarness(t, func(o *api.Options) { o.BodyCache = 64 << 10 })
	h.store("/api/datasets", datasetBody(newDataset, "btc25_1"), 201)
	const runs = 30
	id := func(i int) string { return fmt.Sprintf("0b000000-0000-4000-8000-%012d", 100+i) }
	noise := func() string { // does not compress
		b := make([]byte, 3000)
		for i := range b {
			b[i] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"[r.IntN(64)]
		}
		return string(b)
	}
	for i := range runs {
		body := strings.ReplaceAll(runBody(2), newRun, id(i))
		h.store("/api/runs", strings.Replace(body, `"walk_config": {`, `"walk_config": {"noise": "`+noise()+`", `, 1), 201)
		foldsOf(t, h, "/api/runs/"+id(0), "gzip") // used all the time
		foldsOf(t, h, "/api/runs/"+id(i), "gzip")
	}
	h.exec(`DELETE FROM walkforward_folds`)
	for i := runs - 9; i < runs; i++ {
		if foldsOf(t, h, "/api/runs/"+id(i), "gzip") != 2 {
			t.Errorf("run %d, one of the last, is forgotten", i)
		}
	}
	if foldsOf(t, h, "/api/runs/"+id(0), "gzip") != 2 {
		t.Error("the run that is read all the time is forgotten")
	}
	for i := 1; i < 5; i++ {
		if foldsOf(t, h, "/api/runs/"+id(i), "gzip") != 0 {
			t.Errorf("run %d, one of the first, is kept: the cache is not bounded", i)
		}
	}
}
