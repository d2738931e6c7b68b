package haproxy_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	runtime "github.com/firebreak-sre/firebreak/internal/haproxy"
	"github.com/firebreak-sre/firebreak/internal/testbed"
	"github.com/firebreak-sre/firebreak/remediations"
)

// Two actions that race for the last two readers never take both, whoever is faster.
func TestRaceForTheLast(t *testing.T) {
	t.Parallel()
	const rounds = 40
	b := open(t, "", "pg1", "pg2")
	took := 0
	for round := range rounds {
		orders := [2]remediations.Order{order("pg1", fmt.Sprintf("a%d", round)), order("pg2", fmt.Sprintf("b%d", round))}
		var errs [2]error
		var racing sync.WaitGroup
		for i := range orders {
			r := b.pool(b.socket()) // as another process would have its own
			racing.Go(func() { _, errs[i] = r.Apply(t.Context(), orders[i]) })
		}
		racing.Wait()
		out := 0
		for i, node := range b.nodes {
			drained := b.is(node) == "drained"
			if drained {
				out++
			}
			if drained != (errs[i] == nil) || errs[i] != nil && !errors.Is(errs[i], remediations.ErrRefused) {
				t.Errorf("round %d: %s is drained: %t, and its order got %v", round, node, drained, errs[i])
			}
		}
		if out > 1 {
			t.Fatalf("round %d: both are drained", round)
		}
		took += out
		for i := range orders {
			if err := b.pool(b.socket()).Revert(t.Context(), orders[i], remediations.Receipt{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Logf("in %d of %d rounds one was drained, in the others none", took, rounds)
	if n := strings.Count(b.Log(), "has no server available"); n != 0 {
		t.Errorf("HAProxy had no reader left %d times", n)
	}
}

// Whoever has claimed and not yet drained keeps the other from draining, although the pool still looks whole.
func TestClaimCounts(t *testing.T) {
	t.Parallel()
	b := open(t, "", "pg1", "pg2")
	w := newWire(t, b, "unix")
	held := w.hold()
	done := make(chan error, 1)
	go func() {
		_, err := b.pool(w.address).Apply(t.Context(), order("pg1", "a1"))
		done <- err
	}()
	pass := <-held // its drain is on the wire
	r := b.pool(b.socket())
	_, err := r.Apply(t.Context(), order("pg2", "a2"))
	refused(t, err, "pg1 is about to be drained by another action")
	_, err = r.Apply(t.Context(), order("pg1", "a3"))
	refused(t, err, "another action is about to drain it")
	close(pass)
	if err := <-done; err != nil {
		t.Errorf("who claimed first: %v", err)
	}
	if one, two := b.is("pg1"), b.is("pg2"); one != "drained" || two != "ready" {
		t.Errorf("pg1 is %s, pg2 is %s", one, two)
	}
}

// A claim of who died counts no longer when its time has passed; one that nobody can read counts.
func TestDeadClaim(t *testing.T) {
	t.Parallel()
	b := open(t, "", "pg1", "pg2")
	r := b.pool(b.socket())
	claim := func(value string) {
		marks := []runtime.Mark{{Kind: runtime.Claim, Server: "srv-pg1", Value: value}}
		if _, err := b.client(b.socket()).Change(t.Context(), "readers", "srv-pg1", "", marks, nil); err != nil {
			t.Fatal(err)
		}
	}
	claim(fmt.Sprintf("%d.dead", time.Now().Add(time.Minute).UnixMilli()))
	_, err := r.Apply(t.Context(), order("pg2", "a1"))
	refused(t, err, "pg1 is about to be drained")
	claim("soon")
	_, err = r.Apply(t.Context(), order("pg2", "a1"))
	refused(t, err, "pg1 is about to be drained")
	claim(fmt.Sprintf("%d.dead", time.Now().Add(-time.Minute).UnixMilli()))
	if _, err := r.Apply(t.Context(), order("pg2", "a1")); err != nil {
		t.Errorf("after its time: %v", err)
	}
}

// A person who drains the last other reader in the moment of our command is seen right after it, and ours is taken back.
func TestTooFewAfterwards(t *testing.T) {
	t.Parallel()
	b := open(t, "", "pg1", "pg2")
	w := newWire(t, b, "unix")
	held := w.hold()
	done := make(chan error, 1)
	o := order("pg2", "a1")
	go func() {
		_, err := b.pool(w.address).Apply(t.Context(), o)
		done <- err
	}()
	pass := <-held
	b.set("pg1", runtime.StateDrain)
	close(pass)
	err := <-done
	if err == nil || errors.Is(err, remediations.ErrRefused) {
		t.Fatalf("got %v, want doubt", err)
	}
	words(t, err.Error(), "too few readers were left, and it was taken back at once")
	if p, err := b.pool(b.socket()).Check(t.Context(), o); err != nil || p.State != remediations.Absent {
		t.Errorf("got %+v, %v, want absent", p, err)
	}
}

// A command that nobody waits for any more is carried out late, and its mark says whose it was: there is no fence.
func TestLateCommand(t *testing.T) {
	t.Parallel()
	b := open(t, "", "pg1", "pg2")
	w := newWire(t, b, "tcp")
	held := w.hold()
	done := make(chan error, 1)
	o := order("pg2", "a1")
	o.Deadline = time.Now().Add(700 * time.Millisecond)
	go func() {
		_, err := b.pool(w.address).Apply(t.Context(), o)
		done <- err
	}()
	pass := <-held
	if err := <-done; err == nil || errors.Is(err, remediations.ErrRefused) {
		t.Errorf("got %v, want doubt", err)
	}
	r := b.pool(b.socket())
	if p, err := r.Check(t.Context(), o); err != nil || p.State != remediations.Absent {
		t.Errorf("before it arrives: got %+v, %v, want absent", p, err)
	}
	if _, can := remediations.Remediation(r).(remediations.Fencer); can {
		t.Error("it claims to be a Fencer")
	}
	close(pass)
	awaitState(t, r, o, remediations.Ours)
}

// A reload that keeps the states loses the marks: what was drained before it is presumed ours by an order that saw it ready, by no
// other, and what was drained after it by neither.
func TestReloadWithStateFile(t *testing.T) {
	t.Parallel()
	b := open(t, "", "pg1", "pg2", "pg3")
	header := "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight srv_time_since_last_change " +
		"srv_check_status srv_check_result srv_check_health srv_check_state srv_agent_state bk_f_forced_id srv_f_forced_id srv_fqdn srv_port " +
		"srvrecord srv_use_ssl srv_check_port srv_check_addr srv_agent_addr srv_agent_port\n"
	_, port, err := net.SplitHostPort(b.readers["pg2"].Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	drained := header + "2 readers 2 srv-pg2 127.0.0.1 2 8 1 1 60 6 3 2 6 0 0 0 - " + port + " - 0 0 - - 0\n"
	if err := os.WriteFile(b.dir+"/state", []byte(drained), 0o600); err != nil {
		t.Fatal(err)
	}
	b.restart()
	r := b.pool(b.socket())
	b.awaitTakes("pg3", true)
	o := order("pg2", "a1")
	p, err := r.Check(t.Context(), o)
	if err != nil || p.State != remediations.Ours {
		t.Fatalf("got %+v, %v, want ours", p, err)
	}
	words(t, p.Detail, "drained since before HAProxy was reloaded, presumed by us")
	if _, err := r.Apply(t.Context(), o); err == nil || errors.Is(err, remediations.ErrRefused) {
		t.Errorf("apply: got %v, want doubt", err)
	}
	unseen := o
	unseen.Seen = remediations.Presence{}
	if p, err := r.Check(t.Context(), unseen); err != nil || p.State != remediations.Foreign {
		t.Errorf("not seen before: got %+v, %v, want foreign", p, err)
	}
	b.set("pg3", runtime.StateDrain)
	if p, err := r.Check(t.Context(), order("pg3", "a1")); err != nil || p.State != remediations.Foreign {
		t.Errorf("drained after it: got %+v, %v, want foreign", p, err)
	}
	if err := r.Revert(t.Context(), o, remediations.Receipt{}); err != nil || b.is("pg2") != "ready" {
		t.Errorf("revert: got %v, and it is %s", err, b.is("pg2"))
	}
}

func awaitState(t *testing.T, r remediations.Remediation, o remediations.Order, want remediations.State) {
	t.Helper()
	testbed.Await(t, 20*time.Second, "the state "+string(want), func() bool {
		p, err := r.Check(t.Context(), o)
		return err == nil && p.State == want
	})
}
