package management

import (
	"fmt"
	"net/http"
)

// Problem is why a request is refused, in hawkBit's form.
type Problem struct {
	Status int `json:"-"`

	Class   string `json:"exceptionClass"`
	Code    string `json:"errorCode"`
	Message string `json:"message"`
}

// Error returns the message.
func (p *Problem) Error() string { return p.Message }

func problem(status int, class, code, format string, args ...any) *Problem {
	return &Problem{status, "org.eclipse.hawkbit.repository.exception." + class, "hawkbit.server.error." + code,
		fmt.Sprintf(format, args...)}
}

func missing(kind string, id any) *Problem {
	return problem(http.StatusNotFound, "EntityNotFoundException", "repo.entityNotFound", "%s with id %v does not exist",
		kind, id)
}

func exists(kind, name string) *Problem {
	return problem(http.StatusConflict, "EntityAlreadyExistsException", "repo.entityAlreadyExists",
		"%s %.100q exists already", kind, name)
}

func badRequest(format string, args ...any) *Problem {
	return problem(http.StatusBadRequest, "ConstraintViolationException", "repo.constraintViolation", format, args...)
}

func quota(format string, args ...any) *Problem {
	return problem(http.StatusTooManyRequests, "AssignmentQuotaExceededException", "quota.tooManyEntries", format, args...)
}

func notAllowed(format string, args ...any) *Problem {
	return problem(http.StatusMethodNotAllowed, "CancelActionNotAllowedException", "action.notCancelable", format,
		args...)
}
