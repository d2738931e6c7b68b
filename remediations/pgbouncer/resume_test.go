package pgbouncer_test

import (
	"syscall"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/pgbouncer"
)

const app = `{"database":"app"}`

func TestResume(t *testing.T) {
	t.Parallel()
	pg := postgres(t)
	for name, test := range map[string]func(*testing.T, *bench){
		"ends a pause": resumes, "already": resumedAlready, "in the same moment": resumedMeanwhile, "disabled": disabled,
		"rights": resumeRights, "lost answer": resumeLost, "hung": resumeHung, "restart": resumeRestart, "paused again": resumeAgain,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t, pg))
		})
	}
}

// A pause is ended once, and stays so.
func resumes(t *testing.T, b *bench) {
	b.by("PAUSE app")
	r := b.admin()
	o := order(step(pgbouncer.FixResume, app), "a1")
	is(t, r, o, remediations.Absent, "database app is paused")
	says(t, mustApply(t, r, o).Note, "database app runs again")
	is(t, r, o, remediations.Satisfied, "database app is not paused")
	mustRevert(t, r, o)
	if b.shows("app", "paused") != "0" || b.wire.count("RESUME") != 1 || b.wire.count("") != 1 {
		t.Errorf("paused is %s after %d commands", b.shows("app", "paused"), b.wire.count(""))
	}
}

// What a person has resumed since is so already; nothing is sent, twice neither.
func resumedAlready(t *testing.T, b *bench) {
	r := b.admin()
	o := order(step(pgbouncer.FixResume, app), "a1")
	for range 2 {
		says(t, mustApply(t, r, o).Note, "resumed meanwhile, not by this")
	}
	if n := b.wire.count(""); n != 0 {
		t.Errorf("%d commands were sent", n)
	}
}

// What a person resumes between our look and our RESUME is so already, too.
func resumedMeanwhile(t *testing.T, b *bench) {
	b.by("PAUSE app")
	r := b.admin()
	b.wire.meeting(func(string) { _, _ = b.Admin("RESUME app") })
	says(t, mustApply(t, r, order(step(pgbouncer.FixResume, app), "a1")).Note, "in the same moment, not by this")
	b.wire.meeting(nil)
}

// A RELOAD in between does not end a pause, and a pause that was given again is ended like the first: they cannot be told apart.
func resumeAgain(t *testing.T, b *bench) {
	b.by("PAUSE app")
	r := b.admin()
	o := order(step(pgbouncer.FixResume, app), "a1")
	is(t, r, o, remediations.Absent, "database app is paused")
	b.by("RELOAD")
	is(t, r, o, remediations.Absent, "database app is paused")
	b.by("RESUME app")
	b.by("PAUSE app")
	says(t, mustApply(t, r, o).Note, "database app runs again")
}

// A database that is disabled is left alone, paused or not.
func disabled(t *testing.T, b *bench) {
	b.by("PAUSE app")
	b.by("DISABLE app")
	r := b.admin()
	o := order(step(pgbouncer.FixResume, app), "a1")
	is(t, r, o, remediations.Foreign, "is disabled")
	_, err := r.Apply(t.Context(), o)
	refused(t, err, "is disabled")
	if got := b.shows("app", "paused"); got != "1" {
		t.Errorf("paused is %s", got)
	}
}

// Who may only look resumes nothing, and is told so.
func resumeRights(t *testing.T, b *bench) {
	b.by("PAUSE app")
	_, err := b.poolers("pgb_stats", nil).Apply(t.Context(), order(step(pgbouncer.FixResume, app), "a1"))
	refused(t, err, "not in admin_users")
	if got := b.shows("app", "paused"); got != "1" || b.wire.count("") != 0 {
		t.Errorf("paused is %s", got)
	}
}

// An answer that never came is doubt, and looking shows that it is as it was wanted.
func resumeLost(t *testing.T, b *bench) {
	b.by("PAUSE app")
	r := b.admin()
	o := order(step(pgbouncer.FixResume, app), "a1")
	o.Timeout = policy.Duration(2 * time.Second)
	b.wire.muted(func() {
		_, err := r.Apply(t.Context(), o)
		doubtful(t, err, "in doubt")
	})
	o.Timeout = policy.Duration(5 * time.Second)
	is(t, r, o, remediations.Satisfied, "not paused")
}

// A pooler that hangs is not waited for longer than the order says.
func resumeHung(t *testing.T, b *bench) {
	b.by("PAUSE app")
	r := b.admin()
	o := order(step(pgbouncer.FixResume, app), "a1")
	is(t, r, o, remediations.Absent, "paused")
	b.Signal(syscall.SIGSTOP)
	o.Timeout = policy.Duration(500 * time.Millisecond)
	_, err := r.Apply(t.Context(), o)
	refused(t, err, "not sent")
	b.Signal(syscall.SIGCONT)
	o.Timeout = policy.Duration(5 * time.Second)
	is(t, r, o, remediations.Absent, "paused")
}

// A restart of the pooler ends a pause by itself.
func resumeRestart(t *testing.T, b *bench) {
	b.by("PAUSE app")
	r := b.admin()
	o := order(step(pgbouncer.FixResume, app), "a1")
	if err := b.Restart(); err != nil {
		t.Fatal(err)
	}
	is(t, r, o, remediations.Satisfied, "not paused")
	says(t, mustApply(t, r, o).Note, "resumed meanwhile, not by this")
}
