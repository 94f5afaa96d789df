package barrier

import "time"

// clocks is what a process knows of shard 1's clocks, by its best exchange with it: as
// NTP has it (RFC 5905, section 8), shard 1 read them in the middle between question and
// answer, give or take half of what lies between.
type clocks struct {
	epoch time.Time // from where this process counts

	known  bool
	ahead  time.Duration // of shard 1's count
	offset time.Duration // by which this process's wall clock is ahead
	within time.Duration // the most that both are wrong by
	at     time.Duration // when, as this process counts
}

// drift is how far two clocks go apart in a second, at most: quartz is ten times better.
const drift = time.Second / 10_000

// compare learns from an exchange, unless an earlier one is worth more.
func (c *clocks) compare(asked, answered time.Time, a *answer) {
	half := answered.Sub(asked) / 2
	middle := asked.Add(half)
	at := middle.Sub(c.epoch)
	if c.known && c.worth(at) < half {
		return
	}
	c.known, c.within, c.at = true, half, at
	c.ahead = time.Duration(a.Since) - at
	c.offset = middle.Sub(time.Unix(0, a.Clock))
}

// worth is the most that what is known is wrong by at a moment.
func (c *clocks) worth(at time.Duration) time.Duration {
	return c.within + time.Duration((at-c.at).Seconds()*float64(drift))
}

// start is when the run begins, by shard 1's count of it.
func (c *clocks) start(since int64) Start {
	at := time.Duration(since) - c.ahead
	return Start{At: c.epoch.Add(at), Offset: c.offset, Within: c.worth(at)}
}
