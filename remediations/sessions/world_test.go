package sessions_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	store "github.com/firebreak-sre/firebreak/internal/sessions"
	"github.com/firebreak-sre/firebreak/internal/sessions/sessionstest"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/sessions"
)

const (
	ttl    = time.Minute
	shop   = "webshop"
	action = "0123456789abcdef0123" // as long as the loop's
	// timeout is that of most orders: long enough for all stages.
	timeout = 15 * time.Second
)

// fixes are all of them.
func fixes() []string { return []string{"sync", "quarantine", "reconcile", "set_aside", "recover"} }

// undone are those that can be taken back.
func undone() []string { return fixes()[1:] }

// world is a store with a clock of its own, that can be behind this package's view of it.
type world struct {
	*sessionstest.Memory
	// ahead is how far the store's clock is from ours.
	ahead *atomic.Int64
	// between is what the remediation reaches the store through.
	between *between
	rem     *sessions.Stores
}

// crowd is how many sessions a world has: so many that six may be taken at once.
const crowd = 600

// newWorld has three nodes, and sessions of somebody who is none of them. What they hold is their id.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{ahead: &atomic.Int64{}}
	w.ahead.Store(int64(-26 * time.Hour)) // a clock that nobody has set right
	w.Memory = sessionstest.NewMemory(w.clock, ttl)
	w.register(7)
	w.between = &between{Store: w.Memory}
	var err error
	if w.rem, err = sessions.New(map[string]sessions.Config{shop: {Store: w.between}}); err != nil {
		t.Fatal(err)
	}
	w.Hold(true) // the replica would copy everything with each of them
	for i := range crowd {
		w.orphan(t, id(i), store.Priorities()[i%4])
	}
	w.Hold(false)
	return w
}

func (w *world) clock() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) }

// pass lets time pass by the store's clock.
func (w *world) pass(d time.Duration) { w.ahead.Add(int64(d)) }

// register gives the three nodes leases for long, in an epoch.
func (w *world) register(epoch uint64) {
	for name, sees := range map[string][]string{"a": {"b", "c"}, "b": {"a", "c"}, "c": {"a", "b"}} {
		w.Register(store.Node{Name: name, Epoch: epoch, Since: w.clock().Add(-time.Hour), LeaseUntil: w.clock().Add(100 * time.Hour), Sees: sees})
	}
}

func id(i int) string { return fmt.Sprintf("user-%d", i) }

func (w *world) make(t *testing.T, m sessionstest.Made) {
	t.Helper()
	m.Contents = map[string]string{"data": m.Key.String()}
	if err := w.Make(t.Context(), m); err != nil {
		t.Fatal(err)
	}
}

func (w *world) orphan(t *testing.T, id string, p store.Priority) {
	t.Helper()
	w.make(t, sessionstest.Made{Key: store.Key{ID: id}, Owner: "dead", Epoch: 5, Version: store.Counter(3), Priority: p, LeaseIn: -3600})
}

// copies makes n sessions with three copies each: of the dominated kind one copy dominates the two others, of the other kind none does.
func (w *world) copies(t *testing.T, n int, dominated bool) []string {
	t.Helper()
	var ids []string
	for i := range n {
		name := fmt.Sprintf("copied-%d-%t", i, dominated)
		ids = append(ids, name)
		for j, node := range []string{"a", "b", "c"} {
			v := store.Version{"a": 1, "b": 1, "c": 1}
			if dominated && node == "a" {
				v["a"] = 5
			} else {
				v[node] += uint64(j)
			}
			if dominated && node != "a" {
				v = store.Version{"a": 1, "b": 1}
			}
			w.make(t, sessionstest.Made{Key: store.Key{ID: name, Copy: node}, Owner: node, Epoch: 7, Version: v, Priority: store.Normal, LeaseIn: 600})
		}
	}
	return ids
}

// list reads live sessions.
func list(t *testing.T, s store.Looker, ids ...string) []store.Session {
	t.Helper()
	page, err := s.List(t.Context(), store.Query{IDs: ids})
	if err != nil || page.Next != "" {
		t.Fatalf("list %d sessions: %v", len(ids), err)
	}
	return page.Sessions
}

