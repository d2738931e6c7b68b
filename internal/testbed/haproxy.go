package testbed

import (
	"fmt"
	"io"
	"maps"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// haproxyUser is the user that Debian's package makes.
const haproxyUser = "haproxy"

// runtimeWithin is how long one command of the runtime API may take.
const runtimeWithin = 10 * time.Second

// HAProxyOptions is a pool of TCP servers.
type HAProxyOptions struct {
	// Servers are the addresses (host:port) of the pool, by name.
	Servers map[string]string
	// Backend is the pool's name, default "readers".
	Backend string
	// Check makes it look five times a second whether a server accepts connections, and take it out while it does not. Without that every
	// server counts as up, and so it does until the first look after a start.
	Check bool
}

// HAProxy is a running HAProxy, one process without a manager.
type HAProxy struct {
	*Process
	// Addr is where clients reach the pool.
	Addr    string
	Backend string
	// Socket is the Unix socket of the runtime API with all rights (level admin), AdminAddr the same on TCP.
	Socket    string
	AdminAddr string
	// OperatorSocket and UserSocket are those with fewer rights, of the levels operator and user. Neither may change a server.
	OperatorSocket string
	UserSocket     string

	t TB
}

// StartHAProxy starts an HAProxy before a pool of servers, and waits until it answers.
func StartHAProxy(t TB, o HAProxyOptions) *HAProxy {
	t.Helper()
	path := find(t, "haproxy", "haproxy", "/usr/sbin/haproxy")
	if o.Backend == "" {
		o.Backend = "readers"
	}
	dir := Folder(t, haproxyUser)
	h := &HAProxy{
		Addr: Addr(t), Backend: o.Backend, AdminAddr: Addr(t),
		Socket:         filepath.Join(dir, "admin.sock"),
		OperatorSocket: filepath.Join(dir, "operator.sock"),
		UserSocket:     filepath.Join(dir, "user.sock"),
		t:              t,
	}
	config := filepath.Join(dir, "haproxy.cfg")
	if err := writeFor(haproxyUser, config, []byte(h.file(o))); err != nil {
		t.Fatalf("testbed: configure haproxy: %v", err)
	}
	h.Process = Start(t, Command{Name: "haproxy", Path: path, Dir: dir, User: haproxyUser,
		Args: []string{"-db", "-f", config}})
	if err := h.awaitReady(readyWithin, h.answers); err != nil {
		t.Fatalf("testbed: %v", err)
	}
	return h
}

// Command runs one command of the runtime API with all rights, and gives what it answers, trimmed: most changes that succeed answer
// nothing, and those that do not say why in words, without an error here.
func (h *HAProxy) Command(command string) (string, error) { return HAProxyCommand(h.Socket, command) }

// HAProxyCommand is Command at one of the sockets, or at a TCP address.
func HAProxyCommand(addr, command string) (string, error) {
	network := "tcp"
	if strings.HasPrefix(addr, "/") {
		network = "unix"
	}
	conn, err := net.DialTimeout(network, addr, runtimeWithin)
	if err != nil {
		return "", fmt.Errorf("command haproxy: %w", err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(runtimeWithin)); err != nil {
		return "", fmt.Errorf("command haproxy: %w", err)
	}
	if _, err := io.WriteString(conn, command+"\n"); err != nil {
		return "", fmt.Errorf("command haproxy: %s: %w", command, err)
	}
	answer, err := io.ReadAll(io.LimitReader(conn, maxAnswer))
	if err != nil {
		return "", fmt.Errorf("command haproxy: %s: %w", command, err)
	}
	return strings.TrimSpace(string(answer)), nil
}

// Reload makes it read its configuration again, as an operator does: a new process takes over, which knows nothing of what the runtime API
// changed in the old one; the old one serves its connections until they end. Process is the new one then. It returns when the new one
// answers and the old one accepts nobody any more. Call it from the test's own goroutine.
func (h *HAProxy) Reload() error {
	h.t.Helper()
	old := h.Process
	h.Process = Start(h.t, old.command)
	if err := h.awaitReady(readyWithin, h.answers); err != nil {
		return fmt.Errorf("reload haproxy: %w", err)
	}
	// The new one does not do this itself (by -sf), since it would do it again in a restart, to whoever has the pid by then.
	old.Signal(syscall.SIGUSR1)
	stopped := func() bool { return strings.Contains(old.Log(), "Proxy "+h.Backend+" stopped") }
	if !poll(readyWithin, old.Ended(), stopped) && !old.life().hasEnded() {
		return fmt.Errorf("reload haproxy: the old process still accepts connections after %s", readyWithin)
	}
	return nil
}

// Restart stops it with all connections and starts it again. It returns when it answers.
func (h *HAProxy) Restart() error {
	h.Stop()
	if err := h.Start(); err != nil {
		return err
	}
	return h.awaitReady(readyWithin, h.answers)
}

// answers is true when the latest start answers the runtime API.
func (h *HAProxy) answers() bool {
	info, err := h.Command("show info")
	return err == nil && strings.Contains(info, "\nPid: "+strconv.Itoa(h.PID())+"\n")
}

// file is the configuration. Sessions may be idle for an hour, as those of a database are.
func (h *HAProxy) file(o HAProxyOptions) string {
	var b strings.Builder
	fmt.Fprintf(&b, `global
  maxconn 500
  stats socket %s mode 600 level admin
  stats socket %s level admin
  stats socket %s mode 600 level operator
  stats socket %s mode 600 level user
defaults
  mode tcp
  timeout connect 2s
  timeout client 1h
  timeout server 1h
  timeout check 2s
frontend %s_in
  bind %s
  default_backend %s
backend %s
  balance roundrobin
  option redispatch
`, h.Socket, h.AdminAddr, h.OperatorSocket, h.UserSocket, o.Backend, h.Addr, o.Backend, o.Backend)
	for _, name := range slices.Sorted(maps.Keys(o.Servers)) {
		fmt.Fprintf(&b, "  server %s %s", name, o.Servers[name])
		if o.Check {
			b.WriteString(" check inter 200ms fall 2 rise 2")
		}
		b.WriteString("\n")
	}
	return b.String()
}
