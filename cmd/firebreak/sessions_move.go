package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/firebreak-sre/firebreak/internal/sessions"
	"github.com/firebreak-sre/firebreak/internal/sessions/move"
	"github.com/firebreak-sre/firebreak/internal/sessions/redis"
)

type sessionsMoveCmd struct {
	inStore
	To     string        `help:"The replica that becomes the primary." placeholder:"REPLICA"`
	DryRun bool          `help:"Make all checks, and change nothing."`
	Within time.Duration `help:"How long writes may be held up while the replica catches up, at most 30s." default:"5s" placeholder:"DURATION"`
	Keep   string        `help:"File for the snapshot of before the move." type:"path" placeholder:"FILE"`
	Abort  bool          `help:"End a move that hangs, instead of making one. Only when the replica is surely down, or kept away from everybody."`
	Yes    bool          `help:"Do not ask."`
}

// Help is what "firebreak sessions move --help" teaches.
func (c *sessionsMoveCmd) Help() string {
	return `For a store in Redis: asks the primary to hand its role over (FAILOVER TO, never FORCE). Before that it looks whether the replica follows, is
near, has the memory, and holds the same sessions with the same contents; any no ends it before anything is changed. Writes are held up
meanwhile, usually for less than a second. The server gives up by itself if the replica does not come in time. Afterwards all sessions are
compared with those of before, and both servers with each other. Name the new primary in the policy, and in the applications.

Where Patroni, Sentinel or an application decides who is the primary, let it, and see "firebreak sessions snapshot --help".`
}

// Run looks, asks and moves.
func (c *sessionsMoveCmd) Run(a *app) error {
	switch {
	case c.To == "" && !c.Abort:
		return a.wrongly("missing flags: --to=REPLICA")
	case c.Abort && (c.To != "" || c.DryRun):
		return a.wrongly("--abort ends a move that was begun: it goes with neither --to nor --dry-run")
	case !c.DryRun && !c.Yes && (!a.terminal || c.JSON):
		return a.wrongly("nobody can be asked here: look with --dry-run, then add --yes")
	}
	o, err := c.open(a)
	if err != nil {
		return err
	}
	defer o.close()
	store, ok := o.store.(*redis.Store)
	if !ok {
		return fmt.Errorf("store %s is not in Redis: who is its primary is decided elsewhere; see \"firebreak sessions snapshot --help\"", c.Store)
	}
	if o.note != "" && !c.JSON {
		item(a.stdout, "note: ", o.note)
	}
	if c.Abort {
		return c.end(a, store)
	}
	cfg := move.Config{To: c.To, Within: c.Within, MostSessions: c.Most, Keep: c.keep()}
	far := a.progress("checking what is needed", "", 0, c.JSON)
	report, err := move.Plan(a.ctx, store, cfg)
	far.end()
	if err != nil || c.DryRun {
		return c.tell(a, report, err)
	}
	if !c.Yes {
		printMove(a.stdout, report)
		yes, err := a.confirm(fmt.Sprintf("Make %s the primary of %s?", report.To, c.Store))
		if err != nil {
			return err
		}
		if !yes {
			fmt.Fprintln(a.stdout, "Nothing was moved.")
			return exitError{1}
		}
	}
	far = a.progress("moving, and comparing before and after", "", 0, c.JSON)
	report, err = move.Redis(a.ctx, store, cfg)
	far.end()
	return c.tell(a, report, err)
}

