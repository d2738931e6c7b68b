package haproxy_test

import (
	"strings"
	"testing"
	"time"

	runtime "github.com/firebreak-sre/firebreak/internal/haproxy"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/haproxy"
)

// A configuration that cannot work is refused with every reason, before anything is connected.
func TestNewRefuses(t *testing.T) {
	t.Parallel()
	client, err := runtime.New("/nowhere/admin.sock")
	if err != nil {
		t.Fatal(err)
	}
	pools := map[string]haproxy.Pool{"good": {Client: client, Backend: "readers", Servers: map[string]string{"pg1": "pg1", "pg2": "pg2"}}}
	var wanted []string
	for because, spoil := range map[string]func(p *haproxy.Pool){
		"no client":                   func(p *haproxy.Pool) { p.Client = nil },
		"no servers":                  func(p *haproxy.Pool) { p.Servers = nil },
		"is no name of a backend":     func(p *haproxy.Pool) { p.Backend = "readers; help" },
		"is no name of a server":      func(p *haproxy.Pool) { p.Servers = map[string]string{"pg1": "a b"} },
		"server x stands for two":     func(p *haproxy.Pool) { p.Servers = map[string]string{"pg1": "x", "pg2": "x"} },
		"min ready -1 is less than 1": func(p *haproxy.Pool) { p.MinReady = -1 },
	} {
		p := pools["good"]
		spoil(&p)
		pools["because "+because] = p
		wanted = append(wanted, because)
	}
	r, err := haproxy.New(haproxy.Config{Pools: pools})
	if err == nil || r != nil {
		t.Fatalf("got %v, %v, want no pools and an error", r, err)
	}
	for _, because := range wanted {
		words(t, err.Error(), "read pool of because "+because)
		words(t, err.Error(), because)
	}
	if strings.Contains(err.Error(), "read pool of good") {
		t.Errorf("got %v, want nothing against the good one", err)
	}
}

// A node of a pool may be drained for ten minutes at class A; what is no node of a pool, or another fix, is never touched.
func TestBounds(t *testing.T) {
	t.Parallel()
	client, err := runtime.New("tcp://127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	r, err := haproxy.New(haproxy.Config{Pools: map[string]haproxy.Pool{
		"orders": {Client: client, Backend: "readers", Servers: map[string]string{"pg2": "pg2"}}}})
	if err != nil {
		t.Fatal(err)
	}
	got := r.Bounds(step("pg2"))
	if got.Class != remediations.ClassA || got.MaxLimit != 10*time.Minute || got.ExpiresItself || got.Once || got.Adjusts ||
		len(got.Never) == 0 {
		t.Errorf("got %+v", got)
	}
	other := step("pg2")
	other.Fix = "maint"
	elsewhere := step("pg2")
	elsewhere.Cluster = "billing"
	for _, s := range []remediations.Step{step("pg1"), other, elsewhere, {}} {
		if got := r.Bounds(s); got.Class != remediations.ClassN {
			t.Errorf("%s %s: class %s, want N", s.Place(), s.Fix, got.Class)
		}
	}
}
