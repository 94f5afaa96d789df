//go:build page

package page_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator/platform/api"
	"otafleet/simulator/scenario"
)

// TestMonitoring plays an operator's day with two hundred devices, as the
// platform's handbook gives it: the packages and the plan, then the five steps of
// viewing the upgrade status, then the retries. Every number on a page is held
// against the API, and at the end against the verdict on the devices.
func TestMonitoring(t *testing.T) {
	t.Parallel()
	r := startRollout(t)
	b := startBrowser(t)
	b.site = r.url
	b.look(looks()[0])

	b.visit(r.url, "/packages")
	b.run(chromedp.SetUploadFiles(chromedp.CSS("input[type=file]"), []string{r.bundle}))
	b.fill(map[string]string{"name": "Spring system", "remarks": "for all gateways"})
	b.submit("main form")
	assert.Equal(t, "Spring system", b.text("h1"))

	b.visit(r.url, "/new-plan")
	b.shown("form")
	b.fill(map[string]string{"name": "Spring", "product": "gw-200", "retries": "0"})
	ask[bool](b, `(s => { s.selectedIndex = 1; return true; })(document.querySelector("select[name=package]"))`)
	b.submit("form.stack")
	assert.Equal(t, "Spring", b.text("h1"))
	b.submit("form:has([value=activate])")
	assert.Equal(t, "Upgrade monitoring", b.text("h1"))

	verdicts := make(chan map[scenario.Class]int, 1)
	go func() { verdicts <- r.devices(monitored+troubles, nil).Figures.Classes }()
	seen := b.watchLive()
	classes := <-verdicts
	assert.Greater(t, seen, 3, "the page went on by itself")

	upgraded, failed := classes[scenario.Upgraded], classes[scenario.UpgradeFailed]
	require.Equal(t, 20, failed, "%v", classes)
	require.Equal(t, 200, upgraded+failed, "%v", classes)
	t.Run("step 1, the plans", func(t *testing.T) { b.t = t; b.checkPlans(r, upgraded, failed) })
	t.Run("step 2, the plan", func(t *testing.T) { b.t = t; b.checkPlan(r) })
	t.Run("step 3, monitoring", func(t *testing.T) { b.t = t; b.checkMonitoring(r, upgraded, failed) })
	t.Run("step 4, devices", func(t *testing.T) { b.t = t; b.checkDevices(r) })
	t.Run("step 5, components", func(t *testing.T) { b.t = t; b.checkComponents(r) })
	t.Run("retry", func(t *testing.T) { b.t = t; b.checkRetry(r) })
	b.t = t
	b.quiet()
}

// visit opens a page of the platform.
func (b *browser) visit(site, path string) {
	b.t.Helper()
	b.run(chromedp.Navigate(site + path))
}

func (b *browser) text(selector string) string {
	b.t.Helper()
	return ask[string](b, fmt.Sprintf(`document.querySelector(%q)?.innerText.trim() ?? "(missing)"`, selector))
}

// fill writes into the fields of the page's form, by their names.
func (b *browser) fill(values map[string]string) {
	b.t.Helper()
	for name, value := range values {
		require.True(b.t, ask[bool](b,
			fmt.Sprintf(`(f => { f.value = %q; return f.value === %q; })(document.querySelector("form.stack [name=%s]"))`,
				value, value, name)), name)
	}
}

// submit sends a form as its first button would, and waits for the next page.
func (b *browser) submit(form string) {
	b.t.Helper()
	ask[bool](b, fmt.Sprintf(`(() => {
		window.left = false;
		const f = document.querySelector(%q), b = f.querySelector("button");
		f.requestSubmit(b);
		return true;
	})()`, form))
	b.until(`window.left === undefined && document.readyState === "complete"`)
}

// until waits for something to become true on the page. A page that is just being left for
// another one has no answer.
func (b *browser) until(condition string) {
	b.t.Helper()
	require.Eventually(b.t, func() bool {
		is, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](condition))
		return err == nil && is
	}, 30*time.Second, 50*time.Millisecond, condition)
}

// barCounts are the five numbers of the bar chart.
const barCounts = `[...document.querySelectorAll(".bars .count")].map(c => +c.innerText.replaceAll(",", ""))`

// watchLive looks at the page, which is not touched, until nothing is upgrading
// any more, and counts how often it showed something new. When a plan ends, the page may
// open itself again, and has no answer just then.
func (b *browser) watchLive() int {
	b.t.Helper()
	changes, last := 0, ""
	require.Eventually(b.t, func() bool {
		counts, err := chromedp.Run(b.ctx, chromedp.Evaluate[[]int](barCounts))
		if err != nil {
			return false
		}
		if now := fmt.Sprint(counts); now != last {
			changes, last = changes+1, now
		}
		return len(counts) == 5 && counts[2]+counts[3] == 200
	}, 80*time.Second, 100*time.Millisecond)
	return changes
}

