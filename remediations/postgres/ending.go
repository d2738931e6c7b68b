package postgres

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/firebreak-sre/firebreak/remediations"
)

// ending ends sessions.
type ending struct {
	fix string
	endParams
}

const (
	// cancelPatience is how long a cancelled statement may take to end before its session is ended.
	cancelPatience = 10 * time.Second
	// endPatience is how long sessions altogether may take to end; a statement of ours is ended by the server after 5 s.
	endPatience = 4 * time.Second
)

// directly is what a session may be doing to be ended without its statement being cancelled first.
func (e ending) directly() doing {
	if e.fix == FixEndConflict && !e.CancelFirst {
		return either
	}
	return idle
}

// done is what an action has done to sessions, by pid.
type done struct {
	ended, cancelled []session
}

// act ends the sessions. Each statement compares anew.
func (e ending) act(ctx context.Context, t *try) (string, error) {
	if err := t.begin(ctx); err != nil {
		return "", err
	}
	var d done
	var err error
	d.ended, err = e.signal(ctx, t, e.Sessions, 0, e.directly(), terminateCall(t.version))
	if err == nil && e.CancelFirst {
		err = e.cancel(ctx, t, &d)
	}
	switch signalled := len(d.ended) + len(d.cancelled); {
	case err != nil && signalled > 0:
		// An earlier statement changed something, whatever the last one proves. The error must not say refused.
		return "", fmt.Errorf("in doubt after %d sessions were signalled: %s", signalled, err.Error())
	case err != nil:
		return "", err
	case signalled == 0:
		return "", refusal("%s", e.whyNot(ctx, t, e.Sessions, 0))
	}
	return e.result(ctx, t, d), nil
}

// cancel cancels the statements of those sessions that run one, waits for what that frees, and ends the rest if the plan says so.
func (e ending) cancel(ctx context.Context, t *try, d *done) error {
	others := without(e.Sessions, d.ended)
	if len(others) == 0 {
		return nil
	}
	cancelled, err := e.signal(ctx, t, others, len(d.ended), running, cancelCall)
	if d.cancelled = cancelled; err != nil || len(cancelled) == 0 {
		return err
	}
	patience := t.left()
	if e.Terminate {
		patience /= 2
	}
	var held []session
	_, err = until(ctx, min(patience, cancelPatience), func(ctx context.Context) (bool, error) {
		held, err = remaining(ctx, t.conn, cancelled, func(s sight) bool { return s.same })
		return len(held) == 0, err
	})
	if err != nil || len(held) == 0 || !e.Terminate {
		return err
	}
	used := len(d.ended) + len(cancelled) - len(held)
	ended, err := e.signal(ctx, t, held, used, either, terminateCall(t.version))
	d.ended = append(d.ended, ended...)
	return err
}

// signal sends one statement that compares and acts, and gives the sessions that it signalled.
func (e ending) signal(ctx context.Context, t *try, wanted []session, used int, d doing, call string) ([]session, error) {
	patience := min(t.left(), endPatience) / time.Duration(len(wanted))
	t.sent = true
	rows, err := t.conn.Query(ctx, endSQL(t.version, e.fix, d, call), e.args(t, wanted, used, patience)...)
	if err != nil {
		return nil, t.judge(err, len(wanted))
	}
	var signalled []session
	var pid int
	var sent *bool
	_, err = pgx.ForEachRow(rows, []any{&pid, &sent}, func() error {
		for _, s := range wanted {
			if s.PID == pid && sent != nil {
				signalled = append(signalled, s)
			}
		}
		return nil
	})
	if err != nil {
		return signalled, t.judge(err, len(wanted))
	}
	return signalled, nil
}

// args are what endGiven takes.
func (e ending) args(t *try, wanted []session, used int, patience time.Duration) []any {
	pids, backends, xacts, users := columns(wanted)
	return []any{pgx.QueryExecModeExec, pids, backends, xacts, users, e.Roles, e.SystemIdentifier, t.deadline, e.onStandby(e.fix),
		e.Max, used, max(patience, shortest).Milliseconds()}
}

func columns(wanted []session) (pids []int32, backends, xacts []time.Time, users []string) {
	for _, s := range wanted {
		pids, users = append(pids, int32(s.PID)), append(users, s.User)
		backends, xacts = append(backends, s.BackendStart), append(xacts, s.XactStart)
	}
	return pids, backends, xacts, users
}

