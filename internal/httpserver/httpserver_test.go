package httpserver_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/internal/httpserver"
)

// request is one that is in progress: its handler waits for answer.
type request struct {
	cancel         context.CancelFunc // ends the server
	answer         func()
	status, served chan error // what the client and the caller of Run got
	listener       net.Listener
}

func start(t *testing.T, grace time.Duration) *request {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	entered, answer := make(chan struct{}), make(chan struct{})
	r := &request{cancel, func() { close(answer) }, make(chan error, 1), make(chan error, 1), listener}
	server := httpserver.New(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(entered)
		<-answer
	}), nil)
	go func() { r.served <- httpserver.Run(ctx, server, listener, grace) }()
	go func() { r.status <- get("http://" + listener.Addr().String()) }()
	<-entered
	return r
}

func get(url string) error {
	answer, err := http.Get(url)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	_, err = io.Copy(io.Discard, answer.Body)
	return err
}

func TestRequestsAreCutWithoutGrace(t *testing.T) {
	t.Parallel()
	r := start(t, 0)
	defer r.answer()
	r.cancel()
	require.NoError(t, <-r.served)
	require.Error(t, <-r.status)
	again, err := net.Listen("tcp", r.listener.Addr().String())
	require.NoError(t, err, "the address is free")
	require.NoError(t, again.Close())
	assert.NoError(t, httpserver.Close(r.listener), "it is closed already")
}

func TestRequestsAreAnsweredWithinTheGrace(t *testing.T) {
	t.Parallel()
	r := start(t, time.Hour)
	r.cancel()
	assert.Empty(t, r.served, "it waits for the request")
	r.answer()
	require.NoError(t, <-r.status)
	assert.NoError(t, <-r.served)
}

func TestRequestsAreCutAfterTheGrace(t *testing.T) {
	t.Parallel()
	r := start(t, time.Millisecond)
	defer r.answer()
	r.cancel()
	require.NoError(t, <-r.served)
	assert.Error(t, <-r.status)
}

// TestListenerThatFails is no end that was asked for.
func TestListenerThatFails(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	broken := errors.New("broken")
	server := httpserver.New(http.NotFoundHandler(), nil)
	require.ErrorIs(t, httpserver.Run(t.Context(), server, failing{listener, broken}, 0), broken)
	assert.NoError(t, httpserver.Close(listener))
}

type failing struct {
	net.Listener
	err error
}

func (f failing) Accept() (net.Conn, error) { return nil, f.err }
