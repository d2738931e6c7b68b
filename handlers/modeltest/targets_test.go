package modeltest

import (
	"strings"
	"time"

	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
)

// kind is one sort of target: see the package's documentation.
type kind string

const (
	fencing   kind = "a"
	comparing kind = "b"
	owned     kind = "c"
	level     kind = "d"
	forgetful kind = "e"
	momentary kind = "f"
)

func kinds() []kind { return []kind{fencing, comparing, owned, level, forgetful, momentary} }

// compares says that the target itself refuses what comes late or to another state than was seen.
func (k kind) compares() bool {
	return k == fencing || k == comparing || k == forgetful || k == momentary
}

// once says that the change happens and is over: nothing of it stands at the target.
func (k kind) once() bool { return k == momentary }

// expires says that the target ends a change by itself.
func (k kind) expires() bool { return k == fencing || k == owned || k == forgetful }

// The times of the handler's changes.
const (
	ttl     = 30 * time.Second
	limit   = 3 * time.Minute
	timeout = 2 * time.Second
	every   = 10 * time.Second
)

// target is one live system: the patient, what can be changed there, and what it remembers.
type target struct {
	w            *world
	name         string
	kind         kind
	class        remediations.Class
	domain, zone string
	// mode and forbidden are the policy's.
	mode      policy.Mode
	forbidden bool

	// sick and grade are the fault; does is what the change does about it: cures, nothing, harms, or cures until relapse percent are given back.
	sick    bool
	grade   int
	does    effect
	relapse int
	// keeps says that a change of it is kept until the fault itself is gone, and not only hidden.
	keeps bool
	// hidden: the probe cannot read it. mute: it cannot tell what stands. deaf: commands are lost. lost: answers are. slow: commands come
	// late. rejects: it refuses.
	hidden, mute, deaf, lost, slow, rejects bool

	// value is what stands: "" nothing, "human:7" what a person set, else an action. edits counts every change of it.
	value    string
	order    remediations.Order
	edits    uint64
	until    time.Time
	released int
	fence    uint64
	fenced   map[string]bool
	// late says that what stands took effect after its deadline, or after its record had ended; orphan that whoever sent it cannot find out.
	late, orphan bool
	sender       *replica
	// session is what a change that happens once ends, on a target of that kind.
	session session
	// Two alerts of Alertmanager are about it.
	alerts [2]alarm
}

type effect int

const (
	cures effect = iota
	nothing
	harms
)

func human(value string) bool { return strings.HasPrefix(value, "human:") }

// ours says whether a change of ours stands.
func (t *target) ours() bool { return t.value != "" && !human(t.value) }

// settle lets the target's own clock end what it ends.
func (t *target) settle() {
	t.session.settle(t.w.now)
	if t.kind.expires() && t.ours() && !t.w.now.Before(t.until) {
		t.clear()
	}
}

func (t *target) clear() { t.value, t.released, t.edits = "", 0, t.edits+1 }

// edit is a person at the target.
func (t *target) edit(value string) {
	if t.ours() && t.late {
		t.w.count.lateEnded++
	}
	t.value, t.released, t.edits = value, 0, t.edits+1
}

// seen is what a probe of the patient sees.
func (t *target) seen() sight {
	if t.hidden {
		return sight{}
	}
	s := sight{Readable: true, Sick: t.sick, Grade: t.grade, Keep: t.keeps, Healed: t.keeps && !t.sick}
	if t.kind.once() {
		t.session.show(&s, t.does)
	}
	if t.ours() {
		s.Worse = t.does == harms
		if t.does == cures && (t.relapse == 0 || t.released < t.relapse) {
			s.Sick = false
		}
	}
	return s
}

// presence is what the target says about an order.
func (t *target) presence(o remediations.Order) remediations.Presence {
	p := remediations.Presence{State: remediations.Foreign, Revision: t.edits, Detail: t.value}
	if t.kind.compares() {
		p.Clock = t.w.now
	}
	switch {
	case t.kind.once():
		p.State, p.Detail = t.session.state(o)
	case t.value == "":
		p.State, p.Detail = remediations.Absent, ""
	case t.kind == level:
		// A level has no owner. It is ours if it was off when we looked, and we have sent the command since.
		if t.ours() && o.Seen.State == remediations.Absent && !o.Until.IsZero() {
			p.State = remediations.Ours
		}
	case t.value == o.Action:
		p.State, p.Released, p.Until = remediations.Ours, t.released, t.until
	}
	return p
}

// deliver is a command that arrives. edits is what the sender had read, for targets that do not compare. wire says that it was
// held up on the network, so that nobody waits for its answer.
func (t *target) deliver(o remediations.Order, from *replica, edits uint64, wire bool) (remediations.Receipt, error) {
	w := t.w
	t.settle()
	if t.rejects {
		return remediations.Receipt{}, remediations.ErrRefused
	}
	if t.kind.once() {
		return t.happen(o)
	}
	if t.kind.compares() {
		switch {
		case !w.now.Before(o.Deadline), t.value != "", t.edits != o.Seen.Revision,
			t.kind == fencing && (o.Fence < t.fence || t.fenced[o.Action]):
			return remediations.Receipt{}, remediations.ErrRefused
		}
	}
	if t.kind.expires() && !w.now.Before(o.Until) {
		return remediations.Receipt{}, remediations.ErrRefused
	}
	late := w.now.After(o.Deadline) || w.over(o)
	w.effect(t, o, late)
	if human(t.value) {
		w.overwritten(t, "apply", edits)
	}
	t.value, t.order, t.until, t.released, t.edits = o.Action, o, o.Until, 0, t.edits+1
	t.fence = max(t.fence, o.Fence)
	t.late, t.orphan, t.sender = late, late && wire, from
	return remediations.Receipt{Revision: t.edits, Until: t.until, Note: "it stands"}, nil
}

// fenceOff makes every earlier command of an order fail.
func (t *target) fenceOff(o remediations.Order) {
	t.settle()
	if t.value == o.Action {
		return
	}
	t.fenced[o.Action] = true
	t.fence = max(t.fence, o.Fence)
}

// adjust is a compare-and-act on our own change.
func (t *target) adjust(o remediations.Order) (remediations.Receipt, error) {
	t.settle()
	switch {
	case t.value != o.Action:
		return remediations.Receipt{}, remediations.ErrNotOurs
	case !t.w.now.Before(o.Deadline) || o.Fence < t.fence:
		return remediations.Receipt{}, remediations.ErrRefused
	}
	t.w.adjusted(t, o)
	t.released, t.until, t.edits, t.order = o.Released, o.Until, t.edits+1, o
	return remediations.Receipt{Revision: t.edits, Until: t.until, Note: "adjusted"}, nil
}

// takeBack writes that nothing stands. What does not compare writes over whatever is there.
func (t *target) takeBack(o remediations.Order, edits uint64) {
	switch {
	case t.value == "":
		return
	case human(t.value):
		t.w.overwritten(t, "revert", edits)
	case t.value != o.Action:
		t.w.confused(t, o, edits)
	}
	if t.ours() && t.late {
		t.w.count.lateEnded++
	}
	t.clear()
}
