package probe_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firebreak-sre/firebreak/handlers/sessiondrift/probe"
	"github.com/firebreak-sre/firebreak/internal/sessions"
	"github.com/firebreak-sre/firebreak/internal/sessions/sessionstest"
	"github.com/firebreak-sre/firebreak/policy"
)

// memory is a store in this process with three whole members and some sessions.
func memory(t *testing.T, n int) *sessionstest.Memory {
	t.Helper()
	m := sessionstest.NewMemory(time.Now, ttl)
	for name, sees := range map[string][]string{"a": {"b", "c"}, "b": {"a", "c"}, "c": {"a", "b"}} {
		m.Register(sessions.Node{Name: name, Epoch: 7, Since: time.Now().Add(-time.Hour), LeaseUntil: time.Now().Add(time.Hour), Sees: sees})
	}
	for i := range n {
		makeIn(t, m, sessions.Key{ID: fmt.Sprintf("s-%05d", i)}, sessions.Counter(1), -3600)
	}
	return m
}

// makeIn writes one session of a node that is not registered.
func makeIn(t *testing.T, m *sessionstest.Memory, key sessions.Key, version sessions.Version, leaseIn float64) {
	t.Helper()
	err := m.Make(t.Context(), sessionstest.Made{Key: key, Owner: "dead", Epoch: 7, Version: version, Priority: sessions.Normal, LeaseIn: leaseIn})
	if err != nil {
		t.Fatal(err)
	}
}

// lying is a store of which single answers are other ones. What is nil is answered truly.
type lying struct {
	sessions.Looker
	membership  func(sessions.Membership) (sessions.Membership, error)
	replication func(sessions.Replication) (sessions.Replication, error)
	list        func(context.Context, sessions.Query, sessions.Page) (sessions.Page, error)
	digest      func(context.Context, string, sessions.Digest) (sessions.Digest, error)
	cut         func(sessions.Cut) sessions.Cut
}

func (l lying) Membership(ctx context.Context) (sessions.Membership, error) {
	m, err := l.Looker.Membership(ctx)
	if err == nil && l.membership != nil {
		return l.membership(m)
	}
	return m, err
}

func (l lying) Replication(ctx context.Context) (sessions.Replication, error) {
	r, err := l.Looker.Replication(ctx)
	if err == nil && l.replication != nil {
		return l.replication(r)
	}
	return r, err
}

func (l lying) List(ctx context.Context, q sessions.Query) (sessions.Page, error) {
	page, err := l.Looker.List(ctx, q)
	if err == nil && l.list != nil {
		return l.list(ctx, q, page)
	}
	return page, err
}

func (l lying) Digest(ctx context.Context, node string, cut sessions.Cut) (sessions.Digest, error) {
	d, err := l.Looker.Digest(ctx, node, cut)
	if err == nil && l.digest != nil {
		return l.digest(ctx, node, d)
	}
	return d, err
}

func (l lying) Cut(ctx context.Context) (sessions.Cut, error) {
	cut, err := l.Looker.Cut(ctx)
	if err == nil && l.cut != nil {
		return l.cut(cut), nil
	}
	return cut, err
}

