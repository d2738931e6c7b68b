package pooltest

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/firebreak-sre/firebreak/internal/blackbox"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// session is one backend of the primary, by what no other one ever has.
type session struct {
	conn  *pgx.Conn // nil where somebody else opened it
	pid   int
	start string
	what  string
}

func (s *session) String() string { return fmt.Sprintf("%s (pid %d)", s.what, s.pid) }

// alive says that the very backend is still there.
func (r *run) alive(s *session) (bool, error) {
	v, err := r.Primary.Ask(fmt.Sprintf("select count(*) from pg_stat_activity where pid = %d and backend_start::text = '%s'", s.pid, s.start))
	return v == "1", err
}

// do runs statements in the session, and fails the run if they fail.
func (r *run) do(s *session, sql string) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), blackbox.Within)
	defer cancel()
	if _, err := s.conn.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
		r.t.Fatalf("%s: %s: %v", s, sql, err)
	}
}

// begin runs a statement that will take long, or for ever. What it ends with comes on the channel.
func (r *run) begin(s *session, sql string) <-chan error {
	ended := make(chan error, 1)
	go func() { // ends with the statement, or with the session when the run ends
		_, err := s.conn.Exec(context.Background(), sql, pgx.QueryExecModeSimpleProtocol)
		ended <- err
	}()
	return ended
}

// connect opens a connection to an address, which is closed when the run ends.
func (r *run) connect(addr, role, name string) *pgx.Conn {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), blackbox.Within)
	defer cancel()
	conn, err := dial(ctx, addr, role, name)
	if err != nil {
		r.t.Fatalf("open a session of %s at %s: %v", role, addr, err)
	}
	r.t.Cleanup(func() { _ = conn.PgConn().Conn().Close() }) // whatever it is in the middle of
	return conn
}

// dial opens a connection that uses the simple protocol, as it must through a pooler.
func dial(ctx context.Context, addr, role, name string) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(testbed.PostgresURL(addr, role, testbed.Database) + "&application_name=" + name)
	if err != nil {
		return nil, err
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	return pgx.ConnectConfig(ctx, config)
}

// identity is who answers.
const identity = "select pid, backend_start::text from pg_stat_activity where pid = pg_backend_pid()"

// open opens a session at the primary itself.
func (r *run) open(role, name string) *session {
	r.t.Helper()
	s := &session{conn: r.connect(r.Primary.Addr, role, name), what: role + "/" + name}
	r.identify(s)
	return s
}

// pooled opens a session through the pooler and runs the statements in a transaction, which it leaves open: until then it has the
// backend for itself.
func (r *run) pooled(role, name, sql string) *session {
	r.t.Helper()
	s := &session{conn: r.connect(r.pooler.Addr, role, name), what: role + "/" + name + " through " + bouncer}
	r.do(s, "begin; "+sql)
	r.identify(s)
	return s
}

// in opens a session at the primary itself, in a transaction that has run the statements.
func (r *run) in(role, name, sql string) *session {
	r.t.Helper()
	s := r.open(role, name)
	r.do(s, "begin; "+sql)
	return s
}

func (r *run) identify(s *session) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), blackbox.Within)
	defer cancel()
	if err := s.conn.QueryRow(ctx, identity).Scan(&s.pid, &s.start); err != nil {
		r.t.Fatalf("read who %s is: %v", s, err)
	}
}

// crowd opens sessions that must never be touched. They do nothing, most of them as the role that may be ended.
func (r *run) crowd() {
	r.t.Helper()
	for range 18 {
		r.open(listed, "dashboard")
	}
	r.open(unlisted, "checkout")
	r.open(testbed.RoleSuperuser, "psql")
	r.open(listed, "pg_dump")
}

// held opens sessions that sit idle in a transaction for as long as the run, and one that makes an index: none of them may be ended.
func (r *run) held() {
	r.t.Helper()
	r.in(unlisted, "monthly", "select 1")
	r.in(testbed.RoleSuperuser, "psql", "select 1")
	r.in(listed, "pg_dump", "select 1")
	r.indexing("on facts (slow(id))")
}

// indexing makes an index for as long as the run, in a session of the role that may be ended.
func (r *run) indexing(how string) *session {
	r.t.Helper()
	s := r.open(listed, "migration")
	r.begin(s, "create index "+how)
	r.says("the index to be under way", fmt.Sprintf("select count(*) = 1 from pg_stat_progress_create_index where pid = %d", s.pid))
	return s
}

// census are all sessions that are there when the alert fires: those of the crowd, those in the middle of the fault, and those of the
// standby. Who comes only to ask is none of them, and neither is Firebreak.
func (r *run) census() {
	r.t.Helper()
	text := r.Primary.Value(r.t, `select string_agg(pid || '|' || backend_start::text || '|' || coalesce(usename, '') || '/' || application_name, ';')
		from pg_stat_activity where (backend_type = 'walsender' or backend_type = 'client backend' and
		(usename in ('`+listed+"', '"+unlisted+`') or application_name = 'psql'))`)
	for one := range strings.SplitSeq(text, ";") {
		if one == "" {
			continue
		}
		f := strings.SplitN(one, "|", 3)
		pid, err := strconv.Atoi(f[0])
		if err != nil || len(f) != 3 {
			r.t.Fatalf("read the sessions %q: %v", text, err)
		}
		if r.want.closes && (f[2] == listed+"/work" || f[2] == listed+"/") {
			continue // the pooler's own, which have a client's name only while they have that client
		}
		r.sessions = append(r.sessions, &session{pid: pid, start: f[1], what: f[2]})
	}
}

// judgeSessions: exactly those that were to be ended have gone, and the server's log says that nobody ended any other.
func (r *run) judgeSessions() {
	if r.want.crashes {
		return
	}
	same := func(s *session) func(*session) bool {
		return func(o *session) bool { return o.pid == s.pid && o.start == s.start }
	}
	for _, s := range r.sessions {
		alive, err := r.alive(s)
		switch ended := slices.ContainsFunc(r.victims, same(s)); {
		case err != nil:
			r.wrongly("look for %s: %v", s, err)
		case !ended && !alive && !slices.ContainsFunc(r.gone, same(s)):
			r.harm("%s has gone", s)
		}
	}
	want := map[int]int{}
	for _, s := range r.victims {
		want[s.pid]++
		if alive, err := r.alive(s); err != nil || alive {
			r.wrongly("%s was to be ended, and is there (%v)", s, err)
		}
	}
	for _, s := range r.cancelled {
		want[s.pid]++
	}
	for _, k := range kills(r.Primary, r.begun) {
		if want[k.pid]--; want[k.pid] < 0 {
			r.harm("the log says of a session that was not to be ended, or twice: %s", k.line)
		}
	}
	for pid, left := range want {
		if left > 0 {
			r.wrongly("the log does not say that pid %d was ended or cancelled", pid)
		}
	}
}

// kill is what a server says of a session that somebody ended, or whose statement somebody cancelled.
type kill struct {
	pid  int
	line string
}

// kills are all since a moment, by the server's log.
func kills(n *testbed.PostgresNode, since time.Time) []kill {
	// Firebreak's own looks end when they take too long.
	said := regexp.MustCompile(`^(\S+ \S+) UTC \[(\d+)\] (?:client backend|walsender) (\S+) \w+:  ` +
		`(?:terminating connection due to administrator command|canceling statement due to user request)`)
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
