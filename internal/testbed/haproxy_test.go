package testbed

import (
	"io"
	"net"
	"strings"
	"testing"
)

// namer is a server that says its name to everybody and then waits for them to go. Closed, it accepts nobody any more.
func namer(t *testing.T, l net.Listener, name string) net.Listener {
	t.Helper()
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.WriteString(c, name)
				_, _ = io.Copy(io.Discard, c)
			}()
		}
	}()
	return l
}

// served counts who answers a number of new connections.
func served(t *testing.T, h *HAProxy, times int) map[string]int {
	t.Helper()
	count := map[string]int{}
	for range times {
		got, err := says(t, dial(t, h.Addr), "", soon)
		if err != nil {
			got = err.Error()
		}
		count[got]++
	}
	return count
}

// It routes to the servers, the runtime API takes one out with the right rights only, on both kinds of socket, and a reload forgets that.
func TestHAProxyRuntime(t *testing.T) {
	t.Parallel()
	two, three := namer(t, listenAnywhere(t), "pg2"), namer(t, listenAnywhere(t), "pg3")
	h := StartHAProxy(t, HAProxyOptions{Servers: map[string]string{"pg2": two.Addr().String(), "pg3": three.Addr().String()}})
	if got := served(t, h, 6); got["pg2"] != 3 || got["pg3"] != 3 {
		t.Fatalf("got %v, want the two servers in turn", got)
	}
	for _, addr := range []string{h.UserSocket, h.OperatorSocket} {
		if got, err := HAProxyCommand(addr, "set server readers/pg2 state drain"); err != nil || got != "Permission denied" {
			t.Errorf("%s: got %q and %v for a change, want it denied", addr, got, err)
		}
	}
	if got, err := h.Command("set server readers/nobody state drain"); err != nil || got != "No such server." {
		t.Errorf("got %q and %v for an unknown server", got, err)
	}
	for _, c := range []struct{ addr, state, only string }{
		{h.Socket, "drain", "pg3"}, {h.AdminAddr, "ready", ""}, {h.AdminAddr, "maint", "pg3"},
	} {
		if got, err := HAProxyCommand(c.addr, "set server readers/pg2 state "+c.state); err != nil || got != "" {
			t.Errorf("%s: got %q and %v for state %s, want silence", c.addr, got, err, c.state)
		}
		if got := served(t, h, 4); c.only != "" && got[c.only] != 4 || c.only == "" && got["pg2"] == 0 {
			t.Errorf("state %s: got %v", c.state, got)
		}
	}
	if got, err := h.Command("show servers state readers"); err != nil || !strings.Contains(got, " pg2 ") {
		t.Errorf("got %q and %v for the servers' states", got, err)
	}

	kept := dial(t, h.Addr)
	if _, err := says(t, kept, "", soon); err != nil {
		t.Fatal(err)
	}
	if err := h.Reload(); err != nil {
		t.Fatal(err)
	}
	if got := served(t, h, 8); got["pg2"] != 4 {
		t.Errorf("got %v after the reload, want both servers again", got)
	}
	if got, err := says(t, kept, "", silence); !isTimeout(err) {
		t.Errorf("an old connection got %q and %v after the reload, want it kept", got, err)
	}
}

// With checks it takes out a server that does not answer, and puts it back; it comes back after it was killed.
func TestHAProxyChecks(t *testing.T) {
	t.Parallel()
	two, three := namer(t, listenAnywhere(t), "pg2"), namer(t, listenAnywhere(t), "pg3")
	h := StartHAProxy(t, HAProxyOptions{Backend: "pool", Check: true,
		Servers: map[string]string{"pg2": two.Addr().String(), "pg3": three.Addr().String()}})
	Await(t, within, "both servers", func() bool { return served(t, h, 4)["pg2"] == 2 })
	_ = two.Close()
	Await(t, within, "the dead server to be taken out", func() bool { return served(t, h, 4)["pg3"] == 4 })
	Await(t, within, "its port to be free", func() bool {
		again, err := net.Listen("tcp", two.Addr().String())
		if err == nil {
			namer(t, again, "pg2")
		}
		return err == nil
	})
	Await(t, within, "it to be put back", func() bool { return served(t, h, 4)["pg2"] == 2 })
	h.Kill9()
	if err := h.Restart(); err != nil {
		t.Fatal(err)
	}
	Await(t, within, "both servers after a restart", func() bool { return served(t, h, 4)["pg2"] == 2 })
	h.Stop()
	if err := ends(t, h.Addr); err != nil {
		t.Errorf("a connection after it was stopped: %v", err)
	}
}
