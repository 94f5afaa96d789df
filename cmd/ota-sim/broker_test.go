package main

import (
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/cli"
)

// TestBrokerWithTLS is refused at once if it is not the one that it should be.
func TestBrokerWithTLS(t *testing.T) {
	t.Parallel()
	scenario := file(t, "small.yaml", small)
	secure, plain := httptest.NewTLSServer(nil), httptest.NewServer(nil) // no brokers, but that is learnt later
	t.Cleanup(secure.Close)
	t.Cleanup(plain.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(ca,
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw}), 0o600))
	port := secure.URL[strings.LastIndex(secure.URL, ":"):]
	for name, tt := range map[string]struct {
		flags []string
		code  int
		want  string
	}{
		"unknown authority": {[]string{"--broker", "mqtts://127.0.0.1" + port}, exitUnreachable,
			"name the certificate of who signed the broker's with --ca-file"},
		"another name": {[]string{"--broker", "mqtts://localhost" + port, "--ca-file", ca}, exitUnreachable,
			"give --broker the name that its certificate has"},
		"no TLS": {[]string{"--broker", strings.Replace(plain.URL, "http", "mqtts", 1), "--ca-file", ca},
			exitUnreachable, "it does not speak TLS at that port"},
		"nothing there": {[]string{"--broker", "mqtts://127.0.0.1:1", "--ca-file", ca}, exitUnreachable,
			"cannot reach the broker"},
		"no file": {[]string{"--broker", "mqtts://127.0.0.1", "--ca-file", ca + "x"}, cli.Usage, "--ca-file: open"},
		"not PEM": {[]string{"--broker", "mqtts://127.0.0.1", "--ca-file", scenario}, cli.Usage,
			"holds no certificate in PEM"},
		"without TLS": {[]string{"--broker", "mqtt://127.0.0.1", "--ca-file", ca}, cli.Usage,
			"--ca-file is for a broker with TLS"},
		"embedded": {[]string{"--ca-file", ca}, cli.Usage, "--ca-file is for a broker with TLS"},
		"virtual": {[]string{"--virtual", "--source-addresses", "127.0.0.2"}, cli.Usage,
			"--source-addresses is for the real world"},
		"no addresses": {[]string{"--source-addresses", "2"}, cli.Usage, `--source-addresses: "2" is no address`},
	} {
		t.Run(name, func(t *testing.T) {
			o := sim(t, append(append([]string{"run", "--allow-unsigned"}, tt.flags...), scenario)...)
			assert.Equal(t, tt.code, o.code, o.err)
			assert.Contains(t, o.err, tt.want)
		})
	}
}
