package model

import (
	"time"

	"otafleet/simulator/scenario"
)

// How a device of a run keeps its session with the broker.
const (
	FirstReconnect = time.Second
	// LongestReconnect is the longest pause between two connects. A run lasts minutes:
	// with a device's own minute, an outage would dominate it.
	LongestReconnect = 5 * time.Second
	KeepAlive        = time.Minute
	// ConnectTimeout is for one try to connect.
	ConnectTimeout = 30 * time.Second
)

// Segment is how many bytes of a download one lost packet holds up.
const Segment = 64 << 10

// Latency is how long a message takes one way; random gives 0 <= u < 1.
func Latency(l *scenario.Link, random func() float64) time.Duration {
	if l.Jitter == 0 {
		return l.Latency
	}
	return l.Latency + time.Duration((2*random()-1)*float64(l.Jitter))
}

// Resend is how much longer a message takes, or a segment of a download, since a packet
// of it may be lost.
func Resend(l *scenario.Link, random func() float64) time.Duration {
	if l.Loss == 0 || random() >= l.Loss.Share() {
		return 0
	}
	return l.ResendTime()
}
