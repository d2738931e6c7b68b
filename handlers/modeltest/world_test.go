package modeltest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sort"
	"time"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/alerts/live"
	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/handlers"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/guard"
	"github.com/firebreak-sre/firebreak/remediations/windows"
)

// world is everything that is not under test, and what must be true of it. Only one coroutine runs at a time, so it needs no lock.
type world struct {
	rng   *rand.Rand
	now   time.Time
	lanes int

	replicas []*replica
	current  *lane

	records  records
	agenda   entries
	book     []byte
	bookRev  uint64
	mail     []*delivery
	wire     []packet
	names    []string
	targets  map[string]*target
	silenced map[string]bool
	faults   faults

	limits      policy.Limits
	metrics     *handlers.Metrics
	windows     *windows.Windows
	observer    *guard.Observer
	maintenance [2]time.Time
	brakeDoc    *document
	stopFile    string
	pauses      []guard.Pause
	brakeOff    bool
	fileStands  bool
	told        map[*replica]bool
	// hand is the brake as a person at a console has it; diskWorks says that there is a disk for the stop file.
	hand      *guard.Brake
	diskWorks bool
	// history are some of the last deliveries, to come once more.
	history []alerts.Alert
	// brief leaves out what the end of an episode derives again from the stored bytes.
	brief bool
	// script is what a story does, and when.
	script []event

	truth truth
	count tally
	// broken is the first thing that was not as it must be. trail, if not nil, is the schedule.
	broken string
	trail  *trail
}

// faults are chances, one in so many; zero is never.
type faults struct{ store, book int }

// delivery is an alert on its way; holder has it in hand.
type delivery struct {
	alert  alerts.Alert
	due    time.Time
	holder *lane
	since  time.Time
	done   bool
}

// packet is a command that is on the network, and that nobody waits for any more.
type packet struct {
	order remediations.Order
	from  *replica
	edits uint64
	at    time.Time
}

// alarm is one alert as Alertmanager has it.
type alarm struct {
	firing       bool
	starts, ends time.Time
}

// tally is what an episode came to.
type tally struct {
	steps, crashes, pauses, incidents, effects, edits, orders int
	issued, closed, overrides, approvals, refusals            int
	// late commands took effect behind their deadline or their record, by kind; of these, ended; left for a person.
	late              map[kind]int
	lateEnded         int
	lateLeft          int
	window, confusion int
	reasons           map[remediations.Reason]int
	outcomes          map[incidents.Outcome]int
	// spent changes happened once; healed ones were given back because what they were kept for was gone.
	spent, healed int
}

// start of all episodes: so far ahead that the real deadlines which the kernel hands to its contexts never come.
func newYear() time.Time { return time.Date(2100, 1, 4, 12, 0, 0, 0, time.UTC) }

func newWorld(seed uint64, metrics *handlers.Metrics, stopFile string) *world {
	w := &world{rng: rand.New(rand.NewPCG(seed, 17)), now: newYear(), lanes: 1, metrics: metrics, stopFile: stopFile,
		records: records{by: map[string][]bus.Msg{}, newest: map[string]bus.Msg{}},
		agenda:  entries{items: map[string]entry{}, claims: map[string]claim{}},
		targets: map[string]*target{}, silenced: map[string]bool{}, brakeDoc: &document{}, told: map[*replica]bool{},
		truth: newTruth(), count: tally{late: map[kind]int{}, reasons: map[remediations.Reason]int{}, outcomes: map[incidents.Outcome]int{}}}
	none := policy.Duration(0)
	roomy := policy.Budget{Hour: 200, Day: 1000, Concurrent: 20}
	w.limits = policy.Limits{PerDomain: roomy, PerAction: roomy, Global: roomy, Cooldown: &none, CooldownRisky: &none,
		AlertMaxAge: policy.Duration(2 * time.Minute), Chain: policy.Chain{Fixes: 100, Window: policy.Duration(time.Hour)},
		BlastRadius: policy.BlastRadius{Targets: 100, SharePercent: 100, AlertsPerMinute: 1000, Calm: policy.Duration(time.Minute)}}
	return w
}

// open readies the policy's parts, when the limits and the targets are known.
func (w *world) open(replicas int) {
	w.replicas = make([]*replica, replicas)
	w.windows = &windows.Windows{}
	var err error
	if !w.maintenance[0].IsZero() {
		w.windows, err = windows.New([]policy.Window{{Name: "patching", From: policy.Instant(w.maintenance[0]), Until: policy.Instant(w.maintenance[1])}})
		if err != nil {
			w.fail("windows: %v", err)
		}
	}
	if w.observer, err = guard.NewObserver(policy.Observer{ClockSkew: policy.Duration(time.Second)}); err != nil {
		w.fail("observer: %v", err)
	}
	if w.hand, err = guard.NewBrake(w.brakeDoc, w.stopFile); err != nil {
		w.fail("brake: %v", err)
	}
	for slot := range replicas {
		w.start(slot)
	}
}

