package drifttest

import (
	"context"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/internal/blackbox"
)

// fixedStore is a store that holds what it holds.
type fixedStore struct {
	store
	all   map[string]record
	known []string
}

func (s fixedStore) read(context.Context) (map[string]record, error) { return s.all, nil }
func (s fixedStore) actions(context.Context) ([]string, error)       { return s.known, nil }
func quiescent(id, owner string) record {
	return record{key: id, owner: owner, epoch: 7, version: "1", data: contents(id, 1)}
}
func later(r record, version, data string, more time.Duration) record {
	r.version, r.data, r.lease = version, data, r.lease.Add(more)
	return r
}

// TestHarm: what must not happen to a session is seen, one by one; and what its node does is not.
func TestHarm(t *testing.T) {
	t.Parallel()
	mine, dead, other := later(quiescent("u1", "node-a"), "2", contents("u1", 2), 0), quiescent("u2", "node-e"), quiescent("u3", "node-b")
	taken := func(r record) record { r.by = "action"; return r }
	given := func(r record, to string) record { r = later(r, "2", r.data, time.Second); r.owner = to; return r }
	for _, c := range []struct {
		name  string
		after []record
		harm  bool
	}{
		{name: "nothing", after: []record{mine, dead, other}},
		{name: "its node wrote", after: []record{later(mine, "3", contents("u1", 3), time.Second), dead, other}},
		{name: "may be taken", after: []record{mine, taken(dead), other}},
		{name: "gone", after: []record{mine, dead}, harm: true},
		{name: "made", after: []record{mine, dead, other, quiescent("u4", "node-b")}, harm: true},
		{name: "a living node's taken", after: []record{taken(mine), dead, other}, harm: true},
		{name: "taken and changed", after: []record{mine, taken(later(dead, "1", "else", 0)), other}, harm: true},
		{name: "given away", after: []record{mine, given(dead, "node-a"), other}, harm: true},
		{name: "the dead one's renewed", after: []record{mine, later(dead, "1", dead.data, time.Second), other}, harm: true},
		{name: "older than was acknowledged", after: []record{later(mine, "1", contents("u1", 1), 0), dead, other}, harm: true},
		{name: "an older lease", after: []record{later(mine, "2", mine.data, -time.Second), dead, other}, harm: true},
		{name: "newer than was written", after: []record{later(mine, "4", contents("u1", 4), time.Second), dead, other}, harm: true},
		{name: "torn", after: []record{later(mine, "3", contents("u1", 2), time.Second), dead, other}, harm: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			after := map[string]record{}
			for _, is := range c.after {
				after[is.key] = is
			}
			r := &run{t: t, v: &blackbox.Verdict{}, lab: &lab{Lane: blackbox.NewLane(t), store: fixedStore{all: after}}, app: &app{},
				before: map[string]record{"u1": mine, "u2": dead, "u3": other}, ended: []string{"node-e"}, want: expected{takes: 1, from: []string{"u2"}}}
			r.app.add("node-a", nil, nil, []string{"u1"})
			r.app.nodes[0].tried["u1"], r.app.nodes[0].acked["u1"] = 3, 2
			r.judgeContents()
			if got := len(r.v.Harms) > 0; got != c.harm {
				t.Errorf("harm is %v, want %v: %q", got, c.harm, r.v.Harms)
			}
		})
	}
}

// TestHarmOfActions: an action at the store that no record knows is seen, and so is a node that missed what it serves.
func TestHarmOfActions(t *testing.T) {
	t.Parallel()
	issued := blackbox.Record{Events: []blackbox.Event{{Kind: "issuing", Order: &blackbox.Order{Action: "first"}}}}
	for known, harm := range map[string]bool{"first": false, "first-undo": false, "restore-1": false, "second": true} {
		r := &run{t: t, v: &blackbox.Verdict{}, lab: &lab{Lane: blackbox.NewLane(t), store: fixedStore{known: []string{known}}}}
		r.judgeActions([]blackbox.Record{issued})
		if got := len(r.v.Harms) > 0; got != harm {
			t.Errorf("%s: harm is %v, want %v", known, got, harm)
		}
	}
	r := &run{t: t, v: &blackbox.Verdict{}, app: &app{}}
	r.app.add("node-a", nil, nil, []string{"u1", "u2"})
	r.app.nodes[0].found([]string{"u2"})
	if r.judgeNodes(); len(r.v.Harms) != 1 {
		t.Errorf("harms are %q, want one", r.v.Harms)
	}
	if got, want := slices.Sorted(maps.Keys(r.app.nodes[0].lost)), []string{"u1"}; !slices.Equal(got, want) {
		t.Errorf("lost are %q, want %q", got, want)
	}
}
