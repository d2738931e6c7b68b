package replicationlag

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"

	"github.com/firebreak-sre/firebreak/handlers/think"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/remediations"
)

// judging is one change while it is being judged.
type judging struct {
	deciding
	before finding           // the standby as it was decided on
	step   remediations.Step // what was decided
	name   string            // the standby
	after  []sight           // the looks since the change that can be judged, oldest first
	states []state           // the standby in each of them
}

// Judge says what a change did, from the looks since it was made, and what was decided on before. Then:
//
//   - end_conflict: worse if a walsender is gone that was there before, or the standby is none any more; improved if the lag is under the
//     SLO, or replay has moved on from where it stood and waits no more, or the bytes behind fell over three looks.
//   - drain: worse if fewer readers are ready than must be; improved if the pool sends the standby no readers and enough others are ready:
//     the symptom is readers who see old rows. Healed if the standby was under half of the SLO in every look for hold_for; only then is
//     it put back, whatever the alert says.
//   - restart_stream: worse if another walsender is gone; improved if a new walsender of that standby streams and the bytes fall.
//   - resume_replay: worse if the standby does not answer in two looks, or is none any more; improved if replay moves.
//
// If none of them held when Until has passed, the change had no effect; so it is too if the looks could not be read. Judge is pure.
//
// What the change was made to follows from the record: it is decided once more on the looks before it.
func (h *Handler) Judge(c think.Case[Observation]) incidents.Judgement {
	r, ok := h.read(c)
	if !ok || c.Step == nil {
		return incidents.Judgement{Effect: incidents.NoEffect,
			Words: words("no change of the cluster %q can be judged: the policy does not name it, or nothing was changed", c.Target.Name)}
	}
	j := judging{deciding: r}
	for _, l := range c.After {
		if s := r.cluster.sightOf(l); !l.At.Before(c.Step.Since) {
			j.after = append(j.after, s)
		}
	}
	if !j.recall() {
		return j.pending(words("which standby %s was for cannot be told from the looks before it", c.Step.Fix))
	}
	if done, ok := j.read(); !ok {
		return done
	}
	switch c.Step.Fix {
	case fixEndConflict:
		return j.endConflict()
	case fixDrain:
		return j.drain()
	case fixRestartStream:
		return j.restartStream()
	case fixResumeReplay:
		return j.resumeReplay()
	}
	return j.pending(words("the fix %q is not known here", c.Step.Fix))
}

// recall finds what was decided: the standby for which the looks before the change ask for its step. Where the step does not say enough
// to tell several apart, it is the first of them, and of those that could be drained the one that the pool sends no readers now.
func (j *judging) recall() bool {
	if len(j.sights) == 0 || len(j.sights) < j.thresholds.Samples {
		return false
	}
	judged := j.Now
	j.Now = j.newest().at
	defer func() { j.Now = judged }()
	if _, stop := j.withoutSight(); stop {
		return false
	}
	found := false
	for _, f := range j.findings() {
		if !f.agree {
			continue
		}
		d := j.verdict(f)
		if d.Step == nil || !isStep(*d.Step, *j.Case.Step) {
			continue
		}
		if !found || d.Step.Fix == fixDrain && !j.drained(j.name) && j.drained(f.name) {
			found, j.before, j.step, j.name = true, f, *d.Step, f.name
		}
	}
	return found
}

// isStep says that a step could be the one that was made.
func isStep(s remediations.Step, made think.Stood) bool {
	return s.Fix == made.Fix && (made.Node == "" || s.Node == made.Node && sameJSON(s.Params, made.Params))
}

// sameJSON compares as it is written, but for blanks.
func sameJSON(a, b json.RawMessage) bool {
	var x, y bytes.Buffer
	return json.Compact(&x, a) == nil && json.Compact(&y, b) == nil && bytes.Equal(x.Bytes(), y.Bytes())
}

// drained says that the pool sends a standby no readers, in the newest look.
func (j *judging) drained(node string) bool {
	if len(j.after) == 0 {
		return false
	}
	reader, in := j.after[len(j.after)-1].seen.reader(node)
	return in && !reader.Ready
}

