package haproxy_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/internal/haproxy"
	"github.com/firebreak-sre/firebreak/internal/testbed"
	"github.com/firebreak-sre/firebreak/internal/testbed/authority"
)

// encrypted is a real HAProxy that takes commands from other machines over TLS alone. Since it leaves "ssl" on a "stats socket" unheeded, a
// frontend of its own stands before the socket. With clients it demands a certificate of theirs.
func encrypted(t *testing.T, ours, clients *authority.Authority) string {
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
	cert, key := ours.Issue(t, "haproxy")
	write := func(name string, text []byte) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	bind := "ssl crt " + write("haproxy.pem", append(cert, key...))
	if clients != nil {
		bind += " verify required ca-file " + write("clients.pem", clients.PEM)
	}
	file := write("haproxy.cfg", []byte(fmt.Sprintf(`global
  stats socket %[1]s/admin.sock mode 600 level admin
defaults
  mode tcp
  timeout connect 1s
  timeout client 10s
  timeout server 10s
frontend commands
  bind %[2]s %[3]s
  default_backend commands
backend commands
  server socket unix@%[1]s/admin.sock
backend readers
  server pg1 127.0.0.1:1
`, dir, admin, bind)))
	testbed.Start(t, testbed.Command{Name: "haproxy", Path: path, Args: []string{"-db", "-f", file}})
	awaitPort(t, admin)
	return "tls://" + admin
}

func awaitPort(t *testing.T, addr string) {
	t.Helper()
	testbed.Await(t, 20*time.Second, "haproxy to listen", func() bool {
		c, err := (&tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}).DialContext(t.Context(), "tcp", addr)
		if err != nil {
			return false
		}
		return c.Close() == nil
	})
}

// Commands go over TLS as they do over a socket: answers are whole, and a state that was written is read back.
func TestTLS(t *testing.T) {
	t.Parallel()
	ours, clients := authority.New(t, "ours"), authority.New(t, "clients")
	own, err := tls.X509KeyPair(clients.Issue(t, "firebreak"))
	if err != nil {
		t.Fatal(err)
	}
	for name, demand := range map[string]*authority.Authority{"the server's certificate": nil, "those of both": clients} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bare, err := haproxy.New(encrypted(t, ours, demand))
			if err != nil {
				t.Fatal(err)
			}
			c := bare.Trusting(&tls.Config{RootCAs: ours.Pool(), Certificates: []tls.Certificate{own}, MinVersion: tls.VersionTLS12})
			if err := c.SetState(t.Context(), "readers", "pg1", haproxy.StateDrain); err != nil {
				t.Fatal(err)
			}
			servers, err := c.Servers(t.Context(), "readers")
			if err != nil || len(servers) != 1 || servers[0].Name != "pg1" {
				t.Errorf("got %v, %v, want pg1", servers, err)
			}
			err = bare.SetState(t.Context(), "readers", "pg1", haproxy.StateReady)
			if _, ok := errors.AsType[x509.UnknownAuthorityError](err); !ok || !errors.Is(err, haproxy.ErrNotSent) {
				t.Errorf("another authority: got %v, want that it is unknown, and that nothing was sent", err)
			}
			if demand == nil {
				return
			}
			without := bare.Trusting(&tls.Config{RootCAs: ours.Pool(), MinVersion: tls.VersionTLS12})
			if err := without.SetState(t.Context(), "readers", "pg1", haproxy.StateReady); err == nil {
				t.Error("without a certificate: a command was taken")
			}
		})
	}
}

// A client in the clear is not changed by what TLS would trust.
func TestTrustingWithoutTLS(t *testing.T) {
	t.Parallel()
	p := start(t)
	c := p.client(t, p.tcp).Trusting(&tls.Config{MinVersion: tls.VersionTLS13})
	if _, err := c.Servers(t.Context(), "readers"); err != nil {
		t.Error(err)
	}
}
