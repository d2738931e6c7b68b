package modeltest

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/firebreak-sre/firebreak/handlers"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/incidents/desk"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/guard"
	"github.com/firebreak-sre/firebreak/remediations/ledger"
	"github.com/rs/zerolog"
)

// replica is one process: a loop, its caches, and a clock of its own. When it dies, all of that is gone.
type replica struct {
	w     *world
	name  string
	slot  int
	skew  time.Duration
	lanes []*lane
	// paused is since when it stands still (SIGSTOP); zero: it runs. wake is when it goes on.
	paused, wake time.Time
	dead, fresh  bool

	loop       *handlers.Loop
	reconciler *handlers.Reconciler
	store      *incidents.Store
	desk       *desk.Desk
	brake      *guard.Brake
	agenda     *agenda
	// modes is what the policy said of each target when the loop asked last.
	modes map[string]string
}

// lane is one worker of a replica: a coroutine that runs one job and stands still at every interaction.
type lane struct {
	rep     *replica
	in, out chan struct{}
	job     *job
	since   time.Time // when the job was begun, by the world's clock
	// point is the interaction that it stands at. quiet jobs do not stand still.
	point string
	quiet bool
	// passed is the last gate's answer in this job, until it is used.
	passed *ticket
	// permitted is the policy's last answer in this job.
	permitted bool
}

// job is what a worker was told to do.
type job struct {
	name string
	key  string // of the agenda, if it carries an incident
	mail *delivery
	run  func(ctx context.Context) error
	err  error
}

func (w *world) start(slot int) *replica {
	r := &replica{w: w, slot: slot, name: fmt.Sprintf("r%d", slot), fresh: true, modes: map[string]string{}}
	for range w.lanes {
		r.lanes = append(r.lanes, &lane{rep: r, in: make(chan struct{}), out: make(chan struct{})})
	}
	r.agenda = &agenda{w: w, rep: r, taken: map[string]uint64{}, nudged: map[string]bool{}, retry: map[string]time.Time{}, tries: map[string]int{}}
	r.store = incidents.NewStore(&recordView{w: w})
	book := ledger.New(&bookView{w: w}, w.limits)
	r.desk = desk.New(r.store, r.agenda, book, r.name, r.now)
	var err error
	if r.brake, err = guard.NewBrake(w.brakeDoc, w.stopFile); err != nil {
		w.fail("brake: %v", err)
	}
	g, err := guard.New(guard.Config{Brake: r.brake, Windows: w.windows, Observer: w.observer})
	if err != nil {
		w.fail("guard: %v", err)
	}
	fam := &family{w: w, rep: r}
	cfg := handlers.Config{Handlers: []*handlers.Bound{handlers.Bind(fam, fam)}, Remediations: map[string]remediations.Remediation{},
		Ledger: book, Gate: &gate{w: w, rep: r, guard: g}, Limits: w.limits, Metrics: w.metrics, Log: zerolog.Nop(), Now: r.now,
		Approvals: approvers{}, Permits: func(_, target, _, _ string) bool {
			ok := !w.targets[target].forbidden
			w.current.permitted = ok
			return ok
		}}
	for _, k := range kinds() {
		cfg.Remediations[string(k)] = newFixer(w, r, k)
	}
	r.loop = handlers.NewLoop(cfg, r.name, r.store, r.agenda)
	r.reconciler = handlers.NewReconciler(r.loop, []handlers.Source{{Alertmanager: w}}, w, time.Minute)
	w.replicas[slot] = r
	return r
}

// now is the replica's clock. No two looks at it are the same instant.
func (r *replica) now() time.Time {
	r.w.now = r.w.now.Add(time.Microsecond)
	return r.w.now.Add(r.skew)
}

func (r *replica) runs() bool { return r != nil && !r.dead && r.paused.IsZero() }

func (r *replica) idle() *lane {
	for _, l := range r.lanes {
		if l.job == nil {
			return l
		}
	}
	return nil
}

// works says whether one of its workers has a key in hand.
func (r *replica) works(key string) bool {
	for _, l := range r.lanes {
		if l.job != nil && l.job.key == key {
			return true
		}
	}
	return false
}

// begin gives a worker a job; it stands still before the first interaction.
func (w *world) begin(l *lane, j *job) {
	l.job, l.point, l.quiet, l.passed, l.permitted, l.since = j, "begin "+j.name, false, nil, false, w.now
	go func() {
		defer func() {
			if p := recover(); p != nil {
				w.fail("%s panicked in %s: %v\n%s", l.rep.name, j.name, p, debug.Stack())
				l.job = nil
			}
			l.out <- struct{}{}
		}()
		<-l.in
		if !l.rep.dead {
			j.err = j.run(context.Background())
		}
		if !l.rep.dead {
			w.finish(l, j)
		}
	}()
}

// resume lets a worker go on to its next interaction, or to the end of its job. It is the only way in which anything runs.
func (w *world) resume(l *lane) {
	w.current = l
	l.in <- struct{}{}
	<-l.out
	w.current = nil
}

// at is an interaction: the worker stands still here, and somebody else may go on. Whoever was killed meanwhile never returns.
func (w *world) at(point string) {
	l := w.current
	if l == nil || l.quiet && !l.rep.dead {
		return
	}
	if l.rep.dead {
		runtime.Goexit()
	}
	l.point = point
	l.out <- struct{}{}
	<-l.in
	if l.rep.dead {
		runtime.Goexit()
	}
}

// kill ends a replica where its workers stand.
func (w *world) kill(r *replica) {
	r.dead = true
	for _, l := range r.lanes {
		if l.job == nil {
			continue
		}
		w.resume(l)
		if m := l.job.mail; m != nil && m.holder == l {
			m.holder, m.due = nil, w.now.Add(redeliverAfter)
		}
		if l.job.key != "" {
			w.agenda.release(l.job.key, l, w.now.Add(claimTTL))
		}
		l.job = nil
	}
}

// finish is the end of a job that was not killed: what bus.Agenda and bus.Work do then.
func (w *world) finish(l *lane, j *job) {
	if j.key != "" {
		l.rep.agenda.done(j.key, j.err)
		w.agenda.release(j.key, l, w.now)
	}
	if m := j.mail; m != nil && m.holder == l {
		m.holder = nil
		if j.err != nil {
			m.due = w.now.Add(redeliverAfter)
		} else {
			w.ack(m)
		}
	}
	l.job = nil
}
