package modeltest

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
)

// truth is the world's own book-keeping: what was durably written, by whom, and what really happened at the targets.
type truth struct {
	files   map[incidents.ID]*file
	order   []incidents.ID
	open    map[string]incidents.ID // by target
	grants  map[uint64]grant
	ledger  sheet
	effects map[string]int // by action
}

// file is one incident.
type file struct {
	st      *incidents.State
	closed  int
	decided incidents.Event
	// asking is the last one that was asked, and who has said yes since.
	asking *incidents.Asking
	yes    []incidents.Person
	// override is a person's, until a change was let pass by it.
	override *incidents.Event
	// byFence says which action a grant paid for.
	byFence map[uint64]string
}

// grant is a change that the ledger let pass, as its document said.
type grant struct {
	Domain, Incident, Action string
	At                       time.Time
	Override                 bool
}

// sheet is as much of the ledger's document as is counted again.
type sheet struct {
	Fence  uint64 `json:"fence"`
	Active map[string]struct {
		Incident string `json:"incident"`
		Fence    uint64 `json:"fence"`
		Override bool   `json:"override"`
	} `json:"active"`
	Spent []struct {
		Domain string    `json:"domain"`
		Action string    `json:"action"`
		Fence  uint64    `json:"fence"`
		At     time.Time `json:"at"`
	} `json:"spent"`
}

func newTruth() truth {
	return truth{files: map[incidents.ID]*file{}, open: map[string]incidents.ID{}, grants: map[uint64]grant{}, effects: map[string]int{}}
}

// appended holds a durable message against the invariants of the record.
func (w *world) appended(m bus.Msg) {
	events, err := incidents.Decode(m.Data)
	if err != nil {
		w.fail("a message cannot be read: %v", err)
		return
	}
	id, err := incidents.IDOfSubject(m.Subject)
	if err != nil {
		w.fail("subject: %v", err)
		return
	}
	f := w.truth.files[id]
	if f == nil {
		f = &file{st: incidents.Fold(nil), byFence: map[uint64]string{}}
		w.truth.files[id] = f
		w.truth.order = append(w.truth.order, id)
		w.count.incidents++
	}
	for _, e := range events {
		w.before(id, f, e)
		f.st.Apply(e)
		if e.Kind == incidents.Spent && (f.st.Stage != incidents.Settled || f.st.Fix().Times.Ended.IsZero()) {
			w.fail("once: %s is spent, and its change has not ended (stage %s)", id, f.st.Stage)
		}
	}
	f.st.Seq = m.Seq
	w.locks()
}

// before holds one event against the state that it finds.
func (w *world) before(id incidents.ID, f *file, e incidents.Event) {
	if f.closed > 0 && e.Kind != incidents.Acked {
		w.fail("I5: %s: %s behind the end", id, e.Kind)
	}
	w.released(id, f, e)
	w.happened(id, f, e)
	w.kept(id, f, e)
	switch e.Kind {
	case incidents.Opened:
		if other, ok := w.truth.open[e.Opening.Target]; ok {
			w.fail("I5: %s opened while %s is open for %s", id, other, e.Opening.Target)
		}
		w.truth.open[e.Opening.Target] = id
	case incidents.Closed:
		f.closed++
		w.count.closed++
		w.count.outcomes[e.Closing.Outcome]++
		delete(w.truth.open, f.st.Target)
		if x := f.st.Fix(); x != nil && x.Times.Ended.IsZero() {
			w.fail("I5: %s closed while its change is under way", id)
		}
	case incidents.Decided:
		f.decided = e
	case incidents.Refused:
		w.count.refusals++
		w.count.reasons[e.Refusal.Reason]++
		if !slices.Contains(remediations.Reasons(), e.Refusal.Reason) {
			w.fail("%s was refused with %q, which is no reason", id, e.Refusal.Reason)
		}
	case incidents.Asked:
		f.asking, f.yes = e.Asking, nil
		if e.Asking.Plan != f.decided.Plan {
			w.fail("I7: %s asked about another plan than it decided on", id)
		}
	case incidents.Approved:
		w.count.approvals++
		f.yes = append(f.yes, *e.Person)
		if f.asking == nil || e.Plan != f.asking.Plan {
			w.fail("I7: %s: an approval of a plan that nobody asked about", id)
		}
	case incidents.Overridden:
		f.override = &e
	case incidents.Denied, incidents.Expired, incidents.Voided:
		f.asking, f.yes = nil, nil
	case incidents.Intended:
		w.intended(id, f, e)
	case incidents.Issuing:
		w.issuing(id, f, e)
	case incidents.NotApplied, incidents.GaveUp, incidents.Reverted, incidents.NotOurs:
		x := f.st.Fix()
		if x == nil {
			w.fail("%s: %s without a change", id, e.Kind)
			break
		}
		t := w.targets[f.st.Target]
		if t.settle(); t.value == x.Order.Action && !t.late {
			w.fail("%s: %s is recorded while the change stands at %s", id, e.Kind, t.name)
		}
	case incidents.Applied:
		if x := f.st.Fix(); x == nil || f.st.Stage != incidents.Sending && f.st.Stage != incidents.Doubtful {
			w.fail("%s: applied at stage %s", id, f.st.Stage)
		} else if w.truth.effects[x.Order.Action] == 0 && !w.levelElsewhere(x.Order) && !w.satisfied(x.Order, e) {
			w.fail("%s: applied is recorded and nothing took effect", id)
		}
	}
}