// read turns the looks into states of the standby. It is not ok when there is nothing to judge by; what it says then counts.
func (j *judging) read() (incidents.Judgement, bool) {
	if len(j.after) == 0 {
		return j.pending("no look was made since the change yet"), false
	}
	n, _ := j.named(j.name)
	last := j.after[len(j.after)-1]
	switch {
	case j.Now.Sub(last.at) > j.maxGap():
		return j.pending(words("the newest look is %s old", j.Now.Sub(last.at).Round(time.Second))), false
	case last.trouble == CauseTwoPrimaries:
		return j.say(incidents.Worse, last.why), false
	case last.trouble != "" && last.trouble != CauseOwnerPaused:
		return j.pending("the newest look cannot be used: " + last.why), false
	case last.primary.Name == j.name:
		return j.say(incidents.Worse, words("%s is the primary now: a failover came between", j.name)), false
	case last.primary.Name != j.before.last().primary.Name:
		return j.pending(words("the primary has moved from %s to %s since", j.before.last().primary.Name, last.primary.Name)), false
	}
	for _, s := range j.after {
		if s.primary == nil || s.primary.Name != last.primary.Name || s.trouble != "" && s.trouble != CauseOwnerPaused {
			j.states = j.states[:0] // what was seen before a look that cannot be used is another story
			continue
		}
		j.states = append(j.states, j.stateOf(s, n))
	}
	return incidents.Judgement{}, true
}

func (j *judging) last() state { return j.states[len(j.states)-1] }

// unreadable counts the looks at the end in which the standby did not answer.
func (j *judging) unreadable() int {
	n := 0
	for i := len(j.states) - 1; i >= 0 && !j.states[i].readable(); i-- {
		n++
	}
	return n
}

// lostSenders names the walsenders that streamed when it was decided and do not now, by what they call themselves.
func (j *judging) lostSenders(without string) string {
	now := map[string]int{}
	for _, s := range j.last().primary.Primary.streaming() {
		now[s.ApplicationName]++
	}
	var lost []string
	for _, s := range j.before.last().primary.Primary.streaming() {
		if now[s.ApplicationName]--; now[s.ApplicationName] < 0 && s.ApplicationName != without {
			lost = append(lost, s.ApplicationName)
		}
	}
	return strings.Join(lost, ", ")
}

// under says that the standby is behind by less than the share of the SLO, for sure.
func (j *judging) under(s state, share float64) bool {
	return s.readable() && s.doubt == "" && s.lag.known && s.lag.kind != unmeasured && s.lag.seconds < share*j.thresholds.SLO.D().Seconds()
}

// falling says that the bytes behind fell from look to look over n looks.
func (j *judging) falling(n int) bool {
	if len(j.states) < n {
		return false
	}
	last := j.states[len(j.states)-n:]
	for i, s := range last {
		if !s.readable() || !s.lag.known || i > 0 && s.lag.bytes >= last[i-1].lag.bytes {
			return false
		}
	}
	return true
}

// moved says that replay is further than where it stood when it was decided.
func (j *judging) moved() bool {
	b, a := j.before.last().standby().Replayed, j.last().standby().Replayed
	return b != nil && a != nil && *a > *b
}

// threeLooks is over how many looks the bytes must fall to be called falling.
const threeLooks = 3

// endConflict judges that sessions were ended by what replay does now.
func (j *judging) endConflict() incidents.Judgement {
	s := j.last()
	if lost := j.lostSenders(""); lost != "" {
		return j.say(incidents.Worse, words("a walsender is gone since: %s", lost))
	}
	if !s.readable() {
		return j.pending(j.name + " does not answer: " + s.node.Problem)
	}
	waits := s.waitsForSnapshot() || s.waitsForLock()
	said := words("%s is %s (before %s)", j.name, s.lag.words(), j.before.last().lag.words())
	switch {
	case j.under(s, 1):
		return j.say(incidents.Improved, "the lag is under the SLO: "+said)
	case !waits && j.moved():
		return j.say(incidents.Improved, "replay waits no more and has moved on: "+said)
	case j.falling(threeLooks):
		return j.say(incidents.Improved, "it falls: "+said)
	case waits && j.moved():
		return j.pending("replay has moved on, and waits for another session: " + said)
	case waits:
		return j.pending("replay still waits: " + said)
	}
	return j.pending("replay waits no more, and has not moved yet: " + said)
}

