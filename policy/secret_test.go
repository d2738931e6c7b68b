package policy_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/firebreak-sre/firebreak/policy"
)

// TestSecretNeverPrints tries every way in which a value becomes text.
func TestSecretNeverPrints(t *testing.T) {
	t.Parallel()
	const value = "hunter2-hunter2-hunter2"
	s := policy.Secret(value)
	p := policy.Default()
	p.Bus.Token = s
	p.Server.Webhook.BearerTokens = []policy.Secret{s}
	holder := map[string]any{"secret": s, "pointer": &s, "policy": p, "list": []policy.Secret{s}}
	var texts []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%e", "%c", "%U", "%10.3s", "%[1]v"} {
		for _, what := range []any{s, p, holder, []any{s}, struct{ S policy.Secret }{s}, fmt.Errorf("wrap: %v", s)} {
			texts = append(texts, fmt.Sprintf(verb, what))
		}
	}
	asJSON, err1 := json.Marshal(holder)
	asYAML, err2 := yaml.Dump(holder)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "secret", s, "policy", p)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "secret", s, "policy", p)
	for _, text := range append(texts, string(asJSON), string(asYAML), log.String(), s.String(), s.GoString()) {
		if low := strings.ToLower(text); strings.Contains(low, "hunter") || strings.Contains(low, "68756e746572") {
			t.Errorf("shows the secret: %s", text)
		}
	}
	if s.Reveal() != value {
		t.Errorf("reveal: got %q, want %q", s.Reveal(), value)
	}
	var back policy.Secret
	if err := back.UnmarshalText([]byte(value)); err != nil || back != s {
		t.Errorf("unmarshal text: got %q and %v", back.Reveal(), err)
	}
}

// TestHash: the hash is of what is in force, and of no secret.
func TestHash(t *testing.T) {
	t.Parallel()
	hash := policy.Default().Hash()
	if len(hash) != 12 || strings.Trim(hash, "0123456789abcdef") != "" {
		t.Errorf("got %q, want 12 hex digits", hash)
	}
	for text, same := range map[string]bool{
		"":                         true,
		"limits: {cooldown: 10m}":  true,
		"limits: {cooldown: 600s}": true,
		"limits: {cooldown: 11m}":  false,
		"handlers: {retrystorm: {mode: observe}}": true,
		"handlers: {retrystorm: {mode: off}}":     false,
	} {
		if got := parse(t, text).Hash(); (got == hash) != same {
			t.Errorf("policy %q: got %s, the default has %s, want same: %t", text, got, hash, same)
		}
	}
	const login = "server: {webhook: {username: a, password: %s}}"
	if a, b := parse(t, fmt.Sprintf(login, "the-first-of-two-passwords")).Hash(), parse(t, fmt.Sprintf(login, "the-second-of-two-passwords")).Hash(); a != b {
		t.Errorf("two passwords: got %s and %s, want the same", a, b)
	}
}

// TestQuantities: durations and sizes read back what they write, and refuse what is none.
func TestQuantities(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]policy.Bytes{
		"0": 0, "1": 1, "12B": 12, "512KiB": 512 << 10, "512 KiB": 512 << 10, "8GiB": 8 << 30, "1.5MiB": 3 << 19, "16MB": 16e6,
		"1TB": 1e12, "2TiB": 2 << 40, "9223372036854775807": 1<<63 - 1,
	} {
		var got, again policy.Bytes
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%q: got %d and %v, want %d", text, got, err, want)
		}
		if err := again.UnmarshalText([]byte(got.String())); err != nil || again != got {
			t.Errorf("%q: written as %q, read as %d and %v", text, got, again, err)
		}
	}
	for _, text := range []string{"", "B", "GiB", "-1", "+1", "1e3", "1/2", "1.2.3", "0.5B", "8Gb", "8 gib", "1_000", "9223372036854775808", "9000000TiB", " 1"} {
		var got policy.Bytes
		if err := got.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q: got %d, want an error", text, got)
		}
	}
	var d policy.Duration
	if err := d.UnmarshalText([]byte("thirty")); err == nil {
		t.Errorf("got %s, want an error", d)
	}
	if text, err := policy.Bytes(8 << 30).MarshalText(); err != nil || string(text) != "8GiB" {
		t.Errorf("marshal text: got %s and %v, want 8GiB", text, err)
	}
}