// shown checks what every page must be: it is not wider than the screen, and
// axe-core finds nothing. With a name it takes pictures, in every look.
func (b *browser) shown(name string) {
	b.t.Helper()
	axe, err := os.ReadFile(os.Getenv("AXE"))
	require.NoError(b.t, err, "AXE must name axe-core's axe.min.js; make test-page fetches it")
	b.until(`document.getElementById("live")?.textContent !== ""`)
	ask[bool](b, string(axe)+"; true")
	path := ask[string](b, "location.pathname")
	for _, l := range looks() {
		checked := l.mobile == (l.scheme == "dark") // each width and each scheme once
		if !checked && (name == "" || os.Getenv("SCREENSHOTS") == "") {
			continue
		}
		b.look(l)
		assert.Equal(b.t, l.width, ask[int64](b, "document.documentElement.scrollWidth"), "%s %s: as wide as the screen",
			path, l.name)
		if checked {
			assert.Empty(b.t, b.axe(), "%s %s", path, l.name)
		}
		if name != "" {
			b.keepPicture(name + "-" + l.name)
		}
	}
	b.look(looks()[0])
}

// axe asks axe-core for everything that is wrong.
func (b *browser) axe() []string {
	b.t.Helper()
	ask[bool](b, `(window.axed = undefined, axe.run({resultTypes: ["violations"]}).then(
		r => { window.axed = r.violations.flatMap(v =>
			v.nodes.map(n => v.id + ": " + n.target + ": " + n.failureSummary)); },
		e => { window.axed = [String(e)]; }), true)`)
	b.until(`window.axed !== undefined`)
	return ask[[]string](b, `window.axed`)
}

// keepPicture keeps a picture of the page, if SCREENSHOTS names a directory.
func (b *browser) keepPicture(name string) {
	b.t.Helper()
	dir := os.Getenv("SCREENSHOTS")
	if dir == "" {
		return
	}
	picture, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	require.NoError(b.t, err)
	require.NoError(b.t, os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o666))
}

// checkPlans is step 1: the list with its totals.
func (b *browser) checkPlans(r *rollout, upgraded, failed int) {
	b.visit(r.url, "/plans")
	rate := fmt.Sprintf("%.2f %%", 100*float64(upgraded)/float64(upgraded+failed))
	assert.Equal(b.t, fmt.Sprint(upgraded), b.text("#total-upgraded"))
	assert.Equal(b.t, fmt.Sprint(failed), b.text("#total-failed"))
	assert.Equal(b.t, rate, b.text("#total-rate"))
	row := strings.Join(ask[[]string](b,
		`[...document.querySelectorAll("#plans tbody td")].map(c => c.innerText.trim())`), "|")
	assert.Contains(b.t, row, fmt.Sprintf("|200|%d|0|%d|%s|", upgraded, failed, rate))
	plans := get[api.Plans](r, "/plans")
	assert.Equal(b.t, api.Counts{Upgraded: upgraded, UpgradeFailed: failed, Total: 200,
		SuccessRate: plans.Totals.SuccessRate}, plans.Totals)
}

// checkPlan is step 2: the plan's details.
func (b *browser) checkPlan(r *rollout) {
	b.follow(`#plans tbody th a`)
	assert.Equal(b.t, "Spring", b.text("h1"))
	text := b.text("main")
	for _, part := range []string{"rootfs", "1.1.0", "Spring system", "Module firmware", "Silent", "24 hours", "120 min"} {
		assert.Contains(b.t, text, part)
	}
}

// follow goes where a link leads.
func (b *browser) follow(link string) {
	b.t.Helper()
	ask[bool](b, fmt.Sprintf(`(() => { window.left = false; document.querySelector(%q).click(); return true; })()`, link))
	b.until(`window.left === undefined && document.readyState === "complete"`)
}

// checkMonitoring is step 3: the charts.
func (b *browser) checkMonitoring(r *rollout, upgraded, failed int) {
	b.follow(".head a.button")
	assert.Equal(b.t, []int{0, 0, upgraded, failed, 0}, ask[[]int](b, barCounts))
	assert.Equal(b.t, []string{"Not Upgraded", "Upgrading", "Upgraded", "Upgrade Failed", "No Update Required"},
		ask[[]string](b, `[...document.querySelectorAll(".bars .name")].map(n => n.innerText)`))
	label := ask[string](b, `document.querySelector("svg.area").getAttribute("aria-label")`)
	assert.Contains(b.t, label, fmt.Sprintf("%d Upgraded, %d Upgrade Failed", upgraded, failed))
	series := get[api.Series](r, "/plans/spring/series").Samples
	assert.Equal(b.t, upgraded, series[len(series)-1].Devices.Upgraded)
	b.until(`document.getElementById("live").textContent === "Live"`)
	b.visit(r.url, "/plans/spring/monitoring?limit=8&status=upgrade_failed")
	b.until(`document.getElementById("live").textContent === "Live"`)
	b.shown("monitoring")
}

