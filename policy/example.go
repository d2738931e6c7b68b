package policy

import (
	_ "embed"
	"slices"
)

// exampleYAML is example.yaml, embedded so that the command line can print it anywhere and that the descriptions of the
// schema come from the same words. It is the one variable of this package: embedding needs one. Nothing writes to it.
//
//go:embed example.yaml
var exampleYAML []byte

// Example is a policy with every key that there is, each with a comment: what it means, its unit, its default. It
// changes nothing (mode: observe), and needs the variables that it names.
func Example() []byte { return slices.Clone(exampleYAML) }
