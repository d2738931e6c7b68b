package haproxy

import (
	"strings"
	"testing"
)

// The answer of HAProxy 2.6.12 to a look, shortened in what is not read.
const sample = "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight " +
	"srv_time_since_last_change srv_check_status srv_check_result srv_check_health " +
	"srv_check_state srv_agent_state bk_f_forced_id srv_f_forced_id " +
	"srv_fqdn srv_port srvrecord srv_use_ssl srv_check_port srv_check_addr srv_agent_addr srv_agent_port\n" +
	"2 readers 1 pg1 127.0.0.1 2 0 1 1 235 6 3 4 6 0 0 0 - 29991 - 0 0 - - 0\n" +
	"2 readers 2 pg2 127.0.0.1 2 8 1 1 0 6 3 4 6 0 0 0 - 29992 - 0 0 - - 0\n"

// Whatever comes, the parser does not fail, and what it makes of it is whole: a server for each row, each with a name of its own.
func FuzzParseState(f *testing.F) {
	f.Add(sample, "readers")
	f.Add(strings.ReplaceAll(sample, "pg2", "pg1"), "readers")
	f.Add("1\n# srv_name srv_name\n", "")
	f.Add("1\n", "b")
	f.Add("", "")
	f.Fuzz(func(t *testing.T, text, backend string) {
		servers, err := parseState(text, backend)
		if err != nil {
			if servers != nil {
				t.Fatalf("servers beside an error: %+v", servers)
			}
			return
		}
		if rows := strings.Count(strings.TrimRight(text, "\n"), "\n") - 1; len(servers) != rows {
			t.Fatalf("got %d servers of %d rows", len(servers), rows)
		}
		names := map[string]bool{}
		for _, s := range servers {
			if s.Name == "" || names[s.Name] || s.Weight < 0 || s.Since < 0 {
				t.Fatalf("got %+v", s)
			}
			if s.Takes() != (s.Why() == "ready") {
				t.Fatalf("it takes connections: %t, and is %s", s.Takes(), s.Why())
			}
			names[s.Name] = true
		}
	})
}

// Whatever a whole answer is, it is not taken for one with marks or parts that nobody sent.
func FuzzSplit(f *testing.F) {
	f.Add(sample + "\nproc.firebreak.held.b.pg1: type=str value=<a1>\nVariable not found.\n\n")
	f.Add("\n\nPermission denied\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		a := split(text)
		for _, part := range []string{a.state, a.statistics, a.info} {
			if part != "" && !strings.Contains(text, part+"\n\n") {
				t.Fatalf("part %q did not end with an empty line", part)
			}
		}
		for name, value := range a.marks {
			if !strings.Contains(text, name+": type=str value=<"+value+">") {
				t.Fatalf("mark %q=%q was not there", name, value)
			}
		}
	})
}

// No two servers share a variable, and no name leaves it.
func FuzzVariable(f *testing.F) {
	f.Add("a-b", "c", "a_2db", "c")
	f.Add("a.b", "c", "a", "b.c")
	f.Fuzz(func(t *testing.T, b1, s1, b2, s2 string) {
		one, two := variable(Held, b1, s1), variable(Held, b2, s2)
		if (one == two) != (b1 == b2 && s1 == s2) {
			t.Fatalf("%q/%q is %s, %q/%q is %s", b1, s1, one, b2, s2, two)
		}
		if strings.ContainsFunc(one, func(r rune) bool { return r > 127 || !letterOrDigit(byte(r)) && r != '.' && r != '_' }) {
			t.Fatalf("%q/%q is %s", b1, s1, one)
		}
	})
}
