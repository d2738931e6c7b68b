package policy_test

import (
	"path/filepath"
	"testing"

	"github.com/firebreak-sre/firebreak/policy"
)

// A copy of a policy in another folder is the same policy: what its paths begin with decides nothing.
func TestHashIsTheSameElsewhere(t *testing.T) {
	t.Parallel()
	const text = "bus: {data: ./data, listen: 127.0.0.1:4222, token: 0123456789abcdef0123}\nguard: {stop_file: ./stop}\n"
	hash := func(folder string) string {
		p, err := policy.Parse(filepath.Join(folder, "firebreak.yaml"), []byte(text), func(string) (string, bool) { return "", false })
		if err != nil {
			t.Fatal(err)
		}
		if p.Bus.Data != filepath.Join(folder, "data") {
			t.Fatalf("data is %q, which shows nothing", p.Bus.Data)
		}
		return p.Hash()
	}
	if a, b := hash("/etc/firebreak"), hash("/home/ann"); a != b {
		t.Errorf("%s and %s: want one hash", a, b)
	}
}

// Tracing is of what happens and decides nothing: who turns it on, or takes another collector, has the policy that he had.
func TestHashKnowsNoTracing(t *testing.T) {
	t.Parallel()
	hash := func(text string) string {
		p, err := policy.Parse("firebreak.yaml", []byte(text), func(string) (string, bool) { return "", false })
		if err != nil {
			t.Fatal(err)
		}
		return p.Hash()
	}
	without := hash("server: {max_body: 1MiB}")
	if with := hash("server: {max_body: 1MiB}\ntracing: {endpoint: 'https://collector:4318', sample: 0.5}"); with != without {
		t.Errorf("%s with tracing, %s without: want one hash", with, without)
	}
	if other := hash("server: {max_body: 2MiB}"); other == without {
		t.Errorf("%s for two policies, which shows nothing", other)
	}
}
