package testbrowser

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"foldbook/internal/testdb"
)

// Watch notes what goes wrong on the pages of a tab: errors, requests that fail or are refused, and any to another origin than this.
// The result returns what has been noted since it was called last.
func Watch(tab context.Context, t testing.TB, origin string) (faults func() []string) {
	t.Helper()
	var mu sync.Mutex
	var noted []string
	note := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		noted = append(noted, fmt.Sprintf(format, args...))
	}
	err := chromedp.Listen(tab, func(event any) {
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			note("exception: %s", e.ExceptionDetails.Text)
		case *runtime.EventConsoleAPICalled:
			if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
				note("console: %s", e.Type)
			}
		case *log.EventEntryAdded:
			if e.Entry.Level == log.EntryLevelError {
				note("log: %s %s", e.Entry.Text, e.Entry.URL)
			}
		case *network.EventRequestWillBeSent:
			if url := e.Request.URL; !strings.HasPrefix(url, origin+"/") && !strings.HasPrefix(url, "data:") && url != "about:blank" {
				note("a request to %s", url)
			}
		case *network.EventResponseReceived:
			if e.Response.Status >= 400 {
				note("%d of %s", e.Response.Status, e.Response.URL)
			}
		case *network.EventLoadingFailed:
			if !e.Canceled {
				note("failed: %s", e.ErrorText)
			}
		}
	})
	if err == nil {
		_, err = chromedp.Call(tab, log.Enable, cdp.Empty{})
	}
	if err != nil {
		t.Fatalf("watch the tab: %v", err)
	}
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		was := slices.Clone(noted)
		noted = nil
		return was
	}
}

// Look gives the tab a width, a height and the colour scheme "light" or "dark".
func Look(tab context.Context, t testing.TB, width, height int64, scheme string) {
	t.Helper()
	_, err := chromedp.Call(tab, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: width, Height: height, DeviceScaleFactor: 1, Mobile: width < 500,
	})
	if err == nil {
		_, err = chromedp.Call(tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}},
		})
	}
	if err != nil {
		t.Fatalf("%d by %d, %s: %v", width, height, scheme, err)
	}
}

// Wait returns once an expression of JavaScript is true in the tab's page.
func Wait(tab context.Context, t testing.TB, expression string) {
	t.Helper()
	Evaluate[bool](tab, t, fmt.Sprintf(
		"new Promise(done => { const look = () => { if (%s) done(true); else setTimeout(look, 20) }; look() })", expression))
}

// Keys presses keys, one after the other: texts, or those of package kb.
func Keys(tab context.Context, t testing.TB, keys ...string) {
	t.Helper()
	tab, cancel := context.WithTimeout(tab, testdb.Patience)
	defer cancel()
	for _, key := range keys {
		if err := chromedp.Do(tab, chromedp.KeyEvent(key)); err != nil {
			t.Fatalf("press %q: %v", key, err)
		}
	}
}

// Picture writes what the tab shows to a PNG file.
func Picture(tab context.Context, t testing.TB, file string) {
	t.Helper()
	tab, cancel := context.WithTimeout(tab, testdb.Patience)
	defer cancel()
	png, err := chromedp.Run(tab, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(file, png, 0o644) //nolint:gosec // a picture of the docs
	}
	if err != nil {
		t.Fatalf("picture %s: %v", file, err)
	}
}
