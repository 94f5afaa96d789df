package quecthing

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

const (
	// MaxItems is how many items DecodeItems takes, nested ones included.
	MaxItems = 1024
	// MaxDepth is how deep structs may lie in each other.
	MaxDepth = 4
)

// ErrItems is the reason of every payload that is refused. A device treats one as a
// message without items.
var ErrItems = errors.New("not a list of items")

// Kind is the type of an item on the wire.
type Kind uint8

// The kinds. 5 to 7 are not used.
const (
	False  Kind = 0
	True   Kind = 1
	Number Kind = 2
	Bytes  Kind = 3 // or text
	Struct Kind = 4 // or list
)

// Item is a numbered value.
type Item struct {
	ID    uint16 // 1 to 8191; 0 in lists
	Kind  Kind
	Bytes []byte // of kind Bytes
	Items Items  // of kind Struct

	number number
}

// Items is a payload, a struct or a list: that is a struct whose items all have the
// number 0.
type Items []Item

// Int is an item with an integer.
func Int(id uint16, v int64) Item { return Item{ID: id, Kind: Number, number: integer(v)} }

// Float is an item with a number of up to 15 decimals; further ones are cut.
func Float(id uint16, v float64) Item { return Item{ID: id, Kind: Number, number: decimal(v)} }

// Text is an item with a text.
func Text(id uint16, v string) Item { return Item{ID: id, Kind: Bytes, Bytes: []byte(v)} }

// Raw is an item with bytes.
func Raw(id uint16, v []byte) Item { return Item{ID: id, Kind: Bytes, Bytes: v} }

// Bool is an item with a truth.
func Bool(id uint16, v bool) Item {
	if v {
		return Item{ID: id, Kind: True}
	}
	return Item{ID: id, Kind: False}
}

// Nested is an item with a struct.
func Nested(id uint16, items ...Item) Item { return Item{ID: id, Kind: Struct, Items: items} }

// List is an item with a list of structs.
func List(id uint16, structs ...Items) Item {
	list := Item{ID: id, Kind: Struct}
	for _, s := range structs {
		list.Items = append(list.Items, Item{Kind: Struct, Items: s})
	}
	return list
}

// Encode makes the bytes of the items. A frame refuses those that are too many or
// too long for it.
func (s Items) Encode() []byte { return s.append(nil) }

func (s Items) append(b []byte) []byte {
	for i := range s {
		it := &s[i]
		b = binary.BigEndian.AppendUint16(b, it.ID<<3|uint16(it.Kind))
		switch it.Kind {
		case Number:
			b = it.number.append(b)
		case Bytes:
			b = binary.BigEndian.AppendUint16(b, uint16(len(it.Bytes))) //nolint:gosec // see Encode
			b = append(b, it.Bytes...)
		case Struct:
			b = binary.BigEndian.AppendUint16(b, uint16(len(it.Items))) //nolint:gosec // see Encode
			b = it.Items.append(b)
		case False, True:
		}
	}
	return b
}

// DecodeItems reads a payload; an empty one has no items. As in the SDK, one wrong
// item makes all of them worthless. Its error wraps ErrItems and says what is wrong.
func DecodeItems(b []byte) (Items, error) {
	d := decoder{rest: b}
	s, err := d.items(-1, 0)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrItems, err)
	}
	return s, nil
}

// decoder reads items from the front of rest.
type decoder struct {
	rest []byte
	read int
}

// items reads so many items; -1 stands for all there are.
func (d *decoder) items(count, depth int) (Items, error) {
	if depth > MaxDepth {
		return nil, fmt.Errorf("structs lie more than %d deep in each other", MaxDepth)
	}
	var s Items
	for count < 0 && len(d.rest) > 0 || len(s) < count {
		it, err := d.item(depth)
		if err != nil {
			return nil, err
		}
		if len(s) > 0 && (s[0].ID == 0) != (it.ID == 0) {
			return nil, errors.New("items with and without a number are mixed")
		}
		s = append(s, it)
	}
	return s, nil
}

func (d *decoder) item(depth int) (it Item, err error) {
	if d.read++; d.read > MaxItems {
		return it, fmt.Errorf("there are more than %d", MaxItems)
	}
	tag, ok := d.uint16()
	if !ok {
		return it, errors.New("an item ends within its tag")
	}
	it.ID, it.Kind = tag>>3, Kind(tag&7)
	switch it.Kind {
	case False, True:
	case Number:
		if it.number, d.rest, ok = cutNumber(d.rest); !ok {
			err = fmt.Errorf("number %d is cut", it.ID)
		}
	case Bytes:
		size, whole := d.uint16()
		if !whole || int(size) > len(d.rest) {
			return it, fmt.Errorf("text %d is cut", it.ID)
		}
		it.Bytes, d.rest = d.rest[:size:size], d.rest[size:]
	case Struct:
		count, whole := d.uint16()
		if !whole {
			return it, fmt.Errorf("struct %d is cut", it.ID)
		}
		it.Items, err = d.items(int(count), depth+1)
	default:
		err = fmt.Errorf("item %d has the unknown type %d", it.ID, it.Kind)
	}
	return it, err
}

func (d *decoder) uint16() (v uint16, ok bool) {
	if len(d.rest) < 2 {
		return 0, false
	}
	v, d.rest = binary.BigEndian.Uint16(d.rest), d.rest[2:]
	return v, true
}

// find is the first item with the number: it counts if there are several.
func (s Items) find(id uint16) *Item {
	for i := range s {
		if s[i].ID == id {
			return &s[i]
		}
	}
	return nil
}

// Has reports whether there is an item with the number, of whatever kind.
func (s Items) Has(id uint16) bool { return s.find(id) != nil }

// Int is an integer; not ok if it is absent, another kind, has decimals, or does not
// fit into 64 bits.
func (s Items) Int(id uint16) (v int64, ok bool) {
	if it := s.find(id); it != nil && it.Kind == Number {
		return it.number.int()
	}
	return 0, false
}

// Float is a number; not ok if it is absent or another kind.
func (s Items) Float(id uint16) (v float64, ok bool) {
	if it := s.find(id); it != nil && it.Kind == Number {
		return it.number.float(), true
	}
	return 0, false
}

// Text is a text, up to its first zero byte. It is "" if it is empty, absent or
// another kind: the SDK knows no difference.
func (s Items) Text(id uint16) string {
	text, _, _ := bytes.Cut(s.Raw(id), []byte{0})
	return string(text)
}

// Raw is bytes; nil if they are absent or another kind.
func (s Items) Raw(id uint16) []byte {
	if it := s.find(id); it != nil && it.Kind == Bytes {
		return it.Bytes
	}
	return nil
}

// Bool is a truth; not ok if it is absent or another kind.
func (s Items) Bool(id uint16) (v, ok bool) {
	it := s.find(id)
	return it != nil && it.Kind == True, it != nil && (it.Kind == True || it.Kind == False)
}

// Nested is the content of a struct; not ok if it is absent or another kind.
func (s Items) Nested(id uint16) (Items, bool) {
	if it := s.find(id); it != nil && it.Kind == Struct {
		return it.Items, true
	}
	return nil, false
}

// List is the structs of a list, without what is none; not ok if it is absent or
// another kind.
func (s Items) List(id uint16) (structs []Items, ok bool) {
	nested, ok := s.Nested(id)
	for i := range nested {
		if nested[i].ID == 0 && nested[i].Kind == Struct {
			structs = append(structs, nested[i].Items)
		}
	}
	return structs, ok
}
