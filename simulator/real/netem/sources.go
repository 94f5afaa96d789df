package netem

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// maxSources bounds the source addresses of a run.
const maxSources = 4096

// ParseSources reads source addresses: each text is an address, the first and the
// last of several (10.0.0.2-10.0.0.9), or a network (10.0.0.0/28), of which the
// first and the last address are left out, as unusable, if it has more than two.
// The error joins what is wrong: texts that are none of these, and more than
// 4,096 addresses.
func ParseSources(texts []string) ([]netip.Addr, error) {
	var all []netip.Addr
	var problems []error
	for _, text := range texts {
		first, last, err := sourceRange(text)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		for a := first; a.IsValid() && a.Compare(last) <= 0; a = a.Next() {
			if len(all) == maxSources {
				return nil, errors.Join(append(problems, fmt.Errorf("there are more than %d addresses", maxSources))...)
			}
			all = append(all, a)
		}
	}
	return all, errors.Join(problems...)
}

// sourceRange is the first and the last address of a text.
func sourceRange(text string) (first, last netip.Addr, err error) {
	wrong := fmt.Errorf("%q is no address; want one such as 10.0.0.2, several as 10.0.0.2-10.0.0.9, or a network as "+
		"10.0.0.0/28", text)
	if strings.Contains(text, "/") {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			return first, last, wrong
		}
		first, last = ends(network.Masked())
		return first, last, nil
	}
	from, to, several := strings.Cut(text, "-")
	first, err = netip.ParseAddr(from)
	if err != nil {
		return first, last, wrong
	}
	if !several {
		return first, first, nil
	}
	last, err = netip.ParseAddr(to)
	if err != nil || first.BitLen() != last.BitLen() || last.Less(first) {
		return first, last, wrong
	}
	return first, last, nil
}

// ends are the first and the last address of a network that a machine may have.
func ends(network netip.Prefix) (first, last netip.Addr) {
	first = network.Addr()
	bits := first.AsSlice()
	for i := network.Bits(); i < first.BitLen(); i++ {
		bits[i/8] |= 0x80 >> (i % 8)
	}
	last, _ = netip.AddrFromSlice(bits)
	if first.BitLen()-network.Bits() > 1 {
		return first.Next(), last.Prev()
	}
	return first, last
}

// CheckSources makes sure that this machine has the addresses.
func CheckSources(sources []netip.Addr) error {
	if len(sources) > maxSources {
		return fmt.Errorf("%d source addresses are given, at most %d are possible", len(sources), maxSources)
	}
	var problems []error
	for _, source := range sources {
		listener, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(source, 0)))
		if err != nil {
			problems = append(problems, fmt.Errorf("cannot use the source address %s, give one that this machine has: %w",
				source, err))
			continue
		}
		problems = append(problems, listener.Close())
	}
	return errors.Join(problems...)
}
