// Package testbrowser drives a real browser in tests.
package testbrowser

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"foldbook/internal/testdb"
)

// New starts a headless Chromium of the test's own and returns the context of a tab, for chromedp.Run. It ends with the test. It
// resolves no name but localhost and what rules say, such as "MAP evil.example 127.0.0.1". The test is skipped without Chromium.
func New(t testing.TB, rules ...string) context.Context {
	t.Helper()
	testdb.Slow(t)
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(testdb.Program(t, "chromium")),
		chromedp.Flag("host-resolver-rules", strings.Join(append(rules, "MAP * ~NOTFOUND", "EXCLUDE localhost", "EXCLUDE 127.0.0.1"), ",")),
		chromedp.DisableGPU,
		chromedp.WSURLReadTimeout(testdb.Patience),
	)
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // without it, Chromium does not start for root
	}
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx, chromedp.WithLogf(t.Logf), chromedp.WithErrorf(t.Logf))
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start Chromium: %v", err)
	}
	return ctx
}

// Open shows a page.
func Open(tab context.Context, t testing.TB, url string) {
	t.Helper()
	tab, cancel := context.WithTimeout(tab, testdb.Patience)
	defer cancel()
	if err := chromedp.Do(tab, chromedp.Navigate(url)); err != nil {
		t.Fatalf("open %s: %v", url, err)
	}
}

// Evaluate runs JavaScript in the tab's page, waits for its promise if it is one, and returns the result.
func Evaluate[T any](tab context.Context, t testing.TB, script string) T {
	t.Helper()
	tab, cancel := context.WithTimeout(tab, testdb.Patience)
	defer cancel()
	result, err := chromedp.Run(tab, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatalf("%s: %v", script, err)
	}
	return result
}
