package modeltest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/incidents/desk"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations/guard"
)

// somebody is one of three who may approve.
func (w *world) somebody() incidents.Person {
	name := []string{"alice", "bob", "carol"}[w.rng.IntN(3)]
	return incidents.Person{Name: name, Via: "slack", ID: "U-" + name}
}

// anIncident is one of the newest, open or not.
func (w *world) anIncident() (incidents.ID, *incidents.State) {
	if len(w.truth.order) == 0 {
		return "", nil
	}
	n := len(w.truth.order)
	id := w.truth.order[n-1-w.rng.IntN(min(n, 4))]
	for _, asked := range w.truth.order[max(0, n-8):] { // people see first what waits for them
		if w.truth.files[asked].st.Asking != nil && !w.oneIn(4) {
			id = asked
		}
	}
	return id, w.truth.files[id].st
}

func anybody(string, string, string) error { return nil }

// order is a job in which a person orders something of an incident, through whichever replica they reached.
func (w *world) order(l *lane) {
	id, st := w.anIncident()
	if st == nil {
		return
	}
	p, ref := w.somebody(), desk.Ref{Incident: id}
	if st.Asking != nil {
		ref.Asking, ref.Plan = st.Asking.ID, st.Asking.Plan
	}
	what := w.rng.IntN(10)
	if st.Asking != nil && what > 2 { // who is asked answers, mostly
		what = 9
	}
	w.count.orders++
	w.begin(l, &job{name: fmt.Sprintf("order %d by %s in %s", what, p.Name, id), run: func(ctx context.Context) error {
		var err error
		switch d := l.rep.desk; what {
		case 0:
			err = d.Override(ctx, id, p, "now")
		case 1:
			err = d.Recall(ctx, id, p, "away with it")
		case 2:
			err = d.Deny(ctx, ref, p, "", anybody)
		case 3, 4, 5:
			_, err = d.Ack(ctx, id, p, "")
		default:
			_, err = d.Approve(ctx, ref, p, anybody)
		}
		var no *desk.No
		if errors.As(err, &no) {
			return nil
		}
		return err
	}})
}

// brake is what people do to stop us, and to let us go on.
func (w *world) brake() {
	ctx, by := context.Background(), guard.Order{By: "dora", Reason: "drill"}
	hand := w.hand
	var err error
	switch w.rng.IntN(9) {
	case 0, 1:
		p := guard.Pause{By: by.By, Reason: by.Reason}
		if w.oneIn(2) {
			p.Domain = w.pick().domain
		}
		if w.oneIn(2) {
			p.Until = w.now.Add(w.span(time.Second, 5*time.Minute))
		}
		if p, err = hand.Pause(ctx, p, w.now); err == nil {
			w.pauses = append(w.pauses, p)
		}
	case 2, 3:
		if _, err = hand.Resume(ctx, "", by.By, w.now); err == nil {
			w.pauses = nil
		}
	case 4:
		if err = hand.SwitchOff(ctx, by, w.now); err == nil {
			w.brakeOff = true
		}
	case 5:
		if err = hand.SwitchOn(ctx, by, w.now); err == nil {
			w.brakeOff = false
		}
	case 6:
		w.brakeDoc.down = !w.brakeDoc.down
	case 7:
		w.stopFileTo(!w.fileStands)
	case 8:
		if r := w.replicas[w.rng.IntN(len(w.replicas))]; !r.dead {
			w.tell(r, !w.told[r])
		}
	}
	if err != nil {
		w.fail("the brake: %v", err)
	}
}

func (w *world) stopFileTo(stands bool) {
	if !w.diskWorks || stands == w.fileStands {
		return
	}
	var err error
	if stands {
		err = os.WriteFile(w.stopFile, []byte("stop\n"), 0o600)
	} else {
		err = os.Remove(w.stopFile)
	}
	if err != nil {
		w.fail("the stop file: %v", err)
	}
	w.fileStands = stands
}

func (w *world) tell(r *replica, stop bool) {
	if stop {
		r.brake.Stop("drill")
	} else {
		r.brake.Go()
	}
	w.told[r] = stop
}

