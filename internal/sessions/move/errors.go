package move

import (
	"errors"
	"fmt"

	"github.com/firebreak-sre/firebreak/internal/sessions"
)

// What can become of a move that was not made. Each says what the state of the store is.
var (
	// ErrUnfit is a move that was not begun: a check says no.
	ErrUnfit = fmt.Errorf("%w: the move is not safe now", sessions.ErrRefused)
	// ErrTakenBack is a move that was begun and given up: the old primary says that it is the primary, and the replica does not say so.
	ErrTakenBack = errors.New("the move was not made: the primary is the one that it was")
	// ErrUnsettled is a move that hangs: writes are held up, or nobody knows who the primary is. A person has to look.
	ErrUnsettled = errors.New("the move hangs between two servers")
	// ErrTwo is two servers that both say that they are the primary. A person has to look.
	ErrTwo = errors.New("both servers say that they are the primary")
	// ErrNotWhole is a move that was made, after which not all sessions are as they were, or could not be compared.
	ErrNotWhole = errors.New("the move was made, and it is not shown that no session was lost")
)