// levelElsewhere says that a level without owner could be taken for this order's.
func (w *world) levelElsewhere(o remediations.Order) bool { return o.Remediation == string(level) }

// intended: the plan is the one that was decided on and, if people had to agree, approved; the grant is there, and is its own.
func (w *world) intended(id incidents.ID, f *file, e incidents.Event) {
	o := e.Order
	want := *f.decided.Decision.Step
	if o.Remediation != string(fencing) {
		want.TTL, want.Ramp = want.Limit, nil
	}
	if o.Plan == "" || o.Plan != f.decided.Plan || asText(o.Step) != asText(want) {
		w.fail("I7: %s intends another change than it decided on", id)
	}
	if o.Seen.State != remediations.Absent {
		w.fail("I8: %s intends a change at a target that was seen %q", id, o.Seen.State)
	}
	g, ok := w.truth.grants[o.Fence]
	if !ok || g.Incident != id.String() || g.Domain != f.st.Domain {
		w.fail("I2: %s intends a change that the ledger did not grant (fence %d: %+v)", id, o.Fence, g)
	}
	if other, used := f.byFence[o.Fence]; used && other != o.Action {
		w.fail("I2: %s: grant %d pays for two changes", id, o.Fence)
	}
	f.byFence[o.Fence] = o.Action
	if o.Override != "" {
		w.count.overrides++
		// It must have counted when the worker took the incident in hand; that it stood still since is the gap before every write.
		if l := w.current; f.override == nil || !l.since.Before(f.override.Until.Add(time.Second)) {
			w.fail("I6: %s intends a change past the brakes that nobody let pass", id)
		}
	}
	f.override = nil
	w.agreed(id, f, o)
}

// agreed: as many different people as the class demands approved exactly this plan, and nobody their own request.
func (w *world) agreed(id incidents.ID, f *file, o *remediations.Order) {
	t := w.targets[f.st.Target]
	need := 0
	switch {
	case t.class == remediations.ClassP2:
		need = 2
	case t.class == remediations.ClassP:
		need = 1
	case w.current.rep.modes[t.name] == string(policy.Approve) && o.Override == "":
		need = 1
	}
	if need == 0 {
		return
	}
	names := map[string]bool{}
	for _, p := range f.yes {
		if f.asking != nil && f.asking.By != nil && f.asking.By.Name == p.Name {
			continue
		}
		names[p.Name] = true
	}
	if f.asking == nil || f.asking.Plan != o.Plan || len(names) < need {
		w.fail("I7: %s intends a change of class %s that %d of %d people approved", id, t.class, len(names), need)
	}
}

// issuing: armed before, unchanged since, still true, and let pass by the last gate in this very job.
func (w *world) issuing(id incidents.ID, f *file, e incidents.Event) {
	w.count.issued++
	x, o, l := f.st.Fix(), *e.Order, w.current
	if f.st.Stage != incidents.Planned || x.Order.Action != o.Action || x.Order.Plan != o.Plan || x.Order.Fence != o.Fence ||
		asText(x.Order.Step) != asText(o.Step) {
		w.fail("I2: %s issues what was not intended (stage %s)", id, f.st.Stage)
		return
	}
	switch p := l.passed; {
	case p == nil:
		w.fail("I6: %s issues a change and did not ask the last gate", id)
	case !p.ok || p.stop != "" && o.Override == "":
		w.fail("I6: %s issues a change although %s", id, p.stop)
	case p.domain != f.st.Domain:
		w.fail("I6: %s issues a change for which the gate was not asked", id)
	case o.Deadline.Sub(p.at) > timeout+16*time.Second:
		w.fail("I6: %s issues a change on an answer of the gate that is %s old", id, o.Deadline.Sub(p.at)-timeout)
	}
	l.passed = nil
	mode := policy.Mode(l.rep.modes[f.st.Target])
	if !l.permitted || mode == policy.Off || mode == policy.Observe && o.Override == "" {
		w.fail("I6: %s issues a change in mode %s, permitted %t", id, mode, l.permitted)
	}
	if d := w.decideAgain(f.st, len(f.st.Looks)-1, f.st.Looks[len(f.st.Looks)-1].At); d.Verdict != incidents.Act ||
		asText(d.Step.Params) != asText(o.Params) {
		w.fail("I7: %s issues a change that its last look does not ask for", id)
	}
	if o.Until.Sub(e.At) > min(o.TTL.D(), o.Limit.D()) {
		w.fail("I4: %s issues a change that stands for %s", id, o.Until.Sub(e.At))
	}
}

func asText(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}
