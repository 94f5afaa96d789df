//go:build real

package real_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
	"otafleet/simulator/platform"
	"otafleet/simulator/platform/hawkbit"
	"otafleet/test/harness"
)

// swupdate is a device of Debian's, which speaks hawkBit's API.
type swupdate struct {
	t   *testing.T
	dir string
}

func newSwupdate(t *testing.T) *swupdate {
	t.Helper()
	s := &swupdate{t, t.TempDir()}
	s.openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "cert.pem", "-days", "10",
		"-subj", "/CN=swu", "-addext", "keyUsage=digitalSignature", "-addext", "extendedKeyUsage=emailProtection")
	return s
}

func (s *swupdate) openssl(args ...string) {
	s.t.Helper()
	command := exec.Command("openssl", args...)
	command.Dir = s.dir
	out, err := command.CombinedOutput()
	require.NoError(s.t, err, "%s", out)
}

// image is a signed image that writes a content to the file installed; listed is the
// content that its description tells the digest of.
func (s *swupdate) image(version, content, listed string) []byte {
	s.t.Helper()
	description := fmt.Sprintf(`software =
{
	version = "%s";
	hardware-compatibility = [ "1.0" ];
	files: ( { filename = "app.txt"; path = "%s"; sha256 = "%x"; } );
}
`, version, filepath.Join(s.dir, "installed"), sha256.Sum256([]byte(listed)))
	require.NoError(s.t, os.WriteFile(filepath.Join(s.dir, "sw-description"), []byte(description), 0o600))
	s.openssl("cms", "-sign", "-in", "sw-description", "-out", "signature", "-signer", "cert.pem", "-inkey", "key.pem",
		"-outform", "DER", "-nosmimecap", "-binary")
	signature, err := os.ReadFile(filepath.Join(s.dir, "signature"))
	require.NoError(s.t, err)
	var archive bytes.Buffer
	entry(&archive, "sw-description", []byte(description))
	entry(&archive, "sw-description.sig", signature)
	entry(&archive, "app.txt", []byte(content))
	entry(&archive, "TRAILER!!!", nil)
	return archive.Bytes()
}

// entry writes a file of a cpio archive with checksums.
func entry(archive *bytes.Buffer, name string, content []byte) {
	var sum uint32
	for _, b := range content {
		sum += uint32(b)
	}
	fmt.Fprintf(archive, "070702%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X",
		1, 0o100644, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name)+1, sum)
	pad := func() { archive.Write(make([]byte, (4-archive.Len()%4)%4)) }
	archive.WriteString(name + "\x00")
	pad()
	archive.Write(content)
	pad()
}

// start starts swupdate as a device of a server; more are arguments of its polling.
func (s *swupdate) start(url, more string) *harness.Process {
	s.t.Helper()
	return harness.Start(s.t, s.dir, "env", "TMPDIR="+s.dir, "swupdate", "-v", "-B", "none",
		"-k", filepath.Join(s.dir, "cert.pem"), "-H", "board:1.0", "-u", "-t DEFAULT -u "+url+" -i gw-0001 -p 1 "+more)
}

// watched waits until something is done, and starts a device anew that hangs, as a
// watchdog does: its client now and then misses what its installer, another process,
// says of an image as small as these, and waits for ever, or says success too early.
func (s *swupdate) watched(device *harness.Process, url string, done func() bool) *harness.Process {
	s.t.Helper()
	began := time.Now()
	harness.Await(s.t, "swupdate has done", func() bool {
		if time.Since(began) > 20*time.Second {
			device.Kill()
			device, began = s.start(url, ""), time.Now()
		}
		return done()
	})
	return device
}

// Debian's swupdate installs an image from the fake hawkBit, and one that is broken is
// reported as failed.
func TestSwupdate(t *testing.T) {
	t.Parallel()
	s := newSwupdate(t)
	fake := harness.StartPlatform(t, platform.Config{})
	url := fake.HawkBit("", hawkbit.Config{Sleep: time.Second, Product: harness.Product}).URL()
	key := harness.NewKey(t)
	offer := func(plan, version string, release int64, image []byte) {
		fake.Offer(harness.Plan{ID: plan}, harness.Pack(t, "rootfs", version, release, image, func(m *ota.Manifest) {
			m.Files[0].Name = "update.swu"
		}, key))
	}
	offer("broken", "1.0", 1, s.image("1.0", "what was changed on its way", "what was signed"))
	device := s.watched(s.start(url, ""), url, func() bool {
		reports := fake.Reports("broken")
		return len(reports) > 0 && reports[len(reports)-1].Failure != nil
	})
	fake.AwaitDevice("broken", harness.DeviceName, ota.DeviceUpgradeFailed)
	reports := fake.Reports("broken")
	last := reports[len(reports)-1]
	assert.Equal(t, ota.InstallerFailed, last.Failure.Code)
	assert.NotEmpty(t, last.Failure.Detail)
	assert.NoFileExists(t, filepath.Join(s.dir, "installed"))

	offer("good", "2.0", 2, s.image("2.0", "new", "new"))
	device = s.watched(device, url, func() bool {
		content, err := os.ReadFile(filepath.Join(s.dir, "installed"))
		return err == nil && string(content) == "new"
	})
	device.Kill()
	s.start(url, "-c 2") // it has restarted, and is well
	fake.AwaitDevice("good", harness.DeviceName, ota.DeviceUpgraded)
	assert.Empty(t, fake.Faults("broken"))
	assert.Empty(t, fake.Faults("good"))
	trail := strings.Join(fake.Trail("good", "rootfs"), " ")
	assert.True(t, strings.HasPrefix(trail, "plan_received upgrade_confirmed ready_to_download"), trail)
}
