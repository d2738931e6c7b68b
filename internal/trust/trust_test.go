package trust_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/internal/testbed/authority"
	"github.com/firebreak-sre/firebreak/internal/trust"
	"github.com/rs/zerolog"
)

// clock is moved by the test.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// serveTLS answers every request with "well", and returns its address.
func serveTLS(t *testing.T, cfg *tls.Config) string {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", cfg)
	if err != nil {
		t.Fatal(err)
	}
	answer := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "well") })
	s := &http.Server{Handler: answer, ReadHeaderTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0)}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close(); <-done })
	return "https://" + l.Addr().String()
}

func get(t *testing.T, to *trust.Trust, url string) error {
	t.Helper()
	transport := to.Transport()
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := trust.Hinting(transport).RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if text, err := io.ReadAll(resp.Body); err != nil || string(text) != "well" {
		t.Fatalf("read the answer: got %q, %v", text, err)
	}
	return nil
}

func open(t *testing.T, f trust.Files) *trust.Trust {
	t.Helper()
	f.Section = "tls"
	to, err := trust.Open(f)
	if err != nil {
		t.Fatal(err)
	}
	return to
}

// A server of a private authority is reached once the policy names the authority; before, the error says where to write it.
func TestAuthorities(t *testing.T) {
	t.Parallel()
	ours, theirs := authority.New(t, "ours"), authority.New(t, "theirs")
	s := serveTLS(t, ours.Server(t, nil))
	if err := get(t, open(t, trust.Files{CAFile: ours.Write(t, t.TempDir(), "x").CA}), s); err != nil {
		t.Errorf("with the right authority: %v", err)
	}
	for name, to := range map[string]*trust.Trust{"none": nil, "the zero value": {}, "another": open(t, trust.Files{CAFile: theirs.Write(t, t.TempDir(), "x").CA})} {
		err := get(t, to, s)
		if _, ok := errors.AsType[*tls.CertificateVerificationError](err); !ok || !strings.Contains(err.Error(), "tls.ca_file") {
			t.Errorf("%s: got %v, want an error of the certificate that names tls.ca_file", name, err)
		}
	}
}

// A server that demands a certificate gets ours, and without one the error says which keys to set.
func TestClientCertificate(t *testing.T) {
	t.Parallel()
	ours, clients, others := authority.New(t, "ours"), authority.New(t, "clients"), authority.New(t, "others")
	s := serveTLS(t, ours.Server(t, clients))
	dir := t.TempDir()
	ca, good, bad := ours.Write(t, dir, "server").CA, clients.Write(t, dir, "good"), others.Write(t, dir, "bad")
	if err := get(t, open(t, trust.Files{CAFile: ca, CertFile: good.Cert, KeyFile: good.Key}), s); err != nil {
		t.Errorf("with a certificate: %v", err)
	}
	for name, f := range map[string]trust.Files{"none": {CAFile: ca}, "another authority's": {CAFile: ca, CertFile: bad.Cert, KeyFile: bad.Key}} {
		if err := get(t, open(t, f), s); err == nil || !strings.Contains(err.Error(), "tls.cert_file") {
			t.Errorf("%s: got %v, want an error that names tls.cert_file", name, err)
		}
	}
}

// What is wrong with the other end is said so that somebody can mend it.
func TestHints(t *testing.T) {
	t.Parallel()
	ours := authority.New(t, "ours")
	to := open(t, trust.Files{CAFile: ours.Write(t, t.TempDir(), "x").CA})
	s := serveTLS(t, ours.Server(t, nil))
	_, port, err := net.SplitHostPort(strings.TrimPrefix(s, "https://"))
	if err != nil {
		t.Fatal(err)
	}
	cfg := to.Config()
	cfg.ServerName = "elsewhere.example.com"
	_, err = tls.Dial("tcp", "127.0.0.1:"+port, cfg)
	if err = trust.Hint(err); err == nil || !strings.Contains(err.Error(), "one of the names") {
		t.Errorf("another name: got %v", err)
	}
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	if err := get(t, to, "https://"+plain.Listener.Addr().String()); err == nil || !strings.Contains(err.Error(), "speaks no TLS") {
		t.Errorf("a server without TLS: got %v", err)
	}
	_, err = tls.Dial("tcp", plain.Listener.Addr().String(), to.Config())
	if err = trust.Hint(err); err == nil || !strings.Contains(err.Error(), "speaks no TLS") {
		t.Errorf("a port without TLS: got %v", err)
	}
	if err := trust.Hint(io.EOF); !errors.Is(err, io.EOF) || err.Error() != io.EOF.Error() {
		t.Errorf("any other error: got %v, want it untouched", err)
	}
	if err := trust.Hint(nil); err != nil {
		t.Errorf("no error: got %v", err)
	}
}

