package modeltest

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
)

// episode is one world and the seed's way through it.
type episode struct {
	*world
	// chances are those of what goes wrong, one in so many steps.
	chances []chance
}

type chance struct {
	name string
	one  int
	do   func()
}

// trail is the schedule's tail, for people.
type trail struct{ lines []string }

func (w *world) note(format string, args ...any) {
	if w.trail == nil {
		return
	}
	w.trail.lines = append(w.trail.lines, fmt.Sprintf("%6d %s ", w.count.steps, w.now.Format("15:04:05.000"))+fmt.Sprintf(format, args...))
	if len(w.trail.lines) > 4000 {
		w.trail.lines = w.trail.lines[2000:]
	}
}

// newEpisode draws a world. Each fault is possible in about half of the episodes: what is always there hides what it masks.
func newEpisode(w *world) *episode {
	e := &episode{world: w}
	classes := []remediations.Class{remediations.ClassA, remediations.ClassA, remediations.ClassA, remediations.ClassP, remediations.ClassP2}
	for i := range 2 + w.rng.IntN(3) {
		k := kinds()[w.rng.IntN(len(kinds()))]
		domain := fmt.Sprint("domain", i)
		if w.oneIn(3) {
			domain = "domain0"
		}
		t := w.add(fmt.Sprintf("%s%d", k, i), domain, classes[w.rng.IntN(len(classes))])
		t.keeps = !k.once() && w.oneIn(4)
	}
	if w.oneIn(3) {
		cool, risky := policy.Duration(30*time.Second), policy.Duration(time.Minute)
		w.limits.Cooldown, w.limits.CooldownRisky = &cool, &risky
		w.limits.PerDomain = policy.Budget{Hour: 3, Day: 8, Concurrent: 1}
		w.limits.PerAction = policy.Budget{Hour: 4, Day: 12, Concurrent: 2}
		w.limits.Global = policy.Budget{Hour: 6, Day: 16, Concurrent: 2}
		w.limits.BlastRadius.Targets, w.limits.BlastRadius.SharePercent = 2, 60
	}
	if w.oneIn(4) {
		from := w.now.Add(w.span(0, 20*time.Minute))
		w.maintenance = [2]time.Time{from, from.Add(w.span(time.Minute, 10*time.Minute))}
	}
	w.lanes = 1 + w.rng.IntN(2)
	w.open(2 + w.rng.IntN(2))
	if w.oneIn(4) {
		w.faults = faults{store: 60 + w.rng.IntN(200), book: 60 + w.rng.IntN(200)}
	}
	e.may("crash", 120, e.crash)
	e.may("pause", 150, e.pause)
	e.may("jump", 400, e.jump)
	e.may("skew", 200, e.shift)
	e.may("edit", 120, w.editTarget)
	e.may("brake", 150, w.brake)
	e.may("silence", 300, func() { n := w.pick().name; w.silenced[n] = !w.silenced[n] })
	e.may("policy", 300, w.turn)
	e.may("ail", 60, w.ail)
	e.may("reconcile", 200, e.reconciles)
	e.may("grade", 60, func() { w.pick().grade = 1 + w.rng.IntN(2) })
	e.chances = append(e.chances, chance{"order", 20 + w.rng.IntN(20), e.somebodyOrders}, chance{"alert", 25, w.ring},
		chance{"mend", 25, w.mend}, chance{"release", 60, w.letGo})
	return e
}

func (e *episode) may(name string, one int, do func()) {
	if e.oneIn(2) {
		e.chances = append(e.chances, chance{name, one/2 + e.rng.IntN(one), do})
	}
}

// step is one decision: something happens to the world, or somebody goes on.
func (e *episode) step() {
	e.count.steps++
	e.now = e.now.Add(e.span(0, 8*time.Millisecond))
	e.elapse()
	for _, c := range e.chances {
		if e.oneIn(c.one) {
			e.note("-- %s", c.name)
			c.do()
			return
		}
	}
	e.goOn()
}

// elapse is what time does by itself.
func (w *world) elapse() {
	for slot, r := range w.replicas {
		switch {
		case r.dead && !w.now.Before(r.wake):
			w.note("-- %s starts again", r.name)
			w.start(slot)
		case !r.dead && !r.paused.IsZero() && !w.now.Before(r.wake):
			w.note("-- %s goes on", r.name)
			r.paused = time.Time{}
		}
	}
	kept := w.wire[:0]
	for _, p := range w.wire {
		if w.now.Before(p.at) {
			kept = append(kept, p)
			continue
		}
		_, err := w.targets[p.order.Service].deliver(p.order, p.from, p.edits, true)
		w.note("-- %s arrives at %s: %v", p.order.Action, p.order.Service, err)
	}
	w.wire = kept
}

// option is one way to go on.
type option struct {
	lane *lane
	key  string
	mail *delivery
}

