package sessions

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Version says how far a copy has come: for each node, how many writes of it the copy has seen. A store with one counter has one
// component without a name. A component that is missing is zero.
type Version map[string]uint64

// Counter is the version of a store that has one counter.
func Counter(n uint64) Version { return Version{"": n} }

// Dominates says whether a has seen all that b has, and more.
func Dominates(a, b Version) bool { return covers(a, b) && !covers(b, a) }

// Concurrent says whether each has seen something that the other has not: nobody can tell which is right.
func Concurrent(a, b Version) bool { return !covers(a, b) && !covers(b, a) }

// Equal says whether both have seen the same.
func (v Version) Equal(other Version) bool { return covers(v, other) && covers(other, v) }

// covers says whether a has seen all that b has.
func covers(a, b Version) bool {
	for node, n := range b {
		if a[node] < n {
			return false
		}
	}
	return true
}

// Next is the version after one more write of a node. In a store with one counter that counter goes on.
func (v Version) Next(node string) Version {
	next := maps.Clone(v)
	if next == nil {
		next = Version{}
	}
	if v.isCounter() {
		node = ""
	}
	next[node]++
	return next
}

// isCounter says whether there is no component with a name.
func (v Version) isCounter() bool {
	for node, n := range v {
		if node != "" && n > 0 {
			return false
		}
	}
	return true
}

// String is the one way to write a version: "7" for a counter, "a=3,b=1" in the order of the names otherwise, without zeros.
func (v Version) String() string {
	if v.isCounter() {
		return strconv.FormatUint(v[""], 10)
	}
	var parts []string
	for _, node := range slices.Sorted(maps.Keys(v)) {
		if n := v[node]; n > 0 {
			parts = append(parts, node+"="+strconv.FormatUint(n, 10))
		}
	}
	return strings.Join(parts, ",")
}

// ParseVersion reads what String writes, and nothing else: two texts are the same version only if they are the same text.
func ParseVersion(text string) (Version, error) {
	v := Version{}
	for part := range strings.SplitSeq(text, ",") {
		node, number, named := strings.Cut(part, "=")
		if !named {
			node, number = "", part
		}
		n, err := strconv.ParseUint(number, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("read version %q: %q is not a number", text, number)
		}
		v[node] = n
	}
	if err := v.Check(); err != nil {
		return nil, fmt.Errorf("read version %q: %w", text, err)
	}
	if v.String() != text {
		return nil, fmt.Errorf("read version %q: write it as %q", text, v.String())
	}
	return v, nil
}

// mostComponents bounds a version.
const mostComponents = 256

// Check refuses a version that cannot be written.
func (v Version) Check() error {
	if len(v) > mostComponents {
		return fmt.Errorf("a version of %d components, at most %d", len(v), mostComponents)
	}
	counter := v.isCounter()
	for node, n := range v {
		switch {
		case n > MaxNumber:
			return fmt.Errorf("version component %d is over %d", n, uint64(MaxNumber))
		case node == "" && n > 0 && !counter:
			return errors.New("a version is one counter or has a name for each component")
		case node != "" && (!isName(node, longestName) || strings.ContainsAny(node, "=,")):
			return fmt.Errorf("version component %q is not a node's name", node)
		}
	}
	return nil
}

// MarshalJSON writes a counter as a number and a vector as an object.
func (v Version) MarshalJSON() ([]byte, error) {
	if v.isCounter() {
		return strconv.AppendUint(nil, v[""], 10), nil
	}
	return json.Marshal(map[string]uint64(v))
}

// UnmarshalJSON reads both.
func (v *Version) UnmarshalJSON(text []byte) error {
	var n uint64
	if err := json.Unmarshal(text, &n); err == nil {
		*v = Counter(n)
		return v.Check()
	}
	var vector map[string]uint64
	if err := json.Unmarshal(text, &vector); err != nil {
		return fmt.Errorf("read version: neither a number nor an object of numbers: %w", err)
	}
	*v = vector
	return v.Check()
}
