package agent

import (
	"errors"

	"otafleet/internal/ota"
)

// AsFailure is what is reported of an error: the failure that it carries, if its code
// is one of the protocol's, else the error under the given code. It is nil for nil.
func AsFailure(err error, code ota.Code) *ota.Failure {
	if err == nil {
		return nil
	}
	var failure *ota.Failure
	if errors.As(err, &failure) && failure.Code.Known() {
		return failure
	}
	return &ota.Failure{Code: code, Detail: err.Error()}
}
