package hawkbit

import (
	"encoding/json"
	"errors"
	"net/http"

	"otafleet/simulator/platform"
	"otafleet/simulator/platform/hawkbit/management"
)

// problem is why a request is refused, in hawkBit's form.
type problem struct {
	status int

	Class   string `json:"exceptionClass"`
	Code    string `json:"errorCode"`
	Message string `json:"message"`
}

// Error returns the message.
func (p *problem) Error() string { return p.Message }

func refusal(status int, class, code, message string) *problem {
	return &problem{
		status,
		"org.eclipse.hawkbit.repository.exception." + class,
		"hawkbit.server.error." + code,
		message,
	}
}

func notFound(what string) *problem {
	return refusal(http.StatusNotFound, "EntityNotFoundException", "repo.entityNotFound", what+" does not exist")
}

func badBody(why string) *problem {
	return refusal(http.StatusBadRequest, "MessageNotReadableException", "rest.body.notReadable", why)
}

func gone() *problem {
	return refusal(
		http.StatusGone,
		"CancelActionNotAllowedException",
		"repo.actionNotAlive",
		"the action is not active",
	)
}

func overQuota(message string) *problem {
	return refusal(http.StatusTooManyRequests, "AssignmentQuotaExceededException", "quota.tooManyEntries", message)
}

func notAllowed(message string) *problem {
	return refusal(http.StatusMethodNotAllowed, "CancelActionNotAllowedException", "repo.actionNotCancelled", message)
}

// problemOf finds what to answer to an error.
func problemOf(err error) *problem {
	var known *problem
	var managed *management.Problem
	switch {
	case errors.As(err, &managed):
		return &problem{managed.Status, managed.Class, managed.Code, managed.Message}
	case errors.As(err, &known):
		return known
	case errors.Is(err, platform.ErrDown), errors.Is(err, platform.ErrStorage):
		return refusal(http.StatusServiceUnavailable, "GenericSpServerException", "generic", err.Error())
	}
	return refusal(http.StatusInternalServerError, "GenericSpServerException", "generic", err.Error())
}

// answer writes a document.
func answer(w http.ResponseWriter, status int, document any) {
	body, err := json.Marshal(document)
	if err != nil {
		panic("internal error: " + err.Error()) // they are this package's types
	}
	w.Header().Set("Content-Type", "application/hal+json")
	w.WriteHeader(status)
	_, _ = w.Write(body) // whoever has gone sees nothing
}
