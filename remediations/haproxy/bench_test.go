package haproxy_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	runtime "github.com/firebreak-sre/firebreak/internal/haproxy"
	"github.com/firebreak-sre/firebreak/internal/testbed"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/haproxy"
)

// bench is a real HAProxy in front of readers that say their names.
type bench struct {
	*testbed.Process
	t        *testing.T
	dir      string // where its sockets and its state file are
	tcp      string // host:port of a socket of level admin
	frontend string // where readers connect to
	nodes    []string
	readers  map[string]net.Listener
}

// open starts HAProxy before the named readers. extra are lines of its configuration in the backend.
func open(t *testing.T, extra string, nodes ...string) *bench {
	t.Helper()
	path, err := exec.LookPath("haproxy")
	if err != nil {
		t.Fatalf("haproxy is not installed: install the Debian package haproxy: %v", err)
	}
	dir, err := os.MkdirTemp("", "hx") // the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	b := &bench{t: t, dir: dir, tcp: testbed.Addr(t), frontend: testbed.Addr(t), nodes: nodes, readers: map[string]net.Listener{}}
	for _, node := range nodes {
		l := listen(t, "127.0.0.1:0", node)
		b.readers[node] = l
		extra += fmt.Sprintf("  server srv-%s %s check inter 100ms rise 1 fall 1\n", node, l.Addr())
	}
	config := fmt.Sprintf(`global
  stats socket %[1]s/admin.sock mode 600 level admin
  stats socket %[1]s/operator.sock mode 600 level operator
  stats socket %[1]s/user.sock mode 600 level user
  stats socket ipv4@%[2]s level admin
  server-state-file %[1]s/state
defaults
  mode tcp
  load-server-state-from-file global
  timeout connect 1s
  timeout client 10s
  timeout server 10s
listen readers
  bind %[3]s
%[4]s`, dir, b.tcp, b.frontend, extra)
	file := filepath.Join(dir, "haproxy.cfg")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	b.Process = testbed.Start(t, testbed.Command{Name: "haproxy", Path: path, Args: []string{"-db", "-f", file}})
	b.await()
	return b
}

// listen is a reader that says its name to whoever connects.
func listen(t *testing.T, addr, name string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte(name))
			_ = c.Close()
		}
	}()
	return l
}

// await returns when HAProxy answers.
func (b *bench) await() {
	b.t.Helper()
	testbed.Await(b.t, 20*time.Second, "haproxy to answer", func() bool {
		_, err := b.client(b.socket()).Servers(b.t.Context(), "readers")
		return err == nil
	})
}

func (b *bench) socket() string { return b.dir + "/admin.sock" }

func (b *bench) client(address string) *runtime.Client {
	b.t.Helper()
	c, err := runtime.New(address)
	if err != nil {
		b.t.Fatal(err)
	}
	return c
}

// pool is the remediation, by a socket.
func (b *bench) pool(address string) *haproxy.ReadPool {
	b.t.Helper()
	p := haproxy.Pool{Client: b.client(address), Backend: "readers", Servers: map[string]string{}}
	for _, node := range b.nodes {
		p.Servers[node] = "srv-" + node
	}
	r, err := haproxy.New(haproxy.Config{Pools: map[string]haproxy.Pool{"orders": p}})
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

// set does by hand what a person would do.
func (b *bench) set(node string, to runtime.State) {
	b.t.Helper()
	if err := b.client(b.socket()).SetState(b.t.Context(), "readers", "srv-"+node, to); err != nil {
		b.t.Fatal(err)
	}
}

// view is the backend as it is.
func (b *bench) view() runtime.View {
	b.t.Helper()
	var servers []string
	for _, node := range b.nodes {
		servers = append(servers, "srv-"+node)
	}
	v, err := b.client(b.socket()).Look(b.t.Context(), "readers", servers)
	if err != nil {
		b.t.Fatal(err)
	}
	return v
}

// is how a server is, in words.
func (b *bench) is(node string) string {
	b.t.Helper()
	s, _ := b.view().Find("srv-" + node)
	return s.Admin.String()
}

// effects are how often the server of a node went out, as HAProxy itself wrote it down.
func (b *bench) effects(node string) int {
	n := 0
	for line := range strings.SplitSeq(b.Log(), "\n") {
		_, rest, named := strings.Cut(line, "Server readers/srv-"+node+" ")
		if named && (strings.HasPrefix(rest, "enters drain") || strings.HasPrefix(rest, "is going DOWN for maintenance")) {
			n++
		}
	}
	return n
}

// restart ends HAProxy and starts it anew.
func (b *bench) restart() {
	b.t.Helper()
	b.Stop()
	if err := b.Start(); err != nil {
		b.t.Fatal(err)
	}
	b.await()
}

func step(node string) remediations.Step {
	return remediations.Step{Remediation: haproxy.Name, Cluster: "orders", Node: node, Fix: haproxy.FixDrain, TTL: policy.Duration(time.Minute),
		Limit: policy.Duration(5 * time.Minute), Timeout: policy.Duration(5 * time.Second), Reason: "lag"}
}

func order(node, action string) remediations.Order {
	now := time.Now()
	return remediations.Order{Step: step(node), Action: action, Incident: "incident-1", Fence: 5, Deadline: now.Add(20 * time.Second),
		Until: now.Add(time.Minute), Seen: remediations.Presence{State: remediations.Absent}}
}

func words(t *testing.T, got, want string) {
	t.Helper()
	if !strings.Contains(got, want) {
		t.Errorf("got %q, want %q in it", got, want)
	}
}
