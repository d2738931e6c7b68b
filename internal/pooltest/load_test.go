package pooltest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/firebreak-sre/firebreak/internal/blackbox"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// What follows puts a leak under load: 200 clients share a pool of 20, transactions leak until the pool has none left, and the way from
// there is the whole way: exporter, Prometheus with the rules that are shipped, Alertmanager, Firebreak. Once Firebreak acts; once, in a long
// run, it only observes. What is printed are measurements of one machine that may be busy; what is held is that the clients are served again.

const (
	loadClients = 200
	loadPool    = 20
	// loadEvery is how often each client asks.
	loadEvery = 200 * time.Millisecond
)

// span is how long the load is measured before the leak and after it, and how long nobody does anything about it while Firebreak observes.
func span() (around, unhelped time.Duration) {
	if blackbox.Long() {
		return 15 * time.Second, 60 * time.Second
	}
	return 3 * time.Second, 8 * time.Second
}

// request is one that was answered, or refused.
type request struct {
	at    time.Time // its end
	took  time.Duration
	wrong bool
}

// meter keeps all requests.
type meter struct {
	mu  sync.Mutex
	all []request // guarded by mu
}

func (m *meter) add(r request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.all = append(m.all, r)
}

// between are the requests that ended in a time.
func (m *meter) between(from, to time.Time) []request {
	m.mu.Lock()
	defer m.mu.Unlock()
	var some []request
	for _, r := range m.all {
		if !r.at.Before(from) && r.at.Before(to) {
			some = append(some, r)
		}
	}
	return some
}

// row is a phase in numbers.
func (m *meter) row(name string, from, to time.Time) string {
	var took []time.Duration
	wrong := 0
	for _, r := range m.between(from, to) {
		if r.wrong {
			wrong++
			continue
		}
		took = append(took, r.took)
	}
	slices.Sort(took)
	p99 := "-"
	if n := len(took); n > 0 {
		p99 = fmt.Sprintf("%.0f", float64(took[n*99/100].Microseconds())/1000)
	}
	return fmt.Sprintf("| %s | %.1f | %.0f | %s | %d |\n", name, to.Sub(from).Seconds(), float64(len(took))/to.Sub(from).Seconds(), p99, wrong)
}

// rate is how many were answered each second in a time.
func (m *meter) rate(from, to time.Time) float64 {
	n := 0
	for _, r := range m.between(from, to) {
		if !r.wrong {
			n++
		}
	}
	return float64(n) / to.Sub(from).Seconds()
}

// busy starts the load.
func (r *run) busy() *meter {
	r.t.Helper()
	m := &meter{}
	ask := func(ctx context.Context, conn *pgx.Conn) error {
		began := time.Now()
		_, err := conn.Exec(ctx, "select note from items where id = 7")
		if ctx.Err() == nil {
			m.add(request{at: time.Now(), took: time.Since(began), wrong: err != nil})
		}
		blackbox.Pause(ctx, loadEvery-min(loadEvery, time.Since(began)))
		return err
	}
	l := r.clients(loadClients, listed, r.pooler.Addr, ask)
	r.await("all clients to have been served", func() bool { return l.served.Load() > 2*loadClients })
	return m
}

// leaks takes all sessions of the pool for transactions that nobody will end.
func (r *run) leaks() []*session {
	r.t.Helper()
	all := make([]*session, 0, loadPool)
	for range loadPool {
		all = append(all, r.pooled(listed, "checkout", "select 1"))
	}
	return all
}

// underLoad measures a leak, with Firebreak acting and, in a long run, without.
func underLoad(t *testing.T, bin string) {
	l := blackbox.NewLane(t)
	t.Cleanup(l.End)
	b := startLab(l)
	var rows strings.Builder
	modes := []string{"auto"}
	if blackbox.Long() {
		modes = append(modes, "observe")
	}
	for _, mode := range modes {
		t.Run(mode, func(t *testing.T) {
			defer l.Enter(t)()
			b.heal()
			rows.WriteString(measured(t, b, bin, mode))
		})
	}
	t.Logf("%d clients, a pool of %d, all of it leaked; default leak_age is 5m, here it is 2s\n%s", loadClients, loadPool, rows.String())
}

