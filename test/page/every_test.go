//go:build page

package page_test

import (
	"crypto/ed25519"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	"otafleet/simulator/platform"
	"otafleet/simulator/platform/engine"
	"otafleet/simulator/platform/page"
	"otafleet/test/harness"
)

const token = "a token beyond guessing"

// TestEveryPage looks at the pages that a rollout does not come by, and at the
// others when they are empty, full, or full of mistakes: behind a token, with long
// names, with plans and devices in every status.
func TestEveryPage(t *testing.T) {
	t.Parallel()
	p, pages := newPlatform(t, "", page.Config{Address: "127.0.0.1:0", Token: token})
	serve(t, p, pages)
	b := startBrowser(t)
	b.site, b.refused = pages.URL(), true
	b.look(looks()[0])

	b.visit(b.site, "/plans")
	assert.Equal(t, "Sign in", b.text("h1"))
	b.shown("sign-in")
	ask[bool](b, `(f => { f.value = "a guess"; return true; })(document.querySelector("[name=token]"))`)
	b.submit("form")
	assert.Equal(t, "That is not the token.", b.text(".problem"))
	b.shown("")
	// After a wrong guess the next answer takes a second.
	harness.Await(t, "the pause after a guess", func() bool {
		ask[bool](b, fmt.Sprintf(`(f => { f.value = %q; return true; })(document.querySelector("[name=token]"))`, token))
		b.submit("form")
		return b.text("h1") == "Upgrade plans"
	})
	for _, path := range []string{"/plans", "/devices", "/packages", "/new-plan"} {
		b.visit(b.site, path)
		b.shown("")
	}

	ids := fillPlatform(t, p)
	for _, c := range []struct{ path, heading, picture string }{
		{"/plans", "Upgrade plans", "plans"},
		{"/packages", "Version packages", "packages"},
		{"/devices", "Devices", "fleet"},
		{"/devices?sort=-last&search=unknown", "Devices", ""},
		{"/plans/stopped/devices/gateways-0000", "Component details", ""},
		{"/packages/" + ids["rootfs"], longName, "package"},
		{"/packages/" + ids["motor"], "Motor, 3_0 to 3_1", ""},
		{"/plans/spring", "Spring", ""},
		{"/plans/draft", "A plan that is not active yet " + longName[:60], "plan"},
		{"/plans/draft/edit", "Edit plan", ""},
		{"/plans/by-hand", "By hand", ""},
		{"/plans/spring/monitoring", "Upgrade monitoring", ""},
		{"/plans/spring/monitoring?status=upgrading", "Upgrade monitoring", ""},
		{"/plans/spring/monitoring?key=unknown", "Upgrade monitoring", ""},
		{"/plans/spring/devices/gateways-0003", "Component details", ""},
		{"/plans/spring/devices/gateways-0005", "Component details", ""},
		{"/plans/by-hand/devices/gateways-0001", "Component details", ""},
		{"/plans/nothing", "Not Found", "problem"},
		{"/nothing", "Not Found", ""},
		{"/plans/spring/monitoring?limit=lots", "Unprocessable Entity", ""},
	} {
		b.visit(b.site, c.path)
		assert.Equal(t, c.heading, b.text("h1"), c.path)
		b.shown(c.picture)
	}

	b.visit(b.site, "/new-plan")
	ask[bool](b, `(document.querySelector("form.stack").noValidate = true)`)
	b.fill(map[string]string{"name": "Spring", "product": "gw-200", "retries": "6", "push_from": "3", "push_to": "3",
		"black": "a/b", "min_battery": "101"})
	b.submit("form.stack")
	assert.Contains(t, b.text(".problem"), "retries: 6, must be 0 to 5")
	assert.Equal(t, 4, ask[int](b, `document.querySelectorAll("[aria-invalid=true]").length`))
	b.shown("")

	b.visit(b.site, "/plans")
	b.submit("form[action='/logout']")
	assert.Equal(t, "Sign in", b.text("h1"))
	b.visit(b.site, "/plans")
	assert.Equal(t, "Sign in", b.text("h1"))
	b.quiet()
}

// longName is as long as the name of a package may be.
const longName = "Systems of gateways in the north, with the new modem driver, signed for the spring rollout 2026, A"

