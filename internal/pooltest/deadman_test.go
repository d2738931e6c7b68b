package pooltest

import (
	"bufio"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/internal/blackbox"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// guard is a dead-man as an operator runs it, beside a pooler.
type guard struct {
	*testbed.Process
	t      *testing.T
	pooler *testbed.PgBouncer
	socket string
}

// deadman: a pause of ours ends on time although its dead-man was killed, as long as somebody starts it again; and nobody else's pause ends.
func deadman(t *testing.T, bin string) {
	// Nobody logs in, so that no server is needed behind the pooler.
	p := testbed.StartPgBouncer(t, testbed.PgBouncerOptions{Target: &testbed.PostgresNode{Port: testbed.Port(t)}})
	eye := look(t, p)
	is := func(shape string) bool {
		now, err := eye.shape()
		return err == nil && now == shape
	}
	await := func(shape string) {
		t.Helper()
		testbed.Await(t, blackbox.Within, "the database to be "+shape, func() bool { return is(shape) })
	}
	g := startGuard(t, bin, p)
	g.pauses("a1", 1000)
	await("size 4") // by its own clock
	g.asks(map[string]any{"do": "disarm", "action": "a1"})

	g.pauses("a2", 15000)
	g.Kill9()
	if !is("size 4 paused") {
		t.Error("the pause ended while nobody was there to end it")
	}
	g.again()
	await("size 4")

	if _, err := p.Admin("PAUSE " + testbed.Database); err != nil {
		t.Fatal(err)
	}
	g.Kill9()
	g.again()
	if !is("size 4 paused") {
		t.Error("a dead-man ended a pause that it was never told of")
	}
}

func startGuard(t *testing.T, bin string, p *testbed.PgBouncer) *guard {
	t.Helper()
	dir := testbed.Folder(t, "")
	password := filepath.Join(dir, "password")
	if err := os.WriteFile(password, []byte(testbed.Password(adminUser)), 0o600); err != nil {
		t.Fatal(err)
	}
	g := &guard{t: t, pooler: p, socket: filepath.Join(dir, "deadman.sock")}
	host, port, _ := strings.Cut(p.Addr, ":")
	g.Process = testbed.Start(t, testbed.Command{Name: "deadman", Path: bin, Args: []string{"deadman", "--listen", g.socket,
		"--state", filepath.Join(dir, "state"), "--host", host, "--port", port, "--user", adminUser, "--password-file", password}})
	g.awake()
	return g
}

// again starts it as a supervisor does.
func (g *guard) again() {
	g.t.Helper()
	if err := g.Start(); err != nil {
		g.t.Fatal(err)
	}
	g.awake()
}

// awake waits until it answers, which it does when it has resumed what was armed.
func (g *guard) awake() {
	g.t.Helper()
	testbed.Await(g.t, blackbox.Within, "the dead-man to answer", func() bool {
		got, err := g.ask(map[string]any{"do": "state"})
		return err == nil && got.OK
	})
}

// pauses arms it and pauses the database, as Firebreak would, and then says nothing more.
func (g *guard) pauses(action string, milliseconds int) {
	g.t.Helper()
	g.asks(map[string]any{"do": "arm", "action": action, "database": testbed.Database, "for_ms": milliseconds})
	if _, err := g.pooler.Admin("PAUSE " + testbed.Database); err != nil {
		g.t.Fatal(err)
	}
}

// reply is what it answers.
type reply struct {
	OK    bool   `json:"ok"`
	Error string `json:"error"`
}

func (g *guard) asks(request map[string]any) {
	g.t.Helper()
	if got, err := g.ask(request); err != nil || !got.OK {
		g.t.Fatalf("ask the dead-man %v: %+v, %v", request, got, err)
	}
}

func (g *guard) ask(request map[string]any) (got reply, err error) {
	conn, err := net.DialTimeout("unix", g.socket, blackbox.Within)
	if err != nil {
		return reply{}, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(blackbox.Within)); err != nil {
		return reply{}, err
	}
	if err := json.NewEncoder(conn).Encode(request); err != nil { // it ends the line
		return reply{}, err
	}
	line, err := bufio.NewReader(conn).ReadBytes('\n')
	if err != nil {
		return reply{}, err
	}
	return got, json.Unmarshal(line, &got)
}
