package pgbouncer

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

// words makes a row of "column=value" words; a column without "=" is NULL.
func words(text string) Row {
	row := Row{}
	for word := range strings.FieldsSeq(text) {
		if name, value, set := strings.Cut(word, "="); set {
			row[name] = strings.ReplaceAll(value, "_at_", " ")
		}
	}
	return row
}

// SHOW DATABASES of 1.12, 1.18 and 1.24 comes to the same: columns came in between, and one was renamed.
func TestDatabasesOfVersions(t *testing.T) {
	t.Parallel()
	want := []Database{{Name: "app", Backend: "app", Host: "10.0.0.1", Port: 5432, PoolSize: 20, Reserve: 2, MaxConnections: 50, CurrentConnections: 7, Paused: true}}
	for version, text := range map[string]string{
		"1.12": "name=app host=10.0.0.1 port=5432 database=app force_user pool_size=20 reserve_pool=2 pool_mode max_connections=50 current_connections=7 paused=1 disabled=0",
		"1.18": "name=app host=10.0.0.1 port=5432 database=app force_user pool_size=20 min_pool_size=0 reserve_pool=2 pool_mode max_connections=50 current_connections=7 paused=1 disabled=0",
		"1.24": "name=app host=10.0.0.1 port=5432 database=app force_user pool_size=20 min_pool_size=0 reserve_pool_size=2 server_lifetime=3600 pool_mode load_balance_hosts max_connections=50 current_connections=7 max_client_connections=0 current_client_connections=9 paused=1 disabled=0",
	} {
		got, err := databases([]Row{words(text), words("name=pgbouncer pool_size=2 reserve_pool=0 paused=0 disabled=0")})
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, %v, want %+v", version, got, err, want)
		}
	}
}

// SHOW POOLS, STATS and CLIENTS of several versions come to the same.
func TestOthersOfVersions(t *testing.T) {
	t.Parallel()
	wantPools := []Pool{{Database: "app", User: "web", ClientsActive: 3, ClientsWaiting: 2, ServersActive: 3, ServersIdle: 1, ServersLogin: 1,
		MaxWait: 1500 * time.Millisecond, Mode: "transaction"}}
	for version, text := range map[string]string{
		"1.12": "database=app user=web cl_active=3 cl_waiting=2 sv_active=3 sv_idle=1 sv_used=0 sv_tested=0 sv_login=1 maxwait=1 maxwait_us=500000 pool_mode=transaction",
		"1.18": "database=app user=web cl_active=3 cl_waiting=2 cl_active_cancel_req=0 cl_waiting_cancel_req=0 sv_active=3 sv_active_cancel=0 sv_being_canceled=0 sv_idle=1 sv_used=0 sv_tested=0 sv_login=1 maxwait=1 maxwait_us=500000 pool_mode=transaction",
		"1.24": "database=app user=web cl_active=3 cl_waiting=2 cl_active_cancel_req=0 cl_waiting_cancel_req=0 sv_active=3 sv_active_cancel=0 sv_being_canceled=0 sv_idle=1 sv_used=0 sv_tested=0 sv_login=1 maxwait=1 maxwait_us=500000 pool_mode=transaction load_balance_hosts",
	} {
		if got, err := pools([]Row{words(text)}); err != nil || !reflect.DeepEqual(got, wantPools) {
			t.Errorf("%s: got %+v, %v, want %+v", version, got, err, wantPools)
		}
	}
	wantStats := []Stat{{Database: "app", Transactions: 5, Queries: 9, TransactionTime: 7 * time.Microsecond, QueryTime: 6 * time.Microsecond,
		WaitDuration: 8 * time.Microsecond}}
	for version, text := range map[string]string{
		"1.12": "database=app total_xact_count=5 total_query_count=9 total_received=1 total_sent=1 total_xact_time=7 total_query_time=6 total_wait_time=8 avg_xact_count=0",
		"1.24": "database=app total_server_assignment_count=4 total_xact_count=5 total_query_count=9 total_received=1 total_sent=1 total_xact_time=7 total_query_time=6 total_wait_time=8 total_client_parse_count=0",
	} {
		if got, err := stats([]Row{words(text)}); err != nil || !reflect.DeepEqual(got, wantStats) {
			t.Errorf("%s: got %+v, %v, want %+v", version, got, err, wantStats)
		}
	}
	old := words("type=C user=web database=app state=active addr=10.0.0.9 port=4711 connect_time=2026-01-02_at_03:04:05_at_UTC request_time=2026-01-02_at_03:04:06_at_CET wait=0")
	got, err := clients([]Row{old})
	want := []Client{{User: "web", Database: "app", State: "active", Host: "10.0.0.9", Port: 4711, ConnectTime: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v: a time in a zone that is not said is no time", got, err, want)
	}
}

// What is missing or cannot be read is an error, and neither "no" nor a shorter list.
func TestRowsThatCannotBeRead(t *testing.T) {
	t.Parallel()
	good := "name=app pool_size=20 reserve_pool=0 paused=0 disabled=0"
	for _, c := range []struct{ from, to, says string }{
		{"paused=0", "", "no column paused"},
		{"disabled=0", "", "no column disabled"},
		{"paused=0", "paused=2", "paused is 2"},
		{"paused=0", "paused=yes", "read paused"},
		{"pool_size=20", "", "no column pool_size"},
		{"name=app", "", "no column name"},
		{"reserve_pool=0", "", "no column reserve_pool_size"},
	} {
		got, err := databases([]Row{words(good), words(strings.Replace(good, c.from, c.to, 1))})
		if err == nil || got != nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s for %s: got %+v, %v, want %q", c.to, c.from, got, err, c.says)
		}
	}
	if _, err := pools([]Row{words("database=app user=web")}); err == nil {
		t.Error("a pool without numbers was read")
	}
	if _, err := settings([]Row{words("value=5")}); err == nil {
		t.Error("a setting without a key was read")
	}
	s := Settings{"default_pool_size": "many", "admin_users": `boss, "deputy" `}
	if _, err := s.Int("default_pool_size"); err == nil {
		t.Error("a setting that is no number was read")
	}
	if _, err := s.Int("nowhere"); err == nil {
		t.Error("a setting that is not there was read")
	}
	if !s.Admin("boss") || !s.Admin("deputy") || s.Admin("bos") || s.Admin("") {
		t.Errorf("admin_users %q are not read", s["admin_users"])
	}
}
