//go:build page

package page_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// opensWithin is far above what is aimed at, two seconds, so that a busy machine
// fails no device.
const opensWithin = 15_000 // milliseconds

func TestReport(t *testing.T) {
	t.Parallel()
	path, want := recorded(t, t.TempDir(), "")
	b := startBrowser(t)
	b.look(looks()[0])
	b.open(path)
	times := ask[map[string]float64](b, `(() => { const n = performance.getEntriesByType("navigation")[0];
		return {content: n.domContentLoadedEventEnd, load: n.loadEventEnd}; })()`)
	t.Logf("the page of %d devices: its content is there after %.0f ms, it is loaded after %.0f ms", devices,
		times["content"], times["load"])
	assert.Less(t, times["load"], float64(opensWithin))

	t.Run("numbers", func(t *testing.T) { b.t = t; b.checkNumbers(want) })
	t.Run("outline", func(t *testing.T) { b.t = t; b.checkOutline() })
	t.Run("chart", func(t *testing.T) { b.t = t; b.checkChart(want) })
	t.Run("details", func(t *testing.T) { b.t = t; b.checkDetails() })
	for _, l := range looks() {
		t.Run(l.name, func(t *testing.T) {
			b.t = t
			b.look(l)
			b.checkLook(l)
			b.picture(l.name)
		})
	}
	b.t = t
	b.quiet()
}

// checkNumbers holds what the page shows against the JSON form.
func (b *browser) checkNumbers(want numbers) {
	cells := func(section string) map[string][]string {
		return ask[map[string][]string](b, fmt.Sprintf(`Object.fromEntries([...document.querySelectorAll("#%s tr")]
			.filter(r => r.querySelector("th[scope=row]"))
			.map(r => [r.querySelector("th").firstChild.textContent.trim(),
				[...r.querySelectorAll("td")].map(c => c.innerText.trim())]))`, section))
	}
	heads := func(section string) []string {
		return ask[[]string](b, fmt.Sprintf(`[...document.querySelectorAll("#%s thead th")].map(h => h.innerText.trim())`,
			section))
	}
	plain := func(text string) string { return strings.ReplaceAll(text, ",", "") }

	classes := heads("devices")[3:]
	require.NotEmpty(b.t, classes)
	fleets := cells("devices")
	for fleet, counts := range want.Classes.Fleets {
		for i, class := range classes {
			assert.Equal(b.t, fmt.Sprint(counts[strings.ReplaceAll(class, " ", "_")]), plain(fleets[fleet][2+i]), "%s of %s",
				class, fleet)
		}
	}
	for i, class := range classes {
		assert.Equal(b.t, fmt.Sprint(want.Classes.All[strings.ReplaceAll(class, " ", "_")]), plain(fleets["all"][2+i]))
	}
	for _, f := range want.Faults {
		row := cells("faults")[f.Name]
		assert.Equal(b.t, []string{fmt.Sprint(f.Drawn), fmt.Sprint(f.Fired), fmt.Sprint(f.Struck)},
			[]string{plain(row[1]), plain(row[2]), plain(row[3])})
	}
	expectations := cells("expectations")
	require.Len(b.t, expectations, len(want.Expectations))
	for _, e := range want.Expectations {
		word := "✗ failed"
		if e.Held {
			word = "✓ held"
		}
		cells := expectations[e.Name]
		require.Len(b.t, cells, 3, e.Name)
		assert.Equal(b.t, []string{word, e.Measured, fmt.Sprint(e.Occasions)}, []string{cells[0], cells[1], plain(cells[2])},
			e.Name)
	}
	reports := cells("reports")
	assert.Equal(b.t, fmt.Sprint(want.Reports["numbered"]), plain(reports["made durable on devices"][0]))
	assert.Equal(b.t, fmt.Sprint(want.Reports["lost"]), reports["lost"][0])
	for component, statuses := range want.Components {
		text := plain(strings.Join(cells("components")[component], " "))
		for _, n := range statuses {
			assert.Contains(b.t, text, fmt.Sprint(n), component)
		}
	}
	assert.Equal(b.t, want.HistoryDigest, ask[string](b, `document.querySelector(".digest code").textContent`))
}

