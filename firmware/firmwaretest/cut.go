package firmwaretest

import (
	"context"
	"math/rand/v2"

	"github.com/stretchr/testify/require"
)

// maxChanges ends a test of an installer that never stops changing things.
const maxChanges = 10_000

func testCutRepeat(b *bench) {
	b.cutEverywhere(func(interrupted int) {
		b.take(interrupted, len(steps()))
		b.runsNew()
		require.NoError(b, b.revert(background()))
		b.runsOld()
	})
}

func testCutRevert(b *bench) {
	b.cutEverywhere(func(int) {
		require.NoError(b, b.revert(background()))
		b.runsOld()
		b.take(0, len(steps()))
		b.runsNew()
	})
}

// cutEverywhere cuts every step at every change, and calls then with the number
// of the interrupted step.
func (b *bench) cutEverywhere(then func(interrupted int)) {
	for i, s := range steps() {
		prepare := func() { b.renew(); b.take(0, i) }
		b.cutAtEvery(s, prepare, func() { then(i) })
	}
}

// testCutInRevert cuts the rollback from every step, and goes on with it.
func testCutInRevert(b *bench) {
	for done := range len(steps()) + 1 {
		prepare := func() { b.renew(); b.take(0, done) }
		b.cutAtEvery(step{"revert", (*bench).revert}, prepare, func() {
			require.NoError(b, b.revert(background()))
			b.runsOld()
			b.take(0, len(steps()))
			b.runsNew()
		})
	}
}

// cutAtEvery takes a step with the power cut at its first change, its second,
// and so on, until it gets through.
func (b *bench) cutAtEvery(s step, prepare, then func()) {
	for n := 1; ; n++ {
		require.Less(b, n, maxChanges, "%s never ends", s.name)
		prepare()
		b.world.CutAt(n)
		err := s.take(b, background())
		if !b.world.WasCut() {
			b.world.CutAt(0)
			require.NoError(b, err, s.name)
			return
		}
		require.Error(b, err, "%s ignores that its change %d failed", s.name, n)
		b.recover(s.name, n, then)
	}
}

// recover starts the agent again after a cut and goes on.
func (b *bench) recover(step string, n int, then func()) {
	defer func() {
		if b.Failed() {
			b.Logf("this was after a cut at change %d of %s", n, step)
		}
	}()
	b.restart()
	b.runsEither()
	then()
}

// testManyCuts repeats an upgrade and a revert under one cut after the other
// until they get through.
func testManyCuts(b *bench) {
	const rounds = 15
	random := rand.New(rand.NewPCG(1, 1))
	for range rounds {
		b.renew()
		for _, s := range steps() {
			b.persist(s, random)
		}
		b.runsNew()
		b.persist(step{"revert", (*bench).revert}, random)
		b.runsOld()
	}
}

// persist repeats a step until it is done, each time with a longer breath.
func (b *bench) persist(s step, random *rand.Rand) {
	for breath := 2; ; breath += 1 + breath/4 {
		b.world.CutAt(1 + random.IntN(breath))
		err := s.take(b, context.Background())
		if !b.world.WasCut() {
			b.world.CutAt(0)
			require.NoError(b, err, s.name)
			return
		}
		b.restart()
		b.runsEither()
	}
}
