package poolexhaustion

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
)

// act asks for a fix, or for a person if the policy does not allow it.
func (r deciding) act(c Cause, step remediations.Step, reason string) incidents.Decision {
	if key := r.cluster.missing(step); key != "" {
		return r.page(c, words("%s. The fix %s on %s would be next, but the policy does not allow it: set %s", reason, step.Fix, step.Place(), key))
	}
	step.Timeout, step.Reason = r.cluster.Fix.Timeout, words("%s of %s", c, r.cluster.Cluster)
	t := r.thresholds
	return incidents.Decision{
		Cause: string(c), Verdict: incidents.Act, Reason: reason, Until: r.Now.Add(t.ConfirmAfter.D()), Step: &step,
		Verify: &incidents.Verify{Every: t.SampleEvery, Within: t.VerifyWithin, HoldFor: t.HoldFor, RampEvery: t.HoldFor,
			UntilHealed: step.Fix == fixGrowPool},
	}
}

// missing names the policy's key without which a step cannot be made; "" if it can.
func (c cluster) missing(step remediations.Step) string {
	own, shared := "handlers.poolexhaustion.clusters["+c.Cluster+"].", "postgres["+c.Cluster+"]."
	switch b, pooler := c.pooler(step.Node); {
	case !slices.Contains(c.Fix.Allow, step.Fix):
		return own + "fix.allow (add " + step.Fix + ")"
	case step.Remediation == "postgres" && c.topology.Connect.Act == nil:
		return shared + "connect.act"
	case step.Remediation == "pgbouncer" && (!pooler || b.Admin == nil):
		return shared + "pgbouncers[" + step.Node + "].admin"
	}
	return ""
}

// pooler is a pooler as the policy has it.
func (c cluster) pooler(name string) (policy.PgBouncer, bool) {
	i := slices.IndexFunc(c.topology.PgBouncers, func(b policy.PgBouncer) bool { return b.PgBouncer == name })
	if i < 0 {
		return policy.PgBouncer{}, false
	}
	return c.topology.PgBouncers[i], true
}

// once bounds a change that happens and is over: for as long as its effect is looked for, and a minute.
func (r deciding) once(remediation, node, fix string, params any) remediations.Step {
	limit := policy.Duration(min((r.thresholds.VerifyWithin.D() + time.Minute + time.Second - 1).Truncate(time.Second), longestOnce))
	return remediations.Step{Remediation: remediation, Cluster: r.cluster.Cluster, Node: node, Fix: fix, Once: true,
		Params: encode(params), TTL: limit, Limit: limit}
}

// larger bounds a pool that is larger for a time.
func (r deciding) larger(remediation, node string, params any) remediations.Step {
	limit := r.cluster.growLimit()
	return remediations.Step{Remediation: remediation, Cluster: r.cluster.Cluster, Node: node, Fix: fixGrowPool,
		Params: encode(params), TTL: limit, Limit: limit}
}

// encode writes params. They hold texts, numbers and lists only, so that it cannot fail.
func encode(v any) json.RawMessage {
	text, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	return text
}

// stamp is a server's time as its views have it: to the microsecond, since it is compared for equality.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z07:00") }

type endParams struct {
	SystemIdentifier string          `json:"system_identifier"`
	Sessions         []sessionParams `json:"sessions"`
	Roles            []string        `json:"roles"`
	Max              int             `json:"max"`
	CancelFirst      bool            `json:"cancel_first,omitempty"`
	Terminate        bool            `json:"terminate,omitempty"`
}

type sessionParams struct {
	PID          int    `json:"pid"`
	BackendStart string `json:"backend_start"`
	XactStart    string `json:"xact_start"`
	User         string `json:"user"`
}

type growParams struct {
	Database string `json:"database"`
	From     int    `json:"from"`
	To       int    `json:"to"`
	Usable   int    `json:"usable"`
	Means    string `json:"means,omitempty"`
}

type sizeParams struct {
	Size int `json:"size"`
}

type resumeParams struct {
	Database string `json:"database"`
	Ours     bool   `json:"ours"`
}

// ending are the settings of a change that ends sessions.
func (r deciding) ending(sessions []Session, most int) endParams {
	p := endParams{SystemIdentifier: r.newest().seen.Server.SystemIdentifier, Roles: slices.Sorted(slices.Values(r.cluster.Fix.Roles)), Max: most}
	for _, s := range sessions {
		p.Sessions = append(p.Sessions, sessionParams{PID: s.PID, BackendStart: stamp(s.BackendStart), XactStart: stamp(s.XactStart), User: s.User})
	}
	return p
}