// TestBelievesNoLies: an answer that cannot be true, or cannot be kept, is a problem of its part, and of no other.
func TestBelievesNoLies(t *testing.T) {
	t.Parallel()
	members := func(change func(*sessions.Membership)) lying {
		return lying{membership: func(m sessions.Membership) (sessions.Membership, error) { change(&m); return m, nil }}
	}
	replica := func(change func(*sessions.Replication)) lying {
		return lying{replication: func(r sessions.Replication) (sessions.Replication, error) { change(&r); return r, nil }}
	}
	const unread, uncompared = "; orphans: the sessions were not read", "; contents: nothing was compared"
	const nameless = `replicas: replica "replica1" has no usable name or lag`
	for what, c := range map[string]struct {
		store lying
		want  string
	}{
		"the truth": {lying{}, ""},
		"another ttl": {members(func(m *sessions.Membership) { m.TTL *= 2 }),
			"members: the store says that leases last 2m0s, and the policy 1m0s" + unread},
		"a quorum": {members(func(m *sessions.Membership) { m.Members = m.Members[:0] }),
			"members: the membership says that it has a quorum" + unread},
		"many vouch": {members(func(m *sessions.Membership) { m.Members[0].Vouched = make([]string, 99) }),
			"members: the membership names voters" + unread},
		"unreadable": {lying{membership: func(m sessions.Membership) (sessions.Membership, error) { return m, errors.New("no\x1b[1m luck") }},
			"members: no [1m luck" + unread},
		"no lag":        {replica(func(r *sessions.Replication) { r.Replicas[0].LagSeconds = math.NaN() }), nameless + uncompared},
		"endless lag":   {replica(func(r *sessions.Replication) { r.Replicas[0].LagSeconds = math.Inf(1) }), nameless + uncompared},
		"twice":         {replica(func(r *sessions.Replication) { r.Replicas = append(r.Replicas, r.Replicas[0]) }), nameless + ", or is there twice" + uncompared},
		"many replicas": {replica(func(r *sessions.Replication) { r.Replicas = make([]sessions.Replica, 33) }), "replicas: there are 33 replicas, at most 32"},
		"long history": {replica(func(r *sessions.Replication) { r.Cut.History = strings.Repeat("x", 999) }),
			"replicas: the position is of a history" + uncompared},
		"a cut": {lying{cut: func(sessions.Cut) sessions.Cut { return sessions.Cut{History: "\n"} }}, "contents: the position is of a history"},
		"another digest": {lying{digest: func(_ context.Context, node string, d sessions.Digest) (sessions.Digest, error) {
			return d, errors.New("of " + node)
		}}, "contents: of"},
		"endless pages": {lying{list: func(_ context.Context, _ sessions.Query, p sessions.Page) (sessions.Page, error) {
			p.Next = "again"
			return p, nil
		}}, "orphans: list sessions: the pages never end; copies: list sessions: the pages never end"},
	} {
		c.store.Looker = memory(t, 3)
		o := look(t, prober(t, c.store, nil))
		got := strings.ReplaceAll(problems(o), "\n", "; ")
		if !inOrder(got, strings.Split(c.want, "; ")) || (c.want == "") != (got == "") {
			t.Errorf("%s:\ngot  %s\nwant %s", what, got, c.want)
		}
		if _, err := json.Marshal(o); err != nil {
			t.Errorf("%s: the look cannot be kept: %v", what, err)
		}
	}
}

// inOrder says whether a text has all parts, one after the other.
func inOrder(text string, parts []string) bool {
	for _, part := range parts {
		_, after, found := strings.Cut(text, part)
		if !found {
			return false
		}
		text = after
	}
	return true
}

// TestStrangers: what a store lists as live and is not is counted, and nothing else.
func TestStrangers(t *testing.T) {
	t.Parallel()
	l := lying{Looker: memory(t, 5), list: func(_ context.Context, _ sessions.Query, p sessions.Page) (sessions.Page, error) {
		p.Sessions[0].Quarantined = &sessions.Quarantined{Action: "x"}
		p.Sessions[1].ID = "a b"
		p.Sessions = append(p.Sessions, p.Sessions[4])
		p.Unreadable = 7
		return p, nil
	}}
	o := look(t, prober(t, l, nil))
	isWell(t, o)
	if r := o.Orphans; r.Read != 3 || r.Unreadable != 9 || r.Count != 3 {
		t.Errorf("got %+v, want 3 read and 9 that are none", r)
	}
}

