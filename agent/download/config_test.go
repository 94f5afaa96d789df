package download_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/assert"

	"otafleet/agent/download"
)

func TestConfigValidate(t *testing.T) {
	t.Parallel()
	assert.NoError(t, download.Config{}.Validate())
	err := download.Config{RateLimit: -1, StallTimeout: -1, Attempts: -1, Parallel: 4097,
		Storage: &download.Storage{}}.Validate()
	for _, part := range []string{"rate limit", "stall time-out", "attempts", "parallel", "endpoint", "access key",
		"secret key"} {
		assert.ErrorContains(t, err, part)
	}
	good := download.Storage{Endpoint: "https://oss.example.com:9000/", AccessKey: "a", SecretKeyFile: "f"}
	assert.NoError(t, good.Validate())
	for _, endpoint := range []string{"oss.example.com", "ftp://x", "https://", "https://x/path", "https://x?y",
		"https://u:p@x", "%"} {
		s := good
		s.Endpoint = endpoint
		assert.Error(t, s.Validate(), endpoint)
	}
	both := good
	both.AccessKeyFile = "also"
	assert.ErrorContains(t, both.Validate(), "either")
}

func TestStorageIsLoggedWithoutItsKeys(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "storage",
		&download.Storage{Endpoint: "https://oss", AccessKey: "SECRET", SecretKey: "SECRET"})
	assert.Contains(t, out.String(), "https://oss")
	assert.NotContains(t, out.String(), "SECRET")
}

func ExampleNew() {
	_, err := download.New(download.Config{RateLimit: -1, Storage: &download.Storage{Endpoint: "oss.example.com"}})
	fmt.Println(err)
	// Output:
	// cannot set up downloads: rate limit -1: must not be negative
	// storage endpoint "oss.example.com": must be https://host or http://host
	// storage access key: give either the key or its file
	// storage secret key: give either the key or its file
}