// editTarget is a person at a target: they set something, change it, or take away what stands, ours or not.
func (w *world) editTarget() {
	t := w.pick()
	t.settle()
	w.count.edits++
	if t.kind.once() {
		t.editSession()
		return
	}
	if t.value != "" && w.oneIn(2) || human(t.value) && w.oneIn(2) {
		t.edit("")
		return
	}
	t.edit(fmt.Sprintf("human:%d", w.count.edits))
}

// turn is another policy for a target.
func (w *world) turn() {
	t := w.pick()
	t.mode = []policy.Mode{policy.Auto, policy.Auto, policy.Approve, policy.Observe, policy.Off}[w.rng.IntN(5)]
	t.forbidden = w.oneIn(8)
}

// ail changes what a target does, to us and to its calls.
func (w *world) ail() {
	t := w.pick()
	switch w.rng.IntN(9) {
	case 0:
		t.hidden = !t.hidden
	case 1:
		t.mute = !t.mute
	case 2:
		t.deaf = !t.deaf
	case 3:
		t.lost = !t.lost
	case 4:
		t.slow = !t.slow
	case 5:
		t.rejects = !t.rejects
	case 6:
		t.sick = !t.sick
	case 7:
		t.grade = 1 + w.rng.IntN(2)
	default:
		t.hidden, t.mute, t.deaf, t.lost, t.slow, t.rejects = false, false, false, false, false, false
	}
}

// mend ends what ails one target, and what people left there.
func (w *world) mend() {
	t := w.pick()
	t.hidden, t.mute, t.deaf, t.lost, t.slow, t.rejects, t.forbidden, t.mode = false, false, false, false, false, false, false, policy.Auto
	w.silenced[t.name] = false
	if t.settle(); human(t.value) {
		t.edit("")
	}
}

// letGo ends everything by which people stopped us.
func (w *world) letGo() {
	ctx := context.Background()
	w.brakeDoc.down = false
	if _, err := w.hand.Resume(ctx, "", "dora", w.now); err != nil {
		w.fail("resume: %v", err)
	}
	if err := w.hand.SwitchOn(ctx, guard.Order{By: "dora", Reason: "over"}, w.now); err != nil {
		w.fail("switch on: %v", err)
	}
	w.pauses, w.brakeOff = nil, false
	w.stopFileTo(false)
	for _, r := range w.replicas {
		w.tell(r, false)
	}
}

// ring is what Alertmanager sends: an alert that fires or resolves, once or several times, late, in another order, or not at all.
func (w *world) ring() {
	t, n := w.pick(), 0
	if w.oneIn(4) {
		n = 1
	}
	if w.oneIn(6) && len(w.history) > 0 { // an old delivery comes once more
		w.post(w.history[w.rng.IntN(len(w.history))], w.span(0, time.Minute))
		return
	}
	switch al := t.alerts[n]; {
	case !al.firing:
		if !t.sick {
			t.sick, t.grade, t.does, t.relapse = true, 1+w.rng.IntN(2), effect(max(0, w.rng.IntN(6)-3)), 0
			if t.kind.once() {
				t.arise()
			}
			if w.oneIn(10) {
				t.grade = 3
			}
			if w.oneIn(4) {
				t.relapse = 50
			}
		}
		w.send(w.fire(t, n))
	case w.oneIn(2):
		w.send(w.alert(t, n, "webhook"))
	default:
		if !t.alerts[1-n].firing {
			t.sick = false
		}
		w.send(w.resolve(t, n))
	}
}

func (w *world) send(a alerts.Alert) {
	w.history = append(w.history, a)
	w.history = w.history[max(0, len(w.history)-12):]
	if w.oneIn(8) {
		return // the webhook was lost
	}
	for range 1 + w.rng.IntN(4)/3 {
		d := w.span(0, 2*time.Second)
		if w.oneIn(8) {
			d = w.span(0, 6*time.Minute)
		}
		w.post(a, d)
	}
}
