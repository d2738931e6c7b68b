package deploytest_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"
)

// fakeNSC stands for nsc, which is not to be had here: it writes down what it is asked, and knows of nothing that is there already.
const fakeNSC = `#!/bin/bash
if [[ $1 == describe ]]; then exit 1; fi
printf '%s\n' "$*" >>"$NSC_ASKED"
`

// asked is what users.sh asks of nsc for a service.
func askedOfNSC(t *testing.T, service string) []string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "nsc"), []byte(fakeNSC), 0o700); err != nil {
		t.Fatal(err)
	}
	said := filepath.Join(dir, "asked")
	cmd := exec.CommandContext(t.Context(), "bash", "../nats/users.sh", filepath.Join(dir, "users"), service)
	cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "NSC_ASKED="+said)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("users.sh: %v\n%s", err, out)
	}
	text, err := os.ReadFile(said)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

// accounts is what nsc makes of it: the part of the servers' file, and the credentials of each user in the folder.
func accounts(t *testing.T, folder string) string {
	t.Helper()
	operator, account, system := newKey(t, nkeys.CreateOperator), newKey(t, nkeys.CreateAccount), newKey(t, nkeys.CreateAccount)
	claims := jwt.NewAccountClaims(public(t, account))
	claims.Limits.JetStreamLimits = jwt.JetStreamLimits{MemoryStorage: -1, DiskStorage: -1, Streams: -1, Consumer: -1}
	top := jwt.NewOperatorClaims(public(t, operator))
	top.SystemAccount = public(t, system)
	users := 0
	for _, line := range askedOfNSC(t, "checkout") {
		words := strings.Fields(line)
		if len(words) != 10 || words[0] != "add" || words[1] != "user" {
			continue
		}
		users++
		// add user --account FIREBREAK --name NAME --allow-pub LIST --allow-sub LIST
		credentials(t, account, filepath.Join(folder, words[5]+".creds"), strings.Split(words[7], ","), strings.Split(words[9], ","))
	}
	if users != 3 {
		t.Fatalf("users.sh makes %d users, want 3", users)
	}
	return fmt.Sprintf("operator: %s\nsystem_account: %s\nresolver: MEMORY\nresolver_preload: {\n  %s: %s\n  %s: %s\n}\n",
		signed(t, top, operator), public(t, system), public(t, account), signed(t, claims, operator),
		public(t, system), signed(t, jwt.NewAccountClaims(public(t, system)), operator))
}

// credentials writes those of a user with exactly these rights.
func credentials(t *testing.T, account nkeys.KeyPair, file string, publish, subscribe []string) {
	t.Helper()
	user := newKey(t, nkeys.CreateUser)
	claims := jwt.NewUserClaims(public(t, user))
	claims.Pub.Allow, claims.Sub.Allow = publish, subscribe
	seed, err := user.Seed()
	if err != nil {
		t.Fatal(err)
	}
	text, err := jwt.FormatUserConfig(signed(t, claims, account), seed)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func newKey(t *testing.T, create func() (nkeys.KeyPair, error)) nkeys.KeyPair {
	t.Helper()
	key, err := create()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func public(t *testing.T, key nkeys.KeyPair) string {
	t.Helper()
	text, err := key.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func signed(t *testing.T, claims jwt.Claims, by nkeys.KeyPair) string {
	t.Helper()
	text, err := claims.Encode(by)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// A service cannot have a name that is a wildcard, or somebody else's.
func TestUsersScriptRefusesNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"*", ">", "a.b", "a,b", "a b", "firebreak", "restore", "system", ""} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "nsc"), []byte(fakeNSC), 0o700); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), "bash", "../nats/users.sh", filepath.Join(dir, "users"), name)
		cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "NSC_ASKED="+filepath.Join(dir, "asked"))
		out, err := cmd.CombinedOutput()
		if err == nil || !bytes.Contains(out, []byte("cannot be a service's name")) {
			t.Errorf("%q: %v\n%s", name, err, out)
		}
	}
}
