//go:build kubernetes

package kubernetes_test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/stretchr/testify/require"

	"otafleet/test/harness"
)

const (
	access, secret = "fleet", "fleet-secret" // of the storage
	bucket         = "runs"
)

// serve starts a server on the node, and waits until it listens.
func serve(t *testing.T, address, program string, args ...string) {
	t.Helper()
	process := harness.Start(t, t.TempDir(), program, args...)
	harness.Await(t, filepath.Base(program)+" listens", func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			_ = conn.Close()
		}
		require.True(t, err == nil || process.Running(), "it has ended: %s", process.Output())
		return err == nil
	})
}

// storage is a third-party object store on the node, where the histories go.
type storage struct{ url string }

// startStorage starts one with an empty bucket. Whoever runs in this process's environment
// has its credentials; pods have them from a Secret.
func startStorage(t *testing.T) *storage {
	t.Helper()
	const at = node + ":7480"
	s := &storage{url: "http://" + at}
	serve(t, at, os.Getenv("VERSITYGW"), "--quiet", "--port", at, "--access", access, "--secret", secret,
		"posix", t.TempDir())
	client, err := minio.New(at, &minio.Options{Creds: credentials.NewStaticV4(access, secret, "")})
	require.NoError(t, err)
	require.NoError(t, client.MakeBucket(t.Context(), bucket, minio.MakeBucketOptions{}))
	t.Setenv("AWS_ENDPOINT_URL_S3", s.url)
	t.Setenv("AWS_ACCESS_KEY_ID", access)
	t.Setenv("AWS_SECRET_ACCESS_KEY", secret)
	do(t, "kubectl", "create", "secret", "generic", s.secret(),
		"--from-literal", "AWS_ACCESS_KEY_ID="+access, "--from-literal", "AWS_SECRET_ACCESS_KEY="+secret)
	t.Cleanup(func() { do(t, "kubectl", "delete", "secret", s.secret()) })
	return s
}

// secret is the Secret with its credentials.
func (s *storage) secret() string { return "storage" }

// place is where the shards of a run keep their histories.
func (s *storage) place(run string) string { return "s3://" + bucket + "/" + run }

// startPlatform starts one broker and one fake platform on the node, with a plan for the
// gateways of a fleet, and gives the flags of a run against them.
func startPlatform(t *testing.T) []string {
	t.Helper()
	const broker, packages = node + ":1883", node + ":9000"
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	config := "listener 1883 " + node + "\nallow_anonymous true\nuser root\n" +
		"max_queued_messages 0\nmax_inflight_messages 0\n" // 0 is no limit
	require.NoError(t, os.WriteFile(path("mosquitto.conf"), []byte(config), 0o600))
	serve(t, broker, os.Getenv("MOSQUITTO"), "-c", path("mosquitto.conf"))

	require.NoError(t, os.WriteFile(path("app.bin"), []byte(strings.Repeat("new", 5000)), 0o600))
	do(t, os.Getenv("OTA_SIM"), "keygen", path("release"))
	do(t, os.Getenv("OTA_SIM"), "pack", "--key", path("release.key"), "--product", "gw-200", "--component", "app",
		"--target", "1.1.0", "--release", "2", "--chunk", "8192", "--out", path("app.ota"), path("app.bin"))
	serve(t, packages, os.Getenv("OTA_SIM"), "platform", "--broker", "mqtt://"+broker, "--store-listen", packages,
		"--page", "", "--upgrade", path("app.ota"))
	do(t, "kubectl", "create", "configmap", "keys", "--from-file", path("release.pub"))
	t.Cleanup(func() { do(t, "kubectl", "delete", "configmap", "keys") })
	return []string{"--broker", "mqtt://" + broker, "--trust", path("release.pub"), "--files", "configmap/keys",
		"--wait-for-plan", "1m"}
}
