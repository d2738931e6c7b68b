package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/internal/testbed"
	"github.com/firebreak-sre/firebreak/internal/testbed/authority"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/rs/zerolog"
)

// private is a server of a private authority that demands a certificate of another one, and remembers who was let in where.
type private struct {
	url   string
	files string // the section tls of a policy that gets in
	mu    sync.Mutex
	seen  []string
}

func newPrivate(t *testing.T) *private {
	t.Helper()
	ours, clients, dir := authority.New(t, "ours"), authority.New(t, "clients"), t.TempDir()
	mine := clients.Write(t, dir, "me")
	l, err := tls.Listen("tcp", "127.0.0.1:0", ours.Server(t, clients))
	if err != nil {
		t.Fatal(err)
	}
	p := &private{url: "https://" + l.Addr().String(),
		files: fmt.Sprintf("tls: {ca_file: %q, cert_file: %q, key_file: %q}", ours.Write(t, dir, "server").CA, mine.Cert, mine.Key)}
	s := &http.Server{ReadHeaderTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0), Handler: http.HandlerFunc(p.serve)}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close(); <-done })
	return p
}

func (p *private) serve(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen = append(p.seen, r.URL.Path)
	w.Header().Set("Content-Type", "application/json")
	if strings.HasPrefix(r.URL.Path, "/v2/") {
		w.WriteHeader(http.StatusAccepted)
	}
	_, _ = io.WriteString(w, `{"status":"success","message":"Event processed","dedup_key":"x"}`)
}

// sees says whether somebody was let in at a path that begins so.
func (p *private) sees(path string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.ContainsFunc(p.seen, func(s string) bool { return strings.HasPrefix(s, path) })
}

// A running server reaches what is behind a private authority and asks for a certificate, by the two files of the section tls; without them it
// reaches none of it, and its log says what to write.
func TestOutgoingTLS(t *testing.T) {
	t.Parallel()
	p := newPrivate(t)
	const token = "the-token-of-the-operator-of-the-test"
	text := fmt.Sprintf(`server: {listen: "127.0.0.1:0", api: {operators: [{name: op, token_sha256: %q, may: [operate]}]}}
guard: {heartbeat: {url: "%[2]s/heartbeat", every: 5s}}
alertmanagers: [{url: "%[2]s/am"}]
outcomes:
  webhooks: [{name: desk, url: "%[2]s/desk", secret: a-secret-of-more-than-24-bytes}]
  pagerduty: {url: "%[2]s", routing_key: 0123456789abcdef0123456789abcdef}
`, policy.DigestOf(token), p.url)
	dir := t.TempDir()
	s := serve(t, nil, "--config", writeFile(t, dir, "a.yaml", text+p.files+"\n"), "--data", dir+"/a")
	code, stdout, stderr := firebreak(t, environment{"FIREBREAK_TOKEN": token, "FIREBREAK_SERVER": s.url}, "notify", "test")
	if code != 0 {
		t.Errorf("notify test: got exit %d, %q, %q", code, stdout, stderr)
	}
	for _, path := range []string{"/heartbeat", "/desk", "/v2/"} {
		testbed.Await(t, 20*time.Second, "a call of "+path, func() bool { return p.sees(path) })
	}
	without := serve(t, nil, "--config", writeFile(t, dir, "b.yaml", text), "--data", dir+"/b")
	testbed.Await(t, 20*time.Second, "the log to say what to do", func() bool { return strings.Contains(without.stderr.String(), "tls.ca_file") })
	if code, stdout, _ := firebreak(t, environment{"FIREBREAK_TOKEN": token, "FIREBREAK_SERVER": without.url}, "notify", "test"); code == 0 {
		t.Errorf("notify test without the authority: got exit 0, %q", stdout)
	}
}

