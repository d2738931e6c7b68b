package bus_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"strings"
	"testing"

	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/internal/testbed/authority"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

const someToken = "0123456789abcdef"

// showing trusts the servers of an authority and shows a certificate of by, if there is one.
func showing(t *testing.T, servers, by *authority.Authority) *tls.Config {
	t.Helper()
	cfg := &tls.Config{RootCAs: servers.Pool(), MinVersion: tls.VersionTLS12}
	if by != nil {
		own, err := tls.X509KeyPair(by.Issue(t, "client"))
		if err != nil {
			t.Fatal(err)
		}
		cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &own, nil }
	}
	return cfg
}

// An embedded server that listens with TLS takes nobody in the clear, nobody without the token, and nobody without a certificate where it
// demands one. What runs inside of the process needs none of it.
func TestListeningWithTLS(t *testing.T) {
	t.Parallel()
	ours, clients, others := authority.New(t, "ours"), authority.New(t, "clients"), authority.New(t, "others")
	for name, c := range map[string]struct {
		listen *tls.Config
		good   *tls.Config
		bad    map[string]*tls.Config
	}{
		"certificate of the server": {ours.Server(t, nil), showing(t, ours, nil), map[string]*tls.Config{"another authority": showing(t, others, nil)}},
		"certificates of both": {ours.Server(t, clients), showing(t, ours, clients),
			map[string]*tls.Config{"no certificate": showing(t, ours, nil), "another authority's": showing(t, ours, others)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := open(t, bus.Config{Listen: "127.0.0.1:0", Token: someToken, ListenTLS: c.listen})
			if err := b.Ready(within(t)); err != nil {
				t.Fatalf("inside of the process: %v", err)
			}
			url := strings.Replace(b.ClientURL(), "tls://", "nats://", 1)
			for _, scheme := range []string{"nats", "tls"} {
				to := scheme + strings.TrimPrefix(url, "nats")
				nc, err := nats.Connect(to, nats.Token(someToken), func(o *nats.Options) error { o.TLSConfig = c.good; return nil })
				if err != nil {
					t.Fatalf("%s: %v", scheme, err)
				}
				if state, err := nc.TLSConnectionState(); err != nil || state.Version < tls.VersionTLS12 {
					t.Errorf("%s: got %v, %v, want a connection with TLS", scheme, state.Version, err)
				}
				nc.Close()
			}
			if nc, err := nats.Connect(url, nats.Secure(c.good), nats.Token("another token")); !errors.Is(err, nats.ErrAuthorization) {
				t.Errorf("another token: got %v, want %v", err, nats.ErrAuthorization)
				nc.Close()
			}
			for who, cfg := range c.bad {
				if nc, err := nats.Connect(url, nats.Secure(cfg), nats.Token(someToken)); err == nil {
					nc.Close()
					t.Errorf("%s: was let in", who)
				}
			}
		})
	}
}

// external is a NATS that demands TLS, a certificate of clients, and a user name with a password.
func external(t *testing.T, ours, clients *authority.Authority, demand bool) string {
	t.Helper()
	opts := &server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true, JetStream: true, StoreDir: t.TempDir(),
		Username: "firebreak", Password: "a password of the test"}
	if demand {
		opts.TLS, opts.TLSVerify, opts.TLSConfig, opts.TLSTimeout = true, true, ours.Server(t, clients), 5
	}
	s, err := server.NewServer(opts)
	if err != nil {
		t.Fatal(err)
	}
	go s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(patience) {
		t.Fatal("nats is not ready")
	}
	return s.Addr().String()
}

// An external NATS is reached with TLS where its address says so, or where it demands it; a wrong authority is said as such.
func TestExternalTLS(t *testing.T) {
	t.Parallel()
	ours, clients := authority.New(t, "ours"), authority.New(t, "clients")
	secure, plain := external(t, ours, clients, true), external(t, ours, clients, false)
	try := func(url string, cfg *tls.Config, password string) error {
		b, err := tryOpen(t, bus.Config{URL: url, TLS: cfg, Username: "firebreak", Password: password})
		if err != nil {
			return err
		}
		defer b.Close()
		return b.Ready(within(t))
	}
	const password = "a password of the test"
	right := showing(t, ours, clients)
	for _, url := range []string{"tls://" + secure, "nats://" + secure, "nats://" + plain} {
		if err := try(url, right, password); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
	if err := try("tls://"+plain, right, password); err == nil {
		t.Error("tls:// went to a server in the clear")
	}
	if err := try("tls://"+secure, right, "another"); !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("another password: got %v, want %v", err, nats.ErrAuthorization)
	}
	for name, cfg := range map[string]*tls.Config{"another authority": showing(t, clients, clients), "none": nil} {
		err := try("tls://"+secure, cfg, password)
		if _, ok := errors.AsType[x509.UnknownAuthorityError](err); !ok {
			t.Errorf("%s: got %v, want that the authority is unknown", name, err)
		}
	}
	if err := try("tls://"+secure, showing(t, ours, nil), password); err == nil {
		t.Error("a client without a certificate was let in")
	}
}
