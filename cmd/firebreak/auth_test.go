package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/firebreak-sre/firebreak/internal/testbed/authority"
)

// notification is a body of Alertmanager's with one alert that no handler answers.
const notification = `{"version": "4", "alerts": [{"status": "firing", "labels": {"alertname": "Nobody"}, "annotations": {},
	"startsAt": "2026-11-22T10:00:00Z", "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "", "fingerprint": "00000000000000aa"}]}`

// Tokens can be rotated without losing an alert: the old and the new one are good at the same time, a name with a password beside
// them too, and nothing else is.
func TestWebhookCredentials(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeFile(t, dir, "new-token", "the-new-token-of-the-test\n")
	config := writeFile(t, dir, "firebreak.yaml", `
server:
  listen: 127.0.0.1:0
  webhook: {bearer_tokens: ["${OLD}"], bearer_token_files: [new-token], username: alertmanager, password: "${PASSWORD}"}
`)
	env := environment{"OLD": "the-old-token-of-the-test", "PASSWORD": "the-password-of-the-test"}
	s := serve(t, env, "--config", config, "--data", dir+"/data")
	basic := func(user, password string) string {
		req := http.Request{Header: http.Header{}}
		req.SetBasicAuth(user, password)
		return req.Header.Get("Authorization")
	}
	for _, c := range []struct {
		name, authorization string
		want                int
	}{
		{"the old token", "Bearer the-old-token-of-the-test", http.StatusOK},
		{"the new token", "Bearer the-new-token-of-the-test", http.StatusOK},
		{"the name of the scheme in other letters", "bearer the-new-token-of-the-test", http.StatusOK},
		{"name and password", basic("alertmanager", "the-password-of-the-test"), http.StatusOK},
		{"nothing", "", http.StatusUnauthorized},
		{"another token", "Bearer the-next-token-of-the-test", http.StatusUnauthorized},
		{"the beginning of a token", "Bearer the-old-token-of-the-tes", http.StatusUnauthorized},
		{"no token", "Bearer ", http.StatusUnauthorized},
		{"another password", basic("alertmanager", "the-old-token-of-the-test"), http.StatusUnauthorized},
		{"another name", basic("firebreak", "the-password-of-the-test"), http.StatusUnauthorized},
		{"no name", basic("", "the-password-of-the-test"), http.StatusUnauthorized},
		{"the password as a token", "Bearer the-password-of-the-test", http.StatusUnauthorized},
	} {
		if got := postTo(t, http.DefaultClient, s.url, c.authorization); got != c.want {
			t.Errorf("%s: got %d, want %d", c.name, got, c.want)
		}
	}
	if code := s.end(); code != 0 {
		t.Errorf("serve ended with %d, want 0", code)
	}
	for _, secret := range []string{"the-old-token", "the-new-token", "the-next-token", "the-password"} {
		if strings.Contains(s.stderr.String()+s.stdout.String(), secret) {
			t.Errorf("%q was printed", secret)
		}
	}
}

// postTo posts the notification and returns the status.
func postTo(t *testing.T, client *http.Client, server, authorization string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server+"/webhook", strings.NewReader(notification))
	if err != nil {
		t.Fatal(err)
	}
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	readAll(t, resp.Body)
	return resp.StatusCode
}

// With client_ca_file only who shows a certificate of that authority gets in, also from other machines and without a token; nobody
// else is answered at all, by no path.
func TestClientCertificates(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ours, theirs := authority.New(t, "ours"), authority.New(t, "theirs")
	cert, key := ours.Issue(t, "server")
	writeFile(t, dir, "server.crt", string(cert))
	writeFile(t, dir, "server.key", string(key))
	writeFile(t, dir, "clients-ca.crt", string(ours.PEM))
	config := writeFile(t, dir, "firebreak.yaml", `
server:
  listen: 0.0.0.0:0
  tls: {cert_file: server.crt, key_file: server.key, client_ca_file: clients-ca.crt}
`)
	s := serve(t, nil, "--config", config, "--data", dir+"/data")
	_, port, err := net.SplitHostPort(strings.TrimPrefix(s.url, "https://"))
	if err != nil {
		t.Fatal(err)
	}
	server := "https://127.0.0.1:" + port
	if got := postTo(t, clientOf(t, ours, ours, "alertmanager"), server, ""); got != http.StatusOK {
		t.Errorf("with a certificate: got %d, want 200", got)
	}
	for name, client := range map[string]*http.Client{
		"no certificate": clientOf(t, ours, nil, ""), "another authority's certificate": clientOf(t, ours, theirs, "alertmanager"),
	} {
		for _, path := range []string{"/webhook", "/api/v1/alerts", "/healthz"} {
			if got, err := status(t.Context(), client, server+path); err == nil {
				t.Errorf("%s: %s answered %d, want no answer", name, path, got)
			}
		}
	}
	if got, err := status(t.Context(), http.DefaultClient, "http://127.0.0.1:"+port+"/healthz"); err == nil && got != http.StatusBadRequest {
		t.Errorf("plain HTTP: got %d, want 400 or nothing", got)
	}
	readsWithCertificate(t, dir, server, ours)
	if code := s.end(); code != 0 {
		t.Errorf("serve ended with %d, want 0", code)
	}
}

