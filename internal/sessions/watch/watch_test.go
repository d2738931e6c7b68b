package watch_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/firebreak-sre/firebreak/internal/sessions"
	"github.com/firebreak-sre/firebreak/internal/sessions/sessionstest"
	"github.com/firebreak-sre/firebreak/internal/sessions/watch"
)

const ttl = time.Minute

// shop is a store of three nodes, of which one is gone, with sessions.
func shop(t *testing.T) *sessionstest.Memory {
	t.Helper()
	m := sessionstest.NewMemory(time.Now, ttl)
	now := time.Now()
	for _, name := range []string{"a", "b", "c"} {
		n := sessions.Node{Name: name, Epoch: 7, Since: now.Add(-time.Hour), LeaseUntil: now.Add(24 * time.Hour), Sees: []string{"a", "b"}}
		if name == "c" {
			n.LeaseUntil = now.Add(-time.Hour)
		}
		m.Register(n)
	}
	for i := range 20 {
		made(t, m, fmt.Sprintf("s%d", i), "", "1", "a", 24*time.Hour)
	}
	return m
}

func made(t *testing.T, m *sessionstest.Memory, id, node, version, owner string, lease time.Duration) {
	t.Helper()
	v, err := sessions.ParseVersion(version)
	if err != nil {
		t.Fatal(err)
	}
	err = m.Make(t.Context(), sessionstest.Made{Key: sessions.Key{ID: id, Copy: node}, Owner: owner, Epoch: 7, Version: v, Priority: sessions.Normal,
		LeaseIn: lease.Seconds()})
	if err != nil {
		t.Fatal(err)
	}
}

// read is all that Prometheus reads, by name and labels.
func read(t *testing.T, w *watch.Watch) map[string]float64 {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	if err := r.Register(w); err != nil {
		t.Fatal(err)
	}
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			got[strings.TrimPrefix(f.GetName(), "firebreak_sessions")+"{"+strings.Join(labels, ",")+"}"] = m.GetGauge().GetValue()
		}
	}
	return got
}

func want(t *testing.T, what string, got, want map[string]float64) {
	t.Helper()
	if !maps.Equal(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// well is what is read of a store in which nothing is wrong.
func well() map[string]float64 {
	return map[string]float64{"{store=shop}": 20, "_orphaned{store=shop}": 0, "_recovery_seconds{store=shop}": 0, "_concurrent{store=shop}": 0,
		"_replica_lag_seconds{replica=replica1,store=shop}": 0, "_inconsistent{replica=replica1,store=shop}": 0, "_measured{store=shop}": 1}
}

// start measures in the background of a bubble, and ends with it.
func start(t *testing.T, stores map[string]sessions.Looker) (w *watch.Watch, end func()) {
	t.Helper()
	w = watch.New(watch.Config{Stores: stores, Every: 30 * time.Second, Within: 10 * time.Second, Log: zerolog.Nop()})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	return w, func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the watch ended with %v", err)
		}
	}
}

// pass lets a round come and go.
func pass() {
	<-time.After(31 * time.Second) // in a bubble this takes no time
	synctest.Wait()
}

// What is there is measured, round by round: orphans and the longest of them, copies that are concurrent, and what the replica lacks.
func TestMeasures(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := shop(t)
		w, end := start(t, map[string]sessions.Looker{"shop": m})
		defer end()
		synctest.Wait()
		want(t, "at first", read(t, w), well())

		made(t, m, "o1", "", "1", "c", -10*time.Minute)
		made(t, m, "o2", "", "1", "nobody", -3*time.Minute)
		made(t, m, "late", "", "1", "c", -time.Minute)
		made(t, m, "stays", "", "1", "a", -time.Hour)
		for node, version := range map[string]string{"a": "a=2,b=1", "b": "a=1,b=2"} {
			made(t, m, "apart", node, version, "a", time.Hour)
			made(t, m, "behind", node, map[string]string{"a": "a=2", "b": "a=1"}[node], "a", time.Hour)
		}
		pass()
		got, wanted := read(t, w), well()
		wanted["{store=shop}"], wanted["_orphaned{store=shop}"], wanted["_concurrent{store=shop}"] = 28, 2, 1
		recovery := got["_recovery_seconds{store=shop}"]
		wanted["_recovery_seconds{store=shop}"] = recovery
		want(t, "with orphans", got, wanted)
		if recovery < 600 || recovery > 640 {
			t.Errorf("the longest is over for %v s", recovery)
		}
	})
}

// A replica that is behind has its lag, and is not compared: it is not known whether it holds the same.
func TestBehind(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := shop(t)
		m.Hold(true)
		made(t, m, "new", "", "1", "a", time.Hour)
		w, end := start(t, map[string]sessions.Looker{"shop": m})
		defer end()
		synctest.Wait()
		got := read(t, w)
		if _, there := got["_inconsistent{replica=replica1,store=shop}"]; there || got["_measured{store=shop}"] != 1 {
			t.Errorf("got %v", got)
		}
		if _, there := got["_replica_lag_seconds{replica=replica1,store=shop}"]; !there {
			t.Errorf("the lag is missing: %v", got)
		}
	})
}

