package page_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	"otafleet/simulator/platform/engine"
)

// livePlatform, in the environment, makes the test binary the platform that
// BenchmarkLive measures, in a process of its own.
const livePlatform = "OTA_SIM_LIVE_PLATFORM"

// What happens while it is measured.
const (
	liveDevices   = 100_000
	livePerSecond = 200 // devices that are upgraded, eight messages each
	liveTime      = 20 * time.Second
)

// BenchmarkLive is the processor time that pages cost which are open while devices
// of a plan of 100,000 change: a platform in a process of its own, looked at by so
// many readers that do what page.js does.
func BenchmarkLive(b *testing.B) {
	if os.Getenv(livePlatform) != "" {
		b.Skip("this is the platform")
	}
	for _, readers := range []int{0, 1, 10} {
		b.Run(fmt.Sprintf("readers=%d", readers), func(b *testing.B) {
			p := startLive(b)
			for b.Loop() {
				p.measure(b, readers)
			}
		})
	}
}

// live is the process of a platform.
type live struct {
	cmd *exec.Cmd
	url string
}

func startLive(b *testing.B) *live {
	self, err := os.Executable()
	require.NoError(b, err)
	p := &live{cmd: exec.CommandContext(b.Context(), self, "-test.run", "^TestLivePlatform$", "-test.v")}
	p.cmd.Env = append(os.Environ(), livePlatform+"=1")
	p.cmd.Stderr = os.Stderr
	out, err := p.cmd.StdoutPipe()
	require.NoError(b, err)
	end, err := p.cmd.StdinPipe()
	require.NoError(b, err)
	require.NoError(b, p.cmd.Start())
	b.Cleanup(func() { _ = end.Close(); _ = p.cmd.Wait() })
	lines := bufio.NewScanner(out)
	for p.url == "" {
		require.True(b, lines.Scan(), "the platform did not start")
		p.url, _ = strings.CutPrefix(lines.Text(), "serving ")
		if !strings.HasPrefix(p.url, "http") {
			p.url = ""
		}
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	return p
}

// measure lets readers look for a while.
func (p *live) measure(b *testing.B, readers int) {
	ctx, cancel := context.WithCancel(b.Context())
	var reading sync.WaitGroup
	var pages sync.Map
	for i := range readers {
		reading.Go(func() { pages.Store(i, p.read(ctx)) })
	}
	time.Sleep(2 * time.Second) // until they are served
	before, began := p.processorTime(b), time.Now()
	time.Sleep(liveTime)
	used, wall := p.processorTime(b)-before, time.Since(began)
	cancel()
	reading.Wait()
	fetched := 0
	pages.Range(func(_, n any) bool { fetched += n.(int); return true })
	b.ReportMetric(100*used.Seconds()/wall.Seconds(), "%core")
	b.ReportMetric(float64(fetched)/(wall+2*time.Second).Seconds(), "pages/s")
	b.ReportMetric(0, "ns/op")
}

// processorTime is what the process has used, by the kernel's account.
func (p *live) processorTime(b *testing.B) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	require.NoError(b, err)
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	var ticks int
	for _, field := range fields[11:13] { // utime and stime, the fourteenth and the next
		n, err := strconv.Atoi(field)
		require.NoError(b, err)
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond // a tick of Linux is a hundredth of a second
}

// read keeps a page open as page.js does: it follows the events, and fetches the
// page again when one comes, a second after the last time at the earliest. It
// returns how often it did.
func (p *live) read(ctx context.Context) (pages int) {
	get := func(path string) io.ReadCloser {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+path, nil)
		if err != nil {
			return nil
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			return nil
		}
		return answer.Body
	}
	stream := get("/api/v1/events?kind=plan&plan=spring")
	if stream == nil {
		return 0
	}
	defer stream.Close()
	changed := make(chan struct{}, 1)
	go func() {
		for lines := bufio.NewScanner(stream); lines.Scan(); {
			if strings.HasPrefix(lines.Text(), "event: ") {
				select {
				case changed <- struct{}{}:
				default:
				}
			}
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return pages
		case <-changed:
		}
		if body := get("/plans/spring/monitoring"); body != nil {
			_, _ = io.Copy(io.Discard, body)
			body.Close()
			pages++
		}
		select {
		case <-ctx.Done():
			return pages
		case <-time.After(time.Second):
		}
	}
}

// TestLivePlatform is the platform of BenchmarkLive, until its standard input ends.
func TestLivePlatform(t *testing.T) {
	if os.Getenv(livePlatform) == "" {
		return
	}
	s := open(t, "")
	s.upload("x")
	s.post("/new-plan", fields("Spring", s.packageID())...)
	for i := range liveDevices {
		s.says(fmt.Sprintf("gateways-%06d", i),
			&ota.Inventory{Components: []ota.ComponentVersion{{ID: "A", Type: ota.Module, Version: "1"}}})
	}
	require.NoError(t, s.platform.Command(engine.Activate{Plan: "spring"}))
	fmt.Println("serving", s.url)
	ended := make(chan struct{})
	go func() { _, _ = io.Copy(io.Discard, os.Stdin); close(ended) }()
	tick := time.NewTicker(time.Second / livePerSecond)
	defer tick.Stop()
	for i := 0; i < liveDevices; i++ {
		select {
		case <-ended:
			return
		case <-tick.C:
			s.fails(fmt.Sprintf("gateways-%06d", i))
		}
	}
}