// checkOutline looks for what a reader with a screen reader goes by.
func (b *browser) checkOutline() {
	for _, one := range []string{"main", "nav", "body > header", "body > footer", "h1", "html[lang]", "head > title"} {
		assert.Equal(b.t, 1, ask[int](b, fmt.Sprintf("document.querySelectorAll(%q).length", one)), one)
	}
	for fault, search := range map[string]string{
		"tables without heads": `[...document.querySelectorAll("table")]
			.filter(t => !t.querySelector("th[scope]")).map(t => t.outerHTML.slice(0, 80))`,
		"pictures without words": `[...document.querySelectorAll("svg[role=img]")]
			.filter(s => !s.getAttribute("aria-label") && !s.querySelector("title"))
			.map(s => s.outerHTML.slice(0, 80))`,
		"ids used twice": `[...document.querySelectorAll("[id]")].map(e => e.id)
			.filter((id, i, ids) => ids.indexOf(id) !== i)`,
		"links to nowhere": `[...document.querySelectorAll("a[href]")].map(a => a.getAttribute("href"))
			.filter(h => !document.querySelector(h))`,
		"labels that are missing": `[...document.querySelectorAll("[aria-labelledby]")]
			.flatMap(e => e.getAttribute("aria-labelledby").split(" "))
			.filter(id => !document.getElementById(id))`,
	} {
		assert.Empty(b.t, ask[[]string](b, search), fault)
	}
}

// checkChart moves over the chart, by pointer and by key.
func (b *browser) checkChart(want numbers) {
	legend := `[...document.querySelectorAll("#legend li b")].map(n => +n.textContent.replaceAll(",", ""))`
	sum := func() (n int) {
		for _, devices := range ask[[]int](b, legend) {
			n += devices
		}
		return n
	}
	when := func() string { return ask[string](b, `document.getElementById("when").textContent`) }
	end, atEnd := when(), ask[[]int](b, legend)
	assert.Equal(b.t, want.Classes.All["upgraded"], atEnd[0])
	assert.Equal(b.t, devices, sum())

	box := ask[[]float64](b, `(() => {
		document.getElementById("chart").scrollIntoView();
		const r = document.querySelector("svg.area").getBoundingClientRect();
		return [r.left, r.top, r.width, r.height];
	})()`)
	b.run(chromedp.MouseEvent("mouseMoved", box[0]+box[2]/3, box[1]+box[3]/2))
	assert.NotEqual(b.t, end, when())
	assert.Less(b.t, ask[[]int](b, legend)[0], atEnd[0])
	assert.Equal(b.t, devices, sum())
	b.run(chromedp.MouseEvent("mouseMoved", 2, 2))
	assert.Equal(b.t, end, when())

	b.run(chromedp.Focus(chromedp.CSS("#chart")), chromedp.KeyEvent(kb.Home))
	assert.Equal(b.t, "0.00s", when())
	b.run(chromedp.KeyEvent(kb.ArrowRight), chromedp.KeyEvent(kb.PageDown))
	assert.NotEqual(b.t, "0.00s", when())
	assert.Equal(b.t, devices, sum())
	b.run(chromedp.Blur(chromedp.CSS("#chart")))
	assert.Equal(b.t, end, when())
}

