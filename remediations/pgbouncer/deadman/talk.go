package deadman

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"time"
)

// talk is one connection.
func (d *deadman) talk(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	if conn.SetDeadline(time.Now().Add(talkWithin)) != nil {
		return
	}
	var r request
	if err := readLine(conn, &r); err != nil {
		_ = writeLine(conn, answer{Error: err.Error(), Now: time.Now().UTC()})
		return
	}
	// A client that does not get its answer has armed what it does not know of. That ends by itself.
	_ = writeLine(conn, d.answer(ctx, r))
}

// answer does what is asked.
func (d *deadman) answer(ctx context.Context, r request) answer {
	if subtle.ConstantTimeCompare([]byte(r.Token), []byte(d.cfg.Token)) != 1 {
		return answer{Error: "wrong token", Now: time.Now().UTC()}
	}
	var err error
	switch r.Do {
	case doArm:
		err = d.arm(ctx, r)
	case doRenew:
		err = d.renew(r)
	case doDisarm:
		err = d.disarm(r)
	case doState:
	default:
		err = fmt.Errorf("there is no request %.40q", r.Do)
	}
	a := answer{OK: err == nil, Now: time.Now().UTC()}
	if err != nil {
		a.Error = err.Error()
		return a
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.armed != nil {
		armed := *d.armed
		a.Armed = &armed
	}
	return a
}

// span reads for how long.
func (r request) span() (time.Duration, error) {
	if r.ForMS < 1 || r.ForMS > MaxFor.Milliseconds() {
		return 0, fmt.Errorf("for_ms is %d, not 1 to %d", r.ForMS, MaxFor.Milliseconds())
	}
	return time.Duration(r.ForMS) * time.Millisecond, nil
}

// arm looks whether it could resume the database, and whether nobody else has paused it, before it promises anything.
func (d *deadman) arm(ctx context.Context, r request) error {
	span, err := r.span()
	if err != nil {
		return err
	}
	if r.Action == "" || r.Database == "" {
		return errors.New("an action and a database are needed")
	}
	look, cancel := context.WithTimeout(ctx, tryWithin)
	defer cancel()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.armed != nil {
		return d.isFor(r)
	}
	now, err := d.cfg.Console.Look(look)
	if err != nil {
		return fmt.Errorf("pgbouncer cannot be looked at: %w", err)
	}
	found, listed := now.Find(r.Database)
	switch {
	case !now.Settings.Admin(d.cfg.Console.User()):
		return fmt.Errorf("%s is not in admin_users of this pooler, and could not resume", d.cfg.Console.User())
	case !listed:
		return fmt.Errorf("there is no database %.80q", r.Database)
	case found.Paused:
		return fmt.Errorf("database %s is paused already, by somebody else", r.Database)
	case found.Disabled:
		return fmt.Errorf("database %s is disabled", r.Database)
	}
	since := time.Now()
	return d.keep(Armed{Action: r.Action, Database: r.Database, Until: since.Add(span).UTC()}, since, since.Add(span))
}

// renew moves the end.
func (d *deadman) renew(r request) error {
	span, err := r.span()
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.armed == nil {
		return errors.New("nothing is armed")
	}
	r.Database = d.armed.Database
	if err := d.isFor(r); err != nil {
		return err
	}
	until := time.Now().Add(span)
	if last := d.since.Add(MaxFor); until.After(last) {
		until = last
	}
	a := *d.armed
	a.Until = until.UTC()
	return d.keep(a, d.since, until)
}

// disarm forgets what is armed.
func (d *deadman) disarm(r request) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.armed == nil {
		return nil
	}
	r.Database = d.armed.Database
	if err := d.isFor(r); err != nil {
		return err
	}
	if err := forget(d.cfg.State); err != nil {
		return err
	}
	d.armed = nil
	d.wake()
	return nil
}

// isFor says that what is armed is what the request is about, and can still be changed. The caller holds mu.
func (d *deadman) isFor(r request) error {
	switch {
	case d.armed.Action != r.Action || d.armed.Database != r.Database:
		return fmt.Errorf("armed by action %s for database %s", d.armed.Action, d.armed.Database)
	case d.ending || !time.Now().Before(d.until):
		return fmt.Errorf("the time of action %s is over, database %s is being resumed", d.armed.Action, d.armed.Database)
	}
	return nil
}

// keep promises a. The caller holds mu. A state that could not be written whole is not promised; if it was written all the same, a RESUME too many
// is what comes of it.
func (d *deadman) keep(a Armed, since, until time.Time) error {
	if err := save(d.cfg.State, a); err != nil {
		return err
	}
	d.armed, d.since, d.until = &a, since, until
	d.wake()
	return nil
}

// wake lets the watch look at the time again.
func (d *deadman) wake() {
	select {
	case d.changed <- struct{}{}:
	default:
	}
}
