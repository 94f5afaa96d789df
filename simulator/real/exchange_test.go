package real

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/simulator/fault"
	"otafleet/simulator/model"
	"otafleet/simulator/real/netem"
)

// object is what the storage of these tests serves.
var object = bytes.Repeat([]byte("0123456789"), 100)

// exchange lets one request of a device happen, with what a fault makes of it.
func exchange(t *testing.T, change func(*fault.Exchange)) (*http.Response, []byte, error) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"one"`)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(object))
	}))
	t.Cleanup(server.Close)
	link := netem.NewLink(model.Line{}, func() time.Duration { return 0 }, nil, &net.Dialer{}, server.Client().Transport)
	s := storage{link: link, send: link, faults: change, busy: func() (string, time.Duration) { return "app", 0 }}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
	require.NoError(t, err)
	request.Header.Set("Range", "bytes=100-299")
	answer, err := s.RoundTrip(request)
	if err != nil {
		return nil, nil, err
	}
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, answer.Body.Close())
	assert.Equal(t, "bytes=100-299", request.Header.Get("Range"), "the request is the agent's")
	return answer, body, err
}

func TestExchange(t *testing.T) {
	good := object[100:300]
	external := make([]byte, len(good))
	for i := range good {
		external[i] = good[i] ^ 0xff
	}
	flipped := bytes.Clone(good)
	flipped[7] ^= 1
	fired, spared := 0, 0
	moment := func(at int64, turn fault.Turn) fault.Moment {
		return fault.Moment{At: at, Turn: turn, Fire: func() { fired++ }, Refund: func() { spared++ }}
	}
	tests := []struct {
		name          string
		change        fault.Exchange
		want          []byte
		err           error
		fired, spared int
	}{
		{"nothing", fault.Exchange{}, good, nil, 0, 0},
		{"another object", fault.Exchange{OtherObject: true}, external, nil, 0, 0},
		{"later bytes", fault.Exchange{Shift: 50}, good[50:], nil, 0, 0},
		{"as a whole", fault.Exchange{OtherObject: true, Moments: []fault.Moment{moment(fault.AtHead, fault.Passes)}},
			external, nil, 1, 0},
		{"elsewhere", fault.Exchange{Moments: []fault.Moment{moment(30, fault.Passes)}}, good, nil, 1, 0},
		{"breaks off", fault.Exchange{Moments: []fault.Moment{moment(30, fault.Breaks)}}, good[:30], io.ErrUnexpectedEOF, 1,
			0},
		{"ends", fault.Exchange{Moments: []fault.Moment{moment(30, fault.Ends)}}, good[:30], nil, 1, 0},
		{"stalls", fault.Exchange{Moments: []fault.Moment{moment(30, fault.Stalls)}}, good, nil, 1, 0},
		{"one bit", fault.Exchange{Moments: []fault.Moment{moment(7, fault.Flips)}}, flipped, nil, 1, 0},
		{"wrong, then gone", fault.Exchange{Moments: []fault.Moment{moment(9, fault.Breaks), moment(7, fault.Flips)}},
			flipped[:9], io.ErrUnexpectedEOF, 2, 0},
		{"gone where it would be wrong",
			fault.Exchange{Moments: []fault.Moment{moment(7, fault.Flips), moment(7, fault.Breaks)}}, good[:7],
			io.ErrUnexpectedEOF, 1, 1},
		{"behind the end", fault.Exchange{Moments: []fault.Moment{moment(500, fault.Breaks)}}, good, nil, 0, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fired, spared = 0, 0
			_, body, err := exchange(t, func(x *fault.Exchange) {
				assert.Equal(t, "app", x.Component)
				assert.EqualValues(t, 200, x.Length)
				tt.change.Component, tt.change.Length = x.Component, x.Length
				*x = tt.change
			})
			require.ErrorIs(t, err, tt.err)
			assert.Equal(t, tt.want, body)
			assert.Equal(t, []int{tt.fired, tt.spared}, []int{fired, spared})
		})
	}
}

func TestExchangeIsRefused(t *testing.T) {
	spared := 0
	answer, body, err := exchange(t, func(x *fault.Exchange) {
		x.Status = http.StatusTooManyRequests
		x.Moments = []fault.Moment{{Refund: func() { spared++ }}}
	})
	require.NoError(t, err)
	assert.Equal(t, http.StatusTooManyRequests, answer.StatusCode)
	assert.Equal(t, "<Error><Code>TooManyRequests</Code></Error>", string(body))
	assert.Equal(t, 1, spared)

	answer, _, err = exchange(t, func(x *fault.Exchange) { x.Changed = true })
	require.NoError(t, err)
	assert.Equal(t, `"changed"`, answer.Header.Get("ETag"))
}
