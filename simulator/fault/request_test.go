package fault_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"otafleet/simulator/fault"
	"otafleet/simulator/scenario"
)

// answer is what a request comes to.
func (b *bench) answer(at scenario.Place) (status int, retryAfter time.Duration) {
	r := fault.Request{Place: at}
	b.hooks.Request(&r)
	return r.Status, r.RetryAfter
}

func TestRefusedRequests(t *testing.T) {
	b := newBench(t, scenario.Fault{Kind: scenario.HTTPStatus, At: scenario.AtReport, Status: http.StatusTooManyRequests,
		RetryAfter: time.Minute, Times: times(2)})
	for _, at := range []scenario.Place{scenario.AtPoll, ""} {
		status, _ := b.answer(at)
		assert.Zero(t, status, at)
	}
	for range 2 {
		status, wait := b.answer(scenario.AtReport)
		assert.Equal(t, http.StatusTooManyRequests, status)
		assert.Equal(t, time.Minute, wait)
	}
	status, _ := b.answer(scenario.AtReport)
	assert.Zero(t, status)
	assert.Equal(t, 2, b.fired)
}

// TestRefusedForATime: within the fault's time every request at its place is refused.
// It fires once.
func TestRefusedForATime(t *testing.T) {
	minute := scenario.Range[time.Duration]{Lo: time.Minute, Hi: time.Minute}
	b := newBench(t, scenario.Fault{Kind: scenario.HTTPStatus, At: scenario.AtPoll, Status: http.StatusServiceUnavailable,
		For: minute})
	for range 3 {
		status, _ := b.answer(scenario.AtPoll)
		assert.Equal(t, http.StatusServiceUnavailable, status)
	}
	status, _ := b.answer(scenario.AtReport)
	assert.Zero(t, status)
	b.wait()
	status, _ = b.answer(scenario.AtPoll)
	assert.Zero(t, status)
	assert.Equal(t, 1, b.fired)
}

// TestExpiredToken: nothing is answered to a token that has expired, until it is
// accepted again.
func TestExpiredToken(t *testing.T) {
	minute := scenario.Range[time.Duration]{Lo: time.Minute, Hi: time.Minute}
	b := newBench(t, scenario.Fault{Kind: scenario.TokenExpired, At: scenario.AtReport, For: minute})
	status, _ := b.answer(scenario.AtPoll)
	assert.Zero(t, status)
	for _, at := range []scenario.Place{scenario.AtReport, scenario.AtPoll, ""} {
		status, _ := b.answer(at)
		assert.Equal(t, http.StatusUnauthorized, status, at)
	}
	b.wait()
	status, _ = b.answer(scenario.AtReport)
	assert.Zero(t, status)
	assert.Equal(t, 1, b.fired)
}