// tableRows are the rows of the table of devices, cell by cell.
const tableRows = `[...document.querySelectorAll("#table tbody tr")].map(
	r => [...r.querySelectorAll("th, td:not(:has(input))")].map(c => c.innerText.trim()).filter(c => c))`

// checkDevices is step 4: the table, its filters and its pages.
func (b *browser) checkDevices(r *rollout) {
	for query, path := range map[string]string{
		"": "?", "status=upgrade_failed": "?status=upgrade_failed", "key=gateways-00001": "?key=gateways-00001",
		"online=true": "?online=true", "status=upgraded&limit=25&offset=25": "?status=upgraded&limit=25&offset=25",
	} {
		b.visit(r.url, "/plans/spring/monitoring?"+query)
		want := get[api.Devices](r, "/plans/spring/devices"+path)
		assert.Equal(b.t, fmt.Sprint(want.Total), b.text("#chosen"), query)
		rows := ask[[][]string](b, tableRows)
		require.Len(b.t, rows, len(want.Devices), query)
		for i, d := range want.Devices {
			name := map[string]string{"upgraded": "Upgraded", "upgrade_failed": "Upgrade Failed"}[d.Status]
			online := map[bool]string{true: "Online", false: "Offline"}[d.Online]
			assert.Equal(b.t, []string{d.Key, d.Started.Format("2006-01-02 15:04:05"), d.Ended.Format("2006-01-02 15:04:05"),
				name, online}, rows[i][:5])
		}
	}
}

// checkComponents is step 5: a failed device's components and log.
func (b *browser) checkComponents(r *rollout) {
	b.visit(r.url, "/plans/spring/monitoring?status=upgrade_failed")
	key := ask[[][]string](b, tableRows)[0][0]
	b.follow("#table tbody td a")
	d := get[api.DeviceDetails](r, "/plans/spring/devices/"+key)
	assert.Equal(b.t, "Component details", b.text("h1"))
	assert.Equal(b.t, "Upgrade Failed", b.text("#components .tag"))
	assert.Contains(b.t, b.text("#components .error"), "health_check_failed")
	assert.Equal(b.t, []string{"Start", "Confirm", "Download", "Upgrading", "Success/Fail"},
		ask[[]string](b, `[...document.querySelectorAll(".steps li > span:first-child")].map(s => s.innerText)`))
	assert.Equal(b.t, "failed", ask[string](b, `document.querySelector(".steps li:last-child").className`))
	log := ask[[]string](b, `[...document.querySelectorAll(".log tbody tr")].map(r => r.lastElementChild.innerText)`)
	require.Len(b.t, log, len(d.Log))
	for i, line := range d.Log {
		assert.Equal(b.t, line.Text, log[i])
	}
	assert.Contains(b.t, b.text("#components .facts"), fmt.Sprint(d.Components[0].Times))
	b.shown("device")
}

// checkRetry tries one failed device again from its own page, the others in a
// batch, and lets all of them come back.
func (b *browser) checkRetry(r *rollout) {
	failed := get[api.Devices](r, "/plans/spring/devices?status=upgrade_failed").Devices
	require.NotEmpty(b.t, failed)
	var keys []string
	for _, d := range failed {
		keys = append(keys, d.Key)
	}
	b.visit(r.url, "/plans/spring/devices/gateways-000001")
	if b.text("h1") == "Component details" && get[api.DeviceDetails](r, "/plans/spring/devices/gateways-000001").
		Status == "upgraded" {
		assert.Equal(b.t, "(missing)", b.text("#retry"), "only failed devices")
	}
	b.visit(r.url, "/plans/spring/devices/"+keys[0])
	b.submit("form:has(#retry)")
	assert.Contains(b.t, b.text("#about"), "The plan goes out when the device returns.")
	b.visit(r.url, "/plans/spring/monitoring")
	assert.Equal(b.t, len(keys)-1, ask[[]int](b, barCounts)[3])
	ask[bool](b, `(window.left = false, document.querySelector("[name=all]").click(), true)`)
	b.until(`window.left === undefined && document.readyState === "complete"`)
	assert.Contains(b.t, b.text(".result"), fmt.Sprintf("%d devices tried again", len(keys)-1))

	b.visit(r.url, "/plans/spring/monitoring")
	ended := make(chan int, 1)
	go func() { ended <- r.devices(monitored, keys).Figures.Classes[scenario.Upgraded] }()
	assert.Equal(b.t, len(keys), <-ended)
	b.until(`document.querySelectorAll(".bars .count")[2].innerText === "200"`)
	assert.Equal(b.t, "100.00 %", b.text("#rate"))
	assert.Zero(b.t, get[api.Platform](r, "/platform").Reports["conflicting"])
}
