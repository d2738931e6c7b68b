package sessions_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	store "github.com/firebreak-sre/firebreak/internal/sessions"
	"github.com/firebreak-sre/firebreak/internal/testbed"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/sessions"
)

// scene is one fix in a real store, with sessions of its own.
type scene struct {
	bed   bed
	store store.Store
	rem   *sessions.Stores
	rows  []row
	step  remediations.Step
	// changes is how many of the rows it changes.
	changes int
}

// newScene makes sessions that a fix is for, under names that nobody else uses.
func newScene(t *testing.T, b bed, name, fix string) *scene {
	t.Helper()
	sc := &scene{bed: b}
	var err error
	if sc.store, err = b.open(); err != nil {
		t.Fatal(err)
	}
	if sc.rem, err = sessions.New(map[string]sessions.Config{shop: {Store: sc.store}}); err != nil {
		t.Fatal(err)
	}
	n := map[string]int{"sync": 10, "quarantine": 15, "reconcile": 6, "set_aside": 4, "recover": 60}[fix]
	for i := range n {
		sc.rows = append(sc.rows, rowsOf(fix, fmt.Sprintf("%s-%s-%d", name, fix, i), i)...)
	}
	sc.changes = map[string]int{"reconcile": 12, "set_aside": 12}[fix]
	if sc.changes == 0 {
		sc.changes = n
	}
	if err := b.make(t.Context(), sc.rows); err != nil {
		t.Fatal(err)
	}
	ids := []string{}
	for _, r := range sc.rows {
		if len(ids) == 0 || ids[len(ids)-1] != r.ID {
			ids = append(ids, r.ID)
		}
	}
	settings := map[string]any{"sessions": list(t, sc.store, ids...)}
	switch fix {
	case "sync":
		settings = map[string]any{"ids": ids}
	case "quarantine":
		m, err := sc.store.Membership(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		settings["total"] = m.Total
	case "recover":
		settings["to"] = "b"
	}
	sc.step = step(t, fix, settings)
	sc.step.Timeout = policy.Duration(6 * time.Second) // a recovery of two stages, and nothing to spare
	return sc
}

// rowsOf is a session with its copies, as a fix would find it.
func rowsOf(fix, id string, i int) []row {
	copied := func(versions ...string) (rows []row) {
		for j, node := range []string{"a", "b", "c"} {
			rows = append(rows, row{store.Key{ID: id, Copy: node}, node, versions[j], store.Normal, time.Hour})
		}
		return rows
	}
	switch fix {
	case "reconcile":
		return copied("a=2,b=1", "a=1", "a=1,b=1")
	case "set_aside":
		return copied("a=2,b=1", "a=1,b=2", "a=1,c=1")
	}
	p := store.Critical
	if i >= 50 {
		p = store.High
	}
	return []row{{store.Key{ID: id}, "dead", "3", p, -time.Hour}}
}

// now reads all live copies of the scene's sessions.
func (sc *scene) now(t *testing.T) map[store.Key]store.Session {
	t.Helper()
	var ids []string
	for _, r := range sc.rows {
		ids = append(ids, r.ID)
	}
	now := map[store.Key]store.Session{}
	for _, s := range list(t, sc.store, ids...) {
		now[s.Key] = s
	}
	return now
}

// whole says that all sessions of the scene are live, as the application wrote them, with what they held.
func (sc *scene) whole(t *testing.T) {
	t.Helper()
	now := sc.now(t)
	held, err := sc.bed.holds(t.Context(), sc.rows)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range sc.rows {
		if s := now[r.Key]; held[i] != r.Key.String() || s.Owner != r.owner || s.Version.String() != r.version {
			t.Fatalf("%s holds %q: %s", r.Key, held[i], s)
		}
	}
	if len(now) != len(sc.rows) {
		t.Errorf("there are %d, and were %d", len(now), len(sc.rows))
	}
}

// changed counts those of the scene's sessions that are away, or with another owner.
func (sc *scene) changed(t *testing.T) int {
	t.Helper()
	n := 0
	now := sc.now(t)
	for _, r := range sc.rows {
		if now[r.Key].Owner != r.owner {
			n++
		}
	}
	return n
}

// settle asks what became of an order until the store can say it.
func (sc *scene) settle(t *testing.T, o remediations.Order) remediations.Presence {
	t.Helper()
	var p remediations.Presence
	testbed.Await(t, patience, "the deadline to pass", func() bool {
		var err error
		if p, err = sc.rem.Fence(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		return p.State != remediations.Unknown
	})
	return p
}

// trial is one order to a real store: what is done with it, and what is looked at after its deadline.
type trial struct {
	name, fix  string
	begin, end func(t *testing.T, sc *scene, o remediations.Order)
}

// Each fix does on real stores what it does in a test's memory, whatever dies, and whoever comes too late. The trials begin one after the
// other, and end when their deadlines have passed.
func TestReal(t *testing.T) {
	t.Parallel()
	beds(t, func(t *testing.T, kind, addr string, b bed) {
		trials := slices.Concat(applied(), tooLate(), kills(t, kind, addr))
		scenes := make([]*scene, len(trials))
		orders := make([]remediations.Order, len(trials))
		for i, one := range trials {
			scenes[i] = newScene(t, b, fmt.Sprintf("%s-%d", kind, i), one.fix)
			orders[i] = orderOf(t, scenes[i].rem, scenes[i].step)
			orders[i].Action = fmt.Sprintf("%020x", i)
			t.Run("begin "+one.name, func(t *testing.T) { one.begin(t, scenes[i], orders[i]) })
		}
		for i, one := range trials {
			t.Run("end "+one.name, func(t *testing.T) { one.end(t, scenes[i], orders[i]) })
		}
	})
}

// applied are fixes of which nothing fails: all of it happens, once, and all is given back, with what the sessions held.
func applied() (trials []trial) {
	for _, fix := range fixes() {
		var r remediations.Receipt
		trials = append(trials, trial{"applied " + fix, fix, func(t *testing.T, sc *scene, o remediations.Order) {
			r = mustApply(t, sc.rem, o)
			t.Log(r.Note)
			if !strings.HasPrefix(r.Note, fmt.Sprintf("%d of %d", sc.changes, sc.changes)) {
				t.Errorf("the note is %q, want %d", r.Note, sc.changes)
			}
			want := sc.changes
			if fix == "sync" {
				want = 0
			}
			if n := sc.changed(t); n != want {
				t.Errorf("%d are changed, want %d", n, want)
			}
		}, func(t *testing.T, sc *scene, o remediations.Order) {
			if p := sc.settle(t, o); p.State != remediations.Ours {
				t.Errorf("afterwards it is %+v", p)
			}
			if fix == "sync" {
				return
			}
			p, err := sc.rem.Check(t.Context(), o)
			wantState(t, p, err, remediations.Satisfied)
			for _, receipt := range []remediations.Receipt{r, {}} {
				if err := sc.rem.Revert(t.Context(), o, receipt); err != nil {
					t.Errorf("revert: %v", err)
				}
				sc.whole(t)
			}
		}})
	}
	return trials
}

// tooLate are orders that nobody sends in time: they are absent, and do nothing when they come after all.
func tooLate() (trials []trial) {
	for _, fix := range fixes() {
		trials = append(trials, trial{"late " + fix, fix, func(*testing.T, *scene, remediations.Order) {},
			func(t *testing.T, sc *scene, o remediations.Order) {
				if p := sc.settle(t, o); p.State != remediations.Absent {
					t.Errorf("afterwards it is %+v", p)
				}
				o.Deadline = time.Now().Add(time.Hour) // our clock is wrong
				if r, err := sc.rem.Apply(t.Context(), o); store.Code(err) != "deadline" {
					t.Errorf("it was carried out: %+v, %v", r, err)
				}
				sc.whole(t)
			}})
	}
	return trials
}

// readOrder reads an order as the record keeps it.
func readOrder(text string) (o remediations.Order, err error) {
	err = json.Unmarshal([]byte(text), &o)
	return o, err
}
