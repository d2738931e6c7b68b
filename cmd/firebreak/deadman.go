package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/firebreak-sre/firebreak/internal/pgbouncer"
	"github.com/firebreak-sre/firebreak/remediations/pgbouncer/deadman"
)

// deadmanCmd runs beside a PgBouncer, under a supervisor that starts it again.
type deadmanCmd struct {
	Listen       string        `help:"Where it is asked: the absolute path of a socket, or tcp://127.0.0.1:PORT." required:"" placeholder:"ADDR"`
	State        string        `help:"File that outlives this process: what is armed is in it." required:"" type:"path" placeholder:"FILE"`
	TokenFile    string        `help:"File with the token that every request must carry. Needed on a port." type:"existingfile" placeholder:"FILE"`
	Host         string        `help:"Where PgBouncer listens." default:"127.0.0.1"`
	Port         int           `help:"Its port." default:"6432"`
	SSLMode      string        `help:"disable, require, verify-ca or verify-full." name:"sslmode" default:"disable"`
	User         string        `help:"One of its admin_users." required:"" placeholder:"NAME"`
	PasswordFile string        `help:"File with that user's password." type:"existingfile" placeholder:"FILE"`
	Timeout      time.Duration `help:"How long PgBouncer may take to answer." default:"5s"`
}

// Help is printed with --help.
func (deadmanCmd) Help() string {
	return `A PAUSE of PgBouncer stays when who gave it goes away, and PgBouncer never ends it by itself. This process does: it is told
before a PAUSE is sent for how long, 15 seconds at most, and says RESUME when that is over, whatever became of everybody else.
It needs nothing but the pooler: no policy, no bus. Run it on the pooler's machine, under a supervisor that starts it again.`
}

// Run serves until it is told to stop; then it resumes what is armed.
func (c *deadmanCmd) Run(a *app) error {
	token, err := secretIn(c.TokenFile)
	if err != nil {
		return err
	}
	password, err := secretIn(c.PasswordFile)
	if err != nil {
		return err
	}
	console, err := pgbouncer.New(pgbouncer.Config{Host: c.Host, Port: c.Port, SSLMode: c.SSLMode, User: c.User, Password: password, Timeout: c.Timeout})
	if err != nil {
		return err
	}
	defer console.Close()
	fmt.Fprintf(a.stdout, "firebreak deadman: asked at %s, for PgBouncer at %s:%d\n", c.Listen, c.Host, c.Port)
	return deadman.Run(a.ctx, deadman.Config{Console: console, Listen: c.Listen, Token: token, State: c.State, Log: newLog(a.stderr, false)})
}

// secretIn is what a file holds, without the end of its line; "" without a file.
func secretIn(file string) (string, error) {
	if file == "" {
		return "", nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	return strings.TrimRight(string(b), "\r\n"), nil
}
