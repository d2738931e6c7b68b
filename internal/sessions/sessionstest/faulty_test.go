package sessionstest_test

import (
	"context"
	"maps"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/internal/sessions"
	"github.com/firebreak-sre/firebreak/internal/sessions/sessionstest"
)

// faulty is a store that breaks one promise. What is nil is kept.
type faulty struct {
	*sessionstest.Memory
	quarantine func(context.Context, sessions.Quarantine) (sessions.Answer, error)
	restore    func(context.Context, sessions.Restore) (sessions.Answer, error)
	reconcile  func(context.Context, sessions.Reconcile) (sessions.Answer, error)
	recover    func(context.Context, sessions.Recover) (sessions.Answer, error)
	sync       func(context.Context, sessions.Sync) (sessions.Synced, error)
	list       func(context.Context, sessions.Query) (sessions.Page, error)
}

func (f *faulty) Quarantine(ctx context.Context, q sessions.Quarantine) (sessions.Answer, error) {
	if f.quarantine != nil {
		return f.quarantine(ctx, q)
	}
	return f.Memory.Quarantine(ctx, q)
}

func (f *faulty) Restore(ctx context.Context, q sessions.Restore) (sessions.Answer, error) {
	if f.restore != nil {
		return f.restore(ctx, q)
	}
	return f.Memory.Restore(ctx, q)
}

func (f *faulty) Reconcile(ctx context.Context, q sessions.Reconcile) (sessions.Answer, error) {
	if f.reconcile != nil {
		return f.reconcile(ctx, q)
	}
	return f.Memory.Reconcile(ctx, q)
}

func (f *faulty) Recover(ctx context.Context, q sessions.Recover) (sessions.Answer, error) {
	if f.recover != nil {
		return f.recover(ctx, q)
	}
	return f.Memory.Recover(ctx, q)
}

func (f *faulty) Sync(ctx context.Context, q sessions.Sync) (sessions.Synced, error) {
	if f.sync != nil {
		return f.sync(ctx, q)
	}
	return f.Memory.Sync(ctx, q)
}

func (f *faulty) List(ctx context.Context, q sessions.Query) (sessions.Page, error) {
	if f.list != nil {
		return f.list(ctx, q)
	}
	return f.Memory.List(ctx, q)
}

// asNow is an order as it should be now: a store that does this forgets to look at what the caller says.
func (f *faulty) asNow(o *sessions.Order, epoch, deadline bool) {
	m, err := f.Memory.Membership(context.Background())
	if err != nil {
		return
	}
	if epoch {
		o.Epoch = m.Epoch
	}
	if deadline {
		o.Deadline = m.At.Add(time.Minute)
	}
}

// always is a repeat in the name of another action.
func always(o *sessions.Order, n *int) {
	*n++
	o.Action += string(rune('A' + *n%26))
}

// quarantineFaults break promises of a quarantine, each by the name of the check that must find it.
func quarantineFaults() map[string]func(*faulty) {
	return map[string]func(*faulty){
		"epoch": func(f *faulty) {
			f.quarantine = func(ctx context.Context, q sessions.Quarantine) (sessions.Answer, error) {
				f.asNow(&q.Order, true, false)
				return f.Memory.Quarantine(ctx, q)
			}
		},
		"deadline": func(f *faulty) {
			f.quarantine = func(ctx context.Context, q sessions.Quarantine) (sessions.Answer, error) {
				f.asNow(&q.Order, false, true)
				return f.Memory.Quarantine(ctx, q)
			}
		},
		"max": func(f *faulty) {
			f.quarantine = func(ctx context.Context, q sessions.Quarantine) (sessions.Answer, error) {
				q.Max = max(q.Max, len(q.Sessions))
				return f.Memory.Quarantine(ctx, q)
			}
		},
		"idempotent": func(f *faulty) {
			n := 0
			f.quarantine = func(ctx context.Context, q sessions.Quarantine) (sessions.Answer, error) {
				always(&q.Order, &n)
				return f.Memory.Quarantine(ctx, q)
			}
		},
		"touched": func(f *faulty) { // it takes what is there, not what was seen
			f.quarantine = func(ctx context.Context, q sessions.Quarantine) (sessions.Answer, error) {
				now := append([]sessions.Session{}, q.Sessions...)
				for i, s := range now {
					page, _ := f.Memory.List(ctx, sessions.Query{IDs: []string{s.ID}})
					for _, found := range page.Sessions {
						if found.Key == s.Key {
							now[i] = found
						}
					}
				}
				q.Sessions = now
				return f.Memory.Quarantine(ctx, q)
			}
		},
	}
}

