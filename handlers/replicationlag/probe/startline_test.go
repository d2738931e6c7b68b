package probe

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/firebreak-sre/firebreak/policy"
)

// TestStartLine holds that whoever is ready waits for the last, for one that is given up no longer, and for one that never comes as long as
// its patience lasts.
func TestStartLine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		arrives []time.Duration // when each arrives
		want    time.Duration   // when the first may go on
	}{
		{"all at once", []time.Duration{0, 0, 0}, 0},
		{"the last is waited for", []time.Duration{0, time.Second, 300 * time.Millisecond}, time.Second},
		{"no longer than patience", []time.Duration{0, time.Minute}, 2 * time.Second},
		{"alone", []time.Duration{0}, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			s := newStartLine(len(c.arrives), 2*time.Second)
			var others sync.WaitGroup
			defer others.Wait()
			for _, after := range c.arrives[1:] {
				arrive := s.place()
				others.Go(func() {
					<-time.After(after) // by the bubble's clock
					arrive()
					arrive() // counts once
				})
			}
			s.place()()
			s.wait(t.Context())
			if got := time.Since(began); got != c.want {
				t.Errorf("%s: went on after %s, want %s", c.name, got, c.want)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		newStartLine(2, time.Hour).wait(ctx) // returns at once
	})
}

// hanging is a server that never answers, and one that is not asked.
type hanging struct{}

func (hanging) Look(ctx context.Context, _ string, _ func(context.Context, *pgx.Conn) error) error {
	<-ctx.Done()
	return ctx.Err()
}

// nobody looks at nothing.
type nobody struct{}

func (nobody) Look(context.Context, string, func(context.Context, *pgx.Conn) error) error { return nil }

// twoNodes is a policy with one cluster, and whatever else is not said.
func twoNodes() policy.Policy {
	return policy.Policy{
		Postgres: []policy.PostgresCluster{{Cluster: "orders", Nodes: []policy.PostgresNode{{Node: "pg1", Host: "10.0.0.11"}, {Node: "pg2", Host: "10.0.0.12"}}}},
		Handlers: policy.Handlers{ReplicationLag: policy.ReplicationLag{Clusters: []policy.LagCluster{{Cluster: "orders"}}}},
	}
}

// TestObserveEnds holds that a look ends with the caller's context, says its cause, and that who never looks is no healthy node.
func TestObserveEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, err := New(twoNodes(), hanging{}, nil, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		stop := errors.New("shutting down")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, stop)
		defer cancel()
		began := time.Now()
		o, err := p.Observe(ctx, "orders")
		if took := time.Since(began); took != time.Second || !errors.Is(err, ErrUnreadable) || o.Nodes[1].Problem != stop.Error() {
			t.Errorf("after %s: got %+v, %v", took, o, err)
		}
		began = time.Now()
		o, err = p.Observe(t.Context(), "orders")
		if took := time.Since(began); took != 5*time.Second || err == nil || o.Nodes[0].Problem != "no answer within 5s" {
			t.Errorf("after %s: got %+v, %v", took, o, err)
		}
	})
	p, err := New(twoNodes(), nobody{}, nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if o, err := p.Observe(t.Context(), "orders"); !errors.Is(err, ErrUnreadable) || o.Nodes[0].Problem != "it was not looked at" {
		t.Errorf("got %+v, %v", o, err)
	}
}

// TestPrintable holds that a stranger's text is short, on one line, and without our secrets.
func TestPrintable(t *testing.T) {
	t.Parallel()
	got := printable("FATAL:\n\tpassword \"hunter2\" of\x1b[31m é\xff "+strings.Repeat("x", 2*maxWords), policy.Secret("hunter2"), "")
	if want := `FATAL: password "[redacted]" of [31m é? x`; !strings.HasPrefix(got, want) || len([]rune(got)) != maxWords+1 {
		t.Errorf("got %q, want %q…", got, want)
	}
}
