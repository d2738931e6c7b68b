package policy_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/firebreak-sre/firebreak/policy"
)

// What a server says back is said on without the secret, in whatever coat it comes, and the error stays what it was.
func TestHidden(t *testing.T) {
	t.Parallel()
	const plain = `p@ %41'"s:w/örd`
	s := policy.Secret(plain)
	for _, coat := range []string{plain, strconv.Quote(plain), url.QueryEscape(plain), url.PathEscape(plain), base64.StdEncoding.EncodeToString([]byte(plain))} {
		text := "refused, you said " + coat + " and again " + coat
		if got := s.Hidden(text); strings.Contains(got, strings.Trim(coat, `"`)) || !strings.HasPrefix(got, "refused, you said ") {
			t.Errorf("got %q of %q", got, text)
		}
		err := fmt.Errorf("ask: %s: %w", coat, io.EOF)
		if got := s.HiddenIn(err); !errors.Is(got, io.EOF) || strings.Contains(got.Error(), strings.Trim(coat, `"`)) {
			t.Errorf("got %v", got)
		}
	}
	if got := s.HiddenIn(io.EOF); got != io.EOF {
		t.Errorf("an error without the secret became %v", got)
	}
	if got := policy.Secret("a").Hidden("a man"); got != "a man" {
		t.Errorf("a secret of one letter was taken out of words: %q", got)
	}
	if s.HiddenIn(nil) != nil || policy.Secret("").Hidden("x") != "x" {
		t.Error("nothing became something")
	}
}