// otherFaults break those of the rest.
func otherFaults() map[string]func(*faulty) {
	return map[string]func(*faulty){
		"quarantine": func(f *faulty) { // what is restored has lost its contents
			f.restore = func(ctx context.Context, r sessions.Restore) (sessions.Answer, error) {
				a, err := f.Memory.Restore(ctx, r)
				for _, item := range a.Items {
					page, _ := f.Memory.List(ctx, sessions.Query{IDs: []string{item.ID}})
					for _, s := range page.Sessions {
						_ = f.Memory.Make(ctx, sessionstest.Made{Key: s.Key, Owner: s.Owner, Epoch: s.Epoch, Version: s.Version,
							Priority: s.Priority, LeaseIn: s.LeaseUntil.Sub(page.At).Seconds()})
					}
				}
				return a, err
			}
		},
		"restore_unknown": func(f *faulty) {
			f.restore = func(ctx context.Context, r sessions.Restore) (sessions.Answer, error) {
				a, err := f.Memory.Restore(ctx, r)
				if sessions.Code(err) == "unknown_action" {
					return sessions.Answer{Action: r.Action, At: time.Now()}, nil
				}
				return a, err
			}
		},
		"restore_epoch": func(f *faulty) {
			f.restore = func(ctx context.Context, r sessions.Restore) (sessions.Answer, error) {
				f.asNow(&r.Order, true, false)
				return f.Memory.Restore(ctx, r)
			}
		},
		"concurrent": func(f *faulty) { // it lets somebody win
			f.reconcile = func(ctx context.Context, r sessions.Reconcile) (sessions.Answer, error) {
				r.SetAside = true
				return f.Memory.Reconcile(ctx, r)
			}
		},
		"recover": func(f *faulty) { // it says so and does nothing
			f.recover = func(_ context.Context, r sessions.Recover) (sessions.Answer, error) {
				return sessions.Answer{Action: r.Action, At: time.Now(), Items: []sessions.Item{{Key: r.Sessions[0].Key, Outcome: sessions.Done}}}, nil
			}
		},
		"sync": func(f *faulty) { // every repeat is a new one
			n := 0
			f.sync = func(ctx context.Context, s sessions.Sync) (sessions.Synced, error) {
				always(&s.Order, &n)
				return f.Memory.Sync(ctx, s)
			}
		},
		"listed": func(f *faulty) { // its clock is not the one of the leases
			f.list = func(ctx context.Context, q sessions.Query) (sessions.Page, error) {
				page, err := f.Memory.List(ctx, q)
				for i := range page.Sessions {
					page.Sessions[i].LeaseUntil = page.Sessions[i].LeaseUntil.Add(time.Hour)
				}
				return page, err
			}
		},
		"unread": func(f *faulty) {
			f.list = func(ctx context.Context, q sessions.Query) (sessions.Page, error) {
				q.Node = sessions.Primary
				return f.Memory.List(ctx, q)
			}
		},
	}
}

// The suite finds a store that breaks a promise, and says which one.
func TestSuiteFindsFaults(t *testing.T) {
	t.Parallel()
	all := quarantineFaults()
	maps.Copy(all, otherFaults())
	for check, breaks := range all {
		t.Run(check, func(t *testing.T) {
			t.Parallel()
			f := &faulty{Memory: store(0)}
			breaks(f)
			report := sessionstest.Run(t.Context(), f, sessionstest.Options{Bench: f.Memory, Only: []string{check}})
			if len(report.Checks) != 1 || report.Count(sessionstest.Failed) != 1 || report.OK() {
				t.Errorf("the fault was not found:\n%s", report)
			}
		})
	}
}

// A quorum that does not matter is found by the partition check: a store in which the small side is believed.
func TestSuiteFindsTheSmallSide(t *testing.T) {
	t.Parallel()
	m := store(0)
	f := &faulty{Memory: m}
	f.quarantine = func(ctx context.Context, q sessions.Quarantine) (sessions.Answer, error) {
		a, err := m.Quarantine(ctx, q)
		if sessions.Code(err) != "quorum" {
			return a, err
		}
		if err := m.SetQuorum(ctx, true); err != nil {
			return a, err
		}
		defer func() { _ = m.SetQuorum(ctx, false) }()
		return m.Quarantine(ctx, q)
	}
	report := sessionstest.Run(t.Context(), f, sessionstest.Options{Bench: m, Only: []string{"partition"}})
	if report.Count(sessionstest.Failed) != 1 {
		t.Errorf("the fault was not found:\n%s", report)
	}
}

// plain is only the bench, without a way to take the quorum away.
type plain struct{ sessionstest.Bench }

// On a live store the suite leaves nothing behind, touches nobody else's sessions, and says what it could not try.
func TestSuiteIsSafe(t *testing.T) {
	t.Parallel()
	m := store(0)
	other := sessionstest.Made{Key: sessions.Key{ID: "of-a-customer"}, Owner: "dead", Version: sessions.Counter(1), Priority: sessions.Low,
		LeaseIn: -3600, Contents: map[string]string{"cart": "full"}}
	if err := m.Make(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	before, err := m.List(t.Context(), sessions.Query{})
	if err != nil {
		t.Fatal(err)
	}
	report := sessionstest.Run(t.Context(), m, sessionstest.Options{Bench: plain{m}})
	if !report.OK() || report.Count(sessionstest.Skipped) != 1 || report.Checks[len(report.Checks)-1].Result != sessionstest.Skipped {
		t.Errorf("\n%s", report)
	}
	for _, quarantined := range []bool{false, true} {
		after, err := m.List(t.Context(), sessions.Query{Quarantined: quarantined})
		left := len(after.Sessions) == 1 && after.Sessions[0].Same(before.Sessions[0])
		if err != nil || (quarantined && len(after.Sessions) > 0) || (!quarantined && !left) {
			t.Errorf("there are %v, %v", after.Sessions, err)
		}
	}
	// Without a quorum nothing is changed, and that is said.
	if err := m.SetQuorum(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	report = sessionstest.Run(t.Context(), m, sessionstest.Options{Bench: plain{m}})
	if report.Count(sessionstest.Failed) > 0 || report.Count(sessionstest.Skipped) < 20 {
		t.Errorf("\n%s", report)
	}
}
