package incidents_test

import (
	"testing"

	"github.com/firebreak-sre/firebreak/incidents"
)

// Two are different people only where that is proved; in every doubt they are the same, since a yes of one person must not count twice.
func TestPersonSame(t *testing.T) {
	t.Parallel()
	person := func(name, via, id, operator string) incidents.Person {
		return incidents.Person{Name: name, Via: via, ID: id, Operator: operator}
	}
	for _, c := range []struct {
		name string
		a, b incidents.Person
		want bool
	}{
		{"two operators", person("alice", "api", "", "alice"), person("bob", "api", "", "bob"), false},
		{"one operator in two places", person("alice", "api", "", "alice"), person("Alice A.", "slack", "U1", "alice"), true},
		{"two operators in two places", person("alice", "api", "", "alice"), person("Bob", "slack", "U2", "bob"), false},
		{"two users of Slack", person("x", "slack", "U1", ""), person("x", "slack", "U2", ""), false},
		{"one user of Slack with two names", person("x", "slack", "U1", ""), person("y", "slack", "U1", ""), true},
		{"an operator and a user of Slack whom nothing maps", person("alice", "api", "", "alice"), person("bob", "slack", "U2", ""), true},
		{"two names that are only claimed", person("alice", "local", "", ""), person("bob", "local", "", ""), true},
		{"an operator and a claimed name", person("alice", "api", "", "alice"), person("bob", "local", "", ""), true},
		{"names that differ in case", person("Alice", "api", "", ""), person("alice", "api", "", ""), true},
		{"nobody", person("", "api", "", ""), person("alice", "api", "", ""), true},
	} {
		if got := c.a.Same(c.b); got != c.want {
			t.Errorf("%s: got %t, want %t", c.name, got, c.want)
		}
		if got := c.b.Same(c.a); got != c.want {
			t.Errorf("%s, the other way round: got %t, want %t", c.name, got, c.want)
		}
	}
}
