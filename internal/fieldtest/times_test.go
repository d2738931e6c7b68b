package fieldtest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/internal/blackbox"
)

// stage is a moment on the way.
type stage string

const (
	pending   stage = "the rule sees it"
	firing    stage = "the alert fires"
	delivered stage = "it is at the webhook"
	decided   stage = "decided"
	applied   stage = "the change is made"
	verified  stage = "its effect is seen"
	recovered stage = "served as before"
	over      stage = "the change is over"
	resolve   stage = "the alert is over"
	closed    stage = "the incident is closed"
)

// stages are all, in their order.
func stages() []stage {
	return []stage{pending, firing, delivered, decided, applied, verified, recovered, over, resolve, closed}
}

// times is when what happened, from the fault.
type times map[stage]time.Duration

// missedBy is how many times longer than its target a stage may take before that is a fault.
const missedBy = 10

// times reads the stages out of the record, and out of Prometheus.
func (r *run) times(got blackbox.Record) times {
	all := times{recovered: r.well.Sub(r.began)}
	mark := func(s stage, at time.Time, ok bool) {
		if !ok {
			r.wrongly("there is no moment at which %s", s)
			return
		}
		all[s] = at.Sub(r.began)
	}
	seen, err := r.prom.Query(r.t.Context(), fmt.Sprintf(`max(max_over_time(ALERTS_FOR_STATE{alertname=%q}[2m]))`, r.fault.alert))
	if err != nil || len(seen) != 1 {
		r.wrongly("when the rule saw it is not known: %v, %v", seen, err)
	} else {
		all[pending] = time.UnixMilli(int64(seen[0].Value * 1000)).Sub(r.began)
	}
	for _, e := range got.Events {
		switch a := e.Told(); {
		case a != nil && e.Opening != nil:
			mark(firing, a.StartsAt, true)
			mark(delivered, a.Delivery.At, true)
		case a != nil && a.Status == "resolved":
			mark(resolve, a.Delivery.At, true)
		case e.Decision != nil && e.Decision.Verdict == "act" && all[decided] == 0:
			mark(decided, e.At, true)
		}
	}
	for kind, s := range map[string]stage{"applied": applied, "verified": verified, r.fault.ends: over, "closed": closed} {
		at, ok := got.First(kind)
		mark(s, at, ok)
	}
	return all
}

// late are the targets that were missed by an order of magnitude, if the alert had waited as long as it is shipped to.
func (r *run) late(all times) (wrongs []string) {
	more := waits(r.t, r.shipped, r.fault.alert) - waits(r.t, r.short, r.fault.alert)
	for _, target := range r.fault.targets {
		if took := all[target.stage] + more; took > missedBy*target.within {
			wrongs = append(wrongs, fmt.Sprintf("until %s it took %s, and the target is %s", target.stage, took, target.within))
		}
	}
	return wrongs
}

// done are all runs of a fault.
type done struct {
	fault fault

	mu          sync.Mutex // guards the fields below
	runs        []times
	real, short time.Duration // how long the alert waits, as shipped and here
	managers    []string      // the versions of Alertmanager
}

func (d *done) add(run times) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.runs = append(d.runs, run)
}

// by notes in what world runs are made.
func (d *done) by(t *testing.T, w *world) {
	t.Helper()
	version, err := w.am.Version(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.real, d.short = waits(t, w.shipped, d.fault.alert), waits(t, w.short, d.fault.alert)
	if !slices.Contains(d.managers, version) {
		d.managers = append(d.managers, version)
	}
}

// table is what was measured, as Markdown.
func (d *done) table() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "### %s (%s)\n\n%s waits %s here and %s as shipped: %d runs, Alertmanager %s\n\n", d.fault.name, d.fault.runbook,
		d.fault.alert, d.short, d.real, len(d.runs), strings.Join(d.managers, " and "))
	b.WriteString("| seconds from the fault until | median | worst | median without the alert's waiting | target |\n|---|---|---|---|---|\n")
	for _, s := range stages() {
		var took []time.Duration
		for _, run := range d.runs {
			if at, ok := run[s]; ok {
				took = append(took, at)
			}
		}
		if len(took) == 0 {
			continue
		}
		slices.Sort(took)
		median, waited := took[len(took)/2], d.short
		if s == pending {
			waited = 0
		}
		fmt.Fprintf(&b, "| %s | %.1f | %.1f | %.1f | %s |\n", s, median.Seconds(), took[len(took)-1].Seconds(), (median - waited).Seconds(), d.target(s))
	}
	return b.String()
}

func (d *done) target(s stage) string {
	for _, target := range d.fault.targets {
		if target.stage == s {
			return fmt.Sprintf("< %s (%s)", target.within, d.fault.runbook)
		}
	}
	return ""
}

// preface says what the tables do not show.
const preface = `The whole way on real servers. Scraped and evaluated every second; group_wait 200 ms and group_interval 1 s. An alert's for is shorter
than what is shipped, as each table says. What rules look back on (their ranges, offsets and keep_firing_for) is a %dth of what is shipped, which
is not added back anywhere. A run fails where a target is missed %d times over once the alert's shipped for is added. PgBouncer's exporter is a
stand-in with the community's names.

`

// publish prints the tables, and writes them to the file that FIREBREAK_REPORT names.
func publish(t *testing.T, tables []string) {
	t.Helper()
	text := fmt.Sprintf(preface, rangeFactor, missedBy) + strings.Join(tables, "\n")
	t.Logf("\n%s", text)
	file := os.Getenv("FIREBREAK_REPORT")
	if file == "" {
		return
	}
	err := os.MkdirAll(filepath.Dir(file), 0o755)
	if err == nil {
		err = os.WriteFile(file, []byte(text), 0o644)
	}
	if err != nil {
		t.Errorf("write the report: %v", err)
	}
}
