package pgbouncer

import (
	"errors"
	"strings"
	"testing"
)

// Nothing can be said but SET of two settings, and PAUSE and RESUME of one database: whatever is put into a command stays inside of a number or of
// double quotes, and what would not is refused before anything is dialled.
func TestClosedSet(t *testing.T) {
	t.Parallel()
	c, err := New(Config{Host: "127.0.0.1", Port: 1, User: "x", SSLMode: "disable"})
	if err != nil {
		t.Fatal(err)
	}
	for _, command := range []Command{{}, Pause(""), Resume(""), Pause("pgbouncer"), Resume("pgbouncer"), Pause("a\nb"), Pause("a\x00b"),
		Pause(strings.Repeat("x", 62)), Pause(strings.Repeat(`"`, 31)), Set("listen_port", 1), Set("admin_users", 1), Set("", 1),
		Set("default_pool_size = 1; KILL app; --", 1),
		Set(DefaultPoolSize, -1), Set(DefaultPoolSize, largestValue+1)} {
		if err := c.Exec(t.Context(), command); !errors.Is(err, ErrNotSent) || strings.Contains(err.Error(), "reach pgbouncer") {
			t.Errorf("%q: got %v, want it not sent, and nothing dialled", command, err)
		}
	}
	for _, what := range []What{"", "FDS", "KILL", "POOLS; KILL app", "pools"} {
		if _, err := c.Show(t.Context(), what); !errors.Is(err, ErrNotSent) || strings.Contains(err.Error(), "reach pgbouncer") {
			t.Errorf("SHOW %q: got %v, want it not sent, and nothing dialled", what, err)
		}
	}
	for command, want := range map[Command]string{
		Set(DefaultPoolSize, 23):       `SET default_pool_size = 23`,
		Set(ReservePoolSize, 0):        `SET reserve_pool_size = 0`,
		Pause(`app"; KILL "app`):       `PAUSE "app""; KILL ""app"`,
		Resume("KILL"):                 `RESUME "KILL"`,
		Pause(strings.Repeat("x", 61)): `PAUSE "` + strings.Repeat("x", 61) + `"`,
	} {
		if command.err != nil || command.String() != want {
			t.Errorf("got %q, %v, want %q", command, command.err, want)
		}
	}
	verbs := map[string]bool{"SET": true, "PAUSE": true, "RESUME": true}
	for _, command := range []Command{Set(DefaultPoolSize, 1), Pause("KILL"), Resume("SHUTDOWN")} {
		if verb, _, _ := strings.Cut(command.text, " "); !verbs[verb] {
			t.Errorf("%q begins with %q", command, verb)
		}
	}
}

// A configuration that cannot work is refused with every reason, and prints without its password.
func TestConfig(t *testing.T) {
	t.Parallel()
	_, err := New(Config{Host: "a,b", SSLMode: "prefer", Timeout: -1})
	for _, because := range []string{"host", "port", "user", "timeout", "sslmode"} {
		if err == nil || !strings.Contains(err.Error(), because) {
			t.Errorf("got %v, want %q in it", err, because)
		}
	}
	secret := Config{Host: "h", Port: 6432, User: "boss", Password: "secret"}
	c, err := New(secret)
	if err != nil {
		t.Fatal(err)
	}
	if c.cfg.SSLMode != "verify-full" || c.cfg.Timeout != defaultTimeout || c.User() != "boss" {
		t.Errorf("got %v %s %s", c, c.cfg.SSLMode, c.cfg.Timeout)
	}
	b, _ := secret.MarshalText()
	for _, text := range []string{sprint("%v", secret), sprint("%+v", secret), sprint("%#v", secret), sprint("%d", secret), c.String(), string(b)} {
		if strings.Contains(text, "secret") || !strings.Contains(text, "boss") {
			t.Errorf("it prints as %s", text)
		}
	}
}