// whyNot says for each session why it was not signalled, when used others were.
func (e ending) whyNot(ctx context.Context, t *try, wanted []session, used int) string {
	may := e.directly()
	if e.CancelFirst {
		may = either
	}
	rules := sessionRules(t.version, e.fix, may)
	rows, err := t.conn.Query(ctx, whyNotSQL(t.version, e.fix, may), e.args(t, wanted, used, 0)...)
	if err != nil {
		return "no session is as the plan says, and why could not be read: " + err.Error()
	}
	var why []string
	var pid, rule int
	_, err = pgx.ForEachRow(rows, []any{&pid, &rule}, func() error {
		why = append(why, fmt.Sprintf("pid %d: %s", pid, words(rules, rule)))
		return nil
	})
	if err != nil {
		return "no session is as the plan says, and why could not be read: " + err.Error()
	}
	return t.named(strings.Join(why, "; "))
}

// named puts our login's name where words ask for it.
func (t *try) named(words string) string {
	return strings.ReplaceAll(words, "{login}", pgx.Identifier{t.conn.Config().User}.Sanitize())
}

// result reads what became of the sessions that were signalled.
func (e ending) result(ctx context.Context, t *try, d done) string {
	note := fmt.Sprintf("%d of %d sessions matched", len(union(d.ended, d.cancelled)), len(e.Sessions))
	if len(d.cancelled) > 0 {
		note += fmt.Sprintf("; the statements of %s were cancelled", pidsOf(d.cancelled))
	}
	if len(d.ended) > 0 {
		var left []session
		_, err := until(ctx, min(t.left(), endPatience), func(ctx context.Context) (bool, error) {
			var err error
			left, err = remaining(ctx, t.conn, d.ended, func(s sight) bool { return s.there })
			return len(left) == 0, err
		})
		switch {
		case err != nil:
			return note + fmt.Sprintf("; %s were told to end, and whether they did could not be read: %v", pidsOf(d.ended), err)
		case len(left) > 0:
			note += fmt.Sprintf("; %s were told to end and have not yet", pidsOf(left))
		}
		note += fmt.Sprintf("; %d have ended", len(d.ended)-len(left))
	}
	signalled := union(d.ended, d.cancelled)
	if rest := without(e.Sessions, signalled); len(rest) > 0 {
		note += "; " + e.whyNot(ctx, t, rest, len(signalled))
	}
	return note
}

func union(a, b []session) []session { return append(without(a, b), b...) }

func without(all, some []session) []session {
	var rest []session
	for _, s := range all {
		found := false
		for _, o := range some {
			found = found || o.PID == s.PID
		}
		if !found {
			rest = append(rest, s)
		}
	}
	return rest
}

func pidsOf(list []session) string {
	var pids []string
	for _, s := range list {
		pids = append(pids, fmt.Sprint(s.PID))
	}
	return "pid " + strings.Join(pids, ", ")
}

// look compares what the plan saw with what there is.
func (e ending) look(ctx context.Context, conn *pgx.Conn) (remediations.Presence, error) {
	p, server, err := lookAtServer(ctx, conn, e.SystemIdentifier)
	if err != nil {
		return p, err
	}
	seen, err := sights(ctx, conn, e.Sessions)
	if err != nil {
		return remediations.Presence{}, err
	}
	there, gone := 0, []string(nil)
	for _, s := range seen {
		switch {
		case !s.there:
			gone = append(gone, fmt.Sprintf("pid %d has gone", s.pid))
		case !s.same:
			gone = append(gone, fmt.Sprintf("pid %d is in another transaction, or in none", s.pid))
		default:
			there++
		}
	}
	switch words := strings.Join(gone, "; "); {
	case there == 0:
		p.State, p.Detail = remediations.Satisfied, words
	case server.standby != e.onStandby(e.fix):
		p.State, p.Detail = remediations.Foreign, "the server has changed its part since: it is "+server.part()
	default:
		p.State, p.Detail = remediations.Absent, fmt.Sprintf("%d of %d sessions are there as they were seen", there, len(seen))
		if words != "" {
			p.Detail += "; " + words
		}
	}
	return p, nil
}