// drain judges that readers were taken away by what the pool says, and whether they may come back by the lag.
func (j *judging) drain() incidents.Judgement {
	o := j.after[len(j.after)-1].seen
	reader, in := o.reader(j.name)
	if !in {
		why := "the read pool was not looked at"
		if o.Pool != nil {
			why = "the read pool does not tell of " + j.name + ": " + o.Pool.Problem
		}
		return j.pending(why)
	}
	need := j.cluster.minReady()
	var p drainParams
	if json.Unmarshal(j.step.Params, &p) == nil {
		need = max(1, p.MinReady)
	}
	said := words("%s ready (%d must be)", counted(o.ready(j.name), "other reader"), need)
	switch {
	case o.ready("") < need:
		return j.say(incidents.Worse, "too few readers are left: "+said)
	case reader.Ready:
		return j.pending(words("the pool still sends readers to %s; %s", j.name, said))
	case o.ready(j.name) < need:
		return j.pending(said)
	}
	done := j.say(incidents.Improved, words("no new reader comes to %s; %s", j.name, said))
	well := j.wellFor()
	done.Healed = well >= j.thresholds.HoldFor.D()
	if s := j.last(); s.readable() {
		done.Words += words("; it is %s, and was under half of the SLO for %s (put back after %s)", s.lag.words(), well.Round(time.Second), j.thresholds.HoldFor)
	}
	return done
}

// wellFor is for how long every look saw the standby attached and under half of the SLO, up to the newest.
func (j *judging) wellFor() time.Duration {
	var since, newest time.Time
	for i := len(j.states) - 1; i >= 0; i-- {
		s := j.states[i]
		if !j.under(s, 0.5) || !s.attached() || s.paused() || j.silent(s) {
			break
		}
		at := s.node.ReadAt
		if newest.IsZero() {
			newest = at
		} else if since.Sub(at) > j.maxGap() {
			break // nobody looked in between
		}
		since = at
	}
	return newest.Sub(since)
}

// restartStream judges that a walsender was ended by the one that came in its place.
func (j *judging) restartStream() incidents.Judgement {
	old, s := j.before.last().sender, j.last()
	if old == nil {
		return j.pending("the walsender before the change is not known")
	}
	if lost := j.lostSenders(old.ApplicationName); lost != "" {
		return j.say(incidents.Worse, "another walsender is gone since: "+lost)
	}
	said := words("%s is %s (before %s)", j.name, s.lag.words(), j.before.last().lag.words())
	switch w := s.sender; {
	case w == nil:
		return j.pending(words("%s has not connected again yet", j.name))
	case w.PID == old.PID && w.BackendStart.Equal(old.BackendStart):
		return j.pending("the same walsender is still there: " + said)
	case !streams(w):
		return j.pending(words("%s has connected again, in the state %s", j.name, w.State))
	case !s.readable() || !s.lag.known:
		return j.pending(words("%s has connected again, and how far it is behind could not be read", j.name))
	case s.lag.bytes <= j.slack() || s.lag.bytes < j.before.last().lag.bytes || j.falling(2):
		return j.say(incidents.Improved, "it has connected again and gains: "+said)
	}
	return j.pending("it has connected again, and does not gain yet: " + said)
}

// resumeReplay judges that replay was resumed by whether it moves, and whether the server lives.
func (j *judging) resumeReplay() incidents.Judgement {
	s := j.last()
	switch n := j.unreadable(); {
	case n >= 2:
		return j.say(incidents.Worse, words("%s has not answered in %d looks since: %s", j.name, n, s.node.Problem))
	case n > 0:
		return j.pending(words("%s does not answer: %s", j.name, s.node.Problem))
	}
	said := words("%s is %s (before %s)", j.name, s.lag.words(), j.before.last().lag.words())
	switch {
	case s.paused():
		return j.pending(words("replay is %s; %s", s.pause(), said))
	case j.moved():
		return j.say(incidents.Improved, "replay moves, and the server answers: "+said)
	}
	return j.pending("replay is resumed and has not moved yet: " + said)
}

// pending waits for another look, while there is time.
func (j *judging) pending(why string) incidents.Judgement {
	until := j.Step.Until
	if until.IsZero() {
		until = j.Step.Since.Add(j.thresholds.VerifyWithin.D())
	}
	if !j.Now.Before(until) {
		return j.say(incidents.NoEffect, "no effect until the time for it was over: "+why)
	}
	return j.say(incidents.Pending, why)
}

// say is a judgement with the numbers of both sides.
func (j *judging) say(effect incidents.Effect, text string) incidents.Judgement {
	var e facts
	if len(j.states) > 0 {
		e.state(j.last(), "")
	}
	if j.before.known() {
		e.state(j.before.last(), "_before")
	}
	if n := len(j.after); n > 0 {
		e.pool(j.after[n-1].seen)
	}
	return incidents.Judgement{Effect: effect, Words: text, Evidence: e}
}