// The clients that no test of a whole server reaches in a moment get in as well.
func TestClientsTrust(t *testing.T) {
	t.Parallel()
	server := newPrivate(t)
	p, err := policy.Load(writeFile(t, t.TempDir(), "a.yaml", server.files+fmt.Sprintf(`
alertmanagers: [{url: "%[1]s/am"}]
sessions: [{store: shop, ttl: 30s, http: {url: "%[1]s/shop"}}]
outcomes: {slack: {bot_token: xoxb-x, channel: C0123456789, api_url: "%[1]s/slack"}}
guard: {observer: {anchors: ["%[1]s/anchor"]}}
`, server.url)), nil)
	if err != nil {
		t.Fatal(err)
	}
	to, err := openTrust(p, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	k := &kernel{}
	if k.peers, err = newAlertmanagers(p.Alertmanagers, to); err != nil {
		t.Fatal(err)
	}
	_, _ = k.peers[0].Alerts(t.Context(), nil) // what it says is no answer of an Alertmanager: it counts that it was asked
	db, err := openDatabases(p, to, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	_, _ = db.stores.stores["shop"].Membership(t.Context())
	for path, client := range map[string]*http.Client{"/probe": probeClient(to), "/admin": adminConfig(p, to).Client} {
		if got, err := status(t.Context(), client, server.url+path); err != nil || got != http.StatusOK {
			t.Errorf("%s: got %d, %v", path, got, err)
		}
	}
	for _, path := range []string{"/am/api/v2/alerts", "/shop", "/probe", "/admin"} {
		if !server.sees(path) {
			t.Errorf("%s was not reached: %q", path, server.seen)
		}
	}
	if cfg := slackConfig(p, to); cfg.TLS == nil || cfg.TLS.RootCAs == nil || cfg.TLS.GetClientCertificate == nil {
		t.Error("slack is not given whom to believe")
	}
}

// Every address of the policy that is connected to is on this list with what carries it: whoever adds one to the policy must say here that it
// goes through the section tls, or why not.
func TestEveryAddressIsTrusted(t *testing.T) {
	t.Parallel()
	const (
		http_  = "an http client of trust.go"
		own    = "TLS settings of its own"
		nobody = "not connected to"
	)
	known := map[string]string{
		"bus.url": "busConfig", "alertmanagers[].url": http_, "outcomes.webhooks[].url": http_, "outcomes.slack.api_url": "slackConfig",
		"outcomes.pagerduty.url": http_, "outcomes.console": nobody, "guard.observer.anchors": "guard.Observer.Trusting", "tracing.endpoint": "newTracing",
		"postgres[].patroni.urls": http_, "postgres[].reads.haproxy.address": "haproxy.Client.Trusting", "postgres[].reads.http.instances": http_,
		"postgres[].pgbouncers[].deadman.address":          "this machine only",
		"sessions[].redis.primary":                         own,
		"sessions[].redis.replicas[].address":              own,
		"sessions[].http.url":                              http_,
		"handlers.retrystorm.edges[].probe.prometheus.url": http_, "handlers.retrystorm.edges[].probe.json.urls": http_, "handlers.retrystorm.edges[].fix.http.instances": http_,
		"handlers.poolexhaustion.clusters[].apps[].prometheus.url": http_, "handlers.poolexhaustion.clusters[].apps[].http.instances": http_,
		"handlers.sessiondrift.stores[].prometheus.url": http_,
	}
	var found []string
	addresses(reflect.TypeFor[policy.Policy](), "", &found)
	for _, path := range found {
		if known[path] == "" {
			t.Errorf("%s is connected to, and nothing says by what", path)
		}
	}
	for path := range known {
		if !slices.Contains(found, path) {
			t.Errorf("%s is not in the policy any more", path)
		}
	}
}

// addresses are the paths of all texts that name a place on the network.
func addresses(t reflect.Type, path string, found *[]string) {
	switch t.Kind() {
	case reflect.Pointer:
		addresses(t.Elem(), path, found)
	case reflect.Slice, reflect.Map:
		if t.Elem().Kind() == reflect.Struct {
			addresses(t.Elem(), path+"[]", found)
		}
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			here := strings.TrimPrefix(path+"."+f.Tag.Get("yaml"), ".")
			for part := range strings.SplitSeq(f.Tag.Get("rule"), ";") {
				if slices.Contains([]string{"url", "base", "nats", "anchor", "socket", "runtime", "address"}, part) {
					*found = append(*found, here)
				}
			}
			addresses(f.Type, here, found)
		}
	}
}

// A server with TLS and a hashed token serves who knows the authority, says to others which flag names it, and takes a new certificate while it
// runs.
func TestServingTLS(t *testing.T) {
	t.Parallel()
	ours, dir := authority.New(t, "ours"), t.TempDir()
	f := ours.Write(t, dir, "server")
	const token = "the-token-of-the-operator-of-the-test"
	config := writeFile(t, dir, "firebreak.yaml", fmt.Sprintf(`server:
  listen: "127.0.0.1:0"
  tls: {cert_file: server.crt, key_file: server.key}
  webhook: {bearer_token_sha256s: [%q], username: am, password_sha256: %q}
  api: {operators: [{name: op, token_sha256: %q}]}
`, policy.DigestOf("the-token-of-alertmanager"), policy.DigestOf("the-password-of-alertmanager"), policy.DigestOf(token)))
	s := serve(t, nil, "--config", config, "--data", dir+"/data")
	env := environment{"FIREBREAK_TOKEN": token, "FIREBREAK_SERVER": s.url, "FIREBREAK_CA": f.CA}
	if code, _, stderr := firebreak(t, env, "budget"); code != 0 {
		t.Errorf("with the authority: got exit %d, %q", code, stderr)
	}
	delete(env, "FIREBREAK_CA")
	if code, _, stderr := firebreak(t, env, "budget"); code != 1 || !strings.Contains(stderr, "--ca") {
		t.Errorf("without it: got exit %d, %q, want 1 and --ca", code, stderr)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: ours.Pool(), MinVersion: tls.VersionTLS12}, DisableKeepAlives: true}}
	for authorization, want := range map[string]int{"Bearer the-token-of-alertmanager": http.StatusOK, "Bearer " + policy.DigestOf("the-token-of-alertmanager").String(): http.StatusUnauthorized,
		"Basic YW06dGhlLXBhc3N3b3JkLW9mLWFsZXJ0bWFuYWdlcg==": http.StatusOK, "Bearer " + token: http.StatusUnauthorized} {
		if got := postTo(t, client, s.url, authorization); got != want {
			t.Errorf("%s: got %d, want %d", authorization, got, want)
		}
	}
	other := authority.New(t, "other")
	cert, key := other.Issue(t, "server")
	for path, text := range map[string][]byte{f.Cert: cert, f.Key: key} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	renewed := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: other.Pool(), MinVersion: tls.VersionTLS12}, DisableKeepAlives: true}}
	testbed.Await(t, 30*time.Second, "the new certificate", func() bool {
		got, err := status(t.Context(), renewed, s.url+"/healthz")
		return err == nil && got == http.StatusOK
	})
}
