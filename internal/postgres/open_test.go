package postgres_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/firebreak-sre/firebreak/internal/postgres"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// What is wrong with a node is said before anything connects to it, and all of it at once.
func TestOpenRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(*postgres.Node)
		want   string
	}{
		"no name":          {func(n *postgres.Node) { n.Name = "" }, "name is empty"},
		"no host":          {func(n *postgres.Node) { n.Host = "" }, "host is empty"},
		"two hosts":        {func(n *postgres.Node) { n.Host = "pg1,pg2" }, "host is not one"},
		"no port":          {func(n *postgres.Node) { n.Port = 0 }, "port is not between"},
		"port too large":   {func(n *postgres.Node) { n.Port = 65536 }, "port is not between"},
		"no database":      {func(n *postgres.Node) { n.Database = "" }, "database is empty"},
		"unknown mode":     {func(n *postgres.Node) { n.SSLMode = "verify" }, "sslmode is none of"},
		"no login":         {func(n *postgres.Node) { n.Probe = postgres.Login{} }, "the login that looks has no user"},
		"password only":    {func(n *postgres.Node) { n.Act.User = "" }, "has a password and no user"},
		"negative timeout": {func(n *postgres.Node) { n.Timeout = -time.Second }, "timeout is negative"},
		"zero byte":        {func(n *postgres.Node) { n.Act.User = "a\x00b" }, "a zero byte"},
		"no such file":     {func(n *postgres.Node) { n.SSLMode, n.RootCert = "verify-full", "/nowhere/ca.pem" }, "/nowhere/ca.pem"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bad, other := nodeAt(5432), nodeAt(5432)
			tc.change(&bad)
			other.Name, other.Port = "orders/pg2", -1
			_, err := postgres.Open([]postgres.Node{bad, other}, zerolog.Nop())
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want an error with %q", err, tc.want)
			}
			if err == nil || !strings.Contains(err.Error(), `node "orders/pg2": port`) {
				t.Errorf("got %v, want the second node's mistake too", err)
			}
			if err != nil && strings.Contains(err.Error(), "-password") {
				t.Errorf("the error tells a password: %v", err)
			}
		})
	}
}

func TestOpenRefusesTwoNodesOfOneName(t *testing.T) {
	t.Parallel()
	_, err := postgres.Open([]postgres.Node{nodeAt(5432), nodeAt(5433)}, zerolog.Nop())
	if err == nil || !strings.Contains(err.Error(), "there are two of that name") {
		t.Errorf("got %v", err)
	}
}

// A fleet knows its nodes, and refuses the rest by name before it dials.
func TestUseOfWhatIsNotThere(t *testing.T) {
	t.Parallel()
	watched := nodeAt(1)
	watched.Act = postgres.Login{}
	f := open(t, watched)
	var pid uint32
	if err := f.Look(t.Context(), "orders/pg9", pidOf(&pid)); !errors.Is(err, postgres.ErrUnknownNode) || !strings.Contains(err.Error(), "orders/pg9") {
		t.Errorf("look at an unknown node: %v", err)
	}
	if err := f.Act(t.Context(), "orders/pg9", "x", pidOf(&pid)); !errors.Is(err, postgres.ErrUnknownNode) {
		t.Errorf("act at an unknown node: %v", err)
	}
	if _, _, err := postgres.Check(t.Context(), f, "orders/pg9", postgres.Needs{}); !errors.Is(err, postgres.ErrUnknownNode) {
		t.Errorf("check an unknown node: %v", err)
	}
	if err := f.Act(t.Context(), pg, "x", pidOf(&pid)); !errors.Is(err, postgres.ErrNoLogin) {
		t.Errorf("act without a login: %v", err)
	}
	f.Close()
	if err := f.Look(t.Context(), pg, pidOf(&pid)); !errors.Is(err, postgres.ErrClosed) {
		t.Errorf("look after close: %v", err)
	}
}

// The name of a session is how others know whose it is, so it is never cut off.
func TestActRefusesNamesThatWouldBeCutOff(t *testing.T) {
	t.Parallel()
	f := open(t, nodeAt(1))
	var pid uint32
	for _, action := range []string{"", "two words", "umläut", "line\n", strings.Repeat("a", 54)} {
		if err := f.Act(t.Context(), pg, action, pidOf(&pid)); err == nil || !strings.Contains(err.Error(), "name the session") {
			t.Errorf("action %q: got %v", action, err)
		}
	}
}

// However a login is printed, its password is not.
func TestLoginHidesItsPassword(t *testing.T) {
	t.Parallel()
	n := nodeAt(5432)
	asJSON, err := json.Marshal(n)
	if err != nil {
		t.Fatal(err)
	}
	printed := []string{string(asJSON)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
		printed = append(printed, fmt.Sprintf(verb, n), fmt.Sprintf(verb, &n), fmt.Sprintf(verb, n.Act))
	}
	for _, text := range printed {
		if strings.Contains(text, "-password") || strings.Contains(text, fmt.Sprintf("%x", "-password")) {
			t.Errorf("prints its password: %s", text)
		}
	}
}

// What this process's environment says about PostgreSQL is for people at a terminal, and changes nothing here.
func TestOpenIgnoresTheEnvironment(t *testing.T) {
	server := start(t, testbed.PostgresOptions{})
	for key, value := range map[string]string{
		"PGHOST": "127.0.0.9,127.0.0.8", "PGPORT": "1,2", "PGSSLMODE": "nonsense", "PGSSLROOTCERT": "/nowhere", "PGSSLCERT": "/nowhere",
		"PGTARGETSESSIONATTRS": "nonsense", "PGCONNECT_TIMEOUT": "x", "PGOPTIONS": "-c x=y", "PGREQUIREAUTH": "nonsense", "PGCHANNELBINDING": "x",
		"PGSSLNEGOTIATION": "direct", "PGMINPROTOCOLVERSION": "9", "PGPASSWORD": "of-somebody-else",
	} {
		t.Setenv(key, value)
	}
	look(t, open(t, nodeAt(server.Port)))
}
