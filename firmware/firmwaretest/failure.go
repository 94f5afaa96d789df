package firmwaretest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"otafleet/internal/ota"
)

// RequireCode fails the test unless err is, or wraps, a failure with a code and a
// detail, which it returns.
func RequireCode(t testing.TB, want ota.Code, err error) *ota.Failure {
	t.Helper()
	var failure *ota.Failure
	require.ErrorAs(t, err, &failure)
	require.Equal(t, want, failure.Code, failure.Detail)
	require.NotEmpty(t, failure.Detail)
	return failure
}