// TestScanIsBounded: a scan that has read enough says that it is not complete, and that copies may be missing where there are some.
func TestScanIsBounded(t *testing.T) {
	t.Parallel()
	m := memory(t, 2500)
	p := prober(t, m, nil)
	p.Shorten(probe.LookWithin, 1000)
	o := look(t, p)
	isWell(t, o)
	if o.Orphans.Read < 1000 || o.Orphans.Read >= 2500 || o.Orphans.Complete || len(o.Orphans.Oldest) != 200 {
		t.Errorf("got %d read, complete %t, %d told", o.Orphans.Read, o.Orphans.Complete, len(o.Orphans.Oldest))
	}
	makeIn(t, m, sessions.Key{ID: "a", Copy: "a"}, sessions.Version{"a": 1}, 60)
	if o = look(t, p); !strings.Contains(o.Copies.Problem, "copies may be missing") || o.Orphans.Problem != "" {
		t.Errorf("copies: %+v", o.Copies)
	}
}

// TestScanHangs: pages that stop coming end the scan in time, with what was read.
func TestScanHangs(t *testing.T) {
	t.Parallel()
	l := lying{Looker: memory(t, 1500), list: func(ctx context.Context, q sessions.Query, p sessions.Page) (sessions.Page, error) {
		if q.Cursor != "" {
			<-ctx.Done()
			return p, ctx.Err()
		}
		return p, nil
	}}
	p := prober(t, l, nil)
	p.Shorten(400*time.Millisecond, 100_000)
	o := look(t, p)
	isWell(t, o)
	if o.Orphans.Read != sessions.MostListed || o.Orphans.Complete {
		t.Errorf("got %d read, complete %t", o.Orphans.Read, o.Orphans.Complete)
	}
}

// TestManyDiffer: of many buckets that differ only those count that differ at a later cut too, and few are looked into.
func TestManyDiffer(t *testing.T) {
	t.Parallel()
	m := memory(t, 3000)
	m.Hold(true)
	for i := range 3000 { // the replica is behind in all of them, and says that it is not
		makeIn(t, m, sessions.Key{ID: fmt.Sprintf("s-%05d", i)}, sessions.Counter(2), 60)
	}
	o := look(t, prober(t, believing{m}, nil))
	isWell(t, o)
	r := o.Contents.Replicas[0]
	if r.Buckets != sessions.Buckets || r.Examined != 4 || len(r.Differences) != 100 || !r.More || r.Differences[0].Drift != sessions.Behind {
		t.Errorf("got %d buckets, %d examined, %d differences, %v", r.Buckets, r.Examined, len(r.Differences), r.Differences[0])
	}
	if _, err := json.Marshal(o); err != nil {
		t.Error(err)
	}
}

// TestOnItsWay: what differs at one cut and not at the next was on its way, and is not looked into.
func TestOnItsWay(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	l := lying{Looker: memory(t, 100), digest: func(_ context.Context, node string, d sessions.Digest) (sessions.Digest, error) {
		if node != sessions.Primary {
			d.Buckets[7].Hash = "of a session that is gone when it is looked into"
			if calls.Add(1) == 1 {
				for i := range 20 {
					d.Buckets[i].Count++
				}
			}
		}
		return d, nil
	}}
	o := look(t, prober(t, l, nil))
	isWell(t, o)
	if r := o.Contents.Replicas[0]; r.Buckets != 1 || r.Examined != 1 || len(r.Differences) != 0 || calls.Load() != 2 {
		t.Errorf("got %+v after %d digests, want the one bucket that differs twice", r, calls.Load())
	}
}

// believing is a store whose replica says that it has reached every cut.
type believing struct{ sessions.Looker }

func (b believing) Digest(ctx context.Context, node string, _ sessions.Cut) (sessions.Digest, error) {
	return b.Looker.Digest(ctx, node, sessions.Cut{})
}

func (b believing) List(ctx context.Context, q sessions.Query) (sessions.Page, error) {
	q.Cut = sessions.Cut{}
	return b.Looker.List(ctx, q)
}

