package main

import (
	"errors"
	"net/url"
	"strings"
	"testing"
)

// Whatever an answer says back of the secret URL, the error does not.
func TestHeartbeatUnsaid(t *testing.T) {
	t.Parallel()
	u, err := url.Parse("https://hc.example.com/ping/4f1c-secret-uuid?key=another-secret")
	if err != nil {
		t.Fatal(err)
	}
	for _, said := range []string{
		`failed to parse Location header "http://[::1you%20said%20POST%20%2Fping%2F4f1c-secret-uuid": missing ]`,
		`malformed HTTP response "POST /ping/4f1c-secret-uuid?key=another-secret"`,
		`malformed HTTP status code "key%3Danother-secret"`,
	} {
		if got := unsaidOf(u, errors.New(said)).Error(); strings.Contains(got, "uuid") || strings.Contains(got, "another") {
			t.Errorf("it says %s", got)
		}
	}
}
