package haproxy_test

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	runtime "github.com/firebreak-sre/firebreak/internal/haproxy"
	"github.com/firebreak-sre/firebreak/internal/testbed"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
)

// Readers feel it: a drained standby gets no new connections, and gets them again when it was put back.
func TestReadersAreMoved(t *testing.T) {
	t.Parallel()
	b := open(t, "", "pg1", "pg2", "pg3")
	r := b.pool(b.socket())
	o := order("pg2", "a1")
	receipt, err := r.Apply(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	words(t, receipt.Note, "pg2 is drained; 2 of 2 other readers ready; 0 open connections")
	words(t, string(receipt.Before), `"admin_state":"ready","weight":1`)
	if got := b.read(9); got["pg2"] != 0 || got["pg1"] == 0 || got["pg3"] == 0 {
		t.Errorf("while it is drained: got %v, want none at pg2", got)
	}
	if err := r.Revert(t.Context(), o, receipt); err != nil {
		t.Fatal(err)
	}
	if got := b.read(9); got["pg1"] == 0 || got["pg2"] == 0 || got["pg3"] == 0 {
		t.Errorf("put back: got %v, want some at each", got)
	}
	if v := b.view(); v.Mark(runtime.Held, "srv-pg2") != "" || v.Mark(runtime.Claim, "srv-pg2") != "" {
		t.Error("a mark is left behind")
	}
}

// read connects n times and counts who answered.
func (b *bench) read(n int) map[string]int {
	b.t.Helper()
	got := map[string]int{}
	for range n {
		c, err := net.Dial("tcp", b.frontend)
		if err != nil {
			b.t.Fatal(err)
		}
		name, _ := io.ReadAll(c)
		_ = c.Close()
		got[string(name)]++
	}
	return got
}

// Whatever a person or the configuration did to a server is foreign in words, and is neither drained nor put back by us.
func TestForeign(t *testing.T) {
	t.Parallel()
	b := open(t, "", "pg1", "pg2", "pg3")
	r := b.pool(b.socket())
	for _, c := range []struct{ do, words, is string }{
		{"set server readers/srv-pg2 state drain", "pg2 is drained by somebody else", "drained"},
		{"set server readers/srv-pg2 state maint", "pg2 is in maintenance, which somebody else set", "in maintenance"},
		{"disable server readers/srv-pg2", "pg2 is in maintenance", "in maintenance"},
		{"set server readers/srv-pg2 weight 0", "pg2 is at weight 0", "ready"},
	} {
		b.say(c.do)
		o := order("pg2", "a1")
		p, err := r.Check(t.Context(), o)
		if err != nil || p.State != remediations.Foreign {
			t.Errorf("%s: check: got %+v, %v, want foreign", c.do, p, err)
		}
		words(t, p.Detail, c.words)
		if _, err := r.Apply(t.Context(), o); !errors.Is(err, remediations.ErrRefused) {
			t.Errorf("%s: apply: got %v, want ErrRefused", c.do, err)
		}
		if err := r.Revert(t.Context(), o, remediations.Receipt{}); !errors.Is(err, remediations.ErrNotOurs) {
			t.Errorf("%s: revert: got %v, want ErrNotOurs", c.do, err)
		}
		if got := b.is("pg2"); got != c.is {
			t.Errorf("%s: after all it is %s", c.do, got)
		}
		b.say("set server readers/srv-pg2 weight 1; set server readers/srv-pg2 state ready")
	}
}

// say types a line at HAProxy's console.
func (b *bench) say(line string) {
	b.t.Helper()
	c, err := net.Dial("unix", b.socket())
	if err != nil {
		b.t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, line+"\n"); err != nil {
		b.t.Fatal(err)
	}
	if answer, err := io.ReadAll(c); err != nil || strings.TrimSpace(string(answer)) != "" {
		b.t.Fatalf("%s: got %q, %v", line, answer, err)
	}
}

// A person who puts a server back and drains it again while it is ours to take back is not overruled by the next action, and one who sets
// it to maintenance over ours is left alone.
func TestPersonInBetween(t *testing.T) {
	t.Parallel()
	b := open(t, "", "pg1", "pg2", "pg3")
	r := b.pool(b.socket())
	first := order("pg2", "a1")
	receipt, err := r.Apply(t.Context(), first)
	if err != nil {
		t.Fatal(err)
	}
	b.set("pg2", runtime.StateReady)
	if p, err := r.Check(t.Context(), first); err != nil || p.State != remediations.Absent {
		t.Errorf("put back by hand: got %+v, %v, want absent", p, err)
	}
	if err := r.Revert(t.Context(), first, receipt); err != nil {
		t.Errorf("revert of what was put back: %v", err)
	}
	b.set("pg2", runtime.StateDrain)
	for _, action := range []string{"a1", "a2"} {
		if p, err := r.Check(t.Context(), order("pg2", action)); err != nil || p.State != remediations.Foreign {
			t.Errorf("drained by hand, to %s: got %+v, %v, want foreign", action, p, err)
		}
	}
	if err := r.Revert(t.Context(), first, receipt); !errors.Is(err, remediations.ErrNotOurs) {
		t.Errorf("revert: got %v, want ErrNotOurs", err)
	}
}

// What another action drained is foreign, in words with its name, and is not put back.
func TestAnotherAction(t *testing.T) {
	t.Parallel()
	b := open(t, "", "pg1", "pg2", "pg3")
	r := b.pool(b.socket())
	if _, err := r.Apply(t.Context(), order("pg2", "a1")); err != nil {
		t.Fatal(err)
	}
	o := order("pg2", "a2")
	p, err := r.Check(t.Context(), o)
	if err != nil || p.State != remediations.Foreign {
		t.Errorf("check: got %+v, %v, want foreign", p, err)
	}
	words(t, p.Detail, "pg2 is drained by action a1; 2 of 2 other readers ready")
	_, err = r.Apply(t.Context(), o)
	refused(t, err, "it changed since it was seen")
	if err := r.Revert(t.Context(), o, remediations.Receipt{}); !errors.Is(err, remediations.ErrNotOurs) {
		t.Errorf("revert: got %v, want ErrNotOurs", err)
	}
	if got := b.is("pg2"); got != "drained" {
		t.Errorf("after all it is %s", got)
	}
}

// Only readers that take connections count: not one that is drained, disabled, down, at weight 0, a backup, or not checked.
func TestEnoughOthers(t *testing.T) {
	t.Parallel()
	b := open(t, "  server srv-pg3 127.0.0.1:1 backup\n  server srv-pg4 127.0.0.1:1\n"+
		"  server srv-pg5 127.0.0.1:1 check disabled\n", "pg1", "pg2")
	b.nodes = []string{"pg1", "pg2", "pg3", "pg4", "pg5", "pg6"}
	r := b.pool(b.socket())
	o := order("pg2", "a1")
	p, err := r.Check(t.Context(), o)
	if err != nil || p.State != remediations.Absent {
		t.Fatalf("got %+v, %v", p, err)
	}
	words(t, p.Detail, "pg2 is ready; 1 of 5 other readers ready (pg3 is only a backup, pg4 is not checked for its health, "+
		"pg5 is disabled in the configuration, pg6 is not in the backend)")
	two := o
	two.Params = json.RawMessage(`{"min_ready":2}`)
	_, err = r.Apply(t.Context(), two)
	refused(t, err, "2 other readers must stay")
	for name, out := range map[string][2]string{
		"drained":    {"set server readers/srv-pg1 state drain", "set server readers/srv-pg1 state ready"},
		"at weight":  {"set server readers/srv-pg1 weight 0", "set server readers/srv-pg1 weight 1"},
		"in mainten": {"set server readers/srv-pg1 state maint", "set server readers/srv-pg1 state ready"},
	} {
		b.say(out[0])
		_, err := r.Apply(t.Context(), o)
		refused(t, err, "0 of 5 other readers ready (pg1 is "+name)
		b.say(out[1])
	}
	addr := b.readers["pg1"].Addr().String()
	_ = b.readers["pg1"].Close()
	b.awaitTakes("pg1", false)
	_, err = r.Apply(t.Context(), o)
	refused(t, err, "pg1 is down")
	b.readers["pg1"] = listen(t, addr, "pg1")
	b.awaitTakes("pg1", true)
	if n := b.effects("pg2"); n != 0 {
		t.Errorf("it went out %d times, want never", n)
	}
	if _, err := r.Apply(t.Context(), o); err != nil {
		t.Errorf("with pg1 back: %v", err)
	}
}

func (b *bench) awaitTakes(node string, want bool) {
	b.t.Helper()
	testbed.Await(b.t, 20*time.Second, "another health of "+node, func() bool {
		s, _ := b.view().Find("srv-" + node)
		return s.Takes() == want
	})
}

func refused(t *testing.T, err error, because string) {
	t.Helper()
	if !errors.Is(err, remediations.ErrRefused) {
		t.Errorf("got %v, want ErrRefused", err)
		return
	}
	words(t, err.Error(), because)
}

// Sockets that may not change anything, names that are not there and a HAProxy that hangs or is gone refuse, with words, and a look
// says unknown.
func TestCannot(t *testing.T) {
	t.Parallel()
	b := open(t, "", "pg1", "pg2")
	b.nodes = append(b.nodes, "pg9")
	short := order("pg2", "a1")
	short.Timeout = policy.Duration(200 * time.Millisecond)
	_, err := b.pool(b.dir+"/operator.sock").Apply(t.Context(), order("pg2", "a1"))
	refused(t, err, "Permission denied")
	if p, err := b.pool(b.dir+"/operator.sock").Check(t.Context(), order("pg2", "a1")); err != nil || p.State != remediations.Absent {
		t.Errorf("a look at level operator: got %+v, %v, want absent", p, err)
	}
	unable := func(name, address string, o remediations.Order, because string) {
		t.Helper()
		_, err := b.pool(address).Apply(t.Context(), o)
		refused(t, err, because)
		p, err := b.pool(address).Check(t.Context(), o)
		if err == nil || p.State != remediations.Unknown {
			t.Errorf("%s: check: got %+v, %v, want unknown", name, p, err)
		}
		if err := b.pool(address).Revert(t.Context(), o, remediations.Receipt{}); err == nil || errors.Is(err, remediations.ErrNotOurs) {
			t.Errorf("%s: revert: got %v, want doubt", name, err)
		}
	}
	unable("level user", b.dir+"/user.sock", order("pg2", "a1"), "Permission denied")
	unable("a server that is not there", b.socket(), order("pg9", "a1"), "has no server srv-pg9")
	unable("a node that is not there", b.socket(), order("pg8", "a1"), "there is no read pool for node")
	unable("nobody", b.dir+"/nobody.sock", short, "nothing was sent")
	b.Signal(syscall.SIGSTOP)
	unable("hung", b.socket(), short, "nothing was sent")
	unable("hung by tcp", "tcp://"+b.tcp, short, "nothing was sent")
	b.Signal(syscall.SIGCONT)
	if n := b.effects("pg2"); n != 0 {
		t.Errorf("it went out %d times, want never", n)
	}
}

// An order that is not within the bounds, or not written as it must be, is refused before anything is sent.
func TestInvalid(t *testing.T) {
	t.Parallel()
	b := open(t, "", "pg1", "pg2")
	r := b.pool(b.socket())
	for because, spoil := range map[string]func(o *remediations.Order){
		"cannot be kept as a mark": func(o *remediations.Order) { o.Action = "a;b" },
		"no action":                func(o *remediations.Order) { o.Action = "" },
		"limit 11m":                func(o *remediations.Order) { o.Limit = policy.Duration(11 * time.Minute) },
		"ttl 0s":                   func(o *remediations.Order) { o.TTL = 0 },
		"50 % released":            func(o *remediations.Order) { o.Released = 50 },
		"deadline":                 func(o *remediations.Order) { o.Deadline = time.Now().Add(-time.Millisecond) },
		"unknown field":            func(o *remediations.Order) { o.Params = json.RawMessage(`{"min_redy":2}`) },
		"min_ready 0":              func(o *remediations.Order) { o.Params = json.RawMessage(`{"min_ready":0}`) },
		"there is no fix":          func(o *remediations.Order) { o.Fix = "maint" },
		"no read pool":             func(o *remediations.Order) { o.Service, o.Edge = "checkout", "payments" },
	} {
		o := order("pg2", "a1")
		spoil(&o)
		_, err := r.Apply(t.Context(), o)
		if because == "no action" {
			because = "cannot be kept"
		}
		refused(t, err, because)
	}
	if n := b.effects("pg2"); n != 0 {
		t.Errorf("it went out %d times, want never", n)
	}
}
