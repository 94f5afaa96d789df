package policy_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"otafleet/agent"
	"otafleet/agent/download/policy"
	"otafleet/internal/ota"
)

// drive plays a download: a clock, the pauses at their longest, and requests of a
// second each.
type drive struct {
	t      *testing.T
	course *policy.Course
	now    time.Duration
}

func begin(t *testing.T, rules policy.Rules, before agent.Setbacks, addresses int) *drive {
	d := &drive{t: t, course: policy.New(rules, before)}
	d.course.File(addresses)
	return d
}

// request waits and asks, and gives the address, the pause and the verdict.
func (d *drive) request(r policy.Result) (int, time.Duration, policy.Verdict) {
	d.t.Helper()
	i, pause := d.course.Next(d.now, func(limit time.Duration) time.Duration { return limit })
	require.GreaterOrEqual(d.t, i, 0, "an address is left")
	d.now += pause + time.Second
	return i, pause, d.course.Judge(d.now, i, r)
}

func away() policy.Result {
	return policy.Result{Kind: policy.Away, Failure: &ota.Failure{Code: ota.HTTPError, Detail: "HTTP status 503"}}
}

func wrong() policy.Result {
	return policy.Result{Kind: policy.Wrong, Failure: &ota.Failure{Code: ota.DigestMismatch, Detail: "wrong"}}
}

func gone() policy.Result {
	return policy.Result{Kind: policy.Gone, Failure: &ota.Failure{Code: ota.URLExpired, Detail: "HTTP status 403"}}
}

// TestAStoreThatIsAwayCostsTime, not attempts, and pauses go on growing over the
// addresses that are asked for meanwhile.
func TestAStoreThatIsAwayCostsTime(t *testing.T) {
	t.Parallel()
	d := begin(t, policy.Rules{}, agent.Setbacks{}, 1)
	longest, asked := time.Duration(0), 0
	for began := time.Duration(0); began < 28*time.Minute; began += d.now {
		d.now = 0
		for d.now < 28*time.Minute-began {
			_, pause, v := d.request(away())
			require.Nil(t, v.Failure)
			require.GreaterOrEqual(t, pause, longest, "pauses grow")
			longest = pause
			if v.Need != "" {
				assert.Equal(t, ota.AddressMirrors, v.Need)
				asked++
				d.course = policy.New(policy.Rules{}, d.course.Setbacks())
				d.course.File(1)
				break
			}
		}
	}
	assert.Equal(t, 1, asked, "other addresses are asked for once")
	assert.Equal(t, time.Minute, longest)

	_, _, v := d.request(policy.Result{Gained: true})
	assert.False(t, v.Ends())
	assert.Zero(t, d.course.Setbacks().Waited, "a new chunk makes up for everything")
	for range 2 {
		_, _, v = d.request(away())
	}
	assert.Equal(t, ota.AddressMirrors, v.Need, "after progress the question is free again")
}

func TestPatienceEnds(t *testing.T) {
	t.Parallel()
	d := begin(t, policy.Rules{Patience: 10 * time.Minute}, agent.Setbacks{Renewed: true}, 2)
	for {
		_, _, v := d.request(away())
		if v.Failure == nil {
			require.Less(t, d.now, 10*time.Minute)
			continue
		}
		assert.Equal(t, ota.HTTPError, v.Failure.Code)
		assert.Contains(t, v.Failure.Detail, "no new chunk came for 10m")
		assert.InDelta(t, 600, d.now.Seconds(), 62)
		return
	}
}

// TestWrongAnswersAreCounted, unless a server is away beside them: then there may
// be right bytes to be had.
func TestWrongAnswersAreCounted(t *testing.T) {
	t.Parallel()
	d := begin(t, policy.Rules{}, agent.Setbacks{Renewed: true}, 1)
	for n := 1; ; n++ {
		_, _, v := d.request(wrong())
		if v.Ends() {
			assert.Equal(t, 5, n)
			assert.Equal(t, ota.DigestMismatch, v.Failure.Code)
			break
		}
	}
	d = begin(t, policy.Rules{}, agent.Setbacks{Renewed: true}, 2)
	for range 10 {
		i, _, v := d.request(wrong())
		assert.Zero(t, i)
		require.False(t, v.Ends())
		i, _, v = d.request(away())
		assert.Equal(t, 1, i)
		require.False(t, v.Ends())
	}
}

// TestNothingCountsWithoutAConnection to the platform: it is the line that fails.
func TestNothingCountsWithoutAConnection(t *testing.T) {
	t.Parallel()
	d := begin(t, policy.Rules{}, agent.Setbacks{}, 1)
	for d.now < 24*time.Hour {
		r := away()
		r.Offline = true
		_, pause, v := d.request(r)
		require.False(t, v.Ends())
		require.LessOrEqual(t, pause, time.Minute)
	}
	s := d.course.Setbacks()
	assert.Zero(t, s.Fruitless)
	assert.Zero(t, s.Waited)
	assert.Zero(t, s.Spent)
}

