package engine

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// What a device has of its product's plans is found by their activation, in whatever order
// they reach it.
func TestTasksAreInTheOrderOfPlans(t *testing.T) {
	pr := &product{}
	for n := range 4 {
		pr.active = append(pr.active, &plan{product: pr, activation: n + 1})
	}
	d := &device{product: pr}
	for _, n := range []int{3, 0, 2} {
		d.take(&task{device: d, plan: pr.active[n]})
	}
	for n, p := range pr.active {
		assert.Equal(t, n != 1, d.task(p) != nil, n)
	}
}
