package poolexhaustion

import "github.com/firebreak-sre/firebreak/incidents"

// facts collects evidence. A value that cannot be written as JSON is left out.
type facts []incidents.Evidence

func (f *facts) add(name string, value float64, unit, text string) {
	if finite(value) {
		*f = append(*f, incidents.Evidence{Name: name, Value: value, Unit: unit, Words: text})
	}
}

// evidence is what a decision rests on: who waits, what the server does, who holds it up, and what was read.
func (r deciding) evidence(f finding) []incidents.Evidence {
	var e facts
	if len(r.sights) > 0 {
		s := r.newest()
		if f.queue != nil {
			if q := s.find(f.queue.key()); q != nil {
				e.queue(*q)
			}
		}
		e.queues(r.waiting(s), "")
		e.server(s.seen, "")
		e.clients(s.seen)
		if n := len(r.sights); n > 1 {
			if rate, ok := r.goodput(r.sights[n-2], s); ok {
				e.add("transactions_per_second", rate.perSecond(), "1/s", words("%.1f transactions/s end", rate.perSecond()))
			}
		}
		e.holders(f)
		if f.cause == CauseLeak {
			limit, p99 := r.leakLimit(s, databaseOf(f))
			e.add("leak_limit", limit, "s", words("a transaction that does nothing for longer than %s is leaked", seconds(limit)))
			if p99 > 0 {
				e.add("xact_p99_bound", p99, "s", words("99 of 100 transactions take less than %s: a hundred times their mean, as only that is counted", seconds(p99)))
			}
		}
	}
	e.add("looks", float64(len(r.sights)), "", words("%d looks without a long pause between them", len(r.sights)))
	e.add("busy", float64(r.Busy), "", words("%d other clusters have an open incident", r.Busy))
	return e
}

func databaseOf(f finding) string {
	for _, all := range [][]Session{f.ends, f.spared} {
		if len(all) > 0 {
			return all[0].Database
		}
	}
	return ""
}

// queue adds the numbers of one queue.
func (e *facts) queue(q queue) {
	e.add("pool_busy", q.busy, "", words("%s has %.0f connections in use", q.name(), q.busy))
	e.add("pool_open", q.open, "", words("%s has %.0f connections to the server", q.name(), q.open))
	e.add("pool_size", q.size, "", words("%s may have %.0f", q.name(), q.size))
}

// queues adds who waits, over all queues. The suffix tells looks apart, e.g. "_before".
func (e *facts) queues(all []queue, suffix string) {
	e.add("waiting"+suffix, queued(all), "", words("%s for a connection", counted(whole(queued(all)), "client waits", "clients wait")))
	if most := longest(all); most > 0 {
		e.add("max_wait"+suffix, float64(most), "s", words("the first of them has waited for %s", seconds(float64(most))))
	}
}

// server adds what the server does.
func (e *facts) server(o Observation, suffix string) {
	s := o.Server
	if s.Problem != "" || s.Node == "" {
		e.add("server_readable"+suffix, 0, "", "the server could not be read: "+s.Problem)
		return
	}
	e.add("used"+suffix, float64(s.Used), "", words("%d of %d connections of %s are used", s.Used, s.Usable, s.Node))
	e.add("usable"+suffix, float64(s.Usable), "", words("%d connections can be used by others than superusers", s.Usable))
	e.add("running"+suffix, float64(s.Running), "", words("%s", counted(s.Running, "session runs a statement", "sessions run a statement")))
	e.add("lock_waiting"+suffix, float64(s.LockWaiting), "", words("%s for a lock", counted(s.LockWaiting, "session waits", "sessions wait")))
	e.add("idle_in_transaction"+suffix, float64(s.Leaked), "", words("%s idle in a transaction", counted(s.Leaked, "session is", "sessions are")))
	e.add("syncrep"+suffix, float64(s.SyncRep), "", words("%s for a synchronous standby", counted(s.SyncRep, "commit waits", "commits wait")))
	if s.SyncNames != "" {
		e.add("sync_standbys"+suffix, float64(s.SyncStandbys), "", words("%d synchronous standbys stream, and %d must", s.SyncStandbys, wanted(s.SyncNames)))
	}
}

// clients adds how many clients each pooler has.
func (e *facts) clients(o Observation) {
	for i := range o.Poolers {
		p := &o.Poolers[i]
		if p.Problem != "" {
			e.add("readable_"+p.Name, 0, "", words("%s could not be read: %s", p.Name, p.Problem))
			continue
		}
		e.add("clients_"+p.Name, float64(p.ClientsTotal), "", words("%s has %d of %s clients", p.Name, p.ClientsTotal, p.Config["max_client_conn"]))
	}
}

// holders adds the sessions that the finding is about.
func (e *facts) holders(f finding) {
	if f.root != nil {
		e.add("victims", float64(f.victims), "", words("%s for %s", counted(f.victims, "session waits", "sessions wait"), f.root.words()))
	}
	if f.cause == CausePreparedTransaction && f.victims > 0 {
		e.add("victims", float64(f.victims), "", words("%s for a prepared transaction", counted(f.victims, "session waits", "sessions wait")))
	}
	if n := len(f.ends) + f.more; n > 0 {
		e.add("may_be_ended", float64(n), "", words("%s be ended: %s", counted(n, "session may", "sessions may"), sessionWords(f.ends)))
	}
	if n := len(f.spared); n > 0 {
		e.add("spared", float64(n), "", words("%s not be ended: %s; the first because %s",
			counted(n, "session may", "sessions may"), sessionWords(f.spared), f.keeps))
	}
}