// TestRetryAfter is what a server asks for: it is left alone for so long, within
// bounds, whichever address it has meanwhile; others are asked.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	later := away()
	later.RetryAfter = 2 * time.Minute
	d := begin(t, policy.Rules{}, agent.Setbacks{}, 2)
	i, _, _ := d.request(later)
	assert.Zero(t, i)
	for range 3 {
		i, pause, v := d.request(away())
		require.False(t, v.Ends() && v.Need == "")
		assert.Equal(t, 1, i, "the other one is asked")
		assert.Less(t, pause, time.Minute)
	}

	d = begin(t, policy.Rules{}, agent.Setbacks{Renewed: true}, 1)
	d.request(later)
	_, pause, _ := d.request(away())
	assert.Equal(t, 2*time.Minute+time.Second, pause)

	d = begin(t, policy.Rules{}, agent.Setbacks{}, 1)
	d.request(later)
	_, _, v := d.request(later)
	require.Equal(t, ota.AddressMirrors, v.Need)
	d = begin(t, policy.Rules{}, d.course.Setbacks(), 1)
	_, pause, _ = d.request(away())
	assert.Equal(t, 2*time.Minute+2*time.Second, pause, "a new address is of the same server")

	d = begin(t, policy.Rules{}, agent.Setbacks{Renewed: true}, 1)
	later.RetryAfter = 24 * time.Hour
	d.request(later)
	_, pause, _ = d.request(away())
	assert.Equal(t, 5*time.Minute+time.Second, pause, "no server may ask for a day")
}

// TestAddressesThatAreGone are not asked again, and not for ever for others.
func TestAddressesThatAreGone(t *testing.T) {
	t.Parallel()
	var before agent.Setbacks
	for round := range policy.DefaultAttempts {
		d := begin(t, policy.Rules{}, before, 1)
		_, pause, v := d.request(gone())
		assert.Zero(t, pause, "nothing is gained by waiting")
		if round == policy.DefaultAttempts-1 {
			require.NotNil(t, v.Failure)
			assert.Equal(t, ota.URLExpired, v.Failure.Code)
			return
		}
		require.False(t, v.Ends())
		i, _ := d.course.Next(d.now, nil)
		require.Equal(t, -1, i)
		assert.Equal(t, policy.Verdict{Need: ota.AddressExpired}, d.course.NoneLeft(&ota.Failure{}))
		before = d.course.Setbacks()
	}
}

func TestUselessAddressesAreCounted(t *testing.T) {
	t.Parallel()
	why := &ota.Failure{Code: ota.URLExpired, Detail: "there is no address"}
	var before agent.Setbacks
	for range policy.DefaultAttempts - 1 {
		c := policy.New(policy.Rules{}, before)
		c.File(0)
		assert.Equal(t, policy.Verdict{Need: ota.AddressExpired}, c.NoneLeft(why))
		before = c.Setbacks()
	}
	c := policy.New(policy.Rules{}, before)
	c.File(0)
	require.NotNil(t, c.NoneLeft(why).Failure)
}

// TestSlowAddressesAreLeft for one that has not been slow, and kept where there is
// none.
func TestSlowAddressesAreLeft(t *testing.T) {
	t.Parallel()
	slow := away()
	slow.Gained, slow.Slow = true, true
	d := begin(t, policy.Rules{}, agent.Setbacks{}, 2)
	assert.True(t, d.course.Better(0))
	i, _, _ := d.request(slow)
	assert.Zero(t, i)
	i, _, _ = d.request(slow)
	assert.Equal(t, 1, i)
	assert.False(t, d.course.Better(0))
	assert.False(t, d.course.Better(1))
}

// TestDeadline ends a file that comes, and comes, and does not end.
func TestDeadline(t *testing.T) {
	t.Parallel()
	d := begin(t, policy.Rules{Deadline: time.Hour}, agent.Setbacks{Spent: 30 * time.Minute}, 1)
	for d.now < 29*time.Minute {
		_, _, v := d.request(policy.Result{Gained: true})
		require.False(t, v.Ends())
	}
	d.now += time.Minute
	d.course.Whole()
	d.course.File(1)
	_, _, v := d.request(policy.Result{Gained: true})
	assert.False(t, v.Ends(), "each file has its own time")
	d.course.Next(d.now, nil)
	v = d.course.Judge(d.now+time.Hour, 0, policy.Result{Gained: true})
	require.NotNil(t, v.Failure)
	assert.Contains(t, v.Failure.Detail, "within 1h")
}

func TestStatusKind(t *testing.T) {
	t.Parallel()
	for status, kind := range map[int]policy.Kind{401: policy.Gone, 403: policy.Gone, 404: policy.Gone, 408: policy.Away,
		429: policy.Away,
		500: policy.Away, 502: policy.Away, 503: policy.Away, 504: policy.Away, 410: policy.Wrong, 416: policy.Wrong,
		302: policy.Wrong, 204: policy.Wrong} {
		assert.Equal(t, kind, policy.StatusKind(status), status)
	}
}
