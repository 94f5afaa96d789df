package wire_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/wire"
)

// What is signed must mean one thing to every reader.
func TestManifestsThatTwoReadersUnderstandDifferently(t *testing.T) {
	good, err := wire.EncodeManifest(manifest())
	require.NoError(t, err)
	text := string(good)
	twist := func(old, with string) string {
		require.Contains(t, text, old)
		return strings.Replace(text, old, with, 1)
	}
	for name, payload := range map[string]string{
		"a member twice":             twist(`"release":`, `"release":1,"release":`),
		"another case":               twist(`"release":`, `"RELEASE":`),
		"both":                       twist(`"release":`, `"Release":1,"release":`),
		"a letter that folds to one": twist(`"release":`, `"releaſe":1,"release":`),
		"within a file":              twist(`"sha256":`, `"SHA256":"","sha256":`),
		"within what is not known":   twist(`"release":`, `"later":{"x":[{"y":1,"y":2}]},"release":`),
	} {
		_, err := wire.DecodeManifest([]byte(payload))
		assert.ErrorContains(t, err, "must not have", name)
	}
	_, err = wire.DecodeManifest([]byte(twist(`"release":`, `"later":{"x":[{"y":"y"},{"y":"y"}]},"release":`)))
	assert.NoError(t, err, "the same name in different objects")
}