// fails is a store that can be made to fail, or to hang, in one of its methods.
type fails struct {
	*sessionstest.Memory
	how atomic.Value // string
}

func (f *fails) broken(ctx context.Context, method string) error {
	switch f.how.Load() {
	case method, "all":
		return errors.New("broken")
	case "hang":
		<-ctx.Done()
		return ctx.Err()
	}
	return nil
}

func (f *fails) Membership(ctx context.Context) (sessions.Membership, error) {
	if err := f.broken(ctx, "membership"); err != nil {
		return sessions.Membership{}, err
	}
	m, err := f.Memory.Membership(ctx)
	if f.how.Load() == "quorum" {
		m.Quorum = false
	}
	return m, err
}

func (f *fails) Replication(ctx context.Context) (sessions.Replication, error) {
	if err := f.broken(ctx, "replication"); err != nil {
		return sessions.Replication{}, err
	}
	r, err := f.Memory.Replication(ctx)
	if f.how.Load() == "unknown" {
		r.Replicas[0] = sessions.Replica{Name: sessionstest.Replica, State: "unreachable"}
	}
	return r, err
}

func (f *fails) Digest(ctx context.Context, node string, cut sessions.Cut) (sessions.Digest, error) {
	if err := f.broken(ctx, "digest"); err != nil {
		return sessions.Digest{}, err
	}
	return f.Memory.Digest(ctx, node, cut)
}

func (f *fails) List(ctx context.Context, q sessions.Query) (sessions.Page, error) {
	if err := f.broken(ctx, "list"); err != nil {
		return sessions.Page{}, err
	}
	return f.Memory.List(ctx, q)
}

// What cannot be measured disappears, only that, and measured is 0 until it can be again. Another store is not held up.
func TestFailing(t *testing.T) {
	t.Parallel()
	const replica = "{replica=replica1,store=shop}"
	for how, gone := range map[string][]string{
		"membership":  {"_orphaned{store=shop}", "_recovery_seconds{store=shop}", "_concurrent{store=shop}"},
		"list":        {"_orphaned{store=shop}", "_recovery_seconds{store=shop}", "_concurrent{store=shop}"},
		"quorum":      {"_orphaned{store=shop}", "_recovery_seconds{store=shop}"},
		"replication": {"_replica_lag_seconds" + replica, "_inconsistent" + replica},
		"unknown":     {"_replica_lag_seconds" + replica, "_inconsistent" + replica},
		"digest":      {"{store=shop}", "_inconsistent" + replica},
		"all":         slices.Collect(maps.Keys(well())),
		"hang":        slices.Collect(maps.Keys(well())),
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := &fails{Memory: shop(t)}
				f.how.Store("")
				w, end := start(t, map[string]sessions.Looker{"shop": f, "other": shop(t)})
				defer end()
				synctest.Wait()
				mine := func() map[string]float64 {
					got := read(t, w)
					if got["_measured{store=other}"] != 1 {
						t.Errorf("the other store is not measured: %v", got)
					}
					maps.DeleteFunc(got, func(name string, _ float64) bool { return strings.Contains(name, "store=other") })
					return got
				}
				want(t, "at first", mine(), well())
				f.how.Store(how)
				pass()
				pass()
				wanted := well()
				for _, name := range gone {
					delete(wanted, name)
				}
				wanted["_measured{store=shop}"] = 0
				want(t, "while it fails", mine(), wanted)
				f.how.Store("")
				for range 6 { // a store that took long is left alone for long
					pass()
				}
				want(t, "afterwards", mine(), well())
			})
		})
	}
}

// Before the first round, and when rounds do not end any more, nothing is known.
func TestNoNews(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := shop(t)
		w := watch.New(watch.Config{Stores: map[string]sessions.Looker{"shop": m}, Every: time.Second, Within: time.Second, Log: zerolog.Nop()})
		unknown := map[string]float64{"_measured{store=shop}": 0}
		want(t, "before", read(t, w), unknown)
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- w.Run(ctx) }()
		synctest.Wait()
		want(t, "measured", read(t, w), well())
		cancel()
		<-done
		<-time.After(10 * time.Second)
		want(t, "after nobody measured for long", read(t, w), unknown)
	})
}

// The alert rules ask for gauges that are given: one that nobody gives never fires.
func TestRulesAskForWhatIsGiven(t *testing.T) {
	t.Parallel()
	rules, err := os.ReadFile(filepath.Join("..", "..", "..", "alerts", "rules", "sessions.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	given := map[string]bool{}
	w := watch.New(watch.Config{Stores: map[string]sessions.Looker{}, Log: zerolog.Nop()})
	described := make(chan *prometheus.Desc, 100)
	w.Describe(described)
	close(described)
	name := regexp.MustCompile(`firebreak_sessions[a-z_]*`)
	for d := range described {
		given[name.FindString(d.String())] = true
	}
	asked := name.FindAllString(string(rules), -1)
	for _, metric := range asked {
		if !given[metric] {
			t.Errorf("sessions.yaml asks for %s, which is not among %v", metric, given)
		}
	}
	if len(asked) == 0 || len(given) < 7 {
		t.Errorf("%d gauges are asked for and %d given, which shows nothing", len(asked), len(given))
	}
}