// resume proposes to end somebody's pause, which a person must agree to. What nobody waits for, or what is disabled, is left to people.
func (r deciding) resume(f finding) incidents.Decision {
	s := r.newest()
	switch {
	case f.queue == nil || f.queue.db.Disabled:
		return r.page(f.cause, f.why+". "+byHand(f.cause))
	case !r.waits(*f.queue):
		return r.page(f.cause, f.why+". Nobody waits for it long, so it is not proposed to resume it. "+byHand(f.cause))
	case s.seen.Server.Problem != "" || s.seen.Server.Node == "":
		return r.page(f.cause, words("%s. It is not resumed: PostgreSQL could not be read (%s), and clients are not let loose on what nobody sees. %s",
			f.why, s.seen.Server.Problem, byHand(f.cause)))
	}
	return r.act(f.cause, r.once("pgbouncer", f.queue.pooler, fixResume, resumeParams{Database: f.queue.db.Name}),
		f.why+". Resuming what another one paused needs a person's consent: ask who works there first")
}

// endBlocker ends the one session that all others wait for. One that runs a statement has the statement cancelled first.
func (r deciding) endBlocker(f finding) incidents.Decision {
	said := words("%s for %s", counted(f.victims, "session waits", "sessions wait"), f.root.words())
	switch {
	case f.roots > 1:
		return r.page(f.cause, words("%s, and as many or fewer for %s. Ending one of them may free nobody, so none is ended",
			said, counted(f.roots-1, "other session", "other sessions")))
	case f.keeps != "":
		return r.page(f.cause, words("%s. It is not ended, because %s%s. Do not end those that wait. %s", said, f.keeps, roleHint(f), byHand(f.cause)))
	case r.newest().seen.Server.SystemIdentifier == "":
		return r.page(f.cause, said+". It is not ended: the server does not say its system identifier, so it may be another one")
	}
	p := r.ending(f.ends, 1)
	how := "It does nothing in its transaction: ending it takes its transaction back and sets them free"
	if !f.root.idleInTransaction() {
		p.CancelFirst, p.Terminate = true, true
		how = "Its statement is cancelled first, and the session is ended only if that does not set them free"
	}
	return r.act(f.cause, r.once("postgres", r.newest().seen.Server.Node, fixEndBlocker, p), said+". "+how)
}

// endLeaked ends the oldest of the transactions that do nothing.
func (r deciding) endLeaked(f finding) incidents.Decision {
	s := r.newest()
	limit, how := r.limitWords(s, f)
	switch {
	case len(f.ends) == 0:
		return r.page(f.cause, words("%s in a transaction for longer than %s (%s): %s. None is ended; the first because %s%s. %s",
			counted(len(f.spared), "session does nothing", "sessions do nothing"), limit, how, sessionWords(f.spared), f.keeps, roleHint(f), byHand(f.cause)))
	case s.seen.Server.SystemIdentifier == "":
		return r.page(f.cause, words("%s leaked: %s. They are not ended: the server does not say its system identifier, so it may be another one",
			counted(len(f.ends), "session is", "sessions are"), sessionWords(f.ends)))
	}
	reason := words("%s in a transaction for longer than %s (%s): %s", counted(len(f.ends)+f.more, "session does nothing", "sessions do nothing"),
		limit, how, sessionWords(f.ends))
	if f.more > 0 {
		reason += words("; %s left for the next look, since one action ends %d at most", counted(f.more, "more is", "more are"), len(f.ends))
	}
	if len(f.spared) > 0 {
		reason += words("; not ended: %s, the first because %s", sessionWords(f.spared), f.keeps)
	}
	return r.act(f.cause, r.once("postgres", s.seen.Server.Node, fixEndLeaked, r.ending(f.ends, max(1, len(f.ends)))), reason)
}

// grow makes a pool larger for a time, if the server has room for all pools together.
func (r deciding) grow(f finding) incidents.Decision {
	s, q := r.newest(), f.queue
	said := words("%s: %s, while the server runs only %d of its %d sessions: it has room, and the pool does not", q.name(), q.words(),
		s.seen.Server.Running, s.seen.Server.Used)
	var step remediations.Step
	var g growth
	if q.app == nil {
		g = r.growPool(s, q)
		step = r.larger("pgbouncer", q.pooler, growParams{Database: q.db.Name, From: g.from, To: g.to, Usable: g.usable, Means: g.means})
	} else {
		i := slices.IndexFunc(r.cluster.Apps, func(a policy.AppPool) bool { return a.App == q.app.Name })
		if i < 0 || r.cluster.Apps[i].HTTP == nil {
			return r.page(f.cause, words("%s. It cannot be made larger from here: set handlers.poolexhaustion.clusters[%s].apps[%s].http",
				said, r.cluster.Cluster, q.app.Name))
		}
		g = r.growApp(s, q, len(r.cluster.Apps[i].HTTP.Instances))
		step = r.larger("httpadmin", q.app.Name, sizeParams{Size: g.to})
	}
	if g.why != "" {
		return r.page(f.cause, words("%s. It is not made larger: %s. %s", said, g.why, byHand(f.cause)))
	}
	return r.act(f.cause, step, words("%s. From %d to %d for a time, at most %s more", said, g.from, g.to, percent(float64(r.cluster.growPercent())/100)))
}
