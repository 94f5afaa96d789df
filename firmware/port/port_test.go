package port_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"otafleet/firmware"
	"otafleet/firmware/port"
	"otafleet/firmware/port/porttest"
	"otafleet/internal/ota"
)

// long is a time that ends no test that passes, brief one that is waited for.
const (
	long  = time.Minute
	brief = 30 * time.Millisecond
)

func open(ctx context.Context, t *testing.T) (*port.Port, *porttest.Far, port.Config) {
	cfg := port.Config{Path: filepath.Join(t.TempDir(), "port"), Baud: 115200}
	far, err := porttest.Plug(cfg.Path)
	require.NoError(t, err)
	t.Cleanup(func() { far.Close() })
	l, err := port.Open(ctx, cfg)
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	return l, far, cfg
}

func say(t *testing.T, far *porttest.Far, text string) {
	_, err := far.Write([]byte(text))
	require.NoError(t, err)
}

func TestBytesPassAsTheyAre(t *testing.T) {
	l, far, _ := open(t.Context(), t)
	var all []byte
	for b := range 256 {
		all = append(all, byte(b))
	}
	say(t, far, string(all))
	for _, want := range all {
		got, err := l.Next(long)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	require.NoError(t, l.Write(all))
	heard := make([]byte, 0, 256)
	for room := make([]byte, 256); len(heard) < len(all); {
		n, err := far.Read(room)
		require.NoError(t, err)
		heard = append(heard, room[:n]...)
	}
	assert.Equal(t, all, heard)
}

func TestSilenceAndHangUp(t *testing.T) {
	l, far, _ := open(t.Context(), t)
	_, err := l.Next(brief)
	require.ErrorIs(t, err, port.ErrSilent)
	require.NoError(t, far.Close())
	_, err = l.Next(long)
	require.ErrorIs(t, err, port.ErrGone)
	require.ErrorIs(t, l.Write([]byte("x")), port.ErrGone)
	var failure *ota.Failure
	require.ErrorAs(t, port.Failure(err), &failure)
	assert.Equal(t, ota.ComponentSilent, failure.Code)
	assert.NoError(t, port.Failure(nil))
	assert.Equal(t, os.ErrExist, port.Failure(os.ErrExist))
}

func TestEndedContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	l, far, _ := open(ctx, t)
	time.AfterFunc(brief, cancel)
	_, err := l.Next(long)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, l.Write([]byte("x")), context.Canceled)
	l.SendLast([]byte("bye"))
	room := make([]byte, 8)
	n, err := far.Read(room)
	require.NoError(t, err)
	assert.Equal(t, "bye", string(room[:n]))
}

func TestPorts(t *testing.T) {
	l, _, cfg := open(t.Context(), t)
	_, err := port.Open(t.Context(), cfg)
	require.ErrorIs(t, err, firmware.ErrRetry, "two programs would take each other's answers")
	require.NoError(t, l.Close())
	again, err := port.Open(t.Context(), cfg)
	require.NoError(t, err)
	require.NoError(t, again.Close())

	// Programs that ask for no lock find the port closed to them, and so do we. The
	// administrator is let in all the same.
	l, err = port.Open(t.Context(), cfg)
	require.NoError(t, err)
	assert.Equal(t, 1, exclusive(t, cfg.Path))
	require.NoError(t, l.Close())
	assert.Equal(t, 0, exclusive(t, cfg.Path), "given back, although the far end holds it open")

	_, err = port.Open(t.Context(), port.Config{Path: filepath.Join(t.TempDir(), "none"), Baud: 9600})
	require.ErrorIs(t, err, port.ErrGone)
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err = port.Open(t.Context(), port.Config{Path: file, Baud: 9600})
	require.ErrorContains(t, err, "is not a serial port")
}

// exclusive asks whether a terminal is closed to other programs.
func exclusive(t *testing.T, path string) int {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if errors.Is(err, unix.EBUSY) {
		return 1
	}
	require.NoError(t, err)
	defer f.Close()
	is, err := unix.IoctlGetInt(int(f.Fd()), unix.TIOCGEXCL)
	require.NoError(t, err)
	return is
}

func TestExchanges(t *testing.T) {
	version := regexp.MustCompile(`version (\S+)`)
	for name, test := range map[string]struct {
		said []string // at intervals
		want string
	}{
		"at once":                           {[]string{"version 1.0.0\r\n"}, "1.0.0"},
		"in two halves":                     {[]string{"noise\r\nversion 1.", "0.0"}, "1.0.0"},
		"after more than is looked at":      {[]string{string(make([]byte, 5000)) + "version 2\r"}, "2"},
		"the answer to an earlier question": {[]string{"", "version 3\r"}, "3"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, far, _ := open(t.Context(), t)
			say(t, far, "version 0\r\n")
			time.Sleep(brief)
			go func() {
				room := make([]byte, 64)
				if _, err := far.Read(room); err != nil {
					return
				}
				for _, text := range test.said {
					_, _ = far.Write([]byte(text))
					time.Sleep(brief)
				}
			}()
			found, err := l.Exchange(port.Exchange{Send: "version\r", Expect: version, Timeout: long})
			require.NoError(t, err)
			assert.Equal(t, test.want, found[1])
		})
	}
}

func TestRefusal(t *testing.T) {
	l, far, _ := open(t.Context(), t)
	say(t, far, "\r\n+CME ERROR: 417\r\n")
	e := port.Exchange{
		Expect: regexp.MustCompile("OK"), Refusal: regexp.MustCompile(`\+CME ERROR: \d+`), Timeout: long, Attempts: 3,
	}
	_, err := l.Exchange(e)
	require.ErrorIs(t, err, port.ErrRefused)
	assert.ErrorContains(t, err, "refused: +CME ERROR: 417")
	say(t, far, "OK\r\n")
	_, err = l.Exchange(e)
	require.NoError(t, err, "what is waited for counts first")
}

func TestExchangeIsRepeated(t *testing.T) {
	l, far, _ := open(t.Context(), t)
	_, err := l.Exchange(port.Exchange{Send: "hello\r", Expect: regexp.MustCompile("x"), Timeout: brief, Attempts: 3})
	require.ErrorIs(t, err, port.ErrSilent)
	room := make([]byte, 64)
	n, err := far.Read(room)
	require.NoError(t, err)
	assert.Equal(t, "hello\rhello\rhello\r", string(room[:n]))
	say(t, far, "what?")
	_, err = l.Await(regexp.MustCompile("x"), brief)
	assert.ErrorContains(t, err, `heard "what?"`)
}
