package differ_test

import "sync"

// atOnce is how many smaller scenarios are tried at once.
const atOnce = 16

// shrink takes parts of a document away, one after another, for as long as what is
// left still fails.
func shrink(doc object, fails func(object) bool) object {
	for {
		less, found := firstFailing(doc.smaller(), fails)
		if !found {
			return doc
		}
		doc = less
	}
}

// firstFailing is the first document that fails. Some are tried at once: a run on
// real sockets mostly waits.
func firstFailing(docs []object, fails func(object) bool) (object, bool) {
	var valid []object
	for _, doc := range docs {
		if _, err := doc.parse(); err == nil {
			valid = append(valid, doc)
		}
	}
	for len(valid) > 0 {
		some := valid[:min(atOnce, len(valid))]
		valid = valid[len(some):]
		failed := make([]bool, len(some))
		var trials sync.WaitGroup
		for i, doc := range some {
			trials.Go(func() { failed[i] = fails(doc) })
		}
		trials.Wait()
		for i, doc := range some {
			if failed[i] {
				return doc, true
			}
		}
	}
	return nil, false
}
