package api_test

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"foldbook/api"
	"foldbook/internal/seed"
	"foldbook/internal/seed/experiment"
	"foldbook/internal/testbrowser"
	"foldbook/internal/testdb"
	"foldbook/internal/transfer"
)

const isLive = "document.querySelector('.stores.live')"

// What is written elsewhere appears by itself, and takes nothing away from who looks at the page: neither what is typed, nor focus,
// selection or place. A tab that is hidden holds no connection, and shows what it has missed once it is seen again.
func TestConsoleLive(t *testing.T) {
	t.Parallel()
	testdb.Slow(t)
	h := newHarness(t, func(o *api.Options) { o.Events.Most = 1 })
	h.storeAll(2, 1)
	c := openConsole(t, h)
	fold := func(n int) { h.store("/api/runs/"+newRun+"/folds?force=true", "["+foldBody(n)+"]", 200) }
	folds := func(n int) string { return fmt.Sprintf("document.querySelectorAll('.heat tbody tr').length === %d", n) }
	keeps := func(what string) {
		t.Helper()
		if !testbrowser.Evaluate[bool](c.tab, t, what) {
			t.Errorf("a change takes away: %s", what)
		}
	}

	c.show("runs", isLive+" && document.querySelectorAll('tbody tr').length === 1"+settled)
	testbrowser.Evaluate[bool](c.tab, t, `(document.querySelector("#search").value = "typed", document.querySelector("tbody tr").mark = 1, document.querySelector("tbody tr").focus(), true)`)
	fold(2)
	testbrowser.Wait(c.tab, t, "[...document.querySelectorAll('tbody td')].some(cell => cell.textContent === '3')")
	keeps("document.activeElement.mark === 1 && document.querySelector('#search').value === 'typed'")

	c.show("runs/"+newRun, isLive+" && "+folds(3)+settled)
	testbrowser.Evaluate[bool](c.tab, t, "(getSelection().selectAllChildren(document.querySelector('h1')), scrollTo(0, 200), true)")
	fold(3)
	testbrowser.Wait(c.tab, t, folds(4))
	keeps("getSelection().toString() === document.querySelector('h1').textContent && scrollY > 0")
	t.Run("notes", func(t *testing.T) { c.notes(t, h) })

	see := func(seen bool) {
		testbrowser.Evaluate[bool](c.tab, t, fmt.Sprintf("Object.defineProperty(document, 'hidden', {value: %t, configurable: true}) && document.dispatchEvent(new Event('visibilitychange'))", !seen))
	}
	see(false)
	var other *http.Response // takes the one place that there is
	for other == nil || other.StatusCode != http.StatusOK {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.url+"/api/events", nil)
		if err != nil {
			t.Fatal(err)
		}
		if other, err = http.DefaultClient.Do(req); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = other.Body.Close() }()
	}
	fold(4)
	see(true)
	testbrowser.Wait(c.tab, t, "[...document.querySelectorAll('.stores')].some(mark => mark.textContent === 'away') && "+folds(4))
	_ = other.Body.Close()
	testbrowser.Wait(c.tab, t, isLive+" && "+folds(5))

	h.send(http.MethodDelete, "/api/runs/"+newRun+"?cascade=true", "")
	testbrowser.Wait(c.tab, t, "document.querySelector('.failure')?.textContent.includes('Not found')")
}

// notes adds a note to a fold, sees what somebody else makes of it, does not overwrite that, and deletes it. It runs nothing of it.
func (c *console) notes(t *testing.T, h *harness) {
	const note = "document.querySelector('section.fold .note p')?.textContent"
	c.show("runs/"+newRun+"?fold=1", isLive+" && document.querySelector('section.fold')"+settled)
	c.click("section.fold", "Add a note")
	testbrowser.Wait(c.tab, t, "document.activeElement.name === 'body'")
	testbrowser.Keys(c.tab, t, "<", "b", ">", "9")
	c.click("dialog", "Save")
	testbrowser.Wait(c.tab, t, "!document.querySelector('dialog') && "+note+" === '<b>9'")
	var notes []struct {
		ID string `json:"annotation_id"`
	}
	h.read("/api/runs/"+newRun+"/annotations?fold_number=1", &notes)
	c.click("section.fold .note", "Edit")
	testbrowser.Wait(c.tab, t, "document.activeElement.name === 'body'")
	h.send(http.MethodPatch, "/api/annotations/"+notes[0].ID, `{"body": "ten"}`)
	testbrowser.Wait(c.tab, t, note+" === 'ten'")
	c.click("dialog", "Save")
	testbrowser.Wait(c.tab, t, "document.querySelector('dialog .error')?.textContent.includes('changed the note meanwhile')")
	testbrowser.Keys(c.tab, t, kb.Escape)
	testbrowser.Wait(c.tab, t, "!document.querySelector('dialog')")
	c.click("section.fold .note", "Edit")
	c.click("dialog", "Delete")
	testbrowser.Wait(c.tab, t, "!document.querySelector('.note')")
}

// SCREENSHOTS=1 makes the pictures of docs/images: the samples of make run, and a search of 60 trials.
func TestConsolePictures(t *testing.T) {
	if os.Getenv("SCREENSHOTS") != "1" {
		t.Skip("SCREENSHOTS=1 makes the pictures")
	}
	h := appendHarness(t)
	c := openConsole(t, h)
	client, err := transfer.New(c.url)
	if err == nil {
		err = errors.Join(seed.Run(t.Context(), c.url, t.Output()), seed.Search(t.Context(), client.Post))
	}
	if err != nil {
		t.Fatal(err)
	}
	h.store("/api/runs/"+sampleRun+"/annotations", `{"body": "The loss is one trade at the turn of the year.", "fold_number": 1, "author": "analyst"}`, 201)
	trial := func(n int) string { return experiment.RunID(fmt.Sprintf("%strial-%02d", seed.SearchName, n)).String() }
	for _, picture := range []struct {
		name, view, ready, at string
		narrow                bool
	}{
		{"runs", "runs?dataset=btc19_1", "document.querySelectorAll('svg.spark').length === 2", "", true},
		{"run", "runs/" + sampleRun, screens[1].ready, "", true},
		{"fold", "runs/" + sampleRun + "?fold=1", screens[1].ready, "section.fold", false},
		{"tearsheet", "runs/" + sampleRun, screens[1].ready, "[aria-label=\"Tear sheet\"]", false},
		{"dataset", "datasets/btc19_1?column=rsi_42", screens[4].ready, "", true},
		{"compare", fmt.Sprintf("compare?runs=%s,%s,%s", trial(seed.OverfitWins), trial(seed.TrueTrial), trial(48)), "document.querySelectorAll('.plot canvas').length === 1", "", false},
		{"leaderboard", "leaderboard?search_id=" + seed.SearchName, "document.querySelectorAll('tbody tr').length === 60", "", false},
	} {
		for _, look := range []struct {
			width  int64
			scheme string
		}{{1440, "light"}, {360, "dark"}} {
			if look.width == 360 && !picture.narrow {
				continue
			}
			testbrowser.Look(c.tab, t, look.width, map[int64]int64{1440: 900, 360: 740}[look.width], look.scheme)
			c.show(picture.view, picture.ready+settled)
			testbrowser.Evaluate[bool](c.tab, t, fmt.Sprintf("(document.querySelector(%q).scrollIntoView(), true)", cmp.Or(picture.at, "body")))
			testbrowser.Picture(c.tab, t, filepath.Join("..", "docs", "images", fmt.Sprintf("console-%s-%d-%s.png", picture.name, look.width, look.scheme)))
		}
	}
}
