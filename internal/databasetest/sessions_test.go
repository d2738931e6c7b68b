package databasetest

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/firebreak-sre/firebreak/internal/blackbox"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// session is one backend of a server, by what no other one ever has.
type session struct {
	node  *testbed.PostgresNode
	conn  *pgx.Conn // nil for a walsender
	pid   int
	start string
	what  string
}

func (s *session) String() string {
	return fmt.Sprintf("%s at %s (pid %d)", s.what, s.node.Name, s.pid)
}

// alive says that the very backend is still there.
func (s *session) alive() (bool, error) {
	v, err := s.node.Ask(fmt.Sprintf("select count(*) from pg_stat_activity where pid = %d and backend_start::text = '%s'", s.pid, s.start))
	return v == "1", err
}

// do runs a statement in the session, and fails the run if that fails.
func (r *run) do(s *session, sql string) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), blackbox.Within)
	defer cancel()
	if _, err := s.conn.Exec(ctx, sql); err != nil {
		r.t.Fatalf("%s: %s: %v", s, sql, err)
	}
}

// open opens a session whose life is watched. It must outlive the run, unless it is a victim.
func (r *run) open(n *testbed.PostgresNode, role, name string) *session {
	r.t.Helper()
	return r.openAt(n, n.Addr, role, name)
}

// openAt opens a session at an address behind which is the node: its own, or the pool's.
func (r *run) openAt(n *testbed.PostgresNode, addr, role, name string) *session {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), blackbox.Within)
	defer cancel()
	conn, err := pgx.Connect(ctx, testbed.PostgresURL(addr, role, testbed.Database)+"&application_name="+name)
	if err != nil {
		r.t.Fatalf("open a session of %s at %s: %v", role, addr, err)
	}
	s := &session{node: n, conn: conn, what: role + "/" + name}
	r.t.Cleanup(func() {
		end, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = conn.Close(end) // somebody may have ended it, which is what some of them are for
	})
	row := conn.QueryRow(ctx, `select a.pid, a.backend_start::text, current_setting('cluster_name')
		from pg_stat_activity a where a.pid = pg_backend_pid()`)
	var where string
	if err := row.Scan(&s.pid, &s.start, &where); err != nil {
		r.t.Fatalf("read who %s is: %v", s, err)
	}
	for _, other := range r.Nodes() {
		if other.Name == where {
			s.node = other
		}
	}
	r.sessions = append(r.sessions, s)
	return s
}

// crowd opens the sessions that must never be touched: idle ones of all kinds of roles on all nodes, some of them through the read pool.
// One more opens and closes transactions all the time, as applications do.
func (r *run) crowd() {
	r.t.Helper()
	for _, n := range r.Nodes() {
		r.open(n, listed, "dashboard")
		r.open(n, unlisted, "checkout")
		r.open(n, testbed.RoleSuperuser, "psql")
		r.open(n, listed, "pg_dump")
	}
	for range 2 {
		r.openAt(nil, r.pool.Addr, listed, "pooled")
	}
	busy := r.open(r.victim(), listed, "busy")
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() {
		for blackbox.Pause(ctx, 100*time.Millisecond) {
			if _, err := busy.conn.Exec(ctx, "select count(*) from items"); err != nil {
				return // that it was ended is found by its pid
			}
		}
	})
	r.t.Cleanup(func() { cancel(); work.Wait() })
	r.walsenders()
}

// walsenders watches those of all standbys.
func (r *run) walsenders() {
	r.t.Helper()
	text := r.Primary.Value(r.t, `select string_agg(pid || ' ' || backend_start::text || '|' || application_name, ';') from pg_stat_replication
		where state = 'streaming'`)
	for one := range strings.SplitSeq(text, ";") {
		left, name, _ := strings.Cut(one, "|")
		number, start, _ := strings.Cut(left, " ")
		pid, err := strconv.Atoi(number)
		if err != nil {
			r.t.Fatalf("read the walsenders %q: %v", text, err)
		}
		r.sessions = append(r.sessions, &session{node: r.Primary, pid: pid, start: start, what: "walsender/" + name})
	}
}

// walsender is that of a standby.
func (r *run) walsender(n *testbed.PostgresNode) *session {
	for _, s := range r.sessions {
		if s.what == "walsender/"+n.ApplicationName {
			return s
		}
	}
	r.t.Fatalf("the walsender of %s is not known", n.Name)
	return nil
}

// judgeSessions: exactly those that were to be ended have gone, and the servers' logs say that nobody ended any other.
func (r *run) judgeSessions() {
	for _, s := range r.sessions {
		alive, err := s.alive()
		ended, gone := slices.Contains(r.victims, s), slices.Contains(r.gone, s)
		switch {
		case err != nil:
			r.wrongly("look for %s: %v", s, err)
		case ended && alive:
			r.wrongly("%s was to be ended, and is there", s)
		case !ended && !gone && !alive:
			r.harm("%s has gone", s)
		}
	}
	for _, n := range r.Nodes() {
		want := map[int]int{}
		for _, s := range r.victims {
			if s.node == n {
				want[s.pid]++
			}
		}
		for _, k := range kills(n, r.begun) {
			if want[k.pid]--; want[k.pid] < 0 {
				r.harm("the log of %s says of a session that was not to be ended, or twice: %s", n.Name, k.line)
			}
		}
		for pid, left := range want {
			if left > 0 {
				r.wrongly("the log of %s does not say that pid %d was ended", n.Name, pid)
			}
		}
	}
}

// kill is what a server says of a session that somebody ended, or whose statement somebody cancelled.
type kill struct {
	pid  int
	line string
}

// kills are all since a moment, by the server's log. When a test ends a server ends all sessions in order, which comes later.
func kills(n *testbed.PostgresNode, since time.Time) []kill {
	// A standby's receiver repeats what its walsender said at the end; that is no session. Firebreak's own looks end when they take too long.
	said := regexp.MustCompile(`^(\S+ \S+) UTC \[(\d+)\] (?:client backend|walsender) (\S+) \w+:` +
		`  (?:terminating connection due to administrator command|canceling statement due to user request)`)
	var all []kill
	for line := range strings.Lines(n.Log()) {
		m := said.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil || m[3] == blackbox.ProbeUser || m[3] == blackbox.ActUser {
			continue
		}
		at, err := time.Parse("2006-01-02 15:04:05.000", m[1])
		pid, wrong := strconv.Atoi(m[2])
		if err == nil && wrong == nil && at.After(since) {
			all = append(all, kill{pid, strings.TrimSpace(line)})
		}
	}
	return all
}
