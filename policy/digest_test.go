package policy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/firebreak-sre/firebreak/policy"
)

// A token is the same credential whether the policy has it, a file, or only its hash; hashes are secrets like the rest.
func TestDigests(t *testing.T) {
	t.Parallel()
	sum := policy.DigestOf("the-token-of-somebody")
	if got, want := sum.String(), "sha256:"+fmt.Sprintf("%x", sum[:]); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	plain := parse(t, `server: {webhook: {bearer_tokens: [the-token-of-somebody], username: a, password: the-password-of-a}, `+
		`api: {bearer_tokens: [the-token-of-all], operators: [{name: a, token: another-token-of-a}]}}`)
	own := policy.DigestOf("another-token-of-a")
	hashed := parse(t, fmt.Sprintf(`server: {webhook: {bearer_token_sha256s: ["%x"], username: a, password_sha256: "%s"}, `+
		`api: {bearer_token_sha256s: ["%s"], operators: [{name: a, token_sha256: "%X"}]}}`,
		sum[:], policy.DigestOf("the-password-of-a"), policy.DigestOf("the-token-of-all"), own[:]))
	type credentials struct {
		Tokens, Readers    []policy.Digest
		Password, Operator policy.Digest
	}
	of := func(p policy.Policy) credentials {
		password, ok := p.Server.Webhook.PasswordDigest()
		own, also := p.Server.API.Operators[0].Digest()
		if !ok || !also {
			t.Error("a password or a token is not there")
		}
		return credentials{p.Server.Webhook.Tokens(), p.Server.API.Readers(), password, own}
	}
	got, want := of(hashed), of(plain)
	if !slices.Equal(got.Tokens, want.Tokens) || !slices.Equal(got.Readers, want.Readers) || got.Password != want.Password || got.Operator != want.Operator {
		t.Errorf("hashed: got %v, want %v", got, want)
	}
	if want.Tokens[0] != sum {
		t.Errorf("plain: got %v, want %v", want.Tokens[0], sum)
	}
	if got := fmt.Sprintf("%+v", hashed.Server); strings.Contains(got, strings.TrimPrefix(sum.String(), "sha256:")) {
		t.Errorf("a hash was printed: %s", got)
	}
	if _, ok := (policy.Operator{}).Digest(); ok {
		t.Error("nobody has a token")
	}
}

// What goes in the clear over the network is said to people, and what cannot leave this machine is not.
func TestPlain(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		"sessions: [{store: a, ttl: 30s, redis: {primary: \"10.0.0.1:6379\"}}]":                                                     1,
		"sessions: [{store: a, ttl: 30s, redis: {primary: \"10.0.0.1:6379\", tls: {}}}]":                                            0,
		"sessions: [{store: a, ttl: 30s, redis: {primary: \"127.0.0.1:6379\"}}]":                                                    0,
		"sessions: [{store: a, ttl: 30s, redis: {primary: \"127.0.0.1:6379\", replicas: [{name: r, address: \"10.0.0.1:6379\"}]}}]": 1,
		"bus: {url: \"nats://n1:4222,tls://n2:4222,nats://127.0.0.1:4222\"}":                                                        1,
		"bus: {url: \"tls://n1:4222\"}\nsessions: [{store: a, ttl: 30s, redis: {primary: \"[::1]:6379\"}}]":                         0,
		"server: {allow_plain: true, listen: \":9095\", webhook: {allow_anonymous: true}}\nbus: {data: /tmp/x}":                     0,
	} {
		if got := parse(t, text).Plain(); len(got) != want {
			t.Errorf("%s: got %q, want %d", text, got, want)
		}
	}
}

// An address that is put in the policy's place is held to the same rules.
func TestCheckListen(t *testing.T) {
	t.Parallel()
	open := policy.WebhookAuth{AllowAnonymous: true}
	for name, c := range map[string]struct {
		server policy.Server
		fine   bool
	}{
		"loopback":              {policy.Server{Listen: "127.0.0.1:0"}, true},
		"everywhere":            {policy.Server{Listen: ":0"}, false},
		"open, in the clear":    {policy.Server{Listen: ":0", Webhook: open}, false},
		"open, and said so":     {policy.Server{Listen: ":0", Webhook: open, AllowPlain: true}, true},
		"open, with TLS":        {policy.Server{Listen: ":0", Webhook: open, TLS: policy.TLS{CertFile: "a", KeyFile: "b"}}, true},
		"a hash, with TLS":      {policy.Server{Listen: ":0", Webhook: policy.WebhookAuth{BearerTokenSHA256s: []policy.Secret{"x"}}, TLS: policy.TLS{CertFile: "a"}}, true},
		"nobody asked, but TLS": {policy.Server{Listen: ":0", TLS: policy.TLS{CertFile: "a"}}, false},
	} {
		if err := c.server.CheckListen(); (err == nil) != c.fine {
			t.Errorf("%s: got %v, want fine: %t", name, err, c.fine)
		}
	}
}