// A certificate that is renewed is shown to new connections, without a restart; files that cannot be used change nothing, and are said once.
func TestRotationWhileServing(t *testing.T) {
	t.Parallel()
	first, second := authority.New(t, "first"), authority.New(t, "second")
	dir, now, said := t.TempDir(), newClock(), &bytes.Buffer{}
	f := first.Write(t, dir, "server")
	cfg, err := trust.Listening(trust.Files{Section: "server.tls", CertFile: f.Cert, KeyFile: f.Key, Now: now.Now, Log: zerolog.New(said)})
	if err != nil {
		t.Fatal(err)
	}
	s := serveTLS(t, cfg)
	old := open(t, trust.Files{CAFile: f.CA})
	renewed := open(t, trust.Files{CAFile: second.Write(t, t.TempDir(), "x").CA})
	expect := func(when string, to *trust.Trust) {
		t.Helper()
		if err := get(t, to, s); err != nil {
			t.Errorf("%s: %v", when, err)
		}
	}
	expect("at first", old)
	overwrite(t, f.Cert, []byte("-----BEGIN"))
	now.pass(trust.Every)
	expect("with half a certificate", old)
	now.pass(trust.Every)
	expect("with half a certificate, later", old)
	if got := strings.Count(said.String(), "cannot be used"); got != 1 {
		t.Errorf("half a certificate: got %d warnings, want 1: %s", got, said)
	}
	if err := os.Remove(f.Cert); err != nil {
		t.Fatal(err)
	}
	now.pass(trust.Every)
	expect("without its file", old)
	if got := strings.Count(said.String(), "cannot be used"); got != 2 {
		t.Errorf("no file: got %d warnings, want 2: %s", got, said)
	}
	cert, key := second.Issue(t, "server")
	overwrite(t, f.Cert, cert)
	now.pass(trust.Every)
	expect("with a key of another certificate", old)
	overwrite(t, f.Key, key)
	expect("before it is looked at again", old)
	now.pass(trust.Every)
	expect("with the new pair", renewed)
	if err := get(t, old, s); err == nil {
		t.Error("the old certificate is still shown")
	}
}

// The certificate that we show is renewed in the same way.
func TestRotationOfOurs(t *testing.T) {
	t.Parallel()
	ours, clients, others := authority.New(t, "ours"), authority.New(t, "clients"), authority.New(t, "others")
	s, dir, now := serveTLS(t, ours.Server(t, clients)), t.TempDir(), newClock()
	f := others.Write(t, dir, "me")
	to := open(t, trust.Files{CAFile: ours.Write(t, dir, "server").CA, CertFile: f.Cert, KeyFile: f.Key, Now: now.Now})
	if err := get(t, to, s); err == nil {
		t.Fatal("another authority's certificate was taken")
	}
	cert, key := clients.Issue(t, "me")
	overwrite(t, f.Cert, cert)
	overwrite(t, f.Key, key)
	now.pass(trust.Every)
	if err := get(t, to, s); err != nil {
		t.Errorf("after it was renewed: %v", err)
	}
}

func overwrite(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// Files that cannot be used are named, with their key in the policy and nothing of what is in them.
func TestUnusableFiles(t *testing.T) {
	t.Parallel()
	a := authority.New(t, "ours")
	dir := t.TempDir()
	f, other := a.Write(t, dir, "a"), a.Write(t, dir, "b")
	secret, err := os.ReadFile(f.Key)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		files trust.Files
		want  []string
	}{
		"no certificate in it":         {trust.Files{CAFile: f.Key}, []string{"tls.ca_file", f.Key, "PEM"}},
		"no such authority's file":     {trust.Files{CAFile: dir + "/none"}, []string{"tls.ca_file", dir + "/none"}},
		"a key of another certificate": {trust.Files{CertFile: f.Cert, KeyFile: other.Key}, []string{"tls.cert_file", f.Cert, other.Key}},
		"a certificate as the key":     {trust.Files{CertFile: f.Cert, KeyFile: f.CA}, []string{"tls.cert_file", "key_file", f.CA}},
		"no such key":                  {trust.Files{CertFile: f.Cert, KeyFile: dir + "/none"}, []string{"tls.key_file", dir + "/none"}},
	} {
		c.files.Section = "tls"
		_, err := trust.Open(c.files)
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got %q, want %q in it", name, err, want)
			}
		}
		if strings.Contains(err.Error(), string(secret[40:80])) {
			t.Errorf("%s: the key is in %q", name, err)
		}
	}
}
