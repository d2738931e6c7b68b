package sessions

import "context"

// Reader is a store that can also tell whether what two sessions hold is the same, without telling what it is. It is not part of the
// contract: who needs it asks whether a store is one.
type Reader interface {
	// Contents is List of live sessions, with a print of what each holds.
	Contents(ctx context.Context, q Query) (Contents, error)
}

// Contents is a page with prints.
type Contents struct {
	Page
	// Prints are in the order of Sessions. A print is over all that a session holds but what moves on without a write of the application:
	// its lease, when it was updated, and when it expires. It is meant to be equal or not, nothing else, and only within one store.
	Prints []string
}