// fillPlatform gives a platform packages, plans and devices of every kind, and the
// packages' ids by component.
func fillPlatform(t *testing.T, p *platform.Service) (ids map[string]string) {
	t.Helper()
	ids = map[string]string{}
	_, key, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	for _, c := range []struct {
		name string
		m    ota.Manifest
	}{
		{longName, ota.Manifest{Product: "gw-200", Component: "rootfs", Type: ota.Module, Package: ota.Full,
			Target: "1.1.0"}},
		{"Motor, 3_0 to 3_1", ota.Manifest{Product: "gw-200", Component: "motor", Type: ota.MCU, Package: ota.Delta,
			Source: "3_0", Target: "3_1"}},
	} {
		f, err := os.Open(packageFile(t, key, c.m))
		require.NoError(t, err)
		defer f.Close()
		ids[c.m.Component], err = p.Upload(t.Context(), f, platform.Label{Name: c.name,
			Remarks: "for the gateways of " + c.m.Product}, engine.FileTypes())
		require.NoError(t, err)
	}
	plan := func(id, name string, mode ota.Mode) engine.PlanSpec {
		now := time.Now().Truncate(time.Hour)
		return engine.PlanSpec{ID: id, Name: name, Product: "gw-200", Zone: time.UTC, Start: now.AddDate(0, 0, -1),
			End: now.AddDate(0, 0, 7), Mode: mode,
			Components: []engine.ComponentSpec{{ID: "rootfs", Type: ota.Module, Package: ota.Full, Target: "1.1.0",
				Sources: []string{"1.0.0", "0.9.0"}},
				{ID: "motor", Type: ota.MCU, Package: ota.Delta, Sources: []string{"3_0"}, Target: "3_1"}}}
	}
	manual := plan("by-hand", "By hand", ota.Manual)
	manual.Texts = []engine.UpgradeText{{Language: "en", Text: "Better in every way."},
		{Language: "de", Text: "In jeder Hinsicht besser."}}
	draft := plan("draft", "A plan that is not active yet "+longName[:60], ota.Silent)
	draft.White = []string{"gateways-0001", "gateways-0002"}
	for _, spec := range []engine.PlanSpec{plan("spring", "Spring", ota.Silent), manual,
		plan("stopped", "Stopped", ota.Silent), draft} {
		require.NoError(t, p.Command(engine.CreatePlan{Plan: spec}))
	}
	require.NoError(t, p.Command(engine.Activate{Plan: "spring"}))
	goOn(p)
	p.Hear(ota.Identity{Product: "gw-200", Device: "bench-1"},
		&ota.Inventory{Components: []ota.ComponentVersion{{ID: "rootfs", Type: ota.Module, Version: "1.0.0"}}})
	for n := range 3 {
		p.Hear(ota.Identity{Product: "valve-7", Device: fmt.Sprintf("valve-%d", n+8)},
			&ota.Inventory{Via: "gateways-0002", Components: []ota.ComponentVersion{
				{ID: "app", Type: ota.Module, Version: "2.0.1"}}})
	}
	for _, c := range []engine.Command{engine.Activate{Plan: "by-hand"}, engine.Activate{Plan: "stopped"},
		engine.Terminate{Plan: "stopped"},
		engine.VerifyPackage{Package: ids["rootfs"], Device: "bench-1"}} {
		require.NoError(t, p.Command(c))
	}
	return ids
}

// goOn takes devices of the plan spring to places of an upgrade.
func goOn(p *platform.Service) {
	steps := []ota.Status{ota.PlanReceived, ota.UpgradeConfirmed, ota.ReadyToDownload, ota.Downloading,
		ota.DownloadSucceeded, ota.Upgrading, ota.UpgradeSucceeded}
	for i, far := range []int{0, 0, 3, 4, 6, 8, 9, 14, 14, 14, 14, 14, 14, 20} {
		id := ota.Identity{Product: "gw-200", Device: fmt.Sprintf("gateways-%04d", i)}
		versions := []ota.ComponentVersion{{ID: "rootfs", Type: ota.Module, Version: "1.0.0"},
			{ID: "motor", Type: ota.MCU, Version: "3_0"}}
		if far > 14 {
			versions[0].Version, versions[1].Version = "1.1.0", "3_1"
		}
		p.Hear(id, &ota.Inventory{Request: true, Components: versions})
		for n := 1; n <= min(far, 14); n++ {
			at := (n - 1) % len(steps)
			r := &ota.Report{Time: time.Now(), Plan: "spring", Attempt: 1, Seq: n, Component: "rootfs", Status: steps[at],
				Version: "1.0.0"}
			if n > len(steps) {
				r.Component, r.Version = "motor", "3_0"
			}
			p.Hear(id, r)
			if n == 1 {
				p.Hear(id, &ota.Decision{Plan: "spring", Attempt: 1, Accept: true})
			}
		}
		if far == 4 { // the line breaks
			p.Hear(id, &ota.Report{Time: time.Now(), Plan: "spring", Attempt: 1, Seq: 5, Component: "rootfs",
				Status: ota.DownloadFailed, Version: "1.0.0",
				Failure: &ota.Failure{Code: ota.NetworkTimeout, Detail: "no byte for 30s"}})
		}
	}
}

// TestPageGoesOn: a page that is open when the platform ends says so, and shows
// what the next platform knows, without being touched.
func TestPageGoesOn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p, pages := newPlatform(t, dir, page.Config{Address: "127.0.0.1:0"})
	address := pages.URL()[len("http://"):]
	stop := serve(t, p, pages)
	fillPlatform(t, p)
	b := startBrowser(t)
	b.site, b.refused = pages.URL(), true
	b.visit(b.site, "/plans/spring/monitoring")
	b.until(`document.getElementById("live").textContent === "Live"`)
	counts := ask[[]int](b, barCounts)
	ask[bool](b, `(window.untouched = true)`)
	stop()
	b.until(`document.getElementById("live").textContent.startsWith("No connection")`)

	p, pages = newPlatform(t, dir, page.Config{Address: address})
	serve(t, p, pages)
	p.Hear(ota.Identity{Product: "gw-200", Device: "new"}, &ota.Inventory{Components: []ota.ComponentVersion{
		{ID: "rootfs", Type: ota.Module, Version: "1.1.0"}, {ID: "motor", Type: ota.MCU, Version: "3_1"}}})
	counts[4]++
	b.until(fmt.Sprintf(`document.getElementById("live").textContent === "Live" && String(%s) === "%d,%d,%d,%d,%d"`,
		barCounts, counts[0], counts[1], counts[2], counts[3], counts[4]))
	assert.True(t, ask[bool](b, `window.untouched`), "without loading the page again")
	b.quiet()
}
