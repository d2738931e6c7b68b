package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/firebreak-sre/firebreak/internal/postgres"
	"github.com/firebreak-sre/firebreak/internal/sessions"
	"github.com/firebreak-sre/firebreak/internal/sessions/httpapi"
	"github.com/firebreak-sre/firebreak/internal/sessions/move"
	"github.com/firebreak-sre/firebreak/internal/sessions/redis"
	"github.com/firebreak-sre/firebreak/internal/sessions/sessionstest"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/rs/zerolog"
)

// sessionsCmd is about stores of sessions. Its commands reach the stores themselves; no server needs to run.
type sessionsCmd struct {
	Verify   sessionsVerifyCmd   `cmd:"" help:"Try whether an application's endpoint keeps the contract of a session store."`
	Status   sessionsStatusCmd   `cmd:"" help:"Show the members, replicas, orphans and drift of a store. Changes nothing."`
	Restore  sessionsRestoreCmd  `cmd:"" help:"Give back what one action took out of sight, within 24 hours."`
	Move     sessionsMoveCmd     `cmd:"" help:"Make a replica the primary, and show that no session was lost."`
	Snapshot sessionsSnapshotCmd `cmd:"" help:"Print what a store holds of all sessions, without their contents, to compare with later."`
	Compare  sessionsCompareCmd  `cmd:"" help:"Compare a store with a snapshot of it, and its replicas with its primary."`
}

// inStore are the flags of commands that reach one store of a policy.
type inStore struct {
	Store  string `arg:"" help:"The store's name in the policy."`
	Config string `help:"Policy file ($FIREBREAK_CONFIG)." from:"FIREBREAK_CONFIG" required:"" type:"path" placeholder:"FILE"`
	Most   int    `help:"More sessions than this are not read." default:"200000" placeholder:"N"`
	JSON   bool   `help:"The answer as JSON."`
}

// opened is a store that is reached.
type opened struct {
	store sessions.Store
	// note says what a person should know of it, "" for nothing.
	note  string
	close func()
}

// open reaches the store.
func (i inStore) open(a *app) (opened, error) {
	if i.Most < 1 {
		return opened{}, a.wrongly("--most %d: it takes at least 1", i.Most)
	}
	p, err := policy.Load(i.Config, a.env)
	if err != nil {
		return opened{}, fmt.Errorf("the policy cannot be used:\n%w", err)
	}
	one, ok := p.SessionStore(i.Store)
	if !ok {
		return opened{}, a.wrongly("the policy has no store of sessions %q", i.Store)
	}
	p.Sessions = []policy.SessionStore{one} // nobody else is connected to
	fleet, err := postgres.Open(sessionNodes(p), zerolog.Nop())
	if err != nil {
		return opened{}, err
	}
	to, err := openTrust(p, zerolog.Nop())
	if err != nil {
		fleet.Close()
		return opened{}, err
	}
	all, err := openSessions(p, fleet, to, zerolog.Nop())
	if err != nil {
		fleet.Close()
		return opened{}, err
	}
	o := opened{store: all.stores[i.Store], close: func() { all.Close(); fleet.Close() }}
	return o.face(a.ctx, i.Store), nil
}

// face is the store as its servers are: one in Redis takes the roles that they have now.
func (o opened) face(ctx context.Context, name string) opened {
	own, ok := o.store.(*redis.Store)
	if !ok {
		return o
	}
	ctx, cancel := context.WithTimeout(ctx, connectWithin)
	defer cancel()
	facing, err := own.Facing(ctx)
	switch {
	case err != nil: // what the policy calls the primary is asked, and says no if it is none
		o.note = "it is not known who the primary is: " + err.Error()
		return o
	case facing == own:
		return o
	}
	if seat, err := facing.Seat(ctx, sessions.Primary); err == nil {
		o.store, o.note = facing, fmt.Sprintf("the primary is %s, and the policy says another one: correct sessions[].redis.primary of store %s",
			seat.Addr, name)
	}
	return o
}

// printJSON prints a value for programs.
func (a *app) printJSON(v any) error {
	e := json.NewEncoder(a.stdout)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

type sessionsVerifyCmd struct {
	URL       string        `arg:"" name:"url" help:"The endpoint, to which the contract's paths are added."`
	TokenFile string        `help:"File with the token of every request." type:"existingfile" placeholder:"FILE"`
	Within    time.Duration `help:"How long one check may take." default:"30s" placeholder:"DURATION"`
	Only      []string      `help:"Only these checks." placeholder:"NAME,..."`
	JSON      bool          `help:"The report as JSON."`
}

// Help is what "firebreak sessions verify --help" teaches.
func (c *sessionsVerifyCmd) Help() string {
	return `Makes trial sessions, whose names begin with "firebreak-trial-", tries every promise of the contract on them, and removes them again. No
other session is touched. What needs a quorum is skipped where there is none. Exits 1 unless everything that was tried is kept.`
}

// Run tries the endpoint.
func (c *sessionsVerifyCmd) Run(a *app) error {
	token, err := secretIn(c.TokenFile)
	if err != nil {
		return err
	}
	client, err := httpapi.New(httpapi.Config{URL: c.URL, Bearer: policy.Secret(token)})
	if err != nil {
		return err
	}
	far := a.progress("trying the endpoint", "", 0, c.JSON)
	report := sessionstest.Run(a.ctx, client, sessionstest.Options{Bench: sessionstest.NewRemote(client), Within: c.Within, Only: c.Only})
	far.end()
	if c.JSON {
		err = a.printJSON(report)
	} else {
		for _, check := range report.Checks {
			item(a.stdout, fmt.Sprintf("%-8s %-18s ", check.Result, check.Name), check.Promise)
			if check.Words != "" {
				item(a.stdout, fmt.Sprintf("%-8s %-18s ", "", ""), check.Words)
			}
		}
		fmt.Fprintf(a.stdout, "%d passed, %d failed, %d skipped\n", report.Count(sessionstest.Passed), report.Count(sessionstest.Failed),
			report.Count(sessionstest.Skipped))
		for _, name := range report.Left {
			item(a.stdout, "left behind: ", name)
		}
	}
	if err == nil && !report.OK() {
		err = exitError{1}
	}
	return err
}

type sessionsSnapshotCmd struct {
	inStore
	Node string `help:"Where it is read, default the primary." placeholder:"NAME"`
}

// Help is what "firebreak sessions snapshot --help" teaches.
func (c *sessionsSnapshotCmd) Help() string {
	return `Take one before a planned failover that somebody else makes, such as Patroni's switchover, and compare after it:
  firebreak sessions snapshot shop >before.json
  patronictl switchover orders
  firebreak sessions compare shop before.json
It names sessions, owners and versions, and holds a print of the contents, never the contents.`
}

// Run prints a snapshot; what people read of it goes to stderr.
func (c *sessionsSnapshotCmd) Run(a *app) error {
	o, err := c.open(a)
	if err != nil {
		return err
	}
	defer o.close()
	far := a.progress("reading the sessions", "", 0, c.JSON)
	s, err := move.Take(a.ctx, o.store, c.Node, c.Most)
	far.end()
	if err != nil {
		return err
	}
	s.Store = c.Store
	item(a.stderr, "", fmt.Sprintf("%d sessions at %s, digest %s, contents %t, %d unreadable", len(s.Sessions), stamp(s.At), s.Digest(), s.Contents,
		s.Unreadable))
	return s.Write(a.stdout)
}
