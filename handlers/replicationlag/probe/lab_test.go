package probe

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/firebreak-sre/firebreak/handlers/replicationlag"
	"github.com/firebreak-sre/firebreak/internal/postgres"
	"github.com/firebreak-sre/firebreak/internal/testbed"
	"github.com/firebreak-sre/firebreak/policy"
)

// seenWithin is how long something may take to be seen, on a machine that has much else to do.
const seenWithin = 60 * time.Second

const (
	probeUser     = "firebreak_probe"
	probePassword = "probe-password"
	blindUser     = "firebreak_blind" // has no pg_monitor
)

// lab is a cluster of servers that this package looks at. The primary is reached through a link of its own, so that it can hang.
type lab struct {
	*testbed.PostgresCluster
	link *testbed.Link
}

func startLab(t *testing.T, o testbed.PostgresOptions) *lab {
	t.Helper()
	o.Init = append(o.Init, "create role "+probeUser+" login password '"+probePassword+"'", "grant pg_monitor to "+probeUser,
		"create role "+blindUser+" login")
	c := testbed.StartPostgres(t, o)
	return &lab{PostgresCluster: c, link: testbed.Proxy(t, testbed.ProxyConfig{Target: c.Primary.Addr})}
}

// policy is what an operator would write about the lab.
func (l *lab) policy(t *testing.T) policy.Policy {
	t.Helper()
	c := policy.PostgresCluster{Cluster: "orders", Connect: policy.PostgresConnect{
		Database: testbed.Database, SSLMode: "disable", Probe: policy.PostgresLogin{User: probeUser, Password: probePassword},
		Timeout: policy.Duration(20 * time.Second),
	}}
	for _, n := range l.Nodes() {
		addr := n.Addr
		if n == l.Primary {
			addr = l.link.Addr
		}
		host, port, _ := strings.Cut(addr, ":")
		number, err := strconv.Atoi(port)
		if err != nil {
			t.Fatal(err)
		}
		c.Nodes = append(c.Nodes, policy.PostgresNode{Node: n.Name, Host: host, Port: number, Slot: n.Slot, ApplicationName: n.ApplicationName})
	}
	return policy.Policy{Postgres: []policy.PostgresCluster{c}, Handlers: policy.Handlers{
		ReplicationLag: policy.ReplicationLag{Mode: policy.Observe, Clusters: []policy.LagCluster{{Cluster: "orders"}}}}}
}

// view is a look, as the tests read it.
type view struct{ replicationlag.Observation }

// watcher looks at a lab with sessions of its own.
type watcher struct {
	t      *testing.T
	prober *Prober
}

// watch opens sessions as the policy says, with changes to it.
func (l *lab) watch(t *testing.T, changes ...func(*policy.PostgresCluster)) *watcher {
	t.Helper()
	p := l.policy(t)
	for _, change := range changes {
		change(&p.Postgres[0])
	}
	var nodes []postgres.Node
	for _, n := range p.Postgres[0].Nodes {
		connect := p.Postgres[0].Connect
		nodes = append(nodes, postgres.Node{Name: "orders/" + n.Node, Host: n.Host, Port: n.Port, Database: connect.Database, SSLMode: connect.SSLMode,
			Probe: postgres.Login{User: connect.Probe.User, Password: connect.Probe.Password.Reveal()}, Timeout: connect.Timeout.D()})
	}
	fleet, err := postgres.Open(nodes, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fleet.Close)
	prober, err := New(p, fleet, nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return &watcher{t: t, prober: prober}
}

// look looks once. Whatever is seen goes through JSON and back, as it is recorded, and tells no password.
func (w *watcher) look() (view, error) {
	w.t.Helper()
	o, err := w.prober.Observe(context.WithoutCancel(w.t.Context()), "orders")
	text, wrong := json.Marshal(o)
	if wrong != nil {
		w.t.Fatal(wrong)
	}
	if strings.Contains(string(text), probePassword) || err != nil && strings.Contains(err.Error(), probePassword) {
		w.t.Fatalf("a password is told in %s, %v", text, err)
	}
	var back view
	if wrong := json.Unmarshal(text, &back.Observation); wrong != nil {
		w.t.Fatal(wrong)
	}
	return back, err
}

// until looks until it is so, and returns that look. What was seen last is said if it never is.
func (w *watcher) until(what string, is func(view) bool) view {
	w.t.Helper()
	var last view
	w.t.Cleanup(func() {
		if w.t.Failed() {
			w.t.Logf("looking for %s, last seen: %s", what, asJSON(last))
		}
	})
	testbed.Await(w.t, seenWithin, what, func() bool {
		var err error
		last, err = w.look()
		return err == nil && is(last)
	})
	return last
}

func asJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// at is a node of a look; one that is not there is empty.
func (o view) at(name string) replicationlag.Node {
	for _, n := range o.Nodes {
		if n.Name == name {
			return n
		}
	}
	return replicationlag.Node{}
}

// waits says what the startup process of a standby waits for, as Type/Event.
func (o view) waits(name string) string {
	s := o.at(name).Standby
	if s == nil || s.Startup == nil {
		return ""
	}
	return s.Startup.WaitEventType + "/" + s.Startup.WaitEvent
}

// sender is a standby's row at the primary pg1; nil if there is none.
func (o view) sender(name string) *replicationlag.Sender {
	if p := o.at("pg1").Primary; p != nil {
		for i := range p.Senders {
			if p.Senders[i].ApplicationName == name {
				return &p.Senders[i]
			}
		}
	}
	return nil
}

// slot is a slot of the primary pg1.
func (o view) slot(name string) replicationlag.Slot {
	if p := o.at("pg1").Primary; p != nil {
		for _, s := range p.Slots {
			if s.Name == name {
				return s
			}
		}
	}
	return replicationlag.Slot{}
}

// well says that a standby streams and has everything.
func (o view) well(name string) bool {
	p, s, row := o.at("pg1").Primary, o.at(name).Standby, o.sender(name)
	return p != nil && s != nil && s.Replayed != nil && *s.Replayed >= p.Current && s.Pause == "not paused" &&
		s.Receiver != nil && s.Receiver.Status == "streaming" && row != nil && row.State == "streaming"
}
