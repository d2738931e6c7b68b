package slack

import (
	"errors"
	"regexp"
	"strings"

	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/incidents/desk"
)

// ref is what a button carries: which asking of which incident, and the whole hash of the plan that was shown beside it. All of it is
// compared with the record; none of it is believed.
type ref desk.Ref

// errBadRef says that a button or a modal does not carry what ours carry.
var errBadRef = errors.New("not a value of our buttons")

// String is the value of a button.
func (r ref) String() string { return r.Incident.String() + "/" + r.Asking + "/" + r.Plan }

func parseRef(s string) (ref, error) {
	parts := strings.Split(s, "/")
	if len(s) > 400 || len(parts) != 3 {
		return ref{}, errBadRef
	}
	id, err := incidents.ParseID(parts[0])
	if err != nil || !regexp.MustCompile(`^[0-9a-zA-Z_-]{1,64}$`).MatchString(parts[1]) || !regexp.MustCompile(`^[0-9a-f]{64}$`).MatchString(parts[2]) {
		return ref{}, errBadRef
	}
	return ref{Incident: id, Asking: parts[1], Plan: parts[2]}, nil
}
