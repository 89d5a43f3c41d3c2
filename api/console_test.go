package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"foldbook/api"
	"foldbook/db"
	"foldbook/internal/seed"
	"foldbook/internal/testbrowser"
	"foldbook/internal/testdb"
	"foldbook/questdb"
)

// console is the page of a service in a browser.
type console struct {
	t      *testing.T
	tab    context.Context
	url    string
	faults func() []string
}

func openConsole(t *testing.T, h *harness) *console {
	t.Helper()
	server := httptest.NewServer(h.http)
	t.Cleanup(server.Close)
	tab := testbrowser.New(t)
	return &console{t: t, tab: tab, url: server.URL, faults: testbrowser.Watch(tab, t, server.URL)}
}

// show opens a view by its address and waits until what is to be there is.
func (c *console) show(view, ready string) {
	c.t.Helper()
	testbrowser.Open(c.tab, c.t, "about:blank") // another part after the # alone would load nothing
	testbrowser.Open(c.tab, c.t, c.url+"/#/"+view)
	testbrowser.Wait(c.tab, c.t, ready)
}

func (c *console) text(selector string) string {
	c.t.Helper()
	return testbrowser.Evaluate[string](c.tab, c.t, fmt.Sprintf("document.querySelector(%q)?.textContent ?? 'nothing'", selector))
}

func (c *console) hash() string {
	c.t.Helper()
	return testbrowser.Evaluate[string](c.tab, c.t, "location.hash")
}

// settled is true when nothing more is read and all charts are drawn.
const settled = ` && !document.querySelector('.busy') && ![...document.querySelectorAll('.notice')].some(n => n.textContent === 'Reading…')
	&& [...document.querySelectorAll('.plot')].every(p => p.querySelector('canvas')?.width > 0)`

// accessible lets axe look at the view.
func (c *console) accessible(where string) {
	c.t.Helper()
	axe, err := os.ReadFile("../clients/typescript/node_modules/axe-core/axe.min.js")
	if err != nil && os.Getenv("REQUIRE_PROGRAMS") != "1" {
		c.t.Logf("axe-core is not installed, make client does that: %v", err)
		return
	}
	found := testbrowser.Evaluate[string](c.tab, c.t, "window.axe || eval; "+string(axe)+`;
		axe.run(document, {resultTypes: ['violations'], runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice']}).then(r => r.violations.map(v =>
			v.id + ': ' + v.nodes.slice(0, 3).map(n => n.target + ' ' + n.failureSummary).join(' | ')).join('\n'))`)
	if err != nil || found != "" {
		c.t.Errorf("%s: axe finds\n%s (%v)", where, found, err)
	}
}

// Every screen on the samples of make run, wide and narrow, light and dark: it shows what it is for, nothing fails, nothing goes
// elsewhere, nothing is wider than the screen, and axe has nothing to say. SCREENSHOTS=1 makes the pictures of docs/images.
func TestConsole(t *testing.T) {
	t.Parallel()
	testdb.Slow(t)
	h := appendHarness(t)
	c := openConsole(t, h)
	if err := seed.Run(t.Context(), c.url, io.Discard); err != nil {
		t.Fatal(err)
	}
	const run = "66b5d59c-8f07-529c-acda-01d1b462a04e"
	for _, screen := range []struct{ name, view, ready string }{
		{"runs", "runs", "document.querySelectorAll('svg.spark').length === 3"},
		{"run", "runs/" + run, "document.querySelectorAll('.plot canvas').length === 2 && document.querySelectorAll('.heat tbody tr').length === 3"},
		{"fold", "runs/" + run + "?fold=1", "document.querySelectorAll('.plot canvas').length === 4 && document.querySelector('[aria-label=\"Trades of the fold\"] td')"},
		{"datasets", "datasets", "document.querySelectorAll('tbody tr').length === 2"},
		{"dataset", "datasets/btc19_1?column=rsi_42", "document.querySelectorAll('.plot canvas').length === 2 && document.querySelector('.histogram rect')"},
		{"compare", "compare?runs=" + run + ",cd7953e2-5259-5336-806e-5b0f79f6a959", "document.querySelectorAll('.plot canvas').length === 1 && document.querySelectorAll('.heat').length === 4"},
		{"leaderboard", "leaderboard?dataset=btc19_1&target=TGT_6", "document.querySelectorAll('tbody tr').length === 2"},
		{"health", "health", "document.querySelectorAll('.figure .healthy').length === 2"},
	} {
		for _, look := range []struct {
			width  int64
			scheme string
		}{{1440, "light"}, {360, "dark"}} {
			where := fmt.Sprintf("%s, %d px, %s", screen.name, look.width, look.scheme)
			testbrowser.Look(c.tab, t, look.width, map[int64]int64{1440: 900, 360: 740}[look.width], look.scheme)
			c.show(screen.view, screen.ready+settled)
			if screen.name == "fold" {
				testbrowser.Evaluate[bool](c.tab, t, "(document.querySelector('section.fold').scrollIntoView(), true)")
			}
			if os.Getenv("SCREENSHOTS") == "1" {
				testbrowser.Picture(c.tab, t, filepath.Join("..", "docs", "images", fmt.Sprintf("console-%s-%d-%s.png", screen.name, look.width, look.scheme)))
			}
			if over := testbrowser.Evaluate[int](c.tab, t, "document.documentElement.scrollWidth - innerWidth"); over > 0 {
				t.Errorf("%s: %d px wider than the screen", where, over)
			}
			if screen.name == "runs" || screen.name == "fold" || screen.name == "dataset" || screen.name == "health" && look.width == 360 { // which hold the others
				c.accessible(where)
			}
			faults := c.faults()
			for _, fault := range faults {
				if !strings.Contains(fault, "/api/jobs") && !strings.Contains(fault, "status of 4") { // imports are off here, and the view says so
					t.Errorf("%s: %s", where, fault)
				}
			}
		}
	}
	testbrowser.Look(c.tab, t, 1440, 900, "light")
	t.Run("keyboard", c.keyboard)
	t.Run("code", c.code)
	t.Run("changes", c.changes)
}