func write(t *testing.T, v any) json.RawMessage {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// step is a step with settings, as a handler writes them.
func step(t *testing.T, fix string, settings map[string]any) remediations.Step {
	t.Helper()
	if _, ok := settings["epoch"]; !ok {
		settings["epoch"] = 7
	}
	return remediations.Step{Remediation: sessions.Name, Cluster: shop, Node: "sessions", Fix: fix, Params: write(t, settings),
		Once: true, Undo: fix != "sync", TTL: policy.Duration(10 * time.Minute), Limit: policy.Duration(10 * time.Minute),
		Timeout: policy.Duration(timeout), Reason: "test"}
}

// example is a step of a fix that this world has something to do for, the sessions that it names, and how many it changes.
func (w *world) example(t *testing.T, fix string) (s remediations.Step, ids []string, n int) {
	t.Helper()
	for i := range 6 {
		ids = append(ids, id(i))
	}
	n = len(ids)
	switch fix {
	case "sync":
		return step(t, fix, map[string]any{"ids": ids}), ids, n
	case "quarantine":
		return step(t, fix, map[string]any{"total": crowd, "sessions": list(t, w, ids...)}), ids, n
	case "recover":
		return step(t, fix, map[string]any{"to": "b", "sessions": list(t, w, ids...)}), ids, n
	case "reconcile":
		ids, n = w.copies(t, 3, true), 6
	case "set_aside":
		ids, n = w.copies(t, 2, false), 6
	}
	return step(t, fix, map[string]any{"sessions": list(t, w, ids...)}), ids, n
}

// order looks, and makes the order that follows from it. What was seen goes through the record, as it does in the loop.
func (w *world) order(t *testing.T, s remediations.Step) remediations.Order {
	t.Helper()
	return orderOf(t, w.rem, s)
}

func orderOf(t *testing.T, rem remediations.Remediation, s remediations.Step) remediations.Order {
	t.Helper()
	o := remediations.Order{Step: s, Action: action, Incident: "incident-1", Fence: 5}
	p, err := rem.Check(t.Context(), o)
	if err != nil || p.State != remediations.Absent || p.Clock.IsZero() {
		t.Fatalf("check before: got %+v, %v, want absent", p, err)
	}
	now := time.Now()
	o.Seen, o.Deadline, o.Until = p, now.Add(s.Timeout.D()), now.Add(s.TTL.D())
	var read remediations.Order
	if err := json.Unmarshal(write(t, o), &read); err != nil {
		t.Fatal(err)
	}
	return read
}

// picture is everything that a store holds, in words, with what each session holds.
func (w *world) picture(t *testing.T) string {
	t.Helper()
	var lines []string
	for _, away := range []bool{false, true} {
		for q := (store.Query{Quarantined: away}); ; {
			page, err := w.Memory.List(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range page.Sessions {
				contents, _, err := w.Contents(t.Context(), s.Key)
				if err != nil {
					t.Fatal(err)
				}
				lines = append(lines, fmt.Sprintf("%s %v", s, contents))
			}
			if q.Cursor = page.Next; q.Cursor == "" {
				break
			}
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// away counts the sessions in quarantine, by action.
func away(t *testing.T, s store.Looker) map[string]int {
	t.Helper()
	n := map[string]int{}
	for q := (store.Query{Quarantined: true}); ; {
		page, err := s.List(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range page.Sessions {
			n[one.Quarantined.Action]++
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			return n
		}
	}
}

// owned counts the live sessions of an owner among those of ids.
func owned(t *testing.T, s store.Looker, owner string, ids []string) int {
	t.Helper()
	n := 0
	for _, one := range list(t, s, ids...) {
		if one.Owner == owner {
			n++
		}
	}
	return n
}

// made is a session as somebody else would write it over.
func made(s store.Session, owner string) sessionstest.Made {
	return sessionstest.Made{Key: s.Key, Owner: owner, Epoch: 7, Version: s.Version.Next(owner), Priority: s.Priority, LeaseIn: 600}
}

// lose lets a node fall silent.
func (w *world) lose(name string) {
	w.Register(store.Node{Name: name, Epoch: 7, Since: w.clock().Add(-time.Hour), LeaseUntil: w.clock().Add(-time.Second)})
}
