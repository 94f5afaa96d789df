package suffixes_test

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"otafleet/internal/suffixes"
)

// naive sorts as the words say it.
func naive(text []byte) []int32 {
	order := make([]int32, len(text))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int { return bytes.Compare(text[a:], text[b:]) })
	return order
}

func TestSort(t *testing.T) {
	texts := []string{"", "a", "aa", "ab", "ba", "banana", "mississippi", "mmiissiissiippii", "cabbage", "\x00",
		"\xff\x00\xff",
		strings.Repeat("a", 300), strings.Repeat("ab", 200), strings.Repeat("abaab", 90) + "z", strings.Repeat("\x00", 99) +
			"\x01"}
	for _, text := range texts {
		assert.Equal(t, naive([]byte(text)), suffixes.Sort([]byte(text)), "%.20q", text)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 400 {
		text := make([]byte, random.IntN(400))
		letters := 1 + random.IntN(5)
		for i := range text {
			text[i] = byte(random.IntN(letters))
		}
		assert.Equal(t, naive(text), suffixes.Sort(text), "%q", text)
	}
}

func FuzzSort(f *testing.F) {
	f.Add([]byte("abracadabra"))
	f.Add(bytes.Repeat([]byte{0, 0, 1}, 50))
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 2000 {
			return
		}
		if !slices.Equal(naive(text), suffixes.Sort(text)) {
			t.Fatalf("%q is not sorted", text)
		}
	})
}
