package haproxy_test

import (
	"testing"
	"time"

	runtime "github.com/firebreak-sre/firebreak/internal/haproxy"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations/remediationtest"
)

// Draining keeps to what every remediation must, by a socket and by TCP. The stranger sets the server to maintenance, over whatever
// stands there; what ends a change that nobody renewed is a restart of HAProxy.
func TestConformance(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"unix", "tcp"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			remediationtest.Run(t, func(t *testing.T) remediationtest.Target {
				b := open(t, "", "pg1", "pg2", "pg3")
				w := newWire(t, b, network)
				s := step("pg2")
				s.Timeout = policy.Duration(2 * time.Second)
				return remediationtest.Target{
					Remediation: b.pool(w.address),
					Step:        s,
					Standing:    func() string { return standing(b, "pg2") },
					Effects:     func() int { return b.effects("pg2") },
					Stranger:    func() { b.set("pg2", runtime.StateMaint) },
					Expire:      b.restart,
					Mute:        w.muted,
				}
			})
		})
	}
}

// standing is whose change a server shows, past the remediation.
func standing(b *bench, node string) string {
	switch b.is(node) {
	case "ready":
		return ""
	case "drained":
		return b.view().Mark(runtime.Held, "srv-"+node)
	}
	return remediationtest.Stranger
}
