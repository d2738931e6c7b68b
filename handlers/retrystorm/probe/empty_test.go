package probe

import (
	"reflect"
	"testing"

	"github.com/firebreak-sre/firebreak/handlers/retrystorm"
)

// TestEmpty holds that each number by itself makes a look that read something, wherever it is, and that what could not be read does not.
func TestEmpty(t *testing.T) {
	t.Parallel()
	set := func(field int, to retrystorm.Number) (n retrystorm.Numbers) {
		reflect.ValueOf(&n).Elem().Field(field).Set(reflect.ValueOf(to))
		return n
	}
	fields := reflect.TypeFor[retrystorm.Numbers]().NumField()
	if fields == 0 {
		t.Fatal("there is no number")
	}
	for i := range fields {
		for to, want := range map[retrystorm.Number]bool{{OK: true}: false, {Err: "refused"}: true, {}: true} {
			edge := retrystorm.Observation{Edge: set(i, to)}
			instance := retrystorm.Observation{Instances: []retrystorm.Instance{{Err: "refused"}, {Numbers: set(i, to)}}}
			if empty(edge) != want || empty(instance) != want {
				t.Errorf("number %d as %+v: got %t and %t, want %t", i, to, empty(edge), empty(instance), want)
			}
		}
	}
}