// keyboard goes from the runs to the values of a chart without a mouse, and back.
func (c *console) keyboard(t *testing.T) {
	c.show("runs", "document.querySelectorAll('tbody tr').length === 3"+settled)
	testbrowser.Keys(c.tab, t, "/")
	// The protocol types the key all the same, which no keyboard does once its event is taken.
	testbrowser.Wait(c.tab, t, "document.activeElement.id === 'search' && (document.activeElement.value = '', true)")
	testbrowser.Keys(c.tab, t, "b", "t", "c", kb.Enter)
	testbrowser.Wait(c.tab, t, "location.hash === '#/runs?search=btc' && document.querySelectorAll('tbody tr').length === 2"+settled)
	testbrowser.Evaluate[bool](c.tab, t, "document.activeElement.blur() ?? true")
	testbrowser.Keys(c.tab, t, "j", "x", "j", "x", "k", "x")
	testbrowser.Wait(c.tab, t, "document.querySelectorAll('tr.picked').length === 1")
	if hash := c.hash(); !strings.Contains(hash, "sel=") || strings.Count(hash, ",") != 0 {
		t.Errorf("selected: %s", hash)
	}
	testbrowser.Keys(c.tab, t, kb.Enter)
	testbrowser.Wait(c.tab, t, "document.querySelectorAll('.plot canvas').length === 2"+settled)
	testbrowser.Evaluate[bool](c.tab, t, "document.querySelector('.plot').focus() ?? true")
	testbrowser.Keys(c.tab, t, kb.Home, kb.ArrowRight)
	testbrowser.Wait(c.tab, t, "document.querySelector('.chart [aria-live]').textContent.includes('return')")
	testbrowser.Keys(c.tab, t, "?")
	testbrowser.Wait(c.tab, t, "document.querySelector('dialog[open]')?.textContent.includes('next and previous row')")
	testbrowser.Keys(c.tab, t, kb.Escape)
	testbrowser.Wait(c.tab, t, "!document.querySelector('dialog')")
	if err := chromedp.Do(c.tab, chromedp.NavigateBack()); err != nil {
		t.Fatal(err)
	}
	testbrowser.Wait(c.tab, t, "location.hash.startsWith('#/runs?search=btc') && document.querySelectorAll('tr.picked').length === 1")
}

// code holds each language of "copy as" to the requests of the view.
func (c *console) code(t *testing.T) {
	c.show("runs?metric=summary_metrics.pf_long>1&sort=-summary_metrics.pf_long", "document.querySelectorAll('tbody tr').length === 2"+settled)
	click := func(name string) {
		testbrowser.Evaluate[bool](c.tab, t, fmt.Sprintf("[...document.querySelectorAll('button')].find(b => b.textContent === %q).click() ?? true", name))
	}
	click("Copy as…")
	for kind, want := range map[string]string{
		"curl":       "/api/runs?metric=summary_metrics.pf_long%3E1&sort=-summary_metrics.pf_long&limit=50",
		"TypeScript": `foldbook.GET("/api/runs", {`,
		"Python":     `foldbook.get("/api/runs", params=[("metric", "summary_metrics.pf_long>1")`,
		"SQL":        "WHERE (r.summary_metrics #>> '{pf_long}')::float8 > 1\nORDER BY (r.summary_metrics #>> '{pf_long}')::float8 DESC NULLS LAST, r.run_id LIMIT 50",
	} {
		click(kind)
		testbrowser.Wait(c.tab, t, fmt.Sprintf("document.querySelector('pre.code')?.textContent.includes(%s)", quoted(want)))
	}
}

