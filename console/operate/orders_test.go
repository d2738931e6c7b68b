package operate_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/console/operate"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/ledger"
)

func now() time.Time { return time.Now() }

// What waits for a yes is listed as it must be answered; the answers are counted, each person once, and a no ends it.
func TestApprovals(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	late := asked("q9", "plan-9", "open", 1)
	late.Asking.Until = now().Add(-time.Second)
	w.open(t, "late/one", late)
	w.open(t, "quiet/one")
	st := w.open(t, "waits/one", asked("q1", "plan-1", "retry_budget", 2))
	list := lines[operate.Approval](t, w, "approvals")
	if len(list) != 1 || list[0].Incident != st.ID || list[0].Asking != "q1" || list[0].Plan != "plan-1" || list[0].Need != 2 || list[0].Have != 0 ||
		list[0].Step.Fix != "retry_budget" || list[0].Until.IsZero() || list[0].Why == "" {
		t.Fatalf("got %+v, want the one that can still be answered", list)
	}
	yes := request{http.MethodPost, "incidents/" + st.ID.String() + "/approve", bob, `{"asking":"q1","plan":"plan-1"}`, nil}
	if a := w.do(t, yes); a.status != http.StatusOK || read[operate.Answered](t, a).Have != 1 {
		t.Errorf("bob: got %d: %s, want 1 of 2", a.status, a.body)
	}
	if a := w.do(t, yes); a.status != http.StatusConflict || a.Code != "said_already" {
		t.Errorf("bob again: got %d: %s, want 409", a.status, a.body)
	}
	if list := lines[operate.Approval](t, w, "approvals"); len(list) != 1 || list[0].Have != 1 || list[0].By[0].Name != "bob" {
		t.Errorf("got %+v, want that bob said yes", list)
	}
	no := yes
	no.path, no.token, no.body = strings.Replace(yes.path, "approve", "deny", 1), alice, `{"asking":"q1","plan":"plan-1","reason":"not now"}`
	if a := w.do(t, no); a.status != http.StatusOK || !read[operate.Answered](t, a).Denied {
		t.Errorf("alice denies: got %d: %s", a.status, a.body)
	}
	if list := lines[operate.Approval](t, w, "approvals"); len(list) != 0 {
		t.Errorf("got %+v, want nothing after the no", list)
	}
}

// Whoever asked for a change by an override does not approve it.
func TestOwnRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	ask := asked("q1", "plan-1", "retry_budget", 1)
	ask.Asking.By = &incidents.Person{Name: "alice", Via: "api"}
	st := w.open(t, "waits/one", ask)
	a := w.do(t, request{http.MethodPost, "incidents/" + st.ID.String() + "/approve", alice, `{"asking":"q1","plan":"plan-1"}`, nil})
	if a.status != http.StatusForbidden || a.Code != "own_request" {
		t.Errorf("got %d: %s, want 403", a.status, a.body)
	}
}

// Of many answers at once every person counts once, and a no and a yes are never both taken.
func TestAnswersAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	st := w.open(t, "waits/one", asked("q1", "plan-1", "retry_budget", 2))
	verdicts := w.atOnce(t, st.ID, []string{"approve", "approve", "approve", "approve"}, []string{alice, bob, alice, bob})
	if got := slices.Sorted(slices.Values(verdicts)); !slices.Equal(got, []int{200, 200, 409, 409}) {
		t.Errorf("four yeses of two people: got %v, want two taken and two refused", got)
	}
	if got, err := w.store.Load(within(t), st.ID); err != nil || len(got.Approvals) != 2 || got.Approvals[0].Person.Same(got.Approvals[1].Person) {
		t.Errorf("got %+v (%v), want two different people", got.Approvals, err)
	}
	for n := range 8 {
		st := w.open(t, fmt.Sprintf("waits/%d", n), asked("q1", "plan-1", "retry_budget", 1))
		verdicts := w.atOnce(t, st.ID, []string{"deny", "deny"}, []string{alice, bob})
		if got := slices.Sorted(slices.Values(verdicts)); !slices.Equal(got, []int{200, 409}) {
			t.Errorf("two noes: got %v, want one taken, and the other one told that nothing is asked", got)
		}
	}
}

// atOnce answers an asking by several people at the same time.
func (w *world) atOnce(t *testing.T, id incidents.ID, verbs, tokens []string) []int {
	t.Helper()
	got := make([]int, len(verbs))
	var wg sync.WaitGroup
	for i := range verbs {
		wg.Go(func() {
			got[i] = w.do(t, request{http.MethodPost, "incidents/" + id.String() + "/" + verbs[i], tokens[i], `{"asking":"q1","plan":"plan-1"}`, nil}).status
		})
	}
	wg.Wait()
	return got
}

