package haproxy_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/internal/haproxy"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// proxy is a real HAProxy with the backend readers: pg1 and pg-2 are checked, pg3 is disabled, pg4 is a backup without a check.
type proxy struct {
	*testbed.Process
	dir string // where its sockets and its state file are
	tcp string // tcp://host:port of a socket of level admin
}

func start(t *testing.T) proxy {
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
	admin := testbed.Addr(t)
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
backend readers
  server pg1 %[3]s check inter 100ms
  server pg-2 %[3]s check inter 100ms
  server pg3 %[3]s check disabled
  server pg4 %[3]s backup
backend other
  server pg1 %[3]s
`, dir, admin, listen(t))
	file := filepath.Join(dir, "haproxy.cfg")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	process := testbed.Start(t, testbed.Command{Name: "haproxy", Path: path, Args: []string{"-db", "-f", file}})
	p := proxy{Process: process, dir: dir, tcp: "tcp://" + admin}
	p.await(t)
	return p
}

// await returns when HAProxy answers.
func (p proxy) await(t *testing.T) {
	t.Helper()
	testbed.Await(t, 20*time.Second, "haproxy to answer", func() bool {
		_, err := p.client(t, p.tcp).Servers(t.Context(), "readers")
		return err == nil
	})
}

func (p proxy) client(t *testing.T, address string) *haproxy.Client {
	t.Helper()
	c, err := haproxy.New(address)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (p proxy) admin(t *testing.T) *haproxy.Client { return p.client(t, p.dir+"/admin.sock") }

// listen is the address of something that accepts connections and closes them.
func listen(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
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
			_ = c.Close()
		}
	}()
	return l.Addr().String()
}

// Both transports read all of a backend, and no other, as HAProxy itself holds it.
func TestServers(t *testing.T) {
	t.Parallel()
	p := start(t)
	for _, address := range []string{p.dir + "/admin.sock", p.dir + "/user.sock", p.tcp} {
		servers, err := p.client(t, address).Servers(t.Context(), "readers")
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, s := range servers {
			if s.Addr == "" || s.Weight != 1 && s.Name != "pg4" {
				t.Errorf("%s: got %+v", address, s)
			}
			got = append(got, s.Name+" "+s.Why())
		}
		want := "[pg1 ready pg-2 ready pg3 disabled in the configuration pg4 only a backup]"
		if fmt.Sprint(got) != want {
			t.Errorf("%s: got %v, want %s", address, got, want)
		}
	}
}

// A state that is set is read back, with what it is called, whoever set it; weight 0 is out as well.
func TestSetState(t *testing.T) {
	t.Parallel()
	p := start(t)
	c := p.admin(t)
	for _, step := range []struct {
		server string
		to     haproxy.State
		why    string
	}{
		{"pg1", haproxy.StateDrain, "drained"}, {"pg1", haproxy.StateMaint, "in maintenance"}, {"pg1", haproxy.StateReady, "ready"},
		{"pg3", haproxy.StateDrain, "drained"}, {"pg3", haproxy.StateReady, "ready"},
	} {
		if err := c.SetState(t.Context(), "readers", step.server, step.to); err != nil {
			t.Fatal(err)
		}
		v, err := c.Look(t.Context(), "readers", nil)
		if err != nil {
			t.Fatal(err)
		}
		s, _ := v.Find(step.server)
		if got := s.Admin.String(); got != step.why {
			t.Errorf("%s set to %s: got %s, want %s", step.server, step.to, got, step.why)
		}
	}
}

// Marks are kept for each server and each kind, also where names would be the same without their signs, and are gone when written empty.
func TestMarks(t *testing.T) {
	t.Parallel()
	p := start(t)
	c := p.admin(t)
	all := []string{"pg1", "pg-2", "pg_2d2"}
	marks := []haproxy.Mark{{Kind: haproxy.Held, Server: "pg-2", Value: "a1"}, {Kind: haproxy.Claim, Server: "pg-2", Value: "17.a1"},
		{Kind: haproxy.Held, Server: "pg_2d2", Value: "other"}}
	v, err := c.Change(t.Context(), "readers", "pg-2", haproxy.StateDrain, marks, all)
	if err != nil {
		t.Fatal(err)
	}
	s, _ := v.Find("pg-2")
	got := []string{s.Why(), v.Mark(haproxy.Held, "pg-2"), v.Mark(haproxy.Claim, "pg-2"), v.Mark(haproxy.Held, "pg_2d2"),
		v.Mark(haproxy.Held, "pg1")}
	if fmt.Sprintf("%q", got) != `["drained" "a1" "17.a1" "other" ""]` {
		t.Errorf("got %q", got)
	}
	if v, err = p.client(t, p.dir+"/operator.sock").Look(t.Context(), "readers", all); err != nil || v.Mark(haproxy.Held, "pg-2") != "a1" {
		t.Errorf("at level operator: got %q, %v, want a1", v.Mark(haproxy.Held, "pg-2"), err)
	}
	for i := range marks {
		marks[i].Value = ""
	}
	v, err = c.Change(t.Context(), "readers", "pg-2", haproxy.StateReady, marks, all)
	if s, _ := v.Find("pg-2"); err != nil || v.Mark(haproxy.Held, "pg-2") != "" || s.Why() != "ready" {
		t.Errorf("taken away: got %q, %s, %v", v.Mark(haproxy.Held, "pg-2"), s.Why(), err)
	}
}

// What HAProxy says no to is an error in its own words, and nothing was changed.
func TestRefusals(t *testing.T) {
	t.Parallel()
	p := start(t)
	c := p.admin(t)
	drain := func(c *haproxy.Client, backend, server string) error {
		return c.SetState(t.Context(), backend, server, haproxy.StateDrain)
	}
	look := func(c *haproxy.Client, backend string, marks ...string) error {
		_, err := c.Look(t.Context(), backend, marks)
		return err
	}
	for _, c := range []struct {
		words string
		err   error
	}{
		{"Permission denied", drain(p.client(t, p.dir+"/operator.sock"), "readers", "pg1")},
		{"Permission denied", drain(p.client(t, p.dir+"/user.sock"), "readers", "pg1")},
		{"No such server", drain(c, "readers", "pg9")},
		{"Can't find backend", look(c, "nobody")},
	} {
		if !errors.Is(c.err, haproxy.ErrSaid) || !strings.Contains(c.err.Error(), c.words) {
			t.Errorf("got %v, want %s", c.err, c.words)
		}
	}
	if err := look(p.client(t, p.dir+"/user.sock"), "readers", "pg1"); !errors.Is(err, haproxy.ErrSaid) {
		t.Errorf("marks at level user: got %v", err)
	}
	for _, bad := range []string{"", "pg1; shutdown sessions server readers/pg1", "pg1\nhelp", "a b", "../x"} {
		if err := drain(c, "readers", bad); !errors.Is(err, haproxy.ErrNotSent) {
			t.Errorf("server %q: got %v, want ErrNotSent", bad, err)
		}
		if err := look(c, bad); !errors.Is(err, haproxy.ErrNotSent) {
			t.Errorf("backend %q: got %v, want ErrNotSent", bad, err)
		}
	}
	marks := []haproxy.Mark{{Kind: haproxy.Held, Server: "pg1", Value: "a),concat(x"}}
	if _, err := c.Change(t.Context(), "readers", "pg1", "", marks, nil); !errors.Is(err, haproxy.ErrNotSent) {
		t.Errorf("mark with signs: got %v, want ErrNotSent", err)
	}
	v, err := c.Look(t.Context(), "readers", []string{"pg1"})
	if err != nil || v.Mark(haproxy.Held, "pg1") != "" || v.Servers[0].Why() != "ready" {
		t.Errorf("after all: got %+v, %v", v.Servers, err)
	}
}

// A restart forgets state and marks. A reload with a state file keeps the state, forgets the mark, and says so by the state's age.
func TestRestart(t *testing.T) {
	t.Parallel()
	p := start(t)
	c := p.admin(t)
	mark := []haproxy.Mark{{Kind: haproxy.Held, Server: "pg1", Value: "a1"}}
	if _, err := c.Change(t.Context(), "readers", "pg1", haproxy.StateDrain, mark, nil); err != nil {
		t.Fatal(err)
	}
	p.Stop()
	state := "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight " +
		"srv_time_since_last_change srv_check_status srv_check_result srv_check_health " +
		"srv_check_state srv_agent_state bk_f_forced_id srv_f_forced_id " +
		"srv_fqdn srv_port srvrecord srv_use_ssl srv_check_port srv_check_addr srv_agent_addr srv_agent_port\n" +
		"2 readers 2 pg-2 127.0.0.1 2 8 1 1 60 6 3 4 6 0 0 0 - 1 - 0 0 - - 0\n"
	if err := os.WriteFile(p.dir+"/state", []byte(state), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	p.await(t)
	v, err := c.Look(t.Context(), "readers", []string{"pg1"})
	if err != nil {
		t.Fatal(err)
	}
	one, _ := v.Find("pg1")
	two, _ := v.Find("pg-2")
	if one.Admin.String() != "ready" || v.Mark(haproxy.Held, "pg1") != "" || v.Carried(one) {
		t.Errorf("pg1: got %+v, mark %q, want it forgotten", one, v.Mark(haproxy.Held, "pg1"))
	}
	if two.Admin.String() != "drained" || !v.Carried(two) {
		t.Errorf("pg-2: got %+v at uptime %s, want it drained and carried over", two, v.Uptime)
	}
}
