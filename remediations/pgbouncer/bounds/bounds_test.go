package bounds_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/firebreak-sre/firebreak/internal/pgbouncer"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/pgbouncer/bounds"
)

// Only a pooler with a login that may change it is a place.
func TestPlacesOf(t *testing.T) {
	t.Parallel()
	got := bounds.PlacesOf(policy.Policy{Postgres: []policy.PostgresCluster{{Cluster: "orders", Nodes: []policy.PostgresNode{{Node: "pg1"}},
		PgBouncers: []policy.PgBouncer{{PgBouncer: "bouncer1", Admin: &policy.PostgresLogin{}}, {PgBouncer: "bouncer2"}}}, {Cluster: "users"}}})
	if want := (bounds.Places{"orders/bouncer1": true}); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	for _, s := range []remediations.Step{{Service: "orders", Edge: "bouncer1"}, {Cluster: "orders", Node: "bouncer2"}, {Cluster: "orders", Node: "pg1"}, {}} {
		if got.Has(s) || (bounds.Places)(nil).Has(s) || got.Of(s).Class != remediations.ClassN {
			t.Errorf("%+v is a place", s)
		}
	}
	if !got.Has(remediations.Step{Cluster: "orders", Node: "bouncer1"}) {
		t.Error("the pooler is no place")
	}
}

// What a step asks for is read as it is, the means are settings that the console knows, and nothing that is unknown is passed over.
func TestRead(t *testing.T) {
	t.Parallel()
	got, err := bounds.ReadGrow(json.RawMessage(`{"database":"app","from":20,"to":25,"usable":25}`))
	if want := (bounds.Grow{Database: "app", From: 20, To: 25, Usable: 25, Means: string(pgbouncer.DefaultPoolSize)}); err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	if bounds.MeansReserve != string(pgbouncer.ReservePoolSize) {
		t.Errorf("the reserve is %s there and %s here", pgbouncer.ReservePoolSize, bounds.MeansReserve)
	}
	if got, err := bounds.ReadResume(json.RawMessage(`{"database":"app","ours":true}`)); err != nil || got != (bounds.Resume{Database: "app", Ours: true}) {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, err := bounds.ReadPause(json.RawMessage(`{"database":"app"}`)); err != nil || got != (bounds.Pause{Database: "app"}) {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, params := range []string{``, `null`, `{}`, `[]`, `{"database":""}`, `{"database":5}`, `{"database":"app","force":true}`, `{"database":"app"} {}`} {
		_, grow := bounds.ReadGrow(json.RawMessage(params))
		_, resume := bounds.ReadResume(json.RawMessage(params))
		_, pause := bounds.ReadPause(json.RawMessage(params))
		if grow == nil || resume == nil || pause == nil {
			t.Errorf("%s: got %v, %v, %v, want it refused by all", params, grow, resume, pause)
		}
	}
}
