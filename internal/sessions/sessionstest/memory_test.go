package sessionstest_test

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/internal/sessions"
	"github.com/firebreak-sre/firebreak/internal/sessions/httpapi"
	"github.com/firebreak-sre/firebreak/internal/sessions/sessionstest"
)

// store is a memory with three nodes that see each other, and a clock that is off.
func store(off time.Duration) *sessionstest.Memory {
	clock := func() time.Time { return time.Now().Add(off) }
	m := sessionstest.NewMemory(clock, time.Minute)
	for name, sees := range map[string][]string{"a": {"b", "c"}, "b": {"a", "c"}, "c": {"a", "b"}} {
		m.Register(sessions.Node{Name: name, Epoch: 7, Since: clock().Add(-time.Hour), LeaseUntil: clock().Add(time.Hour), Sees: sees})
	}
	return m
}

func conforms(t *testing.T, s sessions.Store, o sessionstest.Options) {
	t.Helper()
	report := sessionstest.Run(t.Context(), s, o)
	t.Logf("\n%s", report)
	if !report.OK() || report.Count(sessionstest.Skipped) > 0 {
		t.Error("the store does not keep the contract")
	}
}

// The reference keeps the contract, however far its clock is from the caller's.
func TestMemoryConforms(t *testing.T) {
	t.Parallel()
	for name, off := range map[string]time.Duration{"same clock": 0, "ahead": 26 * time.Hour, "behind": -26 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := store(off)
			conforms(t, m, sessionstest.Options{Bench: m})
		})
	}
}

// remote is the bench of an endpoint that can also take the quorum away, as no live one can.
type remote struct {
	*sessionstest.Remote
	sessionstest.Partitioner
}

// The client keeps it too, through the endpoint.
func TestEndpointConforms(t *testing.T) {
	t.Parallel()
	m := store(-26 * time.Hour)
	server := httptest.NewServer(sessionstest.NewServer(m, m, "secret-of-test"))
	t.Cleanup(server.Close)
	client, err := httpapi.New(httpapi.Config{URL: server.URL, Bearer: "secret-of-test"})
	if err != nil {
		t.Fatal(err)
	}
	conforms(t, client, sessionstest.Options{Bench: remote{sessionstest.NewRemote(client), m}})
}
