package serial

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// SMP needs a page of CBOR (RFC 8949): maps with texts as keys, integers, byte
// and text strings, booleans, arrays. A codec that does it all by reflection
// would be larger than the rest of this package.

// pair is an entry of a map; the value is an int, a bool or a []byte.
type pair struct {
	key   string
	value any
}

// encodeMap encodes a map in the order given.
func encodeMap(pairs ...pair) []byte {
	out := appendHead(nil, 5, uint64(len(pairs)))
	for _, p := range pairs {
		out = append(appendHead(out, 3, uint64(len(p.key))), p.key...)
		switch v := p.value.(type) {
		case int:
			out = appendHead(out, 0, uint64(v))
		case bool:
			out = append(out, 0xf4)
			if v {
				out[len(out)-1] = 0xf5
			}
		case []byte:
			out = append(appendHead(out, 2, uint64(len(v))), v...)
		default:
			panic(fmt.Sprintf("internal error: cannot encode %T", v))
		}
	}
	return out
}

// appendHead appends a major type with its argument, as short as it can be.
func appendHead(out []byte, major byte, n uint64) []byte {
	major <<= 5
	switch {
	case n < 24:
		return append(out, major|byte(n))
	case n <= 0xff:
		return append(out, major|24, byte(n))
	case n <= 0xffff:
		return binary.BigEndian.AppendUint16(append(out, major|25), uint16(n))
	case n <= 0xffffffff:
		return binary.BigEndian.AppendUint32(append(out, major|26), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(out, major|27), n)
}

// maxDepth bounds how deep a value may be nested. SMP's are three deep.
const maxDepth = 8

var errCBOR = errors.New("not the CBOR of an SMP answer")

// decodeMap decodes a map and nothing behind it. Values become int64, []byte,
// string, bool, nil, []any or map[string]any. What it takes is bounded by the
// length of its input.
func decodeMap(b []byte) (map[string]any, error) {
	d := decoder{rest: b}
	v, err := d.value(0)
	if err != nil {
		return nil, err
	}
	m, is := v.(map[string]any)
	if !is || len(d.rest) > 0 {
		return nil, errCBOR
	}
	return m, nil
}

type decoder struct{ rest []byte }

// indefinite is the length of a container that ends with a break.
const indefinite = -1

// head takes a major type and its argument.
func (d *decoder) head() (major byte, n int64, err error) {
	if len(d.rest) == 0 {
		return 0, 0, errCBOR
	}
	major, info := d.rest[0]>>5, d.rest[0]&0x1f
	d.rest = d.rest[1:]
	switch {
	case info < 24:
		return major, int64(info), nil
	case info == 31 && (major == 4 || major == 5 || major == 7):
		return major, indefinite, nil
	case info > 27:
		return 0, 0, errCBOR
	}
	length := 1 << (info - 24)
	if len(d.rest) < length {
		return 0, 0, errCBOR
	}
	var u uint64
	for _, c := range d.rest[:length] {
		u = u<<8 | uint64(c)
	}
	d.rest = d.rest[length:]
	if u > 1<<62 {
		return 0, 0, errCBOR
	}
	return major, int64(u), nil
}

func (d *decoder) value(depth int) (any, error) {
	if depth > maxDepth {
		return nil, errCBOR
	}
	major, n, err := d.head()
	if err != nil {
		return nil, err
	}
	switch major {
	case 0:
		return n, nil
	case 1:
		return -1 - n, nil
	case 2, 3:
		if n > int64(len(d.rest)) {
			return nil, errCBOR
		}
		s := d.rest[:n]
		d.rest = d.rest[n:]
		if major == 3 {
			return string(s), nil
		}
		return s, nil
	case 4:
		return d.array(n, depth)
	case 5:
		return d.object(n, depth)
	case 7:
		return simple(n)
	}
	return nil, errCBOR
}

func simple(n int64) (any, error) {
	switch n {
	case 20, 21:
		return n == 21, nil
	case 22, 23: // null, undefined
		return nil, nil
	}
	return nil, errCBOR
}

// ends reports whether a container has no further entry, and takes its break.
func (d *decoder) ends(n int64, taken int) bool {
	if n != indefinite {
		return int64(taken) >= n
	}
	if len(d.rest) > 0 && d.rest[0] == 0xff {
		d.rest = d.rest[1:]
		return true
	}
	return false
}

func (d *decoder) array(n int64, depth int) (any, error) {
	var a []any
	for !d.ends(n, len(a)) {
		v, err := d.value(depth + 1)
		if err != nil {
			return nil, err
		}
		a = append(a, v)
	}
	return a, nil
}

func (d *decoder) object(n int64, depth int) (any, error) {
	m := make(map[string]any)
	for taken := 0; !d.ends(n, taken); taken++ {
		k, err := d.value(depth + 1)
		if err != nil {
			return nil, err
		}
		key, is := k.(string)
		if !is {
			return nil, errCBOR
		}
		if m[key], err = d.value(depth + 1); err != nil {
			return nil, err
		}
	}
	return m, nil
}