// changes names a run and deletes it, for which its name has to be typed.
func (c *console) changes(t *testing.T) {
	c.show("runs/7327404c-e1e5-52d2-9667-ed1332686fbf", "document.querySelector('h1')?.textContent === 'eth24_1_run1'"+settled)
	testbrowser.Evaluate[bool](c.tab, t, "[...document.querySelectorAll('button')].find(b => b.textContent === 'Edit').click() ?? true")
	testbrowser.Wait(c.tab, t, "document.activeElement.name === 'name'")
	testbrowser.Keys(c.tab, t, "n", "o", "i", "s", "e", kb.Enter)
	testbrowser.Wait(c.tab, t, "document.querySelector('h1')?.textContent === 'noise' && !document.querySelector('dialog')")
	testbrowser.Evaluate[bool](c.tab, t, "document.querySelector('button.danger').click() ?? true")
	testbrowser.Wait(c.tab, t, "document.activeElement.name === 'typed'")
	testbrowser.Keys(c.tab, t, "n", "o", "i", "s", kb.Enter)
	if got := testbrowser.Evaluate[bool](c.tab, t, "document.querySelector('dialog button.danger').disabled"); !got {
		t.Error("a part of the name is enough")
	}
	testbrowser.Keys(c.tab, t, "e", kb.Enter)
	testbrowser.Wait(c.tab, t, "location.hash === '#/runs' && document.querySelectorAll('tbody tr').length === 2")
	if faults := c.faults(); len(faults) > 0 {
		t.Errorf("faults: %q", faults)
	}
}

func quoted(text string) string {
	b, _ := json.Marshal(text)
	return string(b)
}

// Records without QuestDB, and many of them: nothing stored, 200 runs, a run of 1,200 folds, a run that is not there.
func TestConsoleStates(t *testing.T) {
	t.Parallel()
	testdb.Slow(t)
	away, err := questdb.New(questdb.Config{HTTPURL: "http://127.0.0.1:1", PGURL: "postgres://reader:reader@127.0.0.1:1/qdb"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(away.Close)
	h := newHarness(t, func(o *api.Options) { o.QuestDB = away })
	c := openConsole(t, h)
	c.show("runs", "document.querySelector('.empty')?.textContent.includes('There is no run yet')")
	c.show("datasets", "document.querySelector('.empty')?.textContent.includes('There is no dataset yet')")
	c.show("runs/"+newRun, "document.querySelector('.failure')?.textContent.includes('Not found')")
	c.show("health", "document.querySelector('.figure .unhealthy') && document.body.textContent.includes('Without QuestDB there are no bars')")

	dataset := testdb.Dataset(t, h.db.Queries, nil)
	for range 200 {
		testdb.Run(t, h.db.Queries, dataset, nil)
	}
	c.show("runs", "document.querySelectorAll('tbody tr').length === 50 && document.querySelector('.pages')?.textContent.includes('1–50 of 200')"+settled)
	c.show("runs?offset=150", "document.querySelector('.pages')?.textContent.includes('151–200 of 200')"+settled)
	c.show("runs?metric=pf>", "document.querySelector('.failure')?.textContent.includes('metric')")

	long := testdb.Run(t, h.db.Queries, dataset, nil)
	testdb.Folds(t, h.db.Queries, long, 1200, func(f *db.CopyFoldsParams) {
		f.Metrics = fmt.Appendf(nil, `{"signal_sum": %d, "hit_rate": 0.5}`, f.FoldNumber%7-3)
	})
	c.faults()
	c.show("runs/"+long.String()+"?fold=1199", "document.querySelectorAll('.heat tbody tr').length === 1200"+settled)
	if got := c.text(".heat tr.picked th"); got != "1199" {
		t.Errorf("the fold that is open is %s", got)
	}
	c.show("datasets/"+dataset.String(), "document.querySelector('.failure')?.textContent.includes('QuestDB, which has the rows, is away')")
}

// Where a key is needed the page asks for it, and is let in by a cookie that its scripts cannot read.
func TestConsoleLogin(t *testing.T) {
	t.Parallel()
	h, keys := guarded(t)
	testdb.Run(t, h.db.Queries, testdb.Dataset(t, h.db.Queries, nil), nil)
	c := openConsole(t, h)
	enter := func(key string) {
		testbrowser.Wait(c.tab, t, "document.activeElement.name === 'key'")
		testbrowser.Evaluate[bool](c.tab, t, fmt.Sprintf("(document.activeElement.value = %q, true)", key))
		testbrowser.Keys(c.tab, t, kb.Enter)
	}
	c.show("runs", "document.querySelector('dialog[open]')")
	enter(keys["expired"])
	testbrowser.Wait(c.tab, t, "document.querySelector('dialog .error')?.textContent.includes('expired')")
	c.accessible("log in")
	enter(keys["write"])
	testbrowser.Wait(c.tab, t, "!document.querySelector('dialog') && document.querySelectorAll('tbody tr').length === 1")
	if cookies := testbrowser.Evaluate[string](c.tab, t, "document.cookie"); cookies != "" {
		t.Errorf("scripts read %q", cookies)
	}
	c.show("runs", "document.querySelectorAll('tbody tr').length === 1") // still let in
	testbrowser.Evaluate[bool](c.tab, t, "[...document.querySelectorAll('button')].find(b => b.textContent === 'Log out').click() ?? true")
	testbrowser.Wait(c.tab, t, "document.querySelector('dialog[open]')")
	c.show("runs", "document.querySelector('dialog[open]')")
}
