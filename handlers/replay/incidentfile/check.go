package incidentfile

import (
	"fmt"

	"github.com/firebreak-sre/firebreak/handlers/replay"
)

// Replayed is what deriving the decisions of a file came to.
type Replayed struct {
	// Policy is the hash of the policy that was at hand, and Build the program's version.
	Policy string `json:"policy"`
	Build  string `json:"build"`
	// Decisions is how many there are, and Identical how many came out the same, bit for bit.
	Decisions int `json:"decisions"`
	Identical int `json:"identical"`
}

// Check derives the decisions from the file and from the record that it was made of, under the same rules. An error means that masking has
// changed one: the file would not tell the truth.
func (f File) Check(r replay.Rules, original []replay.Message) (Replayed, error) {
	masked, err := f.Records()
	if err != nil {
		return Replayed{}, err
	}
	was, is := derive(r, original), derive(r, masked)
	got := Replayed{Policy: r.Hash, Build: r.Build, Decisions: is.Decisions, Identical: is.Identical}
	if is.Identical != was.Identical || is.Different != was.Different || is.Decisions != was.Decisions {
		return got, fmt.Errorf("masking changes what is decided: %s", is.First)
	}
	return got, nil
}

func derive(r replay.Rules, list []replay.Message) replay.Check {
	c := replay.NewChecker(r)
	for _, m := range list {
		c.Next(m)
	}
	return c.Result()
}
