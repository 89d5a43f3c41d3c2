package main

import (
	"bufio"
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"foldbook/internal/devstack"
	"foldbook/internal/testdb"
)

// proxied is nginx with deploy/nginx/foldbook.conf.
type proxied struct {
	url  string
	cert *x509.Certificate
}

// proxy starts nginx before the service at an address.
func proxy(t *testing.T, service string) *proxied {
	t.Helper()
	program := testdb.Program(t, "nginx")
	tls := httptest.NewTLSServer(nil) // whose certificate is for 127.0.0.1
	tls.Close()
	key, err := x509.MarshalPKCS8PrivateKey(tls.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxied{url: fmt.Sprintf("https://127.0.0.1:%d", freePort(t)), cert: tls.Certificate()}
	dir, err := os.MkdirTemp("", "nginx-*")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil { // nginx runs as the user of the servers
		t.Fatal(err)
	}
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	conf, err := os.ReadFile("../../deploy/nginx/foldbook.conf")
	if err != nil {
		t.Fatal(err)
	}
	text := string(conf)
	for old, mine := range map[string]string{
		"listen 443 ": "listen " + strings.TrimPrefix(p.url, "https://") + " ", "server 127.0.0.1:33931;": "server " + strings.TrimPrefix(service, "http://") + ";",
		"/etc/ssl/certs/foldbook.pem":   write("cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: tls.Certificate().Raw}))),
		"/etc/ssl/private/foldbook.key": write("key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))),
	} {
		if strings.Count(text, old) != 1 {
			t.Fatalf("%q is not once in foldbook.conf", old)
		}
		text = strings.Replace(text, old, mine, 1)
	}
	main := fmt.Sprintf("daemon off; pid %[1]s/pid; error_log %[1]s/error.log; events {} http { access_log off; include %[2]s;\n", dir, write("foldbook.conf", text))
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		main += kind + "_temp_path " + dir + "/" + kind + ";\n"
	}
	nginx, err := devstack.StartServer(exec.CommandContext(context.Background(), program, "-e", dir+"/error.log", "-c", write("nginx.conf", main+"}\n")), syscall.SIGKILL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := nginx.Stop(5*time.Second, syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		if log, _ := os.ReadFile(filepath.Join(dir, "error.log")); t.Failed() {
			t.Logf("nginx: %s", log)
		}
	})
	until(t, "nginx answers", func() bool {
		conn, err := net.Dial("tcp", strings.TrimPrefix(p.url, "https://"))
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	return p
}

// client calls nginx from an address of the loopback.
func (p *proxied) client(from string) *http.Client {
	transport := &http.Transport{ForceAttemptHTTP2: true, DialContext: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}).DialContext}
	transport.TLSClientConfig = http.DefaultTransport.(*http.Transport).TLSClientConfig.Clone()
	transport.TLSClientConfig.RootCAs = x509.NewCertPool()
	transport.TLSClientConfig.RootCAs.AddCert(p.cert)
	return &http.Client{Transport: transport, Timeout: time.Minute}
}

// ask sends a request as from a browser that calls the service foldbook.example.
func (p *proxied) ask(t *testing.T, from, method, path, body string, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, p.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "foldbook.example"
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	client := p.client(from)
	defer client.CloseIdleConnections()
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(text)
}

// docs/operations.md, nginx: the example works before the service, and passes on who calls.
func TestNginx(t *testing.T) {
	t.Parallel()
	testdb.Slow(t)
	database := testdb.NewURL(t)
	seeded(t, database)
	s := start(t, freePort(t), "POSTGRES_URL="+database, "QDB_HTTP_URL=off", "ALLOWED_HOSTS=foldbook.example", "TRUSTED_PROXIES=127.0.0.1", "LIMIT_STREAMS=0.001")
	s.waitFor(t, "/readyz", http.StatusOK)
	p := proxy(t, s.url)

	page := "/foldbook/api/runs?limit=1"
	seen := map[string]bool{}
	for range 3 { // the links of pages lead on below the prefix
		res, body := p.ask(t, "127.0.0.2", http.MethodGet, page, "")
		link, _, _ := strings.Cut(strings.TrimPrefix(res.Header.Get("Link"), "<"), ">")
		base, err := url.Parse("https://foldbook.example" + page)
		if err != nil {
			t.Fatal(err)
		}
		next, err := base.Parse(link)
		if err != nil || res.StatusCode != http.StatusOK || seen[body] || link == "" {
			t.Fatalf("%s: %d, Link %s, %v\n%.300s", page, res.StatusCode, link, err, body)
		}
		page, seen[body] = next.RequestURI(), true
	}
	large := fmt.Sprintf(`{"dataset_id": "0d000000-0000-4000-8000-00000000000d", "dataset_slug": "large", "symbol": "x", "granularity": "1h", "source": "x", "metadata": {"x": %q}}`,
		strings.Repeat("x", 5<<20))
	if res, body := p.ask(t, "127.0.0.2", http.MethodPost, "/foldbook/api/datasets", large, "Origin", "https://foldbook.example"); res.StatusCode != http.StatusCreated {
		t.Errorf("a body of 5 MiB of a page of the service: %d %s", res.StatusCode, body)
	}
	if res, body := p.ask(t, "127.0.0.2", http.MethodPost, "/foldbook/api/datasets", "{}", "Origin", "https://evil.example"); res.StatusCode != http.StatusForbidden {
		t.Errorf("a page of another origin: %d %s", res.StatusCode, body)
	}
	if res, body := p.ask(t, "127.0.0.2", http.MethodPost, "/foldbook/api/datasets", strings.Repeat(" ", 65<<20)); res.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("65 MiB: %d %s", res.StatusCode, body)
	}
	rows := "/foldbook/api/datasets/large/ohlcv"
	for _, tc := range []struct {
		from, forged string
		limited      bool
	}{{"127.0.0.2", "", false}, {"127.0.0.2", "", true}, {"127.0.0.2", "203.0.113.9", true}, {"127.0.0.3", "127.0.0.2", false}, {"127.0.0.3", "203.0.113.9, 127.0.0.1", true}} {
		res, body := p.ask(t, tc.from, http.MethodGet, rows, "", "X-Forwarded-For", tc.forged, "X-Real-Ip", tc.forged, "Forwarded", "for="+tc.forged)
		if (res.StatusCode == http.StatusTooManyRequests) != tc.limited {
			t.Errorf("%s, which says that it is %q: %d %s", tc.from, tc.forged, res.StatusCode, body)
		}
	}
	s.waitForLog(t, "client=127.0.0.2")
	s.waitForLog(t, "client=127.0.0.3")
	if strings.Contains(s.log.String(), "client=203.0.113.9") {
		t.Errorf("the log has an address that was made up\n%s", s.log)
	}
}

// docs/operations.md, nginx: an answer begins to arrive before it ends, and one that is cut arrives as cut.
func TestNginxStreams(t *testing.T) {
	t.Parallel()
	testdb.Slow(t)
	arrived := make(chan struct{})
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "the first row\n")
		_ = http.NewResponseController(w).Flush()
		select {
		case <-arrived:
		case <-time.After(30 * time.Second): // it was kept back
		}
		_, _ = io.WriteString(w, "the second row\n")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	defer service.Close()
	p := proxy(t, service.URL)
	client := p.client("127.0.0.1")
	defer client.CloseIdleConnections()
	began := time.Now()
	res, err := client.Get(p.url + "/foldbook/x")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body := bufio.NewReader(res.Body)
	if line, err := body.ReadString('\n'); err != nil || line != "the first row\n" || time.Since(began) > 25*time.Second {
		t.Errorf("after %s: %s%v", time.Since(began), line, err)
	}
	close(arrived)
	if rest, err := io.ReadAll(body); err == nil || string(rest) != "the second row\n" {
		t.Errorf("what was cut ends as %q, %v", rest, err)
	}
}
