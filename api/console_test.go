package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
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
	url := live(t, h)
	tab := testbrowser.New(t)
	return &console{t: t, tab: tab, url: url, faults: testbrowser.Watch(tab, t, url)}
}

// click presses the button of a name within what a selector finds.
func (c *console) click(within, name string) {
	c.t.Helper()
	testbrowser.Evaluate[bool](c.tab, c.t, fmt.Sprintf("[...document.querySelectorAll(%q)].find(b => b.textContent === %q).click() ?? true", within+" button", name))
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

const sampleRun = "66b5d59c-8f07-529c-acda-01d1b462a04e"

// screens are the views on the samples of make run, and what is there once they are drawn.
var screens = []struct {
	name, view, ready string
	whole             bool // axe looks at it: the others are made of the same parts
}{
	{"runs", "runs", "document.querySelectorAll('svg.spark').length === 3", true},
	{"run", "runs/" + sampleRun, "document.querySelectorAll('.plot canvas').length >= 2 && document.querySelectorAll('.heat tbody tr').length === 3 && document.querySelector('.months td')", false},
	{"fold", "runs/" + sampleRun + "?fold=1", "document.querySelectorAll('.plot canvas').length >= 4 && document.querySelector('[aria-label=\"Trades of the fold\"] td') && " +
		"document.querySelector('section.fold .note') && document.querySelector('.months td') && document.querySelector('a[download]')", true},
	{"datasets", "datasets", "document.querySelectorAll('tbody tr').length === 2", false},
	{"dataset", "datasets/btc19_1?column=rsi_42", "document.querySelectorAll('.plot canvas').length === 2 && document.querySelector('.histogram rect')", true},
	{"compare", "compare?runs=" + sampleRun + ",cd7953e2-5259-5336-806e-5b0f79f6a959", "document.querySelectorAll('.plot canvas').length === 1 && document.querySelectorAll('.heat').length === 4", true},
	{"leaderboard", "leaderboard?dataset=btc19_1&target=TGT_6", "document.querySelectorAll('tbody tr').length === 2 && document.querySelector('.notice').textContent.includes('shown skill')", true},
	{"health", "health", "document.querySelectorAll('.figure .healthy').length === 2", false},
}

// Every screen on the samples of make run, wide and narrow, light and dark: it shows what it is for, nothing fails, nothing goes
// elsewhere, nothing is wider than the screen, and axe has nothing to say.
func TestConsole(t *testing.T) {
	t.Parallel()
	testdb.Slow(t)
	h := appendHarness(t)
	c := openConsole(t, h)
	if err := seed.Run(t.Context(), c.url, io.Discard); err != nil {
		t.Fatal(err)
	}
	h.store("/api/runs/"+sampleRun+"/annotations", `{"body": "Loses in *March*.", "fold_number": 1, "author": "analyst"}`, 201)
	h.send("POST", "/api/runs/"+sampleRun+"/artifacts/weights.csv", "rsi_42,0.3\n", "Content-Type", "text/csv")
	for _, screen := range screens {
		for _, width := range []int64{1440, 360} {
			for i, scheme := range map[int64][]string{1440: {"light", "dark"}, 360: {"dark", "light"}}[width] {
				where := fmt.Sprintf("%s, %d px, %s", screen.name, width, scheme)
				testbrowser.Look(c.tab, t, width, map[int64]int64{1440: 900, 360: 740}[width], scheme)
				if i == 0 {
					c.show(screen.view, screen.ready+settled)
				} else { // as the person's system turns at night
					testbrowser.Wait(c.tab, t, fmt.Sprintf("matchMedia('(prefers-color-scheme: %s)').matches", scheme)+settled)
				}
				if over := testbrowser.Evaluate[int](c.tab, t, "document.documentElement.scrollWidth - innerWidth"); over > 0 {
					t.Errorf("%s: %d px wider than the screen", where, over)
				}
				if screen.whole {
					c.accessible(where)
				}
				for _, fault := range c.faults() {
					if !strings.Contains(fault, "/api/jobs") && !strings.Contains(fault, "status of 4") { // imports are off here, and the view says so
						t.Errorf("%s: %s", where, fault)
					}
				}
			}
		}
	}
	testbrowser.Look(c.tab, t, 1440, 900, "light")
	t.Run("keyboard", c.keyboard)
	t.Run("code", c.code)
	t.Run("python", c.python)
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
	testbrowser.Wait(c.tab, t, "document.querySelectorAll('.plot canvas').length >= 2"+settled)
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
	c.click("header", "Copy as…")
	for kind, want := range map[string]string{
		"curl":       "/api/runs?metric=summary_metrics.pf_long%3E1&sort=-summary_metrics.pf_long&limit=50",
		"TypeScript": `foldbook.GET("/api/runs", {`,
		"Python":     `client.runs(metric=["summary_metrics.pf_long>1"], sort="-summary_metrics.pf_long", limit=50, offset=0)`,
		"SQL":        "WHERE (r.summary_metrics #>> '{pf_long}')::float8 > 1\nORDER BY (r.summary_metrics #>> '{pf_long}')::float8 DESC NULLS LAST, r.run_id LIMIT 50",
	} {
		c.click("dialog", kind)
		testbrowser.Wait(c.tab, t, fmt.Sprintf("document.querySelector('pre.code')?.textContent.includes(%s)", quoted(want)))
	}
}

// python runs what the view of a fold is as Python: each request has a method of the client that takes its parameters.
func (c *console) python(t *testing.T) {
	program := python(t)
	c.show("runs/"+sampleRun+"?fold=1", screens[2].ready+settled)
	c.click("header", "Copy as…")
	c.click("dialog", "Python")
	testbrowser.Wait(c.tab, t, "document.querySelector('pre.code')?.textContent.includes('from foldbook import Client')")
	cmd := exec.CommandContext(t.Context(), program, "-c", c.text("pre.code"))
	cmd.Env = append(os.Environ(), "PYTHONPATH=../clients/python/src")
	out, err := cmd.CombinedOutput()
	for _, want := range []string{sampleRun, "cumulative_return_pct: double", "profit_factor", "Loses in *March*.", "open: [["} {
		if err != nil || !strings.Contains(string(out), want) {
			t.Fatalf("%s is not in what is printed (%v):\n%s\n%.3000s", want, err, c.text("pre.code"), out)
		}
	}
}

// changes names a run and deletes it, for which its name has to be typed.
func (c *console) changes(t *testing.T) {
	c.show("runs/7327404c-e1e5-52d2-9667-ed1332686fbf", "document.querySelector('h1')?.textContent === 'eth24_1_run1'"+settled)
	c.click(".heading", "Edit")
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
	for _, fault := range c.faults() {
		if !strings.Contains(fault, "404") { // the page was told of the end of the run before it left it
			t.Error(fault)
		}
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
	c.click("header", "Log out")
	testbrowser.Wait(c.tab, t, "document.querySelector('dialog[open]')")
	c.show("runs", "document.querySelector('dialog[open]')")
}