func (w *world) add(name, domain string, class remediations.Class) *target {
	t := &target{w: w, name: name, kind: kind(name[:1]), class: class, domain: domain, zone: "zone", mode: policy.Auto, grade: 1,
		fenced: map[string]bool{}}
	w.targets[name] = t
	w.names = append(w.names, name)
	return t
}

func (w *world) fail(format string, args ...any) {
	if w.broken == "" {
		w.broken = fmt.Sprintf(format, args...)
	}
}

// oneIn is true once in n times; never for n = 0.
func (w *world) oneIn(n int) bool { return n > 0 && w.rng.IntN(n) == 0 }

func (w *world) fault(n int) bool {
	return n > 0 && (w.current == nil || !w.current.quiet) && w.oneIn(n)
}

func (w *world) span(from, to time.Duration) time.Duration {
	return from + time.Duration(w.rng.Int64N(int64(to-from)))
}

func (w *world) pick() *target { return w.targets[w.names[w.rng.IntN(len(w.names))]] }

// alert is one of a target's alerts as Alertmanager would say it now.
func (w *world) alert(t *target, n int, source string) alerts.Alert {
	al := t.alerts[n]
	a := alerts.Alert{Fingerprint: fmt.Sprintf("%s%014x", t.name, n), Status: alerts.Firing, StartsAt: al.starts,
		Labels:   map[string]string{"alertname": "Sick", "target": t.name},
		Delivery: alerts.Delivery{At: w.now, Source: source}}
	if !al.firing {
		a.Status, a.EndsAt = alerts.Resolved, al.ends
	}
	return a
}

// post puts an alert in the journal; it is read after a while.
func (w *world) post(a alerts.Alert, after time.Duration) {
	w.mail = append(w.mail, &delivery{alert: a, due: w.now.Add(after)})
}

func (w *world) fire(t *target, n int) alerts.Alert {
	t.alerts[n] = alarm{firing: true, starts: w.now}
	return w.alert(t, n, alerts.SourceWebhook)
}

func (w *world) resolve(t *target, n int) alerts.Alert {
	al := &t.alerts[n]
	al.firing, al.ends = false, w.now
	return w.alert(t, n, alerts.SourceWebhook)
}

// Alerts is Alertmanager's API: what fires now.
func (w *world) Alerts(context.Context, []string) ([]live.Alert, error) {
	var out []live.Alert
	for _, name := range w.names {
		for n, al := range w.targets[name].alerts {
			if al.firing {
				out = append(out, live.Alert{Alert: w.alert(w.targets[name], n, alerts.SourceAPI), State: live.Active})
			}
		}
	}
	return out, nil
}

// Append is the journal, as the reconciler writes to it.
func (w *world) Append(_ context.Context, data []byte) error {
	return alerts.ReadRecord(data, func(_ int, a alerts.Alert) error {
		w.post(a, 0)
		return nil
	})
}

// ack takes a delivery out of the journal.
func (w *world) ack(m *delivery) {
	m.done = true
	kept := w.mail[:0]
	for _, d := range w.mail {
		if !d.done {
			kept = append(kept, d)
		}
	}
	w.mail = kept
}

// take is the job of entering one delivered alert: see the loop's own take, without the decoding.
func (w *world) take(l *lane, m *delivery) {
	m.holder, m.since = l, w.now
	w.begin(l, &job{name: "take " + string(m.alert.Status) + " " + m.alert.Labels["target"], mail: m, run: func(ctx context.Context) error {
		id, err := l.rep.loop.Enter(ctx, familyName, m.alert)
		if err != nil || id == "" {
			return err
		}
		l.rep.agenda.Nudge(id.Key())
		if err := l.rep.agenda.Set(ctx, id.Key(), l.rep.now()); err != nil {
			return err
		}
		w.at("ack")
		return nil
	}})
}

// reconcile asks Alertmanager what is true. It stands still nowhere: what it finds goes through the journal.
func (w *world) reconcile(l *lane) {
	w.begin(l, &job{name: "reconcile", run: func(ctx context.Context) error {
		l.quiet = true
		before := len(w.mail)
		err := l.rep.reconciler.Once(ctx)
		found := w.mail[before:]
		sort.SliceStable(found, func(i, j int) bool { // the records are read in no order
			a, b := found[i].alert, found[j].alert
			return a.Fingerprint+string(a.Status) < b.Fingerprint+string(b.Status)
		})
		return err
	}})
}
