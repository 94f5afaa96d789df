//go:build page

package page_test

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// browser is a browser of its own, with one page open.
type browser struct {
	t    *testing.T
	ctx  context.Context
	site string // what a page may ask for beside itself; empty for nothing
	// refused allows the console to report refused pages and absent servers.
	refused bool

	mu        sync.Mutex // guards the following
	complaint []string   // of the console
	requests  []string   // for anything but the page
}

// patience bounds a whole test with its browser.
const patience = 3 * time.Minute

func startBrowser(t *testing.T) *browser {
	t.Helper()
	program := cmp.Or(os.Getenv("CHROMIUM"), "/usr/bin/chromium")
	_, err := os.Stat(program)
	require.NoError(t, err, "CHROMIUM must name the browser; apt-get install chromium")
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(program), chromedp.UserDataDir(t.TempDir()), chromedp.Headless, chromedp.NoSandbox,
		chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck,
		chromedp.WSURLReadTimeout(time.Minute),
	}
	for _, off := range []string{"disable-background-networking", "disable-component-update", "disable-sync",
		"disable-default-apps",
		"disable-extensions", "disable-dev-shm-usage", "hide-scrollbars"} {
		options = append(options, chromedp.Flag(off, true))
	}
	ctx, stop := context.WithTimeout(context.Background(), patience)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewContext(ctx)
	t.Cleanup(stop)
	b := &browser{t: t, ctx: ctx}
	require.NoError(t, chromedp.Listen(ctx, b.listen))
	command(b, network.Enable, network.EnableParams{})
	command(b, cdplog.Enable, cdp.Empty{})
	return b
}

// command gives the browser a command of its own protocol.
func command[P, R any](b *browser, c cdp.Command[P, R], params P) R {
	b.t.Helper()
	answer, err := chromedp.Run(b.ctx, func(ctx context.Context, target *chromedp.Target) (R,
		error) {
		return cdp.Call(ctx, target, c, params)
	})
	require.NoError(b.t, err)
	return answer
}

// listen notes what a page must not do.
func (b *browser) listen(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		b.complaint = append(b.complaint, e.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		b.complaint = append(b.complaint, fmt.Sprint(e.Type, e.Args))
	case *cdplog.EventEntryAdded:
		if b.refused && strings.HasPrefix(e.Entry.Text, "Failed to load resource: ") {
			return
		}
		b.complaint = append(b.complaint, e.Entry.Text)
	case *network.EventRequestWillBeSent:
		drawn := strings.HasPrefix(e.Request.URL, "data:") // by the browser itself, in its controls
		if !drawn && !strings.HasSuffix(e.Request.URL, "/report.html") &&
			(b.site == "" || !strings.HasPrefix(e.Request.URL, b.site)) {
			b.requests = append(b.requests, e.Request.URL)
		}
	}
}

// quiet reports whether the page asked for nothing and complained of nothing.
func (b *browser) quiet() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	assert.Empty(b.t, b.complaint, "on the console")
	assert.Empty(b.t, b.requests, "asked of the network")
}

func (b *browser) run(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	require.NoError(b.t, chromedp.Do(b.ctx, actions...))
}

func (b *browser) open(path string) {
	b.t.Helper()
	b.run(chromedp.Navigate("file://" + path))
}

// ask evaluates an expression on the page.
func ask[T any](b *browser, expression string) T {
	b.t.Helper()
	answer, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression))
	require.NoError(b.t, err)
	return answer
}

// look is a way of looking at the page.
type look struct {
	name   string
	width  int64
	height int64
	scheme string
	mobile bool
}

func looks() []look {
	return []look{
		{"desk-light", 1280, 900, "light", false}, {"desk-dark", 1280, 900, "dark", false},
		{"phone-light", 390, 844, "light", true}, {"phone-dark", 390, 844, "dark", true},
	}
}

func (b *browser) look(l look) {
	b.t.Helper()
	command(b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: l.width,
		Height: l.height, DeviceScaleFactor: 1, Mobile: l.mobile})
	command(b, emulation.SetEmulatedMedia,
		emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme",
			Value: l.scheme}}})
}

// picture takes one of the whole page.
func (b *browser) picture(name string) {
	b.t.Helper()
	png, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	require.NoError(b.t, err)
	require.NoError(b.t, os.WriteFile(filepath.Join(b.t.ArtifactDir(), name+".png"), png, 0o666))
}
