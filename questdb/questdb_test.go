package questdb_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"foldbook/internal/testdb"
	"foldbook/questdb"
)

func TestMain(m *testing.M) { testdb.Main(m) }

// limit is the longest that anything may take.
const limit = 5 * time.Second

func client(t *testing.T, cfg questdb.Config) *questdb.Client {
	t.Helper()
	c, err := questdb.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// fake is a server that answers every request with f.
func fake(t *testing.T, f http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	return s.URL
}

func answer(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

const good = `{"query":"select 1 one","columns":[{"name":"one","type":"INT"}],"timestamp":-1,"dataset":[[1]],"count":1}`

func TestNewRefusesBadURLs(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"", "127.0.0.1:9000", "tcp://127.0.0.1:9009", "http://", "/exec", "http://a b/"} {
		if _, err := questdb.New(questdb.Config{HTTPURL: url, Password: "geheim"}); err == nil || strings.Contains(err.Error(), "geheim") {
			t.Errorf("New(%q) returns error %v", url, err)
		}
	}
}

func TestPingAsksAQuery(t *testing.T) {
	t.Parallel()
	asked := make(chan *http.Request, 1)
	url := fake(t, func(w http.ResponseWriter, r *http.Request) {
		asked <- r
		answer(http.StatusOK, good)(w, r)
	})
	for _, c := range []struct {
		path, user, password string
	}{{"", "", ""}, {"/", "admin", "quest"}, {"/behind/a/proxy", "admin", ""}} {
		if err := client(t, questdb.Config{Read: questdb.HTTP, HTTPURL: url + c.path, User: c.user, Password: c.password}).Ping(t.Context()); err != nil {
			t.Errorf("%s: %v", c.path, err)
			continue
		}
		r := <-asked
		if want := strings.TrimSuffix(c.path, "/") + "/exec"; r.URL.Path != want || !strings.HasPrefix(r.FormValue("query"), "select 1") {
			t.Errorf("it asks %s, want a query at %s", r.URL, want)
		}
		user, password, sent := r.BasicAuth()
		if sent != (c.user != "") || user != c.user || password != c.password {
			t.Errorf("sent user %q and password %q (%t), want %q and %q", user, password, sent, c.user, c.password)
		}
	}
}

func TestPingFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	for name, handler := range map[string]http.HandlerFunc{
		"401":              answer(http.StatusUnauthorized, "Unauthorized"),
		"404":              answer(http.StatusNotFound, "secret stuff"),
		"500":              answer(http.StatusInternalServerError, `{"error": "secret stuff"}`),
		"503":              answer(http.StatusServiceUnavailable, good),
		"204":              answer(http.StatusNoContent, ""),
		"200 with error":   answer(http.StatusOK, `{"query": "select 1 one", "error": "secret stuff", "position": 3}`),
		"200, both":        answer(http.StatusOK, `{"dataset": [[1]], "error": "secret stuff"}`),
		"200, no row":      answer(http.StatusOK, `{"dataset": [], "count": 0}`),
		"200, empty":       answer(http.StatusOK, ""),
		"200, other JSON":  answer(http.StatusOK, `["secret stuff"]`),
		"200, HTML":        answer(http.StatusOK, "<html>secret stuff</html>"),
		"200, huge":        answer(http.StatusOK, `{"query":"`+strings.Repeat("x", 1<<20)+`","dataset":[[1]]}`),
		"200, cut JSON":    answer(http.StatusOK, good[:len(good)-20]),
		"200, cut answer":  cut(`{"dataset":[[1`),
		"cut at once":      func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"redirect in ring": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/exec?again", http.StatusFound) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := client(t, questdb.Config{Read: questdb.HTTP, HTTPURL: fake(t, handler), User: "admin", Password: "geheim"}).Ping(t.Context())
			if err == nil {
				t.Fatal("no error")
			}
			for _, secret := range []string{"geheim", "secret"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the error shows %q: %v", secret, err)
				}
			}
		})
	}
}

// cut promises more than it sends.
func cut(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(body)+100))
		_, _ = w.Write([]byte(body))
	}
}

func TestPingEndsInTime(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp4", "127.0.0.1:0") // takes connections, as a frozen process does, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	hanging := fake(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	midway := fake(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(`{"query":`))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	for name, c := range map[string]struct {
		url string
		own bool // the client alone ends it, without a deadline of the caller
	}{
		"refused": {"http://127.0.0.1:1", true}, "silent": {"http://" + silent.Addr().String(), true}, "hanging": {hanging, true},
		"hanging with a deadline": {hanging, false}, "hanging midway": {midway, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			if !c.own {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, 200*time.Millisecond)
				defer cancel()
			}
			began := time.Now()
			if err := client(t, questdb.Config{Read: questdb.HTTP, HTTPURL: c.url}).Ping(ctx); err == nil {
				t.Error("no error")
			}
			if took := time.Since(began); took > limit {
				t.Errorf("it took %s, want at most %s", took, limit)
			}
		})
	}
}