// TestCopiesAreBounded: groups that are too large, or too many, are left out and said to be.
func TestCopiesAreBounded(t *testing.T) {
	t.Parallel()
	m := memory(t, 0)
	for i := range 60 {
		makeIn(t, m, sessions.Key{ID: "large", Copy: fmt.Sprintf("n%d", i)}, sessions.Version{fmt.Sprintf("n%d", i): 1}, 60)
	}
	for i := range 55 {
		id := fmt.Sprintf("g-%02d", i)
		makeIn(t, m, sessions.Key{ID: id, Copy: "a"}, sessions.Version{"a": 2}, 60)
		makeIn(t, m, sessions.Key{ID: id, Copy: "b"}, sessions.Version{"a": 1}, 60)
	}
	o := look(t, prober(t, m, nil))
	isWell(t, o)
	if len(o.Copies.Dominated) != 50 || len(o.Copies.Concurrent) != 0 || !o.Copies.More || o.Copies.Dominated[49][0].ID != "g-49" {
		t.Errorf("got %d dominated, %d concurrent, more %t", len(o.Copies.Dominated), len(o.Copies.Concurrent), o.Copies.More)
	}
}

// TestRecordIsBounded: sessions with huge versions do not make a look that cannot be kept.
func TestRecordIsBounded(t *testing.T) {
	t.Parallel()
	m := memory(t, 0)
	version := sessions.Version{}
	for i := range 250 {
		version[fmt.Sprintf("%s-%03d", strings.Repeat("n", 80), i)] = 1
	}
	for i := range 100 {
		makeIn(t, m, sessions.Key{ID: fmt.Sprintf("s-%03d", i), Copy: "a"}, version, -3600)
		makeIn(t, m, sessions.Key{ID: fmt.Sprintf("s-%03d", i), Copy: "b"}, sessions.Version{"x": 1}, -3600)
	}
	o := look(t, prober(t, m, nil))
	isWell(t, o)
	text, err := json.Marshal(o)
	if err != nil || len(text) > 700<<10 {
		t.Errorf("the look has %d bytes, %v", len(text), err)
	}
	if o.Orphans.Count != 200 || len(o.Orphans.Oldest) == 0 || len(o.Orphans.Oldest) == 200 || len(o.Copies.Concurrent) == 0 || !o.Copies.More {
		t.Errorf("got %d orphans, %d told, %d groups, more %t", o.Orphans.Count, len(o.Orphans.Oldest), len(o.Copies.Concurrent), o.Copies.More)
	}
}

// TestClock: a store whose clock is off is found out, by the answer that took least: told late, the others say less.
func TestClock(t *testing.T) {
	t.Parallel()
	late := func() { <-time.After(time.Second) }
	for _, off := range []time.Duration{-3 * time.Second, 0, 3 * time.Second} {
		for what, slow := range map[string]lying{
			"members": {membership: func(m sessions.Membership) (sessions.Membership, error) { late(); return m, nil }},
			"list": {list: func(_ context.Context, _ sessions.Query, p sessions.Page) (sessions.Page, error) {
				late()
				return p, nil
			}},
		} {
			synctest.Test(t, func(t *testing.T) {
				m := sessionstest.NewMemory(func() time.Time { return time.Now().Add(off) }, ttl)
				makeIn(t, m, sessions.Key{ID: "a"}, sessions.Counter(1), 60)
				slow.Looker = m
				k := look(t, prober(t, slow, nil)).Clock
				if wrong := math.Abs(k.Offset - off.Seconds()); k.Within <= 0 || k.Within > 0.001 || wrong > k.Within+0.001 {
					t.Errorf("off by %s, slow %s: got %+v", off, what, k)
				}
			})
		}
	}
}

// TestNew: what is named must be there, and what is not named is not looked at.
func TestNew(t *testing.T) {
	t.Parallel()
	p := policyOf(nil)
	p.Handlers.SessionDrift.Stores = append(p.Handlers.SessionDrift.Stores, policy.DriftStore{Store: "nowhere"})
	_, err := probe.New(p, map[string]sessions.Looker{"nowhere": memory(t, 0)}, nil)
	for _, want := range []string{`store "webshop": nothing to look at it with`, `store "nowhere": sessions names no such store`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	known, err := probe.New(policyOf(nil), map[string]sessions.Looker{name: memory(t, 0)}, &http.Client{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := known.Observe(t.Context(), "other"); !errors.Is(err, probe.ErrUnknownTarget) {
		t.Errorf("another target: %v", err)
	}
}
