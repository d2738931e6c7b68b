package postgres

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// What the server says of a login is said on without the password, and which error it is can still be asked.
func TestUnsaid(t *testing.T) {
	t.Parallel()
	const password = "p@ %41's"
	err := fmt.Errorf("connect: %w", &pgconn.PgError{Code: "28P01", Message: "you said " + password, Detail: password, Hint: "not " + password})
	got := unsaid(err, password)
	var said *pgconn.PgError
	if !errors.As(got, &said) || said.Code != "28P01" {
		t.Fatalf("the server's error is gone: %v", got)
	}
	if text := fmt.Sprintf("%v %+v", got, *said); strings.Contains(text, password) || !strings.Contains(text, "you said [redacted]") {
		t.Errorf("got %s", text)
	}
	if other := errors.New("refused"); unsaid(other, password) != other || unsaid(nil, password) != nil || unsaid(other, "") != other {
		t.Error("an error without the password was changed")
	}
}