// readsWithCertificate checks that the command line gets in as well, by flags and by variables: nobody is locked out.
func readsWithCertificate(t *testing.T, dir, server string, ours *authority.Authority) {
	t.Helper()
	cert, key := ours.Issue(t, "an operator")
	files := map[string]string{"FIREBREAK_SERVER": server, "FIREBREAK_CA": dir + "/clients-ca.crt",
		"FIREBREAK_CERT": writeFile(t, dir, "me.crt", string(cert)), "FIREBREAK_KEY": writeFile(t, dir, "me.key", string(key))}
	if code, stdout, stderr := firebreak(t, files, "alerts"); code != 0 || !strings.Contains(stdout, "RECEIVED") {
		t.Errorf("alerts, told by variables: got exit %d, %q, %q", code, stdout, stderr)
	}
	code, _, stderr := firebreak(t, nil, "incidents", "list", "--server", server, "--ca", files["FIREBREAK_CA"],
		"--cert", files["FIREBREAK_CERT"], "--key", files["FIREBREAK_KEY"])
	if code != 0 {
		t.Errorf("incidents, told by flags: got exit %d, %q", code, stderr)
	}
	if code, _, stderr := firebreak(t, nil, "alerts", "--server", server, "--ca", files["FIREBREAK_CA"]); code != 1 || stderr == "" {
		t.Errorf("alerts without a certificate: got exit %d, %q, want 1 and why", code, stderr)
	}
	if code, _, stderr := firebreak(t, nil, "alerts", "--server", "127.0.0.1:9095"); code != 1 || !strings.Contains(stderr, "http://") {
		t.Errorf("a server without a scheme: got exit %d, %q, want 1 and how to write it", code, stderr)
	}
}

func status(ctx context.Context, client *http.Client, url string) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

// clientOf trusts servers of an authority, and shows a certificate of by, if there is one.
func clientOf(t *testing.T, a, by *authority.Authority, name string) *http.Client {
	t.Helper()
	cfg := &tls.Config{RootCAs: a.Pool(), MinVersion: tls.VersionTLS12}
	if by != nil {
		pair, err := tls.X509KeyPair(by.Issue(t, name))
		if err != nil {
			t.Fatal(err)
		}
		// It is shown whichever authorities the server asks for, or the client would hold back a wrong one by itself.
		cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: cfg}}
	t.Cleanup(client.CloseIdleConnections)
	return client
}

// A certificate that cannot be used ends serve with its name, not a server that answers nobody.
func TestUnusableCertificates(t *testing.T) {
	t.Parallel()
	a := authority.New(t, "ours")
	cert, key := a.Issue(t, "server")
	_, otherKey := a.Issue(t, "other")
	for _, c := range []struct {
		name           string
		cert, key, ca  []byte
		want, wantFile string
	}{
		{"a key of another certificate", cert, otherKey, a.PEM, "server.tls.cert_file", "server.key"},
		{"no certificate in the authority's file", cert, key, key, "holds no certificate", "clients-ca.crt"},
	} {
		dir := t.TempDir()
		writeFile(t, dir, "server.crt", string(cert))
		writeFile(t, dir, "server.key", string(c.key))
		writeFile(t, dir, "clients-ca.crt", string(c.ca))
		config := writeFile(t, dir, "firebreak.yaml", fmt.Sprintf(
			"bus: {data: %q}\nserver:\n  listen: 127.0.0.1:0\n  tls: {cert_file: server.crt, key_file: server.key, client_ca_file: clients-ca.crt}\n", dir+"/data"))
		code, stdout, stderr := firebreak(t, nil, "serve", "--config", config)
		if code != 1 || stdout != "" || !strings.Contains(stderr, c.want) || !strings.Contains(stderr, c.wantFile) {
			t.Errorf("%s: got exit %d, stdout %q, stderr %q", c.name, code, stdout, stderr)
		}
		if bytes.Contains([]byte(stderr), c.key) {
			t.Errorf("%s: the key was printed", c.name)
		}
	}
}