// measured is one leak under load, in words.
func measured(t *testing.T, b *lab, bin, mode string) string {
	t.Helper()
	s := usual()
	s.mode, s.poolSize, s.pooler = mode, loadPool, map[string]string{"max_client_conn": "400"}
	s.leakAge, s.maxWait, s.sampleEvery = 2*time.Second, time.Second, time.Second
	s.listen = testbed.Addr(t)
	r := newRun(t, b, bin, s, &blackbox.Verdict{})
	e := testbed.ScrapeTarget{Job: "pgbouncer", Addr: testbed.StartPgBouncerExporter(t, r.pooler).Addr,
		Labels: map[string]string{"cluster": "orders", "node": bouncer}}
	am := testbed.Alertmanager(t, testbed.AlertmanagerConfig{WebhookURL: "http://" + s.listen + "/webhook", GroupWait: time.Second,
		GroupInterval: time.Second, GroupBy: []string{"alertname", "cluster", "node"}})
	testbed.Prometheus(t, testbed.PrometheusConfig{Targets: []testbed.ScrapeTarget{e}, Rules: b.shortRules(),
		Alertmanagers: []string{am.Addr}})

	r.begun = time.Now().UTC()
	r.crowd()
	r.shapes = watchShape(t, look(t, r.pooler).shape)
	m := r.busy()
	around, unhelped := span()
	began := time.Now()
	r.await("some time to pass", func() bool { return time.Since(began) > around })
	leaked := r.leaks()
	fault := time.Now()
	usualRate := m.rate(began, fault)

	var text strings.Builder
	fmt.Fprintf(&text, "| %s | seconds | requests/s | p99 in ms | refused |\n|---|---|---|---|---|\n%s", mode, m.row("before", began, fault))
	if mode == "observe" {
		r.until("what would be done", func(got blackbox.Record) bool { return got.Decided("leak", "act") })
		r.await("some time to pass", func() bool { return time.Since(fault) > unhelped })
		r.endAll(leaked) // as a person does
	}
	recovered := r.serves(m, usualRate, fault)
	text.WriteString(m.row("during", fault, recovered))
	r.await("some time to pass", func() bool { return time.Since(recovered) > around })
	text.WriteString(m.row("after", recovered, time.Now()))
	if mode == "auto" {
		text.WriteString(r.stages(fault, recovered))
		r.judgeEnded(leaked)
	} else if all := kills(r.Primary, r.begun); len(all) != len(leaked) {
		r.harm("%d sessions were ended, and a person ended %d", len(all), len(leaked))
	}
	r.judgeShapes()
	if len(r.v.Harms)+len(r.v.Wrongs) > 0 {
		t.Errorf("wrong action: %q, wrong: %q\n%s", r.v.Harms, r.v.Wrongs, r.story())
	}
	return text.String()
}

// serves waits until as many are served as before, or nearly, for a second, and says when that was over. Those that had waited count, which is
// for how long they had.
func (r *run) serves(m *meter, usualRate float64, fault time.Time) time.Time {
	r.t.Helper()
	r.await("the clients to be served again", func() bool {
		now := time.Now()
		return now.Sub(fault) > time.Second && m.rate(now.Add(-time.Second), now) > 0.8*usualRate
	})
	return time.Now()
}

// endAll ends the sessions of a leak by hand.
func (r *run) endAll(all []*session) {
	r.t.Helper()
	for _, s := range all {
		if alive, err := r.alive(s); err != nil || !alive {
			r.harm("%s has gone, and Firebreak only observes (%v)", s, err)
		}
		r.Primary.Exec(r.t, fmt.Sprintf("select pg_terminate_backend(%d)", s.pid))
	}
}

// judgeEnded: whoever was ended was one of those that leaked.
func (r *run) judgeEnded(leaked []*session) {
	for _, k := range kills(r.Primary, r.begun) {
		if !slices.ContainsFunc(leaked, func(s *session) bool { return s.pid == k.pid }) {
			r.harm("ended, and had not leaked: %s", k.line)
		}
	}
}

// stages are when what happened, beside the targets of the runbook.
func (r *run) stages(fault, recovered time.Time) string {
	r.t.Helper()
	// What leaked and was not ended yet may be a second incident by now: the first is the one that set the clients free.
	all, err := r.product.Records()
	if err != nil || len(all) == 0 {
		r.t.Fatalf("read the record: %d incidents, %v", len(all), err)
	}
	got := all[0]
	var b strings.Builder
	b.WriteString("\n| acting | seconds | target (RB-011) |\n|---|---|---|\n")
	alerted, _ := got.First("opened")
	for _, e := range []struct{ kind, what, target string }{
		{"opened", "from the fault to the alert", "detected < 10 s"},
		{"applied", "from the fault to the first change", "mitigated < 30 s"},
	} {
		at, ok := got.First(e.kind)
		if !ok {
			r.wrongly("nothing was %s", e.kind)
		}
		fmt.Fprintf(&b, "| %s | %.1f | %s |\n", e.what, at.Sub(fault).Seconds(), e.target)
	}
	fmt.Fprintf(&b, "| from the alert to served as before | %.1f | recovered < 5 min |\n\n", recovered.Sub(alerted).Seconds())
	return b.String()
}

// shortRules are the rules that are shipped, with shorter times and nothing else changed.
func (b *lab) shortRules() string {
	text, err := os.ReadFile(filepath.Join("..", "..", "alerts", "rules", "pgbouncer.yaml"))
	if err != nil {
		b.Fatalf("read the rules that are shipped: %v", err)
	}
	rules := string(text)
	for _, long := range []string{"for: 30s", "for: 1m"} {
		if !strings.Contains(rules, long) {
			b.Fatalf("the rules have no %q any more: adapt this test", long)
		}
		rules = strings.ReplaceAll(rules, long, "for: 1s")
	}
	return rules
}