// checkDetails opens what is folded.
func (b *browser) checkDetails() {
	shown := `[...document.querySelectorAll("table.log")]
		.filter(t => t.checkVisibility() && t.getBoundingClientRect().height > 0).length`
	assert.Zero(b.t, ask[int](b, shown))
	b.run(chromedp.Click(chromedp.CSS("#failed-1 summary")))
	assert.Equal(b.t, 1, ask[int](b, shown))
	assert.NotEmpty(b.t, ask[string](b, `document.querySelector("#failed-1 table.log tbody").innerText`))
	assert.Contains(b.t, ask[string](b, `document.querySelector("#failed-1 .command").innerText`), "--only")
	ask[string](b, `location.hash = "slow-1"`)
	assert.Equal(b.t, 2, ask[int](b, shown), "a link to a device opens it")
	b.run(chromedp.Click(chromedp.CSS("#scenario summary")))
	assert.Contains(b.t, ask[string](b, `document.querySelector("#scenario").innerText`), "scenario: two-fleets")
	ask[bool](b, `document.querySelectorAll("details").forEach(d => { d.open = d.id === "failed-1"; }),
		scrollTo(0, 0), true`)
}

// checkLook makes sure that nothing runs over the edge of the page, and that
// every text can be read: 4.5 to 1 as WCAG asks for.
func (b *browser) checkLook(l look) {
	assert.Equal(b.t, l.width, ask[int64](b, "document.documentElement.scrollWidth"), "the page is as wide as the screen")
	paper := ask[string](b, `getComputedStyle(document.body).backgroundColor`)
	assert.Equal(b.t, l.scheme == "dark", strings.HasPrefix(paper, "rgb(20"), paper)
	assert.Empty(b.t, ask[[]string](b, contrastAudit))
}

// contrastAudit lists the texts that are too faint.
const contrastAudit = `(() => {
	const parse = c => (c.match(/[\d.]+/g) || []).map(Number);
	const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
		.map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
		.reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
	const ground = e => {
		for (; e; e = e.parentElement) {
			const c = parse(getComputedStyle(e).backgroundColor);
			if (c.length === 3 || c[3] > 0) return c;
		}
		return [255, 255, 255];
	};
	const faint = new Set();
	for (const e of document.querySelectorAll("body *")) {
		const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
		if (!own || !e.checkVisibility() || ["TITLE", "DESC", "SCRIPT"].includes(e.tagName.toUpperCase())) continue;
		const style = getComputedStyle(e);
		const ink = parse(e instanceof SVGElement ? style.fill : style.color);
		const below = ground(e instanceof SVGElement ? e.ownerSVGElement.closest("div, figure") : e);
		const [a, b] = [light(ink), light(below)].sort((x, y) => y - x);
		const ratio = (a + 0.05) / (b + 0.05);
		if (ratio < 4.5) faint.add(e.tagName + "." + (e.getAttribute("class") || "") + " " + ratio.toFixed(2));
	}
	return [...faint];
})()`

// TestFailedReport is the page of a run that did not hold.
func TestFailedReport(t *testing.T) {
	t.Parallel()
	path, _ := recorded(t, t.TempDir(),
		"    - {name: back at once, event: power_cut, then: {event: connected}, within: 1s}\n")
	b := startBrowser(t)
	b.open(path)
	assert.Equal(t, "Not held", ask[string](b, `document.querySelector("h1").innerText.trim()`))
	assert.Contains(t, ask[string](b, `document.querySelector(".failures").innerText`), "back at once")
	assert.Equal(t, "✗ failed", ask[string](b, `document.querySelector("#expectations tbody .mark").innerText.trim()`),
		"what failed is first")
	for _, l := range looks() {
		b.look(l)
		b.checkLook(l)
		b.picture("failed-" + l.name)
	}
	b.quiet()
}

// TestPaper prints the page.
func TestPaper(t *testing.T) {
	t.Parallel()
	path, _ := recorded(t, t.TempDir(), "")
	b := startBrowser(t)
	b.open(path)
	pdf := command(b, page.PrintToPDF, page.PrintToPDFParams{PaperWidth: 8.27, PaperHeight: 11.69}).Data
	require.Greater(t, len(pdf), 20_000)
	b.look(look{"paper", 794, 1123, "light", false})
	command(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: "print"})
	b.picture("paper")
	require.NoError(t, os.WriteFile(filepath.Join(t.ArtifactDir(), "report.pdf"), pdf, 0o666))
	b.quiet()
}
