package incidents_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/firebreak-sre/firebreak/incidents"
)

// Ids, keys and subjects are forms of one name, and nothing else passes for one.
func TestID(t *testing.T) {
	t.Parallel()
	id := incidents.NewID("retry_storm", "checkout→payments", 12)
	if parsed, err := incidents.ParseID(id.String()); err != nil || parsed != id {
		t.Errorf("got %s, %v, want %s", parsed, err, id)
	}
	if id.Handler() != "retry_storm" || id.Number() != 12 || strings.Contains(id.Key(), "-") {
		t.Errorf("got handler %q, number %d, key %q", id.Handler(), id.Number(), id.Key())
	}
	for from, got := range map[string]func() (incidents.ID, error){
		"key":     func() (incidents.ID, error) { return incidents.IDOfKey(id.Key()) },
		"subject": func() (incidents.ID, error) { return incidents.IDOfSubject("incidents." + id.Key()) },
	} {
		if back, err := got(); err != nil || back != id {
			t.Errorf("from its %s: got %s, %v, want %s", from, back, err, id)
		}
	}
	if other := incidents.NewID("retry_storm", "checkout→stock", 12); other == id {
		t.Errorf("got one id %s for two targets", id)
	}
	for _, bad := range []string{"", "x", "retrystorm", "retrystorm-3f9a2c81b04d", "retrystorm-3f9a2c81b04d-0", "retrystorm-3f9a2c81b04d-01",
		"retrystorm-3f9a2c81b04-7", "retrystorm-3F9A2C81B04D-7", "Retrystorm-3f9a2c81b04d-7", "retry-storm-3f9a2c81b04d-7", "-3f9a2c81b04d-7",
		"retrystorm-3f9a2c81b04d-7 ", "retrystorm-3f9a2c81b04d-7\n", "retrystorm-3f9a2c81b04d--7", "retrystorm-3f9a2c81b04d-1234567890", "retrystorm.3f9a2c81b04d.7"} {
		if got, err := incidents.ParseID(bad); !errors.Is(err, incidents.ErrBadID) {
			t.Errorf("%q: got %q, %v, want ErrBadID", bad, got, err)
		}
	}
	for _, bad := range []string{"", "incidents.", "incidents", "alerts.retrystorm.3f9a2c81b04d.7", "incidents.retrystorm-3f9a2c81b04d-7", "incidents.retrystorm.3f9a2c81b04d"} {
		if got, err := incidents.IDOfSubject(bad); !errors.Is(err, incidents.ErrBadID) {
			t.Errorf("subject %q: got %q, %v, want ErrBadID", bad, got, err)
		}
	}
}