// keep writes the snapshot into the file that was asked for; it must not be there yet.
func (c *sessionsMoveCmd) keep() func(move.Snapshot) error {
	if c.Keep == "" {
		return nil
	}
	return func(s move.Snapshot) error {
		f, err := os.OpenFile(c.Keep, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		s.Store = c.Store
		return errors.Join(s.Write(f), f.Sync(), f.Close())
	}
}

// tell prints the report, and why it did not go as it was asked for.
func (c *sessionsMoveCmd) tell(a *app, r move.Report, err error) error {
	if c.JSON {
		if failed := a.printJSON(r); failed != nil {
			return failed
		}
	} else {
		printMove(a.stdout, r)
	}
	if errors.Is(err, move.ErrUnsettled) {
		item(a.stderr, "", "Writes may be held up. If the replica comes back, the move goes on by itself. If it does not: make sure that it is down, "+
			"or that nobody reaches it, and only then")
		command(a.stderr, fmt.Sprintf("firebreak sessions move %s --abort", c.Store))
	}
	return err
}

// end ends a move that hangs.
func (c *sessionsMoveCmd) end(a *app, store *redis.Store) error {
	seat, err := move.Hanging(a.ctx, store)
	if err != nil {
		return err
	}
	if !c.Yes {
		item(a.stdout, "", fmt.Sprintf("%s carries a failover out: %s. If the replica has the role already, or takes it later, there are two primaries "+
			"after this, and what is written to the one is lost with the other.", seat.Addr, seat.Failover))
		yes, err := a.confirm("Is the replica surely down, or kept away from everybody?")
		if err != nil {
			return err
		}
		if !yes {
			fmt.Fprintln(a.stdout, "Nothing was ended.")
			return exitError{1}
		}
	}
	addr, err := move.Abort(a.ctx, store)
	if addr != "" {
		item(a.stdout, "", fmt.Sprintf("It was ended; %s is the primary.", addr))
	}
	return err
}

// printMove prints what a move has come to.
func printMove(w io.Writer, r move.Report) {
	for _, check := range r.Checks {
		said := "ok "
		if !check.OK {
			said = "NO "
		}
		item(w, said+fmt.Sprintf("%-9s", check.Name), check.Words)
	}
	if !r.Moved {
		return
	}
	item(w, "moved    ", fmt.Sprintf("%s is the primary, and was %s: writes were held up for at most %d ms, the old one followed after %d ms",
		r.To, r.From, r.Held.Duration().Milliseconds(), r.Followed.Duration().Milliseconds()))
	if r.Sessions != nil {
		printComparison(w, *r.Sessions)
	}
	if r.After != nil {
		printSides(w, *r.After, "")
	}
	for _, note := range r.Notes {
		item(w, "note: ", note)
	}
}

// printComparison prints what became of the sessions of a snapshot.
func printComparison(w io.Writer, c move.Comparison) {
	contents := "with their contents"
	if !c.Contents {
		contents = "without their contents, which the store does not show"
	}
	item(w, "  then     ", fmt.Sprintf("%d are as they were, %d were written since, %d are in quarantine, %d are new; compared %s", c.Kept, c.Written, c.SetAside,
		c.New, contents))
	if c.OK() {
		item(w, "           ", "none lost, none older, none doubled, none changed")
		return
	}
	item(w, "           ", "NOT as they must be: "+counts(c.Findings))
	printFindings(w, c.Findings)
	if c.Count[move.Lost] > 0 {
		item(w, "           ", "Among those that are not there may be sessions that the application itself has ended.")
	}
}

type sessionsCompareCmd struct {
	inStore
	Snapshot string `arg:"" help:"What \"firebreak sessions snapshot\" printed, or \"move --keep\" kept." type:"existingfile"`
}

// Help is what "firebreak sessions compare --help" teaches.
func (c *sessionsCompareCmd) Help() string {
	return `Each session of the snapshot must be there, with the same version and contents or a version that has seen more, and none twice; and each
replica must hold what the primary holds, on one position of the stream. Exits 1 if not. A session that the application has ended since
looks like one that was lost.`
}

// compared is the answer for programs.
type compared struct {
	Store    string          `json:"store"`
	Before   time.Time       `json:"before"`
	After    time.Time       `json:"after"`
	Sessions move.Comparison `json:"sessions"`
	Sides    []sideStatus    `json:"replicas"`
}

// Run compares.
func (c *sessionsCompareCmd) Run(a *app) error {
	f, err := os.Open(c.Snapshot)
	if err != nil {
		return err
	}
	before, err := move.Read(f)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if before.Store != c.Store {
		return a.wrongly("the snapshot is of store %q, not %q", before.Store, c.Store)
	}
	o, err := c.open(a)
	if err != nil {
		return err
	}
	defer o.close()
	far := a.progress("reading the sessions", "", 0, c.JSON)
	defer far.end()
	after, err := move.Take(a.ctx, o.store, sessions.Primary, c.Most)
	if err != nil {
		return err
	}
	if !after.At.After(before.At) {
		return fmt.Errorf("the snapshot is of %s, and by the store's clock it is %s: one reading cannot be compared with itself", stamp(before.At), stamp(after.At))
	}
	far.next("comparing", "", 0)
	result := compared{Store: c.Store, Before: before.At, After: after.At}
	if result.Sessions, err = move.Compare(a.ctx, o.store, before, after); err != nil {
		return err
	}
	replication, err := o.store.Replication(a.ctx)
	if err != nil {
		return fmt.Errorf("read the replication: %w", err)
	}
	far.next("comparing the replicas", "replicas", int64(len(replication.Replicas)))
	ok := result.Sessions.OK()
	for _, r := range replication.Replicas {
		_, sides, err := move.Both(a.ctx, o.store, r.Name, c.Most)
		far.add(1)
		one := sideStatus{Sides: sides}
		if one.Replica = r.Name; err != nil {
			one.Problem = err.Error()
		}
		ok = ok && err == nil && sides.OK()
		result.Sides = append(result.Sides, one)
	}
	far.end()
	if err := c.tell(a, result); err != nil {
		return err
	}
	if !ok {
		return exitError{1}
	}
	return nil
}

func (c *sessionsCompareCmd) tell(a *app, r compared) error {
	if c.JSON {
		return a.printJSON(r)
	}
	item(a.stdout, "", fmt.Sprintf("%s at %s, beside the snapshot of %s:", r.Store, stamp(r.After), stamp(r.Before)))
	printComparison(a.stdout, r.Sessions)
	for _, side := range r.Sides {
		printSides(a.stdout, side.Sides, side.Problem)
	}
	return nil
}
