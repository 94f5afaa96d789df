// Command line is a long line between two network namespaces, where the kernel cannot
// delay and lose packets by itself. It makes two network devices, one for each end,
// which the caller moves to their namespaces: whatever is sent to the one comes out of
// the other, later, or never. It measures nothing and changes no packet.
//
// What is lost is drawn from the seed, packet by packet, so that two runs of the same
// seed lose the same ones as long as they send the same. A packet that would have to
// wait longer than the line's queue is dropped, as a router drops it.
package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

func main() {
	var l line
	names := flag.String("names", "line0,line1", "the network devices to make, with a comma")
	flag.DurationVar(&l.delay, "delay", 50*time.Millisecond, "time from one end to the other")
	flag.Float64Var(&l.loss, "loss", 0.01, "share of the packets that are lost")
	flag.Int64Var(&l.rate, "rate", 100e6, "bits a second, each way")
	flag.DurationVar(&l.queue, "queue", 200*time.Millisecond, "how long a packet waits at most before it is sent")
	flag.Uint64Var(&l.seed, "seed", 1, "of what is lost")
	flag.Parse()
	if err := l.run(strings.Split(*names, ",")); err != nil {
		fmt.Fprintln(os.Stderr, "line:", err)
		os.Exit(1)
	}
}

// line is what lies between the two ends.
type line struct {
	delay, queue time.Duration
	loss         float64
	rate         int64
	seed         uint64
}

// packet is one on its way.
type packet struct {
	bytes []byte
	due   time.Time
}

// run carries packets both ways until a device fails or is gone.
func (l *line) run(names []string) error {
	if len(names) != 2 || l.rate < 1 {
		return fmt.Errorf("a line has two ends and a rate, not %q and %d", names, l.rate)
	}
	var ends [2]*os.File
	for i, name := range names {
		end, err := openDevice(name)
		if err != nil {
			return fmt.Errorf("cannot make the network device %s: %w", name, err)
		}
		defer end.Close()
		ends[i] = end
	}
	fmt.Println("ready")
	failed := make(chan error)
	for i := range ends {
		way := make(chan packet, 1<<16)
		go func() { failed <- l.take(ends[i], way, rand.New(rand.NewPCG(l.seed, uint64(i)))) }()
		go deliver(ends[1-i], way)
	}
	return <-failed
}

// openDevice makes a network device that takes and gives IP packets.
func openDevice(name string) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	request, err := unix.NewIfreq(name)
	if err == nil {
		request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// take puts on their way what is sent at one end, one after the other.
func (l *line) take(from *os.File, way chan<- packet, draw *rand.Rand) error {
	const largest = 64 << 10
	buffer := make([]byte, largest)
	var free time.Time // when the line can send the next one
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return err
		}
		now := time.Now()
		if free.Before(now) {
			free = now
		}
		lost := draw.Float64() < l.loss
		if free.Sub(now) > l.queue {
			continue
		}
		free = free.Add(time.Duration(int64(n) * 8 * int64(time.Second) / l.rate))
		if !lost {
			way <- packet{bytes: append([]byte(nil), buffer[:n]...), due: free.Add(l.delay)}
		}
	}
}

// deliver gives each to the other end when it is due. What that end does not take,
// because it is down, is lost too.
func deliver(to *os.File, way <-chan packet) {
	for p := range way {
		time.Sleep(time.Until(p.due))
		_, _ = to.Write(p.bytes)
	}
}