// goOn lets one worker go on: to its next interaction, or with a new job. If there is nothing to do, time passes.
func (w *world) goOn() {
	options := w.working(nil)
	if len(options) == 0 || w.oneIn(3) {
		options = w.startable(options)
	}
	if len(options) == 0 {
		w.idle()
		return
	}
	o := options[w.rng.IntN(len(options))]
	switch {
	case o.mail != nil:
		w.take(o.lane, o.mail)
	case o.key != "":
		w.carry(o.lane, o.key)
	case o.lane.job == nil:
		w.wakeUp(o.lane)
	}
	from := o.lane.point
	if w.trail != nil {
		w.note("%s %s at %s", o.lane.rep.name, o.lane.job.name, from)
	}
	w.resume(o.lane)
}

// working are the workers that have something in hand.
func (w *world) working(out []option) []option {
	for _, r := range w.replicas {
		if !r.runs() {
			continue
		}
		for _, l := range r.lanes {
			if l.job != nil {
				out = append(out, option{lane: l})
			}
		}
	}
	return out
}

// startable are the jobs that somebody could begin now.
func (w *world) startable(out []option) []option {
	for _, r := range w.replicas {
		l := r.idle()
		if !r.runs() || l == nil {
			continue
		}
		if r.fresh {
			out = append(out, option{lane: l})
			continue
		}
		if l.rep.starting() {
			continue
		}
		for _, key := range w.keys(r) {
			if r.agenda.due(key) && (!w.agenda.claimed(key, w.now) || w.oneIn(40)) {
				out = append(out, option{lane: l, key: key})
			}
		}
		for _, m := range w.mail {
			silent := m.holder == nil || m.holder.rep != r && !m.holder.rep.paused.IsZero() && w.now.Sub(m.since) > ackWait
			if silent && !w.now.Before(m.due) {
				out = append(out, option{lane: l, mail: m})
			}
		}
	}
	return out
}

// starting says that a replica has not ended what was overdue yet: nothing else is begun before.
func (r *replica) starting() bool {
	for _, l := range r.lanes {
		if l.job != nil && l.job.name == "start" {
			return true
		}
	}
	return false
}

func (w *world) keys(r *replica) []string {
	all := map[string]bool{}
	for k := range w.agenda.items {
		all[k] = true
	}
	for k, on := range r.agenda.nudged {
		if on {
			all[k] = true
		}
	}
	for k := range r.agenda.retry {
		all[k] = true
	}
	return slices.Sorted(maps.Keys(all))
}

// idle lets time pass until something is due.
func (w *world) idle() {
	next := w.now.Add(time.Minute)
	sooner := func(t time.Time) {
		if t.After(w.now) && t.Before(next) { // what is due already waits for somebody who cannot work now
			next = t
		}
	}
	for _, r := range w.replicas {
		switch {
		case r.dead || !r.paused.IsZero():
			sooner(r.wake)
		default:
			sooner(r.agenda.next())
		}
	}
	for _, m := range w.mail {
		if m.holder == nil {
			sooner(m.due)
		}
	}
	for _, p := range w.wire {
		sooner(p.at)
	}
	for _, e := range w.script {
		sooner(e.at)
	}
	for _, c := range w.agenda.claims {
		if c.lane != nil && !c.lane.rep.paused.IsZero() {
			sooner(c.lane.rep.paused.Add(claimTTL))
		}
	}
	w.now = w.now.Add(max(next.Sub(w.now), time.Millisecond))
	w.note("-- time passes")
}

// crash kills a replica where it stands: SIGKILL. Another one starts in its place.
func (e *episode) crash() {
	r := e.replicas[e.rng.IntN(len(e.replicas))]
	if r.dead {
		return
	}
	e.count.crashes++
	e.note("-- %s dies", r.name)
	e.kill(r)
	r.wake = e.now.Add(e.span(0, 20*time.Second))
	if e.oneIn(5) {
		r.wake = e.now.Add(e.span(0, 10*time.Minute))
	}
}

// pause stops a replica where it stands, longer than its claims, its deadlines or its leases: SIGSTOP.
func (e *episode) pause() {
	r := e.replicas[e.rng.IntN(len(e.replicas))]
	if !r.runs() {
		return
	}
	e.count.pauses++
	r.paused = e.now
	r.wake = e.now.Add([]time.Duration{time.Second, 5 * time.Second, 40 * time.Second, 4 * time.Minute, time.Hour}[e.rng.IntN(5)])
}

// jump is a clock that leaps, for everybody.
func (e *episode) jump() {
	d := e.span(0, 5*time.Minute)
	if e.oneIn(5) {
		d = e.span(0, 8*time.Hour)
	}
	e.now = e.now.Add(d)
}

// shift moves one replica's clock, forward or back. Beyond the settle time of a second no clock of ours may be wrong.
func (e *episode) shift() {
	r := e.replicas[e.rng.IntN(len(e.replicas))]
	r.skew = e.span(-400*time.Millisecond, 400*time.Millisecond)
}

func (e *episode) somebodyOrders() {
	if l := e.free(); l != nil {
		e.order(l)
	}
}

func (e *episode) reconciles() {
	if l := e.free(); l != nil {
		e.reconcile(l)
	}
}

// free is a worker without a job.
func (w *world) free() *lane {
	r := w.replicas[w.rng.IntN(len(w.replicas))]
	if !r.runs() || r.fresh || r.starting() {
		return nil
	}
	return r.idle()
}