// An acknowledgement lifts what waits for it in the real ledger, and says what; a recall and an override are in the record.
func TestAckRecallOverride(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	done := w.open(t, "done/one", ends()...)
	id := done.ID.String()
	if _, err := w.ledger.Reserve(within(t), ledger.Ask{Incident: id, Domain: "checkout", Zone: "all", Target: "retrystorm:done/one",
		Action: "breaker/retry_budget", Class: remediations.ClassP}, now()); err != nil {
		t.Fatal(err)
	}
	if a := w.do(t, request{http.MethodPost, "incidents/" + id + "/ack", carol, `{}`, nil}); a.status != http.StatusConflict || a.Code != "standing" {
		t.Errorf("ack while the ledger holds the lock: got %d: %s, want 409", a.status, a.body)
	}
	if err := w.ledger.Release(within(t), ledger.End{Incident: id, Domain: "checkout", Class: remediations.ClassP, Doubt: true}, now()); err != nil {
		t.Fatal(err)
	}
	a := w.do(t, request{http.MethodPost, "incidents/" + id + "/ack", carol, `{"reason":"all well"}`, nil})
	if got := read[operate.Acked](t, a); a.status != http.StatusOK || !slices.Equal(got.Lifted, []string{"frozen", "unacknowledged"}) {
		t.Errorf("got %d: %s, want that both are lifted", a.status, a.body)
	}
	under := w.open(t, "under/way", stands()...)
	if a := w.do(t, request{http.MethodPost, "incidents/" + under.ID.String() + "/recall", carol, `{"reason":"harm"}`, nil}); a.status != http.StatusOK {
		t.Errorf("recall: got %d: %s", a.status, a.body)
	}
	got, err := w.store.Load(within(t), under.ID)
	if err != nil || got.Recall == nil || got.Recall.Person.Name != "carol" || got.Recall.Why != "harm" {
		t.Errorf("got %+v, %v, want carol's recall", got, err)
	}
}

// All that blocks is listed with what lifts it, and what cannot be read is never shown as nothing.
func TestBlocked(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	if list := lines[operate.Block](t, w, "blocked"); len(list) != 0 {
		t.Fatalf("got %+v of a calm world, want nothing", list)
	}
	w.do(t, request{http.MethodPost, "kill-switch", carol, `{"reason":"it fights us"}`, nil})
	if err := os.WriteFile(w.stop, []byte("by hand\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.do(t, request{http.MethodPost, "pauses", carol, `{"reason":"deploy","for":"1h","domain":"checkout"}`, nil})
	if err := w.ledger.Surge(within(t), "", now()); err != nil {
		t.Fatal(err)
	}
	st := w.open(t, "refused/one", incidents.Event{Kind: incidents.Refused, Refusal: &incidents.Refusal{Reason: remediations.ReasonCooldown, Words: "wait"}})
	w.open(t, "fine/one")
	w.open(t, "over/one", append([]incidents.Event{{Kind: incidents.Refused, Refusal: &incidents.Refusal{Reason: remediations.ReasonPaused}}}, closed()...)...)
	list := lines[operate.Block](t, w, "blocked")
	var got []string
	for _, b := range list {
		got = append(got, string(b.What)+" "+b.ID+" "+string(b.Reason)+" "+b.Where)
		if b.Words == "" || b.Lifts == "" {
			t.Errorf("%+v says not what it is, or not what lifts it", b)
		}
	}
	want := []string{"switch file kill_switch this replica", "switch document kill_switch everything", "pause p1 paused failure domain checkout",
		"limit  storm everything", "incident " + st.ID.String() + " cooldown refused/one"}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if last := list[len(list)-1]; last.Since.IsZero() {
		t.Errorf("got %+v, want since when it is refused", last)
	}
	if list := lines[ledger.Budget](t, w, "budget"); len(list) != 1 || list[0].HourMax != 3 {
		t.Errorf("got the budgets %+v", list)
	}
}

// broken is a part that cannot be read.
type broken struct{}

var errBroken = errors.New("the bus does not answer")

func (broken) View(context.Context, time.Time) (ledger.View, error) { return ledger.View{}, errBroken }
func (broken) Open(context.Context) (map[string]time.Time, error)   { return nil, errBroken }
func (broken) Check(string, string, time.Time) *remediations.NoError {
	return &remediations.NoError{Reason: remediations.ReasonMaintenance, Words: "patching"}
}

// A ledger that cannot be read blocks; incidents that cannot be listed are an error, never an empty list. Windows and the watchdog are shown.
func TestBlockedUnread(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *operate.Config) { c.Ledger, c.Windows = broken{}, broken{} })
	list := lines[operate.Block](t, w, "blocked")
	if len(list) != 2 || list[0].Reason != remediations.ReasonMaintenance || list[1].Reason != remediations.ReasonLedger {
		t.Errorf("got %+v, want the window and the unread ledger", list)
	}
	if a := w.do(t, request{method: http.MethodGet, path: "budget", token: dave}); a.status != http.StatusServiceUnavailable {
		t.Errorf("budget: got %d, want 503", a.status)
	}
	w = newWorld(t, func(c *operate.Config) { c.Agenda = broken{} })
	for _, path := range []string{"blocked", "approvals"} {
		if a := w.do(t, request{method: http.MethodGet, path: path, token: dave}); a.status != http.StatusServiceUnavailable || a.Code != "unavailable" {
			t.Errorf("%s: got %d: %s, want 503", path, a.status, a.body)
		}
	}
	w.bus.Close()
	if a := w.do(t, request{http.MethodPost, "kill-switch", carol, `{"reason":"r"}`, nil}); a.status != http.StatusServiceUnavailable {
		t.Errorf("the switch without a bus: got %d: %s, want 503", a.status, a.body)
	}
	if g := read[operate.Guarded](t, w.do(t, request{method: http.MethodGet, path: "guard", token: dave})); g.Acting {
		t.Errorf("got %+v, want that an unread switch is off", g)
	}
}
